"""A host that is stopped while another one takes its compute over, and what it does when it goes on."""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import time
from contextlib import closing, contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import psutil
from main_job_support import COMPUTE, is_gone, until

from batchmagic import failpoints
from batchmagic.workspace import identity
from batchmagic.workspace.launch import ensure_host, host_claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from main_job_support import Lab

PATIENCE = 90.0
DRIVER_LOG = "logs/sys/driver.txt"


@contextmanager
def armed(monkeypatch, specification: str, once: Path) -> Iterator[None]:
    """Let the hosts that are started meanwhile have a failpoint, of which the first to come there acts."""
    with monkeypatch.context() as patch:
        patch.setenv(failpoints.VARIABLE, specification)
        patch.setenv(failpoints.ONCE_VARIABLE, str(once))
        yield


def stop(lab: Lab, compute: str = COMPUTE) -> psutil.Process:
    """Return the compute's host, which then is stopped, at a moment at which it keeps no database locked."""
    host = lab.host(compute)
    while True:
        os.kill(host.pid, signal.SIGSTOP)
        until(lambda: host.status() == psutil.STATUS_STOPPED, PATIENCE, of="a stopped host")
        if all(map(_is_free, [lab.root / "workspace.db", *lab.root.glob("jobs/*/ledger.db")])):
            return host
        os.kill(host.pid, signal.SIGCONT)
        time.sleep(0.01)


def _is_free(path: Path) -> bool:
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        try:
            connection.execute("begin immediate")
        except sqlite3.OperationalError:
            return False
        connection.execute("rollback")
    return True


def take_over(lab: Lab, compute: str = COMPUTE) -> int:
    """Let the compute's claim be lost to another machine, which gives it back; return the epoch it had there."""
    claims = lab.client.session.read().claims
    other = replace(identity.current(), host="other-machine/12345678")
    taken = claims.acquire(host_claim(compute), other, force=True)
    claims.release(taken)
    return taken.epoch


def start_another(lab: Lab, epoch: int, compute: str = COMPUTE) -> psutil.Process:
    """Return the host that has the compute after `epoch`."""
    ws = lab.client.session.read()

    def another() -> bool:
        ensure_host(ws, compute)
        holder = lab.holder(compute)
        return holder is not None and holder.epoch > epoch

    until(another, PATIENCE, of="another host")
    return lab.host(compute)


def contents(folder: Path) -> dict[str, str]:
    """Return a digest of every file in and below a folder that others read.

    Not of temporary files, which belong to who made them, nor of the log that a fenced driver may add a line to.
    """
    return {
        str(path.relative_to(folder)): hashlib.sha256(_content(path)).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
        and not path.name.startswith(".")
        and not path.name.endswith(("-wal", "-shm"))
        and not path.match(DRIVER_LOG)
    }


def _content(path: Path) -> bytes:
    if path.suffix != ".db":
        return path.read_bytes()
    # Whoever closes a database last moves its log into it: other bytes, the same rows.
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        return "\n".join(connection.iterdump()).encode()


def go_on(host: psutil.Process) -> None:
    """Let a stopped host go on, and wait until it and all that was below it are gone."""
    below = host.children(recursive=True)
    os.kill(host.pid, signal.SIGCONT)
    until(lambda: all(is_gone(p.pid) for p in [host, *below]), PATIENCE, of="the end of the fenced host")
