"""``manage.py replay``: one log in, one trace and its metrics out; and ``--verify`` for traces.

Exit status 0: it ran (or the trace verifies); 2: the input or the command was refused, nothing was written;
1: a trace that does not verify, or a file that cannot be written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
from argparse import ArgumentParser, ArgumentTypeError
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError

from memory import core
from memory.core import CoreError, Policy, Replay, TraceError
from memory.core.replay import metrics_bytes
from memory.core.types import Side
from memory.core.workloads import MAX_BYTES
from memory.outputs import Outputs
from memory.safe import one_line

MAX_BUDGET: Final = 10**15
TOLD: Final = 5  # events that could not be applied
_COLUMNS: Final = (
    ("policy", 20), ("budget", 8), ("turns", 6), ("faults", 7), ("insuff.", 8), ("alerts", 7), ("thrash", 7),
    ("page-ins", 9), ("tokens in", 10), ("moved", 10), ("used", 9),
)  # fmt: skip


@dataclass(frozen=True)
class Run:
    """One policy at one budget, and the file names of what it gives."""

    policy: Policy | None
    budget: int | None
    trace: Path | None
    metrics: Path | None


class Command(BaseCommand):
    help = (
        "Replays a workload (JSON), an event log (JSON lines, .jsonl) or a session's own log under a policy "
        "and a budget; writes its decision trace and metrics. Or checks that a trace is as it was written."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add = parser.add_argument
        add("file", nargs="?", type=Path, help="WORKLOAD.json, or LOG.jsonl (an event log)")
        add("--session", metavar="ID|KEY", help="replay a session of this installation instead")
        add("--policy", metavar="NAME|FILE.json", help="the policy, built in or declared in a file")
        add("--budget", type=_budget, help="tokens for pages")
        add("--side", choices=[side.value for side in Side], help="of a log that has two; else the policy's")
        add("--trace", type=Path, help="where the decision trace goes (JSON lines)")
        add("--metrics", type=Path, help="where the metrics go (one JSON object); with --verify: checked too")
        add("--policies", metavar="all|A,B", help="several policies, names or files")
        add("--budgets", metavar="N,N", type=_budgets, help="several budgets")
        add("--out", metavar="DIR", type=Path, help="folder of the traces and metrics of several runs")
        add("--export-log", metavar="FILE", type=Path, help="write the event log itself (JSON lines)")
        add("--verify", metavar="TRACE", type=Path, help="check a trace: every hash, turn and residency")

    def handle(self, *args: Any, **options: Any) -> None:
        _check_options(options)
        if options["verify"] is not None:
            self._verify(options["verify"], options["metrics"])
            return
        run, log = self._input(options)
        runs = _runs(options, workload=options["file"] is not None and not _is_log(options["file"]))
        places = [place for r in runs for place in (r.trace, r.metrics) if place is not None]
        places += [options["export_log"]] if options["export_log"] else []
        _check_places(places, options["file"])
        try:
            self._write(runs, run, log, options)
        except CoreError as error:
            raise _refuse(f"{options['file'] or options['session']}: {error}") from None
        except KeyboardInterrupt:
            raise CommandError("stopped; nothing was written", returncode=130) from None
        except OSError as error:
            where = getattr(error, "filename2", None) or error.filename or "standard output"
            raise CommandError(f"cannot write {where}: {error.strerror or error}") from None

    def _input(
        self, options: dict[str, Any]
    ) -> tuple[Callable[[Run], Replay], Callable[[Run], Iterator[bytes]]]:
        """What runs the input under one policy and budget, and what gives its event log."""
        if options["session"] is not None:
            events = self._session(options["session"])
        elif _is_log(options["file"]):
            events = _read_log(options["file"])
        elif options["side"] is not None:
            raise _refuse("a workload has one side; --side is for logs")
        else:
            workload = _read_workload(options["file"])
            return (
                lambda run: core.replay_workload(workload, _given(run.policy), _given(run.budget)),
                lambda run: core.write_log(
                    core.workload_events(workload, _given(run.policy), _given(run.budget))
                ),
            )
        side = None if options["side"] is None else Side(options["side"])
        return (
            lambda run: core.replay(events, run.policy, run.budget, side=side),
            lambda run: core.write_log(events),
        )

    def _session(self, name: str) -> list[core.Event]:
        from django.db import DatabaseError

        from memory.store.log import log_events, logs_named

        try:
            named = logs_named(name)
            if len(named) != 1:
                ids = ", ".join(f"{found.id} ({found.project})" for found in named)
                why = f"several sessions have the key {name!r}: {ids}" if named else f"no session {name!r}"
                raise CommandError(one_line(why, 1000), returncode=2)
            log = named[0]
            if log.applied_seq < log.last_seq:
                self.stderr.write(
                    f"{log.last_seq - log.applied_seq} events are not folded yet and are left out"
                )
            return list(log_events(log.id, log.applied_seq))
        except DatabaseError as error:
            raise CommandError(f"the database cannot be read: {one_line(str(error), 300)}") from None

    def _write(
        self,
        runs: list[Run],
        replay: Callable[[Run], Replay],
        log: Callable[[Run], Iterator[bytes]],
        options: dict[str, Any],
    ) -> None:
        rows: list[dict[str, Any]] = []
        rejected: tuple[tuple[int, str], ...] = ()
        with _folder(options["out"]), Outputs() as outputs:
            for run in runs:
                found = replay(run)
                rejected = found.rejected
                if run.trace is not None:
                    outputs.write(run.trace, found.trace_bytes())
                if run.metrics is not None:
                    outputs.write(run.metrics, metrics_bytes(found.metrics))
                rows.append(found.metrics)
            if options["export_log"] is not None:
                outputs.write(options["export_log"], b"".join(log(runs[0])))
            outputs.commit()
        for seq, why in rejected[:TOLD]:
            self.stderr.write(one_line(f"event {seq} could not be applied and was left out: {why}", 400))
        if len(rejected) > TOLD:
            self.stderr.write(f"and {len(rejected) - TOLD} more")
        for line in _table(rows) if options["out"] is not None else _summary(rows[0]):
            self.stdout.write(line)

    def _verify(self, path: Path, metrics: Path | None) -> None:
        kept = None if metrics is None else _kept_hash(metrics)
        try:
            with path.open("rb") as file:
                turns = core.verify_trace(file)
            whole = hashlib.sha256(path.read_bytes()).hexdigest() if kept is not None else None
        except OSError as error:
            raise CommandError(f"cannot read {path}: {error.strerror or error}", returncode=2) from None
        except TraceError as error:
            raise CommandError(f"{path}: {one_line(str(error), 600)}") from None
        if whole != kept:
            raise CommandError(f"{path}: the trace holds together but is not the one of {metrics}")
        same = "" if metrics is None else f", and its hash is the one in {metrics}"
        self.stdout.write(f"{path}: {turns} turns, as they were written{same}")


@contextlib.contextmanager
def _folder(path: Path | None) -> Iterator[None]:
    """The folder is there; one that was made for this is gone again if nothing came of it."""
    made = path is not None and not path.exists()
    if path is not None:
        path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except BaseException:
        if path is not None and made:
            with contextlib.suppress(OSError):
                path.rmdir()
        raise


# --- options ---


def _budget(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,16}", text) or int(text) > MAX_BUDGET:
        raise ArgumentTypeError(f"must be a whole number of tokens from 0 to {MAX_BUDGET}")
    return int(text)


def _budgets(text: str) -> list[int]:
    found = [_budget(part.strip()) for part in text.split(",")]
    if len(set(found)) < len(found):
        raise ArgumentTypeError("names a budget twice")
    return found


def _refuse(why: str) -> CommandError:
    return CommandError(why, returncode=2)


def _check_options(options: dict[str, Any]) -> None:
    given = {name for name, value in options.items() if value is not None}
    one, many = {"policy", "budget", "trace"}, {"policies", "budgets", "out"}
    if "verify" in given:
        if given & (one | many | {"file", "session", "export_log"}):
            raise _refuse("--verify takes one trace, and --metrics to hold it against; nothing else")
        return
    if ("file" in given) == ("session" in given):
        raise _refuse(
            "name one input: WORKLOAD.json, LOG.jsonl, or --session ID|KEY (or a trace to --verify)"
        )
    if given & many and given & (one | {"metrics"}):
        raise _refuse("either --policy, --budget, --trace, --metrics, or --policies, --budgets, --out")
    if given & many and "out" not in given:
        raise _refuse("--policies and --budgets need --out DIR")
    if "file" in given and not _is_log(options["file"]):
        needed = ("policies", "budgets") if given & many else ("policy", "budget")
        lacking = [f"--{name}" for name in needed if name not in given]
        if lacking:
            raise _refuse(f"a workload needs {' and '.join(lacking)}")


def _check_places(places: list[Path], source: Path | None) -> None:
    resolved = [place.resolve() for place in places]
    if len(set(resolved)) < len(resolved):
        raise _refuse("two outputs have the same file")
    if source is not None and source.resolve() in resolved:
        raise _refuse(f"{source} is the input: it cannot be an output too")


def _runs(options: dict[str, Any], *, workload: bool) -> list[Run]:
    if options["out"] is None:
        policy = None if options["policy"] is None else _policy(options["policy"])
        return [Run(policy, options["budget"], options["trace"], options["metrics"])]
    names = options["policies"]
    policies: list[Policy | None]
    if names is None:
        policies = [None]
    else:
        policies = []
        for name in names.split(","):
            if name.strip() == "all":
                policies += [policy for policy in core.POLICIES.values() if policy.selects]
            else:
                policies.append(_policy(name.strip()))
    found = []
    for policy in policies:
        for budget in options["budgets"] or [None]:
            words = ["log" if policy is None else policy.name, *([] if budget is None else [str(budget)])]
            name = re.sub(r"[^A-Za-z0-9_.-]", "_", "-".join(words)).lstrip(".")
            found.append(
                Run(policy, budget, options["out"] / f"{name}.jsonl", options["out"] / f"{name}.json")
            )
    return found


def _policy(name: str) -> Policy:
    found = core.find_policy(name)
    if found is not None and found.selects:
        return found
    path = Path(name)
    if path.suffix != ".json":
        names = ", ".join(policy.name for policy in core.POLICIES.values() if policy.selects)
        raise _refuse(f"no policy {name[:80]!r}; there are {names}, or a FILE.json that declares one")
    try:
        return core.read_policy(_read(path), str(path))
    except CoreError as error:
        raise _refuse(str(error)) from None


def _given(value: Any) -> Any:
    assert value is not None  # _check_options
    return value


# --- input ---


def _is_log(path: Path) -> bool:
    return path.suffix == ".jsonl"


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refuse(f"cannot read {path}: {error.strerror or error}") from None


def _read_workload(path: Path) -> core.Workload:
    try:
        return core.read_workload(_read(path), str(path))
    except CoreError as error:
        raise _refuse(str(error)) from None


def _read_log(path: Path) -> list[core.Event]:
    try:
        with path.open("rb") as file:
            return core.read_log(file, str(path))
    except OSError as error:
        raise _refuse(f"cannot read {path}: {error.strerror or error}") from None
    except CoreError as error:
        raise _refuse(str(error)) from None


def _kept_hash(path: Path) -> str:
    try:
        found = json.loads(_read(path))["trace_sha256"]
    except (ValueError, KeyError, TypeError):
        raise _refuse(f"{path}: holds no trace_sha256") from None
    return str(found)


# --- what is said ---


def _cells(metrics: dict[str, Any]) -> list[str]:
    budget = metrics["budget"]
    return [
        metrics["policy"][:20],
        "-" if budget is None else str(budget),
        str(metrics["turns"]),
        str(metrics["total_faults"]),
        str(sum(metrics["insufficient"].values())),
        str(metrics["alerts"]),
        f"{metrics['thrash']:.3f}",
        str(metrics["page_ins"]),
        str(metrics["page_in_tokens"]),
        str(metrics["moved_tokens"]),
        f"{metrics['tokens_used_mean']:.1f}",
    ]


def _table(rows: list[dict[str, Any]]) -> Iterator[str]:
    """One line a run, under a line of headings."""
    for cells in ([name for name, _ in _COLUMNS], *map(_cells, rows)):
        first, *rest = zip(cells, (width for _, width in _COLUMNS), strict=True)
        yield f"{first[0]:<{first[1]}}" + "".join(f"{cell:>{width}}" for cell, width in rest)


def _summary(metrics: dict[str, Any]) -> Iterator[str]:
    budget = "" if metrics["budget"] is None else f" at {metrics['budget']} tokens"
    shadow = " (shadow)" if metrics["side"] == Side.SHADOW else ""
    faults = ", ".join(f"{kind} {count}" for kind, count in metrics["faults"].items())
    yield (
        f"{metrics['policy']}{shadow}{budget}: {metrics['turns']} turns, {metrics['total_faults']} faults"
        f"{f' ({faults})' if faults else ''}, {sum(metrics['insufficient'].values())} insufficient, "
        f"{metrics['alerts']} alerts, {metrics['page_ins']} page-ins of {metrics['page_in_tokens']} tokens, "
        f"thrash {metrics['thrash']:.3f}"
    )
