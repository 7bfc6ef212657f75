"""A pytest plugin: after collection it runs mutants in forks of this process instead of the tests."""

from __future__ import annotations

import ast
import contextlib
import copy
import importlib
import os
import pickle
import resource
import select
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import accumulate
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any

import pytest
from _pytest.runner import runtestprotocol

from .mutants import Mutant, mutants

SLOWER = 3.0  # a mutant's test may take so many times what it takes watched, and
LEAST = 1.5  # CPU seconds
MEMORY = 3 * 2**30  # bytes of address space


class Plan:
    """What is known of the tests: CPU seconds, lines of the mutated modules that each runs, and kills."""

    def __init__(self, items: list[pytest.Item]) -> None:
        self.items = {item.nodeid: item for item in items}
        self.seconds: dict[str, float] = {}
        self.lines: dict[str, set[tuple[str, int]]] = {}
        self.tried: Counter[str] = Counter()
        self.kills: Counter[str] = Counter()

    def of(self, mutant: Mutant, most: float) -> list[str]:
        """Tests that come by the mutant, the most promising for their time first; of all as many as ``most``
        seconds allow.
        """
        first, last = mutant.lines
        wanted = {(mutant.file, line) for line in range(first, last + 1)}
        able = [test for test, lines in self.lines.items() if wanted & lines]
        able.sort(key=lambda test: (-self._promise(test), test))
        sums = accumulate(self.seconds[test] for test in able)
        return [test for test, spent in zip(able, sums, strict=True) if spent <= most] or able[:1]

    def _promise(self, test: str) -> float:
        return (self.kills[test] + 0.02) / (self.tried[test] + 1) / (self.seconds[test] + 0.002)


class Forks:
    """The plugin. ``files``: name in reports → module's name; ``wanted``: which mutants; ``most``: seconds
    of tests a mutant.
    """

    def __init__(
        self,
        files: dict[str, str],
        wanted: Callable[[Mutant], bool],
        most: float,
        report: Callable[[Any], None],
    ) -> None:
        self.files, self.wanted, self.most, self.report = files, wanted, most, report
        self.results: list[tuple[Mutant, str, str]] = []  # mutant; killed, timeout, survived …; by which test

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        if session.testsfailed:
            raise session.Interrupted("not all tests could be collected")
        plan = Plan(session.items)
        self._look(plan)
        for file, module in self.files.items():
            path = Path(str(sys.modules[module].__file__))
            for mutant in filter(self.wanted, mutants(path, file)):
                self.results.append((mutant, *self._judged(plan, mutant, module)))
                self.report(self.results[-1])
        return True

    # --- without a mutant ---

    def _look(self, plan: Plan) -> None:
        """Every test once, watched."""
        paths = {str(sys.modules[module].__file__): file for file, module in self.files.items()}
        for test, answer in self._child(lambda: _watched(plan, paths)):
            if test == "failed":
                raise pytest.UsageError(f"fails without a mutant: {answer}")
            plan.seconds[test], plan.lines[test] = answer

    # --- with one ---

    def _judged(self, plan: Plan, mutant: Mutant, module: str) -> tuple[str, str]:
        if not mutant.function:
            return "outside", ""
        tests = plan.of(mutant, self.most)
        if not tests:
            return "unreached", ""
        told = list(self._child(lambda: _mutated(plan, mutant, module, tests)))
        for kind, test in told:
            plan.tried[test] += 1
            if kind != "passed":
                plan.kills[test] += 1
        if told and told[-1][0] == "failed":
            return "killed", told[-1][1]
        if len(told) < len(tests):
            last = tests[len(told)]
            plan.tried[last] += 1
            plan.kills[last] += 1
            return "timeout", last
        return "survived", ""

    def _child(self, work: Any) -> Iterator[tuple[str, Any]]:
        """What the work tells, done in a fork."""
        reading, writing = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(reading)
            _alone()
            try:
                for told in work():
                    raw = pickle.dumps(told)
                    os.write(writing, len(raw).to_bytes(4, "big") + raw)
            finally:
                os._exit(0)
        os.close(writing)
        try:
            yield from _messages(reading, 3600.0)
        finally:
            os.close(reading)
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)


