"""`run_log(events)`: a session of the ClawVM model from its event log, one event after the other, slow and
plain.

Written from the texts (specification, docs/events.md, docs/model.md, docs/glossary.md), without memory/core.
What those leave open is marked `Reading:`. An event that cannot be applied changes nothing and is counted.
"""

from __future__ import annotations

from . import log_acts, policies
from .log_pages import LogPage, page_of, tokens_of, touches
from .log_prompts import contract, prompt
from .log_session import Refused, Session, arrive, leave_copy, new_text
from .log_sides import Demand, Side
from .log_writes import boundary, project_commit, write_judged, write_resolved, write_staged
from .policies import Policy
from .workloads import ABSENT, PATHS, rank


def run_log(events: list[dict]) -> Session:
    """`events`: dicts of seq, kind, actor and body. The turns stand in the session's sides."""
    session = Session()
    for event in events:
        try:
            apply(session, event)
        except Refused:
            session.rejected.append(event["seq"])
    close(session)
    return session


def apply(session: Session, event: dict) -> None:
    handle = HANDLERS.get(event["kind"])
    if handle is not None:
        if not session.sides and event["kind"] != "session_started":
            raise Refused("not started")
        handle(session, event["body"], event)


# --- the session


def started(session: Session, body: dict, event: dict) -> None:
    if session.sides:
        return  # "a second one (resume) changes nothing"
    for raw in body.get("policies", []):
        session.declared_policies[raw["name"]] = policies.find(raw)
    session.mode = body["mode"]
    settings = body.get("settings", {})
    session.budget, session.window = body.get("budget"), body.get("window")
    session.shadow_budget, session.reserve = body.get("shadow_budget"), body.get("reserve", 0)
    session.grants = settings.get("grants", ["session", "project"])
    name = body.get("policy", "clawvm")
    if session.mode != "enforced" or name == "observed":
        primary = Side("primary", Policy("observed"), observed=True)
        primary.resolves = settings.get("harness_resolves", False)
    else:
        chosen = session.policy(name)
        primary = Side("primary", chosen, resolves=chosen.resolves)
    session.sides = [primary]
    shadow = body.get("shadow_policy")
    if shadow is not None:
        chosen = session.policy(shadow)
        session.sides.append(Side("shadow", chosen, resolves=chosen.resolves))
    for side in session.sides:
        side.journal.rules = body.get("write_rules", [])
        side.journal.required = list(body.get("validators", []))


def settings_changed(session: Session, body: dict, event: dict) -> None:
    if body.get("policy") is not None:
        chosen = session.policy(body["policy"])
        side = session.sides[0] if session.mode == "enforced" else session.sides[-1]
        if side.observed:
            raise Refused("a session that is only read, and it has no shadow")
        side.next_policy = chosen
    for name in ("budget", "reserve", "window"):
        if body.get(name) is not None:
            setattr(session, name, body[name])


def ended(session: Session, body: dict, event: dict) -> None:
    session.ended = True
    close(session)


def close(session: Session) -> None:
    """A loss after the last prompt stands in the last turn, for no other comes (docs/architecture.md)."""
    for side in session.sides:
        if side.turn is not None:
            side.turn.faults += [("flush_miss", page_id, "policy", True) for page_id in side.missed]
            side.missed = []
        side.close()


# --- pages


def page_created(session: Session, body: dict, event: dict) -> None:
    raw = body["page"]
    if raw["page_id"] in session.pages:
        raise Refused("the id is taken")
    session.pages[raw["page_id"]] = page_of(raw, len(session.pages))
    session.pages[raw["page_id"]].text = event["seq"]
    arrive(session, raw["page_id"])
    if raw.get("dirty", False):
        session.mark_dirty(raw["page_id"])


def page_updated(session: Session, body: dict, event: dict) -> None:
    page = session.page(body["page_id"])
    if any(label not in PATHS[page.type] for label in body["representations"]):
        raise Refused("off the type's path")
    new_text(session, page, tokens_of(body["representations"]), event["seq"])
    page.gone = ""
    if not body.get("durable", False):
        session.mark_dirty(page.page_id)


def page_superseded(session: Session, body: dict, event: dict) -> None:
    leave(session, session.page(body["page_id"]), "superseded")


def page_retired(session: Session, body: dict, event: dict) -> None:
    leave(session, session.page(body["page_id"]), "retired")


def leave(session: Session, page: LogPage, how: str) -> None:
    if page.gone:
        raise Refused("it is gone")
    if how == "superseded":
        leave_copy(session, page)
    for side in session.sides:
        side.held.pop(page.page_id, None)
        if not side.journal.has(page.page_id):  # "updates already staged are still settled"
            side.journal.dirty.discard(page.page_id)
    page.gone = how
    session.arrivals.discard(page.page_id)
    session.coming.discard(page.page_id)


def dirty_marked(session: Session, body: dict, event: dict) -> None:
    page = session.page(body["page_id"])
    if page.gone:
        raise Refused("it is gone")
    session.mark_dirty(page.page_id)


# --- prompts


