"""Making room: old jobs, and what interrupted work has left behind."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from batchmagic.entities.status import TERMINAL
from batchmagic.errors import ValidationException
from batchmagic.workspace.folders import move_away, remove_tree, size_of
from batchmagic.workspace.garbage import INCOMING, TRASH, unused

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchmagic.workspace.workspace import Workspace

_OF_A_RUN = ("work", "spool.done")
"""What a host that is killed at the very end of a job leaves in its folder."""
_LEFTOVER_SECONDS = 86400.0  # nothing takes a day between its folder and its row


@dataclass(frozen=True, kw_only=True, slots=True)
class Pruned:
    """What goes: a ``job``, a ``snapshot`` that nothing uses, or a ``leftover`` of interrupted work."""

    kind: str
    name: str
    bytes: int
    ended_at: datetime | None = None


def prune(ws: Workspace, older_than: timedelta, keep: int = 0, *, dry_run: bool) -> list[Pruned]:
    """Remove ended jobs and everything that nothing refers to; return what went, or would go.

    Parameters
    ----------
    older_than
        How long ago the run of a job must have ended.
    keep
        The newest jobs of the workspace that stay whatever their age.
    dry_run
        Remove nothing.
    """
    if older_than < timedelta(0) or keep < 0:
        raise ValidationException(
            field="keep" if keep < 0 else "older_than",
            value=keep if keep < 0 else str(older_than),
            reason="is negative",
        )
    gone = list(_jobs(ws, older_than, keep, dry_run=dry_run))
    gone.extend(_snapshots(ws, dry_run=dry_run))
    gone.extend(_leftovers(ws, dry_run=dry_run))
    return gone


def _jobs(ws: Workspace, older_than: timedelta, keep: int, *, dry_run: bool) -> Iterator[Pruned]:
    limit = datetime.now(tz=UTC) - older_than
    for job in ws.jobs.list()[keep:]:
        if job.status in TERMINAL and job.ended_at is not None and job.ended_at <= limit:
            item = Pruned(kind="job", name=job.name, bytes=size_of(job.folder), ended_at=job.ended_at)
            if not dry_run:
                ws.jobs.delete(job.name)
            yield item


def _snapshots(ws: Workspace, *, dry_run: bool) -> list[Pruned]:
    with ws.database.write() as connection:
        paths = unused(connection, ws.root)
        items = [
            Pruned(kind="snapshot", name=path.relative_to(ws.root).as_posix(), bytes=size_of(path))
            for path in paths
        ]
        taken = [] if dry_run else [move_away(path, ws.root / TRASH) for path in paths]
    for path in taken:
        if path is not None:
            remove_tree(path)
    return items


def _leftovers(ws: Workspace, *, dry_run: bool) -> Iterator[Pruned]:
    for path in _left_behind(ws):
        item = Pruned(kind="leftover", name=path.relative_to(ws.root).as_posix(), bytes=_size(path))
        if not dry_run:
            remove_tree(path)
        yield item


def _left_behind(ws: Workspace) -> Iterator[Path]:
    jobs = ws.jobs.list()
    names = {job.name for job in jobs}
    for path in (ws.root / "jobs").glob("*"):
        if path.name not in names and _is_old(path):
            yield path
    for job in jobs:
        if job.status in TERMINAL:
            left = (job.folder / name for name in _OF_A_RUN)
            yield from (path for path in left if path.exists() and _is_old(path))
    for folder in (INCOMING, TRASH):
        yield from (path for path in (ws.root / folder).glob("*") if _is_old(path))
    kept = {ws.secrets.path(name) for name in names}
    for path in (ws.root / "secrets").glob("*.json"):
        # With a dot in its stem it is that of a deployment or of data.
        if "." not in path.stem and path not in kept and _is_old(path):
            yield path


def _is_old(path: Path) -> bool:
    return time.time() - path.lstat().st_mtime > _LEFTOVER_SECONDS


def _size(path: Path) -> int:
    return path.lstat().st_size if path.is_file() else size_of(path)
