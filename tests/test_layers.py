"""The layer table of docs/architecture.md: what each layer may import. Only the sources are read."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
OURS = ("clawweb", "inspector", "memory")

# Whatever makes two runs differ, or reaches out of the process.
IMPURE = {
    *("asyncio", "concurrent", "ctypes", "datetime", "fcntl", "getpass", "glob", "http", "locale", "logging"),
    *("mmap", "multiprocessing", "os", "pathlib", "pickle", "platform", "random", "secrets", "select"),
    *("selectors", "shutil", "signal", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "threading"),
    *("time", "urllib", "uuid", "zoneinfo"),
}


@dataclass(frozen=True)
class Layer:
    """`files`: prefixes of modules. `allow`: the only ones of ours. `deny`: these never, ours or foreign."""

    name: str
    files: tuple[str, ...]
    allow: tuple[str, ...] = OURS
    deny: tuple[str, ...] = ()
    stdlib_only: bool = False


LAYERS = [
    Layer("core", ("memory.core",), allow=("memory.core",), deny=tuple(IMPURE), stdlib_only=True),
    Layer(
        "harness",
        ("memory.harness", "memory.complete"),
        allow=("memory.core", "memory.harness", "memory.complete", "memory.representations", "memory.tokens"),
        deny=("django", "celery", "redis", "channels", "ninja"),
    ),
    Layer(
        "tokens and representations",
        ("memory.tokens", "memory.representations"),
        allow=("memory.core", "memory.tokens", "memory.representations"),
        deny=("django", "celery", "redis", "channels", "ninja"),
    ),
    Layer(
        "models",
        ("memory.models",),
        allow=("memory.core.types",),
        deny=("celery", "channels", "redis", "ninja"),
    ),
    Layer(
        "store",
        ("memory.store",),
        allow=("memory",),
        deny=("celery", "channels", "inspector", "ninja", "memory.tasks"),
    ),
    Layer(
        "stream",
        ("memory.stream",),
        allow=("memory.stream",),
        deny=("django", "celery", "channels", "ninja"),
    ),
    Layer("tasks", ("memory.tasks", "memory.sweeper"), allow=("memory",), deny=("ninja", "channels")),
    Layer("memory", ("memory",), allow=("memory",), deny=("clawweb", "inspector", "ninja")),
    Layer(
        "inspector",
        ("inspector",),
        allow=(
            "inspector",
            "memory.store",
            "memory.stream",
            "memory.dryrun",
            "memory.prompt",
            "memory.safe",
            "memory.complete",
            "memory.core.types",
            "memory.core.events",
            "memory.core.outcomes",
            "memory.core.errors",
            "memory.tasks.enqueue_drain",
        ),
        deny=("clawweb", "celery"),
    ),
]


def module_name(path: Path) -> str:
    """`memory/core/types.py` → `memory.core.types`."""
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(source: str, module: str, *, package: bool = False) -> Iterator[tuple[int, str]]:
    """Every name that the source imports, wherever it stands: (line, dotted name)."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = module.split(".")[: len(module.split(".")) - node.level + (1 if package else 0)]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def within(name: str, prefixes: tuple[str, ...]) -> bool:
    return any(name == prefix or name.startswith(prefix + ".") for prefix in prefixes)


def broken(layer: Layer, name: str) -> str | None:
    """Why `layer` may not import `name`; None when it may."""
    top = name.partition(".")[0]
    if within(name, layer.deny):
        return "denied"
    if top in OURS and not within(name, layer.allow):
        return "not among what it may use"
    if layer.stdlib_only and top not in OURS and top not in sys.stdlib_module_names:
        return "not of the standard library"
    return None


def sources() -> list[Path]:
    return [p for top in OURS for p in sorted((ROOT / top).rglob("*.py")) if "migrations" not in p.parts]


@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_layer_imports_only_what_it_may(layer: Layer) -> None:
    problems = []
    for path in sources():
        module = module_name(path)
        if not within(module, layer.files):
            continue
        for line, name in imports(path.read_text("utf-8"), module, package=path.name == "__init__.py"):
            if why := broken(layer, name):
                problems.append(f"{path.relative_to(ROOT)}:{line} imports {name}: {why}")
    assert not problems, "\n".join(problems)


def test_nobody_imports_clawweb() -> None:
    guilty = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sources()
        if not within(module_name(path), ("clawweb",))
        for line, name in imports(path.read_text("utf-8"), module_name(path))
        if within(name, ("clawweb",))
    ]
    assert not guilty


@pytest.mark.parametrize(
    ("layer", "source"),
    [
        ("core", "def f():\n    import time"),
        ("core", "from os import path"),
        ("core", "import django"),
        ("core", "from memory.store import append"),
        ("core", "from ..store import append"),
        ("stream", "from memory.models import Session"),
        ("inspector", "from memory import models"),
        ("inspector", "from memory.tasks import drain_session"),
        ("store", "from memory import tasks"),
    ],
)
def test_a_broken_row_is_seen(layer: str, source: str) -> None:
    """The test above must be able to fail."""
    row = next(row for row in LAYERS if row.name == layer)
    assert any(broken(row, name) for _, name in imports(source, "memory.core.engine"))
