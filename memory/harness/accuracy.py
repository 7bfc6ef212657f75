"""How near our counts come to what the provider recorded, for a recorded Claude Code session.

Per prompt we know the provider's size. Ours is made of what the record shows (pages by o200k_base, which is
not the model's tokenizer) and of what it does not show. Items:

- *unseen base*: the first call's recorded size less what the record shows of it (system, tools, CLAUDE.md);
- *pages*: our count of everything that stands in the context, old copies included;
- *tokenizer*, *thinking*, *frames*: the model's tokenizer gives more tokens for the same text, kept thinking
  is longer than its recorded (summarised) text, and every call and result is framed. The three factors are
  fitted per session on the growth from call to call (least squares, calls beside a boundary left out,
  outliers trimmed);
- *files attached again*: after a compaction the program attaches up to five files read last, at most 5,000
  tokens each. Older versions (before 2.1.11x) do not record it; it is
  estimated from what the record says of these files.

What is left is the residual. Where it jumps from one call to the next by more than ``STEP`` tokens and no
record says why (a resumed program, a loss that was not written down), the jump is listed as a *step*.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from memory.harness import Derived, RawRecord, get_adapter
from memory.harness.jsonl import decode_line
from memory.tokens import count

ATTACHED_FILES: Final = 5  # files that the program attaches again after a compaction
ATTACHED_TOKENS: Final = 5_000  # of one such file, at most
STEP: Final = 2_500  # tokens; a smaller jump of the residual is noise
Vector = tuple[float, float, float]  # tokens of text, tokens of thinking, calls and results


@dataclass(slots=True)
class Prompt:
    """One model call: what it was recorded as, and what we see standing in it."""

    record: int
    recorded: int
    shown: Vector
    attached: float = 0.0  # estimated, unrecorded
    fresh: bool = False  # a boundary lies between it and the prompt before
    steps: float = 0.0  # jumps of the residual since the last compaction that no record explains


@dataclass(slots=True)
class Compaction:
    record: int
    kind: str
    trigger: str
    before: Prompt | None = None
    after: Prompt | None = None
    files: int = 0  # attached again, by estimate


@dataclass(slots=True)
class Accuracy:
    """What was measured of one session."""

    records: int = 0
    used: int = 0  # gave at least one event
    unknown: int = 0
    broken: int = 0
    events: int = 0
    calls: int = 0
    paired: int = 0
    orphans: int = 0  # results without their call
    prompts: list[Prompt] = field(default_factory=list)
    boundaries: list[Compaction] = field(default_factory=list)
    factors: Vector = (1.0, 1.0, 0.0)
    base: float = 0.0
    steps: list[tuple[int, float]] = field(default_factory=list)  # record, tokens

    def ours(self, prompt: Prompt) -> float:
        """The prompt's size as we would say it."""
        return (
            self.base + sum(f * s for f, s in zip(self.factors, prompt.shown, strict=True)) + prompt.attached
        )

    def residuals(self) -> list[float]:
        return [prompt.recorded - self.ours(prompt) for prompt in self.prompts]


class _Standing:
    """What stands in the context by the record, every copy of it."""

    def __init__(self) -> None:
        self._copies: list[tuple[str, Vector]] = []

    def add(self, page_id: str, holder: dict[str, Any], provenance: dict[str, Any]) -> None:
        text, hint = str(holder.get("text", "")), holder.get("hint") or {}
        tokens = float(count(text))
        if page_id == "plan":
            size = (tokens, 0.0, 0.0)
        elif text.startswith("[thinking]"):
            size = (0.0, tokens, 0.0)
        else:
            frames = float(len(hint.get("calls", ())) or (provenance.get("kind") == "tool_call"))
            size = (tokens, 0.0, frames)
        self._copies.append((page_id, size))

    def keep(self, page_ids: Iterable[str]) -> None:
        kept = set(page_ids)
        newest = {page_id: size for page_id, size in self._copies if page_id in kept}
        self._copies = list(newest.items())

    def drop(self, page_ids: Iterable[str]) -> None:
        gone = set(page_ids)
        self._copies = [copy for copy in self._copies if copy[0] not in gone]

    def total(self) -> Vector:
        sums = [sum(size[i] for _, size in self._copies) for i in range(3)]
        return sums[0], sums[1], sums[2]


