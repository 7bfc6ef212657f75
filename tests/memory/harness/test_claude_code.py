"""A Claude Code transcript becomes pages, turns, demands and boundaries."""

from __future__ import annotations

import pytest

from memory.complete import check, complete
from memory.core.resources import Readers
from memory.harness.claude_code.adapter import LONG_WINDOW, OUTPUT_RESERVE, WINDOW
from tests.memory.harness.records import CWD, Script, bodies, events, feed, pages, text, thinking, use

SOURCE = "\n".join(
    f"{n}\tdef handler_number_{n}(request, session, ledger): return None" for n in range(1, 40)
)


def read(script: Script, number: int, path: str = "src/app.py", **args: object) -> None:
    script.call(f"m{number}", f"c{number}", "Read", {"file_path": f"{CWD}/{path}", **args}, SOURCE)


def test_the_first_record_opens_the_session() -> None:
    script = Script()
    script.raw({"type": "last-prompt", "sessionId": "s"})
    script.prompt("hello")
    started = bodies(script, "session_started")
    assert len(started) == 1 and events(script)[0][0] == "session_started"
    assert started[0]["mode"] == started[0]["policy"] == "observed"
    assert (started[0]["window"], started[0]["reserve"]) == (WINDOW, OUTPUT_RESERVE)


def test_a_prompt_larger_than_the_window_proves_the_long_one() -> None:
    script = Script()
    script.prompt("hello")
    script.answer("m1", text("hi"))
    script.answer("m2", text("more"), size=WINDOW + 1)
    script.answer("m3", text("less"), size=1_000)
    settings = bodies(script, "settings_changed")
    assert settings == [{"model": "claude-opus-4-5"}, {"window": LONG_WINDOW}]


def test_lines_of_one_message_are_one_turn_and_usage_counts_once() -> None:
    script = Script()
    script.prompt("look")
    script.answer("m1", thinking("hm"), text("I look."), use("c1", "Read", {"file_path": "a.py"}))
    script.result("c1", "x = 1")
    script.answer("m1", use("c2", "Read", {"file_path": "b.py"}))  # the same message goes on after a result
    script.result("c2", "y = 1")
    assert [b["request_id"] for b in bodies(script, "prompt_observed")] == ["m1"]
    assert bodies(script, "prompt_observed")[0]["recorded_tokens"] == 10_100
    assert [bool(b["usage"]) for b in bodies(script, "model_answered")] == [True, False, False, False]


def test_a_prompt_comes_before_the_pages_of_its_answer() -> None:
    script = Script()
    script.prompt("look")
    script.answer("m1", text("I look."))
    kinds = [kind for kind, _, _ in events(script)]
    assert kinds.index("prompt_observed") < kinds.index("model_answered")
    answers = [
        i
        for i, (k, b, _) in enumerate(events(script))
        if k == "page_created" and b["page"]["text"] == "I look."
    ]
    assert kinds.index("prompt_observed") < answers[0]


def test_a_synthetic_answer_is_no_model_call() -> None:
    script = Script()
    script.line("assistant", message={"id": "x", "model": "<synthetic>", "content": [text("API error")]})
    assert bodies(script, "prompt_observed") == [] and pages(script) == {}


def test_one_file_range_is_one_page_with_versions() -> None:
    script = Script()
    read(script, 1, offset=1, limit=40)
    read(script, 2, offset=1, limit=40)
    read(script, 3)
    assert [p for p in pages(script) if p[:5] == "read:"] == ["read:src/app.py#1-40", "read:src/app.py"]
    updated = bodies(script, "page_updated")
    assert [b["page_id"] for b in updated] == ["read:src/app.py#1-40"] and updated[0]["durable"] is True


def test_evidence_has_its_soft_pin_and_its_worth() -> None:
    script = Script()
    read(script, 1)
    script.call(
        "m2", "c2", "Edit", {"file_path": "src/app.py", "old_string": "a", "new_string": "b"}, "updated"
    )
    script.call("m3", "c3", "WebFetch", {"url": "https://example.org/", "prompt": "what"}, "text")
    evidence = [(name, page) for name, page in pages(script).items() if page["type"] == "evidence"]
    costs = {n.split(":")[0]: (p["pin"], p["base_utility"], p["recompute_cost"]) for n, p in evidence}
    assert costs == {"read": ("soft", 5.0, 8.0), "edit": ("soft", 5.0, 12.0), "webfetch": ("soft", 5.0, 6.0)}


