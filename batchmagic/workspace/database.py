"""Opening a SQLite database, and the two ways to use it: a transaction that writes, a snapshot that reads.

Serves the workspace's own database and the ledger of every job.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, MetaData, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool

from batchmagic import failpoints
from batchmagic.errors import SchemaTooNew, WorkspaceError, WorkspaceMoved
from batchmagic.workspace import store_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    Step = str | Callable[[Connection], None]
    Migration = tuple[int, Sequence[Step]]

MARKER = "journal"  # file in the workspace that holds the journal mode which works there
_MARKER_DEPTH = 4  # a ledger lies two folders below the workspace
_MAJOR = 1000  # schemas n * 1000 to n * 1000 + 999 differ by additions only


class Database:
    """One SQLite database; every method may be called from any thread.

    Attributes
    ----------
    path
        The file.
    engine
        SQLAlchemy's engine, for reflection and the like; `write` and `read` are what code uses.
    readonly
        Whether `write` is refused.
    """

    def __init__(self, path: Path, engine: Engine, *, newest: int, refusal: WorkspaceError | None) -> None:
        self.path = path
        self.engine = engine
        self.readonly = refusal is not None
        self._newest = newest
        self._refusal = refusal
        self._turn = threading.Lock()
        self._writer: int | None = None
        self._place: tuple[int, int] | None = None

    @contextlib.contextmanager
    def write(self) -> Iterator[Connection]:
        """Run a transaction that holds the write lock from its start.

        At the end all of it is on disk; after an exception none of it is there.

        Raises
        ------
        SchemaTooNew
            If a newer batchmagic has brought the schema forward since it was opened.
        """
        if self._refusal is not None:
            raise self._refusal
        if self._writer == threading.get_ident():
            raise RuntimeError("A write transaction of this thread is open already; use its connection.")
        # SQLite's own waiting is a poll; threads of one process queue here instead.
        with self._turn:
            self._writer = threading.get_ident()
            try:
                with self._transaction("BEGIN IMMEDIATE", query_only=False) as connection:
                    self._refuse_newer(connection)
                    yield connection
            finally:
                self._writer = None

    def _refuse_newer(self, connection: Connection) -> None:
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        if found > self._newest:
            raise SchemaTooNew(path=str(self.path), found=found, supported=self._newest)

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Give a connection that sees one state of the database from its first statement on and cannot write."""
        with self._transaction("BEGIN", query_only=True) as connection:
            yield connection

    def check_place(self) -> None:
        """Pass when the file is still where it was opened.

        An open connection follows a file that is moved, and files beside it, found by name, do not.

        Raises
        ------
        WorkspaceMoved
            If it is not there, or another one is.
        """
        found = store_file.place_of(self.path)
        if found is None or found != (self._place or found):
            raise WorkspaceMoved(path=str(self.path))
        self._place = found

    def close(self) -> None:
        """Close every idle connection; the database may be used again afterwards."""
        self.engine.dispose()

    @contextlib.contextmanager
    def _transaction(self, begin: str, *, query_only: bool) -> Iterator[Connection]:
        if self._place is not None:
            self.check_place()  # before a connection is made to whatever is there now
        with _speaking(self.path), self.engine.connect() as connection, connection.begin():
            connection.exec_driver_sql(f"PRAGMA query_only = {int(query_only)}")
            connection.exec_driver_sql(begin)
            self.check_place()
            yield connection


