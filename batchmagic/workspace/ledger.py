"""The ledger of one job: what has reached its end, and where its rows are. Only what stands here is output."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import func, insert, select, update

from batchmagic import failpoints
from batchmagic.entities.progress import Progress
from batchmagic.errors import Fenced
from batchmagic.workspace import ledger_tables as t
from batchmagic.workspace.database import Database, open_database
from batchmagic.workspace.ledger_attempts import Attempt, read_attempts
from batchmagic.workspace.ledger_entries import (
    Columns,
    Commit,
    Failure,
    columns_from,
    commit_from,
    failure_from,
    failure_row,
)
from batchmagic.workspace.ledger_errors import ErrorBook, ErrorGroup, inserted_id, read_groups

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection

FILE_NAME = "ledger.db"
_PAGE = 5000
_COUNTERS = ("completed", "failed", "retried", "files_failed", "rows", "seconds")


# Values by position: building a dictionary for each row took longer than SQLite takes to store it.
_COMMIT_COLUMNS = [column.name for column in t.commits.columns]
_INSERT_COMMIT = (
    f"INSERT INTO commits ({', '.join(_COMMIT_COLUMNS)}) "  # noqa: S608 -- only our own names are in it
    f"VALUES ({', '.join('?' * len(_COMMIT_COLUMNS))})"
)


@dataclass(slots=True)
class _Interned:
    """Numbers of texts that many rows share."""

    segments: dict[str, int] = field(default_factory=dict)
    schemas: dict[tuple[str, Columns], int] = field(default_factory=dict)


class Ledger:
    """The ledger of one job.

    One driver writes, under its claim's epoch; any number of processes read.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._interned = _Interned()
        self._book = ErrorBook()

    @classmethod
    def open(cls, job_folder: Path, *, readonly: bool = False) -> Self:
        """Return the ledger of the job in `job_folder`.

        Raises
        ------
        StoreCorrupted
            If the file is damaged.
        FileNotFoundError
            If there is none yet and `readonly` is given.
        """
        path = job_folder / FILE_NAME
        if readonly and not path.exists():
            raise FileNotFoundError(path)
        return cls(open_database(path, metadata=t.metadata, create=not readonly, readonly=readonly))

    def close(self) -> None:
        """Close the database."""
        self._database.close()

    # --- the writer

    def begin(self, *, epoch: int, run: int, mini_batches: int, files: int) -> bool:
        """Make `epoch` the only one whose writes are accepted from now on.

        Returns
        -------
        bool
            Whether the ledger sees this run for the first time.

        Raises
        ------
        Fenced
            If a later epoch is here already.
        """
        with self._database.write() as connection:
            row = connection.execute(select(t.fence)).first()
            if row is None:
                connection.execute(insert(t.fence).values(id=1, epoch=epoch, run=run))
                connection.execute(insert(t.progress).values(id=1, mini_batches=mini_batches, files=files))
            else:
                self._check(connection, epoch)
                connection.execute(update(t.fence).values(epoch=epoch, run=run))
            for number, name in connection.execute(select(t.segments.c.id, t.segments.c.name)):
                self._interned.segments[name] = number
            for number, encoding, columns in connection.execute(select(t.row_schemas)):
                self._interned.schemas[encoding, columns_from(columns)] = number
            self._book.load(connection)
        failpoints.hit("ledger.begun")
        return row is None or row.run < run

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
            if commits:
                connection.exec_driver_sql(_INSERT_COMMIT, [self._commit_row(connection, c) for c in commits])
            if failures:
                groups = self._book.note(connection, failures)
                rows = [failure_row(f, g) for f, g in zip(failures, groups, strict=True)]
                connection.execute(insert(t.failures), rows)
            failpoints.hit("ledger.mid_commit")
            counters = {name: getattr(progress, name) for name in _COUNTERS}
            connection.execute(update(t.progress).values(**counters))
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
        """Take commits back: these mini-batches or files are to be scored again."""
        with self._database.write() as connection:
            self._check(connection, epoch)
            for mini_batch, part in keys:
                chosen = (t.commits.c.mini_batch == mini_batch) & (t.commits.c.part == part)
                connection.execute(t.commits.delete().where(chosen))

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
        self.forget(epoch, [(m, part) for m in unfinished for part in range(1, files_in(m) + 1)])

    def forget_failed(self, epoch: int) -> None:
        """Take back every mini-batch that failed, so that the next run tries it again."""
        with self._database.write() as connection:
            self._check(connection, epoch)
            failed = select(t.commits.c.mini_batch).where(t.commits.c.ok == 0)
            connection.execute(t.commits.delete().where(t.commits.c.mini_batch.in_(failed)))
            connection.execute(update(t.error_groups).values(files=0))

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
            self._segment(connection, segment) if segment is not None else None,
            offset,
            length,
            crc,
            self._schema(connection, commit.encoding, commit.columns) if commit.place else None,
            commit.instance,
            commit.slot,
            commit.started,
            commit.seconds,
        )

    def _segment(self, connection: Connection, name: str) -> int:
        number = self._interned.segments.get(name)
        if number is None:
            number = inserted_id(connection, t.segments, {"name": name})
            self._interned.segments[name] = number
        return number

    def _schema(self, connection: Connection, encoding: str, columns: Columns) -> int:
        number = self._interned.schemas.get((encoding, columns))
        if number is None:
            values = {"encoding": encoding, "columns": json.dumps(columns)}
            number = inserted_id(connection, t.row_schemas, values)
            self._interned.schemas[encoding, columns] = number
        return number

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
        segments, schemas = self._names()
        last = (-1, -1)
        while True:
            after = (c.mini_batch > last[0]) | ((c.mini_batch == last[0]) & (c.part > last[1]))
            with self._database.read() as connection:
                rows = connection.execute(
                    select(t.commits).where(after).order_by(c.mini_batch, c.part).limit(_PAGE)
                ).all()
            for row in rows:
                yield commit_from(row, segments, schemas)
            if len(rows) < _PAGE:
                return
            last = (rows[-1].mini_batch, rows[-1].part)

    def _names(self) -> tuple[dict[int, str], dict[int, tuple[str, Columns]]]:
        with self._database.read() as connection:
            segments = {number: name for number, name in connection.execute(select(t.segments))}  # noqa: C416
            schemas = {
                row.id: (row.encoding, columns_from(row.columns))
                for row in connection.execute(select(t.row_schemas))
            }
        return segments, schemas

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

    def failed(self) -> list[tuple[int, int, str]]:
        """Return ``(mini_batch, part, reason)`` of all that failed for good, in order.

        The reason is the message of the last attempt.
        """
        c, f = t.commits.c, t.failures.c
        reason = (
            select(f.message)
            .where((f.mini_batch == c.mini_batch) & (f.part == c.part))
            .order_by(f.id.desc())
            .limit(1)
            .scalar_subquery()
        )
        query = select(c.mini_batch, c.part, reason).where(c.ok == 0).order_by(c.mini_batch, c.part)
        with self._database.read() as connection:
            return [(mini_batch, part, text or "") for mini_batch, part, text in connection.execute(query)]

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
