"""The ledger of one job: what has reached its end, and where its rows are. Only what stands here is output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import func, insert, select, update

from batchmagic import failpoints
from batchmagic.entities.progress import Progress
from batchmagic.errors import Fenced, JobCorrupted, StoreCorrupted
from batchmagic.workspace import ledger_tables as t
from batchmagic.workspace.database import Database, open_database
from batchmagic.workspace.ledger_attempts import Attempt, read_attempts, read_failed
from batchmagic.workspace.ledger_entries import (
    Columns,
    Commit,
    Failure,
    columns_from,
    commit_from,
    failure_from,
    failure_row,
)
from batchmagic.workspace.ledger_errors import ErrorBook, ErrorGroup, read_groups
from batchmagic.workspace.ledger_guard import check_plan
from batchmagic.workspace.ledger_names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

FILE_NAME = "ledger.db"
GONE = "it is gone, though the job has begun"
_PAGE = 5000
_COUNTERS = ("completed", "failed", "retried", "files_failed", "rows", "seconds")


# Values by position: building a dictionary for each row took longer than SQLite takes to store it.
_COMMIT_COLUMNS = [column.name for column in t.commits.columns]
_INSERT_COMMIT = (
    f"INSERT INTO commits ({', '.join(_COMMIT_COLUMNS)}) "  # noqa: S608 -- only our own names are in it
    f"VALUES ({', '.join('?' * len(_COMMIT_COLUMNS))})"
)


class Ledger:
    """The ledger of one job.

    One driver writes, under its claim's epoch; any number of processes read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._names = Names()
        self._book = ErrorBook()
        # Whether the last commit failed, and with it what the two above have learned from it.
        self._in_doubt = False

    @classmethod
    def open(cls, job_folder: Path, *, readonly: bool = False, begun: bool = False) -> Self:
        """Return the ledger of the job in `job_folder`.

        Parameters
        ----------
        begun
            The job has begun before: it must have a ledger, and none is made.

        Raises
        ------
        JobCorrupted
            If the file is damaged, or gone though the job has begun.
        FileNotFoundError
            If there is none yet and `readonly` is given.
        """
        path = job_folder / FILE_NAME
        if readonly and not path.exists():
            raise FileNotFoundError(path)
        if begun and not path.exists():
            raise JobCorrupted(path=str(path), reason=GONE)
        try:
            found = cls(open_database(path, metadata=t.metadata, create=not readonly, readonly=readonly))
        except StoreCorrupted as error:
            raise JobCorrupted(path=error.path, reason=error.reason) from error
        if begun and not found.progress().mini_batches:
            found.close()
            raise JobCorrupted(path=str(path), reason="it holds nothing, though the job has begun")
        return found

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # --- the writer

    def begin(
        self, *, epoch: int, run: int, mini_batches: int, files: int, redo_failed: bool = False
    ) -> bool:
        """Make `epoch` the only one whose writes are accepted from now on.

        Parameters
        ----------
        redo_failed
            If the run is new, take back every mini-batch that failed, so that it is tried again. It is one
            with the beginning of the run: a crash loses neither or both.

        Returns
        -------
        bool
            Whether the ledger sees this run for the first time.

        Raises
        ------
        Fenced
            If a later epoch is here already.
        JobCorrupted
            If it is the ledger of another plan.
        """
        with self._database.write() as connection:
            row = connection.execute(select(t.fence)).first()
            if row is None:
                connection.execute(insert(t.fence).values(id=1, epoch=epoch, run=run))
                connection.execute(insert(t.progress).values(id=1, mini_batches=mini_batches, files=files))
            else:
                self._check(connection, epoch)
                check_plan(connection, self._database.path, mini_batches, files)
                connection.execute(update(t.fence).values(epoch=epoch, run=run))
            new: bool = row is None or row.run < run
            if new and redo_failed:
                _forget_failed(connection)
            self._load_known(connection)
        failpoints.hit("ledger.begun")
        return new

    def commit(
        self, epoch: int, *, commits: Sequence[Commit], failures: Sequence[Failure], progress: Progress
    ) -> None:
        """Make all of it true in one transaction: once this returns, it survives a loss of power.

        Raises
        ------
        Fenced
            If a later epoch took over; nothing was written.
        """
        failpoints.hit("ledger.before_commit")
        with self._database.write() as connection:
            self._check(connection, epoch)
            if self._in_doubt:
                self._load_known(connection)
            self._in_doubt = True
            if commits:
                connection.exec_driver_sql(_INSERT_COMMIT, [self._commit_row(connection, c) for c in commits])
            if failures:
                groups = self._book.note(connection, failures)
                rows = [failure_row(f, g) for f, g in zip(failures, groups, strict=True)]
                connection.execute(insert(t.failures), rows)
            failpoints.hit("ledger.mid_commit")
            counters = {name: getattr(progress, name) for name in _COUNTERS}
            connection.execute(update(t.progress).values(**counters))
        self._in_doubt = False
        failpoints.hit("ledger.after_commit")

    def set_columns(self, epoch: int, columns: Columns) -> None:
        """Keep names and types of the output's columns."""
        rows = [{"position": n, "name": name, "type": kind} for n, (name, kind) in enumerate(columns)]
        with self._database.write() as connection:
            self._check(connection, epoch)
            connection.execute(t.output_columns.delete())
            if rows:
                connection.execute(insert(t.output_columns), rows)

    def forget(self, epoch: int, keys: Sequence[tuple[int, int]]) -> None:
        """Take commits back: these mini-batches are to be scored again, as wholes.

        Where only a file is named all other files of its mini-batch go too: one that has some commits left
        would count as done.
        """
        with self._database.write() as connection:
            self._check(connection, epoch)
            for mini_batch in {mini_batch for mini_batch, _ in keys}:
                connection.execute(t.commits.delete().where(t.commits.c.mini_batch == mini_batch))

    def forget_unfinished_parts(self, epoch: int, files_in: Callable[[int], int]) -> None:
        """Take back the files of mini-batches of which only some files are committed.

        A new run begins such a mini-batch as a whole again; its rows must not be there twice.
        """
        with self._database.read() as connection:
            counts = connection.execute(
                select(t.commits.c.mini_batch, func.count())
                .where(t.commits.c.part > 0)
                .group_by(t.commits.c.mini_batch)
            ).all()
        unfinished = [mini_batch for mini_batch, count in counts if count < files_in(mini_batch)]
        self.forget(epoch, [(mini_batch, 1) for mini_batch in unfinished])

    def _load_known(self, connection: Connection) -> None:
        self._names.load(connection)
        self._book.load(connection)

    def _check(self, connection: Connection, epoch: int) -> None:
        held = connection.execute(select(t.fence.c.epoch)).scalar()
        if held is not None and held > epoch:
            raise Fenced(f"The job was taken over by claim {held}; this is claim {epoch}.", target="job")

    def _commit_row(self, connection: Connection, commit: Commit) -> tuple[Any, ...]:
        segment, offset, length, crc = commit.place or (None, None, None, None)
        return (
            commit.mini_batch,
            commit.part,
            int(commit.ok),
            commit.attempt,
            commit.files,
            commit.rows,
            commit.items,
            self._names.segment(connection, segment) if segment is not None else None,
            offset,
            length,
            crc,
            self._names.schema(connection, commit.encoding, commit.columns) if commit.place else None,
            commit.instance,
            commit.slot,
            commit.started,
            commit.seconds,
        )

    # --- readers

    def progress(self) -> Progress:
        """Return the counters of the last commit."""
        with self._database.read() as connection:
            row = connection.execute(select(t.progress)).mappings().first()
        return Progress(**{k: v for k, v in row.items() if k != "id"}) if row else Progress()

    def recount(self) -> Progress:
        """Return the counters as they follow from the commits and failures themselves."""
        c = t.commits.c
        by_mini_batch = (
            select(c.mini_batch, func.min(c.ok).label("ok"), func.sum(c.rows).label("rows"))
            .group_by(c.mini_batch)
            .subquery()
        )
        with self._database.read() as connection:
            stored = connection.execute(select(t.progress)).mappings().one()
            ended, good, rows = connection.execute(
                select(
                    func.count(),
                    func.coalesce(func.sum(by_mini_batch.c.ok), 0),
                    func.sum(by_mini_batch.c.rows),
                )
            ).one()
            files_failed = connection.execute(select(func.sum(c.files)).where(c.ok == 0)).scalar()
        return Progress(
            mini_batches=stored["mini_batches"],
            files=stored["files"],
            completed=good,
            failed=ended - good,
            retried=stored["retried"],
            files_failed=files_failed or 0,
            rows=rows or 0,
            seconds=stored["seconds"],
        )

    def any_success(self) -> bool:
        """Return whether anything is committed with success, be it one file of a mini-batch."""
        query = select(t.commits.c.mini_batch).where(t.commits.c.ok == 1).limit(1)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def unfinished(self, mini_batches: int) -> list[tuple[int, int]]:
        """Return the half-open ranges of mini-batches below `mini_batches` that have no commit."""
        ranges = []
        following = 0
        for number in self._committed_numbers():
            if number > following:
                ranges.append((following, number))
            following = number + 1
        if following < mini_batches:
            ranges.append((following, mini_batches))
        return ranges

    def _committed_numbers(self) -> Iterator[int]:
        column = t.commits.c.mini_batch
        last = -1
        while True:
            with self._database.read() as connection:
                query = select(column).where(column > last).distinct().order_by(column).limit(_PAGE)
                page = connection.execute(query).scalars().all()
            yield from page
            if len(page) < _PAGE:
                return
            last = page[-1]

    def iter_commits(self) -> Iterator[Commit]:
        """Yield every commit in the order of mini-batches and files; memory does not grow with their number."""
        c = t.commits.c
        last = (-1, -1)
        while True:
            after = (c.mini_batch > last[0]) | ((c.mini_batch == last[0]) & (c.part > last[1]))
            with self._database.read() as connection:
                rows = connection.execute(
                    select(t.commits).where(after).order_by(c.mini_batch, c.part).limit(_PAGE)
                ).all()
                # After the rows: a driver that is at work may have added both.
                segments, schemas = _by_number(connection)
            for row in rows:
                yield commit_from(row, segments, schemas)
            if len(rows) < _PAGE:
                return
            last = (rows[-1].mini_batch, rows[-1].part)

    def segments_in_use(self) -> set[str]:
        """Return the names of the segments that hold committed rows."""
        query = select(t.segments.c.name).where(
            t.segments.c.id.in_(select(t.commits.c.segment).where(t.commits.c.ok == 1).distinct())
        )
        with self._database.read() as connection:
            return set(connection.execute(query).scalars())

    def row_schemas(self) -> list[tuple[str, Columns]]:
        """Return encoding and columns of the rows, in the order of the first mini-batch that has them."""
        c = t.commits.c
        first = (
            select(c.row_schema, func.min(c.mini_batch * 1_000_000 + c.part).label("first"))
            .where((c.ok == 1) & c.row_schema.is_not(None))
            .group_by(c.row_schema)
            .subquery()
        )
        query = (
            select(t.row_schemas.c.encoding, t.row_schemas.c.columns)
            .join(first, first.c.row_schema == t.row_schemas.c.id)
            .order_by(first.c.first)
        )
        with self._database.read() as connection:
            return [(row.encoding, columns_from(row.columns)) for row in connection.execute(query)]

    def columns(self) -> Columns:
        """Return names and types of the output's columns; empty until there is an output."""
        c = t.output_columns.c
        with self._database.read() as connection:
            query = select(c.name, c.type).order_by(c.position)
            return tuple((row.name, row.type) for row in connection.execute(query))

    def error_groups(self) -> list[ErrorGroup]:
        """Return the errors of the script, grouped, the commonest first."""
        with self._database.read() as connection:
            return read_groups(connection)

    def attempts(self, *, since: float, mini_batches: int) -> list[Attempt]:
        """Return the attempts that began at `since` (seconds since the epoch) or later, in that order."""
        with self._database.read() as connection:
            return read_attempts(connection, since=since, mini_batches=mini_batches)

    def iter_failed(self) -> Iterator[tuple[int, int, str]]:
        """Yield ``(mini_batch, part, reason)`` of all that failed for good, in order.

        The reason is the message of the last attempt.
        """
        last = (-1, -1)
        while True:
            with self._database.read() as connection:
                rows = read_failed(connection, after=last, limit=_PAGE)
            yield from rows
            if len(rows) < _PAGE:
                return
            last = rows[-1][:2]

    def iter_failures(self) -> Iterator[Failure]:
        """Yield every attempt that did not succeed, as they happened; their errors have a message only."""
        c = t.failures.c
        last = 0
        while True:
            with self._database.read() as connection:
                rows = connection.execute(
                    select(t.failures).where(c.id > last).order_by(c.id).limit(_PAGE)
                ).all()
            yield from map(failure_from, rows)
            if len(rows) < _PAGE:
                return
            last = rows[-1].id


def _forget_failed(connection: Connection) -> None:
    failed = select(t.commits.c.mini_batch).where(t.commits.c.ok == 0)
    connection.execute(t.commits.delete().where(t.commits.c.mini_batch.in_(failed)))
    connection.execute(update(t.error_groups).values(files=0))


def _by_number(connection: Connection) -> tuple[dict[int, str], dict[int, tuple[str, Columns]]]:
    """Return segments and schemas of rows by the numbers under which commits name them."""
    segments = {number: name for number, name in connection.execute(select(t.segments))}  # noqa: C416
    schemas = {
        row.id: (row.encoding, columns_from(row.columns)) for row in connection.execute(select(t.row_schemas))
    }
    return segments, schemas