class _Files:
    """Files read or written, newest last, with an estimate of their whole size."""

    def __init__(self) -> None:
        self._sizes: dict[str, float] = {}
        self.recorded = False  # this version records what it attaches

    def see(self, raw: bytes) -> None:
        if b'"toolUseResult"' not in raw and b'"attachment"' not in raw:
            return
        for value in decode_line(raw)[0]:
            if not isinstance(value, dict) or value.get("isSidechain"):
                continue
            self.recorded = self.recorded or value.get("type") == "attachment"
            result = value.get("toolUseResult")
            if not isinstance(result, dict):
                continue
            file = result.get("file")
            if isinstance(file, dict) and isinstance(file.get("content"), str):
                lines, total = file.get("numLines") or 1, file.get("totalLines") or 1
                self._put(str(file.get("filePath")), count(file["content"]) * max(total / lines, 1.0))
            elif isinstance(result.get("filePath"), str) and "structuredPatch" in result:
                text = result.get("originalFile") or result.get("content") or ""
                self._put(result["filePath"], float(count(text if isinstance(text, str) else "")))

    def _put(self, path: str, tokens: float) -> None:
        self._sizes.pop(path, None)
        self._sizes[path] = tokens

    def attach_again(self, factor: float) -> tuple[int, float]:
        """How many files a compaction brings back and their tokens; they are the newest afterwards."""
        chosen = list(self._sizes.items())[-ATTACHED_FILES:]
        self._sizes = dict(chosen)
        return len(chosen), sum(min(size * factor, ATTACHED_TOKENS) for _, size in chosen)


def measure(lines: Iterable[bytes], adapter: str = "claude-code") -> Accuracy:
    """Reads a whole session, one record a line."""
    out = Accuracy()
    reader, standing = get_adapter(adapter), _Standing()
    raws = list(lines)
    open_calls: set[str] = set()
    pending: list[Compaction] = []
    for n, raw in enumerate(raws, 1):
        if not raw.strip():
            continue
        derived = reader.feed(RawRecord(n, raw))
        _tally(out, derived)
        for kind, body, _ in derived.events:
            if kind in ("page_created", "page_updated"):
                page = body["page"] if kind == "page_created" else body
                standing.add(page["page_id"], page, page.get("provenance") or {})
            elif kind == "boundary":
                pending.append(_boundary(out, standing, n, body))
            elif kind == "prompt_observed" and body["recorded_tokens"]:
                prompt = Prompt(n, body["recorded_tokens"], standing.total(), fresh=bool(pending))
                for boundary in pending:
                    boundary.after = prompt
                pending = []
                out.prompts.append(prompt)
            elif kind == "tool_called":
                open_calls.add(body["call_id"])
                out.calls += 1
            elif kind == "tool_returned":
                out.paired += body["call_id"] in open_calls
                out.orphans += body["call_id"] not in open_calls
                open_calls.discard(body["call_id"])
    _fit(out)
    _attachments(out, raws)
    _steps(out)
    return out


def _tally(out: Accuracy, derived: Derived) -> None:
    out.records += 1
    out.used += bool(derived.events)
    out.unknown += derived.unknown
    out.broken += derived.problem is not None
    out.events += len(derived.events)


def _boundary(out: Accuracy, standing: _Standing, n: int, body: dict[str, Any]) -> Compaction:
    before = out.prompts[-1] if out.prompts else None
    boundary = Compaction(n, body["kind"], body.get("trigger", ""), before)
    if body["kind"] in ("compaction", "reset"):
        standing.keep(body.get("preserved") or ())
    else:
        standing.drop(body.get("dropped") or ())
    out.boundaries.append(boundary)
    return boundary


def _fit(out: Accuracy) -> None:
    """The three factors by least squares on growth, trimmed; then the base by the first call."""
    rows: list[tuple[Vector, float]] = []
    for before, after in zip(out.prompts, out.prompts[1:], strict=False):
        if not after.fresh:
            a, b = before.shown, after.shown
            rows.append(((b[0] - a[0], b[1] - a[1], b[2] - a[2]), after.recorded - before.recorded))
    for _ in range(4):
        if len(rows) < 8:
            break
        out.factors = _least_squares(rows)
        errors = [abs(y - sum(f * x for f, x in zip(out.factors, xs, strict=True))) for xs, y in rows]
        limit = 5 * statistics.median(errors) + 20
        kept = [row for row, error in zip(rows, errors, strict=True) if error <= limit]
        if len(kept) == len(rows):
            break
        rows = kept
    if out.prompts:
        first = out.prompts[0]
        out.base = first.recorded - sum(f * s for f, s in zip(out.factors, first.shown, strict=True))


def _least_squares(rows: list[tuple[Vector, float]]) -> Vector:
    """Normal equations of three unknowns, with a weak pull towards (1, 1, 0) where a column is empty."""
    prior = (1.0, 1.0, 0.0)
    matrix = [[sum(x[i] * x[j] for x, _ in rows) for j in range(3)] for i in range(3)]
    right = [sum(x[i] * y for x, y in rows) for i in range(3)]
    for i in range(3):
        matrix[i][i] += 1.0
        right[i] += prior[i]
    for i in range(3):
        pivot = max(range(i, 3), key=lambda k: abs(matrix[k][i]))
        matrix[i], matrix[pivot] = matrix[pivot], matrix[i]
        right[i], right[pivot] = right[pivot], right[i]
        for k in range(3):
            if k != i:
                scale = matrix[k][i] / matrix[i][i]
                matrix[k] = [a - scale * b for a, b in zip(matrix[k], matrix[i], strict=True)]
                right[k] -= scale * right[i]
    return right[0] / matrix[0][0], right[1] / matrix[1][1], right[2] / matrix[2][2]


