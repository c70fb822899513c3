"""Sees to it that a compute has a host, without waiting for it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
from typing import TYPE_CHECKING

from batchmagic.errors import ComputeError
from batchmagic.processes import python_command, python_environment
from batchmagic.workspace import elsewhere, supervisor_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from batchmagic.workspace import Workspace


def host_claim(compute: str) -> str:
    """Return the name of the claim that the host of `compute` holds."""
    return f"compute/{compute}"


def ensure_host(ws: Workspace, compute: str, *, host_command: Sequence[str] = ()) -> bool:
    """Start a host for `compute` unless it has one; returns before it is up.

    Call it after the job is in the store: whichever host takes the compute from then on looks for
    jobs after it has the claim. Any number of processes may call it at once; the claim lets one
    host through, and the supervisors of others leave.

    Parameters
    ----------
    host_command
        Another program in the place of the host.

    Returns
    -------
    bool
        Whether one was started.

    Raises
    ------
    ComputeError
        When the supervisor cannot be started.
    """
    holder = ws.claims.holder(host_claim(compute))
    folder = ws.compute_dir(compute)
    if holder is not None and holder.alive and (holder.local or not elsewhere.is_silent(folder, holder)):
        return False
    with _turn(folder / "launch.lock") as ours:
        if not ours or _is_starting(folder):
            return False
        _start(ws.root, compute, folder / "host.log", host_command)
    return True


def host_leaves(ws: Workspace, compute: str) -> None:
    """Have `ensure_host` start another host, although the supervisor of the one that calls this still runs.

    A host calls it between giving its claim up and its last look for jobs: a job is then seen by that look,
    or whoever queued it sees that no host is coming.
    """
    folder = ws.compute_dir(compute)
    found = supervisor_record.read(folder)
    # The record of another supervisor, which is bringing a host up already, is not ours to change.
    if found is not None and found.identity.pid == os.getppid():
        with contextlib.suppress(ProcessLookupError):
            supervisor_record.write(folder, found.identity.pid, leaving=True)


@contextlib.contextmanager
def _turn(file: Path) -> Iterator[bool]:
    """Give the turn to one of those who want to start a host now; it starts one for all of them."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        except OSError:
            pass  # a file system without locks: one supervisor too many leaves by itself
        yield True
    finally:
        os.close(descriptor)


def _is_starting(folder: Path) -> bool:
    found = supervisor_record.read(folder)
    return found is not None and found.is_starting


def _start(root: Path, compute: str, log: Path, host_command: Sequence[str]) -> None:
    command = python_command(
        "batchmagic.host.supervisor", f"--workspace={root}", f"--compute={compute}", "--detach"
    )
    if host_command:
        command.append(f"--command={json.dumps(list(host_command))}")
    try:
        with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "wb") as output:
            # The process that is started here returns at once and leaves another behind, in a session
            # of its own: what ends this process, its group or its children does not reach that one.
            code = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env=python_environment(),
                start_new_session=True,
                check=False,
            ).returncode
    except OSError as error:
        raise ComputeError(
            f"The host of {compute!r} could not be started: {error}.", target=compute
        ) from error
    if code:
        raise ComputeError(
            f"The host of {compute!r} could not be started.", target=compute, hint=f"See {log}."
        )