def test_a_repeat_is_an_exact_demand_and_after_a_write_a_refresh() -> None:
    script = Script()
    read(script, 1)
    read(script, 2)
    script.call(
        "m3", "c3", "Edit", {"file_path": "src/app.py", "old_string": "a", "new_string": "b"}, "updated"
    )
    read(script, 4)
    exact = [b for b in bodies(script, "demand_observed") if b["exact"]]
    assert [(b["page_id"], b["rule"], b["fidelity"]) for b in exact] == [
        ("read:src/app.py", "repeat", "full")
    ]
    assert [b["refresh"] for b in bodies(script, "tool_called")] == [False, False, False, True]


def test_a_volatile_repeat_is_no_demand() -> None:
    script = Script()
    for number in (1, 2):
        script.call(f"m{number}", f"c{number}", "Bash", {"command": "pytest -q"}, "3 passed")
    assert bodies(script, "demand_observed") == []
    assert [b["kind"] for b in bodies(script, "tool_called")] == ["volatile", "volatile"]


def test_a_quote_is_an_inferred_demand_with_its_evidence() -> None:
    script = Script()
    words = (
        "the ledger keeps integer cents while every invoice carries one currency and never rounds again, "
        "because auditors compare both totals before the books of the month are closed for good"
    )
    script.call("m1", "c1", "Read", {"file_path": "notes.txt"}, words)
    script.answer("m2", text(f"As the notes say, {words}."))
    found = [b for b in bodies(script, "demand_observed") if b["rule"] == "quote"]
    assert len(found) == 1 and found[0]["exact"] is False and found[0]["page_id"] == "read:notes.txt"
    assert found[0]["evidence"] in words


def test_an_opened_handle_is_an_exact_demand() -> None:
    script = Script()
    read(script, 1)
    script.call("m2", "c2", "mcp__memory__open", {"handle": "[page:read:src/app.py evidence]"}, "ok")
    assert [b["page_id"] for b in bodies(script, "demand_observed") if b["rule"] == "handle"] == [
        "read:src/app.py"
    ]


def test_results_without_calls_and_calls_without_results_stay() -> None:
    script = Script()
    script.result("c9", "late")
    script.answer("m1", use("c1", "Bash", {"command": "ls"}))
    assert bodies(script, "tool_returned") == [{"call_id": "c9", "page_id": "result:c9", "error": False}]
    assert [b["call_id"] for b in bodies(script, "tool_called")] == ["c1"]


def test_a_failed_read_is_not_the_files_page() -> None:
    script = Script()
    script.call("m1", "c1", "Read", {"file_path": "gone.py"}, "File does not exist.", error=True)
    assert "read:gone.py" not in pages(script) and "failed:c1" in pages(script)


def test_the_plan_is_one_page_with_versions() -> None:
    script = Script()
    script.prompt("Ship the release")
    todos = [{"content": "one", "status": "completed"}, {"content": "two", "status": "in_progress"}]
    script.call("m1", "c1", "TodoWrite", {"todos": todos}, "ok")
    script.call("m2", "c2", "TaskCreate", {"subject": "three"}, "Task #7 created successfully: three")
    script.call("m3", "c3", "TaskUpdate", {"taskId": "7", "status": "completed"}, "Updated task #7 status")
    assert pages(script)["plan"]["text"] == "[x] one\n[>] two"
    assert [b["text"] for b in bodies(script, "page_updated")] == ["[ ] #7 three", "[x] #7 three"]
    assert not any("two" in page["text"] for name, page in pages(script).items() if name.startswith("msg:"))


def test_rules_are_constraints_only_where_they_are_stated() -> None:
    script = Script()
    script.prompt(
        "Rules for this session:\n\n1. Never touch main.\n2. Run all tests.\n\nNow fix the bug.", uuid="p1"
    )
    script.prompt("please never push without asking", uuid="p2")
    script.prompt("why does it never work?", uuid="p3")
    rules = {name: page for name, page in pages(script).items() if page["type"] == "constraint"}
    assert {name: page["text"] for name, page in rules.items()} == {
        "rule:p1#1": "1. Never touch main.",
        "rule:p1#2": "2. Run all tests.",
        "rule:p2#1": "please never push without asking",
    }
    assert {page["pin"] for page in rules.values()} == {"soft"}  # nobody confirmed them yet
    assert [page.get("inferred", False) for page in rules.values()] == [False, False, True]
    assert (
        "Now fix the bug." in pages(script)["msg:p1"]["text"]
        and "main" not in pages(script)["msg:p1"]["text"]
    )


