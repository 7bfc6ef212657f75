"""The live side: a socket per browser view. It wakes on the
hub's word, reads the newest state and sends the difference.

The stream only says that something changed; what is sent is always read from the store. So a lost message, a
slow client or a restart costs time, never truth.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from channels.db import DatabaseSyncToAsync
from channels.generic.websocket import AsyncWebsocketConsumer
from django.db import OperationalError
from django.http import QueryDict

from inspector import offers, queries, render
from inspector.panels import sessions as sessions_panel
from inspector.queries import PARTS, Look, SessionsLook
from memory import store, stream

log = logging.getLogger(__name__)

GATHER_SECONDS = 0.06  # after a message, what happens in this time goes into the next one
SLOW_PART_SECONDS = 0.3  # map and conversation: read at most this often
SLOW_PARTS = ("map", "talk")
QUIET_SECONDS = 15.0  # without news the header is looked at again: live turns into quiet by time alone
LIST_GATHER_SECONDS = 0.25
MAX_MESSAGE_BYTES = 16_384  # from a browser
MAX_VIEWS = 8  # messages of a browser that wait for an answer
RIGHTS_SECONDS = 5.0  # so long a right that was taken away may still show what is new
SIGNED_OUT, FORBIDDEN = 4401, 4404  # not among the codes on which the browser tries again

#: Few threads, so that a crowd of browsers cannot crowd out the pages.
_threads = ThreadPoolExecutor(2, "inspector-live")


async def read(function: Any, *args: Any) -> Any:
    """Runs a reading function in one of the few threads; a database that is busy is asked again."""
    run = DatabaseSyncToAsync(function, thread_sensitive=False, executor=_threads)
    for wait_seconds in (0.05, 0.2, 0.5, 1.0):
        try:
            return await run(*args)
        except OperationalError:
            await asyncio.sleep(wait_seconds)
    return await run(*args)


def same_origin(scope: dict[str, Any]) -> bool:
    """Whether the page that opens the socket came from this host. The router checks allowed hosts too."""
    headers = dict(scope.get("headers", []))
    origin, host = headers.get(b"origin", b"").decode("latin-1"), headers.get(b"host", b"").decode("latin-1")
    return not origin or urlsplit(origin).netloc == host


class LiveConsumer(AsyncWebsocketConsumer):
    """Sign-in and origin first, then one task that waits and sends until the socket closes."""

    task: asyncio.Task[None] | None = None

    async def connect(self) -> None:
        if not same_origin(self.scope):
            await self.close()
            return
        user = self.scope.get("user")
        if user is None or not user.is_authenticated:
            await self.accept()
            await self.close(SIGNED_OUT)
            return
        self.user_id = user.pk
        self.rights_due = asyncio.get_running_loop().time() + RIGHTS_SECONDS
        if not await self.allowed():
            await self.accept()
            await self.close(FORBIDDEN)
            return
        await self.accept()
        self.task = asyncio.create_task(self._run())

    async def disconnect(self, code: int) -> None:
        if self.task is not None:
            self.task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await self.task

    async def _run(self) -> None:
        try:
            await self.follow()
        except asyncio.CancelledError:
            raise
        except Exception:
            log.exception("live view ended; the browser will come back")
            with contextlib.suppress(Exception):
                await self.close(1011)

    async def allowed(self) -> bool:
        raise NotImplementedError

    async def still_allowed(self) -> bool:
        """Asks again, every few seconds, whether this socket may see what it sees; closes it if not."""
        now = asyncio.get_running_loop().time()
        if now < self.rights_due:
            return True
        self.rights_due = now + RIGHTS_SECONDS
        if not await read(signed_in, self.scope.get("session"), self.user_id):
            await self.close(SIGNED_OUT)
        elif not await self.allowed():
            await self.close(FORBIDDEN)
        else:
            return True
        return False

    async def follow(self) -> None:
        raise NotImplementedError

    def query(self) -> QueryDict:
        return QueryDict(self.scope.get("query_string", b""))


@dataclass(slots=True)
class View:
    """What the browser looks at, and which parts of it came with seq ``fresh_seq`` of a page or fragment."""

    look: Look
    fresh: tuple[str, ...] = ()
    fresh_seq: int = -1


def read_view(query: QueryDict, parts: str | None = None) -> View:
    """From the socket's address or a browser's message: ``parts`` were rendered at ``seq``."""
    seq = query.get("seq", "")
    names = PARTS if parts in (None, "all") else tuple(p for p in PARTS if p in str(parts).split(","))
    known = int(seq) if seq.isascii() and seq.isdigit() and len(seq) < 12 else -1
    return View(Look.read(query), names, known)


class SessionConsumer(LiveConsumer):
    """One session's screen."""

    views: list[View]  # what the browser came to look at since the last message to it, newest last
    turned: asyncio.Event  # it looks at something else

    async def connect(self) -> None:
        self.views, self.turned = [read_view(self.query())], asyncio.Event()  # before any message can come
        await super().connect()

    async def allowed(self) -> bool:
        self.session_id = str(self.scope["url_route"]["kwargs"]["session_id"])
        self.role = await read(role_in, self.user_id, self.session_id)
        return self.role is not None

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """The browser says that it looks at something else: ``{"query": …, "parts": …}``."""
        if not text_data or len(text_data) > MAX_MESSAGE_BYTES:
            return
        try:
            message = json.loads(text_data)
            view = read_view(QueryDict(str(message["query"])), str(message.get("parts", "")))
        except (ValueError, KeyError, TypeError, RecursionError):
            return
        if len(self.views) >= MAX_VIEWS:  # faster than we can follow: the newest look, with all their parts
            parts = {part for v in (*self.views, view) for part in v.fresh}
            self.views = []
            view = View(view.look, tuple(p for p in PARTS if p in parts))  # of no known seq: sent anew
        self.views.append(view)
        self.turned.set()

    async def follow(self) -> None:
        self.known = render.Known()
        self.look = self.views[0].look
        self.slow_due = 0.0
        hub = stream.get_hub()
        async with hub.subscribe(self.session_id) as news:  # subscribe first, read then
            while await self.still_allowed():
                wait = await self.send_newest()
                await asyncio.sleep(GATHER_SECONDS)
                await self._wait(news, wait)

    async def _wait(self, news: stream.Subscription, seconds: float) -> None:
        """Until there is news, the browser turns to something else, or so many seconds have passed."""
        waits = [asyncio.ensure_future(news.wait()), asyncio.ensure_future(self.turned.wait())]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in waits:
                waiting.cancel()
            await asyncio.gather(*waits, return_exceptions=True)
        self.turned.clear()

    async def send_newest(self) -> float:
        """Sends what the browser lacks; how many seconds to wait at most before looking again."""
        turned, self.views = self.views, []
        now = asyncio.get_running_loop().time()
        parts = list(PARTS)
        slow = now >= self.slow_due or bool(turned)
        if not slow:
            parts = [p for p in parts if p not in SLOW_PARTS]
        message = await read(self._message, turned, parts)
        if message is None:
            await self.close(FORBIDDEN)
            return QUIET_SECONDS
        if slow:
            self.slow_due = now + SLOW_PART_SECONDS
        if message:
            await self.send(text_data=message)
        return QUIET_SECONDS if slow else max(0.0, self.slow_due - now)

    def _message(self, turned: list[View], parts: list[str]) -> str | None:
        """In a thread: what the browser lacks of the newest state; None if the session is gone."""
        session = store.session_row(self.session_id)
        if session is None:
            return None
        for view in turned:
            self.look = view.look
        made = render.fragments(session, self.look, parts, self.role or "viewer")
        for view in turned:
            only = render.of_parts(made, view.fresh)
            if view.look == self.look and view.fresh_seq == made.seq:
                self.known.take(only)
            else:
                self.known.forget(only)
        message = self.known.update(made)
        return message + render.mark(made) if message else ""


