"""Declared policies: read strictly, used by name, kept in the state, told in the trace."""

from __future__ import annotations

import json
from typing import Any

import pytest

from memory.core import (
    POLICIES,
    EventError,
    PolicyError,
    decode_body,
    dump_state,
    encode_body,
    load_state,
    read_policy,
    session_view,
)
from memory.core.policy_form import MAX_POLICIES
from tests.core.cast import Session, of

MINE: dict[str, Any] = {
    "name": "mine", "auto_pins": True, "prefetch": True, "upgrades": True, "writes_back": True,
    "resolves": True, "recency_weight": 2, "share_percent": 90,
}  # fmt: skip


def test_a_policy_is_what_its_fields_say() -> None:
    policy = read_policy(json.dumps(MINE).encode(), "mine.json")
    assert (policy.name, policy.recency_weight, policy.share_percent) == ("mine", 2.0, 90)
    assert type(policy.recency_weight) is float
    assert read_policy({**POLICIES["clawvm"].to_json(), "name": "copy"}).to_json() == {
        **POLICIES["clawvm"].to_json(),
        "name": "copy",
    }


@pytest.mark.parametrize(
    ("raw", "field"),
    [
        ({}, "name"),
        ({"name": ""}, "name"),
        ({"name": "clawvm"}, "name"),
        ({"name": "clawweb"}, "name"),
        ({"name": "observed"}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "x" * 81}, "name"),
        ({"name": 3}, "name"),
        ({**MINE, "nonsense": 1}, "nonsense"),
        ({**MINE, "auto_pins": 1}, "auto_pins"),
        ({**MINE, "auto_pins": None}, "auto_pins"),
        ({**MINE, "share_percent": 101}, "share_percent"),
        ({**MINE, "share_percent": -1}, "share_percent"),
        ({**MINE, "share_percent": 50.5}, "share_percent"),
        ({**MINE, "share_percent": True}, "share_percent"),
        ({**MINE, "recency_weight": -0.1}, "recency_weight"),
        ({**MINE, "recency_weight": float("nan")}, "recency_weight"),
        ({**MINE, "recency_weight": float("inf")}, "recency_weight"),
        ({**MINE, "recency_weight": 1e13}, "recency_weight"),
        ({**MINE, "recency_weight": 10**400}, "recency_weight"),
        ({**MINE, "recency_weight": "1"}, "recency_weight"),
        ({**MINE, "recency_weight": True}, "recency_weight"),
        ({**MINE, "high_water_percent": 40, "low_water_percent": 50}, "low_water_percent"),
        ({**MINE, "low_water_percent": 40, "refill_percent": 41}, "refill_percent"),
        ({**MINE, "steady": True, "auto_pins": False}, "auto_pins"),
        ({**MINE, "steady": True, "upgrades": False}, "upgrades"),
        ({**MINE, "steady": True, "selects": False}, "selects"),
        (b"[]", "policy"),
        ([], "policy"),
        (None, "policy"),
        (b"{", "file"),
        (b"\xff", "file"),
        (b'{"name":"a","name":"b"}', "file"),
        (b'{"name":"a","base_weight":NaN}', "file"),
    ],
)
def test_refused_with_source_and_field(raw: Any, field: str) -> None:
    with pytest.raises(PolicyError) as caught:
        read_policy(raw, "p.json")
    assert (caught.value.source, caught.value.field) == ("p.json", field)
    assert str(caught.value).startswith(f"p.json: {field}: ")


def test_every_field_of_a_policy_is_read_by_its_type() -> None:
    """A number where a switch is wanted, and the other way round, are refused whatever the field."""
    for field, value in POLICIES["clawvm"].to_json().items():
        wrong = "x" if type(value) is bool else True
        with pytest.raises(PolicyError) as caught:
            read_policy({"name": "mine", field: wrong})
        assert caught.value.field == field


@pytest.mark.parametrize(
    ("policies", "where"),
    [
        ([MINE, MINE], "policies[1].name"),
        ([{**MINE, "name": "lru"}], "policies[0].name"),
        ([{**MINE, "base_weight": -1}], "policies[0].base_weight"),
        ([{**MINE, "name": f"p{n}"} for n in range(MAX_POLICIES + 1)], "policies"),
        ({}, "policies"),
        ([3], "policies[0]"),
    ],
)
def test_a_session_refuses_what_it_cannot_declare(policies: Any, where: str) -> None:
    with pytest.raises(EventError) as caught:
        decode_body("session_started", {"harness": "h", "mode": "enforced", "policies": policies})
    assert caught.value.where == where


def test_declared_policies_serve_by_name() -> None:
    session = Session(policy="mine", shadow_policy="other", policies=[MINE, {**MINE, "name": "other"}])
    assert session.state.primary is not None and session.state.shadow is not None
    assert (session.state.primary.policy.name, session.state.shadow.policy.name) == ("mine", "other")
    body = session.events[0].body
    assert decode_body("session_started", encode_body(body)) == body
    session.feed("settings_changed", policy="nowhere")
    assert session.refused() == "unknown policy 'nowhere'"


def test_a_session_that_cannot_start_declares_nothing() -> None:
    session = Session(policy="nowhere", policies=[MINE])
    assert session.refused() == "unknown policy 'nowhere'"
    assert session.state.declarations.policies == {}


def test_a_policy_that_knows_what_comes_is_for_replay() -> None:
    session = Session(policy="seer", policies=[{**MINE, "name": "seer", "future_weight": 1}])
    assert session.refused() == "the policy 'seer' exists in replay only"


def test_data_of_every_policy_in_use_stands_in_the_trace() -> None:
    session = Session(budget=500, policy="lru", policies=[MINE])
    session.add("a")
    session.prompt()
    head = json.loads(session.state.head)
    assert head["policies"]["primary"]["name"] == "lru"
    assert [policy["name"] for policy in head["session"]["policies"]] == ["mine"]
    session.feed("settings_changed", policy="mine")
    session.prompt()
    session.feed("settings_changed", policy="clawvm")
    session.feed("session_ended")
    records = [json.loads(o.data["record"]) for o in of(session.outcomes, "turn")]
    assert [r["policy"] for r in records] == ["lru", "mine"]
    told = [[p["name"] for p in r.get("policies", [])] for r in records]
    assert told == [[], ["mine", "clawvm"]]
    data = records[1]["policies"][0]
    assert data == read_policy(MINE).to_json()


def test_declared_policies_survive_the_snapshot() -> None:
    session = Session(budget=500, policy="mine", policies=[MINE, {**MINE, "name": "other"}])
    session.add("a")
    session.prompt()
    again = load_state(dump_state(session.state))
    assert dump_state(again) == dump_state(session.state)
    assert again.primary is not None and again.primary.policy == read_policy(MINE)
    session.state = again
    session.feed("settings_changed", policy="other")
    session.state = load_state(dump_state(session.state))
    assert session_view(session.state).primary.policy == "mine"
    session.prompt()
    assert session_view(session.state).primary.policy == "other"


def test_a_changed_policy_holds_from_the_next_prompt() -> None:
    """What comes before it, a boundary too, is still the old one's."""
    session = Session(budget=500, policy="retrieval")
    session.add("plan", "plan", dirty=True)
    session.prompt()
    session.feed("settings_changed", policy="clawvm")
    (boundary,) = of(session.boundary("flush"), "boundary")
    assert boundary.data["committed"] == 0
    session.prompt()
    (boundary,) = of(session.boundary("flush"), "boundary")
    assert boundary.data["committed"] == 1
