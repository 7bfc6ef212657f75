"""A transcript's lines, as a stream."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from memory import lines


def read(path: Path, keep: int = 100) -> list[lines.Line]:
    with lines.open_transcript(path) as transcript:
        return list(transcript.read(keep=keep))


def write(tmp_path: Path, data: bytes) -> Path:
    path = tmp_path / "0f0e.jsonl"
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "is empty"),
        (b"\n \n", "is empty"),
        (bytes(range(256)) * 20, "is a binary file"),
        (b"hello\nworld\n", "has no line of JSON"),
    ],
)
def test_what_is_no_transcript_is_said_in_one_sentence(tmp_path: Path, data: bytes, says: str) -> None:
    with pytest.raises(lines.NotATranscript, match=says):
        lines.open_transcript(write(tmp_path, data))


def test_missing_files_and_folders(tmp_path: Path) -> None:
    with pytest.raises(lines.NotATranscript, match="No such file"):
        lines.open_transcript(tmp_path / "nothing.jsonl")
    with pytest.raises(lines.NotATranscript, match="folder"):
        lines.open_transcript(tmp_path)


def test_lines_are_split_at_newlines_only(tmp_path: Path) -> None:
    data = '{"a":"x\u2028y\x85z\x0b"}\r\n\n{"b":1}\n'.encode()
    found = read(write(tmp_path, data))
    assert [(line.offset, line.whole) for line in found] == [(0, True), (len(data) - 8, True)]
    assert found[0].head.endswith(b'"}\r')


def test_a_half_line_is_another_record_than_what_it_becomes(tmp_path: Path) -> None:
    path = write(tmp_path, b'{"a":1}\n{"b":')
    (_, half) = read(path)
    assert not half.whole
    path.write_bytes(b'{"a":1}\n{"b":2}')
    (_, done) = read(path)
    assert done.whole
    path.write_bytes(b'{"a":1}\n{"b":2}\n')
    (_, ended) = read(path)
    assert half.key("s") != done.key("s") == ended.key("s") == "s@8"


def test_of_a_long_line_the_head_is_kept_and_the_whole_is_hashed(tmp_path: Path) -> None:
    long = b'{"x":"' + b"y" * 3_000_000 + b'"}'
    found = read(write(tmp_path, b'{"a":1}\n' + long + b"\n" + b'{"b":1}\n'), keep=1000)
    assert [(line.offset, len(line.head), line.length) for line in found] == [
        (0, 7, 7),
        (8, 1000, len(long)),
        (8 + len(long) + 1, 7, 7),
    ]
    assert found[1].sha256 == hashlib.sha256(long).hexdigest()


@pytest.mark.parametrize("keep", [6, 7, 8, 9])
def test_lines_as_long_as_the_limit(tmp_path: Path, keep: int) -> None:
    found = read(write(tmp_path, b'{"a":1}\n{"b":1}'), keep=keep)
    assert [line.length for line in found] == [7, 7]
    assert [line.offset for line in found] == [0, 8]
    assert all(
        line.sha256 == hashlib.sha256(b'{"%c":1}' % c).hexdigest()
        for line, c in zip(found, b"ab", strict=True)
    )


def test_the_session_is_the_records_own(tmp_path: Path) -> None:
    with lines.open_transcript(write(tmp_path, b'{"type":"x"}\n{"sessionId":"abc"}\n')) as found:
        assert (found.session_key, found.parent_key) == ("abc", None)
    side = b'{"sessionId":"abc","agentId":"q1","isSidechain":true}\n'
    with lines.open_transcript(write(tmp_path, side)) as found:
        assert (found.session_key, found.parent_key) == ("abc/agent-q1", "abc")
    with lines.open_transcript(write(tmp_path, b'{"type":"x"}\n{"sessionId":"a\\u0000"}\n')) as found:
        assert found.session_key == "0f0e"


def test_a_line_is_named_by_its_number() -> None:
    starts = lines.Starts()
    for offset in (0, 10, 30):
        starts.add(offset)
    assert [starts.line(o) for o in (0, 9, 10, 30, 99)] == [1, 1, 2, 3, 3]
