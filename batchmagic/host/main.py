"""The compute host's process: claims the compute, serves its jobs, and leaves when it has been idle long enough.

Its exit codes are the supervisor's: 0 for an end that needs no restart, 3 when another host has the compute,
4 when the workspace is not where it was. Any other has it start another one; 5 is for a host whose packages were
changed under it.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic import failpoints, orphans
from batchmagic.entities.status import JobStatus
from batchmagic.errors import (
    ClaimHeld,
    Fenced,
    PackagesChanged,
    SchemaTooNew,
    StateError,
    WorkspaceError,
    WorkspaceMoved,
)
from batchmagic.host.supervisor import AGAIN_SECONDS, CLAIM_HELD, IDLE, MOVED
from batchmagic.workspace import Workspace
from batchmagic.workspace.launch import ensure_host, host_claim, host_leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchmagic.workspace.claims import Claim

OUTDATED = 5
_TAIL_BYTES = 2000
_WATCH_SECONDS = 0.5
log = logging.getLogger("batchmagic.host")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the compute until there is nothing to do, and return the exit code."""
    options = _parse(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr
    )
    try:
        with Workspace.open(Path(options.workspace)) as workspace:
            if options.give_up:
                give_up(workspace, options.compute, Path(options.give_up))
                host_leaves(workspace, options.compute)
                # Whoever resumed one just now may have taken the supervisor for one that brings a host up.
                if workspace.jobs.unfinished(options.compute):
                    ensure_host(workspace, options.compute)
                return IDLE
            return serve(workspace, options.compute)
    except WorkspaceError as error:
        log.error("%s", error)  # noqa: TRY400 -- it says all that a trace would
        return 1


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m batchmagic.host")
    parser.add_argument("--workspace", required=True, help="the workspace's folder")
    parser.add_argument("--compute", required=True, help="the compute's name")
    parser.add_argument(
        "--give-up", metavar="LOG", help="mark its jobs as NotResponding, with the tail of this log"
    )
    return parser.parse_args(arguments)


def serve(workspace: Workspace, compute: str) -> int:
    """Serve the jobs of `compute` under its claim."""
    stop = threading.Event()
    _stop_by_signal(stop)
    orphans.adopt()
    try:
        while not stop.is_set():
            failpoints.hit("claim.before")
            claim = _claimed(workspace, compute, stop)
            failpoints.hit("claim.after")
            # All that a host ever needs is imported now, so that an upgrade of the package under it changes
            # nothing. It comes after the claim, so that a surplus host leaves before the expensive part.
            from batchmagic.host.host import Host  # noqa: PLC0415

            Host(workspace, compute, claim, stop).run()
            host_leaves(workspace, compute)
            # Whoever queued a job before the claim was given back trusted this host with it.
            if not workspace.jobs.unfinished(compute):
                break
    except ClaimHeld as error:
        log.info("%s", error)
        return CLAIM_HELD
    except Fenced as error:
        log.warning("fenced, and leaves: %s", error)
        return CLAIM_HELD
    except (PackagesChanged, SchemaTooNew) as error:
        log.warning("leaves to a host with the packages that are installed now: %s", error)
        return OUTDATED
    except WorkspaceMoved as error:
        log.info("%s Whoever looks at its jobs there starts another host.", error.message)
        return MOVED
    return IDLE


def _claimed(workspace: Workspace, compute: str, stop: threading.Event) -> Claim:
    """Return the claim on the compute; an owner elsewhere is watched, for as long as it shows no life."""
    resource = host_claim(compute)
    first = workspace.claims.holder(resource)
    while True:
        try:
            return workspace.claims.acquire(resource)
        except ClaimHeld:
            now = workspace.claims.holder(resource)
            silent = now is not None and first is not None and not now.local and now.beat == first.beat
            if not silent or stop.wait(_WATCH_SECONDS):
                raise


def _stop_by_signal(stop: threading.Event) -> None:
    """Have SIGTERM and SIGINT set `stop`, however many of them come at once; one that comes later ends all at once."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def leave(*_: object) -> None:
        # A machine that shuts down signals the host as well as its supervisor, which hands it on. A handler
        # that interrupts another one inside `set` would wait for ever for the lock that the other holds.
        first = time.monotonic()
        for number in numbers:
            signal.signal(number, lambda *_: _leave_at_once(first))
        stop.set()

    for number in numbers:
        signal.signal(number, leave)


def _leave_at_once(first: float) -> None:
    """End this process, unless the signal is the first one come twice. Everything below it goes with it."""
    if time.monotonic() - first >= AGAIN_SECONDS:
        os._exit(IDLE)  # nothing is lost: whatever is committed is on disk


def give_up(workspace: Workspace, compute: str, host_log: Path) -> None:
    """Mark every unfinished job of the compute as not responding, with the end of the host's log.

    Another host that has the compute by now has its jobs as well.
    """
    try:
        claim = workspace.claims.acquire(host_claim(compute))
    except ClaimHeld as held:
        log.info("gives no job up: %s", held)
        return
    tail = host_log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace") if host_log.exists() else ""
    error = {
        "type": "HostDied",
        "message": "the compute host died too often; its log ends with:\n" + tail,
        "phase": "host",
        "verdict": "the compute host died too often",
    }
    for record in workspace.jobs.unfinished(compute):
        try:
            _give_up_one(workspace, record.name, error, claim)
        except StateError as late:
            log.info("%s", late)
    workspace.claims.release(claim)


def _give_up_one(workspace: Workspace, name: str, error: dict[str, str], claim: Claim) -> None:
    """Mark one job; whoever asked for its end before has what they asked for."""
    try:
        detail = "the compute host died too often"
        workspace.jobs.transition(name, JobStatus.NOT_RESPONDING, detail=detail, error=error, claim=claim)
    except StateError:
        if workspace.jobs.get(name).status is not JobStatus.CANCEL_REQUESTED:
            raise
        detail = "canceled; the compute host had died"
        workspace.jobs.transition(name, JobStatus.CANCELED, detail=detail, claim=claim)
