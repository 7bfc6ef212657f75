"""Which earlier pages an answer and its calls needed, as the record shows it.

Exact rules: ``repeat`` (same signature or same file range, and nothing it depends on was written since)
and ``handle`` (a call names a page). Inferred rules: ``range_within`` (lines inside a range read before),
``path``, ``command`` and ``url`` (a call touches what the page holds), ``identifier`` (a search for a name
that only one or two pages hold) and ``quote`` (the answer or its arguments repeat the page's words). An
inferred demand says which rule guessed it and by what.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from memory.core.types import Fidelity, PageType, ToolKind
from memory.harness.claude_code.identity import KnownPage, OpenCall, one_line, read_range
from memory.harness.signature import resolve

WINDOW: Final = 6  # words of a shingle
#: About every third shingle is kept, chosen by its first word, so that both sides choose alike.
STRIDE: Final = 3
MAX_INDEXED: Final = 200_000  # characters of one page that are indexed
MAX_SHINGLES: Final = 300_000  # of a session; beyond it new pages are not indexed for quotes
MIN_MATCHES: Final = 3  # shingles that make a quote
MAX_PER_CALL: Final = 8  # inferred demands of one rule and call
_WORD = re.compile(r"[A-Za-z_/~.][\w./-]{2,80}")  # a path is one word: its folders are no quote
_NAME = re.compile(r"\b(?=\w*[a-z_0-9][A-Z_]|\w*_)[A-Za-z_]\w{9,60}\b")
_PATHLIKE = re.compile(r"(?<![\w/.~-])(?:[\w.~-]*/)*[\w.~-]+\.\w{1,8}(?![\w/])|/(?:[\w.-]+/)+[\w.-]+")
_OWN_WORDS: Final = ("edit:", "write:", "multiedit:", "failed:")  # results that repeat what the agent wrote
_CONTENT: Final = ("read:", "rules:", "memory:")  # pages that hold a file's own text
_HANDLE = re.compile(r"\[page:([^\s\]]{1,512})")


@dataclass(frozen=True, slots=True)
class Demand:
    page_id: str
    fidelity: Fidelity
    rule: str
    evidence: str
    exact: bool
    call_repeat: bool = False  # the demand is the repeated call itself: the core judges it once


class Index:
    """Words, names and resources of the pages that can be demanded."""

    def __init__(self) -> None:
        self._shingles: dict[str, str] = {}
        self._names: dict[str, list[str]] = {}
        self._by_resource: dict[str, list[str]] = {}

    def add(self, page_id: str, page: KnownPage, text: str) -> None:
        """A page's new version; dialogue is not indexed (every answer repeats the prompt's words)."""
        for resource in page.resources:
            holders = self._by_resource.setdefault(resource, [])
            if page_id not in holders:
                holders.append(page_id)
        if page.type in (PageType.CONVERSATION, PageType.PLAN) or page_id.startswith(_OWN_WORDS):
            return
        words = _WORD.findall(text[:MAX_INDEXED])
        if len(self._shingles) < MAX_SHINGLES:
            source = page_id.partition("#")[0]
            for shingle in _shingles(words):
                held = self._shingles.get(shingle)
                # Words that two things hold (boilerplate) tell nothing; ranges of one file are one thing.
                if held is None or held.partition("#")[0] == source:
                    self._shingles[shingle] = page_id
                else:
                    self._shingles[shingle] = ""
        for name in set(_NAME.findall(text[:MAX_INDEXED])):
            holders = self._names.setdefault(name, [])
            if page_id not in holders and len(holders) < 4:
                holders.append(page_id)

    def quotes(self, texts: Iterable[str]) -> Iterator[tuple[str, str]]:
        """(page, first words quoted) for every page of which enough shingles stand in the texts."""
        found: dict[str, list[str]] = {}
        for text in texts:
            for shingle in _shingles(_WORD.findall(text[:MAX_INDEXED])):
                page_id = self._shingles.get(shingle)
                if page_id:
                    hits = found.setdefault(page_id, [])
                    if len(hits) < MIN_MATCHES and shingle not in hits:
                        hits.append(shingle)
        for page_id, hits in found.items():
            if len(hits) >= MIN_MATCHES:
                yield page_id, hits[0]

    def holders(self, resource: str) -> list[str]:
        return self._by_resource.get(resource, [])

    def named(self, name: str) -> list[str]:
        return self._names.get(name, [])


def _shingles(words: list[str]) -> Iterator[str]:
    for index in range(len(words) - WINDOW + 1):
        if not len(words[index]) % STRIDE:
            yield " ".join(words[index : index + WINDOW])


def of_text(index: Index, pages: Mapping[str, KnownPage], texts: Iterable[str]) -> list[Demand]:
    """Pages that the texts quote."""
    return [
        Demand(page_id, Fidelity.FULL, "quote", one_line(words, 160), False)
        for page_id, words in index.quotes(texts)
        if page_id in pages and not pages[page_id].stale
    ]


def of_call(
    index: Index, pages: Mapping[str, KnownPage], call: OpenCall, cwd: str, *, again: bool = False
) -> list[Demand]:
    """Pages that a call needs, exact rules first. ``again``: the page is the last result of a call with this
    signature, so the core judges the call itself; a call that differs and reads the same range it does not.
    """
    out: list[Demand] = []
    known = pages.get(call.page_id)
    if known is not None and not known.stale and call.call.kind is ToolKind.READ:
        evidence = one_line(call.call.signature, 200)
        out.append(Demand(call.page_id, Fidelity.FULL, "repeat", evidence, True, call_repeat=again))
    strings = [value for value in call.args.values() if isinstance(value, str)]
    for text in strings:
        if "[page:" in text:
            for match in _HANDLE.finditer(text[:MAX_INDEXED]):
                if match.group(1) in pages:
                    out.append(Demand(match.group(1), Fidelity.FULL, "handle", match.group(0) + "]", True))
    for demand in _inferred(index, pages, call, cwd):
        page = pages.get(demand.page_id)
        if page is not None and not page.stale and demand.page_id != call.page_id:
            out.append(demand)
    return out


def _inferred(index: Index, pages: Mapping[str, KnownPage], call: OpenCall, cwd: str) -> Iterator[Demand]:
    if call.tool == "Read":
        yield from _within(index, call)
        return
    touched = [r for r in (*call.call.reads, *call.call.writes) if r.startswith(("file:", "url:"))]
    for resource in touched[:MAX_PER_CALL]:
        rule = "url" if resource.startswith("url:") else "command" if call.call.commands else "path"
        fidelity = Fidelity.POINTER if rule == "command" else Fidelity.STRUCTURED
        for page_id in index.holders(resource)[-MAX_PER_CALL:]:
            if page_id.startswith(_CONTENT):
                yield Demand(page_id, fidelity, rule, resource, False)
    command = call.args.get("command")
    if isinstance(command, str):
        for path in dict.fromkeys(_PATHLIKE.findall(command[:4_000])):
            resource = f"file:{resolve(path, cwd)}"
            if resource not in touched:
                for page_id in index.holders(resource)[-2:]:
                    if page_id.startswith(_CONTENT):
                        yield Demand(page_id, Fidelity.POINTER, "command", resource, False)
    pattern = call.args.get("pattern")
    for name in dict.fromkeys(_NAME.findall(pattern[:1_000] if isinstance(pattern, str) else "")):
        holders = index.named(name)
        if len(holders) <= 2:
            for page_id in holders:
                yield Demand(page_id, Fidelity.STRUCTURED, "identifier", name, False)


def _within(index: Index, call: OpenCall) -> Iterator[Demand]:
    """A range of a file that lies inside one read before, or the whole file before."""
    wanted = read_range(call.args)
    if wanted is None or not call.call.reads:
        return
    prefix = call.page_id.rsplit("#", 1)[0]
    for page_id in index.holders(call.call.reads[0])[-MAX_PER_CALL:]:
        if page_id == prefix:
            yield Demand(page_id, Fidelity.FULL, "range_within", f"{wanted[0]}-{wanted[1] or ''}", False)
        elif page_id.startswith(prefix + "#") and wanted[1] is not None:
            first, _, last = page_id[len(prefix) + 1 :].partition("-")
            if first.isdigit() and last.isdigit() and int(first) <= wanted[0] and wanted[1] <= int(last):
                yield Demand(page_id, Fidelity.FULL, "range_within", f"{wanted[0]}-{wanted[1]}", False)
