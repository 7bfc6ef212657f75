"""A small client for agents of one's own: append events, ask for the next prompt, act. httpx and the
standard library only.

    with ClawWeb("http://127.0.0.1:8765", token) as claw:
        session = claw.session("my-run-1", harness="mine", mode="enforced", started={"budget": 6000})
        session.append([event("page_created", page={...})])
        prompt = session.prompt("turn-1", fixed_tokens=200)
        session.answered("turn-1", prompt, usage={"input": prompt.tokens, "output": 80})

Every call may be repeated: events get an id before they are first sent, so a retry after a lost answer
changes nothing. Connection errors, 429 and 5xx are retried with growing pauses up to ``retry_for_s``;
anything else raises `ApiError`.
"""

from __future__ import annotations

import hashlib
import json
import random
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import quote, urlsplit

import httpx

API = "/api/v1"
MAX_BATCH = 500  # events or records of one request
MAX_BATCH_BYTES = 8 * 1024 * 1024  # of one request, unless a single item is longer
MAX_WAIT_MS = 30_000  # what one request may wait for a prompt
MAX_PAUSE_S = 5.0  # between two tries

Event = dict[str, Any]


class ApiError(Exception):
    """ClawWeb refused a request. ``items`` names the bad items of a batch (index, where, why)."""

    def __init__(self, status: int, error: Mapping[str, Any]) -> None:
        super().__init__(f"{status} {error.get('code', '')}: {error.get('message', '')}")
        self.status = status
        self.code = str(error.get("code", ""))
        self.message = str(error.get("message", ""))
        self.where = str(error.get("where", ""))
        self.how = str(error.get("how", ""))
        self.items: list[dict[str, Any]] = list(error.get("items", []))


class Unreachable(Exception):
    """ClawWeb did not answer within the time given to retries; the request may be repeated."""


class PromptTimeout(Exception):
    """The prompt did not come before the deadline; asking again with the same request id is safe."""


@dataclass(frozen=True, slots=True)
class Section:
    """One page of a prompt, at the fidelity it stands there."""

    page_id: str
    type: str
    fidelity: str
    tokens: int
    text: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """An assembled prompt. ``body``: the kept bytes; ``sha256``
    is their hash; ``text`` what to send to the model.
    """

    request_id: str
    turn: int
    tokens: int
    sha256: str
    body: bytes
    text: str
    sections: tuple[Section, ...]

    def section(self, page_id: str) -> Section | None:
        """The page's section, if anything of it is in the prompt."""
        return next((s for s in self.sections if s.page_id == page_id), None)


@dataclass(frozen=True, slots=True)
class Appended:
    """Where an event stands; ``duplicate``: it had been stored before."""

    seq: int
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Added:
    """How many records were new and known; ``changed``: known ones that came with other bytes now."""

    new: int
    duplicates: int
    changed: int


def event(kind: str, /, *, client_event_id: str | None = None, at: str = "", **body: Any) -> Event:
    """An event as the API takes it; it gets an id here, so that it may be sent again."""
    return {"kind": kind, "body": body, "client_event_id": client_event_id or uuid.uuid4().hex, "at": at}


