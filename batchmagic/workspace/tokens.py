"""Named tokens, with which other programs come in over HTTP. Their texts are nowhere: only hashes of them are kept.

A text is ``bmt_<id>_<secret>``. The id finds the row; the secret has 256 random bits, so that a plain SHA-256 of it
is as good as a slow one: there is nothing to guess.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, or_, select, update

from batchmagic.errors import (
    ResourceExistsError,
    ResourceNotFoundError,
    StateError,
    ValidationException,
    WorkspaceError,
)
from batchmagic.names import check_name
from batchmagic.workspace.records import moment, now
from batchmagic.workspace.tables import endpoints, tokens
from batchmagic.workspace.vocabulary import MANAGE, SCOPES, TOKEN_PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sqlalchemy import Connection, Row

    from batchmagic.workspace.database import Database

MANAGE_DAYS = 90
"""How long a token with `manage` is good when nobody says otherwise: it can do all that its owner can."""
_TOUCH_SECONDS = 60.0
_LONGEST = 200
_NO_DIGEST = hashlib.sha256(secrets.token_bytes()).digest()

log = logging.getLogger("batchmagic.tokens")


@dataclass(frozen=True, kw_only=True, slots=True)
class Token:
    """A token as it is known: without its text.

    Attributes
    ----------
    id
        The part of its text that is no secret.
    scopes
        What it was given, of ``invoke``, ``read`` and ``manage``.
    endpoint
        The one endpoint that it is good for; None for all of them.
    expires_at
        From when on it is good for nothing; None for never.
    """

    id: str
    name: str
    scopes: frozenset[str]
    endpoint: str | None
    created_at: datetime
    expires_at: datetime | None = None
    last_used_at: datetime | None = None
    revoked_at: datetime | None = None

    @property
    def state(self) -> str:
        """``active``, ``expired`` or ``revoked``."""
        if self.revoked_at is not None:
            return "revoked"
        is_over = self.expires_at is not None and self.expires_at <= datetime.now(UTC)
        return "expired" if is_over else "active"

    @property
    def is_valid(self) -> bool:
        """Whether it lets anybody in."""
        return self.state == "active"

    @property
    def grants(self) -> frozenset[str]:
        """Its scopes with those that they include: `manage` includes all."""
        return frozenset(SCOPES) if MANAGE in self.scopes else self.scopes


class TokenStore:
    """The tokens of a workspace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(
        self,
        name: str,
        *,
        scopes: Iterable[str],
        endpoint: str | None = None,
        expires_in: timedelta | None = None,
    ) -> tuple[Token, str]:
        """Make a token and return it with its text, which nobody can find out again.

        Parameters
        ----------
        scopes
            At least one of `SCOPES`.
        endpoint
            The one endpoint that it shall be good for.
        expires_in
            How long it is good; None: until it is revoked.

        Raises
        ------
        ValidationException
            If a value makes no sense.
        ResourceNotFoundError
            If there is no such endpoint.
        ResourceExistsError
            If a token of that name exists and was not revoked, expired or not.
        """
        check_name("token", name)
        kept = _checked_scopes(scopes)
        expires_at = _end(expires_in)
        token_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        with self._database.write() as connection:
            _refuse_taken(connection, name)
            connection.execute(
                insert(tokens).values(
                    id=token_id,
                    name=name,
                    digest=_digest(secret).hex(),
                    scopes=kept,
                    endpoint=None if endpoint is None else _endpoint(connection, endpoint),
                    created_at=now(),
                    expires_at=expires_at,
                )
            )
            row = connection.execute(select(tokens).where(tokens.c.id == token_id)).one()
        return _token(row), f"{TOKEN_PREFIX}{token_id}_{secret}"

    def find(self, text: str) -> Token | None:
        """Return the valid token of which `text` is the text; None if it is none, or is expired or revoked.

        An unknown id takes the same way as a wrong secret, so that the time tells nothing.
        """
        token_id, secret = _parts(text)
        with self._database.read() as connection:
            row = connection.execute(select(tokens).where(tokens.c.id == token_id)).one_or_none()
        stored = _NO_DIGEST if row is None else bytes.fromhex(row.digest)
        fits = hmac.compare_digest(stored, _digest(secret))
        if row is None or not fits:
            return None
        token = _token(row)
        return token if token.is_valid else None

    def list(self) -> list[Token]:
        """Return all tokens, revoked ones too, in the order in which they were made."""
        with self._database.read() as connection:
            rows = connection.execute(select(tokens).order_by(tokens.c.created_at, tokens.c.id)).all()
        return [_token(row) for row in rows]

    def revoke(self, name: str) -> Token:
        """Make the token good for nothing, at once and for ever, and return it; its name is free again.

        Raises
        ------
        ResourceNotFoundError
            If there is none of that name.
        StateError
            If all tokens of that name were revoked before.
        """
        with self._database.write() as connection:
            row = _living(connection, name)
            if row is None:
                raise _nothing_to_revoke(connection, name)
            connection.execute(update(tokens).where(tokens.c.id == row.id).values(revoked_at=now()))
            return _token(connection.execute(select(tokens).where(tokens.c.id == row.id)).one())

    def touch(self, token: Token) -> None:
        """Write down that the token was used; at most once a minute, and never at the cost of the request."""
        before = time.time() - _TOUCH_SECONDS
        if token.last_used_at is not None and token.last_used_at.timestamp() > before:
            return
        is_old = or_(tokens.c.last_used_at.is_(None), tokens.c.last_used_at <= before)
        try:
            with self._database.write() as connection:
                connection.execute(
                    update(tokens).where(tokens.c.id == token.id, is_old).values(last_used_at=now())
                )
        except WorkspaceError as error:
            # A full disk or a busy store must not lock out those who only want to read.
            log.warning("the last use of token %s could not be written: %s", token.name, error)


