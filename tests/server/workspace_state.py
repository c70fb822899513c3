"""All that a workspace holds, to tell whether a request has changed any of it."""

from __future__ import annotations

import hashlib
import re
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from main_job_support import until

if TYPE_CHECKING:
    from pathlib import Path

    from server_support import World

# Of processes, which come and go by themselves: records of servers and hosts, logs, the audit log of tries.
_OF_PROCESSES = re.compile(r"(servers|audit)/|compute/[^/]+/|.*\.log$|.*\.db-(wal|shm)$")
_ROWS_OF_PROCESSES = ('INSERT INTO "claims"', 'INSERT INTO "tokens"')


def state_of(world: World) -> dict[str, str]:
    """Return a digest for every file of the workspace, and for the rows of every database; no host runs then."""
    until(lambda: world.is_still or not world.lab.holder(), of="the end of the host")
    root = world.lab.root
    files = sorted(path for path in root.rglob("*") if not path.is_dir())
    kept = [path for path in files if not _OF_PROCESSES.match(path.relative_to(root).as_posix())]
    return {path.relative_to(root).as_posix(): _digest(path) for path in kept}


def _digest(path: Path) -> str:
    if path.suffix == ".db":
        return _of_rows(path)
    content = path.readlink().as_posix().encode() if path.is_symlink() else path.read_bytes()
    return hashlib.sha256(content).hexdigest()


def _of_rows(path: Path) -> str:
    with closing(sqlite3.connect(path)) as database:
        lines = [line for line in database.iterdump() if not line.startswith(_ROWS_OF_PROCESSES)]
        if "tokens" in {name for (name,) in database.execute("select name from sqlite_master")}:
            # When a token was used last is noted at every use.
            lines += map(
                str, database.execute("select id, name, digest, scopes, expires_at, revoked_at from tokens")
            )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()