def test_a_compaction_names_its_sizes_and_its_summary() -> None:
    script = Script()
    script.prompt("go", uuid="p1")
    read(script, 1)
    boundary, _ = script.compact(
        "Summary: all is well.", postTokens=5, preservedMessages={"allUuids": ["p1"]}
    )
    script.answer("m2", text("on we go"))
    (body,) = bodies(script, "boundary")
    assert body == {
        "kind": "compaction", "trigger": "auto", "tokens_before": 9, "tokens_after": 5,
        "summary_page": f"summary:{boundary}", "preserved": ["msg:p1"],
    }  # fmt: skip
    assert pages(script)[f"summary:{boundary}"]["provenance"]["ref"] == "records 1-3"
    kinds = [(k, b.get("page", {}).get("page_id")) for k, b, _ in events(script)]
    assert kinds.index(("boundary", None)) + 1 == kinds.index(("page_created", f"summary:{boundary}"))


def test_a_rule_that_the_summary_repeats_is_loaded_again_and_another_is_not() -> None:
    script = Script()
    script.prompt(
        "Rules:\n1. Never edit a `migration` that is applied.\n2. Ask before you delete.", uuid="p1"
    )
    read(script, 1)
    boundary, _ = script.compact("The user's rules:\n - never edit a\n   migration that is applied.\nEnd")
    updated = [body for body in bodies(script, "page_updated") if body["page_id"].startswith("rule:")]
    assert [body["page_id"] for body in updated] == ["rule:p1#1"]
    assert "summary:" in updated[0]["provenance"]["ref"] and updated[0]["durable"] is True
    # The words are in one of the two pages, so that their tokens are counted once.
    assert pages(script)[f"summary:{boundary}"]["text"] == "The user's rules:\n - [page:rule:p1#1].\nEnd"


def test_an_old_compaction_does_not_say_what_it_kept() -> None:
    script = Script()
    script.compact("Summary")
    assert "preserved" not in bodies(script, "boundary")[0]


def test_a_micro_compaction_prunes_the_calls_that_it_names() -> None:
    script = Script()
    read(script, 1, "a.py")
    read(script, 2, "b.py")
    read(script, 3, "b.py")
    meta = {"trigger": "auto", "compactedToolIds": ["c1", "c2", "nobody"], "clearedAttachmentUUIDs": []}
    script.line("system", subtype="microcompact_boundary", microcompactMetadata=meta)
    (body,) = bodies(script, "boundary")
    assert body["kind"] == "prune" and body["dropped"] == ["read:a.py"]  # b.py was read again: its copy stays


def test_clear_is_a_reset() -> None:
    script = Script()
    script.prompt("<command-name>/clear</command-name><command-message>clear</command-message>")
    assert [b["kind"] for b in bodies(script, "boundary")] == ["reset"]


@pytest.mark.parametrize(
    "quoted",
    [
        "please explain this log line: <command-name>/clear</command-name>",
        "```\n<command-name>/clear</command-name>\n```",
        "<b>x</b><command-name>/clear</command-name>",
    ],
)
def test_a_text_that_quotes_a_command_is_a_prompt(quoted: str) -> None:
    script = Script()
    script.prompt(quoted, uuid="p1")
    assert bodies(script, "boundary") == []
    assert pages(script)["msg:p1"]["title"].startswith(quoted[:3])


def test_a_command_may_stand_after_its_message() -> None:
    script = Script()
    script.prompt("<command-message>clear</command-message>\n<command-name>/clear</command-name>")
    script.prompt("<command-name>/review</command-name>\n <command-args>all of it</command-args>", uuid="p2")
    assert [b["trigger"] for b in bodies(script, "boundary")] == ["/clear"]
    assert pages(script)["msg:p2"]["title"] == "/review all of it"


def test_a_repeated_call_says_that_its_demand_is_the_call() -> None:
    """Only where the signature itself came before with this page. Another call for the same lines is judged
    by its demand, for the core does not know it as a repeat.
    """
    script = Script()
    read(script, 1, offset=1)
    read(script, 2, offset=1)
    read(script, 3, offset=0)
    demands = [b for b in bodies(script, "demand_observed") if b["rule"] == "repeat"]
    assert [b["page_id"] for b in demands] == ["read:src/app.py#1-"] * 2
    assert [b.get("call_repeat", False) for b in demands] == [True, False]


