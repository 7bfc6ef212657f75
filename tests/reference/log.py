"""`run_log(events)`: a session of the ClawVM model from its event log, one event after the other, slow and plain.

Written from the texts (specification, docs/events.md, docs/model.md, docs/glossary.md), without memory/core.
What those leave open is marked `Reading:`. An event that cannot be applied changes nothing and is counted.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from . import log_acts, policies
from .log_pages import LogPage, page_of, tokens_of, touches, usable
from .log_sides import FULL, PLENTY, Asked, Demand, Side, Turn, choose
from .policies import Policy
from .selection import priority
from .writeback import lowers_the_floor, malformed
from .workloads import ABSENT, PATHS, POINTER, rank


class Refused(Exception):
    """The event cannot be applied."""


@dataclass
class Session:
    """What the log says so far."""

    mode: str = ""
    budget: int | None = None
    shadow_budget: int | None = None
    window: int | None = None
    reserve: int = 0
    grants: list[str] = field(default_factory=lambda: ["session", "project"])
    declared_policies: dict[str, Policy] = field(default_factory=dict)
    pages: dict[str, LogPage] = field(default_factory=dict)
    sides: list[Side] = field(default_factory=list)
    asked: dict[str, int] = field(default_factory=dict)  # declared for the next prompt
    arrivals: set[str] = field(default_factory=set)
    fresh: set[str] = field(default_factory=set)  # pages that got new text since the prompt, whatever became of them
    coming: set[str] = field(default_factory=set)  # arrivals that no boundary dropped before they were sent
    after_loss: bool = False
    unseen: int = 0
    signatures: set[str] = field(default_factory=set)
    results: dict[str, str] = field(default_factory=dict)  # signature to its latest known result page
    calls: dict[str, str] = field(default_factory=dict)  # call id to signature
    duplicates: set[tuple[str, str]] = field(default_factory=set)  # side and page of this turn
    project_version: dict[str, int] = field(default_factory=dict)
    acts: dict[int, log_acts.Act] = field(default_factory=dict)
    requests: set[str] = field(default_factory=set)
    boundaries: list[str] = field(default_factory=list)
    rejected: list[int] = field(default_factory=list)
    ended: bool = False

    def side(self, name: str) -> Side | None:
        return next((side for side in self.sides if side.name == name), None)

    def live(self) -> list[LogPage]:
        return [page for page in self.pages.values() if not page.gone]

    def page(self, page_id: str) -> LogPage:
        if page_id not in self.pages:
            raise Refused(f"no page {page_id}")
        return self.pages[page_id]

    def pin_budget(self) -> int | None:
        """Reading: what the pages of the side that selects have now; no limit where no side selects."""
        return None if self.sides[-1].observed else page_budget(self, self.sides[-1], 0)

    def mark_dirty(self, page_id: str) -> None:
        for side in self.sides:
            side.journal.dirty.add(page_id)

    def restore_version(self, page: LogPage, version: int, seq: int) -> None:
        """Through the journal: an update that is staged like any other, and valid."""
        for side in self.sides:
            side.journal.stage({"update_id": f"restore:{seq}:{page.page_id}", "page_id": page.page_id, "restore": True})
        self.mark_dirty(page.page_id)
        tokens, text = self.sides[0].journal.kept[page.page_id, version]
        new_text(self, page, dict(tokens), text)

    def policy(self, name: str) -> Policy:
        if name in self.declared_policies:
            return self.declared_policies[name]
        if name not in policies.TABLE:
            raise Refused(f"no policy {name}")
        return policies.TABLE[name]


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


def new_text(session: Session, page: LogPage, tokens: dict[int, int], text: int) -> None:
    """`text`: the seq of the event that brought it."""
    leave_copy(session, page)
    page.tokens, page.text = tokens, text
    arrive(session, page.page_id)


def arrive(session: Session, page_id: str) -> None:
    session.arrivals.add(page_id)
    session.coming.add(page_id)
    session.fresh.add(page_id)


def leave_copy(session: Session, page: LogPage) -> None:
    """In an observed prompt the copy that stood there stays, as a stale one; so does one that is on its way."""
    for side in session.sides:
        if not side.observed:
            continue
        level = FULL if page.page_id in session.coming else side.held.get(page.page_id, ABSENT)
        side.held.pop(page.page_id, None)
        side.stale[page.page_id] = side.stale.get(page.page_id, 0) + page.cost(level)


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
        raise Refused("asked for before")  # Reading: "the same request id gets the same bytes", and no second turn
    session.requests.add(body["request_id"])
    prompt(session, body.get("fixed_tokens", 0), None)


def prompt_observed(session: Session, body: dict, event: dict) -> None:
    if session.mode == "enforced":
        raise Refused("not observed")
    if body["request_id"] in session.requests:
        raise Refused("it was observed before")
    session.requests.add(body["request_id"])
    prompt(session, 0, body.get("recorded_tokens"))


def prompt(session: Session, fixed: int, recorded: int | None) -> None:
    """Turn N begins: on each side the turn before is closed, the prompt chosen or read, and judged."""
    for side in session.sides:
        side.close()
    live = session.live()
    for side in session.sides:
        if side.next_policy is not None:
            side.policy, side.resolves, side.next_policy = side.next_policy, side.next_policy.resolves, None
        turn_of(session, side, live, fixed, recorded)
    for side in session.sides:
        judge_prompt(session, side, live)
    for page in live:
        page.restore = False
    session.asked, session.after_loss = {}, False
    session.arrivals, session.coming, session.fresh = set(), set(), set()
    session.duplicates, session.boundaries = set(), []


def turn_of(session: Session, side: Side, live: list[LogPage], fixed: int, recorded: int | None) -> None:
    before, prefix_before = side.standing, side.turns
    asked = Asked()
    for page in live:
        if page.restore and not side.observed:
            asked.add(page, FULL, "restored")
    for page_id, level in session.asked.items():
        if not session.pages[page_id].gone:
            asked.add(session.pages[page_id], level, "demanded")
    if side.observed:
        standing, used, budget, whole = as_recorded(session, side, live, recorded)
        reason = {page_id: "recorded" for page_id in standing}
        needed = {
            page_id: max(level, contract(session, side, session.pages[page_id])[1]) for page_id, level in asked.raw.items()
        }
        for page in live:
            if contract(session, side, page)[0] == "hard" or (session.after_loss and page.must_survive()):
                low = contract(session, side, page)[1]
                needed[page.page_id] = max(low, needed.get(page.page_id, ABSENT))
        views = {page.page_id: usable(page) if session.mode == "injected" else page for page in live}
        required = sum(views[page_id].cost(level) for page_id, level in needed.items())
        missing = [page for page in live if standing[page.page_id] < needed.get(page.page_id, ABSENT)]
        unmet = [
            page.page_id
            for page in sorted(missing, key=lambda page: priority(replace(page, pin=contract(session, side, page)[0])))
        ]
        floor = sum(views[page.page_id].cost(max(contract(session, side, page)[1], needed.get(page.page_id, ABSENT))) for page in live)
    else:
        if side.name == "shadow" and session.mode != "enforced":
            for page in live:
                if page.page_id in session.arrivals:
                    asked.add(page, FULL, "arrived")
        whole = budget = page_budget(session, side, fixed)
        chosen, required, floor = choose(side, live, budget, asked, session.after_loss, session.arrivals, {})
        standing, reason, unmet = chosen.fidelity, chosen.reason, chosen.unmet
        used = sum(page.cost(standing[page.page_id]) for page in live)
    resident = sum(page.cost(standing[page.page_id]) for page in live)
    changes = changes_of(session, side, standing, reason, unmet)
    prefix = None
    if prefix_before:
        prefix = prefix_tokens(session, side, before, standing)
    side.standing = standing
    side.texts = {page.page_id: page.text for page in live}
    side.turn = Turn(
        len(side.turns) + 1, side.policy.name, whole, budget, standing, used, resident, required, floor, unmet, changes, prefix or 0
    )


def contract(session: Session, side: Side, page: LogPage) -> tuple[str, int]:
    """Pin and minimum that a prompt is held against. What was only read is not held against an operator's act, whose reach
    is the shadow."""
    if side.name == "primary" and session.mode == "observed":
        return page.own_pin, page.own_minimum
    return page.pin, page.minimum


def as_recorded(
    session: Session, side: Side, live: list[LogPage], recorded: int | None
) -> tuple[dict[str, int], int, int | None, int | None]:
    """What arrived stands in full, what a record dropped is gone."""
    for page in live:
        if page.page_id in session.coming:
            side.held[page.page_id] = FULL
    standing = {page.page_id: side.held.get(page.page_id, ABSENT) for page in live}
    ours = sum(page.cost(standing[page.page_id]) for page in live) + sum(side.stale.values())
    if recorded is not None:
        session.unseen = max(0, recorded - ours)
    left = None
    if session.window is not None:
        left = max(0, session.window - session.unseen - session.reserve)
    whole = session.budget if session.budget is not None else session.window
    budget = session.budget if session.budget is not None else left
    return standing, ours if recorded is None else recorded, budget, whole


def page_budget(session: Session, side: Side, fixed: int) -> int | None:
    """Reading: a set budget is what pages have, else what the window leaves; of a session that is only read the shadow has what
    the window leaves (the budget, where no window is known)."""
    if session.mode == "enforced":
        if session.budget is not None:
            return session.budget
        return None if session.window is None else max(0, session.window - session.reserve - fixed)
    if side.name == "shadow" and session.shadow_budget is not None:
        return session.shadow_budget
    if session.window is None:
        return session.budget
    return max(0, session.window - session.unseen - session.reserve)


def changes_of(
    session: Session, side: Side, standing: dict[str, int], reason: dict[str, str], unmet: list[str]
) -> list[tuple[str, int, str]]:
    """In table order, those that left the table among them."""
    out = []
    for page_id, page in session.pages.items():
        before, now = side.standing.get(page_id, ABSENT), standing.get(page_id, ABSENT)
        if now == before:
            continue
        if page.gone:
            why = "left"
        elif side.observed:
            why = "recorded" if now == FULL else "dropped"
        elif now > before:
            why = reason[page_id]
        else:
            why = "unmet" if page_id in unmet else "displaced"
        out.append((page_id, now, why))
    return out


def prefix_tokens(session: Session, side: Side, before: dict[str, int], standing: dict[str, int]) -> int:
    """Tokens before the first page, in table order, whose presence, fidelity or text differs."""
    total = 0
    for page_id, page in session.pages.items():
        now = standing.get(page_id, ABSENT)
        if before.get(page_id, ABSENT) != now or (now and page.text != side.texts.get(page_id)):
            break
        total += page.cost(now)
    return total


def judge_prompt(session: Session, side: Side, live: list[LogPage]) -> None:
    turn = side.turn
    assert turn is not None
    for name in session.pages:
        if name in side.at_risk and name in side.journal.dirty and side.standing.get(name, ABSENT) != FULL:
            lose(side, name)
    side.at_risk = set()
    missed, side.missed = side.missed, []
    for page_id in missed:
        turn.faults.append(("flush_miss", page_id, "policy", True))
    for page in live:
        pin, low = contract(session, side, page)
        if pin == "hard" and side.standing[page.page_id] < low:
            turn.faults.append(("pinned_invariant_miss", page.page_id, side.by_required(), True))
    for page in live:
        low = contract(session, side, page)[1]
        if session.after_loss and page.must_survive() and side.standing[page.page_id] < low:
            turn.faults.append(("post_compaction_bootstrap", page.page_id, side.by_required(), True))
    for page_id, level in session.asked.items():
        page = session.pages[page_id]
        if not page.gone:
            level = max(level, contract(session, side, page)[1])
            side.demands.append(Demand(page, level, True, declared=True, cost=page.cost(level)))
    for page in live:
        if page.restore and not side.observed:
            side.demands.append(Demand(page, FULL, True, declared=True, cost=page.cost(FULL)))


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
        # Reading: also where the result is there, but lower and not to be resolved; it still is a demand, for recency.
        told = repeat and side.outcome(page, level) == "refetch"  # "`duplicate_tool` is the one fault: the demand that the same call shows is only told"
        side.demands.append(Demand(page, level, exact, caused=caused, told=told, cost=page.cost(level)))


def tool_called(session: Session, body: dict, event: dict) -> None:
    if session.sides[0].turn is None:
        raise Refused("no prompt")
    signature, kind = body["signature"], body.get("kind", "read")
    session.calls[body["call_id"]] = signature
    if signature in session.signatures:
        repeated(session, signature, body)
    session.signatures.add(signature)
    for written in body.get("writes", []) if kind == "write" else []:  # Reading: the kind says that it is a write
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


# --- boundaries


def boundary(session: Session, body: dict, event: dict) -> None:
    kind = body["kind"]
    session.boundaries.append(kind)
    if kind in ("compaction", "reset"):
        session.after_loss = True
    for side in session.sides:
        if side.observed:
            drop(session, side, body)
        destroy(session, side, kind)


def destroy(session: Session, side: Side, kind: str) -> None:
    """Section 5: write back, or lose what nobody wrote back (at a compaction or prune: once the next prompt shows it)."""
    at_end = kind in ("reset", "shutdown")
    if side.policy.writes_back_at_end if at_end else side.policy.writes_back:
        side.journal.write_back(session.pages, session.grants)
        side.at_risk = set()
    elif at_end:
        for page in session.pages.values():
            if page.page_id in side.journal.dirty and page.scope == "session":
                lose(side, page.page_id)
    elif kind != "flush":
        side.at_risk |= side.journal.dirty


def lose(side: Side, page_id: str) -> None:
    side.at_risk.discard(page_id)
    side.journal.lose(page_id)
    side.missed.append(page_id)


# --- writes


def write_staged(session: Session, body: dict, event: dict) -> None:
    update = body["update"]
    page = session.page(update["page_id"])
    known = session.sides[0].journal.known.get(update["update_id"])
    if known is not None:
        if known != update:
            raise Refused("another update has this id")
        return
    if page.gone:
        raise Refused("it is gone")
    for side in session.sides:
        side.journal.stage(update)
    session.mark_dirty(page.page_id)


def write_judged(session: Session, body: dict, event: dict) -> None:
    heard = [side.journal.judge(body["update_id"], body["validator"], body["verdict"]) for side in session.sides]
    if not heard[0]:
        raise Refused("nothing to judge, or judged before")


def write_resolved(session: Session, body: dict, event: dict) -> None:
    """Only an operator approves or merges; anyone gives up."""
    name, action = body["update_id"], body["action"]
    if name not in session.sides[0].journal.parked:  # Reading: the primary's journal is the one that is answered
        raise Refused("not parked")
    if action != "drop" and not event["actor"].startswith("operator"):
        raise Refused("only an operator can")
    for side in session.sides:
        if name in side.journal.parked:
            update = side.journal.known[name]
            page = session.pages[update["page_id"]]
            never = malformed(update) or (page.pin == "hard" and lowers_the_floor(update, page))
            if action != "drop" and never:
                raise Refused("never committed")
            del side.journal.parked[name]
            if action == "drop":
                side.journal.note(update, "resolved")
            else:
                side.journal.commit(update, session.pages)


def project_commit(session: Session, body: dict, event: dict) -> None:
    page = session.page(body["page_id"])
    if page.scope != "project":
        raise Refused("not of the project")
    if any(label not in PATHS[page.type] for label in body["representations"]):
        raise Refused("off the type's path")
    if body["version"] <= session.project_version.get(page.page_id, 0):
        raise Refused("not above the project's last version")
    session.project_version[page.page_id] = body["version"]
    unwritten = page.page_id in session.sides[0].journal.dirty or session.sides[0].journal.has(page.page_id)
    for side in session.sides:
        if page.page_id in side.journal.dirty and not side.journal.has(page.page_id):
            side.journal.stage({"update_id": f"implied:{event['seq']}", "page_id": page.page_id, "conflict": True})
        side.journal.version[page.page_id] = max(body["version"], side.journal.version.get(page.page_id, 0))
    if session.mode == "enforced" and not unwritten and not page.gone:
        new_text(session, page, tokens_of(body["representations"]), event["seq"])


def drop(session: Session, side: Side, body: dict) -> None:
    """What the record says that the harness dropped."""
    kind, preserved = body["kind"], body.get("preserved")
    dropped = body.get("dropped", [])
    summary = body.get("summary_page")
    for page_id in (preserved or ()) if kind in ("compaction", "reset") else ():
        page = session.pages.get(page_id)
        if page is not None and not page.gone and page_id not in session.coming and side.held.get(page_id, ABSENT) == ABSENT:
            side.held[page_id] = FULL  # Reading: the record says that it is there, whatever dropped it before
    if kind in ("compaction", "reset"):
        kept = {*(preserved or ()), summary}
        for page_id in list(session.pages):
            if page_id not in kept:
                side.held.pop(page_id, None)
                session.coming.discard(page_id)
        side.stale = {}
    elif kind == "prune":
        for page_id in dropped:
            side.stale.pop(page_id, None)
            page = session.pages.get(page_id)
            held = page_id in session.coming or side.held.get(page_id, ABSENT) > ABSENT
            if page is not None and not page.gone and held:
                session.coming.discard(page_id)
                pointer = body.get("leaves_pointers", True) and page.resolvable
                side.held[page_id] = POINTER if pointer else ABSENT  # Reading: what never resolves leaves none


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
