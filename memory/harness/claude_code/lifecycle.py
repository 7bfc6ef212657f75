"""What takes state away: compactions, micro-compactions, resets, rewinds."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from memory.core.types import MAX_LIST, PageType
from memory.harness.claude_code.context import Context
from memory.harness.claude_code.identity import clean_id, native_id, whole

MAX_WALK: Final = 50_000  # records followed up a chain
MAX_QUOTING: Final = 400_000  # characters of a prompt or a hook's text that are searched for rules
MIN_QUOTED: Final = 12  # characters; a shorter rule may stand in a text by chance
_LIST_MARK: Final = re.compile(r"^\s*(?:[-*+•#]+|\d{1,3}[.)])\s+")
_ARTICLE: Final = re.compile(r"^(?:the|an?) ")
_SILENT: Final = frozenset(
    {"turn_duration", "stop_hook_summary", "away_summary", "local_command", "informational", "api_error",
     "api_metrics", "memory_saved", "permission_retry", "bridge_status", "agents_killed",
     "scheduled_task_fire", "task_summary"}
)  # fmt: skip


class Chain:
    """The records' parents, by which forks are seen."""

    def __init__(self) -> None:
        self.leaf = ""  # the last user or assistant record of the main chain
        self._parent: dict[str, str] = {}
        self._role: dict[str, str] = {}  # what a record is: answer, prompt, result, other

    def add(self, uuid: str, record: dict[str, Any]) -> None:
        parent = record.get("parentUuid")
        self._parent[uuid] = parent if isinstance(parent, str) else ""
        kind = record.get("type")
        if kind == "assistant":
            self._role[uuid] = "answer"
        elif kind == "user":
            paired = (
                isinstance(record.get("toolUseResult"), (dict, list, str))
                or "sourceToolAssistantUUID" in record
            )
            self._role[uuid] = "result" if paired else "prompt"

    def line(self, uuid: str) -> list[str]:
        """The record and everything above it, newest first."""
        out: list[str] = []
        while uuid and len(out) < MAX_WALK:
            out.append(uuid)
            uuid = self._parent.get(uuid, "")
        return out

    def left_behind(self, parent: str) -> list[str]:
        """Records that a new record under ``parent`` leaves behind; empty where it is no rewind."""
        if (
            not self.leaf
            or parent == self.leaf
            or self._parent.get(parent) == self.leaf
            or parent not in self._parent
        ):
            return []
        above = set(self.line(parent))
        if self.leaf in above:
            return []
        branch: list[str] = []
        for uuid in self.line(self.leaf):
            if uuid in above:
                break
            branch.append(uuid)
        # Parallel calls fork too: only a branch that holds an answer or a prompt was left by going back.
        return branch if any(self._role.get(u) in ("answer", "prompt") for u in branch) else []


def rewind(context: Context, chain: Chain, record: dict[str, Any]) -> None:
    """A prompt that does not follow the last record: the branch that it left is out of the context."""
    parent = record.get("parentUuid")
    if (
        not isinstance(parent, str)
        or record.get("toolUseResult") is not None
        or "sourceToolAssistantUUID" in record
    ):
        return
    branch = set(chain.left_behind(parent))
    if not branch:
        return
    pages = {p for uuid in branch for p in context.by_uuid.get(uuid, ())}
    dropped = [p for p in context.pages if p in pages and branch.issuperset(context.pages[p].uuids)]
    if dropped:
        _prune(context, dropped, trigger="rewind", leaves_pointers=False)


def _prune(context: Context, dropped: list[str], **more: Any) -> None:
    """One boundary; more of them where the list is longer than an event may hold."""
    context.gone.update(page_id for page_id in dropped if page_id in context.rules)
    for start in range(0, max(1, len(dropped)), MAX_LIST):
        context.emit("boundary", {"kind": "prune", **more, "dropped": dropped[start : start + MAX_LIST]})


def system(context: Context, chain: Chain, record: dict[str, Any]) -> bool:
    """A system record; False where its subtype is not known."""
    subtype = record.get("subtype")
    if subtype == "compact_boundary":
        _compaction(context, chain, record)
    elif subtype == "microcompact_boundary":
        _micro(context, record)
    else:
        return subtype in _SILENT or subtype is None
    return True


def _number(holder: dict[str, Any], key: str) -> int | None:
    return whole(holder.get(key))


def _compaction(context: Context, chain: Chain, record: dict[str, Any]) -> None:
    held = record.get("compactMetadata")
    meta: dict[str, Any] = held if isinstance(held, dict) else {}
    context.summary = clean_id(f"summary:{context.uuid or context.n}")
    context.span = (context.since, context.n - 1)
    context.since = context.n
    kept = _preserved(context, chain, meta)
    chain.leaf = ""  # the chain begins anew: what follows is no rewind
    body: dict[str, Any] = {
        "kind": "compaction",
        "trigger": str(meta.get("trigger") or "")[:60],
        "tokens_before": _number(meta, "preTokens"),
        "tokens_after": _number(meta, "postTokens"),
        "summary_page": context.summary,
    }
    if kept is not None:
        body["preserved"] = kept
    context.gone = set(context.rules) - set(kept or ())
    context.emit("boundary", body)


