"""Panels: what was read → what is shown."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from inspector.panels import acts, conversation, drawer, head, held, ledger, table, window_map
from inspector.queries import LEDGER_KINDS, Look, Picture, picture
from inspector.render import row_items
from memory import store
from memory.core.types import Fidelity, Pin
from memory.store import ActRow, Entry, NewEvent
from tests.inspector.cast import add, row, session, side, small, view
from tests.memory.cast import page, prompt


def look_at(session_id: str, look: Look | None = None, role: str = "operator") -> Picture:
    found = store.session_row(session_id)
    assert found is not None
    parts = ("head", "map", "table", "drawer", "ledger", "talk")
    return picture(found, look or Look(), parts, role)


def watched_prompt(number: int) -> NewEvent:
    return NewEvent("prompt_observed", {"request_id": f"o{number}"}, f"observed-{number}")


def percent(text: str) -> float:
    return float(text.rstrip("%"))


@pytest.mark.django_db
def test_the_map_fills_the_bar_exactly() -> None:
    """Cells and free space lie side by side and make 100 %, in both sides."""
    found = look_at(session(), Look(side="both"))
    bars = window_map.context(found)["bars"]
    assert [bar["side"] for bar in bars] == ["primary", "shadow"]
    for bar in bars:
        at = 0.0
        for cell in bar["cells"]:
            assert percent(cell.x) == pytest.approx(at, abs=0.02)
            at += percent(cell.width)
        assert at + percent(bar["free_width"]) == pytest.approx(100, abs=0.1)
        assert sum(cell.tokens for cell in bar["cells"]) + bar["free"] == bar["limit"]


def test_thin_neighbours_of_one_type_are_drawn_together_and_counted() -> None:
    """A thousand small pages are a few cells, and none of their tokens is lost."""
    pages = [view(f"p{n}", order=n, primary=side(tokens=5)) for n in range(1_000)]
    pieces = window_map.page_pieces([*pages, view("big", order=2_000, primary=side(tokens=9_000))], "primary")
    merged = window_map.merge_thin(pieces, 100_000)
    assert len(merged) == 2
    assert sum(p.tokens for p in merged) == 14_000
    assert "1,000 small evidence pages" in merged[0].title


def test_the_unseen_is_told_in_words_where_it_is_known() -> None:
    """The parts that the core tells apart, after what the sender named."""
    seen: Any = SimpleNamespace(
        unseen_tokens=24_080, unseen_items={"first_prompt": 15_104, "since": 8_876, "web_search": 100}
    )
    assert window_map.unseen_words(seen) == (
        "unseen 24,080: 100 web search, "
        "15,104 stood there at the first prompt (system prompt, tools, instructions), "
        "8,876 came since (message frames, reminders, files attached again, the tokenizer's difference)"
    )
    bare: Any = SimpleNamespace(unseen_tokens=7, unseen_items={})
    assert window_map.unseen_words(bare) == "unseen 7 tokens"


@pytest.mark.django_db
def test_the_unseen_stands_under_the_map_and_in_its_cell() -> None:
    events = [page("p", "text"), NewEvent("prompt_observed", {"request_id": "o", "recorded_tokens": 900})]
    started = {"harness": "mine", "mode": "observed", "policy": "observed", "window": 2_000}
    found = look_at(session("unseen", events, mode="observed", started=started))
    words = window_map.context(found)["unseen"]
    assert "stood there at the first prompt" in words
    (bar,) = window_map.context(found)["bars"]
    assert bar["cells"][0].title.startswith(words)


@pytest.mark.django_db
@pytest.mark.parametrize("recorded", [1, 900])
def test_a_count_above_the_recorded_prompt_is_said_under_the_map(recorded: int) -> None:
    """By the numbers of the newest prompt; the provider's count stands above ours otherwise."""
    text = "text " * 80
    asked = NewEvent("prompt_observed", {"request_id": "o", "recorded_tokens": recorded})
    started = {"harness": "mine", "mode": "observed", "policy": "observed", "window": 2_000}
    found = look_at(session("excess", [page("p", text), asked], mode="observed", started=started))
    totals = found.totals("primary")
    assert totals is not None
    words = window_map.context(found)["excess"]
    if recorded == 900:
        assert words == ""
    else:
        assert words.startswith(
            f"our count is {totals.resident_tokens - 1:,} tokens above the recorded prompt"
        )


