"""``manage.py watch``: any file, read twice, adds nothing twice, and says what it could not read."""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from memory import store
from memory.models import Event, Record, Session
from memory.store import cache

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def cold() -> Iterator[None]:
    cache.clear()
    yield
    cache.clear()


def watch(path: Path, *words: str) -> str:
    out = io.StringIO()
    call_command("watch", str(path), "--drain", *words, stdout=out, stderr=out, skip_checks=True)
    return out.getvalue()


def user(n: int, text: str) -> bytes:
    return _line("user", n, {"role": "user", "content": text})


def assistant(n: int, *parts: dict[str, Any], usage: int = 1000) -> bytes:
    message = {
        "role": "assistant",
        "id": f"msg_{n}",
        "model": "m",
        "content": list(parts),
        "usage": {"input_tokens": usage, "output_tokens": 5},
    }
    return _line("assistant", n, message)


def call(n: int, path: str) -> bytes:
    return assistant(n, {"type": "tool_use", "id": f"t{n}", "name": "Read", "input": {"file_path": path}})


def result(n: int, of: int, text: str) -> bytes:
    part = {"type": "tool_result", "tool_use_id": f"t{of}", "content": text}
    return _line("user", n, {"role": "user", "content": [part]})


def _line(kind: str, n: int, message: dict[str, Any]) -> bytes:
    record = {
        "type": kind,
        "uuid": f"u{n}",
        "parentUuid": f"u{n - 1}" if n > 1 else None,
        "sessionId": "sess-1",
        "timestamp": f"2026-01-01T00:00:{n % 60:02}Z",
        "cwd": "/w",
        "message": message,
    }
    return json.dumps(record).encode()


GOOD = [
    user(1, "Hello"),
    assistant(2, {"type": "text", "text": "Hi"}),
    call(3, "/w/a.py"),
    result(4, 3, "print(1)"),
]


def write(tmp_path: Path, *lines: bytes, end: bytes = b"\n") -> Path:
    path = tmp_path / "sess-1.jsonl"
    path.write_bytes(b"\n".join(lines) + end)
    return path


def session() -> store.SessionRow:
    row = store.session_row(str(Session.objects.get().pk))
    assert row is not None
    return row


def test_twice_adds_nothing_twice(tmp_path: Path) -> None:
    path = write(tmp_path, *GOOD)
    assert "records: 4 read, 4 new, 0 duplicate; in the session 0 unknown, 0 broken" in watch(path)
    before = session()
    assert (before.key, before.harness, before.mode, before.pending) == (
        "sess-1",
        "claude-code",
        "observed",
        0,
    )
    assert before.turn == 2
    assert "records: 4 read, 0 new, 4 duplicate" in watch(path)
    assert session() == before


def test_what_was_added_is_read(tmp_path: Path) -> None:
    watch(write(tmp_path, *GOOD[:2]))
    said = watch(write(tmp_path, *GOOD, user(5, "More")))
    assert "5 read, 3 new, 2 duplicate" in said
    together = sorted(Event.objects.values_list("seq", "kind", "body_sha256"))
    Session.objects.all().delete()
    cache.clear()
    watch(write(tmp_path, *GOOD, user(5, "More")))
    assert sorted(Event.objects.values_list("seq", "kind", "body_sha256")) == together


def test_a_half_line_at_the_end_is_stored_once_it_is_whole(tmp_path: Path) -> None:
    whole = user(5, "The end, é")
    path = write(tmp_path, *GOOD, whole[:40], end=b"")
    said = watch(path)
    assert "1 broken" in said
    assert "broken: line 5: " in said
    assert "5 read, 0 new, 5 duplicate" in watch(path)
    write(tmp_path, *GOOD, whole, end=b"")
    assert "5 read, 1 new, 4 duplicate" in watch(path)
    write(tmp_path, *GOOD, whole, user(6, "And more"))
    assert "6 read, 1 new, 5 duplicate" in watch(path)
    texts = [e.text for e in store.conversation(session().id) if e.kind == "prompt"]
    assert texts.count("The end, é") == 1


def test_broken_lines_are_kept_counted_and_named_and_stop_nothing(tmp_path: Path) -> None:
    two = GOOD[2] + GOOD[3]
    lines = [
        GOOD[0],
        b"{broken",
        b"\xff\xfe\x00binary",
        GOOD[1],
        b"",
        two,
        b"[1]",
        b'{"type":"never-seen","x":1}',
        b"7",
    ]
    said = watch(write(tmp_path, *lines))
    row = session()
    assert row.record_count == 8
    assert row.broken_records >= 2
    assert row.unknown_records >= 3
    assert "broken: line 2: " in said
    assert "broken: line 3: " in said
    assert row.turn == 2
    assert {e.kind for e in store.conversation(row.id)} >= {"prompt", "answer", "tool_call", "tool_result"}


def test_a_line_of_50_mb_is_kept_by_its_head(tmp_path: Path, settings: Any) -> None:
    path = tmp_path / "big.jsonl"
    with path.open("wb") as file:
        file.write(GOOD[0] + b"\n")
        file.write(user(2, "x")[:-3])
        for _ in range(50):
            file.write(b"y" * 1_000_000)
        file.write(b'"}}\n' + GOOD[1].replace(b"u2", b"u3") + b"\n")
    began = time.monotonic()
    said = watch(path)
    assert time.monotonic() - began < 30
    assert "3 read, 3 new" in said
    big = Record.objects.get(n=2)
    assert big.length > 50_000_000
    assert big.truncated
    assert len(bytes(big.raw)) < 9_000_000
    assert "line 2: over the size limit" in said
    assert session().turn == 1