class ClawWeb:
    """A connection to one ClawWeb with one token (which belongs to one project)."""

    def __init__(
        self,
        url: str,
        token: str,
        *,
        timeout_s: float = 30.0,
        retry_for_s: float = 60.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """``timeout_s``: of one request; ``retry_for_s``: how
        long a request is tried again while nobody answers.
        """
        loopback = (urlsplit(url).hostname or "") in {"127.0.0.1", "localhost", "::1"}
        bearer = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=url.rstrip("/"),
            headers={**bearer, "Accept": "application/json"},
            timeout=httpx.Timeout(timeout_s, connect=5.0),
            transport=transport,
            trust_env=not loopback,  # a proxy cannot reach this machine's own loopback
        )
        self._timeout_s = timeout_s
        self.retry_for_s = retry_for_s

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def session(
        self,
        key: str,
        *,
        harness: str,
        mode: str = "enforced",
        name: str = "",
        adapter: str = "",
        parent_key: str | None = None,
        started: Mapping[str, Any] | None = None,
    ) -> Session:
        """The session with that key, made if need be.
        ``started``: policy, window, reserve, budget, model …
        """
        body: dict[str, Any] = {
            "key": key,
            "harness": harness,
            "mode": mode,
            "name": name,
            "adapter": adapter,
        }
        if parent_key is not None:
            body["parent_key"] = parent_key
        if started is not None:
            body["started"] = dict(started)
        return Session(self, self.request("POST", "/sessions", body))

    def sessions(self, **filters: Any) -> dict[str, Any]:
        """A window of the sessions list: items, total."""
        found: dict[str, Any] = self.request("GET", "/sessions", params=filters)
        return found

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        wait_s: float = 0.0,
    ) -> Any:
        """The JSON of an answer below 400. Raises ApiError, Unreachable."""
        return self.send(method, path, body, params=params, wait_s=wait_s).json()

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        params: Mapping[str, Any] | None = None,
        wait_s: float = 0.0,
    ) -> httpx.Response:
        """As ``request``, the whole response. ``wait_s``: how long the server was asked to wait."""
        # lone surrogates survive as escapes
        content = None if body is None else json.dumps(body).encode("ascii")
        headers = {} if content is None else {"Content-Type": "application/json"}
        deadline = time.monotonic() + self.retry_for_s
        for attempt in range(1_000_000):
            problem, pause = "", 0.0
            try:
                response = self._http.request(
                    method,
                    API + path,
                    content=content,
                    params=params,
                    headers=headers,
                    timeout=httpx.Timeout(self._timeout_s + wait_s, connect=5.0),
                )
            except (httpx.UnsupportedProtocol, httpx.LocalProtocolError) as error:
                raise Unreachable(
                    f"{method} {path}: {error}"
                ) from None  # no server is asked: no use in trying
            except httpx.TransportError as error:
                problem = str(error) or type(error).__name__
            else:
                if response.status_code < 500 and response.status_code != 429:
                    return _checked(response)
                problem = f"status {response.status_code}"
                pause = _retry_after(response)
            pause = max(pause, min(MAX_PAUSE_S, 0.1 * 2**attempt) * random.uniform(0.5, 1.0))
            if time.monotonic() + pause > deadline:
                raise Unreachable(f"{method} {path}: {problem}")
            time.sleep(pause)
        raise Unreachable(f"{method} {path}")


