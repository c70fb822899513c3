"""``serve``: start, show and stop the server of a workspace. It is another process; this one only tells of it."""

from __future__ import annotations

import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from batchmagic.errors import StateError, UsageError, ValidationException
from batchmagic.verbs.context import COMPLETED, FAILED
from batchmagic.verbs.outcome import Outcome
from batchmagic.words import ago

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.verbs.context import Context
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.servers import ServerRecord

_PLACES = ("root", "output_root")
_FILES = ("certfile", "keyfile")


def serve(context: Context) -> Outcome:
    """Start the server, or show the one that runs, or stop it."""
    from batchmagic.sdk import serving  # noqa: PLC0415 - brings the workspace

    arguments = context.arguments
    if arguments.stop and arguments.status:
        raise UsageError("--stop and --status exclude each other.")
    if arguments.status:
        return _status(context)
    if arguments.stop:
        return _stop(context)
    options = list(_options(context))
    ws = context.session.write()
    running = serving.own_server(ws)
    in_background = context.face.keeps_output or arguments.background
    if running is not None and not in_background:
        raise StateError(
            f"The server of this workspace runs already, at {running.url}.",
            target="server",
            hint=f"`{context.command} serve --stop` ends it.",
        )
    if not in_background:
        _become(serving.command(ws, options), serving.environment())
    if running is not None:
        context.face.note("It runs already; with other options, stop it first.")
    return _told(context, ws, running or serving.start(ws, options))


def _become(command: list[str], environment: dict[str, str]) -> None:
    """Go on as the server: what watches this process, a terminal or an init system, watches the server then."""
    os.execve(command[0], command, environment)  # noqa: S606 - no shell is wanted


def _options(context: Context) -> Iterator[str]:
    """Yield the options of ``jupyter batchmagic``; paths are those that they are here."""
    arguments = context.arguments
    yield f"--host={arguments.host}"
    yield f"--port={arguments.port}"
    yield f"--log-format={arguments.log_format}"
    for name in _PLACES:
        for given in getattr(arguments, name) or ():
            yield f"--{name.replace('_', '-')}={_folder(given, name)}"
    for given in arguments.url_prefix or ():
        url, _, folder = given.rpartition("=")
        if not url:
            raise ValidationException(
                field="--url-prefix",
                value=given,
                reason="names no folder",
                hint="Write https://account.blob.core.windows.net/in/=/mnt/in",
            )
        yield f"--url-prefix={url}={_folder(folder, 'url_prefix')}"
    for name in _FILES:
        if given := getattr(arguments, name):
            yield f"--{name}={Path(given).expanduser().absolute()}"
    if arguments.public_url:
        yield f"--public-url={_checked_url(arguments.public_url)}"
    for name in ("http", "allow_manage"):
        if getattr(arguments, name):
            yield f"--{name.replace('_', '-')}"


def _folder(given: str, option: str) -> Path:
    folder = Path(given).expanduser().absolute()
    if not folder.is_dir():
        raise ValidationException(
            field=f"--{option.replace('_', '-')}",
            value=given,
            reason="is no folder",
            hint="Callers can only name what is in a folder that is there.",
        )
    return Path(os.path.normpath(folder))


def _checked_url(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.query or parts.username:
        raise ValidationException(
            field="--public-url",
            value=url,
            reason="is no address of a server",
            hint="Write https://batch.example.org, with a path if the proxy has one.",
        )
    return url


def _told(context: Context, ws: Workspace, record: ServerRecord) -> Outcome:
    from batchmagic.sdk.serving import greeting  # noqa: PLC0415

    lines = greeting(record, workspace=ws.root, command=context.command)
    return Outcome(document=_document(record), text="\n".join(lines))


def _status(context: Context) -> Outcome:
    ws = context.session.peek()
    running = ws.servers.running() if ws else []
    rows = [
        {
            "address": record.address,
            "kind": record.kind,
            "process": str(record.identity.pid) + ("" if record.is_here else f" on {record.machine}"),
            "started": ago(datetime.fromisoformat(record.started_at)),
            "certificate": (record.fingerprint or "")[:23],
            "trust": record.authority,
        }
        for record in running
    ]
    return Outcome(
        document=[_document(record) for record in running],
        rows=rows,
        nothing=f"No server runs. `{context.command} serve` starts one.",
        code=COMPLETED if running else FAILED,
    )


def _stop(context: Context) -> Outcome:
    from batchmagic.sdk import serving  # noqa: PLC0415

    ws = context.session.read()
    others = [record for record in ws.servers.running() if record.kind != "alone"]
    stopped = serving.stop(ws)
    for record in others:
        context.face.note(
            f"{record.url} is part of a Jupyter server, process {record.identity.pid}, which goes on."
        )
    told = ", ".join(f"{record.url}, process {record.identity.pid}" for record in stopped)
    text = f"Stopped {told}" if stopped else "No server runs."
    return Outcome(document=[_document(record) for record in stopped], text=text)


def _document(record: ServerRecord) -> dict[str, Any]:
    found = asdict(record)
    identity = found.pop("identity")
    found.pop("place")
    return {"address": record.address, **found, "process": identity["pid"], "machine": record.machine}