def _preserved(context: Context, chain: Chain, meta: dict[str, Any]) -> list[str] | None:
    """Pages of the messages that the record says were kept; ``None`` where it does not say."""
    messages, segment = meta.get("preservedMessages"), meta.get("preservedSegment")
    uuids: list[str] | None = None
    if isinstance(messages, dict):
        listed = messages.get("allUuids") or messages.get("uuids")
        uuids = [u for u in listed if isinstance(u, str)] if isinstance(listed, list) else None
    if uuids is None and isinstance(segment, dict):
        head, tail = segment.get("headUuid"), segment.get("tailUuid")
        line = chain.line(tail) if isinstance(tail, str) else []
        uuids = line[: line.index(head) + 1] if head in line else line[:1]
    if uuids is None:
        return None
    return list(dict.fromkeys(page for uuid in uuids for page in context.by_uuid.get(uuid, ())))[:MAX_LIST]


def _micro(context: Context, record: dict[str, Any]) -> None:
    """A micro-compaction empties the results of the calls that it names; a newer copy of a page stays."""
    held = record.get("microcompactMetadata")
    meta: dict[str, Any] = held if isinstance(held, dict) else {}
    calls = meta.get("compactedToolIds")
    cleared = meta.get("clearedAttachmentUUIDs")
    pages: list[str] = []
    for call_id in calls if isinstance(calls, list) else ():
        call_id = native_id(call_id)
        page_id = context.page_of_call.get(call_id)
        if page_id is not None and context.pages[page_id].last_call == call_id:
            pages.append(page_id)
    for uuid in cleared if isinstance(cleared, list) else ():
        pages.extend(context.by_uuid.get(uuid, ()) if isinstance(uuid, str) else ())
    trigger = str(meta.get("trigger") or "")[:60]
    dropped = list(dict.fromkeys(pages))
    _prune(context, dropped, trigger=f"micro {trigger}".strip(), tokens_before=context.recorded)


def summary(context: Context, text: str) -> None:
    """The summary that a compaction puts in place of what it dropped."""
    page_id = context.summary or clean_id(f"summary:{context.uuid or context.n}")
    first, last = context.span
    context.summary = ""
    quoted = quoted_rules(context.rules, text)
    text = with_handles(text, {rule_id: context.rules[rule_id] for rule_id in quoted})
    context.page(
        page_id,
        PageType.CONVERSATION,
        text,
        title=f"Summary of records {first} to {last}",
        provenance=("span", f"records {first}-{last}"),
    )
    hold(context, quoted, page_id, "the summary")


def gone_rules(context: Context, text: str) -> dict[str, str]:
    """The rules (page id → text) that a boundary took out and that this text repeats word for word."""
    gone = {page_id: rule for page_id, rule in context.rules.items() if page_id in context.gone}
    return {page_id: gone[page_id] for page_id in quoted_rules(gone, text[:MAX_QUOTING])} if gone else {}


def hold(context: Context, rule_ids: Iterable[str], source: str, where: str) -> None:
    """The pages of rules that ``source`` repeats word for word: with it they are in the prompt again."""
    for rule_id in rule_ids:
        context.page(
            rule_id,
            PageType.CONSTRAINT,
            context.rules[rule_id],
            provenance=("span", source),
            what=f"quoted word for word in {where}",
        )


def quoted_rules(rules: Mapping[str, str], text: str) -> list[str]:
    """The rules (page id → text) that a text repeats word for word, whatever the case, spaces, list marks and
    a leading article: their pages are in the prompt with it.
    """
    folded = _folded(text)
    words = {page_id: _words(rule) for page_id, rule in rules.items()}
    return [page_id for page_id, rule in words.items() if len(rule) >= MIN_QUOTED and rule in folded]


def same_rule(one: str, other: str) -> bool:
    """Whether two rules say the same, whatever the case, spaces, list marks and a leading article."""
    return _words(one) == _words(other)


def with_handles(text: str, rules: Mapping[str, str]) -> str:
    """The text with a handle in place of each rule, whose own page holds those words. Linear in the text."""
    if not rules:
        return text
    folded, places = _folded_places(text)
    for start, length, page_id in sorted(
        ((folded.find(_words(rule)), len(_words(rule)), page_id) for page_id, rule in rules.items()),
        reverse=True,
    ):
        end = start + length
        if start >= 0 and end <= len(places):  # not inside another rule that was replaced before
            text = f"{text[: places[start]]}[page:{page_id}]{text[places[end - 1] + 1 :]}"
            del places[start:]
    return text


def _words(rule: str) -> str:
    return _ARTICLE.sub("", _folded(_LIST_MARK.sub("", rule)).rstrip(".;"))


def _folded(text: str) -> str:
    return " ".join(text.replace("`", "").casefold().split())


def _folded_places(text: str) -> tuple[str, list[int]]:
    """``_folded``, and for each of its characters the place in the text that it comes from."""
    out: list[str] = []
    places: list[int] = []
    for place, char in enumerate(text):
        if char == "`" or (char.isspace() and (not out or out[-1] == " ")):
            continue
        for one in " " if char.isspace() else char.casefold():
            out.append(one)
            places.append(place)
    return "".join(out), places


def reset(context: Context, command: str) -> None:
    context.since = context.n
    context.gone = set(context.rules)
    context.emit("boundary", {"kind": "reset", "trigger": command, "tokens_before": context.recorded})
