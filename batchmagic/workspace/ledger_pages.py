"""The mini-batches of a job, page by page: how each of them stands, however many there are."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import and_, case, exists, func, select

from batchmagic.workspace import ledger_tables as t
from batchmagic.workspace.database import Database, open_database
from batchmagic.workspace.ledger import FILE_NAME
from batchmagic.workspace.vocabulary import RETRIED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Row, Select

MOST_TRIES = 1000
_BLOCK = 20_000
_ROUNDS = 20


@dataclass(frozen=True, kw_only=True, slots=True)
class MiniBatch:
    """One mini-batch as the ledger knows it.

    Attributes
    ----------
    status
        One of `STATUSES`.
    attempts
        Tries that have ended, those of single files too where failures are isolated.
    instance, slot, started
        Of the last of them; `started` in seconds since the epoch.
    seconds
        All tries that counted or, without any, all that failed.
    error
        Kind and message of the last failed try; None if there is none.
    """

    number: int
    status: str
    attempts: int = 0
    rows: int = 0
    instance: str | None = None
    slot: int | None = None
    started: float | None = None
    seconds: float | None = None
    error: tuple[str, str] | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Try:
    """One attempt at a mini-batch, or (`part` above 0) at one of its files.

    Attributes
    ----------
    final
        Whether nothing follows it.
    error
        Kind and message; None where it succeeded.
    """

    part: int
    attempt: int
    ok: bool
    final: bool
    rows: int
    instance: str
    slot: int
    started: float
    seconds: float
    error: tuple[str, str] | None = None


class LedgerPages:
    """A job's ledger, open for reading pages of it; it may be used as a context.

    Parameters
    ----------
    files_in
        How many files a mini-batch has.
    """

    def __init__(self, database: Database, files_in: Callable[[int], int]) -> None:
        self._database = database
        self._files_in = files_in

    @classmethod
    def open(cls, job_folder: Path, files_in: Callable[[int], int]) -> Self:
        """Return the pages of the job in `job_folder`.

        Raises
        ------
        FileNotFoundError
            If it has no ledger yet.
        StoreCorrupted
            If the file is damaged.
        """
        path = job_folder / FILE_NAME
        if not path.exists():
            raise FileNotFoundError(path)
        # A page is to be quick: the check of the whole file is left to those who work with all of it.
        database = open_database(path, metadata=t.metadata, create=False, readonly=True, check=False)
        return cls(database, files_in)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._database.close()

    def page(
        self, first: int, count: int, *, status: str | None = None
    ) -> tuple[list[MiniBatch], int | None]:
        """Return mini-batches from number `first` on, and the number with which the next page begins.

        There may be fewer than `count`, also when a page follows: a search for what is rare ends after a while.

        Parameters
        ----------
        status
            Only those: one of `STATUSES`, or `RETRIED`.
        """
        with self._database.read() as connection:
            total = connection.execute(select(t.progress.c.mini_batches)).scalar() or 0
            if status is None:
                after = min(first + count, total)
                return self._items(connection, range(first, after)), after if after < total else None
            found: list[MiniBatch] = []
            for _ in range(_ROUNDS):
                numbers = _candidates(connection, status, first, total, count)
                for item in self._items(connection, numbers):
                    if status in {item.status, RETRIED}:
                        found.append(item)
                        if len(found) == count:
                            return found, item.number + 1
                if len(numbers) < count:
                    return found, None
                first = numbers[-1] + 1
        return found, first

    def tries(self, number: int) -> tuple[MiniBatch, list[Try]] | None:
        """Return a mini-batch with its attempts, the latest `MOST_TRIES` of them; None if there is no such."""
        with self._database.read() as connection:
            total = connection.execute(select(t.progress.c.mini_batches)).scalar() or 0
            if not 0 <= number < total:
                return None
            (item,) = self._items(connection, [number])
            return item, _tries(connection, number)

    def _items(self, connection: Connection, numbers: Sequence[int]) -> list[MiniBatch]:
        if not numbers:
            return []
        ends = {row.mini_batch: row for row in connection.execute(_ends(numbers))}
        failed = {row.mini_batch: row for row in connection.execute(_failed(numbers))}
        return [self._item(n, ends.get(n), failed.get(n)) for n in numbers]

    def _item(self, number: int, end: Row[Any] | None, failed: Row[Any] | None) -> MiniBatch:
        last = end or failed
        if last is None:
            return MiniBatch(number=number, status="waiting")
        return MiniBatch(
            number=number,
            status=self._status(number, end),
            attempts=(end.good if end else 0) + (failed.tries if failed else 0),
            rows=end.rows if end else 0,
            instance=last.instance,
            slot=last.slot,
            started=last.started,
            seconds=last.seconds,
            error=(failed.kind, failed.message) if failed else None,
        )

    def _status(self, number: int, end: Row[Any] | None) -> str:
        if end is None or (end.parted and end.ends < self._files_in(number)):
            return "retrying"
        return "completed" if end.good == end.ends else "failed"


def _among(column: Any, numbers: Sequence[int]) -> Any:
    if isinstance(numbers, range):
        return column.between(numbers[0], numbers[-1])
    return column.in_(numbers)


def _ends(numbers: Sequence[int]) -> Select[Any]:
    c = t.commits.c
    # SQLite takes the bare columns from the row that has the maximum.
    return (
        select(
            c.mini_batch,
            func.count().label("ends"),
            func.sum(c.ok).label("good"),
            (func.sum(case((c.part > 0, 1), else_=0)) > 0).label("parted"),
            func.sum(c.rows).label("rows"),
            func.sum(c.seconds).label("seconds"),
            func.max(c.started).label("started"),
            c.instance,
            c.slot,
        )
        .where(_among(c.mini_batch, numbers))
        .group_by(c.mini_batch)
    )


def _failed(numbers: Sequence[int]) -> Select[Any]:
    f = t.failures.c
    return (
        select(
            f.mini_batch,
            func.count().label("tries"),
            func.max(f.id).label("last"),
            func.sum(f.seconds).label("seconds"),
            f.started,
            f.instance,
            f.slot,
            f.kind,
            f.message,
        )
        .where(_among(f.mini_batch, numbers))
        .group_by(f.mini_batch)
    )


def _candidates(connection: Connection, status: str, first: int, total: int, count: int) -> list[int]:
    """Return the first numbers that may have the status; those that have it are among them."""
    if status == "waiting":
        return list(islice(_gaps(connection, first, total), count))
    c, f = t.commits.c, t.failures.c
    if status in {"completed", "failed"}:
        if status == "failed" and not connection.execute(select(t.progress.c.failed)).scalar():
            return []
        column, where = c.mini_batch, c.ok == int(status == "completed")
    else:
        column = f.mini_batch
        has_end = exists().where(and_(c.mini_batch == f.mini_batch, c.part == 0))
        where = ~has_end if status == "retrying" else f.id.is_not(None)
    query = select(column).distinct().where(where, column >= first).order_by(column).limit(count)
    return list(connection.execute(query).scalars())


def _gaps(connection: Connection, first: int, total: int) -> Iterator[int]:
    """Yield the numbers that no commit has."""
    c = t.commits.c.mini_batch
    for start in range(first, total, _BLOCK):
        stop = min(start + _BLOCK, total)
        # Most blocks are full, which SQLite finds out ten times as fast as we do.
        counted = select(func.count(c.distinct())).where(c >= start, c < stop)
        if connection.execute(counted).scalar_one() < stop - start:
            known = _known(connection, c, start, stop)
            yield from (n for n in range(start, stop) if n not in known)


def _known(connection: Connection, column: Any, start: int, stop: int) -> set[int]:
    query = select(column).distinct().where(column >= start, column < stop)
    return set(connection.execute(query).scalars())


def _tries(connection: Connection, number: int) -> list[Try]:
    c, f = t.commits.c, t.failures.c
    good = select(t.commits).where(c.mini_batch == number, c.ok == 1)
    bad = select(t.failures).where(f.mini_batch == number)
    found = [
        *_as_tries(connection.execute(good.order_by(c.part.desc()).limit(MOST_TRIES)), failed=False),
        *_as_tries(connection.execute(bad.order_by(f.id.desc()).limit(MOST_TRIES)), failed=True),
    ]
    return sorted(found, key=lambda a: (a.started, a.part))[-MOST_TRIES:]


def _as_tries(rows: Iterable[Row[Any]], *, failed: bool) -> Iterator[Try]:
    for row in rows:
        yield Try(
            part=row.part,
            attempt=row.attempt,
            ok=not failed,
            final=not failed or bool(row.final),
            rows=0 if failed else row.rows,
            instance=row.instance,
            slot=row.slot,
            started=row.started,
            seconds=row.seconds,
            error=(row.kind, row.message) if failed else None,
        )