def _alone() -> None:
    """The child: quiet, and bounded in memory."""
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 1)
    os.dup2(nothing, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)


def _messages(reading: int, seconds: float) -> Iterator[tuple[str, Any]]:
    kept, end = b"", time.monotonic() + seconds
    while select.select([reading], [], [], max(0.0, end - time.monotonic()))[0]:
        piece = os.read(reading, 1 << 20)
        if not piece:
            return
        kept += piece
        while len(kept) >= 4 and len(kept) >= 4 + int.from_bytes(kept[:4], "big"):
            size = int.from_bytes(kept[:4], "big")
            yield pickle.loads(kept[4 : 4 + size])
            kept = kept[4 + size :]


def _passes(item: pytest.Item) -> bool:
    reports = runtestprotocol(item, nextitem=None, log=False)
    return not any(report.failed for report in reports)


def _watched(plan: Plan, paths: dict[str, str]) -> Iterator[tuple[str, Any]]:
    for test, item in plan.items.items():
        lines: set[tuple[str, int]] = set()

        def trace(frame: Any, event: str, _: Any, lines: set[tuple[str, int]] = lines) -> Any:
            file = paths.get(frame.f_code.co_filename)
            if file is None:
                return None

            def line(frame: Any, event: str, _: Any) -> Any:
                lines.add((file, frame.f_lineno))
                return line

            lines.add((file, frame.f_lineno))
            return line

        started = time.process_time()
        sys.settrace(trace)
        try:
            passed = _passes(item)
        finally:
            sys.settrace(None)
        if not passed:
            yield "failed", test
            continue
        seconds = time.process_time() - started  # watched: some times what it takes else
        yield test, (seconds, lines)


def _mutated(plan: Plan, mutant: Mutant, module: str, tests: list[str]) -> Iterator[tuple[str, str]]:
    put(mutant, importlib.import_module(module))
    for test in tests:
        signal.setitimer(signal.ITIMER_PROF, LEAST + SLOWER * plan.seconds[test])  # ends the process
        passed = _passes(plan.items[test])
        yield "passed" if passed else "failed", test
        if not passed:
            return


# --- code in place of code ---


def put(mutant: Mutant, module: ModuleType) -> None:
    """Give the module's function the mutant's code, wherever it is referred to."""
    whole = compile(mutant.tree(), str(module.__file__), "exec")
    code = _code(whole, mutant.function)
    function = _function(module, mutant.function)
    function.__code__ = code
    defaults = _defaults(mutant, module)
    if defaults is not None:
        function.__defaults__, function.__kwdefaults__ = defaults


def _code(whole: CodeType, name: str) -> CodeType:
    for constant in whole.co_consts:
        if isinstance(constant, CodeType):
            if constant.co_qualname == name:
                return constant
            if name.startswith(constant.co_qualname + "."):
                return _code(constant, name)
    raise LookupError(name)


def _function(module: ModuleType, name: str) -> FunctionType:
    found: Any = module
    for part in name.split("."):
        found = vars(found)[part]
    while not isinstance(found, FunctionType):
        found = getattr(found, "__func__", None) or getattr(found, "fget", None) or found.__wrapped__
    return found


def _defaults(mutant: Mutant, module: ModuleType) -> tuple[Any, Any] | None:
    """A mutated default of an argument stands beside the code: ask the mutated ``def`` itself."""
    for node in ast.walk(mutant.tree()):
        if isinstance(node, ast.FunctionDef) and node.name == mutant.function.rsplit(".", 1)[-1]:
            values = [*node.args.defaults, *[d for d in node.args.kw_defaults if d is not None]]
            if any(value.lineno <= mutant.line <= (value.end_lineno or 0) for value in values):
                bare = copy_of(node)
                scope = dict(vars(module))
                exec(compile(ast.fix_missing_locations(ast.Module([bare], [])), "<defaults>", "exec"), scope)
                made = scope[node.name]
                return made.__defaults__, made.__kwdefaults__
    return None


def copy_of(node: Any) -> Any:
    """The ``def`` without its decorators and body."""
    bare = copy.copy(node)
    bare.decorator_list, bare.body = [], [ast.Pass()]
    return bare
