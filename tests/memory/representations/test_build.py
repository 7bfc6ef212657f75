"""Representations: verbatim on top, strictly smaller below, with the handle, and never an invented word."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.core.types import DEGRADATION_PATH, Fidelity, PageType
from memory.representations import build, handle
from memory.representations.rules import structured

LOG = "\n".join(
    [
        "Collecting things",
        *(f"ok   module number {n} passed quietly" for n in range(300)),
        "ERROR: db is gone",
        "exit 1",
    ]
)
POLICY = """# Working here

This folder holds the shop. It grew over years, and much of it is told in the wiki of the company.

## Rules

Money is kept in cents. You must never use floats for
money, e.g. prices. Ask before you delete a file. History is long.

The following must stay:
- the CSV columns
- `v1.2.3` of the format

## Background

Once there was a shop with three people who liked it very much and told stories about it all day long.
"""


@pytest.mark.parametrize("page_type", list(PageType))
@pytest.mark.parametrize(
    "text", [LOG, POLICY, "word " * 3000, "a\nb", ""], ids=["log", "policy", "words", "short", "empty"]
)
def test_they_stand_on_the_path_and_grow(page_type: PageType, text: str) -> None:
    made = build(page_type, text, page_id="p:1", title="A page")
    assert set(made) <= set(DEGRADATION_PATH[page_type]) and made[Fidelity.FULL].text == text
    tokens = [made[f].tokens for f in sorted(made)]
    assert tokens[0] >= 1 and tokens == sorted(set(tokens))
    for fidelity, form in made.items():
        assert fidelity is Fidelity.FULL or form.text.startswith("[page:p:1")


def test_a_pointer_is_one_line_with_the_handle() -> None:
    pointer = build(PageType.EVIDENCE, LOG, page_id="bash:1", title="pip\ninstall")[Fidelity.POINTER].text
    assert re.fullmatch(r"\[page:bash:1 evidence \d+ tokens: pip install\]", pointer)


def test_evidence_keeps_what_went_wrong() -> None:
    made = build(PageType.EVIDENCE, LOG, page_id="p", hint={"tool": "Bash", "command": "make", "error": True})
    for fidelity in (Fidelity.STRUCTURED, Fidelity.COMPRESSED):
        assert "ERROR: db is gone" in made[fidelity].text
    assert (
        "command: make" in made[Fidelity.STRUCTURED].text and "error: yes" in made[Fidelity.STRUCTURED].text
    )


def test_rules_keep_every_normative_sentence_word_for_word() -> None:
    kept = build(PageType.CONSTRAINT, POLICY, page_id="p")[Fidelity.STRUCTURED].text
    for part in (
        "## Rules", "You must never use floats for\nmoney, e.g. prices.", "Ask before you delete a file.",
        "The following must stay:", "- the CSV columns", "- `v1.2.3` of the format",
    ):  # fmt: skip
        assert part in kept
    for part in ("Background", "stories", "History is long", "grew over years"):
        assert part not in kept


def test_text_without_a_rule_has_no_structured_form() -> None:
    text = "The sky is blue over the old town. " * 40
    assert structured(text) is None
    assert set(build(PageType.BOOTSTRAP, text, page_id="p")) == {Fidelity.FULL}


NORMS = st.sampled_from(
    ["You must not do it", "Never push on Friday", "Do not touch it", "Only Bo may merge", "Ask first"]
)
FILLER = st.sampled_from(["The sky is blue", "It was long ago", "Bo likes tea", "Rivers flow"])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(
        st.tuples(st.booleans(), NORMS, FILLER, st.sampled_from([". ", ".\n", ".\n\n", ".\n- "])),
        min_size=1,
        max_size=12,
    )
)
def test_no_normative_sentence_is_ever_lost(parts: list[tuple[bool, str, str, str]]) -> None:
    text = "".join((norm if rule else filler) + end for rule, norm, filler, end in parts)
    kept = structured(text)
    for rule, norm, _, _ in parts:
        assert not rule or (kept is not None and norm in kept)


def test_a_plan_says_goal_step_and_counts() -> None:
    text = "\n".join(
        [
            "[x] write the parser with all of its odd cases",
            "[>] test it",
            *(f"[ ] step number {n}" for n in range(30)),
        ]
    )
    made = build(PageType.PLAN, text, page_id="plan", hint={"goal": "Ship it"})[Fidelity.STRUCTURED].text
    assert made == "[page:plan]\ngoal: Ship it\ncurrent step: test it\nsteps: 1 of 32 done, 1 in progress"


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(list(PageType)), st.text(max_size=2000), st.text(max_size=40))
def test_any_text_and_the_same_twice(page_type: PageType, text: str, title: str) -> None:
    one = build(page_type, text, page_id="x", title=title)
    assert one == build(page_type, text, page_id="x", title=title)


@pytest.mark.parametrize(
    "text",
    [
        "a" * 5_000_000,
        "must " * 1_000_000,
        "\u00a0" * 3_000_000 + "x",
        "error\n" * 800_000,
        "- \n" * 1_000_000,
        "." * 3_000_000,
    ],
    ids=["run", "rules", "blanks", "errors", "items", "dots"],
)
@pytest.mark.parametrize(
    "page_type", [PageType.EVIDENCE, PageType.CONSTRAINT, PageType.CONVERSATION, PageType.PLAN]
)
def test_huge_texts_are_linear(page_type: PageType, text: str) -> None:
    """In CPU seconds: a quadratic one takes minutes, whatever else the machine does."""
    began = time.process_time()
    assert Fidelity.FULL in build(page_type, text, page_id="x")
    assert time.process_time() - began < 20


def test_the_handle_stays_on_one_line() -> None:
    assert handle("a\nb\x00c") == "[page:a b c]"
