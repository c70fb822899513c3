"""``token create | list | revoke``. The text of a token goes to one place, once, and a notebook is none: it is saved."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.errors import ResourceExistsError, ValidationException
from batchmagic.names import check_name, safe_join
from batchmagic.sdk.ages import age
from batchmagic.verbs.outcome import Outcome
from batchmagic.words import ago, date_text, short_path

if TYPE_CHECKING:
    from datetime import timedelta

    from batchmagic.verbs.context import Context
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.tokens import Token

_FOLDER = "tokens"
_NEVER = "never"
_MANAGE = (
    "manage can define code that runs as you, whatever endpoint it is for: whoever has this token has a shell. "
    "A server takes changes only when it was started with --allow-manage."
)


def create(context: Context) -> Outcome:
    """Make a token and give its text to whoever asked: on a terminal, or in a private file."""
    from batchmagic.workspace.folders import write_private  # noqa: PLC0415

    arguments = context.arguments
    scopes = arguments.scope or ["invoke"]
    lifetime = _lifetime(arguments.expires, scopes)
    check_name("token", arguments.name)
    ws = context.session.write()
    file = _file(context, ws)
    token, text = ws.tokens.create(
        arguments.name, scopes=scopes, endpoint=arguments.endpoint, expires_in=lifetime
    )
    document = _document(token)
    if file is None:
        context.face.note(f"{_sentence(token)} This is its text, which is kept nowhere:")
        _warn(context, token)
        return Outcome(document={**document, "token": text}, text=text)
    try:
        write_private(file, f"{text}\n".encode("ascii"))
    except OSError:
        ws.tokens.revoke(token.name)  # nobody has its text
        raise
    _warn(context, token)
    where = short_path(str(file))
    told = (
        f"{_sentence(token)} Its text is in {where}, which only you can read, and nowhere else: give it to the "
        f'caller and delete the file. In a shell: export BATCHMAGIC_TOKEN="$(cat {where})"'
    )
    return Outcome(document={**document, "file": str(file)}, text=told)


def list_(context: Context) -> Outcome:
    """List tokens."""
    ws = context.session.peek()
    tokens = ws.tokens.list() if ws else []
    rows = [
        {
            "name": token.name,
            "scopes": _scopes(token),
            "endpoint": token.endpoint or "all",
            "state": token.state,
            "expires": date_text(token.expires_at) if token.expires_at else _NEVER,
            "last used": ago(token.last_used_at) or _NEVER,
            "made": date_text(token.created_at),
        }
        for token in tokens
    ]
    nothing = f"No tokens yet. `{context.command} token create NAME` makes one."
    return Outcome(document=[_document(token) for token in tokens], rows=rows, nothing=nothing)


def revoke(context: Context) -> Outcome:
    """Make a token good for nothing."""
    ws = context.session.read()
    token = ws.tokens.revoke(context.arguments.name)
    _own_file(ws, token.name).unlink(missing_ok=True)
    text = f"Token {token.name} is revoked: no server lets it in any more. Jobs that it started go on."
    return Outcome(document=_document(token), text=text)


def _lifetime(text: str | None, scopes: list[str]) -> timedelta | None:
    from batchmagic.workspace.tokens import default_lifetime  # noqa: PLC0415

    if text is None:
        return default_lifetime(scopes)
    return None if text.strip().lower() == _NEVER else age(text, field="--expires")


def _file(context: Context, ws: Workspace) -> Path | None:
    """Return where the text is to be written; None if it is to be shown."""
    from batchmagic.workspace.folders import private_folder  # noqa: PLC0415

    if context.arguments.to is None:
        if not context.face.keeps_output:
            return None
        private_folder(ws.root / _FOLDER)
        return _own_file(ws, context.arguments.name)
    target = Path(context.arguments.to).expanduser().absolute()
    if not target.parent.is_dir():
        raise ValidationException(
            field="--to",
            value=str(target),
            reason="is in a folder that does not exist",
            hint="Make it first.",
        )
    if os.path.lexists(target):
        raise ResourceExistsError(
            f"The file {target} exists already.", target="--to", hint="Name another one."
        )
    return target


def _own_file(ws: Workspace, name: str) -> Path:
    return safe_join(ws.root, _FOLDER, f"{name}.txt")


def _warn(context: Context, token: Token) -> None:
    if "manage" in token.scopes:
        context.face.note(_MANAGE)


def _sentence(token: Token) -> str:
    end = f"until {date_text(token.expires_at)}" if token.expires_at else "until it is revoked"
    where = f"endpoint {token.endpoint}" if token.endpoint else "all endpoints"
    return f"Token {token.name}: {_scopes(token)}, for {where}, {end}."


def _scopes(token: Token) -> str:
    from batchmagic.workspace.vocabulary import SCOPES  # noqa: PLC0415

    return ", ".join(scope for scope in SCOPES if scope in token.scopes)


def _document(token: Token) -> dict[str, Any]:
    def iso(when: Any) -> str | None:
        return None if when is None else when.isoformat()

    return {
        "name": token.name,
        "scopes": _scopes(token).split(", "),
        "endpoint": token.endpoint,
        "state": token.state,
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "last_used_at": iso(token.last_used_at),
        "revoked_at": iso(token.revoked_at),
    }
