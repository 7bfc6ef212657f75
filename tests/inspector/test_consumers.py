"""Sockets: who may open one, what comes through it, and that it catches up."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from asgiref.testing import ApplicationCommunicator
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser
from django.contrib.sessions.backends.db import SessionStore
from django.db import OperationalError

from inspector import consumers
from inspector.routing import websocket_urlpatterns
from memory import stream
from memory.models import Member
from tests.inspector.cast import HOSTILE, add, person, session, small
from tests.memory.cast import page, prompt

pytestmark = pytest.mark.django_db(transaction=True)
Connect = Callable[..., Any]


class Socket(ApplicationCommunicator):
    """A browser's end (the one of channels needs another server than ours)."""

    def __init__(self, path: str, user: Any, origin: str, **more: Any) -> None:
        path, _, query = path.partition("?")
        headers = [(b"origin", origin.encode()), (b"host", b"testserver")]
        scope = {"type": "websocket", "path": path, "query_string": query.encode(), "headers": headers}
        super().__init__(
            URLRouter(websocket_urlpatterns), {**scope, "subprotocols": [], "user": user, **more}
        )

    async def open(self) -> bool:
        await self.send_input({"type": "websocket.connect"})
        return bool((await self.receive_output(5))["type"] == "websocket.accept")

    async def hear(self) -> str:
        output = await self.receive_output(5)
        assert output["type"] == "websocket.send", output
        return str(output["text"])

    async def say(self, text: str) -> None:
        await self.send_input({"type": "websocket.receive", "text": text})

    async def leave(self) -> None:
        if not self.future.done():
            await self.send_input({"type": "websocket.disconnect", "code": 1000})
            await self.wait(5)


