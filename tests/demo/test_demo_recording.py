"""The demo recording is what its README says: long, compacted, with a sub-agent, clean of its machine."""

from __future__ import annotations

import json
import re
from importlib import resources
from typing import Any

import pytest

from clawweb.demo import DEMO_SESSION_ID, DEMO_WINDOW, load_session, load_subagents

Record = dict[str, Any]


@pytest.fixture(scope="module")
def records() -> list[Record]:
    """The main session's records."""
    return [json.loads(line) for line in load_session()]


def usages(records: list[Record]) -> dict[str, dict[str, int]]:
    """The usage of each model call, by message id; the program's own synthetic answers are no calls."""
    return {
        record["message"]["id"]: record["message"]["usage"]
        for record in records
        if record["type"] == "assistant" and record["message"]["model"] != "<synthetic>"
    }


def prompt_size(usage: dict[str, int]) -> int:
    """Tokens of a prompt."""
    return usage["input_tokens"] + usage["cache_read_input_tokens"] + usage["cache_creation_input_tokens"]


def tool_calls(records: list[Record]) -> list[dict[str, Any]]:
    """All tool calls, each once, though some records are written twice."""
    calls: dict[str, dict[str, Any]] = {}
    for record in records:
        if record["type"] == "assistant":
            for part in record["message"]["content"]:
                if part["type"] == "tool_use":
                    calls[part["id"]] = part
    return list(calls.values())


def test_over_200_model_calls_with_usage(records: list[Record]) -> None:
    calls = usages(records)
    assert len(calls) >= 200
    assert all(prompt_size(usage) > 10_000 and usage["output_tokens"] > 0 for usage in calls.values())
    assert max(map(prompt_size, calls.values())) < DEMO_WINDOW


def test_at_least_two_compactions_of_both_kinds(records: list[Record]) -> None:
    boundaries = [record for record in records if record.get("subtype") == "compact_boundary"]
    assert len(boundaries) >= 2
    triggers = {record["compactMetadata"]["trigger"] for record in boundaries}
    assert triggers == {"manual", "auto"}
    summaries = [record for record in records if record.get("isCompactSummary")]
    assert len(summaries) == len(boundaries)


def test_prompt_shrinks_after_an_automatic_compaction(records: list[Record]) -> None:
    before = 0
    pending = False
    seen = 0
    for record in records:
        if record.get("subtype") == "compact_boundary":
            pending = record["compactMetadata"]["trigger"] == "auto"
        elif record["type"] == "assistant" and record["message"]["model"] != "<synthetic>":
            size = prompt_size(record["message"]["usage"])
            if pending:
                assert size < before / 2
                pending, seen = False, seen + 1
            before = size
    assert seen == 2


def test_one_session(records: list[Record]) -> None:
    assert {record["sessionId"] for record in records if "sessionId" in record} == {DEMO_SESSION_ID}


def test_every_call_has_its_result(records: list[Record]) -> None:
    results = {
        part["tool_use_id"]
        for record in records
        if record["type"] == "user" and isinstance(record["message"]["content"], list)
        for part in record["message"]["content"]
        if part["type"] == "tool_result"
    }
    assert {call["id"] for call in tool_calls(records)} == results


def test_subagent_belongs_to_a_call_of_the_session(records: list[Record]) -> None:
    started = {
        record["toolUseResult"]["agentId"]
        for record in records
        if isinstance(record.get("toolUseResult"), dict) and "agentId" in record["toolUseResult"]
    }
    subagents = load_subagents()
    assert set(subagents) == started
    for lines in subagents.values():
        inner = [json.loads(line) for line in lines]
        assert len(usages(inner)) >= 5
        assert all(record["isSidechain"] for record in inner if "isSidechain" in record)


def test_rules_are_stated_and_broken(records: list[Record]) -> None:
    prompts = [r["message"]["content"] for r in records if r["type"] == "user" and r.get("promptSource")]
    assert "Never edit a file in tallybook/migrations/" in prompts[0]
    calls = tool_calls(records)
    edited = [call["input"]["file_path"] for call in calls if call["name"] == "Edit"]
    assert any(path.endswith("/migrations/0001_users.sql") for path in edited)
    assert any("git rm" in call["input"]["command"] for call in calls if call["name"] == "Bash")


def test_unchanged_files_are_read_again_after_the_first_compaction(records: list[Record]) -> None:
    place = next(i for i, record in enumerate(records) if record.get("subtype") == "compact_boundary")
    earlier, later = tool_calls(records[:place]), tool_calls(records[place:])
    changed = {call["input"]["file_path"] for call in earlier + later if call["name"] in ("Edit", "Write")}
    read = [{c["input"]["file_path"] for c in calls if c["name"] == "Read"} for calls in (earlier, later)]
    assert len((read[0] & read[1]) - changed) >= 5


def test_plan_is_made_with_the_task_tools(records: list[Record]) -> None:
    names = [call["name"] for call in tool_calls(records)]
    assert names.count("TaskCreate") >= 6
    assert names.count("TaskUpdate") >= 6


def test_empty_recall(records: list[Record]) -> None:
    searches = {call["id"] for call in tool_calls(records) if call["name"] == "mcp__notes__search"}
    results = [
        json.dumps(part["content"])
        for record in records
        if record["type"] == "user" and isinstance(record["message"]["content"], list)
        for part in record["message"]["content"]
        if part["type"] == "tool_result" and part["tool_use_id"] in searches
    ]
    assert sum("no output" in result for result in results) == 2


def test_no_path_of_a_machine_and_no_registry() -> None:
    everything = load_session() + [line for lines in load_subagents().values() for line in lines]
    for line in everything:
        text = line.decode()
        assert not re.search(r"/root\b|/work/|/Users/|/tmp/|site-packages|\.pyenv|registry\.", text), text[
            :200
        ]
        assert set(re.findall(r"/home/([a-z]+)", text)) <= {"dev"}


def test_no_long_text_of_the_program(records: list[Record]) -> None:
    for record in records:
        text = json.dumps(record)
        assert "<system-reminder>" not in text
        if record["type"] == "attachment" and record["attachment"]["type"].endswith("_listing_delta"):
            assert all(len(line) < 120 for line in record["attachment"]["addedLines"])


def test_files_are_small() -> None:
    packed = [
        entry for entry in resources.files("clawweb.demo").iterdir() if entry.name.endswith(".jsonl.xz")
    ]
    assert len(packed) >= 2
    assert sum(len(entry.read_bytes()) for entry in packed) < 300_000