class SessionsConsumer(LiveConsumer):
    """The list of sessions; where there is none yet, the first one brings the table."""

    async def allowed(self) -> bool:
        self.operator = await read(offers.may, self.user_id)
        return True

    async def follow(self) -> None:
        known = render.Known()
        self.empty = self.query().get("empty") == "1"  # the page holds no table yet
        look = SessionsLook.read(self.query())
        hub = stream.get_hub()
        async with hub.subscribe(stream.ALL) as news:
            while await self.still_allowed():
                message = await read(self._message, look, known)
                if message:
                    await self.send(text_data=message)
                await asyncio.sleep(LIST_GATHER_SECONDS)
                with contextlib.suppress(TimeoutError):
                    # The list also changes by time alone (live, quiet), and a broker may be down.
                    await asyncio.wait_for(news.wait(), 3.0)

    def _message(self, look: SessionsLook, known: render.Known) -> str:
        projects = store.visible_projects(self.user_id)
        found, total = queries.sessions(look, projects)
        everything = total if look == SessionsLook() else queries.sessions(SessionsLook(limit=1), projects)[1]
        context = sessions_panel.context(look, found, total, everything)
        demo = offers.demo() if self.operator else None
        made = render.session_fragments(found, context, demo)
        if not self.empty:
            return known.update(made)
        if not everything:
            return ""
        self.empty = False
        known.take(made)
        own = offers.transcripts() if self.operator else []
        return render.sessions_whole(made, context, demo=demo, found=own)


def signed_in(session: Any, user_id: int) -> bool:
    """Whether the browser's session (the cookie's, as it came with the socket) still signs the person in."""
    key = getattr(session, "session_key", None)
    if key is None:
        return store.is_active(user_id)  # no cookie: whoever made the scope vouches for the person
    return store.is_active(user_id) and session.exists(key)


def role_in(user_id: int, session_id: str) -> str | None:
    """The person's role in the session's project; None if the person may not see it, or there is none."""
    session = store.session_row(session_id)
    return None if session is None else store.member_role(user_id, session.project_id)