@pytest.mark.parametrize(
    ("share", "label", "where"),
    [
        (0.6, "unseen 19,410", "any"),
        (0.3, "unseen 19,410", "middle"),
        (0.12, "unseen 19,410", "broad"),
        (0.05, "unseen 19,410", ""),
    ],
)
def test_a_number_is_shown_whole_or_not_at_all(share: float, label: str, where: str) -> None:
    assert window_map.fits(share, label) == where


def test_what_is_absent_has_no_cell() -> None:
    assert window_map.page_pieces([view(primary=side(Fidelity.ABSENT, 0))], "primary") == []


def test_chips_tell_held_floor_and_missing() -> None:
    """Also where the minimum's own representation was not made: the next higher one serves."""
    page = view(tokens={Fidelity.STRUCTURED: 20, Fidelity.FULL: 90}, primary=side(Fidelity.STRUCTURED, 20))
    css = [chip.css for chip in table.chips(page, page.primary)]
    assert css == ["none", "floor now", "none", ""]


def test_the_letters_of_the_chips_are_explained_at_their_column() -> None:
    (title,) = [h["title"] for h in table.headings(Look()) if h["label"] == "fidelity"]
    for level in table.LEVELS:
        assert f"{level.label[0].upper()} {level.label}" in title


def test_the_sparkline_is_in_place_whatever_the_turn() -> None:
    """The bar of the newest turn stands at the right end once the browser has moved it."""
    (left,) = table.demand_bars(side(demand_turns=(123,)))
    assert left + table.spark_shift(123) == (table.SPARK_TURNS - 1) * table.STEP


def test_a_row_does_not_depend_on_filters() -> None:
    """So its HTML can be kept for everybody."""
    item = row()
    assert table.row(item, Look()) == table.row(item, Look(sort="tokens", text="x", kind="faults", limit=7))


NO_RULES = ("", "no rules found in the record")


def at(page_id: str, fidelity: Fidelity, kind: str = "evidence", **more: Any) -> Any:
    return view(page_id, kind, primary=side(fidelity, 10), **more)


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ([view("r", "constraint"), view("b", "bootstrap")], ("good", "rules 2 of 2 held word for word")),
        (
            [at("r", Fidelity.ABSENT, "constraint"), view("b", "bootstrap")],
            ("bad", "rules 1 of 2 held word for word, not: r"),
        ),
        (
            [at("r", Fidelity.STRUCTURED, "constraint"), view("b", "bootstrap")],
            ("partly", "rules 1 of 2 held word for word, 1 shortened"),
        ),
        (
            [view("r", "constraint", primary=side(Fidelity.ABSENT, 0, pending_seq=12))],
            ("", "rules: 1 new since the last prompt"),
        ),
        ([], NO_RULES),
    ],
)
def test_rules_are_counted_word_for_word(pages: list[Any], said: tuple[str, str]) -> None:
    check = held.rules_check(pages, "primary", 10)
    assert (check.mark, check.text) == said


@pytest.mark.parametrize(
    ("fidelity", "said"),
    [
        (Fidelity.FULL, ("good", "plan held in full")),
        (Fidelity.COMPRESSED, ("good", "plan held, compressed")),
        (Fidelity.STRUCTURED, ("partly", "plan held as outline (goal and current step)")),
        (Fidelity.POINTER, ("bad", "plan held only as pointer")),
        (Fidelity.ABSENT, ("bad", "plan no longer held: p")),
    ],
)
def test_a_plan_is_told_by_what_is_held_of_it(fidelity: Fidelity, said: tuple[str, str]) -> None:
    check = held.plan_check([at("p", fidelity, "plan")], "primary", 10)
    assert check
    assert (check.mark, check.text) == said


