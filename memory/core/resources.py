"""Which readers a write reaches: the one rule by which results go out of date."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)


def above(path: str) -> list[str]:
    """Folders above a path, nearest first: ``/a/b/c`` → ``/a/b``, ``/a``, ``/``; ``a/b`` → ``a``, ``.``."""
    found = []
    while "/" in path.rstrip("/"):
        path = path.rstrip("/").rsplit("/", 1)[0]
        found.append(path or "/")
        if not path:
            return found
    return found if found and found[-1] == "/" else [*found, "."]


def _split(resource: str) -> tuple[str, str]:
    kind, _, path = resource.partition(":")
    return kind, path.rstrip("/") or "/" if path.startswith("/") else path.rstrip("/") or "."


class Readers(Generic[Key]):
    """Who depends on what, by resource. ``Key`` is what the user of it calls a reader."""

    __slots__ = ("_by_resource",)

    def __init__(self) -> None:
        self._by_resource: dict[str, tuple[Key, ...]] = {}

    def add(self, key: Key, resources: Iterable[str]) -> None:
        for resource in dict.fromkeys(resources):
            self._by_resource[resource] = (*self._by_resource.get(resource, ()), key)

    def remove(self, key: Key, resources: Iterable[str]) -> None:
        for resource in dict.fromkeys(resources):
            readers = tuple(other for other in self._by_resource[resource] if other != key)
            if readers:
                self._by_resource[resource] = readers
            else:
                del self._by_resource[resource]

    def hit(self, writes: Iterable[str]) -> dict[Key, str]:
        """Readers whose answer a write may have changed, each with the first such write.

        ``workspace`` is hit by any write; a file by a write to it or to a folder above it; a folder by
        a write to it, above it or below it; anything else (``url:…``) by the same name.
        """
        found: dict[Key, str] = {}
        for write in writes if self._by_resource else ():
            for name in self._names(write):
                for key in self._by_resource.get(name, ()):
                    found.setdefault(key, write)
        return found

    def _names(self, write: str) -> set[str]:
        names = {write, "workspace"}
        kind, path = _split(write)
        if kind in ("file", "dir"):
            names.add(f"{kind}:{path}")
            names.update(f"dir:{folder}" for folder in above(path))
        if kind == "dir":
            start = "" if path == "." else path.rstrip("/") + "/"
            for name in self._by_resource:
                below_kind, below = _split(name)
                inside = below.startswith(start) and (start or below[:1] != "/")
                if below_kind in ("file", "dir") and inside:
                    names.add(name)
        return names

    def copy(self) -> Readers[Key]:
        other: Readers[Key] = Readers()
        other._by_resource = dict(self._by_resource)
        return other
