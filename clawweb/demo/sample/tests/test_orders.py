"""Orders, reports and the API."""

import io
import json
import unittest
from datetime import UTC, datetime
from typing import Any

from tallybook import clock, ledger, reports
from tallybook.api.app import Application
from tallybook.auth.passwords import register
from tallybook.config import Settings
from tallybook.db import open_database
from tallybook.errors import PermissionDenied
from tallybook.orders import Line, cancel_order, place_order
from tallybook.orders.pricing import line_total


class OrderTests(unittest.TestCase):
    def setUp(self) -> None:
        self.database = open_database()
        self.user = register(self.database, "mira", "correct horse")

    def test_discount_by_volume(self) -> None:
        self.assertEqual(line_total(Line("A", 9, 1000)), 9000)
        self.assertEqual(line_total(Line("A", 10, 1000)), 9700)
        self.assertEqual(line_total(Line("A", 100, 1000)), 88000)

    def test_order_is_booked(self) -> None:
        order = place_order(self.database, self.user, [Line("A", 2, 1050), Line("B", 1, 999)])
        self.assertEqual(order.total_cents, 3099)
        self.assertEqual(ledger.balance(self.database, "1400"), 3099)

    def test_cancel_reverses(self) -> None:
        order = place_order(self.database, self.user, [Line("A", 1, 100)])
        cancel_order(self.database, self.user, order.id)
        self.assertEqual(ledger.balance(self.database, "1400"), 0)

    def test_only_the_owner_cancels(self) -> None:
        order = place_order(self.database, self.user, [Line("A", 1, 100)])
        with self.assertRaises(PermissionDenied):
            cancel_order(self.database, self.user + 1, order.id)

    def test_report_counts_a_month(self) -> None:
        for day in (datetime(2026, 5, 31, 12, tzinfo=UTC), datetime(2026, 6, 1, 12, tzinfo=UTC)):
            with clock.stopped_at(day):
                place_order(self.database, self.user, [Line("A", 1, 100)])
        self.assertEqual(reports.monthly(self.database, 2026, 6).orders, 1)


class ApiTests(unittest.TestCase):
    def setUp(self) -> None:
        self.app = Application(Settings(database=":memory:", token_secret=b"for tests"))
        register(self.app.sessions.database, "mira", "correct horse")

    def call(
        self, method: str, path: str, body: dict[str, Any] | None = None, token: str = ""
    ) -> tuple[str, Any]:
        raw = json.dumps(body or {}).encode()
        answered: list[str] = []
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_LENGTH": str(len(raw)),
            "wsgi.input": io.BytesIO(raw),
            "HTTP_AUTHORIZATION": f"Bearer {token}",
        }
        payload = b"".join(self.app(environ, lambda status, headers: answered.append(status)))
        return answered[0], json.loads(payload)

    def test_login_order_report(self) -> None:
        status, answer = self.call("POST", "/login", {"name": "mira", "password": "correct horse"})
        self.assertEqual(status, "200 OK")
        lines = [{"sku": "A", "quantity": 2, "unit_cents": 150}]
        status, order = self.call("POST", "/orders", {"lines": lines}, answer["token"])
        self.assertEqual((status, order["total"]), ("200 OK", "3.00"))

    def test_no_token_no_order(self) -> None:
        status, answer = self.call("POST", "/orders", {"lines": []})
        self.assertEqual((status, answer["error"]), ("401 Unauthorized", "not_authenticated"))

    def test_unknown_route(self) -> None:
        self.assertEqual(self.call("GET", "/nothing")[0], "404 Not Found")


if __name__ == "__main__":
    unittest.main()
