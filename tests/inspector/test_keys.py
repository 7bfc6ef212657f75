"""The list of keys and the script agree."""

from __future__ import annotations

import re
from pathlib import Path

from inspector.keys import KEYS

SCRIPT = Path(__file__).resolve().parent.parent.parent / "static" / "js" / "app.js"


def test_the_help_lists_what_the_script_does() -> None:
    """Every key of the help is handled, and every handled key is in the help."""
    table = re.search(r"const KEYS = \{(.*?)\n  \};", SCRIPT.read_text("utf-8"), re.S)
    assert table is not None
    handled = {a or b for a, b in re.findall(r'^    (?:"([^"]+)"|(\w+)):', table[1], re.M)}
    listed = {key for entry in KEYS for key in entry.keys if entry.keys[0] != "g"} | {"g s"}
    assert handled == listed
