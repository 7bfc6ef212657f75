"""Valid bodies of every kind, drawn from a Random; on purpose with the same few names, so that they meet."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from memory.core.types import DEGRADATION_PATH, PageType
from tests.reference import generate

Body = dict[str, Any]
IDS = ("a", "b", "é", "f\u202e", "<script>", "z", "a1", "a10", "implied:1:0", "restore", "\U0001f9f5", "0")
LABELS = ("pointer", "structured", "compressed", "full")
RESOURCES = ("file:/s/a", "file:/s/b", "dir:/s", "workspace", "url:x", "odd")
SIGNATURES = ("read:a", "read:b", "ls", " ")
WORTH = (0, 0, 1, 1.0, 2.5, 7, 1e-9, 1e6, 1e12)
COUNTS = (0, 1, 2, 20, 300, 10**6, 10**15)
VALUES = (
    ("step", "3"), ("", "x"), ("list", [1, {"é": 2.5}]), ("pin", "none"), ("pin", "hard"),
    ("min_fidelity", "pointer"), ("min_fidelity", 3), ("step", None),
)  # fmt: skip
PATHS = (["pointer", "structured", "full"], ["structured", "full"], list(LABELS), ["full"])
VALIDATORS = ("licence", "size")
PUBLISHED = ("clawvm", "lru", "compaction_hybrid", "retrieval", "retrieval_cached", "clawweb")


class Names:
    """What a stream has named so far, for later events to refer to."""

    def __init__(self, rng: Random, pages: int) -> None:
        more = (f"p{number}" for number in range(10**6))
        self.pages = [IDS[number] if number < len(IDS) else next(more) for number in range(pages)]
        self.requests: list[str] = ["r"]
        self.calls: list[str] = ["c"]
        self.updates: list[str] = [f"u{number}" for number in range(6)]
        self.acts: list[int] = [0]
        self.policies: list[str] = []
        self.scale = rng.choice((1, 1, 1, 10, 1000))


def maybe(rng: Random, percent: int) -> bool:
    return rng.randrange(100) < percent


def some(rng: Random, of: Body, percent: int = 40) -> Body:
    """Some of the fields that may be left out."""
    return {key: value for key, value in of.items() if maybe(rng, percent)}


def ids(rng: Random, names: Names, least: int = 0, most: int = 3) -> list[str]:
    return [rng.choice(names.pages) for _ in range(rng.randint(least, most))]


def representations(rng: Random, names: Names, labels: list[str]) -> Body:
    kept = [label for label in labels[:-1] if maybe(rng, 70)] + [labels[-1]]
    total, found = 0, {}
    for label in kept:
        total += rng.choice(generate.STEPS) * names.scale
        found[label] = {"tokens": total, **some(rng, {"text": label * 2}, 20)}
    return found


def page(rng: Random, names: Names, page_id: str) -> Body:
    page_type = rng.choice(list(PageType))
    path = [fidelity.label for fidelity in DEGRADATION_PATH[page_type]]
    must = {
        "page_id": page_id,
        "type": page_type.value,
        "provenance": provenance(rng),
        "representations": representations(rng, names, path),
    }
    may = {
        "scope": rng.choice(("session", "project")),
        "title": rng.choice(("", "A title")),
        "pin": rng.choice((None, "none", "soft", "hard")),
        "min_fidelity": rng.choice((None, *path)),
        "base_utility": rng.choice(WORTH),
        "recompute_cost": rng.choice(WORTH),
        "dirty": maybe(rng, 50),
        "inferred": maybe(rng, 50),
        "resolvable": maybe(rng, 70),
        "resources": [rng.choice(RESOURCES) for _ in range(rng.randrange(3))],
    }
    return must | some(rng, may)


def provenance(rng: Random) -> Body:
    kind = rng.choice(("tool_call", "span", "file", "operator", "import"))
    return {"kind": kind, "ref": "x#L3", **some(rng, {"record": rng.choice((None, 0, 7))})}


def update(rng: Random, names: Names) -> Body:
    field, value = rng.choice(VALUES)
    page_id = rng.choice(names.pages)
    return {
        "update_id": rng.choice(names.updates),
        "page_id": page_id,
        "field": field,
        "op": rng.choice(("append", "merge", "set_with_version", "set_with_version", "delete", "")),
        "value": value,
        "scope": rng.choice(("session", "session", "project", "moon")),
        "evidence_ref": rng.choice((page_id, page_id, *names.pages, "nothing")),
        "base_version": rng.choice((0, 0, 0, 1, 2, 10**15)),
    }


def policy(rng: Random, name: str) -> Body:
    """A declared policy, steady or not, in any sound combination of switches."""
    drawn = generate.declared_policy(rng)
    kept = {key: drawn[key] for key in drawn if not key.endswith(("water_percent", "refill_percent"))}
    made = {**some(rng, kept, 80), "name": name, **_marks(rng)}
    if made.get("steady"):  # it has all that the steady choice does
        made |= {"selects": True, "auto_pins": True, "prefetch": True, "upgrades": True}
    return made


def _marks(rng: Random) -> Body:
    if maybe(rng, 50):
        return {}
    refill, low, high = sorted(rng.choice((0, 1, 30, 50, 80, 99, 100)) for _ in range(3))
    return {
        "steady": maybe(rng, 70),
        "high_water_percent": high,
        "low_water_percent": low,
        "refill_percent": refill,
        "raise_above": rng.choice((0, 0.5, 1, 1.5, 1.88, 10)),
    }


def rule(rng: Random, names: Names, name: str) -> Body:
    conditions = some(
        rng,
        {
            "types": [rng.choice(list(PageType)).value],
            "scopes": [rng.choice(("session", "project"))],
            "pages": [rng.choice((*names.pages[:3], "a*", "*"))],
            "fields": [rng.choice(("step", "text", "pin"))],
        },
    )
    forbids = rng.choice(
        (
            {"deny": True},
            {"ops": ["append"]},
            {"max_value_bytes": 4},
            {"ops": ["merge"], "max_value_bytes": 0},
        )
    )
    return {"name": name, **conditions, **forbids}


def started(rng: Random, names: Names, mode: str) -> Body:
    names.policies = [f"own{number}" for number in range(rng.choice((0, 0, 1, 2)))]
    choices = (*PUBLISHED, *names.policies)
    settings = {
        "grants": rng.choice((["session"], ["project"], [], ["session", "project"])),
        "harness_resolves": maybe(rng, 50),
        "multi_session": maybe(rng, 50),
        "other": [1, {"a": None}],
    }
    may = {
        "policy": rng.choice((*choices, "clawvm", "clawweb")),
        "model": "m",
        "window": rng.choice((None, 200, 400, 8000)),
        "window_source": rng.choice(("recorded", "published", "configured", "unknown")),
        "reserve": rng.choice((0, 10, 10**6)),
        "budget": rng.choice((None, 0, 20, 60, 150, 300)) if maybe(rng, 70) else rng.randrange(500),
        "shadow_policy": rng.choice((None, *choices, "clawweb")),
        "shadow_budget": rng.choice((None, 0, 50, 200)),
        "settings": some(rng, settings),
        "resumed_from": rng.choice((None, "earlier")),
        "write_rules": [rule(rng, names, f"rule{number}") for number in range(rng.randrange(3))],
        "validators": list(VALIDATORS[: rng.randrange(3)]),
    }
    body = {"harness": "h", "mode": mode, **some(rng, may, 50)}
    if body.get("budget") is not None:
        body["budget"] *= names.scale
    if names.policies:
        body["policies"] = [policy(rng, name) for name in names.policies]
    return body


def _settings(rng: Random, names: Names) -> Body:
    known = (*PUBLISHED, *names.policies)
    return some(
        rng,
        {
            "budget": rng.choice((None, 0, 1, 40, 120, 300))
            if maybe(rng, 60)
            else rng.randrange(400) * names.scale,
            "policy": rng.choice((None, *known, *known, "oracle", "observed", "nobody")),
            "reserve": rng.choice((None, 0, 20, 10**15)),
            "model": rng.choice((None, "m2")),
            "window": rng.choice((None, 0, 100, 500, 10**15)),
        },
        50,
    )


def _act(rng: Random, names: Names) -> Body:
    return {
        "page_ids": ids(rng, names, 1),
        **some(rng, {"reason": "why", "based_on_seq": rng.choice((None, 0, 3, 10**6))}, 20),
    }


def _tool_called(rng: Random, names: Names) -> Body:
    names.calls.append(f"c{len(names.calls)}" if maybe(rng, 90) else rng.choice(names.calls))
    may = {
        "kind": rng.choice(("read", "read", "write", "volatile")),
        "refresh": maybe(rng, 40),
        "reads": [rng.choice(RESOURCES) for _ in range(rng.randrange(3))],
        "writes": [rng.choice(RESOURCES) for _ in range(rng.randrange(3))],
        "exact": maybe(rng, 60),
    }
    return {
        "call_id": names.calls[-1],
        "tool": "t",
        "signature": rng.choice(SIGNATURES),
        **some(rng, may, 35),
    }


def _request(rng: Random, names: Names) -> str:
    names.requests.append(f"r{len(names.requests)}" if maybe(rng, 95) else rng.choice(names.requests))
    return names.requests[-1]


def _boundary(rng: Random, names: Names) -> Body:
    may = {
        "trigger": "auto",
        "tokens_before": rng.choice(COUNTS),
        "tokens_after": rng.choice((None, *COUNTS)),
        "preserved": None if maybe(rng, 40) else ids(rng, names),
        "dropped": ids(rng, names),
        "leaves_pointers": maybe(rng, 50),
        "summary_page": rng.choice((None, *names.pages)),
    }
    return {
        "kind": rng.choice(("compaction", "compaction", "prune", "flush", "reset", "shutdown")),
        **some(rng, may, 50),
    }


def _recall(rng: Random, names: Names) -> Body:
    reason = rng.choice((None, "NO_MATCH", "DENIED", "BACKEND_ERROR"))
    may = {"found": rng.choice(COUNTS), "reason": reason, "detail": "words", "pages": ids(rng, names)}
    return {"query": "q", **some(rng, may, 50)}


def _one(rng: Random, names: Names) -> str:
    return rng.choice(names.pages)


def _page_or_none(rng: Random, names: Names) -> str | None:
    return rng.choice((None, *names.pages))


def _recent(rng: Random, of: list[Any]) -> Any:
    return rng.choice(of[-3:] if maybe(rng, 85) else of)


MAKERS: dict[str, Callable[[Random, Names], Body]] = {
    "session_started": lambda r, n: started(r, n, r.choice(("enforced", "observed", "injected"))),
    "settings_changed": _settings,
    "page_created": lambda r, n: {"page": page(r, n, _one(r, n)), **some(r, {"rep_version": "1"})},
    "page_updated": lambda r, n: {
        "page_id": _one(r, n),
        "representations": representations(r, n, r.choice(PATHS)),
        **some(
            r,
            {
                "what": "w",
                "durable": maybe(r, 50),
                "provenance": provenance(r),
                "title": r.choice((None, "T")),
                "rep_version": "2",
            },
        ),
    },
    "page_superseded": lambda r, n: {
        "page_id": _one(r, n),
        **some(r, {"by": _page_or_none(r, n), "reason": "renamed"}),
    },
    "page_retired": lambda r, n: {"page_id": _one(r, n), **some(r, {"reason": "old"})},
    "page_linked": lambda r, n: {
        "page_id": _one(r, n),
        "session": r.choice(("s1", "s2", "x" * 600)),
        "relation": r.choice(("sub_agent", "fork", "rewind")),
    },
    "dirty_marked": lambda r, n: {"page_id": _one(r, n), **some(r, {"reason": "why"})},
    "demand_declared": lambda r, n: {
        "page_id": _one(r, n),
        "fidelity": r.choice(LABELS),
        **some(r, {"rule": "x"}),
    },
    "prompt_requested": lambda r, n: {
        "request_id": _request(r, n),
        **some(r, {"fixed_tokens": r.choice(COUNTS[:5])}),
    },
    "prompt_observed": lambda r, n: {
        "request_id": _request(r, n),
        **some(
            r,
            {
                "recorded_tokens": r.choice((None, *COUNTS)),
                "cached_tokens": r.choice((None, *COUNTS)),
                "model": "m",
                "unseen_items": {"system": r.choice(COUNTS), "tools": 3},
            },
        ),
    },
    "model_answered": lambda r, n: {
        "request_id": _recent(r, n.requests),
        **some(
            r,
            {
                "usage": {"input": r.choice(COUNTS)},
                "page_id": _page_or_none(r, n),
                "stop_reason": "end_turn",
                "prompt_sha256": r.choice((None, "00")),
                "prompt_matches": r.choice((None, True, False)),
            },
        ),
    },
    "demand_observed": lambda r, n: {
        "page_id": _one(r, n),
        "fidelity": r.choice(LABELS),
        **some(
            r, {"rule": "read_again", "evidence": "e", "exact": maybe(r, 50), "call_repeat": maybe(r, 40)}
        ),
    },
    "tool_called": _tool_called,
    "tool_returned": lambda r, n: {
        "call_id": _recent(r, n.calls),
        **some(r, {"page_id": _page_or_none(r, n), "error": maybe(r, 50)}, 70),
    },
    "recall": _recall,
    "write_staged": lambda r, n: {"update": update(r, n)},
    "write_judged": lambda r, n: {
        "update_id": r.choice(n.updates),
        "validator": r.choice((*VALIDATORS, "another")),
        "verdict": r.choice(("allow", "allow", "deny")),
        **some(r, {"reason": r.choice(("no", "x" * 500)), "evidence": "seen"}),
    },
    "write_resolved": lambda r, n: {
        "update_id": r.choice(n.updates),
        "action": r.choice(("approve", "merge", "drop")),
        **some(r, {"value": r.choice((None, "v", [0.5]))}),
    },
    "boundary": _boundary,
    "project_commit": lambda r, n: {
        "page_id": _one(r, n),
        "version": r.choice((0, 1, 2, 3, 10**12)),
        "representations": representations(r, n, r.choice((["structured", "full"], ["full"]))),
        **some(r, {"origin_session": "other", "base_version": r.choice((None, 0, 1))}),
    },
    "operator_pin": lambda r, n: {
        **_act(r, n),
        **some(
            r,
            {"pin": r.choice(("hard", "hard", "soft", "none")), "min_fidelity": r.choice((None, *LABELS))},
            60,
        ),
    },
    "operator_unpin": _act,
    "operator_demote": lambda r, n: {**_act(r, n), **some(r, {"cap": r.choice(LABELS)}, 80)},
    "operator_restore": lambda r, n: {**_act(r, n), **some(r, {"version": r.choice((None, 0, 1, 2))}, 50)},
    "operator_undo": lambda r, n: {"act_seq": _recent(r, n.acts), **some(r, {"reason": "oh"})},
    "receipt": lambda r, n: {
        "act_seq": _recent(r, n.acts),
        "seen": maybe(r, 50),
        **some(r, {"turn": r.choice((None, 0, 3, 10**15)), "how": "hash"}),
    },
    "session_ended": lambda r, n: some(r, {"reason": "done"}),
    "noted": lambda r, n: {"what": "title", **some(r, {"data": {"a": [1, {"b": 0.5}], "": None}})},
}


def body(rng: Random, names: Names, kind: str) -> Body:
    return MAKERS[kind](rng, names)