@pytest.fixture
async def hub(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[stream.Hub]:
    """A hub without a broker: tests say what it would hear."""
    made = stream.Hub()
    monkeypatch.setattr(stream, "get_hub", lambda: made)
    yield made


@pytest.fixture
async def connect() -> AsyncIterator[Connect]:
    opened: list[Socket] = []

    async def make(
        path: str, user: Any, origin: str = "http://testserver", **more: Any
    ) -> tuple[Socket, bool]:
        socket = Socket(path, user, origin, **more)
        opened.append(socket)
        return socket, await socket.open()

    yield make
    for socket in opened:
        await socket.leave()


async def act(function: Callable[..., Any], *args: Any) -> Any:
    """Does it as a worker would. The database in memory locks whole tables: again if need be.

    (Events carry ids: nothing is there twice.)
    """
    for _ in range(200):
        try:
            return await sync_to_async(function)(*args)
        except OperationalError:
            await asyncio.sleep(0.01)
    return await sync_to_async(function)(*args)


def targets(message: str) -> list[str]:
    return re.findall(r'hx-target="#([\w-]+)"', message)


async def test_strangers_and_other_projects_are_turned_away(hub: stream.Hub, connect: Connect) -> None:
    """With codes on which the browser does not try again."""
    session_id = await act(small)
    socket, _ = await connect(f"/ws/sessions/{session_id}/", AnonymousUser())
    assert (await socket.receive_output(5))["code"] == consumers.SIGNED_OUT
    eve = await act(person, "eve", "operator", "elsewhere")
    socket, _ = await connect(f"/ws/sessions/{session_id}/", eve)
    assert (await socket.receive_output(5))["code"] == consumers.FORBIDDEN


async def test_another_origin_is_refused(hub: stream.Hub, connect: Connect) -> None:
    ann = await act(person, "ann")
    for path in ("/ws/sessions/", f"/ws/sessions/{await act(small)}/"):
        _, accepted = await connect(path, ann, origin="http://evil.example")
        assert not accepted


async def test_a_browser_with_the_newest_state_gets_nothing_until_something_happens(
    hub: stream.Hub, connect: Connect
) -> None:
    """Then it gets the difference: new rows and the header, not the rows that stayed."""
    session_id = await act(small)
    ann = await act(person, "ann")
    seq = 4  # session_started, two pages, a prompt
    socket, _ = await connect(f"/ws/sessions/{session_id}/?seq={seq}", ann)
    assert await socket.receive_nothing(0.4)
    await act(add, session_id, [page("late", "came later"), prompt(2)])
    hub._tell(session_id, 6)
    message = await socket.hear()
    assert "rows" in targets(message)  # the new row, at the head
    assert "came later" not in message
    assert ">late<" in message
    assert "Live · turn 2" in message
    assert "table" not in targets(message)
    assert 'data-seq="6"' in message


async def test_a_browser_that_comes_back_gets_what_it_missed(hub: stream.Hub, connect: Connect) -> None:
    """Its seq is old or unknown: every visible panel anew, once."""
    session_id = await act(session)
    ann = await act(person, "ann")
    for query in ("", "?seq=3"):
        socket, _ = await connect(f"/ws/sessions/{session_id}/{query}", ann)
        message = await socket.hear()
        assert {"head", "map", "table-bar", "rows", "lines"} <= set(targets(message))
        assert await socket.receive_nothing(0.4)


async def test_hostile_text_comes_through_escaped(hub: stream.Hub, connect: Connect) -> None:
    """And does not break the socket."""
    events = [page("p", HOSTILE * 3, title=HOSTILE), prompt(1)]
    session_id = await act(session, "hostile", events)
    socket, _ = await connect(f"/ws/sessions/{session_id}/?page=p&talk=1", await act(person, "ann"))
    message = await socket.hear()
    for sign in ("<script>alert", "<img src=x", "\u202e", "\x1b", "\x00"):
        assert sign not in message
    message.encode()


async def test_the_browser_may_turn_to_something_else(hub: stream.Hub, connect: Connect) -> None:
    """It says what it looks at now; nonsense is ignored."""
    session_id = await act(small)
    socket, _ = await connect(f"/ws/sessions/{session_id}/?seq=4", await act(person, "ann"))
    assert await socket.receive_nothing(0.3)
    for nonsense in ("x", "[]", '{"query": 3}', "{}", "9" * 5_000, '{"query": "page=file", "parts": 7}'):
        await socket.say(nonsense)
    await socket.say(json.dumps({"query": "page=file", "parts": "drawer"}))
    message = await socket.hear()
    assert {"page-now", "act-log"} <= set(targets(message))
    assert "rows" not in targets(message)


async def test_a_burst_is_gathered(hub: stream.Hub, connect: Connect) -> None:
    """Many words of the hub in a moment are few messages, and the last one holds the newest state."""
    session_id = await act(small)
    socket, _ = await connect(f"/ws/sessions/{session_id}/?seq=4", await act(person, "ann"))
    assert await socket.receive_nothing(0.3)
    for n in range(20):
        await act(add, session_id, [page(f"b{n}", f"text {n}")])
        hub._tell(session_id, 5 + n)
    messages = [await socket.hear()]
    while 'data-seq="24"' not in messages[-1]:
        messages.append(await socket.hear())
    assert len(messages) < 20
    together = "".join(messages)
    assert all(f">b{n}<" in together for n in range(20))


async def test_a_socket_that_closes_leaves_nothing_behind(hub: stream.Hub, connect: Connect) -> None:
    session_id = await act(small)
    socket, _ = await connect(f"/ws/sessions/{session_id}/", await act(person, "ann"))
    await socket.hear()
    assert hub._sessions() == [session_id]
    await socket.leave()
    assert hub._sessions() == []


async def test_the_list_is_live(hub: stream.Hub, connect: Connect) -> None:
    """Also the first session of all, where the page taught the first steps."""
    ann = await act(person, "ann")
    socket, _ = await connect("/ws/sessions/?empty=1", ann)
    assert await socket.receive_nothing(0.5)
    session_id = await act(small, "first of all")
    hub._tell(session_id, 4)
    message = await socket.hear()
    assert targets(message) == ["sessions"]
    assert "first of all" in message
    await asyncio.sleep(0)
    second = await act(small, "second")
    hub._tell(second, 4)
    message = await socket.hear()
    assert "sessions" not in targets(message)
    assert "second" in message


async def closed_with(socket: Socket) -> int:
    """What comes is read until the socket is closed; the code."""
    async with asyncio.timeout(10):
        while True:
            output = await socket.receive_output(10)
            if output["type"] == "websocket.close":
                return int(output["code"])


async def signed_in_session(user: Any) -> Any:
    """A browser's session, as the sign-in makes it."""

    def make() -> Any:
        made = SessionStore()
        made["_auth_user_id"] = str(user.pk)
        made.create()
        return made

    return await sync_to_async(make)()


@pytest.mark.parametrize("path", ["/ws/sessions/{id}/", "/ws/sessions/"])
@pytest.mark.parametrize("end", ["signed out", "not active"])
async def test_who_is_signed_out_sees_no_more(
    hub: stream.Hub, connect: Connect, monkeypatch: pytest.MonkeyPatch, path: str, end: str
) -> None:
    monkeypatch.setattr(consumers, "RIGHTS_SECONDS", 0.0)
    session_id = await act(small)
    ann = await act(person, "ann")
    browser = await signed_in_session(ann)
    socket, _ = await connect(path.format(id=session_id), ann, session=browser)
    await socket.hear()
    if end == "signed out":
        await act(browser.delete)
    else:
        ann.is_active = False
        await act(ann.save)
    await act(add, session_id, [page("secret", "not for her any more")])
    hub._tell(session_id, 5)
    assert await closed_with(socket) == consumers.SIGNED_OUT
    assert await socket.receive_nothing(0.3)


async def test_who_leaves_the_project_sees_no_more(
    hub: stream.Hub, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "RIGHTS_SECONDS", 0.0)
    session_id = await act(small)
    ann = await act(person, "ann")
    socket, _ = await connect(f"/ws/sessions/{session_id}/", ann)
    await socket.hear()
    await act(Member.objects.filter(user=ann).delete)
    await act(add, session_id, [page("secret", "not for her any more")])
    hub._tell(session_id, 5)
    assert await closed_with(socket) == consumers.FORBIDDEN


async def test_a_role_that_changes_changes_the_open_screen(
    hub: stream.Hub, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An operator's buttons go when the operator becomes a viewer."""
    monkeypatch.setattr(consumers, "RIGHTS_SECONDS", 0.0)
    roles: list[str] = []
    real = consumers.render.fragments

    def fragments(session: Any, look: Any, parts: Any, role: str) -> Any:
        roles.append(role)
        return real(session, look, parts, role)

    monkeypatch.setattr(consumers.render, "fragments", fragments)
    session_id = await act(small)
    socket, _ = await connect(f"/ws/sessions/{session_id}/", await act(person, "ann"))
    await socket.hear()
    await act(person, "ann", "viewer")
    await act(add, session_id, [page("late", "came later"), prompt(2)])
    hub._tell(session_id, 6)
    await socket.hear()
    assert (roles[0], roles[-1]) == ("operator", "viewer")


def test_a_browser_that_talks_too_fast_keeps_a_short_queue() -> None:
    """Nothing that was rendered for it is forgotten: what the dropped messages named is sent anew."""
    consumer = consumers.SessionConsumer()
    consumer.views, consumer.turned = [], asyncio.Event()
    names = [*consumers.PARTS, *consumers.PARTS]

    async def talk() -> None:
        for n in range(500):
            part = names[n % len(names)]
            await consumer.receive(json.dumps({"query": f"seq={n}&page=p{n}", "parts": part}))
            assert len(consumer.views) <= consumers.MAX_VIEWS

    asyncio.run(talk())
    assert consumer.views[-1].look.page == "p499"
    merged = consumer.views[0]
    assert set(merged.fresh) == set(consumers.PARTS) and merged.fresh_seq == -1
