"""The user's own transcripts are found within their root, newest first, and nothing else is opened."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from memory.harness import discover


def transcript(folder: Path, name: str, *records: object, age: int = 0) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    os.utime(path, (1_700_000_000 - age, 1_700_000_000 - age))
    return path


def user(text: object, **more: object) -> dict[str, object]:
    return {"type": "user", "cwd": "/home/u/p", "message": {"role": "user", "content": text}, **more}


def test_newest_first_with_the_first_prompt(tmp_path: Path) -> None:
    old = transcript(tmp_path / "a", "1", {"type": "mode"}, user("<command-name>x"), user("Fix\n it"), age=9)
    new = transcript(tmp_path / "b", "2", user([{"type": "tool_result"}, {"type": "text", "text": "Build"}]))
    found = discover.discover(tmp_path)
    assert [(f.path, f.title, f.cwd) for f in found] == [
        (new, "Build", "/home/u/p"),
        (old, "Fix it", "/home/u/p"),
    ]
    assert found[0].size == new.stat().st_size and found[0].modified == 1_700_000_000
    assert len(discover.discover(tmp_path, limit=1)) == 1


def test_nothing_outside_the_root_is_followed(tmp_path: Path) -> None:
    outside = transcript(tmp_path / "elsewhere" / "x", "secret", user("secret"))
    root = tmp_path / "root"
    (root / "p").mkdir(parents=True)
    (root / "p" / "link.jsonl").symlink_to(outside)
    (root / "linked").symlink_to(outside.parent)
    os.mkfifo(root / "p" / "pipe.jsonl")
    (root / "p" / "empty.jsonl").touch()
    (root / "p" / "folder.jsonl").mkdir()
    (root / "p" / "notes.txt").write_text("{}")
    assert discover.discover(root) == []


def test_odd_files_are_offered_without_a_title(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "x.jsonl").write_bytes(b"\xff\x00 not json\n[1]\n" + b"[" * 100_000)
    (found,) = discover.discover(tmp_path)
    assert (found.title, found.cwd) == ("", "")


def test_a_missing_root_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLAUDE_CONFIG_DIR", str(tmp_path / "none"))
    assert discover.projects_root() == tmp_path / "none" / "projects"
    assert discover.discover() == []


def test_the_default_root_is_in_the_home() -> None:
    assert discover.projects_root({"HOME": "/home/u"}) == Path("/home/u/.claude/projects")