GONE: dict[str, Any] = {"status": "superseded"}


def left(turn: int) -> Any:
    return side(Fidelity.ABSENT, 0, reason="left", since_turn=turn)


@pytest.mark.parametrize(
    ("pages", "said"),
    [
        ([view("read:a"), view("read:b")], ("good", "all 2 files held in full")),
        ([view("read:a"), at("read:b", Fidelity.COMPRESSED)], ("good", "2 files: 1 full, 1 compressed")),
        ([view("read:a"), at("read:b", Fidelity.STRUCTURED)], ("partly", "2 files: 1 full, 1 as outline")),
        (
            [view("read:a"), at("read:b", Fidelity.POINTER)],
            ("bad", "2 files: 1 full, 1 only as pointer (read:b)"),
        ),
        (
            [at("read:a", Fidelity.ABSENT), view("read:b")],
            ("bad", "2 files: 1 full, 1 not held (read:a)"),
        ),
        (
            [view("read:a", primary=side(Fidelity.ABSENT, 0, pending_seq=9))],
            ("bad", "1 file: 1 not held (read:a)"),
        ),
        (
            [view("read:a"), view("read:b", primary=side(Fidelity.ABSENT, 0, pending_seq=12))],
            ("good", "1 file held in full, 1 new since the last prompt"),
        ),
        # one file, read whole and then in ranges
        (
            [view("read:a"), view("read:a#1-9"), at("read:a#20-30", Fidelity.POINTER)],
            ("good", "1 file held in full"),
        ),
        ([at("read:a", Fidelity.ABSENT), view("read:a#1-9")], ("partly", "1 file held in part")),
        ([view("read:a#1-9")], ("good", "1 file held in full")),
        # read, then edited: before and after the compaction at turn 5
        ([view("read:a", primary=left(7), **GONE)], ("partly", "1 file held as an older copy plus edits")),
        (
            [view("read:a", primary=left(4), **GONE), view("read:b")],
            ("partly", "2 files: 1 full, 1 changed since and not read again"),
        ),
        (
            [at("read:a", Fidelity.ABSENT), view("read:a#1-9", primary=left(4), **GONE)],
            ("bad", "1 file: 1 not held (read:a)"),
        ),
        # what edits returned is no file
        (
            [
                view("edit:a:1"),
                view("write:b:2"),
                view("changed:c", provenance_kind="file"),
                at("bash:1", Fidelity.ABSENT),
            ],
            None,
        ),
    ],
)
def test_files_are_told_by_what_is_held_of_them(pages: list[Any], said: tuple[str, str] | None) -> None:
    check = held.files_check(pages, "primary", 10, cleared=(8, 5))
    assert (check and (check.mark, check.text)) == said


def test_an_old_copy_stands_only_where_we_watch() -> None:
    """A prompt of ours holds no superseded text, nor does the shadow's."""
    page = view("read:a", primary=left(7), shadow=left(7), **GONE)
    for name, cleared in (("primary", None), ("shadow", (8, 5))):
        check = held.files_check([page], name, 10, cleared=cleared)
        assert check
        assert (check.mark, check.text) == ("partly", "1 file changed since and not read again")


