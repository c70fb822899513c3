"""A server of its own for a workspace: started as a process that outlives whoever started it, found and stopped again."""

from __future__ import annotations

import os
import select
import shlex
import signal
import subprocess
import time
from datetime import datetime
from typing import IO, TYPE_CHECKING

from batchmagic.errors import StateError
from batchmagic.processes import python_command, python_environment
from batchmagic.words import date_text
from batchmagic.workspace import identity as identities
from batchmagic.workspace.folders import private_folder
from batchmagic.workspace.servers import ALONE, BASE
from batchmagic.workspace.turn import turn

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchmagic.workspace import Workspace
    from batchmagic.workspace.servers import ServerRecord

MODULE = "batchmagic.server"
READY = b"ready\n"
_LOG = "serve.log"
_START_SECONDS, _STOP_SECONDS = 120.0, 25.0
_PAUSE = 0.05
# They would let the holder of a Jupyter server's token in, or move the port.
_JUPYTERS = ("JUPYTER_TOKEN", "JUPYTER_TOKEN_FILE", "JUPYTER_PORT", "JUPYTER_PORT_RETRIES")


def command(ws: Workspace, options: Sequence[str]) -> list[str]:
    """Return the command that serves the workspace until it is told to stop."""
    return python_command(MODULE, f"--workspace={ws.root}", *options)


def environment() -> dict[str, str]:
    """Return the variables that such a process gets."""
    variables = python_environment()
    for name in _JUPYTERS:
        variables.pop(name, None)
    return variables


def own_server(ws: Workspace) -> ServerRecord | None:
    """Return the server that runs for this workspace and does nothing else; None if there is none."""
    return next((record for record in ws.servers.running() if record.kind == ALONE), None)


def start(ws: Workspace, options: Sequence[str] = ()) -> ServerRecord:
    """Return the record of the server that runs; without one, start it in a session of its own and wait until it answers.

    Parameters
    ----------
    options
        Of ``jupyter batchmagic``.

    Raises
    ------
    StateError
        With what the server said, if it did not start.
    """
    private_folder(ws.servers.folder)
    with turn(ws.servers.folder / "start.lock"):
        running = own_server(ws)
        if running is not None:
            return running
        log = ws.servers.folder / _LOG
        with os.fdopen(os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "rb") as output:
            began = output.seek(0, os.SEEK_END)
            is_ready = _started([*command(ws, options), f"--log-file={log}"], output)
            record = own_server(ws) if is_ready else None
            if record is not None:
                return record
            output.seek(began)
            raise _did_not_start(output.read().decode("utf-8", "replace"), log)


def _started(words: Sequence[str], output: IO[bytes]) -> bool:
    """Start the server and return whether it answers; what it writes goes to `output`."""
    ours, theirs = os.pipe()
    try:
        try:
            # What is started here leaves another process behind, which is nobody's child, and returns.
            subprocess.run(
                [*words, "--detach", f"--ready-fd={theirs}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=environment(),
                pass_fds=[theirs],
                start_new_session=True,
                check=False,
            )
        finally:
            os.close(theirs)
        # Readable when it says so, and when it has ended: then nobody has the other side any more.
        ready, _, _ = select.select([ours], [], [], _START_SECONDS)
        return bool(ready) and os.read(ours, len(READY)) == READY
    finally:
        os.close(ours)


def stop(ws: Workspace) -> list[ServerRecord]:
    """Have the workspace's own servers finish what is under way and end; return those that did.

    Raises
    ------
    StateError
        If one runs on another machine, or does not end.
    """
    found = [record for record in ws.servers.running() if record.kind == ALONE]
    for record in found:
        if not record.is_here:
            raise StateError(
                f"The server runs on {record.machine}, as process {record.identity.pid}.",
                target="server",
                hint="Stop it there.",
            )
        identities.send_signal(record.identity, signal.SIGTERM)
        deadline = time.monotonic() + _STOP_SECONDS
        while identities.alive(record.identity):
            if time.monotonic() > deadline:
                raise StateError(
                    f"The server, process {record.identity.pid}, does not end.",
                    target="server",
                    hint=f"kill -9 {record.identity.pid}",
                )
            time.sleep(_PAUSE)
        ws.servers.withdraw(record)
    return found


def greeting(record: ServerRecord, *, workspace: Path, command: str) -> list[str]:
    """Return what whoever started a server should know, line by line."""
    lines = [f"Serving {workspace} at {record.url}/{BASE}"]
    if record.public_url:
        lines.append(f"  Callers see  {record.public_url}/{BASE}")
    if record.fingerprint:
        until = f", until {date_text(datetime.fromisoformat(record.expires_at))}" if record.expires_at else ""
        lines.append(f"  Certificate  SHA-256 {record.fingerprint}{until}")
    elif record.kind == ALONE:
        lines.append("  Plain HTTP   on this machine only")
    if record.authority:
        lines.append(f"  To trust it  {record.authority}")
    return [
        *lines,
        f"  Try it       {curl(record)} {shlex.quote(f'{record.address}/{BASE}/whoami')}",
        f"  A token      {command} token create NAME --scope invoke",
        f"  Stop it      {command} serve --stop",
    ]


def curl(record: ServerRecord) -> str:
    """Return how a curl line begins that trusts the server and shows a token."""
    trust = f" --cacert {shlex.quote(record.authority)}" if record.authority else ""
    return f'curl -sS{trust} -H "Authorization: Bearer $BATCHMAGIC_TOKEN"'


def _did_not_start(said: str, log: Path) -> StateError:
    mark = "error: "
    told = [line.removeprefix(mark) for line in said.splitlines() if line.startswith(mark)]
    if told:
        return StateError(told[-1], target="server")
    return StateError("The server did not start.", target="server", hint=f"See {log}.")
