"""A copy of a workspace in one archive, taken while its jobs run: what it says is done has its rows in it.

The order makes it so. ``workspace.db`` is copied first, then the folder of every job: its ledger first, then the
segments that this ledger names, which only ever grow. At last the states of all jobs are looked at again. Where one
has changed (a job that ended has removed its spool meanwhile) the copy of that job is taken anew, and so on until
all of them stand as the copied ``workspace.db`` says.

Not in it: values of variables and credentials, tokens, claims, certificates, and what is being written at the moment.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import sqlite3
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from sqlalchemy import delete, func, insert, select

from batchmagic import disk
from batchmagic.entities.status import JobStatus
from batchmagic.errors import DiskError, StateError, StoreCorrupted, ValidationException
from batchmagic.workspace import ledger_tables, locate, store_file
from batchmagic.workspace.archive import exists, new_archive
from batchmagic.workspace.database import MARKER, open_database
from batchmagic.workspace.garbage import referenced
from batchmagic.workspace.ledger import FILE_NAME as LEDGER
from batchmagic.workspace.migrations import MIGRATIONS
from batchmagic.workspace.mlflow_stores import OWN
from batchmagic.workspace.tables import claims, jobs, metadata, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.workspace.archive import Archive
    from batchmagic.workspace.workspace import Workspace

PREFIX = locate.FOLDER
"""The folder that all of it has in the archive; where that is unpacked, it is found like any workspace."""
_PLAIN, _COMPRESSED = (".tar",), (".tar.gz", ".tgz")
_ROUNDS = 50
_PLAN = Path("manifest") / "plan.json"


@dataclass(frozen=True, kw_only=True, slots=True)
class Backup:
    """What was made.

    Attributes
    ----------
    notes
        What is not as it should be in the workspace itself, in words.
    """

    file: Path
    bytes: int
    jobs: int
    files: int
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _State:
    """A copy of ``workspace.db``: number, run and status of every job, snapshots referred to, epochs of claims."""

    database: Path
    jobs: dict[str, tuple[int, int, str]]
    snapshots: frozenset[str]
    epochs: dict[str, int]


def backup(ws: Workspace, file: Path, *, overwrite: bool = False) -> Backup:
    """Write the archive `file` and return what is in it; the workspace is in use as before meanwhile.

    Parameters
    ----------
    file
        ``.tar``, or ``.tar.gz`` for a compressed one; mode 0600.
    overwrite
        Replace a file of that name, at the very end.

    Raises
    ------
    ValidationException
        If it cannot be made there.
    ResourceExistsError
        If there is such a file.
    StoreCorrupted
        If a database of the workspace is damaged: a copy of that would look like a backup and be none.
    StateError
        If jobs come and go too fast to be copied.
    DiskError
        If a file cannot be read or written.
    """
    target = Path(os.path.abspath(file.expanduser()))  # noqa: PTH100 - a link is replaced, not followed
    _check_target(ws.root, target, overwrite=overwrite)
    compressed = target.name.endswith(_COMPRESSED)
    with (
        _told(target),
        # Beside it, as that disk has to have room for much more.
        tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name[:64]}.") as scratch,
        new_archive(target, prefix=PREFIX, compressed=compressed, overwrite=overwrite) as archive,
    ):
        run = _Run(ws, archive, Path(scratch))
        count = run.take()
    return Backup(
        file=target,
        bytes=target.stat().st_size,
        jobs=count,
        files=archive.files,
        notes=tuple(run.notes.values()),
    )


@contextlib.contextmanager
def _told(file: Path) -> Iterator[None]:
    try:
        with disk.told(file):
            yield
    except DiskError as error:
        error.hint = error.hint.replace("resume the job", "try again")
        raise


def _check_target(root: Path, file: Path, *, overwrite: bool) -> None:
    def refused(reason: str, hint: str) -> ValidationException:
        return ValidationException(field="FILE", value=str(file), reason=reason, hint=hint)

    if not file.name.endswith(_PLAIN + _COMPRESSED):
        raise refused("is no name for an archive", "End it with .tar, or with .tar.gz to have it compressed.")
    if not file.parent.is_dir():
        raise refused("is in a folder that does not exist", f"Make it first: mkdir -p {file.parent}")
    if file.parent.resolve().is_relative_to(root.resolve()):
        raise refused("lies in the workspace itself", "Put it elsewhere, best on another disk.")
    if file.is_dir():
        raise refused("is a folder", "Name a file.")
    if not overwrite and os.path.lexists(file):
        raise exists(file)


class _Run:
    def __init__(self, ws: Workspace, archive: Archive, scratch: Path) -> None:
        self._ws = ws
        self._root = ws.root
        self._archive = archive
        self._scratch = scratch
        self._numbers = itertools.count()
        self._taken: dict[str, tuple[int, int, str]] = {}
        self._snapshots: set[str] = set()
        self.notes: dict[str, str] = {}

    def take(self) -> int:
        """Put everything into the archive and return the number of jobs."""
        self._archive.add_folder()
        for name in (".gitignore", MARKER):
            self._archive.add_file(self._root / name, name)
        self._others()
        state, epochs = self._settled()
        _strip(state.database, epochs)
        with state.database.open("rb") as copy:
            self._archive.add_bytes(locate.DATABASE, copy)
        return len(state.jobs)

    def _settled(self) -> tuple[_State, dict[str, int]]:
        """Return a state of which everything is in the archive, and epochs that no copied ledger is ahead of."""
        state = self._state()
        for _ in range(_ROUNDS):
            gone = self._take_snapshots(state)
            for name, mark in state.jobs.items():
                if self._taken.get(name) != mark:
                    self._take_job(name, JobStatus(mark[2]))
                    self._taken[name] = mark
            # Not newer than what was copied: counters may only be behind the ledger's.
            later = self._state()
            if (
                all(later.jobs.get(name) == mark for name, mark in state.jobs.items())
                and not gone - later.snapshots
            ):
                for name in gone:
                    self.notes[name] = f"{name} is not there, and a definition or job refers to it."
                return state, later.epochs
            state = later
        raise StateError(
            "The jobs of this workspace begin and end too fast to be copied.",
            target="workspace",
            hint="Try again when less is going on.",
        )

    def _state(self) -> _State:
        copy = self._copy(self._root / locate.DATABASE)
        database = open_database(copy, metadata=metadata, migrations=MIGRATIONS, create=False)
        try:
            with database.read() as connection:
                found = connection.execute(select(jobs.c.name, jobs.c.seq, jobs.c.run, jobs.c.status))
                marks = {row.name: (row.seq, row.run, row.status) for row in found}
                held = connection.execute(select(claims.c.resource, claims.c.epoch))
                epochs = {row.resource: row.epoch for row in held}
                return _State(copy, marks, frozenset(referenced(connection)), epochs)
        finally:
            database.close()

    def _copy(self, path: Path) -> Path:
        copy = self._scratch / f"{next(self._numbers)}.db"
        copy_database(path, copy)
        return copy

    def _others(self) -> None:
        """Add what no row refers to: logs of hosts, the workspace's datastore and its own MLflow store."""
        for folder in sorted((self._root / "compute").glob("*")):
            for log in ("host.log", "host.log.1"):
                self._archive.add_file(folder / log, f"compute/{folder.name}/{log}")
            self._archive.add_tree(folder / "logs", f"compute/{folder.name}/logs")
        self._archive.add_tree(self._root / "datastores", "datastores")
        own = self._root / OWN
        self._archive.add_tree(own.parent, own.parent.name, skip=lambda name: name.startswith(own.name))
        if own.exists():
            with self._copied(own) as copy:
                self._archive.add_bytes(OWN.as_posix(), copy)

    @contextlib.contextmanager
    def _copied(self, path: Path) -> Iterator[IO[bytes]]:
        copy = self._scratch / f"{next(self._numbers)}.db"
        copy_database(path, copy, ours=False)
        with copy.open("rb") as file:
            yield file
        copy.unlink()

    def _take_snapshots(self, state: _State) -> set[str]:
        """Add what is not there yet of models and code, and return what could not be found."""
        gone = set()
        for name in sorted(state.snapshots - self._snapshots):
            if self._archive.add_tree(self._root / name, name):
                self._snapshots.add(name)
            else:
                gone.add(name)
        return gone

    def _take_job(self, name: str, status: JobStatus) -> None:
        folder, inside = self._root / "jobs" / name, f"jobs/{name}"
        # Before everything else: a plan that is whole now has all its files whole.
        planned = (folder / _PLAN).exists()
        self.notes.pop(name, None)
        try:
            missing = self._ledger(folder, inside)
        except StoreCorrupted as error:
            error.hint = (
                "No backup was made. `batchmagic doctor` says what else is damaged; "
                f"`batchmagic job delete {name}` gives this job up."
            )
            raise
        # A job that is at its very end has its rows in the output already.
        if missing and status not in {JobStatus.COMPLETED, JobStatus.FINALIZING}:
            self.notes[name] = (
                f"{missing} segments of job {name} are not there; a resume scores their mini-batches again."
            )

        def skip(inner: str) -> bool:
            if inner in {"spool", "work"} or inner.startswith(LEDGER):
                return True
            return inner == _PLAN.parent.name and not planned

        self._archive.add_tree(folder, inside, skip=skip)

    def _ledger(self, folder: Path, inside: str) -> int:
        """Add the ledger, then what it names; return how many segments are not there."""
        if not (folder / LEDGER).exists():
            return 0
        copy = self._copy(folder / LEDGER)
        ends = segment_ends(copy)
        with copy.open("rb") as file:
            self._archive.add_bytes(f"{inside}/{LEDGER}", file)
        copy.unlink()
        found = [
            self._archive.add_file(folder / "spool" / name, f"{inside}/spool/{name}", at_least=end)
            for name, end in ends.items()
        ]
        if any(found):
            self._archive.add_folder(f"{inside}/spool")
        return found.count(False)