@pytest.mark.django_db
def test_what_came_after_the_last_prompt_is_not_told_as_lost() -> None:
    """Header, table, drawer and conversation of a watched session, before and after the prompt that takes
    the page up.
    """
    events = [page("read:a", "first"), watched_prompt(1), page("read:b", "second")]
    started = {"harness": "mine", "mode": "observed", "policy": "observed", "shadow_policy": "clawvm"}
    session_id = session("came", events, mode="observed", started=started)

    def shown(name: str) -> tuple[list[str], bool, str, str]:
        found = look_at(session_id, Look(side=name, page="read:b", talk=True))
        (lines,) = held.context(found)["held_lines"]
        html = {row.view.page_id: item for row, (_, item) in zip(found.rows, row_items(found), strict=True)}
        said = next(e for e in conversation.context(found)["entries"] if e["entry"].page_id == "read:b")
        drawn = drawer.context(found)["held"][0]["why"]
        return [c.text for c in lines[1]], ">next<" in html["read:b"], said["held"], drawn

    for name in ("primary", "shadow"):
        checks, waits, said, why = shown(name)
        assert checks == ["no rules found in the record", "1 file held in full, 1 new since the last prompt"]
        assert (waits, said) == (True, "not yet in a prompt")
        assert why.startswith("came after the last prompt")
    add(session_id, [watched_prompt(2)])
    for name in ("primary", "shadow"):
        checks, waits, said, _why = shown(name)
        assert checks == ["no rules found in the record", "all 2 files held in full"]
        assert (waits, said) == (False, "")


KEY = "8a1f33d2-7f3b-4a8e-9a51-1c2d3e4f5a6b"


@pytest.mark.parametrize(
    ("name", "title", "shown"),
    [
        ("Demo: a coding session", "Fix the parser", ("Demo: a coding session", "Fix the parser")),
        ("Demo", "", ("Demo", "")),
        (KEY, "Fix the parser", ("Fix the parser", "")),
        ("", "Fix the parser", ("Fix the parser", "")),
        ("cli-7", "", ("cli-7", "")),
        ("", "", (KEY, "")),
    ],
)
def test_a_given_name_wins_over_the_title_found(name: str, title: str, shown: tuple[str, str]) -> None:
    """Where the name is only the key, the title is the headline."""
    session_row: Any = SimpleNamespace(name=name, title=title, key=KEY)
    assert head.names_of(session_row) == shown


@pytest.mark.django_db
def test_a_superseded_text_stands_in_the_prompt_until_a_compaction() -> None:
    """The harness takes nothing out of its prompt because a file was written."""
    events = [
        page("read:a", "first"),
        watched_prompt(1),
        NewEvent("page_superseded", {"page_id": "read:a", "reason": "written"}),
        watched_prompt(2),
    ]
    started = {"harness": "mine", "mode": "observed", "policy": "observed", "shadow_policy": "clawvm"}
    session_id = session("stale", events, mode="observed", started=started)

    def stale() -> list[bool]:
        return [e.stale for e in store.conversation(session_id, limit=20) if e.page_id == "read:a"]

    assert stale() == [True]
    add(session_id, [NewEvent("boundary", {"kind": "compaction", "trigger": "auto", "preserved": []})])
    add(session_id, [watched_prompt(3)])
    assert stale() == [False]


@pytest.mark.django_db
def test_an_older_reading_is_told_from_the_newest() -> None:
    """A file read twice: the first text is a stale copy until a compaction, and gone after it; the newest
    is what the page holds.
    """

    def read(call: str) -> list[NewEvent]:
        called = {"call_id": call, "tool": "Read", "signature": "read a"}
        return [
            NewEvent("tool_called", called),
            NewEvent("tool_returned", {"call_id": call, "page_id": "read:a"}),
        ]

    first, second = read("c1"), read("c2")
    update = NewEvent("page_updated", {"page_id": "read:a", "text": "second", "what": "read again"})
    events = [
        *[first[0], page("read:a", "first"), first[1], watched_prompt(1)],
        *[second[0], update, second[1], watched_prompt(2)],
    ]
    started = {"harness": "mine", "mode": "observed", "policy": "observed"}
    session_id = session("twice", events, mode="observed", started=started)

    def said() -> list[str]:
        results = [e for e in store.conversation(session_id, limit=20) if e.kind == "tool_result"]
        return [conversation.held_words(e, "primary")[0] for e in results]

    assert said() == ["superseded; the old text still stands in the prompt", ""]
    preserved = {"kind": "compaction", "trigger": "auto", "preserved": ["read:a"]}
    add(session_id, [NewEvent("boundary", preserved), watched_prompt(3)])
    assert said() == ["no longer in the context: its page holds a newer text", ""]


