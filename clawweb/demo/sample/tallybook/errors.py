"""Errors that a client may see. Each carries the status that the API answers with."""

from __future__ import annotations


class TallybookError(Exception):
    """Base of everything that may leave a handler."""

    status = 400
    code = "bad_request"

    def __init__(self, message: str = "") -> None:
        super().__init__(message or self.__doc__ or self.code)


class AuthenticationError(TallybookError):
    """Wrong name or password, or the token is not valid."""

    status = 401
    code = "not_authenticated"


class PermissionDenied(TallybookError):
    """This user may not do that."""

    status = 403
    code = "denied"


class NotFound(TallybookError):
    """There is no such thing."""

    status = 404
    code = "not_found"


class Unbalanced(TallybookError):
    """The postings of a booking do not add up to zero."""

    status = 422
    code = "unbalanced"


class ConfigurationError(Exception):
    """The service cannot start with these settings. Never sent to a client."""