def open_database(
    path: Path,
    *,
    metadata: MetaData,
    migrations: Sequence[Migration] = (),
    create: bool,
    readonly: bool = False,
    journal: str | None = None,
    check: bool = True,
) -> Database:
    """Return the database at `path`, which then exists, is sound and has the newest schema known here.

    Parameters
    ----------
    path
        The file; its folder must exist.
    metadata
        The newest schema. A new file gets it at once.
    migrations
        ``(number, steps)`` in rising order. The steps, SQL texts or functions of a connection, turn
        schema ``number - 1`` into ``number``; the first schema is 1 and needs none. All that are
        missing run in one transaction.
    create
        Make the file when there is none.
    readonly
        Never write: no migration, and `Database.write` is refused.
    journal
        SQLite's journal mode for a new file; None: what the marker file of the workspace says, else WAL.
    check
        Read all of a small file first, to see that it is sound. Without it damage is found where it is met.

    Raises
    ------
    StoreCorrupted
        If the file is damaged or none of ours. It keeps every byte.
    SchemaTooNew
        If the file has a schema that cannot be read here. When it is newer by additions only it opens,
        and writing raises the same error.
    """
    newest = max((number for number, _ in migrations), default=1)
    if not path.exists():
        _create(path, metadata, newest, create=create and not readonly, journal=journal or journal_of(path))
    found = store_file.inspect(path, thorough=not readonly, check=check)
    refusal = _refusal(path, found, newest, readonly=readonly)
    engine = _engine(path, mode="rw" if refusal is None else "ro")
    database = Database(path, engine, newest=newest, refusal=refusal)
    if found < newest and not readonly:
        _migrate(database, migrations, newest)
    return database


def journal_of(path: Path) -> str:
    """Return the journal mode that the marker of the workspace around `path` prescribes: ``wal`` or ``delete``."""
    for folder in list(path.absolute().parents)[:_MARKER_DEPTH]:
        marker = folder / MARKER
        if marker.is_file():
            return "delete" if marker.read_text(encoding="ascii").strip() == "delete" else "wal"
    return "wal"


def _create(path: Path, metadata: MetaData, newest: int, *, create: bool, journal: str) -> None:
    if not create:
        raise WorkspaceError(f"There is no database {path}.", target="workspace")

    def fill(new: Path) -> None:
        engine = _engine(new)
        try:
            with _speaking(path), engine.begin() as connection:
                metadata.create_all(connection)
                connection.exec_driver_sql(f"PRAGMA user_version = {newest}")
        finally:
            engine.dispose()

    store_file.make(path, fill, journal=journal)


@contextlib.contextmanager
def _speaking(path: Path) -> Iterator[None]:
    """Say in our words what SQLAlchemy reports of SQLite."""
    try:
        yield
    except DBAPIError as error:
        cause = error.orig
        known = store_file.translated(path, cause) if isinstance(cause, sqlite3.Error) else None
        if known is None:
            raise
        raise known from error


def _refusal(path: Path, found: int, newest: int, *, readonly: bool) -> WorkspaceError | None:
    if found > newest:
        too_new = SchemaTooNew(path=str(path), found=found, supported=newest)
        if found // _MAJOR != newest // _MAJOR:
            raise too_new
        return too_new
    if not readonly:
        return None
    if found < newest:
        raise WorkspaceError(
            f"{path} has schema {found}, older than the {newest} that is read here.",
            target="workspace",
            hint="Run a command that writes once; it brings the schema up to date.",
        )
    return WorkspaceError(f"{path} was opened for reading only.", target="workspace")


def _migrate(database: Database, migrations: Sequence[Migration], newest: int) -> None:
    with database.write() as connection:
        # Asked again under the lock: another process may have done it meanwhile.
        found = connection.exec_driver_sql("PRAGMA user_version").scalar_one()
        for number, steps in migrations:
            if number > found:
                for step in steps:
                    failpoints.hit("migration.step")
                    _step(connection, step)
        failpoints.hit("migration.before_version")
        connection.exec_driver_sql(f"PRAGMA user_version = {max(found, newest)}")


def _step(connection: Connection, step: Step) -> None:
    if callable(step):
        step(connection)
    else:
        connection.exec_driver_sql(step)


def _engine(path: Path, *, mode: str = "rw") -> Engine:
    engine = create_engine(
        "sqlite+pysqlite://",
        creator=lambda: store_file.connect(path, mode=mode),
        poolclass=QueuePool,
        pool_size=4,
        max_overflow=28,
        pool_timeout=store_file.BUSY_SECONDS,
    )
    event.listen(engine, "connect", _prepare)
    return engine


def _prepare(connection: sqlite3.Connection, _record: object) -> None:
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "trusted_schema = OFF"):
        connection.execute(f"PRAGMA {pragma}")
