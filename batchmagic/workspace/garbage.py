"""Asset files that nothing refers to any more: found, taken away under the write lock, removed."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from sqlalchemy import select

from batchmagic.workspace.folders import move_away, remove_tree
from batchmagic.workspace.tables import assets, deployment_versions, jobs

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from batchmagic.workspace.database import Database

TRASH = "trash"
INCOMING = "assets/.incoming"
# Between the snapshot of a code folder and the deployment that will refer to it. Far more than that takes: a clock
# that is set an hour forward meanwhile must not use it up.
_CODE_GRACE = 86400.0


def collect(database: Database, root: Path) -> None:
    """Remove every snapshot that no asset, deployment version or job refers to."""
    with database.write() as connection:
        taken = [move_away(path, root / TRASH) for path in unused(connection, root)]
    for path in taken:
        if path is not None:
            remove_tree(path)


def unused(connection: Connection, root: Path) -> list[Path]:
    """Return the snapshots that nothing refers to; in a write transaction that answer stays true."""
    kept = set(referenced(connection))
    return [path for path in _present(root) if path.relative_to(root).as_posix() not in kept]


def referenced(connection: Connection) -> Iterator[str]:
    """Yield every snapshot that something refers to, relative to the workspace; some more than once."""
    columns = (
        assets.c.directory,
        deployment_versions.c.model_dir,
        deployment_versions.c.code_dir,
        jobs.c.model_dir,
        jobs.c.code_dir,
    )
    for column in columns:
        yield from connection.execute(select(column).where(column.is_not(None)).distinct()).scalars()


def _present(root: Path) -> Iterator[Path]:
    yield from (root / "assets" / "models").glob("*/*")
    for path in (root / "assets" / "code").glob("*"):
        if time.time() - path.stat().st_mtime > _CODE_GRACE:
            yield path
