"""What the pages for readers say is compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

from memory.core.types import BoundaryKind, FaultKind, Fidelity, PageType

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
GLOSSARY = (ROOT / "docs" / "glossary.md").read_text("utf-8")
#: Set by `up` for its own parts, or names of settings that no variable sets.
INTERNAL = {
    "CLAWWEB_DEBUG",
    "CLAWWEB_LISTEN_FD",
    "CLAWWEB_READY_FILE",
    "CLAWWEB_REDIS_URL",
    "CLAWWEB_STREAM_KEY",
    "CLAWWEB_URL",
}


def test_every_setting_is_documented_and_none_is_invented() -> None:
    named = re.compile(r"\"(CLAWWEB_[A-Z_]+|DATABASE_URL|REDIS_URL)\"")
    files = [path for part in ("clawweb", "memory", "inspector") for path in (ROOT / part).rglob("*.py")]
    used = {name for path in files for name in named.findall(path.read_text("utf-8"))} - INTERNAL
    table = README.partition("## Settings")[2].partition("\n## ")[0]
    assert set(re.findall(r"`(CLAWWEB_[A-Z_]+|DATABASE_URL|REDIS_URL)`", table)) == used


def test_every_command_is_documented_and_none_is_invented() -> None:
    files = ROOT.glob("*/management/commands/*.py")
    commands = {path.stem for path in files if path.stem != "__init__"}
    named = set(re.findall(r"manage\.py ([a-z]+)", README))
    assert named == commands


def test_every_make_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z-]+)`", README)) <= targets


def test_the_glossary_has_the_models_words() -> None:
    for kind in PageType:
        assert f"`{kind.value}`" in GLOSSARY
    for kind in BoundaryKind:
        assert kind.value in GLOSSARY
    assert " < ".join(f.label for f in Fidelity) in GLOSSARY
    for fault in FaultKind:
        assert f"`{fault.value}`" in GLOSSARY


def test_links_of_the_readme_lead_somewhere() -> None:
    for target in re.findall(r"\]\((?!https?:)([^)#]+)", README):
        assert (ROOT / target).exists(), target
