"""The recorder's own parts: counting, cache split, scripted answers, scrubbing. No program is run."""

from __future__ import annotations

import json
from pathlib import PurePosixPath
from typing import Any

import pytest

from clawweb.demo.model_server import Meter, ModelServer
from clawweb.demo.plot import plot
from clawweb.demo.script import Compaction, Player, Plot, SubAgent, Turn, delegate, do, edit, read, say
from clawweb.demo.scrub import Places, scrub

ROOT = PurePosixPath("/project")
PLACES = Places(scratch="/scratch/demo-x", python="/opt/py/bin/python", base="/opt/py")


def words(text: str) -> int:
    """A stand-in for the tokenizer."""
    return len(text.split())


def request(*texts: str, tools: bool = True) -> dict[str, Any]:
    """A request with a system prompt and alternating messages, the last one marked for the cache."""
    messages: list[dict[str, Any]] = [
        {"role": "assistant" if number % 2 else "user", "content": [{"type": "text", "text": text}]}
        for number, text in enumerate(texts)
    ]
    messages[-1]["content"][-1]["cache_control"] = {"type": "ephemeral"}
    return {
        "system": [{"type": "text", "text": "be good"}],
        "tools": [{"name": "Read"}] if tools else [],
        "messages": messages,
    }


def failed(error: str) -> dict[str, Any]:
    """A request that ends in a failed tool call."""
    part = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": error}
    return {"tools": [{"name": "Read"}], "messages": [{"role": "user", "content": [part]}]}


def player(*turns: Turn, subagents: tuple[SubAgent, ...] = ()) -> Player:
    """A player with two compactions' worth of plot."""
    compactions = (Compaction("short", (do(read("a.py")),)), Compaction("shorter"))
    return Player(Plot(turns, subagents, compactions), ROOT)


def test_usage_is_the_whole_prompt_and_the_prefix_comes_from_the_cache() -> None:
    meter = Meter(words)
    first = meter.usage("main", request("one two three"))
    second = meter.usage("main", request("one two three", "four", "five six"))
    assert first["cache_read_input_tokens"] == 0
    assert second["cache_read_input_tokens"] == first["cache_creation_input_tokens"]
    # "assistant four" and "user five six": the role counts as a word.
    assert second["cache_creation_input_tokens"] == 5


def test_changed_prefix_is_written_anew() -> None:
    meter = Meter(words)
    meter.usage("main", request("one", "two", "three"))
    usage = meter.usage("main", request("a summary"))
    assert usage["cache_read_input_tokens"] == words('{"name": "Read"}') + words("\nbe good")


def test_conversations_are_kept_apart() -> None:
    meter = Meter(words)
    meter.usage("main", request("one"))
    assert meter.usage("other", request("one"))["cache_read_input_tokens"] == 0


def test_steps_are_played_in_order_with_absolute_paths() -> None:
    turn = Turn("go", (do(read("a.py")), say("done")))
    play = player(turn)
    play.begin(turn)
    first, second = play.answer(request("go")), play.answer(request("go"))
    assert first.stop_reason == "tool_use"
    assert first.blocks[0]["input"] == {"file_path": "/project/a.py"}
    assert (second.blocks[0]["text"], second.stop_reason) == ("done", "end_turn")
    assert play.problems == []


def test_refused_edit_is_read_and_repeated() -> None:
    turn = Turn("go", (do(edit("a.py", "x", "y")), say("done")))
    play = player(turn)
    play.begin(turn)
    names = [
        play.answer(body).blocks[-1].get("name")
        for body in (request("go"), failed("File has not been read yet."), request("go"), request("go"))
    ]
    assert names == ["Edit", "Read", "Edit", None]


def test_aftermath_of_a_manual_compaction_opens_the_next_turn() -> None:
    first, second = Turn("/compact"), Turn("go", (say("done"),))
    play = player(first, second)
    play.begin(first)
    summary = play.answer(request("Your task is to create a detailed summary of the conversation so far"))
    assert (summary.kind, summary.blocks[0]["text"]) == ("compaction", "short")
    play.begin(second)
    assert play.answer(request("go")).blocks[0]["name"] == "Read"
    assert play.answer(request("go")).blocks[0]["text"] == "done"
    assert play.problems == []


def test_subagent_has_its_own_steps() -> None:
    turn = Turn("go", (do(delegate("look", "Find it.")), say("done")))
    play = player(turn, subagents=(SubAgent("Find it.", (say("found"),)),))
    play.begin(turn)
    assert play.answer(request("go")).blocks[0]["name"] == "Agent"
    assert play.answer(request("Find it.")).blocks[0]["text"] == "found"
    assert play.answer(request("go")).blocks[0]["text"] == "done"


def test_request_without_tools_takes_no_step() -> None:
    turn = Turn("go", (say("done"),))
    play = player(turn)
    play.begin(turn)
    assert play.answer(request("title?", tools=False)).kind == "side"
    assert play.left() == 1


def test_stream_is_complete() -> None:
    turn = Turn("go", (do(read("a.py"), text="I read.", thinking="hm"),))
    play = player(turn)
    play.begin(turn)
    with ModelServer(play, words) as server:
        events = server.events(json.dumps({**request("go"), "model": "m"}).encode())
    names = [name for name, _ in events]
    assert (names[0], names[-2:]) == ("message_start", ["message_delta", "message_stop"])
    assert names.count("content_block_start") == names.count("content_block_stop") == 3
    assert events[-2][1]["usage"]["output_tokens"] >= 3


def test_scrub_takes_places_out_and_keeps_the_session() -> None:
    record = {
        "type": "assistant",
        "cwd": "/scratch/demo-x/home/dev/p",
        "text": "-scratch-demo-x-home-dev-p /opt/py/lib",
    }
    (line,) = scrub([json.dumps(record).encode()], PLACES)
    assert json.loads(line) == {"type": "assistant", "cwd": "/home/dev/p", "text": "-home-dev-p /usr/lib"}


def test_scrub_shortens_what_the_program_says() -> None:
    listing = {"type": "agent_listing_delta", "addedTypes": ["x"], "addedLines": ["- x: " + "long " * 40]}
    reminder = f"result\n<system-reminder>{'x' * 99}</system-reminder>"
    lines = [
        {"type": "attachment", "attachment": listing},
        {
            "type": "user",
            "message": {"role": "user", "content": [{"type": "tool_result", "content": reminder}]},
        },
    ]
    first, second = (json.loads(line) for line in scrub([json.dumps(x).encode() for x in lines], PLACES))
    marker = "[{} characters of the program's own text left out]"
    assert first["attachment"]["addedLines"] == ["- x: " + marker.format(200)]
    assert marker.format(99) in second["message"]["content"][0]["content"]


def test_scrub_refuses_a_leak() -> None:
    with pytest.raises(SystemExit, match=r"registry\."):
        scrub([b'{"type": "user", "text": "registry.example"}'], PLACES)


def test_plot_is_long_enough_and_every_turn_ends_with_words() -> None:
    whole = plot()
    assert sum(len(turn.steps) for turn in whole.turns) >= 200
    assert all(not turn.steps[-1].calls for turn in whole.turns if turn.steps)
    assert next(turn for turn in whole.turns if not turn.steps).prompt.startswith("/compact")
