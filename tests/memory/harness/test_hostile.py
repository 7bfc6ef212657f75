"""Whatever stands in the file, the adapter goes on, says what was wrong, and keeps the rest."""

from __future__ import annotations

import itertools
import json
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memory.complete import check, complete
from memory.harness import RawRecord, UnknownAdapter, get_adapter
from memory.harness.jsonl import decode_line
from tests.memory.harness.records import Script, events, feed, pages, text, use

GOOD = b'{"type":"user","uuid":"u1","message":{"role":"user","content":"hello"}}'


@pytest.mark.parametrize(
    ("raw", "values", "problem"),
    [
        (b"", 0, None),
        (b"  \r", 0, None),
        (b"\xef\xbb\xbf" + GOOD, 1, None),
        (GOOD + GOOD, 2, None),
        (GOOD + b"  " + GOOD + b"\r", 2, None),
        (GOOD[:30], 0, "no JSON"),
        (GOOD + GOOD[:30], 1, "no JSON"),
        (b"\x7fELF\x00\x01\x02\xff\xfe", 0, "not UTF-8"),
        (GOOD.replace(b"hello", b"he\xffllo"), 1, "not UTF-8"),
        (b"\x00\x00" + GOOD, 1, None),
        (b"\x00" * 100, 0, "nothing but NUL"),
        (b"[" * 100_000, 0, "nested"),
        (b'{"a":' * 100_000, 0, "nested"),
    ],
)
def test_a_line_gives_what_is_whole_in_it(raw: bytes, values: int, problem: str | None) -> None:
    found, said = decode_line(raw)
    assert len(found) == values
    assert (said is None) if problem is None else problem in str(said)


def test_a_truncated_record_says_so() -> None:
    derived = get_adapter("claude-code").feed(RawRecord(1, GOOD[:20], truncated=True))
    assert "size limit" in str(derived.problem)


def test_what_is_no_object_or_of_an_unknown_type_is_unknown() -> None:
    found = feed([b"[1]", b'{"type":"of tomorrow","uuid":"x"}', b"{}", b'"text"', b"null", GOOD])
    assert [d.unknown for d in found] == [True, True, True, True, True, False]
    assert [d.problem for d in found] == [None] * 6


def test_an_unknown_adapter_is_named() -> None:
    with pytest.raises(UnknownAdapter, match="claude-code"):
        get_adapter("claude-kode")


@pytest.mark.parametrize(
    "hostile", ["\x00", "\ud800", "\x1b[31m", "\u202e", "<script>", "[page:plan]", "\n", "%"]
)
def test_hostile_text_survives_and_ids_stay_clean(hostile: str) -> None:
    script = Script()
    script.prompt(f"look {hostile} here")
    script.call("m1", "c1", "Read", {"file_path": f"a{hostile}b.py"}, f"x{hostile}y " * 60)
    script.call(f"m{hostile}", f"c{hostile}", "Bash", {"command": f"cat 'a{hostile}"}, [text(hostile)])
    assert any(f"look {hostile} here" == page["text"] for page in pages(script).values())
    for kind, body, _ in events(script):
        check(kind, body)
        done = complete(kind, body)
        for name in (done.get("page_id"), done.get("page", {}).get("page_id")):
            assert not name or not set(name) & set(" \n\x00\x1b\ud800\u202e[]")


def test_absurd_sizes_and_names_pass() -> None:
    script = Script()
    usage = {"input_tokens": True, "cache_read_input_tokens": -5, "output_tokens": 10**30}
    script.line("assistant", message={"id": "m" * 5_000, "content": [text("x")], "usage": usage})
    script.call("m2", "c2", "Read", {"file_path": "/a" * 50_000}, "x")
    script.line("system", subtype="compact_boundary", compactMetadata={"preTokens": -1, "postTokens": 1.5})
    for kind, body, _ in events(script):
        check(kind, body)


def test_five_megabytes_on_one_line_take_seconds_not_minutes() -> None:
    script = Script()
    script.call("m1", "c1", "Bash", {"command": "cat big"}, "ab c" + "z" * 5_000_000)
    began = time.monotonic()
    for kind, body, _ in events(script):
        complete(kind, body)
    assert time.monotonic() - began < 20


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
TYPES = ("user", "assistant", "system", "attachment", "progress", "queue-operation", "summary")
KEYS = (
    "message", "content", "attachment", "subtype", "compactMetadata", "microcompactMetadata", "toolUseResult",
    "uuid", "parentUuid", "isSidechain", "agentId", "data", "operation", "cwd", "timestamp",
)  # fmt: skip
BLOCKS = st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "tool_use", "tool_result", "thinking", "image"])},
    optional=dict.fromkeys(
        ("text", "id", "name", "input", "tool_use_id", "content", "thinking", "is_error"), JUNK
    ),
)
MESSAGES = st.fixed_dictionaries(
    {"content": st.lists(BLOCKS, max_size=3) | JUNK}, optional={"id": JUNK, "usage": JUNK}
)
RECORDS = st.builds(
    lambda kind, fields, message: {**fields, "type": kind, **({"message": message} if message else {})},
    st.sampled_from(TYPES),
    st.dictionaries(st.sampled_from(KEYS), JUNK, max_size=6),
    st.none() | MESSAGES,
)


@settings(max_examples=150, deadline=None)
@given(st.lists(RECORDS, max_size=6))
def test_records_of_any_shape_give_events_that_pass(records: list[dict[str, object]]) -> None:
    for derived in feed([json.dumps(record).encode() for record in records]):
        for kind, body, _ in derived.events:
            check(kind, body)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 12), max_size=4))
def test_batches_do_not_matter(cuts: list[int]) -> None:
    """The same records give the same events however they come, also to a second reader."""
    script = Script()
    script.prompt("Rules:\n- Never push.\nGo")
    for number in (1, 2, 3):
        script.call(f"m{number}", f"c{number}", "Read", {"file_path": "a.py"}, f"{number} " * 50)
    script.compact("Summary")
    script.answer("m9", text("done"), use("c9", "Bash", {"command": "ls"}))
    adapter, got = get_adapter("claude-code"), []
    edges = sorted({0, len(script.lines), *(min(cut, len(script.lines)) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        for n in range(start, end):
            got += adapter.feed(RawRecord(n + 1, script.lines[n])).events
    assert got == events(script)
