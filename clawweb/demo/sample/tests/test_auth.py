"""Passwords, tokens and login."""

import unittest
from datetime import UTC, datetime, timedelta

from tallybook import auth, clock
from tallybook.auth.passwords import check_password, hash_password, register
from tallybook.config import Settings
from tallybook.db import open_database
from tallybook.errors import AuthenticationError

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)


class PasswordTests(unittest.TestCase):
    def test_right_and_wrong(self) -> None:
        stored = hash_password("correct horse")
        self.assertTrue(check_password("correct horse", stored))
        self.assertFalse(check_password("wrong horse", stored))

    def test_salt_differs(self) -> None:
        self.assertNotEqual(hash_password("same"), hash_password("same"))


class LoginTests(unittest.TestCase):
    def setUp(self) -> None:
        self.sessions = auth.Sessions(open_database(), Settings(token_secret=b"for tests"))
        self.user = register(self.sessions.database, "mira", "correct horse")

    def test_login_gives_a_token_of_the_user(self) -> None:
        token = auth.login(self.sessions, "mira", "correct horse")
        self.assertEqual(auth.current_user(self.sessions, token.text), self.user)

    def test_unknown_name_and_wrong_password_look_alike(self) -> None:
        messages = []
        for name in ("mira", "nobody"):
            with self.assertRaises(AuthenticationError) as caught:
                auth.login(self.sessions, name, "wrong")
            messages.append(str(caught.exception))
        self.assertEqual(messages[0], messages[1])

    def test_token_expires(self) -> None:
        with clock.stopped_at(NOON):
            token = auth.login(self.sessions, "mira", "correct horse")
        with clock.stopped_at(NOON + timedelta(hours=12)), self.assertRaises(AuthenticationError):
            auth.current_user(self.sessions, token.text)

    def test_remembered_token_lives_longer(self) -> None:
        with clock.stopped_at(NOON):
            token = auth.login(self.sessions, "mira", "correct horse", remember=True)
        with clock.stopped_at(NOON + timedelta(days=29)):
            self.assertEqual(auth.current_user(self.sessions, token.text), self.user)

    def test_logout_revokes(self) -> None:
        token = auth.login(self.sessions, "mira", "correct horse")
        auth.logout(self.sessions, token.text)
        with self.assertRaises(AuthenticationError):
            auth.current_user(self.sessions, token.text)

    def test_five_failures_lock_the_name(self) -> None:
        with clock.stopped_at(NOON):
            for _ in range(5):
                with self.assertRaises(AuthenticationError):
                    auth.login(self.sessions, "mira", "wrong")
            with self.assertRaises(AuthenticationError):
                auth.login(self.sessions, "mira", "correct horse")
        with clock.stopped_at(NOON + timedelta(minutes=16)):
            auth.login(self.sessions, "mira", "correct horse")


if __name__ == "__main__":
    unittest.main()
