"""A request that another program sent is refused."""

from __future__ import annotations

from batchmagic.errors.usage import UsageError


class RequestError(UsageError):
    """A request is refused."""

    code = "bad_request"


class NotAuthenticated(RequestError):
    """The request carries no credentials that are known here."""

    code = "not_authenticated"
    status = 401
    way_out = "Send `Authorization: Bearer TOKEN`; `batchmagic token create` makes one."


class NotAllowed(RequestError):
    """The credentials of the request do not allow this."""

    code = "not_allowed"
    status = 403


class NotDeclared(NotAllowed):
    """A place is named that callers have not been given."""

    code = "not_declared"


class BodyTooLarge(RequestError):
    """The body of the request is too large."""

    code = "body_too_large"
    status = 413


class WrongMediaType(RequestError):
    """The body of the request is of a kind that is not read here."""

    code = "wrong_media_type"
    status = 415


class TooManyRequests(RequestError):
    """There is too much to do already.

    Attributes
    ----------
    retry_after
        Seconds after which it is worth trying again.
    """

    code = "too_many_requests"
    status = 429

    def __init__(self, message: str | None = None, *, retry_after: int, target: str | None = None) -> None:
        self.retry_after = retry_after
        super().__init__(message, target=target, hint=f"Try again in {retry_after} s.")
