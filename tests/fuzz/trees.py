"""JSON trees that may hold what JSON cannot, as text; and all their places."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Path = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Raw:
    """Text that stands in a tree as it is: ``NaN``, ``1e400``, anything."""

    text: str


@dataclass(slots=True)
class Pairs:
    """An object whose keys may come twice."""

    pairs: list[tuple[str, Any]]


def text_of(tree: Any) -> str:
    """The tree as ASCII text. A very deep one is no trouble."""
    out: list[str] = []
    todo: list[Any] = [tree]
    while todo:
        node = todo.pop()
        kind = type(node)
        if kind is Raw:
            out.append(node.text)
        elif kind is dict or kind is Pairs:
            pairs = list(node.items() if kind is dict else node.pairs)
            todo.append(Raw("}"))
            for number in range(len(pairs) - 1, -1, -1):
                key, value = pairs[number]
                todo += [value, Raw(("," if number else "") + json.dumps(key) + ":")]
            todo.append(Raw("{"))
        elif kind is list:
            todo.append(Raw("]"))
            for number in range(len(node) - 1, -1, -1):
                todo.append(node[number])
                if number:
                    todo.append(Raw(","))
            todo.append(Raw("["))
        else:
            out.append(json.dumps(node))
    return "".join(out)


def paths(tree: Any, path: Path = ()) -> Iterator[Path]:
    """Every place in the tree, its root first."""
    yield path
    if isinstance(tree, dict):
        for key in tree:
            yield from paths(tree[key], (*path, key))
    elif isinstance(tree, list):
        for number in range(len(tree)):
            yield from paths(tree[number], (*path, number))


def at(tree: Any, path: Path) -> Any:
    for step in path:
        tree = tree[step]
    return tree


def copied(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: copied(value) for key, value in tree.items()}
    return [copied(value) for value in tree] if isinstance(tree, list) else tree


def put(tree: Any, path: Path, value: Any) -> Any:
    """The tree with ``value`` at the place; a copy as far as it changes."""
    if not path:
        return value
    out: Any = dict(tree) if isinstance(tree, dict) else list(tree)
    out[path[0]] = put(out[path[0]], path[1:], value)
    return out


def without(tree: Any, path: Path) -> Any:
    """The tree without that key or entry."""
    parent = at(tree, path[:-1])
    if isinstance(parent, dict):
        less: Any = {key: value for key, value in parent.items() if key != path[-1]}
    else:
        less = parent[: path[-1]] + parent[path[-1] + 1 :]
    return put(tree, path[:-1], less)
