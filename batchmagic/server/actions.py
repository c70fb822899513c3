"""What a method of a handler does: the one description that checks, audit, OpenAPI and tests are made from."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from tornado import web

from batchmagic.errors import BatchMagicError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchmagic.server.identity import Scope

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_MARK = "batchmagic_action"


@dataclass(frozen=True, kw_only=True, slots=True)
class Action:
    """One verb of one route.

    Attributes
    ----------
    scope
        What credentials must be good for; None: anybody may, without any.
    summary
        In words.
    own_jobs
        Callers with the scope ``invoke`` may too, for jobs that they started.
    any_endpoint
        Credentials of one endpoint may too: the handler leaves out what they must not see.
    body, answer
        Names of schemas of the OpenAPI document; empty: there is none.
    status
        Of a success.
    query
        Parameters in the query, with what they mean.
    media
        Of the answer.
    """

    scope: Scope | None
    summary: str
    own_jobs: bool = False
    any_endpoint: bool = False
    body: str = ""
    answer: str = ""
    status: int = 200
    query: tuple[tuple[str, str], ...] = ()
    media: str = "application/json"


def action(**description: Any) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Any]]:
    """Make a method of a handler an action; the arguments are those of `Action`.

    Our errors become answers, so a handler raises them as the sdk does.
    """
    described = Action(**description)

    def mark(method: Callable[..., Awaitable[None]]) -> Callable[..., Any]:
        @functools.wraps(method)
        async def guarded(self: Any, *args: Any, **values: Any) -> None:
            try:
                await method(self, *args, **values)
            except BatchMagicError as error:
                if self._headers_written:
                    raise
                self.fail(error)

        # Jupyter wants each method to say how it is authenticated; ours has been in `prepare`.
        known = web.authenticated(guarded)
        setattr(known, _MARK, described)
        return cast("Callable[..., Any]", known if described.scope else _public(guarded, described))

    return mark


def _public(method: Callable[..., Any], described: Action) -> Callable[..., Any]:
    setattr(method, "__allow_unauthenticated", True)
    setattr(method, _MARK, described)
    return method


def action_of(handler: type[Any], method: str) -> Action | None:
    """Return what the handler does for a method such as ``GET``; None if it does nothing."""
    return cast("Action | None", getattr(getattr(handler, method.lower(), None), _MARK, None))