def default_lifetime(scopes: Iterable[str]) -> timedelta | None:
    """Return how long a token with these scopes is good when nobody says otherwise; None: until it is revoked.

    A pipeline must not stop one night because its token was made some months before; what can define code is
    another matter.
    """
    return timedelta(days=MANAGE_DAYS) if MANAGE in scopes else None


def _checked_scopes(scopes: Iterable[str]) -> list[str]:
    given = [scopes] if isinstance(scopes, str) else list(scopes)
    for scope in given:
        if scope not in SCOPES:
            raise ValidationException(
                field="scope", value=scope, reason="is no scope", hint=f"Known: {', '.join(SCOPES)}."
            )
    if not given:
        raise ValidationException(
            field="scope", value=None, reason="is missing", hint=f"Give at least one of: {', '.join(SCOPES)}."
        )
    return [scope for scope in SCOPES if scope in given]


def _end(expires_in: timedelta | None) -> float | None:
    if expires_in is None:
        return None
    if expires_in <= timedelta(0):
        raise ValidationException(
            field="expires", value=str(expires_in), reason="is over already", hint="Write for example 30d."
        )
    try:
        return (datetime.now(UTC) + expires_in).timestamp()
    except OverflowError as error:
        raise ValidationException(
            field="expires", value=str(expires_in), reason="is after the end of the calendar"
        ) from error


def _endpoint(connection: Connection, name: str) -> str:
    stored = connection.execute(select(endpoints.c.name).where(endpoints.c.name == name)).scalar()
    if stored is None:
        known = connection.execute(select(endpoints.c.name)).scalars().all()
        raise ResourceNotFoundError(kind="endpoint", name=name, known=known)
    return str(stored)


def _living(connection: Connection, name: str) -> Row[Any] | None:
    return connection.execute(
        select(tokens).where(tokens.c.name == name, tokens.c.revoked_at.is_(None))
    ).one_or_none()


def _refuse_taken(connection: Connection, name: str) -> None:
    row = _living(connection, name)
    if row is not None:
        token = _token(row)
        raise ResourceExistsError(
            f"There is a token {token.name!r} already; it is {token.state}.",
            target="name",
            hint=f"Use another name, or revoke it first: token revoke {token.name}",
        )


def _nothing_to_revoke(connection: Connection, name: str) -> ResourceNotFoundError | StateError:
    rows = connection.execute(select(tokens.c.name, tokens.c.revoked_at)).all()
    if any(row.name.lower() == name.lower() for row in rows):
        return StateError(f"Token {name!r} was revoked before.", target="name")
    known = [row.name for row in rows if row.revoked_at is None]
    return ResourceNotFoundError(kind="token", name=name, known=known)


def _parts(text: str) -> tuple[str, str]:
    """Return id and secret; what is no text of a token has an id that nobody has."""
    head, _, rest = text.partition("_")
    token_id, _, secret = rest.partition("_")
    is_one = f"{head}_" == TOKEN_PREFIX and text.isascii() and len(text) <= _LONGEST
    return (token_id, secret) if is_one else ("", "")


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("ascii")).digest()


def _token(row: Row[Any]) -> Token:
    return Token(
        id=row.id,
        name=row.name,
        scopes=frozenset(row.scopes),
        endpoint=row.endpoint,
        created_at=datetime.fromtimestamp(row.created_at, tz=UTC),
        expires_at=moment(row.expires_at),
        last_used_at=moment(row.last_used_at),
        revoked_at=moment(row.revoked_at),
    )