def _attachments(out: Accuracy, raws: list[bytes]) -> None:
    """What compactions attached again without recording it stays in every prompt until the next one."""
    files, position, attached = _Files(), 0, 0.0
    boundaries = {b.record: b for b in out.boundaries if b.kind in ("compaction", "reset")}
    for n, raw in enumerate(raws, 1):
        files.see(raw)
        boundary = boundaries.get(n)
        if boundary is not None and boundary.kind == "compaction":
            recorded = files.recorded
            boundary.files, tokens = files.attach_again(out.factors[0])
            attached = 0.0 if recorded else tokens
            boundary.files = 0 if recorded else boundary.files
        elif boundary is not None:
            attached = 0.0
        while position < len(out.prompts) and out.prompts[position].record <= n:
            out.prompts[position].attached = attached
            position += 1


def _steps(out: Accuracy) -> None:
    """Finds the jumps; a compaction or reset clears them, since it rebuilds the context."""
    cleared = {id(b.after) for b in out.boundaries if b.kind in ("compaction", "reset")}
    residuals, total = out.residuals(), 0.0
    for prompt, was, now in zip(out.prompts[1:], residuals, residuals[1:], strict=False):
        if id(prompt) in cleared:
            total = 0.0
        elif abs(now - was) > STEP:
            out.steps.append((prompt.record, now - was))
            total += now - was
        prompt.steps = total


def items(out: Accuracy, prompt: Prompt) -> list[tuple[str, float]]:
    """The prompt's size, itemised; then the sum, the recorded size and the residual."""
    text, thinking, frames = prompt.shown
    rows = [
        ("unseen base (first call: system, tools, CLAUDE.md)", out.base),
        ("pages that the record shows, our count", text + thinking),
        (f"tokenizer (×{out.factors[0]:.2f})", (out.factors[0] - 1) * text),
        (f"thinking beyond its text (×{out.factors[1]:.2f})", (out.factors[1] - 1) * thinking),
        (f"frames of calls and results ({out.factors[2]:.0f} each)", out.factors[2] * frames),
        ("files attached again, not recorded (estimate)", prompt.attached),
    ]
    total = sum(value for _, value in rows)
    residual = prompt.recorded - total
    rows += [("ours", total), ("recorded", prompt.recorded), ("residual", residual)]
    return [*rows, ("residual without the steps listed above", residual - prompt.steps)]


def report(name: str, out: Accuracy) -> list[str]:
    """Lines for a terminal."""
    lines = [
        f"{name}",
        f"  records {out.records:,}: {out.used:,} gave events, {out.unknown} unknown, {out.broken} broken;"
        f" events {out.events:,}",
        f"  calls {out.calls}: {out.paired} paired, {out.calls - out.paired} without result,"
        f" {out.orphans} results without call",
    ]
    if out.prompts:
        residuals = sorted(out.residuals(), key=abs)
        shares = [abs(r) / p.recorded for r, p in zip(out.residuals(), out.prompts, strict=True)]
        plain = [abs(p.recorded - p.shown[0] - p.shown[1] - out.base) / p.recorded for p in out.prompts]
        lines += [
            f"  prompts {len(out.prompts)}; fitted on growth: text ×{out.factors[0]:.3f},"
            f" thinking ×{out.factors[1]:.2f}, {out.factors[2]:.0f} tokens a call or result",
            f"  residual: median {statistics.median(map(abs, residuals)):,.0f} tokens"
            f" ({statistics.median(shares):.1%}), worst {residuals[-1]:,.0f} ({max(shares):.1%});"
            f" without the factors: median {statistics.median(plain):.1%}, worst {max(plain):.1%}",
        ]
    for record, tokens in out.steps:
        lines.append(f"  step at record {record}: {tokens:+,.0f} tokens that no record explains")
    for boundary in out.boundaries:
        lines += _boundary_lines(out, boundary)
    return lines


def _boundary_lines(out: Accuracy, boundary: Compaction) -> list[str]:
    before, after = boundary.before, boundary.after
    head = f"  {boundary.kind} ({boundary.trigger}) at record {boundary.record}"
    if before is None or after is None:
        return [f"{head}: no call {'before' if before is None else 'after'} it"]
    sizes = f"recorded {before.recorded:,} → {after.recorded:,}"
    lines = [f"{head}: {sizes}, ours {out.ours(before):,.0f} → {out.ours(after):,.0f}"]
    if boundary.files:
        lines.append(f"    (estimate: {boundary.files} files attached again)")
    lines.append(f"    {'':56}{'before':>10}{'after':>10}")
    for (label, a), (_, b) in zip(items(out, before), items(out, after), strict=True):
        lines.append(f"    {label:56}{a:>10,.0f}{b:>10,.0f}")
    return lines
