"""Named tokens, for those who may do everything."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from batchmagic.errors import UnknownField, ValidationException
from batchmagic.sdk.ages import age
from batchmagic.server.actions import action
from batchmagic.server.base import BatchHandler
from batchmagic.server.handlers.definitions import gone

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.workspace.tokens import Token

_FIELDS = ("name", "scopes", "endpoint", "expires")


class TokenList(BatchHandler):
    """All tokens."""

    @action(scope="manage", summary="List the named tokens, without their texts", answer="TokenList")
    async def get(self) -> None:
        """Return them in the order in which they were made."""
        ws = await self.service.call(self.service.client.session.peek)
        tokens = await self.service.call(ws.tokens.list) if ws else []
        self.answer({"value": [described(token) for token in tokens], "nextLink": None})

    @action(
        scope="manage",
        summary="Make a token; its text is in this answer and nowhere else",
        body="NewToken",
        answer="MadeToken",
        status=201,
    )
    async def post(self) -> None:
        """Make it."""
        token, text = await self.service.call(self._create, self.body())
        self.audit(target=f"token {token.name}", scopes=sorted(token.scopes))
        self.answer({**described(token), "token": text}, HTTPStatus.CREATED)

    def _create(self, values: Mapping[str, Any]) -> tuple[Token, str]:
        for key in values:
            if key not in _FIELDS:
                raise UnknownField(field=key, owner="token", known=_FIELDS)
        scopes, expires = values.get("scopes"), values.get("expires")
        if not isinstance(scopes, list) or not all(isinstance(scope, str) for scope in scopes):
            raise ValidationException(
                field="scopes", value=scopes, reason="is no list of scopes", hint='Send ["invoke"].'
            )
        for field in ("name", "endpoint", "expires"):
            if not isinstance(values.get(field, ""), str):
                raise ValidationException(field=field, value=values[field], reason="must be text")
        from batchmagic.workspace.tokens import default_lifetime  # noqa: PLC0415 - brings SQLAlchemy

        return self.service.client.session.write().tokens.create(
            values.get("name", ""),
            scopes=scopes,
            endpoint=values.get("endpoint"),
            expires_in=default_lifetime(scopes) if expires is None else age(expires, field="expires"),
        )


class OneToken(BatchHandler):
    """One token."""

    @action(scope="manage", summary="Revoke the token", status=204)
    async def delete(self, token: str) -> None:
        """Make it good for nothing, at once."""
        await self.service.call(self.service.workspace().tokens.revoke, token)
        self.audit(target=f"token {token}")
        gone(self)


def described(token: Token) -> dict[str, Any]:
    """Return what is known of a token."""
    times = {
        "created_at": token.created_at,
        "expires_at": token.expires_at,
        "last_used_at": token.last_used_at,
        "revoked_at": token.revoked_at,
    }
    return {
        "name": token.name,
        "scopes": sorted(token.scopes),
        "endpoint": token.endpoint,
        "state": token.state,
        **{key: None if value is None else value.isoformat() for key, value in times.items()},
    }
