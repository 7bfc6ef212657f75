"""A stream through the public API while the web server, the worker and the broker are killed with -9: the
trace is that of the undisturbed fold, to the byte; nothing is lost and nothing is there twice.
"""

from __future__ import annotations

import base64
import hashlib
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pytest

from clawweb.demo import load_session
from memory.client import ClawWeb, Session
from memory.client import event as client_event
from tests.memory.cast import STARTED, session_events, undisturbed
from tests.support.poll import poll

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]
TURNS = 16
RECORDS_AT_ONCE = 25
Kill = Callable[[Any], None]


def kill_web(server: Any) -> None:
    server.web.kill()
    server.web.start()  # the client's own retries bridge the gap


def kill_worker(server: Any) -> None:
    server.worker.kill()
    server.worker.start()


def kill_broker(server: Any) -> None:
    server.site.broker.kill()
    server.site.broker.start()


KILLS: dict[str, Kill] = {"web": kill_web, "worker": kill_worker, "broker": kill_broker}


@contextmanager
def connected(server: Any) -> Iterator[ClawWeb]:
    token = server.site.manage("token", "create", "tests").strip().splitlines()[-1]
    with ClawWeb(server.url, token) as claw:
        yield claw


def trace(claw: ClawWeb, session: Session, side: str) -> bytes:
    return bytes(claw.send("GET", f"/sessions/{session.id}/trace", params={"side": side}).content)


def folded(session: Session) -> dict[str, Any]:
    poll(lambda: session.refresh()["pending"] == 0, 90, what="everything folded")
    return session.info


def orders(kills: Sequence[str], steps: int, seed: int) -> dict[int, str]:
    """Step → what is killed before it: in the middle of the stream, in a random order."""
    rng = random.Random(seed)
    places = sorted(rng.sample(range(steps // 5, steps - 1), len(kills)))
    return dict(zip(places, rng.sample(list(kills), len(kills)), strict=True))


# -- an enforced session, whose prompts are asked for in between


def post_events(server: Any, session: Session, kills: dict[int, str]) -> list[tuple[str, bytes]]:
    """Posts the cast's session a few events at a time, some twice; the prompts that it was given."""
    waiting, prompts, step = [], [], 0
    for item in session_events(TURNS):
        if item.kind == "prompt_requested":
            request_id = item.body["request_id"]
            if step in kills:
                KILLS[kills[step]](server)
            session.append(waiting)
            session.append(waiting[-2:])  # a sender that did not hear the answer
            prompt = session.prompt(request_id, item.body["fixed_tokens"], deadline_s=60)
            prompts.append((request_id, prompt.body))
            waiting, step = [], step + 1
        elif item.kind.startswith("operator_"):
            session.append(waiting)
            waiting = []
            session.act("pin", item.body["page_ids"], client_event_id=item.client_event_id)
        else:
            waiting.append(client_event(item.kind, client_event_id=item.client_event_id, **item.body))
    session.append(waiting)
    return prompts


def expected_events() -> list[Any]:
    """The cast's events as the API stores them: bodies as its own resources write them."""
    from memory.store import NewEvent

    found = []
    for item in session_events(TURNS):
        body = {**item.body, "reason": ""} if item.kind.startswith("operator_") else item.body
        found.append(NewEvent(item.kind, body, item.client_event_id))
    return found


def enforced(server: Any, claw: ClawWeb, kills: dict[int, str]) -> None:
    session = claw.session("killed", harness="mine", started=_started())
    prompts = post_events(server, session, kills)
    info = folded(session)
    expected = undisturbed(expected_events(), STARTED, "operator:token:tests")
    for side in ("primary", "shadow"):
        assert trace(claw, session, side).splitlines() == expected[side]
    assert info["last_seq"] == info["applied_seq"] == len(session_events(TURNS)) + 1
    assert info["turn"] == len(prompts) == TURNS
    for request_id, body in prompts:  # what was given once is given again
        assert session.prompt(request_id, 50).body == body
        assert claw.send("GET", f"/sessions/{session.id}/prompts/{request_id}").content == body
    assert session.refresh()["last_seq"] == info["last_seq"]
    _nothing_twice(session, claw)


def _started() -> dict[str, Any]:
    return {name: value for name, value in STARTED.items() if name not in ("harness", "mode")}


def _nothing_twice(session: Session, claw: ClawWeb) -> None:
    for side in ("primary", "shadow"):
        lines = session.faults(side=side, limit=1000)
        assert len({(line["seq"], line["idx"]) for line in lines}) == len(lines)
        turns = claw.request("GET", f"/sessions/{session.id}/turns", params={"side": side})["items"]
        assert [turn["turn"] for turn in turns] == list(range(1, len(turns) + 1))


# -- a recording: the demo's records, as `watch --server` sends them


def record_batches() -> list[list[dict[str, Any]]]:
    records = [
        {"record_key": f"demo@{n}", "raw_base64": base64.b64encode(raw).decode(), "offset": n}
        for n, raw in enumerate(load_session())
    ]
    return [records[at : at + RECORDS_AT_ONCE] for at in range(0, len(records), RECORDS_AT_ONCE)]


def folded_alone() -> dict[str, bytes]:
    """Both traces of the recording, folded by adapter and core alone: no rows, no batches, no processes."""
    from memory import core
    from memory.complete import complete
    from memory.harness import RawRecord, get_adapter

    adapter, state, seq = get_adapter("claude-code"), core.new_state(), 0
    lines: dict[str, list[bytes]] = {"primary": [], "shadow": []}
    for n, raw in enumerate(load_session(), 1):
        for kind, body, _at in adapter.feed(RawRecord(n, raw)).events:
            seq += 1
            event = core.Event(seq, core.decode_body(kind, complete(kind, body)))
            for told in core.step(state, event):
                if told.kind == "turn":
                    lines[told.side.value].append(told.data["record"].encode("ascii"))
    return {side: b"\n".join([core.trace_head(state), *found]) + b"\n" for side, found in lines.items()}


def recorded(server: Any, claw: ClawWeb, kills: dict[int, str]) -> None:
    batches = record_batches()
    session = claw.session("demo", harness="claude-code", mode="observed", adapter="claude-code")
    for step, batch in enumerate(batches):
        if step in kills:
            KILLS[kills[step]](server)
        assert session.records(batch).new <= len(batch)
        assert session.records(batch[-5:]).duplicates == len(batch[-5:])
    info = folded(session)
    assert (info["record_count"], info["broken_records"]) == (len(load_session()), 0)
    for side, expected in folded_alone().items():
        found = trace(claw, session, side)
        assert hashlib.sha256(found).hexdigest() == hashlib.sha256(expected).hexdigest()
        assert found == expected
    _nothing_twice(session, claw)


# -- the two of them, on both databases


def test_every_part_is_killed(live_site: Callable[..., Any]) -> None:
    server = live_site()
    with connected(server) as claw:
        enforced(server, claw, orders(list(KILLS) * 2, TURNS, seed=7))
        recorded(server, claw, orders(list(KILLS), len(record_batches()), seed=8))


@pytest.mark.postgres
def test_every_part_is_killed_on_postgresql(live_site: Callable[..., Any], postgres_url: str) -> None:
    server = live_site(DATABASE_URL=postgres_url)
    with connected(server) as claw:
        enforced(server, claw, orders(["worker", "broker"], TURNS, seed=4))
        recorded(server, claw, orders(["worker", "web"], len(record_batches()), seed=5))