def demand_declared(session: Session, body: dict, event: dict) -> None:
    page = session.page(body["page_id"])
    if page.gone:
        raise Refused("it is gone")
    level = rank(body["fidelity"])
    session.asked[page.page_id] = max(level, session.asked.get(page.page_id, ABSENT))


def prompt_requested(session: Session, body: dict, event: dict) -> None:
    if session.mode != "enforced":
        raise Refused("not ours")
    if body["request_id"] in session.requests:
        raise Refused(
            "asked for before"
        )  # Reading: "the same request id gets the same bytes", and no second turn
    session.requests.add(body["request_id"])
    prompt(session, body.get("fixed_tokens", 0), None)


def prompt_observed(session: Session, body: dict, event: dict) -> None:
    if session.mode == "enforced":
        raise Refused("not observed")
    if body["request_id"] in session.requests:
        raise Refused("it was observed before")
    session.requests.add(body["request_id"])
    prompt(session, 0, body.get("recorded_tokens"))


# --- what the answer shows


def demand_observed(session: Session, body: dict, event: dict) -> None:
    page = session.page(body["page_id"])
    if session.sides[0].turn is None:
        raise Refused("no prompt")
    if page.page_id in session.fresh:
        return  # "One for a page that got new text within the turn is told and not judged."
    if page.gone and page.page_id not in session.sides[0].standing:
        return
    exact = body.get("exact", True)
    repeat = body.get("call_repeat", False)
    levels = [max(rank(body["fidelity"]), contract(session, side, page)[1]) for side in session.sides]
    dropped = session.sides[0].observed and session.sides[0].outcome(page, levels[0]) == "refetch"
    for side, level in zip(session.sides, levels, strict=True):
        caused = side.name == "shadow" and dropped and side.outcome(page, level) != "refetch"
        # Reading: also where the result is there, but lower and not to be resolved; it still is
        # a demand, for recency.
        told = (
            repeat and side.outcome(page, level) == "refetch"
        )  # "`duplicate_tool` is the one fault: the demand that the same call shows is only told"
        side.demands.append(Demand(page, level, exact, caused=caused, told=told, cost=page.cost(level)))


def tool_called(session: Session, body: dict, event: dict) -> None:
    if session.sides[0].turn is None:
        raise Refused("no prompt")
    signature, kind = body["signature"], body.get("kind", "read")
    session.calls[body["call_id"]] = signature
    if signature in session.signatures:
        repeated(session, signature, body)
    session.signatures.add(signature)
    for written in (
        body.get("writes", []) if kind == "write" else []
    ):  # Reading: the kind says that it is a write
        for page in session.live():
            # Reading: "the read's page" is evidence; a plan or a rule that names the file is not made stale
            if page.type == "evidence" and any(touches(written, resource) for resource in page.resources):
                leave(session, page, "superseded")


def repeated(session: Session, signature: str, body: dict) -> None:
    """Refresh, alert, duplicate, or nothing; each side against its prompt N."""
    result = session.results.get(signature)
    page = session.pages.get(result) if result is not None else None
    fresh = body.get("refresh", False) or body.get("kind", "read") in ("volatile", "write")
    primary = session.sides[0]
    for side in session.sides:
        assert side.turn is not None
        if fresh or (page is not None and page.gone == "superseded"):
            side.turn.refreshes.append(result)
        elif result is None or (page is not None and page.gone):
            continue
        elif page is None or not side.there(page):
            side.turn.faults.append(("duplicate_tool", result, side.by_floor(), body.get("exact", True)))
        elif not (side.name == "shadow" and primary.observed and not primary.there(page)):
            side.turn.alerts.append((page.page_id, body.get("exact", True)))


def tool_returned(session: Session, body: dict, event: dict) -> None:
    signature = session.calls.pop(body["call_id"], None)
    if signature is None:
        return  # "else kept as unpaired"
    if body.get("page_id") is not None:
        session.results[signature] = body["page_id"]


def recall(session: Session, body: dict, event: dict) -> None:
    if session.sides[0].turn is None:
        raise Refused("no prompt")
    for side in session.sides:
        assert side.turn is not None
        if body.get("found", 0) == 0 and body.get("reason") is None and not side.policy.recalls_have_reasons:
            side.turn.faults.append(("silent_recall", None, "policy", True))


HANDLERS = {
    "session_started": started,
    "settings_changed": settings_changed,
    "session_ended": ended,
    "page_created": page_created,
    "page_updated": page_updated,
    "page_superseded": page_superseded,
    "page_retired": page_retired,
    "dirty_marked": dirty_marked,
    "demand_declared": demand_declared,
    "prompt_requested": prompt_requested,
    "prompt_observed": prompt_observed,
    "demand_observed": demand_observed,
    "tool_called": tool_called,
    "tool_returned": tool_returned,
    "recall": recall,
    "boundary": boundary,
    "write_staged": write_staged,
    "write_judged": write_judged,
    "write_resolved": write_resolved,
    "project_commit": project_commit,
    "operator_pin": log_acts.act,
    "operator_unpin": log_acts.act,
    "operator_demote": log_acts.act,
    "operator_restore": log_acts.act,
    "operator_undo": log_acts.undo,
}
