"""What is vendored is what its table says, and names no host."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

VENDOR = Path(__file__).resolve().parent.parent.parent / "static" / "vendor"
LINE = re.compile(r"^\| `([^`]+)` \|.*\| `([0-9a-f]{64})` \|$", re.M)


def test_checksums_are_those_of_the_table() -> None:
    """Every file but the table itself is listed, with its checksum."""
    listed = dict(LINE.findall((VENDOR / "README.md").read_text("utf-8")))
    there = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "README.md"
    }
    assert listed == there


def test_templates_and_scripts_hold_nothing_inline_and_load_nothing_from_elsewhere() -> None:
    """The security policy would refuse it; better to know before a browser does."""
    root = VENDOR.parent.parent
    for path in [
        *root.glob("templates/**/*.html"),
        *root.glob("static/js/*.js"),
        *root.glob("static/css/*.css"),
    ]:
        text = path.read_text("utf-8")
        assert "//" not in re.sub(r"(?m)^\s*//.*|\w+://www\.w3\.org/\S*", "", text).replace("///", ""), path
        assert not re.search(r"<[^>]*\s(style|on\w+)\s*=|<style|hx-on|\bjs:", text), path
        assert not re.search(r"<script(?![^>]*\ssrc=)", text), path
