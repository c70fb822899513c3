"""What has changed in a workspace since it was looked at last, found without reading what has not."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from sqlalchemy import String, func, select, type_coerce

from batchmagic.entities.status import TERMINAL
from batchmagic.workspace import job_labels, job_records
from batchmagic.workspace import tables as t
from batchmagic.workspace.vocabulary import CHANGED_KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Select

    from batchmagic.workspace.database import Database
    from batchmagic.workspace.job_records import JobRecord

_ASSETS = {"data": "data", "environment": "environments", "model": "models"}
_ENDED = [status.value for status in TERMINAL]
_PAGE = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class Change:
    """What has changed.

    Attributes
    ----------
    jobs
        Names of jobs that are new, or whose state or counters are.
    gone
        Names of jobs that were deleted.
    kinds
        Those of `CHANGED_KINDS` of which anything has.
    """

    jobs: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.jobs or self.gone or self.kinds)


@dataclass(slots=True)
class _State:
    """What was seen last: the names of all jobs, and how those stood that have not ended."""

    event: int = 0
    names: dict[int, str] = field(default_factory=dict)
    unfinished: dict[int, tuple[Any, ...]] = field(default_factory=dict)
    kinds: dict[str, tuple[Any, ...]] = field(default_factory=dict)


class Changes:
    """Looks at one workspace again and again, from one thread at a time.

    Where nothing was written since the last look, a look costs one question to SQLite and reads nothing. Otherwise
    it reads the events of jobs since then and the counters of jobs that have not ended.
    """

    def __init__(self, database: Database, root: Path) -> None:
        self._database = database
        self._folder = root / "jobs"
        self._connection: Connection | None = None
        self._version: int | None = None
        self._state: _State | None = None

    def look(self) -> Change:
        """Return what has changed since the last look; the first one finds nothing.

        Raises
        ------
        WorkspaceError
            If the database cannot be read. The next look finds what this one would have.
        """
        self._database.check_place()
        version = self._data_version()
        if version == self._version:
            return Change()
        with self._database.read() as connection:
            found = _State(event=connection.execute(select(func.max(t.job_events.c.seq))).scalar() or 0)
            found.unfinished = dict(_unfinished(connection))
            found.kinds = dict(_fingerprints(connection))
            if self._state is None:
                found.names = dict(_names(connection))
                change = Change()
            else:
                change = self._compare(connection, self._state, found)
        # Read before the rest: what is written meanwhile is found at the next look.
        self._state, self._version = found, version
        return change

    def unfinished(self) -> list[str]:
        """Return the names of the jobs that had not ended at the last look."""
        state = self._state or _State()
        return [state.names[seq] for seq in state.unfinished]

    def newest(self, count: int) -> list[str]:
        """Return the names of the jobs that were submitted last, as of the last look."""
        state = self._state or _State()
        return [state.names[seq] for seq in sorted(state.names)[-count:]]

    def records(self, names: Sequence[str]) -> dict[str, JobRecord]:
        """Return the jobs of these names, by their names as they were given; those that are gone are not in it."""
        found: dict[str, JobRecord] = {}
        with self._database.read() as connection:
            for some in _pages(names):
                rows = connection.execute(select(t.jobs).where(t.jobs.c.name.in_(some)))
                for row in rows:
                    found[row.name.lower()] = job_records.record(row, self._folder)
        return {name: found[name.lower()] for name in names if name.lower() in found}

    def close(self) -> None:
        """Let go of the database."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _data_version(self) -> int:
        # It tells one connection whether another has written, so it must always be the same one.
        if self._connection is None:
            self._connection = self._database.engine.connect()
            self._version = None
        number: int = self._connection.exec_driver_sql("PRAGMA data_version").scalar_one()
        return number

    def _compare(self, connection: Connection, before: _State, after: _State) -> Change:
        touched = _with_events(connection, before.event)
        touched |= {seq for seq, how in after.unfinished.items() if before.unfinished.get(seq) != how}
        after.names = dict(before.names)
        unknown = [seq for seq in touched if seq not in after.names]
        after.names.update(_names(connection, unknown))
        gone: dict[int, str] = {}
        if connection.execute(select(func.count()).select_from(t.jobs)).scalar_one() != len(after.names):
            gone, after.names = after.names, dict(_names(connection))
            touched |= after.names.keys() - gone.keys()
            gone = {seq: name for seq, name in gone.items() if seq not in after.names}
        return Change(
            jobs=tuple(after.names[seq] for seq in sorted(touched) if seq in after.names),
            gone=tuple(gone.values()),
            kinds=tuple(kind for kind in CHANGED_KINDS if before.kinds.get(kind) != after.kinds.get(kind)),
        )


def _unfinished(connection: Connection) -> Iterator[tuple[int, tuple[Any, ...]]]:
    j = t.jobs.c
    # By the index, which has no more than that: a job's row is long, and most jobs have ended.
    seqs = connection.execute(select(j.seq).where(j.status.not_in(_ENDED))).scalars().all()
    progress = type_coerce(j.progress, String)
    for some in _pages(seqs):
        query = select(j.seq, j.run, j.status, j.status_detail, progress).where(j.seq.in_(some))
        for seq, *how in connection.execute(query):
            yield seq, tuple(how)


def _with_events(connection: Connection, after: int) -> set[int]:
    e = t.job_events.c
    return set(connection.execute(select(e.job).distinct().where(e.seq > after)).scalars())


def _names(connection: Connection, seqs: Sequence[int] | None = None) -> Iterator[tuple[int, str]]:
    j = t.jobs.c
    if seqs is None:
        yield from ((seq, name) for seq, name in connection.execute(select(j.seq, j.name)))
        return
    for some in _pages(seqs):
        query = select(j.seq, j.name).where(j.seq.in_(some))
        yield from ((seq, name) for seq, name in connection.execute(query))


def _fingerprints(connection: Connection) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield of each kind a few numbers that any change of it changes."""
    for kind, query in _questions().items():
        yield kind, tuple(tuple(row) for row in connection.execute(query))
    a = t.assets.c
    numbers = (func.count(), func.max(a.seq), func.max(a.modified_at), func.sum(a.archived))
    for kind, *found in connection.execute(select(a.kind, *numbers).group_by(a.kind)):
        yield _ASSETS.get(kind, kind), tuple(found)


def _questions() -> dict[str, Select[Any]]:
    d, e, c, k, n = t.deployments.c, t.endpoints.c, t.computes.c, t.claims.c, t.counters.c
    # A compute is another one to look at, too, when its host has come or gone.
    hosts = select(func.sum(k.epoch)).where(k.held, k.resource.startswith("compute/")).scalar_subquery()
    return {
        "endpoints": select(func.count(), func.max(e.modified_at)),
        "deployments": select(func.count(), func.sum(d.version), func.max(d.created_at)),
        "computes": select(func.count(), func.max(c.modified_at), hosts),
        "jobs": select(n.last).where(n.kind == job_labels.COUNTER),
    }


def _pages(items: Sequence[Any]) -> Iterable[Sequence[Any]]:
    return (items[at : at + _PAGE] for at in range(0, len(items), _PAGE))