@pytest.mark.django_db
def test_the_two_truths_are_never_mixed() -> None:
    """Each side's figures are its own; the comparison names both."""
    found = look_at(session(), Look(side="both"))
    shown = head.context(found)
    assert [name for name, _ in shown["figure_rows"]] == ["primary", "shadow"]
    assert shown["compare"].startswith("as it was: ")
    assert "under ClawVM with" in shown["compare"]
    alone = look_at(
        small("alone", started={"harness": "mine", "mode": "enforced", "budget": 600}), Look(side="both")
    )
    assert alone.look.side == "primary"  # no shadow is computed: none is pretended
    assert head.context(alone)["compare"] == ""


@pytest.mark.django_db
def test_faults_are_worded_alike_everywhere() -> None:
    """In the figure, in the split by kind and in the comparison;
    what was read again is told where it was counted.
    """
    seen = look_at(session()).session.view
    assert seen is not None
    one = replace(
        seen.primary, faults={"refetch": 2, "duplicate_tool": 28}, faults_inferred={"refetch": 3}, page_ins=0
    )
    figure = head.fault_figure(one)
    words = "30 exact faults, 3 inferred beside them"
    assert f"{figure.value} {figure.label}" == words
    assert head.fault_split(one, {"refetch": 1}) == (
        f"{words}; the exact ones: 28 duplicate_tool, 2 refetch (1 page)"
    )
    read = replace(one, reread_tokens=4_321)
    other = replace(one, faults={"refetch": 1}, faults_inferred={}, budget=900, reread_tokens=0)
    other = replace(other, page_ins=8, page_in_tokens=3_465)
    assert head.compare(replace(seen, primary=read, shadow=other)) == (
        f"as it was: {words}; 0 page-ins, 4,321 tokens read again; "
        "under ClawVM with 900 tokens for pages: "
        "1 exact fault; 8 page-ins (3,465 tokens), 0 tokens read again"
    )
    old = head.compare(replace(seen, primary=replace(one, reread_tokens=0), shadow=other))
    assert f"{words}; 0 page-ins; under" in old  # counted before there was a count: no word about it


@pytest.mark.django_db
def test_insufficiency_says_by_how_much_and_because_of_which_pages() -> None:
    """A budget smaller than the floor."""
    from tests.memory.cast import page, prompt

    events = [page("rules", "Never do this. " * 200, "bootstrap", title="The long rules"), prompt(1)]
    started = {"harness": "mine", "mode": "enforced", "budget": 50}
    notices = head.notices(look_at(session("tight", events, started=started)))
    assert len(notices) == 1
    assert notices[0]["text"].startswith("insufficient by ")
    assert "of 50" in notices[0]["text"]
    assert "The long rules" in notices[0]["text"]


@pytest.mark.django_db
def test_rejected_events_are_counted_where_one_sees_them() -> None:
    assert any("rejected" in n["text"] for n in head.notices(look_at(session())))


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("mode", "act", "words"),
    [
        ("enforced", "demote", "enforced"),
        ("injected", "pin", "injected"),
        ("injected", "restore", "injected"),
        ("injected", "demote", "shadow"),
        ("observed", "pin", "shadow"),
    ],
)
def test_reach_is_the_same_wherever_it_is_told(mode: str, act: str, words: str) -> None:
    """On the button, by the dry run, on the stored act; never more than the harness allows."""
    from memory import dryrun

    ask = NewEvent("prompt_requested" if mode == "enforced" else "prompt_observed", {"request_id": "r"})
    started = {"harness": "mine", "mode": mode, "budget": 600}
    session_id = session(f"{mode}-{act}", [page("p", "text " * 50), ask], mode=mode, started=started)
    found = look_at(session_id, Look(page="p"))
    (button,) = [b for b in acts.buttons(found) if b["act"] == act]
    assert button["reach"] == acts.REACH_WORDS[words]
    body = acts.body(act, view("p"), "", "", None)
    assert dryrun.try_act(session_id, f"operator_{act}", body).reach == words
    add(session_id, [NewEvent(f"operator_{act}", body)])
    (stored,) = store.acts(session_id)
    assert (stored.reach, stored.receipt) == (words, "" if words == "shadow" else "due")
    if words == "shadow":
        assert acts.told(stored, found)["receipt"] == "shadow only: no prompt was changed"