class Session:
    """One session. Everything in ``info`` is as of the last answer that held it."""

    def __init__(self, claw: ClawWeb, info: dict[str, Any]) -> None:
        self._claw = claw
        self.info = info
        self.id: str = info["id"]
        self.created: bool = info.get("created", False)

    def refresh(self) -> dict[str, Any]:
        """The header as it stands."""
        self.info = self._get("")
        return self.info

    def append(self, events: Sequence[Event]) -> list[Appended]:
        """Appends in order, in as few requests as the limits allow; each request is all or nothing."""
        for item in events:
            item.setdefault("client_event_id", uuid.uuid4().hex)
        places: list[Appended] = []
        for batch in _batches(events):
            answer = self._post("/events", {"events": batch})
            places += [Appended(item["seq"], item["duplicate"]) for item in answer["items"]]
        return places

    def records(self, records: Sequence[Mapping[str, Any]]) -> Added:
        """Appends raw records (record_key, raw or raw_base64, source, offset, length, sha256)."""
        answers = [self._post("/records", {"records": batch}) for batch in _batches(records)]
        counts = (sum(a[name] for a in answers) for name in ("added", "duplicates", "changed"))
        return Added(*counts)

    def problems(self, limit: int = 100) -> list[dict[str, Any]]:
        """The first records that could not be read: n, source, offset, length, problem."""
        items: list[dict[str, Any]] = self._get("/records/problems", {"limit": limit})["items"]
        return items

    def prompt(self, request_id: str, fixed_tokens: int = 0, *, deadline_s: float = 120.0) -> Prompt:
        """Begins a turn and waits for its prompt. The same request id gives the same bytes.

        Raises PromptTimeout after ``deadline_s``, ApiError where the session is not enforced.
        """
        end = time.monotonic() + deadline_s
        while True:
            left_ms = int((end - time.monotonic()) * 1000)
            wait_ms = max(0, min(MAX_WAIT_MS, left_ms))
            body = {"request_id": request_id, "fixed_tokens": fixed_tokens, "wait_ms": wait_ms}
            response = self._claw.send("POST", self._path("/prompts"), body, wait_s=wait_ms / 1000)
            if response.status_code == 200:
                return _prompt(request_id, response)
            if left_ms <= 0:
                raise PromptTimeout(f"no prompt for {request_id} after {deadline_s:g} s")

    def answered(
        self,
        request_id: str,
        prompt: Prompt | None = None,
        *,
        usage: Mapping[str, int] | None = None,
        page_id: str | None = None,
        stop_reason: str = "",
    ) -> Appended:
        """Says that the model has answered; ``prompt`` is
        what was sent, whose hash proves what the model saw.
        """
        body: dict[str, Any] = {
            "request_id": request_id,
            "usage": dict(usage or {}),
            "stop_reason": stop_reason,
        }
        if page_id is not None:
            body["page_id"] = page_id
        if prompt is not None:
            body["prompt_sha256"] = hashlib.sha256(prompt.body).hexdigest()
        (place,) = self.append([event("model_answered", client_event_id=f"answered:{request_id}", **body)])
        return place

    def act(self, act: str, page_ids: Sequence[str] = (), **more: Any) -> dict[str, Any]:
        """Pins, unpins, demotes, restores or undoes.
        ``dry_run=True`` only says the cost; ``wait_ms`` waits.
        """
        more.setdefault("client_event_id", uuid.uuid4().hex)
        body = {"act": act, "page_ids": list(page_ids), **more}
        wait_s = int(more.get("wait_ms", 0)) / 1000
        answer: dict[str, Any] = self._claw.request("POST", self._path("/acts"), body, wait_s=wait_s)
        return answer

    def resolve(self, update_id: str, action: str, value: Any = None, **more: Any) -> dict[str, Any]:
        """Answers an update that validation parked: ``approve``, ``merge`` (with ``value``) or ``drop``."""
        merged = {} if value is None else {"value": value}
        return self.act("resolve", update_id=update_id, action=action, **merged, **more)

    def acts(self) -> list[dict[str, Any]]:
        """The acts with their receipts, newest first."""
        items: list[dict[str, Any]] = self._get("/acts")["items"]
        return items

    def pages(self, **filters: Any) -> list[dict[str, Any]]:
        """A window of the page table."""
        items: list[dict[str, Any]] = self._get("/pages", filters)["items"]
        return items

    def page(self, page_id: str) -> dict[str, Any]:
        """One page with its texts and versions."""
        return self._get(f"/pages/{quote(page_id, safe='/:')}")

    def faults(self, **filters: Any) -> list[dict[str, Any]]:
        """A window of the ledger, newest first."""
        items: list[dict[str, Any]] = self._get("/faults", filters)["items"]
        return items

    def _path(self, rest: str) -> str:
        return f"/sessions/{self.id}{rest}"

    def _get(self, rest: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        answer: dict[str, Any] = self._claw.request("GET", self._path(rest), params=params)
        return answer

    def _post(self, rest: str, body: Any) -> dict[str, Any]:
        answer: dict[str, Any] = self._claw.request("POST", self._path(rest), body)
        return answer


def _checked(response: httpx.Response) -> httpx.Response:
    if response.status_code < 400:
        return response
    try:
        error = response.json()["error"]
    except (ValueError, KeyError, TypeError):
        error = {"code": "not_clawweb", "message": response.text[:200]}
    raise ApiError(response.status_code, error)


def _retry_after(response: httpx.Response) -> float:
    given = response.headers.get("Retry-After", "")
    return min(float(given), MAX_PAUSE_S) if given.isdigit() else 0.0


def _batches(items: Iterable[Mapping[str, Any]]) -> Iterator[list[Mapping[str, Any]]]:
    batch: list[Mapping[str, Any]] = []
    size = 0
    for item in items:
        length = len(json.dumps(item))
        if batch and (len(batch) >= MAX_BATCH or size + length > MAX_BATCH_BYTES):
            yield batch
            batch, size = [], 0
        batch.append(item)
        size += length
    if batch:
        yield batch


def _prompt(request_id: str, response: httpx.Response) -> Prompt:
    body = response.content
    sha256 = hashlib.sha256(body).hexdigest()
    announced = response.headers.get("X-Prompt-SHA256", sha256)
    if announced != sha256:
        raise ApiError(502, {"code": "damaged", "message": f"prompt {request_id} came with another hash"})
    value = json.loads(body)
    sections = tuple(
        Section(s["page_id"], s["type"], s["fidelity"], s["tokens"], s["text"]) for s in value["sections"]
    )
    text = value.get("text")
    if text is None:
        text = "\n\n".join(section.text for section in sections)
    tokens = value.get("tokens")
    if tokens is None:
        tokens = int(response.headers.get("X-Prompt-Tokens") or sum(s.tokens for s in sections))
    return Prompt(request_id, value["turn"], tokens, sha256, body, text, sections)