def segment_ends(ledger: Path) -> dict[str, int]:
    """Return how many bytes of each segment the committed rows of a ledger need; the file is not changed."""
    commits, segments = ledger_tables.commits.c, ledger_tables.segments.c
    query = (
        select(segments.name, func.max(commits.offset + commits.length))
        .join(ledger_tables.commits, commits.segment == segments.id)
        .where(commits.ok == 1)
        .group_by(segments.name)
    )
    database = open_database(ledger, metadata=ledger_tables.metadata, create=False, readonly=True)
    try:
        with database.read() as connection:
            return {name: end for name, end in connection.execute(query)}  # noqa: C416 - rows are no pairs to mypy
    finally:
        database.close()


def copy_database(source: Path, target: Path, *, ours: bool = True) -> None:
    """Copy a database by SQLite itself, as it stands after some whole transaction, whoever writes meanwhile.

    Raises
    ------
    StoreCorrupted
        If it is damaged.
    DiskError
        If it cannot be read, or the copy not be written.
    """
    if ours:
        store_file.inspect(source, thorough=True)
    try:
        with (
            contextlib.closing(store_file.connect(source, mode="ro")) as whole,
            contextlib.closing(store_file.connect(target, mode="rwc")) as copy,
        ):
            whole.backup(copy)
    except sqlite3.Error as error:
        is_full = getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
        known = store_file.translated(target if is_full else source, error)
        if known is None:
            raise
        raise known from error


def _strip(copy: Path, epochs: dict[str, int]) -> None:
    """Give every claim up, as no process has the copy; the next owner's epoch is above all that ledgers know.

    Tokens are gone: whoever gets a backup to read, or puts it up elsewhere, lets nobody in by that.
    """
    database = open_database(copy, metadata=metadata, migrations=MIGRATIONS, create=False)
    try:
        with database.write() as connection:
            connection.exec_driver_sql(
                "PRAGMA secure_delete = ON"
            )  # deleted rows stay in free pages otherwise, with some builds
            connection.execute(delete(tokens))
            connection.execute(delete(claims))
            nobody = {"held": False, "counter": 0, "host": "", "boot_id": "", "pid": 0, "start_time": ""}
            for resource, epoch in epochs.items():
                connection.execute(
                    insert(claims).values(resource=resource, epoch=epoch, acquired_at=0.0, **nobody)
                )
    finally:
        database.close()