ACT = ActRow(
    seq=7,
    kind="operator_pin",
    actor="operator:ann",
    page_ids=("p",),
    state="applied",
    why="",
    reach="enforced",
    turn=4,
    receipt="",
    receipt_turn=None,
    receipt_how="",
    reason="",
    at="",
)


@pytest.mark.parametrize(
    ("changes", "text", "receipt", "tone"),
    [
        ({"state": "pending", "turn": None}, "pin by ann: pending", "", ""),
        ({}, "pinned at turn 4 by ann", "", "good"),
        ({"receipt": "due"}, "pinned at turn 4 by ann", "receipt due at the next prompt", "good"),
        (
            {"receipt": "seen", "receipt_turn": 5},
            "pinned at turn 4 by ann",
            "receipt: seen in prompt 5",
            "good",
        ),
        (
            {"receipt": "missing", "receipt_turn": 5},
            "pinned at turn 4 by ann",
            "ALARM: prompt 5 should hold it and does not",
            "bad",
        ),
        ({"state": "refused", "why": "below its floor"}, "pin refused: below its floor", "", "bad"),
        ({"reach": "shadow"}, "pinned at turn 4 by ann", "shadow only: no prompt was changed", "good"),
    ],
)
@pytest.mark.django_db
def test_an_act_is_told_as_it_stands(changes: dict[str, Any], text: str, receipt: str, tone: str) -> None:
    told = acts.told(replace(ACT, **changes), look_at(small()))
    assert (told["text"], told["receipt"], told["tone"]) == (text, receipt, tone)


@pytest.mark.django_db
def test_an_ended_session_offers_no_act_and_says_why() -> None:
    """No prompt comes that could hold what was asked; a viewer is told nothing of acts."""
    session_id = small("over")
    add(session_id, [NewEvent("session_ended", {"reason": "done"})])
    found = look_at(session_id, Look(page="file"))
    shown = drawer.context(found)
    assert (shown["buttons"], shown["no_acts"]) == ([], "the session has ended: no next prompt")
    assert not acts.told(ACT, found)["undo"]
    assert drawer.context(look_at(session_id, Look(page="file"), role="viewer"))["no_acts"] == ""


@pytest.mark.parametrize(
    ("fidelity", "more", "chosen", "button"),
    [
        (Fidelity.FULL, {}, "hard:full", "Hold in full"),
        (Fidelity.POINTER, {}, "hard", "Never below pointer"),
        (Fidelity.ABSENT, {}, "hard", "Never below pointer"),
        (Fidelity.POINTER, {"pin": Pin.HARD}, "hard:full", "Hold in full"),
    ],
)
def test_a_pin_keeps_by_default_what_is_seen(
    fidelity: Fidelity, more: dict[str, Any], chosen: str, button: str
) -> None:
    """And the button says what it keeps, never less than it says."""
    page = view(primary=side(fidelity, 10), shadow=side(Fidelity.POINTER, 10), **more)
    assert acts.first_choice("pin", page, "primary") == chosen
    assert acts.verb("pin", page, chosen) == button
    assert acts.verb("pin", page, "soft") == "Pin now"
    assert acts.verb("restore", page, "") == "Restore now"
    if not more:
        assert acts.first_choice("pin", page, "shadow") == "hard"  # on the side that is shown
        assert dict(acts.choices("pin", page))["hard:full"] == "hold in full (100 tokens)"


@pytest.mark.django_db
def test_why_a_page_cannot_be_pinned_is_at_hand_for_the_key() -> None:
    session_id = small()
    assert drawer.context(look_at(session_id, Look(page="file")))["no_pin"] == ""
    assert "pinned hard already" in drawer.context(look_at(session_id, Look(page="rules")))["no_pin"]


