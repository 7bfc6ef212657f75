"""The agent's tools: they really read, write, search and run, inside the scratch folder only."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

MAX_OUTPUT = 20_000  # characters of a tool's answer
CHECK_SECONDS = 20


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call of the model. ``kind``: read, write or volatile, as the event log has it."""

    tool: str
    args: dict[str, str]
    kind: str = "read"

    @property
    def path(self) -> str:
        return self.args.get("path", "")


@dataclass(frozen=True, slots=True)
class Result:
    """What a tool gave."""

    text: str
    error: bool = False


class Toolbox:
    """Tools on one folder. A path that leads out of it is an error, never followed."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()

    def run(self, call: Call) -> Result:
        """Executes the call; a failure is a result with ``error``."""
        try:
            tool = {
                "read_file": self._read,
                "write_file": self._write,
                "grep": self._grep,
                "run_check": self._check,
            }[call.tool]
            return tool(call.args)
        except KeyError as error:
            return Result(f"missing or unknown: {error}", error=True)
        except (OSError, ValueError, re.error) as error:
            return Result(f"{type(error).__name__}: {error}", error=True)

    def _inside(self, path: str) -> Path:
        target = (self.root / path).resolve()
        if not target.is_relative_to(self.root):
            raise ValueError(f"{path} is outside of the scratch folder")
        return target

    def _read(self, args: dict[str, str]) -> Result:
        return Result(self._inside(args["path"]).read_text("utf-8")[:MAX_OUTPUT])

    def _write(self, args: dict[str, str]) -> Result:
        if args["path"].startswith("checks/"):
            raise ValueError("checks/ is not written to")
        target = self._inside(args["path"])
        target.write_text(args["content"], "utf-8")
        return Result(f"wrote {len(args['content'])} characters to {args['path']}")

    def _grep(self, args: dict[str, str]) -> Result:
        pattern = re.compile(args["pattern"])
        hits = []
        for path in sorted(self.root.rglob("*.py")):
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                if pattern.search(line):
                    hits.append(f"{path.relative_to(self.root)}:{number}: {line.strip()}")
        return Result("\n".join(hits)[:MAX_OUTPUT] or "no match")

    def _check(self, args: dict[str, str]) -> Result:
        script = self._inside(f"checks/{args['name']}.py")
        try:
            done = subprocess.run(
                [sys.executable, "-B", str(script)],
                cwd=self.root,
                capture_output=True,
                text=True,
                timeout=CHECK_SECONDS,
                env={"PATH": "/usr/bin:/bin"},
            )
        except subprocess.TimeoutExpired:
            return Result(f"no answer within {CHECK_SECONDS} s", error=True)
        return Result((done.stdout + done.stderr)[:MAX_OUTPUT] or "no output", error=done.returncode != 0)
