"""Same question, same signature; and what a call reads and writes."""

from __future__ import annotations

import pytest

from memory.core.types import ToolKind
from memory.harness.signature import describe, signature

CWD = "/w/shop"


@pytest.mark.parametrize(
    ("tool", "one", "other"),
    [
        ("Bash", {"command": "ls  -la", "description": "List"}, {"command": "ls -la ", "timeout": 5}),
        ("Read", {"file_path": "src/a.py"}, {"file_path": "/w/shop/src/../src/a.py"}),
        ("Read", {"file_path": "a.py", "offset": 1}, {"file_path": "./a.py"}),
        ("Grep", {"pattern": "x", "path": "/w/shop/src"}, {"path": "src", "pattern": "x"}),
        ("Bash", {"command": "cat /w/shop/a.py"}, {"command": "cat a.py"}),
        ("Edit", {"file_path": "a", "old_string": "x", "new_string": "y", "replace_all": False},
         {"file_path": "a", "old_string": "x", "new_string": "y"}),
    ],
)  # fmt: skip
def test_equal(tool: str, one: dict[str, object], other: dict[str, object]) -> None:
    assert signature(tool, one, CWD) == signature(tool, other, CWD)


@pytest.mark.parametrize(
    ("tool", "one", "other"),
    [
        ("Bash", {"command": "echo 'a  b'"}, {"command": "echo 'a b'"}),
        ("Read", {"file_path": "a.py"}, {"file_path": "a.py", "offset": 2}),
        ("Edit", {"file_path": "a", "new_string": " x"}, {"file_path": "a", "new_string": "x"}),
        ("Bash", {"command": "x" * 500}, {"command": "x" * 499 + "y"}),
    ],
)
def test_different(tool: str, one: dict[str, object], other: dict[str, object]) -> None:
    assert signature(tool, one, CWD) != signature(tool, other, CWD)


def test_the_working_directory_resolves_and_the_root_shortens() -> None:
    assert signature("Read", {"file_path": "a.py"}, "/w/shop/src", "/w/shop") == signature(
        "Read", {"file_path": "src/a.py"}, "/w/shop"
    )


R, W, V = ToolKind.READ, ToolKind.WRITE, ToolKind.VOLATILE


@pytest.mark.parametrize(
    ("command", "kind", "reads", "writes"),
    [
        ("cat src/a.py | head -20", R, ("file:/w/shop/src/a.py",), ()),
        ("grep -rn 'foo bar' src 2>/dev/null", R, ("dir:/w/shop/src",), ()),
        ("cd sub && ls", R, ("dir:/w/shop/sub",), ()),
        ("sed -n '1,20p' a.py", R, ("file:/w/shop/a.py",), ()),
        ("git status", V, (), ()),
        ("git diff HEAD~1", V, (), ()),
        ("pytest tests -q", V, (), ()),
        ("unheard-of --of", V, (), ()),
        ("", V, (), ()),
        ("echo 'unclosed", V, (), ()),
        ("make 2>&1 | tail -5", V, (), ()),
        ("sed -i s/a/b/ a.py", W, (), ("file:/w/shop/a.py",)),
        ("echo hi > out.txt", W, (), ("file:/w/shop/out.txt",)),
        (
            "mv a.py b.py",
            W,
            (),
            ("dir:/w/shop/a.py", "file:/w/shop/a.py", "dir:/w/shop/b.py", "file:/w/shop/b.py"),
        ),
        ("rm -rf build", W, (), ("dir:/w/shop/build", "file:/w/shop/build")),
        ("git checkout main", W, (), ("dir:/w/shop",)),
        ("cat <<'EOF' > x.py\nrm -rf /\nEOF", W, (), ("file:/w/shop/x.py",)),
        ("echo $(date) > log", W, (), ("dir:/w/shop",)),
        ("find . -name '*.pyc' -delete", W, (), ("dir:/w/shop",)),
    ],
)
def test_shell(command: str, kind: ToolKind, reads: tuple[str, ...], writes: tuple[str, ...]) -> None:
    call = describe("Bash", {"command": command}, CWD)
    assert (call.kind, call.reads, call.writes) == (kind, reads, writes)


def test_tools() -> None:
    assert describe("Read", {"file_path": "a.py"}, CWD).reads == ("file:/w/shop/a.py",)
    assert describe("Write", {"file_path": "a.py"}, CWD).writes == ("file:/w/shop/a.py",)
    assert describe("Grep", {"pattern": "x"}, CWD).reads == ("dir:/w/shop",)
    assert describe("mcp__anything", {}, CWD).kind is ToolKind.VOLATILE