@pytest.mark.django_db
def test_a_receipt_names_the_fidelity_that_was_seen() -> None:
    """In the prompt that proved the act, whatever the page is held at now."""
    session_id = small("proof")
    add(session_id, [NewEvent("operator_pin", {"page_ids": ["file"], "pin": "hard", "min_fidelity": "full"})])
    add(session_id, [prompt(2)])
    add(session_id, [NewEvent("model_answered", {"request_id": "r2", "prompt_matches": True})])
    found = look_at(session_id, Look(page="file"))
    (told,) = drawer.context(found)["act_log"]
    assert told["receipt"] == "receipt: seen in prompt 2, full"
    assert "seen in prompt 2" in acts.told(replace(ACT, receipt="seen", receipt_turn=2), found)["receipt"]


@pytest.mark.django_db
def test_a_viewer_sees_no_buttons() -> None:
    session_id = small()
    assert [b["act"] for b in acts.buttons(look_at(session_id, Look(page="file")))] == [
        "pin",
        "restore",
        "demote",
    ]
    viewer = look_at(session_id, Look(page="file"), role="viewer")
    assert acts.buttons(viewer) == []
    assert not acts.told(ACT, viewer)["undo"]


def test_a_demotion_offers_nothing_below_the_floor() -> None:
    page = view(min_fidelity=Fidelity.STRUCTURED, tokens={Fidelity(n): n * 10 for n in (1, 2, 3, 4)})
    assert [value for value, _ in acts.choices("demote", page)] == ["structured", "compressed", "full"]
    assert acts.body("demote", page, "", "", None)["cap"] == "structured"
    # chosen when it was still offered: sent as chosen, so that the refusal says what stands against it
    assert acts.body("demote", page, "pointer", "", None)["cap"] == "pointer"
    with pytest.raises(ValueError):
        acts.body("pin", page, "very hard", "", None)


@pytest.mark.django_db
def test_long_texts_are_cut_and_say_so() -> None:
    from tests.memory.cast import page, prompt

    session_id = session("long", [page("big", "word " * 10_000), prompt(1)])
    shown = drawer.context(look_at(session_id, Look(page="big", rep="full")))
    assert len(shown["text"]) == drawer.TEXT_LIMIT
    assert shown["cut"]
    assert shown["length"] >= 49_999  # all of it is counted
    assert shown["chosen"] == "full"


@pytest.mark.django_db
def test_the_ledger_is_newest_first_and_merges_both_sides() -> None:
    found = look_at(session(), Look(side="both"))
    seqs = [line["row"].seq for line in ledger.context(found)["lines"]]
    assert seqs == sorted(seqs, reverse=True)
    assert {line["row"].side for line in ledger.context(found)["lines"]} == {"primary", "shadow"}


def lossy(turns: int) -> str:
    """A watched session whose two rules and a file a compaction drops, and so many prompts after it."""
    events = [
        page("rule:a", "Never push.", "constraint"),
        page("rule:b", "Always test.", "constraint"),
        page("read:f", "text"),
        watched_prompt(1),
        NewEvent("boundary", {"kind": "compaction", "trigger": "auto", "preserved": []}),
    ]
    for turn in range(2, turns + 2):
        events += [
            watched_prompt(turn),
            NewEvent("demand_observed", {"page_id": "read:f", "fidelity": "full", "rule": "again"}),
        ]
    started = {"harness": "mine", "mode": "observed", "policy": "observed", "window": 4_000}
    return session(f"lossy-{turns}", events, mode="observed", started=started)


