"""Pages as an event log makes them, and what a write touches. Fidelities are ranks (0 absent … 4 full)."""

from __future__ import annotations

from dataclasses import dataclass, fields

from .workloads import ABSENT, DEFAULT_PIN, PATHS, Page, rank


@dataclass
class LogPage(Page):
    """A page of a session. `gone`: "" while it is in the table, else superseded or retired."""

    inferred: bool = False
    resolvable: bool = True
    resources: tuple[str, ...] = ()
    own_pin: str = "none"  # as it was created, like the next
    own_minimum: int = ABSENT
    text: int = 0  # the seq of the event that brought it
    gone: str = ""
    cap: int | None = None  # an operator's demotion
    restore: int = 0  # the act by which an operator asked for it in full in the next prompt


@dataclass
class Usable(Page):
    """A page as the selector sees it: only the representations that an operator's cap leaves."""

    def serving(self, wanted: int) -> int:
        """The lowest usable representation at or above `wanted`; where there is none, the highest usable."""
        above = [fidelity for fidelity in self.tokens if fidelity >= wanted]
        return min(above) if above else max(self.tokens)


def usable(page: LogPage) -> Usable:
    """Usable are the representations up to the cap, and always the minimum's."""
    data = {one.name: getattr(page, one.name) for one in fields(Page)}
    if page.cap is not None:
        lowest = page.serving(page.minimum)
        data["tokens"] = {f: n for f, n in page.tokens.items() if f <= page.cap or f == lowest}
    return Usable(**data)


def tokens_of(representations: dict[str, dict]) -> dict[int, int]:
    """Kept are those on their way up: "a representation not smaller than the next higher one is not kept"."""
    tokens = {rank(label): one["tokens"] for label, one in representations.items()}
    for fidelity in sorted(tokens, reverse=True)[1:]:
        higher = min(other for other in tokens if other > fidelity)
        if tokens[fidelity] >= tokens[higher]:
            del tokens[fidelity]
    return tokens


def page_of(raw: dict, place: int) -> LogPage:
    """`raw`: the page of a `page_created`."""
    inferred = raw.get("inferred", False)
    pin = raw.get("pin") or DEFAULT_PIN.get(raw["type"], "none")
    if inferred and pin == "hard":
        pin = "soft"  # "an inferred rule is never hard-pinned unconfirmed"
    minimum = rank(raw.get("min_fidelity") or PATHS[raw["type"]][0])
    return LogPage(
        page_id=raw["page_id"],
        type=raw["type"],
        scope=raw.get("scope", "session"),
        pin=pin,
        minimum=minimum,
        own_minimum=minimum,
        tokens=tokens_of(raw["representations"]),
        base_utility=float(raw.get("base_utility", 0)),
        recompute_cost=float(raw.get("recompute_cost", 0)),
        created=0,
        place=place,
        dirty=raw.get("dirty", False),
        inferred=inferred,
        own_pin=pin,
        resolvable=raw.get("resolvable", True),
        resources=tuple(raw.get("resources", ())),
    )


def touches(written: str, resource: str) -> bool:
    """Whether a write to `written` changes what depends on `resource`: itself, a folder that it is in, what
    is in it (of a
    folder), and the workspace, which is everything."""
    if resource in (written, "workspace"):
        return True
    place, other = path(written), path(resource)
    if resource.startswith("dir:") and inside(place, other):
        return True
    return written.startswith("dir:") and inside(other, place)


def path(resource: str) -> str | None:
    for kind in ("file:", "dir:"):
        if resource.startswith(kind):
            return resource[len(kind) :]
    return None


def inside(inner: str | None, outer: str | None) -> bool:
    if inner is None or outer is None:
        return False
    return inner != outer and inner.startswith(outer.rstrip("/") + "/")
