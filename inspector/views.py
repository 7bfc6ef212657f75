"""The screens. A view serves a page whole, or, asked by htmx with ``parts``, only those panels."""

from __future__ import annotations

import logging
from typing import Any
from uuid import UUID

from django.http import Http404, HttpRequest, HttpResponse, QueryDict
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from inspector import offers, queries
from inspector import render as fragments
from inspector.keys import KEYS
from inspector.panels import acts as act_panel
from inspector.panels import drawer as drawer_panel
from inspector.panels import sessions as sessions_panel
from inspector.queries import PARTS, Look, Picture, SessionsLook
from inspector.templatetags.claw import dom_id
from memory import store
from memory.core.errors import EventError
from memory.core.types import reach
from memory.store import NewEvent, SessionRow, StoreError

log = logging.getLogger(__name__)

MAX_REASON = 400  # characters


@require_GET
def sessions(request: HttpRequest) -> HttpResponse:
    """All sessions of the person's projects."""
    look = SessionsLook.read(request.GET)
    user_id = _user_id(request)
    projects = store.visible_projects(user_id)
    found, total = queries.sessions(look, projects)
    everything = total if look == SessionsLook() else queries.sessions(SessionsLook(limit=1), projects)[1]
    context = sessions_panel.context(look, found, total, everything)
    operator = offers.may(user_id)
    live = fragments.session_fragments(found, context)
    base = reverse("inspector:sessions")
    return render(
        request,
        "inspector/sessions.html",
        {
            "list": context,
            "rows_html": fragments.safe(live.lists["session-rows"]),
            "base": base,
            "query": look.query(),
            "socket": f"/ws/sessions/?{look.query()}" + ("" if everything else "&empty=1"),
            "keys": KEYS,
            "found": offers.transcripts() if operator else [],
            "demo": offers.demo() if operator else None,
        },
    )


@require_POST
def demo(request: HttpRequest) -> HttpResponse:
    """Starts the replay of the recorded demo, or changes the pace of the one that runs."""
    if not offers.may(_user_id(request)):
        return HttpResponse("Operators of the default project start the demo.", status=403)
    error = ""
    try:
        offers.set_or_start(request.POST.get("pace", ""))
    except (ValueError, OSError) as problem:
        log.warning("the demo did not start: %s", problem)
        error = f"The demo did not start: {problem}"
    context = {"demo": offers.demo(), "demo_error": error, "started": not error}
    return HttpResponse(fragments.html("demo", context))


@require_POST
def agent(request: HttpRequest) -> HttpResponse:
    """Starts the scripted, enforced agent."""
    if not offers.may(_user_id(request)):
        return HttpResponse("Operators of the default project start the agent.", status=403)
    error = ""
    try:
        offers.start_agent()
    except (ValueError, OSError) as problem:
        log.warning("the agent did not start: %s", problem)
        error = f"The agent did not start: {problem}"
    context = {"demo": offers.demo(), "demo_error": error, "agent_started": not error}
    return HttpResponse(fragments.html("demo", context))


@require_POST
def read_own(request: HttpRequest) -> HttpResponse:
    """Starts reading one of the transcripts that the list offers."""
    if not offers.may(_user_id(request)):
        return HttpResponse("Operators of the default project read transcripts.", status=403)
    try:
        return _answer({"said": offers.read(request.POST.get("file", ""))})
    except (ValueError, OSError) as problem:
        return _answer({"error": f"Not read: {problem}"}, status=422)