@pytest.mark.django_db
def test_a_miss_that_every_prompt_repeats_is_one_line_with_its_span() -> None:
    """Newest first, and the counts add up to what the store holds; other lines stay single."""
    session_id = lossy(30)
    found = look_at(session_id, Look(kind="faults"))
    lines = ledger.context(found)["lines"]
    pinned = [line for line in lines if line["name"] == "pinned_invariant_miss"]
    assert [line["span"] for line in pinned] == ["turns 2–31 · 30 prompts"] * 2
    stored = store.ledger(session_id, kinds=LEDGER_KINDS["faults"], limit=1_000)
    assert sum(line["count"] for line in lines) == len(stored)
    assert [line["row"].seq for line in lines] == sorted((line["row"].seq for line in lines), reverse=True)
    totals = found.totals("primary")
    assert totals is not None
    assert totals.faults["pinned_invariant_miss"] == 60
    assert "60 pinned_invariant_miss (2 pages)" in head.context(found)["splits"][0][1]


@pytest.mark.django_db
def test_a_run_is_whole_even_where_few_rows_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("memory.store.runs.BATCH", 10)
    session_id = lossy(30)
    runs, more = store.ledger_runs(session_id, kinds=["pinned_invariant_miss"], read_limit=12)
    assert more
    assert [(run.first_turn, run.count) for run in runs] == [(2, 30), (2, 30)]
    ids = [ledger.line_id(run) for run in runs]
    add(session_id, [watched_prompt(99)])
    again, _ = store.ledger_runs(session_id, kinds=["pinned_invariant_miss"])
    assert [ledger.line_id(run) for run in again] == ids  # a run keeps its id while it grows
    assert [run.count for run in again] == [31, 31]


@pytest.mark.parametrize(
    ("entry", "said"),
    [
        (Entry("prompt", 1, 1, fidelity="full"), ("", False)),
        (Entry("answer", 1, 1, fidelity="absent"), ("no longer in the context", True)),
        (Entry("tool_result", 1, 1, fidelity="pointer"), ("held as pointer", False)),
        (Entry("boundary", 1, 1), ("", False)),
        (Entry("tool_result", 1, 1, fidelity="absent", pending=True), ("not yet in a prompt", False)),
        (
            Entry("tool_result", 1, 1, fidelity="absent", stale=True),
            ("superseded; the old text still stands in the prompt", False),
        ),
    ],
)
def test_the_conversation_shades_what_the_agent_no_longer_knows(entry: Entry, said: tuple[str, bool]) -> None:
    assert conversation.held_words(entry, "primary") == said


@pytest.mark.parametrize(
    ("page", "acts_offered", "pins"),
    [
        (view(), ["pin", "restore", "demote"], ["hard", "hard:full", "soft"]),
        (view(pin=Pin.SOFT), ["pin", "restore", "demote"], ["hard", "hard:full"]),
        (view(pin=Pin.HARD), ["pin", "unpin", "restore", "demote"], ["hard:full"]),
        (view(pin=Pin.HARD, min_fidelity=Fidelity.FULL), ["unpin", "restore", "demote"], []),
        (view("r", "constraint", pin=Pin.HARD, tokens={Fidelity.FULL: 9}), ["restore", "demote"], []),
    ],
)
def test_only_acts_that_change_something_are_offered(
    page: Any, acts_offered: list[str], pins: list[str]
) -> None:
    """A rule that is hard by its type needs no pin; what was pinned can be unpinned."""
    assert acts.offered(page) == acts_offered
    assert [value for value, _ in acts.choices("pin", page)] == pins
    for choice in pins:
        assert acts.body("pin", page, choice, "", None)["pin"] == choice.partition(":")[0]


def test_a_call_is_told_once() -> None:
    """Where the answer's span shows the call already, the bare call is left out; else it stays."""
    span = Entry("prompt", 3, 1, text="→ Grep\npattern: x")
    call = Entry("tool_call", 3, 2, tool="Grep", title='sig1:Grep:{"pattern":"x"}')
    other = Entry("tool_call", 4, 3, tool="Grep", title='sig1:Grep:{"pattern":"y"}')
    assert conversation.told_once([span, call, other]) == [span, other]
    assert conversation.summary(other) == '{"pattern":"y"}'