def test_a_write_to_the_root_makes_everything_below_it_stale() -> None:
    """As in the core: both ask the same function."""
    readers: Readers[str] = Readers()
    readers.add("a", ["file:/s/a.py"])
    readers.add("b", ["file:src/b.py"])
    assert readers.hit(["dir:/"]) == {"a": "dir:/"}
    assert readers.hit(["dir:."]) == {"b": "dir:."}


def test_going_back_drops_the_branch() -> None:
    script = Script()
    script.prompt("first", uuid="p1")
    first = script.answer("m1", text("one"))[0]
    script.prompt("second", uuid="p2")
    script.answer("m2", text("two"))
    script.prompt("another second", uuid="p3", parent=first)
    (body,) = bodies(script, "boundary")
    assert body["trigger"] == "rewind" and set(body["dropped"]) == {"msg:p2", "msg:u4"}
    assert body["leaves_pointers"] is False


def test_going_back_over_more_pages_than_an_event_holds_drops_them_all(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("memory.harness.claude_code.lifecycle.MAX_LIST", 2)
    script = Script()
    first = script.prompt("first")
    for number in range(5):
        script.prompt(f"more {number}")
    script.answer("m1", text("two"))
    script.prompt("another", parent=first)
    assert [len(b["dropped"]) for b in bodies(script, "boundary")] == [2, 2, 2]


def test_parallel_calls_are_no_rewind() -> None:
    script = Script()
    script.prompt("go")
    one, two = script.answer(
        "m1", use("c1", "Read", {"file_path": "a"}), use("c2", "Read", {"file_path": "b"})
    )
    script.result("c2", "b", parent=two)
    script.result("c1", "a", parent=one)
    script.prompt("[Request interrupted by user]", parent="u4")
    script.prompt("next")
    assert bodies(script, "boundary") == []


def test_attached_files_and_memories() -> None:
    script = Script()
    read(script, 1)
    file = {"filePath": f"{CWD}/src/app.py", "content": "x", "startLine": 1, "numLines": 1, "totalLines": 1}
    script.line(
        "attachment",
        attachment={
            "type": "file",
            "filename": f"{CWD}/src/app.py",
            "content": {"type": "text", "file": file},
        },
    )
    memory = {"path": f"{CWD}/lib/CLAUDE.md", "content": {"content": "Always use tabs."}}
    script.line("attachment", attachment={"type": "nested_memory", **memory})
    script.line("attachment", attachment={"type": "queued_command", "prompt": "and hurry"})
    script.line("attachment", attachment={"type": "of tomorrow"})
    assert [b["page_id"] for b in bodies(script, "page_updated")] == ["read:src/app.py"]
    assert pages(script)["rules:lib/CLAUDE.md"]["type"] == "bootstrap"
    assert pages(script)["msg:u5"]["text"] == "and hurry"
    assert feed(script.lines)[-1].unknown is True


def test_a_file_changed_outside_supersedes_what_was_read() -> None:
    script = Script()
    read(script, 1)
    script.line(
        "attachment",
        attachment={"type": "edited_text_file", "filename": f"{CWD}/src/app.py", "snippet": "1 x"},
    )
    read(script, 2)
    assert [b["page_id"] for b in bodies(script, "page_superseded")] == ["read:src/app.py"]
    assert bodies(script, "tool_called")[-1]["refresh"] is True


def test_a_hooks_text_is_noted_with_its_hash() -> None:
    script = Script()
    item = {"type": "hook_additional_context", "hookName": "SessionStart", "content": ["[page:rule:1] keep"]}
    script.line("attachment", attachment=item)
    (note,) = bodies(script, "noted")
    assert note["data"]["handles"] == 1 and len(note["data"]["sha256"]) == 64
    assert pages(script) == {}  # what has handles is in the table already


def test_sub_agents_are_never_the_parents_context() -> None:
    script = Script()
    script.prompt("go")
    script.answer("m1", use("c1", "Task", {"prompt": "survey", "description": "d"}))
    script.line(
        "progress", data={"type": "agent_progress", "agentId": "a1", "message": {"content": "secret"}}
    )
    script.line("assistant", isSidechain=True, agentId="a1", message={"id": "s1", "content": [text("inner")]})
    script.result("c1", "done", structured={"agentId": "a1"}, parent="u2")
    assert len(bodies(script, "prompt_observed")) == 1
    assert [n["data"]["agent"] for n in bodies(script, "noted") if n["what"] == "sub_agent"] == ["a1"]
    assert [b["session"] for b in bodies(script, "page_linked")] == ["a1"]


def test_a_sub_agents_own_file_is_its_session() -> None:
    script = Script()
    script.prompt("survey", isSidechain=True, agentId="a1")
    script.answer("s1", text("found"), isSidechain=True, agentId="a1")
    assert len(bodies(script, "prompt_observed")) == 1 and len(pages(script)) == 2


def test_a_resumed_file_repeats_nothing() -> None:
    script = Script()
    script.prompt("go")
    script.answer("m1", text("hi"))
    once = events(script)
    script.lines += script.lines[:]
    assert events(script) == once


def test_every_event_passes_the_core() -> None:
    script = Script()
    script.prompt("Rules:\n- Never push.\nGo")
    read(script, 1)
    read(script, 2)
    script.compact("Summary")
    from memory.core import decode_body

    for kind, body, _ in events(script):
        check(kind, body)
        decode_body(kind, complete(kind, body))


def test_rules_in_a_summary_are_found_in_one_pass() -> None:
    """Overlapping rules, letters that fold to two, and a text made against a search that goes back."""
    script = Script()
    script.prompt(
        "Rules:\n1. Never touch the main STRASSE.\n2. Never touch the main strasse twice.", uuid="p1"
    )
    long = "never touch `" + "a " * 100_000 + "`" * 100_000
    boundary, _ = script.compact(f"{long} İ - never  `touch` the main straße twice! {long}")
    held = pages(script)[f"summary:{boundary}"]["text"]
    assert len(bodies(script, "page_updated")) == 2
    assert held == f"{long} İ - [page:rule:p1#2]! {long}"  # the longer one; the other lies inside it


RULES = "Rules for this week:\n1. Always run every test.\n2. The columns of the CSV must not change.\nFix it."


def back(script: Script) -> list[tuple[str, str]]:
    updated = [b for b in bodies(script, "page_updated") if b["page_id"].startswith("rule:")]
    return [(b["page_id"], b["what"].removeprefix("quoted word for word in ")) for b in updated]


def hook(script: Script, said: str) -> None:
    item = {"type": "hook_success", "hookName": "SessionStart:compact", "hookEvent": "SessionStart"}
    script.line("attachment", attachment={**item, "content": said})


def test_a_dropped_rule_is_held_again_by_a_prompt_or_a_hook_that_repeats_it() -> None:
    script = Script()
    script.prompt(RULES, uuid="p1")
    hook(script, "House rules: columns of the CSV must not change this week.")
    script.prompt("I said: always run every test.", uuid="p2")
    assert back(script) == []  # they are in the prompt already
    script.compact("We fixed the bug.")
    hook(script, "House rules: columns of the CSV must not change this week.")
    hook(script, "House rules: columns of the CSV must not change this week.")
    script.prompt("Go on, but always RUN every  test, please", uuid="p3")
    held = [("rule:p1#2", "what the hook SessionStart:compact added"), ("rule:p1#1", "a later prompt")]
    assert back(script) == held
    hooks = [b for b in bodies(script, "page_updated") if b["page_id"].startswith("hook:")]
    assert "House rules: [page:rule:p1#2] this week." in [b["text"] for b in hooks]
    script.compact("We went on.")
    script.prompt("<command-name>/clear</command-name>")
    script.prompt(RULES, uuid="p4")
    assert [page_id for page_id, _ in back(script)[2:]] == ["rule:p1#1", "rule:p1#2"]
    assert not [page_id for page_id in pages(script) if page_id.startswith("rule:p4")]
    assert "[page:rule:p1#1]" in pages(script)["msg:p4"]["text"]


def test_a_rule_that_the_compaction_kept_is_not_brought_back() -> None:
    script = Script()
    kept = script.prompt(RULES, uuid="p1")
    script.compact("Done.", preservedMessages={"allUuids": [kept]})
    script.prompt("Remember to always run every test", uuid="p2")
    assert back(script) == []
