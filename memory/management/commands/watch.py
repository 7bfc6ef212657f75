"""``manage.py watch FILE``: reads a recorded session into ClawWeb. Twice changes nothing."""

from __future__ import annotations

import sys
import time
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from tqdm import tqdm

from memory import lines
from memory.harness import RawRecord, recognises
from memory.running import running_address
from memory.safe import one_line

HARNESS: Final = "claude-code"
BATCH_RECORDS: Final = 500
BATCH_BYTES: Final = 4 * 1024 * 1024
SERVER_SECONDS: Final = 30.0  # how long a server may make no progress
WORKER_SECONDS: Final = 2.0  # how long a worker may take to pick the session up
BAR_BYTES: Final = 1024 * 1024  # shorter files need no progress bar
SHOWN_BROKEN: Final = 5
LOOK_LINES: Final = 200  # looked at for one record of the harness
LOOK_BYTES: Final = 4 * 1024 * 1024


class Command(BaseCommand):
    help = "Reads a Claude Code transcript (JSON lines) into ClawWeb. Reading it again adds only what is new."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", help="the transcript, as in ~/.claude/projects/*/*.jsonl")
        parser.add_argument("--project", default="default", help="slug of the project it belongs to")
        parser.add_argument("--name", default="", help="how the session is called on screen")
        parser.add_argument("--no-wait", action="store_true", help="do not wait until it is folded")
        parser.add_argument("--drain", action="store_true", help="fold it in this process, without a worker")
        parser.add_argument("--server", default="", help="address of a running ClawWeb, to send it there")
        parser.add_argument("--token", default="", help="an API token of that server (an operator's)")

    def handle(self, *args: Any, **options: Any) -> None:
        path = Path(options["file"])
        try:
            transcript = lines.open_transcript(path)
        except lines.NotATranscript as error:
            raise CommandError(str(error), returncode=2) from None
        _refuse_others(transcript, path)
        if options["server"]:
            target: _Target = _Server(options, transcript)
        else:
            target = _Here(options, transcript)
        with transcript:
            starts, counts = self._send(transcript, target, path)
        self._report(target, starts, counts, wait=not options["no_wait"])

    def _send(
        self, transcript: lines.Transcript, target: _Target, path: Path
    ) -> tuple[lines.Starts, dict[str, int]]:
        counts = {"read": 0, "new": 0, "duplicate": 0, "changed": 0}
        starts = lines.Starts()
        hidden = not sys.stderr.isatty() or transcript.size < BAR_BYTES
        with tqdm(total=transcript.size, unit="B", unit_scale=True, disable=hidden, file=sys.stderr) as bar:
            for batch in _batches(transcript.read(starts, target.keep_bytes)):
                added, duplicates, changed = target.send(batch, str(path))
                counts["read"] += len(batch)
                counts["new"] += added
                counts["duplicate"] += duplicates
                counts["changed"] += changed
                bar.update(sum(line.length for line in batch))
        return starts, counts

    def _report(self, target: _Target, starts: lines.Starts, counts: dict[str, int], *, wait: bool) -> None:
        say = self.stdout.write
        say(f"session {target.key}: {target.address()}")
        more = f", {counts['changed']:,} of them with other bytes than before" if counts["changed"] else ""
        if wait:
            target.wait(self.stderr.write)
        found = target.numbers()
        say(
            f"records: {counts['read']:,} read, {counts['new']:,} new, {counts['duplicate']:,} duplicate"
            f"{more}; in the session {found['unknown']:,} unknown, {found['broken']:,} broken"
        )
        for offset, problem in target.problems(SHOWN_BROKEN):
            at = starts.line(offset) if offset is not None else None
            say(f"  broken: {f'line {at:,}' if at else 'a record'}: {problem}")
        waiting = f" ({found['pending']:,} still pending)" if found["pending"] else ""
        say(f"events: {found['events']:,}{waiting}; turns: {found['turns']:,}; faults: {found['faults']:,}")


def _refuse_others(transcript: lines.Transcript, path: Path) -> None:
    """Raises CommandError if nothing at the head of the file is the harness's: it must make no session."""
    looked = size = 0
    for line in transcript.read():
        looked, size = looked + 1, size + line.length
        if recognises(HARNESS, RawRecord(looked, line.head, truncated=line.length > len(line.head))):
            transcript.rewind()
            return
        if looked >= LOOK_LINES or size >= LOOK_BYTES:
            break
    first = f"none of its first {looked:,} lines is" if looked != 1 else "its first line is not"
    raise CommandError(
        f"{one_line(str(path), 300)} is not a Claude Code transcript: {first} a record of one", returncode=1
    )


def _batches(items: Iterator[lines.Line]) -> Iterator[list[lines.Line]]:
    batch: list[lines.Line] = []
    size = 0
    for line in items:
        batch.append(line)
        size += len(line.head)
        if len(batch) >= BATCH_RECORDS or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class _Target:
    """Where the records go. ``keep_bytes``: so much of one record is sent, at most."""

    key: str
    keep_bytes: int

    def address(self) -> str:
        raise NotImplementedError

    def send(self, batch: list[lines.Line], source: str) -> tuple[int, int, int]:
        """(added, duplicate, changed)"""
        raise NotImplementedError

    def wait(self, say: Any) -> None:
        raise NotImplementedError

    def numbers(self) -> dict[str, int]:
        raise NotImplementedError

    def problems(self, limit: int) -> list[tuple[int | None, str]]:
        return []


class _Here(_Target):
    """The database of this machine's settings."""

    def __init__(self, options: dict[str, Any], transcript: lines.Transcript) -> None:
        from memory import store

        self.store = store
        self.keep_bytes = store.max_record_bytes()
        self.drains = bool(options["drain"])
        self.key = transcript.session_key
        store.ensure_project(options["project"])
        row, _ = store.find_or_create_session(
            options["project"],
            self.key,
            name=options["name"] or transcript.name,
            harness=HARNESS,
            mode="observed",
            adapter=HARNESS,
            parent_key=transcript.parent_key,
        )
        self.id = row.id
        if row.adapter != HARNESS:
            raise CommandError(f"session {self.key} exists and is no {HARNESS} recording", returncode=2)

    def address(self) -> str:
        where, path = running_address(), f"/sessions/{self.id}/"
        return f"{where}{path}" if where else f"{path} (no ClawWeb runs here: start it with make up)"

    def send(self, batch: list[lines.Line], source: str) -> tuple[int, int, int]:
        records = [
            self.store.NewRecord(
                line.key(self.key), line.head, source, line.offset, length=line.length, sha256=line.sha256
            )
            for line in batch
        ]
        done = self.store.append_records(self.id, records)
        return done.added, done.duplicates, done.changed

    def wait(self, say: Any) -> None:
        """Until it is folded: by a worker, or here, if none picks it up."""
        from memory import tasks

        before, since = self._cursors(), time.monotonic()
        while not self.drains:
            now = self._cursors()
            if not now[0]:
                return
            if now != before:
                before, since = now, time.monotonic()
            elif time.monotonic() - since > WORKER_SECONDS:
                say("no worker picks it up: folding it here")
                break
            time.sleep(0.05)
        while tasks.drain_now(self.id):
            pass

    def _cursors(self) -> tuple[int, int, int]:
        row = self.store.session_row(self.id)
        assert row is not None
        return row.pending, row.derived_n, row.applied_seq

    def numbers(self) -> dict[str, int]:
        row = self.store.session_row(self.id)
        assert row is not None
        return {
            "unknown": row.unknown_records,
            "broken": row.broken_records,
            "events": row.last_seq,
            "turns": row.turn,
            "faults": row.faults,
            "pending": row.pending,
        }

    def problems(self, limit: int) -> list[tuple[int | None, str]]:
        return [(r.offset, r.problem) for r in self.store.problem_records(self.id, limit)]


class _Server(_Target):
    """A running ClawWeb, by its API."""

    def __init__(self, options: dict[str, Any], transcript: lines.Transcript) -> None:
        from memory import client

        self.key = transcript.session_key
        self.url = options["server"].rstrip("/")
        self.keep_bytes = lines.KEEP_BYTES  # a server may keep less; length and hash are the whole line's
        self.claw = client.ClawWeb(self.url, options["token"])
        with self._refusals():
            self.session = self.claw.session(
                self.key,
                harness=HARNESS,
                mode="observed",
                adapter=HARNESS,
                name=options["name"] or transcript.name,
                parent_key=transcript.parent_key,
            )

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """What the server refuses, or that it is gone, as one sentence. What it has taken it keeps."""
        from memory import client

        try:
            yield
        except client.ApiError as error:
            said = " ".join(filter(None, (str(error), error.how)))
            raise CommandError(f"{self.url}: {one_line(said, 400)}", returncode=2) from None
        except client.Unreachable as error:
            said = f"{self.url} does not answer ({one_line(str(error), 200)}); the same command goes on later"
            raise CommandError(said, returncode=2) from None

    def address(self) -> str:
        return f"{self.url}/sessions/{self.session.id}/"

    def send(self, batch: list[lines.Line], source: str) -> tuple[int, int, int]:
        import base64

        records = [
            {
                "record_key": line.key(self.key),
                "raw_base64": base64.b64encode(line.head).decode("ascii"),
                "source": one_line(source, 400),
                "offset": line.offset,
                "length": line.length,
                "sha256": line.sha256,
            }
            for line in batch
        ]
        with self._refusals():
            added = self.session.records(records)
        return added.new, added.duplicates, added.changed

    def wait(self, say: Any) -> None:
        with self._refusals():
            info, since = self.session.refresh(), time.monotonic()
            while info["pending"] and time.monotonic() - since < SERVER_SECONDS:
                time.sleep(0.2)
                before, info = info["pending"], self.session.refresh()
                if info["pending"] != before:
                    since = time.monotonic()

    def numbers(self) -> dict[str, int]:
        with self._refusals():
            info = self.session.refresh()
        return {
            "unknown": info["unknown_records"],
            "broken": info["broken_records"],
            "events": info["last_seq"],
            "turns": info["turn"],
            "faults": info["faults"],
            "pending": info["pending"],
        }

    def problems(self, limit: int) -> list[tuple[int | None, str]]:
        with self._refusals():
            return [(found["offset"], found["problem"]) for found in self.session.problems(limit)]
