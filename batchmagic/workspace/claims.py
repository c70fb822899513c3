"""Ownership of a compute or a job: at most one live process has it, and one that lost it is told so.

A claim is a row. Its epoch rises with every owner, so that whatever an earlier owner still tries to
write can be refused. Whether an owner of this machine lives, the system says; an owner elsewhere is
judged by its counter, watched by the observer's own monotonic clock. Wall clocks decide nothing.
"""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select, update

from batchmagic.errors import ClaimHeld, Fenced
from batchmagic.workspace import identity as identities
from batchmagic.workspace.identity import ProcessIdentity
from batchmagic.workspace.store_file import place_of
from batchmagic.workspace.tables import claims

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sqlalchemy import Connection, Row

    from batchmagic.workspace.database import Database

SILENCE_SECONDS = 15.0
"""For how long the counter of an owner elsewhere must stand still before it counts as dead."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Claim:
    """Proof of ownership; it is good as long as no one else has a higher epoch."""

    resource: str
    epoch: int
    identity: ProcessIdentity


@dataclass(frozen=True, kw_only=True, slots=True)
class Holder:
    """Who has a claim.

    Attributes
    ----------
    alive
        False only when the owner is known to be dead, or to serve another folder, of which this one is a
        copy. An owner elsewhere counts as alive until this
        store has seen its counter stand still for `SILENCE_SECONDS`.
    local
        Whether the answer comes from this machine's own table of processes.
    """

    resource: str
    epoch: int
    identity: ProcessIdentity
    counter: int
    alive: bool
    local: bool

    @property
    def beat(self) -> tuple[int, int]:
        """What changes while the owner lives."""
        return self.epoch, self.counter


class ClaimStore:
    """The claims of a workspace. `clock` is monotonic; tests pass one of their own."""

    def __init__(self, database: Database, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[str, tuple[int, int, float]] = {}

    def acquire(
        self, resource: str, identity: ProcessIdentity | None = None, *, force: bool = False
    ) -> Claim:
        """Return the claim on `resource`, which then belongs to `identity` (this process unless given).

        Parameters
        ----------
        force
            Take it from a live owner, who is fenced from then on.

        Raises
        ------
        ClaimHeld
            If a live process has it.
        """
        owner = identity or identities.current()
        with self._database.write() as connection:
            row = self._row(connection, resource)
            if row is not None and row.held and not force:
                self._refuse_if_alive(row)
            epoch = 1 if row is None else row.epoch + 1
            values = {
                "epoch": epoch,
                "held": True,
                "counter": 0,
                "host": owner.host,
                "boot_id": owner.boot_id,
                "pid": owner.pid,
                "start_time": owner.start_time,
                "place": self._place(),
                "acquired_at": time.time(),
            }
            if row is None:
                connection.execute(insert(claims).values(resource=resource, **values))
            else:
                connection.execute(update(claims).where(claims.c.resource == resource).values(**values))
        return Claim(resource=resource, epoch=epoch, identity=owner)

    def beat(self, claim: Claim) -> None:
        """Show others that the owner lives.

        Raises
        ------
        Fenced
            If the claim was taken over or released; the caller must not write any more.
        """
        with self._database.write() as connection:
            done = connection.execute(
                update(claims).where(*_ours(claim)).values(counter=claims.c.counter + 1)
            )
        if done.rowcount == 0:
            raise _fenced(claim)

    def release(self, claim: Claim) -> None:
        """Give the claim up; if it was taken over meanwhile, the new owner keeps it."""
        with self._database.write() as connection:
            connection.execute(update(claims).where(*_ours(claim)).values(held=False))

    def holder(self, resource: str) -> Holder | None:
        """Return who has the claim on `resource`, dead or alive; None if it is free."""
        with self._database.read() as connection:
            row = self._row(connection, resource)
        return self._judge(row) if row is not None and row.held else None

    @contextlib.contextmanager
    def guard(self, claim: Claim) -> Iterator[None]:
        """Let a short act on files happen while `claim` is in force: nobody can take it over before its end.

        The act must not write to this database.

        Raises
        ------
        Fenced
            If the claim was taken over or released; the act does not happen then.
        """
        with self._database.write() as connection:
            self.check(connection, claim)
            yield

    @staticmethod
    def check(connection: Connection, claim: Claim) -> None:
        """Raise `Fenced`, in the caller's own write transaction, unless `claim` is still in force."""
        if connection.execute(select(claims.c.epoch).where(*_ours(claim))).first() is None:
            raise _fenced(claim)

    @staticmethod
    def _row(connection: Connection, resource: str) -> Row[Any] | None:
        return connection.execute(select(claims).where(claims.c.resource == resource)).one_or_none()

    def _refuse_if_alive(self, row: Row[Any]) -> None:
        holder = self._judge(row)
        if holder.alive:
            who = holder.identity
            raise ClaimHeld(
                f"{holder.resource} belongs to process {who.pid} on {who.host.partition('/')[0]}.",
                target=holder.resource,
            )

    def _judge(self, row: Row[Any]) -> Holder:
        owner = ProcessIdentity(host=row.host, boot_id=row.boot_id, pid=row.pid, start_time=row.start_time)
        known = identities.alive(owner)
        if known and row.place not in {None, self._place()}:
            # In a copy of a workspace stand the claims of the original, whose owners never come here.
            known = False
        return Holder(
            resource=row.resource,
            epoch=row.epoch,
            identity=owner,
            counter=row.counter,
            alive=self._moves(row) if known is None else known,
            local=known is not None,
        )

    def _place(self) -> str | None:
        found = place_of(self._database.path.parent)
        return None if found is None else "{}:{}".format(*found)

    def _moves(self, row: Row[Any]) -> bool:
        now = self._clock()
        with self._lock:
            epoch, counter, since = self._seen.get(row.resource, (0, 0, now))
            if (epoch, counter) != (row.epoch, row.counter):
                since = now
            self._seen[row.resource] = (row.epoch, row.counter, since)
        return now - since < SILENCE_SECONDS


def _ours(claim: Claim) -> tuple[Any, ...]:
    return claims.c.resource == claim.resource, claims.c.epoch == claim.epoch, claims.c.held


def _fenced(claim: Claim) -> Fenced:
    return Fenced(f"{claim.resource} was taken over after epoch {claim.epoch}.", target=claim.resource)