def test_five_megabytes_of_text_on_one_line(tmp_path: Path) -> None:
    hostile = "<script>\x00\x1b[31m\ud800\u202e" + "é" * 100_000 + "z" * 4_900_000
    watch(write(tmp_path, GOOD[0], GOOD[2], result(4, 3, hostile)))
    row = session()
    assert (row.pending, row.broken_records) == (0, 0)
    (found, _) = store.pages(row.id, types=["evidence"])
    texts = store.page_texts(row.id, found[0].view.page_id)
    assert "<script>␀␛[31m�⟨é" in texts["full"]["text"]


def test_results_without_calls_and_calls_without_results(tmp_path: Path) -> None:
    watch(write(tmp_path, GOOD[0], result(9, 77, "nobody asked"), GOOD[1], call(5, "/w/b.py")))
    row = session()
    assert (row.pending, row.broken_records, row.turn) == (0, 0, 2)


def test_records_out_of_order_and_twice(tmp_path: Path) -> None:
    watch(write(tmp_path, GOOD[3], GOOD[1], GOOD[0], GOOD[2], GOOD[1], GOOD[3]))
    row = session()
    assert (row.record_count, row.pending) == (6, 0)
    assert row.turn == 2


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"", "is empty"), (bytes(range(256)) * 9, "binary file"), (b"hello\n", "no line of JSON")],
)
def test_no_transcript_no_session(tmp_path: Path, data: bytes, says: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(data)
    with pytest.raises(CommandError, match=says) as caught:
        watch(path)
    assert caught.value.returncode == 2
    assert "\n" not in str(caught.value)
    assert not Session.objects.exists()


FOREIGN = [
    b'{"type":"session","id":"a","timestamp":"2026-01-01T00:00:00Z","cwd":"/w"}\n'
    b'{"type":"message","message":{"role":"user","content":[{"type":"text","text":"hi"}]}}\n',
    b'{"name": "a JSON file", "type": ["user"]}\n',
    b'{\n  "name": "user",\n  "list": [\n    {}\n  ]\n}\n',
    b"\x93{\x00\xff\n{\xfe\xfd\n\n",
    b'{"sessionId":"s","type":"never-seen"}\n' * 300,
]


@pytest.mark.parametrize("data", FOREIGN)
def test_another_programs_file_makes_no_session(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(data)
    with pytest.raises(CommandError, match=r"not a Claude Code transcript: (none|its first)") as caught:
        watch(path)
    assert caught.value.returncode == 1
    assert ("first 200 lines" in str(caught.value)) == (len(data) > 9000)
    assert not Session.objects.exists()


def test_one_known_record_is_enough_even_where_it_is_too_long_to_be_read(tmp_path: Path) -> None:
    watch(write(tmp_path, b"{broken", *[b'{"type":"never-seen"}'] * 100, GOOD[0]))
    assert session().record_count == 102
    Session.objects.all().delete()
    watch(write(tmp_path, user(1, "x" * 9_000_000)))
    assert session().record_count == 1


@pytest.mark.traces
def test_a_pi_transcript_makes_no_session(traces: Path) -> None:
    for path in (traces / "pi").glob("*.jsonl"):
        with pytest.raises(CommandError, match="is not a Claude Code transcript: none of its first"):
            watch(path)
    assert not Session.objects.exists()


def test_the_address_is_whole_while_a_clawweb_runs(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.CLAWWEB_DATA_DIR = tmp_path
    monkeypatch.delenv("CLAWWEB_URL", raising=False)
    path = write(tmp_path, *GOOD)
    lock = tmp_path / "up.lock"
    assert "(no ClawWeb runs here: start it with make up)" in watch(path)
    lock.write_text(json.dumps({"pid": os.getpid(), "address": "http://127.0.0.1:9000"}))
    assert f"session sess-1: http://127.0.0.1:9000/sessions/{session().id}/\n" in watch(path)
    ended = subprocess.Popen(["true"])
    ended.wait()
    lock.write_text(json.dumps({"pid": ended.pid, "address": "http://127.0.0.1:9000"}))
    assert "start it with make up" in watch(path)
    monkeypatch.setenv("CLAWWEB_URL", "http://claw.example/")
    assert "http://claw.example/sessions/" in watch(path)


def test_doctor_says_how_much_there_is(tmp_path: Path) -> None:
    watch(write(tmp_path, *GOOD))
    out = io.StringIO()
    call_command("doctor", stdout=out, skip_checks=True)
    said = out.getvalue()
    assert "0 sessions have work pending" in said
    assert "bytes a turn" in said
    assert re.search(r"^PageText +\d+ +- +-$", said, re.MULTILINE)
    assert "(2 turns, a side; no indexes)" in said
    assert str(Session.objects.get().pk) in said


@pytest.mark.traces
@pytest.mark.parametrize("name", ["20_02395c1048_0", "60_fd31fcf44f_0", "b0_dc55b3a1dc_1"])
def test_recorded_sessions_in_one_go_or_bit_by_bit(
    tmp_path: Path, traces: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However the file grew and whatever the caches held: the same trace."""
    lines = (traces / "claude-code" / f"entireio-cli__{name}.jsonl").read_bytes().split(b"\n")
    path = tmp_path / "s.jsonl"
    path.write_bytes(b"\n".join(lines))
    watch(path)
    row = session()
    whole = [list(store.trace_lines(row.id, side)) for side in ("primary", "shadow")]
    assert len(whole[0]) > 5
    Session.objects.all().delete()
    for part in range(1, 6):
        cache.clear()
        path.write_bytes(b"\n".join(lines[: len(lines) * part // 5]))
        watch(path)
    row = session()
    assert [list(store.trace_lines(row.id, side)) for side in ("primary", "shadow")] == whole
