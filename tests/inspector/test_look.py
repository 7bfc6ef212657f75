"""The address of a view: what is read from it, what is written to it."""

from __future__ import annotations

from django.http import QueryDict
from hypothesis import given
from hypothesis import strategies as st

from inspector.queries import MAX_WINDOW, PARTS, SIDES, SORTS, Look, SessionsLook
from inspector.render import PART_IDS

looks = st.builds(
    Look,
    side=st.sampled_from(SIDES),
    sort=st.sampled_from(SORTS),
    desc=st.booleans(),
    types=st.sampled_from([(), ("plan",), ("bootstrap", "evidence")]),
    pin=st.sampled_from(["", "none", "hard"]),
    dirty=st.booleans(),
    faulted=st.booleans(),
    gone=st.booleans(),
    text=st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=40),
    limit=st.integers(1, MAX_WINDOW),
    page=st.text(st.characters(exclude_categories=["Cs"]), max_size=60),
    rep=st.sampled_from(["", "full", "pointer"]),
    kind=st.sampled_from(["", "faults", "acts"]),
    old=st.integers(1, 1_000),
    talk=st.booleans(),
    turns=st.integers(1, 400),
)


@given(looks)
def test_a_view_survives_its_address(look: Look) -> None:
    """Whatever the page ids and filters hold."""
    assert Look.read(QueryDict(look.query())) == look


@given(st.text(max_size=80))
def test_any_address_is_understood_somehow(query: str) -> None:
    """What makes no sense is the default."""
    Look.read(QueryDict(query))
    SessionsLook.read(QueryDict(query))


def test_nonsense_is_the_default() -> None:
    query = (
        "side=left&sort=beauty&type=secret&limit=-4&old=9999999999999&turns=%EF%BC%91&page=&kind=x&rep=all"
    )
    assert Look.read(QueryDict(query)) == Look()
    assert Look.read(QueryDict("limit=99999999")).limit == MAX_WINDOW


def test_every_part_has_its_elements() -> None:
    assert set(PART_IDS) == set(PARTS)
