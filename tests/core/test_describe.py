"""docs/events.md says what the code says."""

from __future__ import annotations

from pathlib import Path

import pytest

from memory.core import decode_body, describe
from memory.core.errors import EventError
from memory.core.events import KINDS

PAGE = Path(__file__).resolve().parents[2] / "docs" / "events.md"


def test_the_page_is_the_generated_one() -> None:
    assert PAGE.read_text("utf-8") == describe.markdown(), "python -m memory.core.describe > docs/events.md"


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_an_example_that_is_accepted(kind: str) -> None:
    decode_body(kind, describe.EXAMPLES[kind])


def test_errors_name_the_kinds_and_all_missing_fields() -> None:
    with pytest.raises(EventError, match=r"there are session_started, .*noted"):
        decode_body("magic", {})
    with pytest.raises(EventError, match="call_id: is missing, and so is: tool, signature"):
        decode_body("tool_called", {})
