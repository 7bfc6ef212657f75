"""``manage.py accuracy PATH…``: how near our token counts come to the recorded ones, itemised."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from memory.harness.accuracy import measure, report


class Command(BaseCommand):
    help = "Compare recorded prompt sizes of Claude Code sessions (JSONL files or folders of them) with ours."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("paths", nargs="+", type=Path, help="a session file (JSONL) or a folder of them")

    def handle(self, *args: Any, **options: Any) -> None:
        for path in _files(options["paths"]):
            try:
                lines = path.read_bytes().split(b"\n")
            except OSError as error:
                raise CommandError(f"cannot read {path}: {error.strerror or error}") from error
            for line in report(path.name, measure(lines)):
                self.stdout.write(line)


def _files(paths: list[Path]) -> list[Path]:
    out: list[Path] = []
    for path in paths:
        if path.is_dir():
            found = sorted(path.glob("*.jsonl"))
            if not found:
                raise CommandError(f"no .jsonl file in {path}")
            out.extend(found)
        elif path.is_file():
            out.append(path)
        else:
            raise CommandError(f"there is no file {path}")
    return out
