"""The compute host's process: claims the compute, serves its jobs, and leaves when it has been idle long enough.

Its exit codes are the supervisor's: 0 for an end that needs no restart, 3 when another host has the compute.
"""

from __future__ import annotations

import argparse
import logging
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic import failpoints
from batchmagic.entities.status import JobStatus
from batchmagic.errors import ClaimHeld, Fenced, StateError
from batchmagic.host.supervisor import CLAIM_HELD, IDLE
from batchmagic.workspace import Workspace
from batchmagic.workspace.launch import host_claim, host_leaves

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAIL_BYTES = 2000
log = logging.getLogger("batchmagic.host")


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the compute until there is nothing to do, and return the exit code."""
    options = _parse(arguments)
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(name)s %(levelname)s %(message)s", stream=sys.stderr
    )
    workspace = Workspace.open(Path(options.workspace))
    try:
        if options.give_up:
            give_up(workspace, options.compute, Path(options.give_up))
            return IDLE
        return serve(workspace, options.compute)
    finally:
        workspace.close()


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
    try:
        while not stop.is_set():
            failpoints.hit("claim.before")
            claim = workspace.claims.acquire(host_claim(compute))
            failpoints.hit("claim.after")
            # All that a host ever needs is imported now, so that an upgrade of the package under it changes
            # nothing. It comes after the claim, so that a surplus host leaves before the expensive part.
            from batchmagic.host.host import Host  # noqa: PLC0415

            Host(workspace, compute, claim, stop).run()
            host_leaves(workspace, compute)
            # Whoever queued a job before the claim was given back trusted this host with it.
            if not workspace.jobs.unfinished(compute):
                break
    except (ClaimHeld, Fenced) as error:
        log.info("%s", error)
        return CLAIM_HELD
    return IDLE


def _stop_by_signal(stop: threading.Event) -> None:
    """Have SIGTERM and SIGINT set `stop`, however many of them come at once."""
    numbers = (signal.SIGTERM, signal.SIGINT)

    def leave(*_: object) -> None:
        # A machine that shuts down signals the host as well as its supervisor, which hands it on. A handler
        # that interrupts another one inside `set` would wait for ever for the lock that the other holds.
        for number in numbers:
            signal.signal(number, lambda *_: None)
        stop.set()

    for number in numbers:
        signal.signal(number, leave)


def give_up(workspace: Workspace, compute: str, host_log: Path) -> None:
    """Mark every unfinished job of the compute as not responding, with the end of the host's log."""
    tail = host_log.read_bytes()[-_TAIL_BYTES:].decode("utf-8", "replace") if host_log.exists() else ""
    error = {
        "type": "HostDied",
        "message": "the compute host died too often; its log ends with:\n" + tail,
        "phase": "host",
        "verdict": "the compute host died too often",
    }
    for record in workspace.jobs.unfinished(compute):
        try:
            workspace.jobs.transition(
                record.name, JobStatus.NOT_RESPONDING, detail="the compute host died too often", error=error
            )
        except StateError as late:
            log.info("%s", late)
