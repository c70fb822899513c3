"""The workspace's folder: whose it is, whether its disk works, and what interrupted work has left in it."""

from __future__ import annotations

import os
import stat
import time
from typing import TYPE_CHECKING

from batchmagic.errors import WorkspaceError
from batchmagic.sdk.doctor.finding import Finding, broken, look, ok
from batchmagic.words import counted, size_text
from batchmagic.workspace import locate, probe
from batchmagic.workspace.database import MARKER
from batchmagic.workspace.folders import size_of
from batchmagic.workspace.garbage import INCOMING, TRASH

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchmagic.sdk.doctor.finding import Patient

_LITTLE, _VERY_LITTLE = 1 << 30, 100 << 20
_PRIVATE = 0o700
_DAY = 86400.0
_SHOWN = 3


def is_there(root: Path) -> bool:
    """Return whether there is a workspace that can be entered."""
    try:
        return root.is_dir() and os.access(root, os.R_OK | os.X_OK) and (root / locate.DATABASE).exists()
    except OSError:
        return False


def place(root: Path, *, command: str) -> Iterator[Finding]:
    """Yield where the workspace is, and whether it is its owner's alone."""
    subject = "folder"
    try:
        found = root.lstat()
    except FileNotFoundError:
        first = f"{command} deploy heart/first --model ./model"
        yield look(
            subject, f"there is no workspace at {root}; the first command that writes makes one", do=first
        )
        return
    except OSError as error:
        yield broken(subject, f"{root} cannot be read: {error.strerror}", do=f"ls -ld {root}")
        return
    if found.st_uid != os.geteuid():
        yield broken(
            subject,
            f"{root} belongs to another user (number {found.st_uid}), so that it is not used",
            do=f"export {locate.VARIABLE}=FOLDER-OF-YOUR-OWN",
        )
    elif not root.is_dir() or not (root / locate.DATABASE).exists():
        yield broken(subject, f"{root} has no {locate.DATABASE}: it is no workspace", do=f"ls -la {root}")
    elif stat.S_IMODE(root.stat().st_mode) != _PRIVATE:
        mode = stat.S_IMODE(root.stat().st_mode)
        state = broken if mode & 0o022 else look
        yield state(
            subject, f"{root} has mode {mode:04o}, so that it is not yours alone", do=f"chmod 0700 {root}"
        )
    else:
        yield ok(subject, f"{root}, yours alone")


def findings(patient: Patient) -> Iterator[Finding]:
    """Yield how the disk is, and what is left behind."""
    yield from _disk(patient.root)
    yield from _locks(patient)
    yield from _leftovers(patient)
    yield from _folders(patient)


def _disk(root: Path) -> Iterator[Finding]:
    space = os.statvfs(root)
    free = space.f_bavail * space.f_frsize
    text = f"{size_text(free)} free"
    if free < _LITTLE:
        state = broken if free < _VERY_LITTLE else look
        yield state("disk", text, do="batchmagic prune --older-than 7d")
    else:
        yield ok("disk", text)
    if space.f_files and space.f_favail < space.f_files // 100:
        yield look(
            "disk", f"only {space.f_favail:,} more files fit on it", do="batchmagic prune --older-than 7d"
        )


def _locks(patient: Patient) -> Iterator[Finding]:
    """Have two processes try the journal mode, with a file of their own."""
    root = patient.root
    if not os.access(root, os.W_OK):
        yield look(
            "journal",
            "cannot be tried: the folder is read-only, so that nothing can run",
            do=f"chmod u+w {root}",
        )
        return
    marker = root / MARKER
    wanted = marker.read_text(encoding="ascii").strip() if marker.is_file() else "wal"
    try:
        works = probe.journal_mode(root)
    except WorkspaceError as error:
        yield broken("journal", error.message, do=f"mv {root} TO-A-LOCAL-DISK")
        return
    if wanted == "wal" and works != "wal":
        yield broken(
            "journal",
            "the write-ahead log that this workspace uses does not work on this disk (a network file system?)",
            do=f"mv {root} TO-A-LOCAL-DISK",
        )
    elif works != "wal":
        yield look(
            "journal", "the rollback journal works; a local disk is faster", do=f"mv {root} TO-A-LOCAL-DISK"
        )
    elif wanted != "wal":
        yield ok(
            "journal", "the rollback journal, as this workspace was made on a disk without the better one"
        )
    else:
        yield ok("journal", "two processes share the write-ahead log")


def _leftovers(patient: Patient) -> Iterator[Finding]:
    found = list(_left_behind(patient.root))
    if not found:
        yield ok("leftovers", "none")
        return
    names = ", ".join(path.relative_to(patient.root).as_posix() for path in found[:_SHOWN])
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    size = size_text(sum(size_of(path) if path.is_dir() else path.lstat().st_size for path in found))
    yield look(
        "leftovers",
        f"{counted(len(found), 'thing')} ({size}) that interrupted work has left: {names}{more}",
        do=f"{patient.command} prune",
    )


def _left_behind(root: Path) -> Iterator[Path]:
    """Yield what nothing will use any more; what is younger than a moment may be in use."""
    for pattern in (
        f"{INCOMING}/*", f"{TRASH}/*", ".probe-*", ".*.new", "*/.*.new", "jobs/*/.*.new", "jobs/*/*/.*.tmp",
        "jobs/*/outputs/score/.*.tmp", "compute/*/.*.new",
    ):  # fmt: skip
        for path in root.glob(pattern):
            if path.exists() and time.time() - path.lstat().st_mtime > _DAY:
                yield path


def _folders(patient: Patient) -> Iterator[Finding]:
    """Compare the rows of jobs with their folders."""
    if patient.contents is None:
        return
    rows = {job.name for job in patient.contents.jobs}
    there = {path.name for path in (patient.root / "jobs").glob("*")}
    for name in sorted(rows - there)[:_SHOWN]:
        yield look(
            f"job {name}",
            "has no folder: its logs and output are gone",
            do=f"{patient.command} job delete {name}",
        )
    if len(rows - there) > _SHOWN:
        yield look(
            "jobs", f"{len(rows - there) - _SHOWN} more have no folder", do=f"{patient.command} job list"
        )
    if surplus := sorted(there - rows):
        size = size_text(sum(size_of(patient.root / "jobs" / name) for name in surplus))
        yield look(
            "jobs",
            f"{counted(len(surplus), 'folder')} ({size}) of no job: {', '.join(surplus[:_SHOWN])}",
            do=f"{patient.command} prune",
        )
    elif not rows - there:
        yield ok("jobs", f"{counted(len(rows), 'job')}, each with its folder")
