"""Users, passwords, tokens and login sessions."""

from tallybook.auth.sessions import Sessions, current_user, login, logout

__all__ = ["Sessions", "current_user", "login", "logout"]
