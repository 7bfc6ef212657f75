"""One function a route: check the input, call one service function, shape the answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tallybook import ledger, reports
from tallybook.auth import Sessions, current_user, login, logout
from tallybook.errors import TallybookError
from tallybook.orders import Line, cancel_order, place_order


@dataclass(frozen=True)
class Request:
    """What a handler gets."""

    sessions: Sessions
    token: str
    path: dict[str, str]
    body: dict[str, Any]

    def text(self, key: str) -> str:
        """A text of the body, which must be there."""
        value = self.body.get(key)
        if not isinstance(value, str) or not value:
            raise TallybookError(f"{key} is missing")
        return value


def post_login(request: Request) -> dict[str, Any]:
    """Name and password for a token."""
    remember = bool(request.body.get("remember"))
    token = login(request.sessions, request.text("name"), request.text("password"), remember)
    return {"token": token.text, "expires_at": token.expires_at.isoformat()}


def post_logout(request: Request) -> dict[str, Any]:
    """Revoke the token of this request."""
    logout(request.sessions, request.token)
    return {}


def post_order(request: Request) -> dict[str, Any]:
    """Place an order."""
    user = current_user(request.sessions, request.token)
    try:
        lines = [
            Line(line["sku"], int(line["quantity"]), int(line["unit_cents"]))
            for line in request.body["lines"]
        ]
    except (KeyError, TypeError, ValueError) as error:
        raise TallybookError(f"lines are not well-formed: {error}") from error
    order = place_order(request.sessions.database, user, lines)
    return {"order": order.id, "total": ledger.format_cents(order.total_cents)}


def delete_order(request: Request) -> dict[str, Any]:
    """Cancel an order."""
    user = current_user(request.sessions, request.token)
    cancel_order(request.sessions.database, user, int(request.path["order"]))
    return {}


def get_report(request: Request) -> dict[str, Any]:
    """The figures of a month."""
    current_user(request.sessions, request.token)
    month = reports.monthly(request.sessions.database, int(request.path["year"]), int(request.path["month"]))
    return {"orders": month.orders, "total": ledger.format_cents(month.total_cents)}


def get_balance(request: Request) -> dict[str, Any]:
    """The balance of an account."""
    current_user(request.sessions, request.token)
    return {"balance": ledger.format_cents(ledger.balance(request.sessions.database, request.path["code"]))}
