"""The attempts of a job that ended last: what its slots have just been doing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from batchmagic.workspace import ledger_tables as t

if TYPE_CHECKING:
    from sqlalchemy import Connection

_FEW = 20_000
_MOST = 600


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """One try of a mini-batch, or of one of its files.

    Attributes
    ----------
    ok
        Whether its rows count.
    final
        Whether nothing follows it: false for a try that was repeated.
    started
        Seconds since the epoch, by the clock of its instance.
    """

    mini_batch: int
    ok: bool
    final: bool
    instance: str
    slot: int
    started: float
    seconds: float


def read_attempts(connection: Connection, *, since: float, mini_batches: int) -> list[Attempt]:
    """Return the attempts that began at `since` or later, in the order of their beginnings.

    In a job of very many mini-batches only those with the highest numbers are looked at, which are the last ones
    unless an earlier run had them.
    """
    c, f = t.commits.c, t.failures.c
    commits = select(c.mini_batch, c.instance, c.slot, c.started, c.seconds).where(c.ok == 1)
    if mini_batches <= _FEW:
        commits = commits.where(c.started >= since)
    commits = commits.order_by(c.mini_batch.desc(), c.part.desc()).limit(_MOST)
    failures = select(f.mini_batch, f.instance, f.slot, f.started, f.seconds, f.final)
    failures = failures.order_by(f.id.desc()).limit(_MOST)
    found = [
        Attempt(mini_batch=n, ok=True, final=True, instance=i, slot=s, started=at, seconds=took)
        for n, i, s, at, took in connection.execute(commits)
    ]
    found += [
        Attempt(mini_batch=n, ok=False, final=bool(final), instance=i, slot=s, started=at, seconds=took)
        for n, i, s, at, took, final in connection.execute(failures)
    ]
    return sorted((a for a in found if a.started >= since), key=lambda a: a.started)


def read_failed(connection: Connection, *, after: tuple[int, int], limit: int) -> list[tuple[int, int, str]]:
    """Return what failed for good beyond the key `after`, in order: ``(mini_batch, part, reason)``."""
    c, f = t.commits.c, t.failures.c
    reason = (
        select(f.message)
        .where((f.mini_batch == c.mini_batch) & (f.part == c.part))
        .order_by(f.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    beyond = (c.mini_batch > after[0]) | ((c.mini_batch == after[0]) & (c.part > after[1]))
    query = select(c.mini_batch, c.part, reason).where((c.ok == 0) & beyond)
    rows = connection.execute(query.order_by(c.mini_batch, c.part).limit(limit))
    return [(mini_batch, part, text or "") for mini_batch, part, text in rows]