@require_GET
def session(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """One session: whole, or with ``parts`` (names of panels, or all) as swaps for what is there."""
    row, role = _session(request, session_id)
    look = Look.read(request.GET)
    asked = request.GET.get("parts", "")
    partly = bool(asked) and request.headers.get("HX-Request") == "true"
    parts = PARTS if not partly or asked == "all" else tuple(p for p in PARTS if p in asked.split(","))
    found = queries.picture(row, look, parts, role)
    look = found.look
    context = fragments.page_context(found, parts) | view_context(found, parts)
    if not partly:
        socket = f"/ws/sessions/{row.id}/?{look.query()}&seq={row.applied_seq}"
        return render(request, "inspector/session.html", context | {"socket": socket, "keys": KEYS})
    templates = {"talk": "conversation"}
    found_html = [
        fragments.partial(part, "outerMorph", fragments.html(templates.get(part, part), context))
        for part in parts
    ]
    found_html.append(fragments.partial("view", "outerMorph", fragments.html("view", context)))
    query = look.query()
    # Showing the conversation is no step that one would go back from.
    header = "HX-Replace-Url" if parts == ("talk",) else "HX-Push-Url"
    headers = {header: f"{context['base']}?{query}" if query else context["base"]}
    return HttpResponse("".join(found_html), headers=headers)


def view_context(found: Picture, parts: tuple[str, ...]) -> dict[str, Any]:
    """What the page says about itself, for the script: its query, what is fresh, and at which seq."""
    return {
        "base": reverse("inspector:session", args=[found.session.id]),
        "query": found.look.query(),
        "fresh": "all" if parts == PARTS else ",".join(parts),
        "turn": found.turn,
        "page_key": dom_id(found.look.page) if found.look.page else "",
    }


@require_GET
def page_text(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """One representation's whole text, instead of its beginning."""
    row, role = _session(request, session_id)
    found = queries.picture(row, Look.read(request.GET), ("drawer",), role)
    if found.page is None:
        raise Http404
    context = drawer_panel.context(found) | drawer_panel.text_context(found, whole=True)
    if request.headers.get("HX-Request") == "true":
        return HttpResponse(fragments.html("drawer_text", {"drawer": context}))
    return HttpResponse(context["text"], content_type="text/plain; charset=utf-8")


# acts


@require_http_methods(["GET", "POST"])
def act(request: HttpRequest, session_id: UUID) -> HttpResponse:
    """GET: what the act would cost, and the question. POST: the act."""
    row, role = _session(request, session_id)
    if role != "operator":
        return _answer({"error": "Your role in this project is viewer: acts need operator."}, status=403)
    asked = request.GET if request.method == "GET" else request.POST
    name = asked.get("act", "")
    side = asked.get("side", "") if asked.get("side", "") in queries.SIDES else "primary"
    look = Look(side=side, page=asked.get("page", "")[: queries.MAX_PAGE_ID])
    found = queries.picture(row, look, ("drawer",), role)
    if name not in act_panel.ACTS or found.page is None:
        return _answer(
            {"error": "This session has no such page any more, or there is no such act."}, status=404
        )
    if row.ended:
        return _answer({"error": f"Not done: {act_panel.ENDED}."}, status=422)
    try:
        if request.method == "POST":
            return _do(request, found, name, asked)
        return _ask(found, name, asked)
    except (StoreError, EventError, ValueError, KeyError) as error:
        return _answer({"error": f"Not done: {error}"}, status=422)


def _ask(found: Picture, name: str, asked: QueryDict) -> HttpResponse:
    """The question with the cost, tried on a copy of the state."""
    assert found.page is not None
    page, row = found.page.view, found.session
    choice = asked.get("choice", "") or act_panel.first_choice(name, page, found.look.first_side)
    body = act_panel.body(name, page, choice, "", None)
    from memory import dryrun

    dry = dryrun.try_act(row.id, f"operator_{name}", body)
    how = reach(row.mode, name)
    context = {
        "act": name,
        "page_id": page.page_id.encode("utf-8", "replace").decode(),
        "seq": dry.applied_seq,
        "choices": act_panel.choices(name, page),
        "choice": choice,
        "verb": act_panel.verb(name, page, choice),
        "side": found.look.side,
        "reason": asked.get("reason", "")[:MAX_REASON],
        "reach": act_panel.REACH_WORDS[how],
        "reach_title": act_panel.REACH_TITLES[how],
        "cost": act_panel.cost_words(dry, {page.page_id: page.title}),
        "action": reverse("inspector:act", args=[row.id]),
    }
    return HttpResponse(fragments.html("ask", context))


def _do(request: HttpRequest, found: Picture, name: str, asked: QueryDict) -> HttpResponse:
    """Appends the act to the log: the worker applies it, the socket tells what became of it."""
    assert found.page is not None
    reason = asked.get("reason", "").replace("\x00", "")[:MAX_REASON]
    if name == "undo":
        body: dict[str, Any] = {"act_seq": int(asked.get("act_seq", "")), "reason": reason}
    else:
        seq = asked.get("seq", "")
        based_on = int(seq) if seq.isascii() and seq.isdigit() else None
        body = act_panel.body(name, found.page.view, asked.get("choice", ""), reason, based_on)
    actor = f"operator:{request.user.get_username()}"
    (appended,) = store.append_events(found.session.id, [NewEvent(f"operator_{name}", body)], actor=actor)
    row = store.session_row(found.session.id)
    assert row is not None
    after = queries.picture(row, found.look, ("drawer",), found.role)
    return _answer({"seq": appended.seq, "drawer": drawer_panel.context(after)})


def _answer(context: dict[str, Any], status: int = 200) -> HttpResponse:
    return HttpResponse(fragments.html("asked", context), status=status)


# who


def _user_id(request: HttpRequest) -> int:
    """The signed-in person; the middleware lets nobody else through."""
    user = request.user
    if not user.is_authenticated or user.pk is None:
        raise Http404
    return int(user.pk)


def _session(request: HttpRequest, session_id: UUID) -> tuple[SessionRow, str]:
    """The session and the person's role in it; what one may not see does not exist."""
    row = store.session_row(str(session_id))
    role = store.member_role(_user_id(request), row.project_id) if row else None
    if row is None or role is None:
        raise Http404("no such session")
    return row, role
