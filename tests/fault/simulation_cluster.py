"""The fake cluster of the simulation: instances with slots that score leases on a virtual clock.

What a mini-batch does is its `Fate`; what a cluster does to it is drawn by the simulation.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchmagic.scoring.events import Attempt, Kind

if TYPE_CHECKING:
    from random import Random

    from simulation import Simulation

    from batchmagic.scoring.events import Lease, Member

ALWAYS = 10**9
_CUT_SECONDS = 2.0  # a lease whose members turn out slow is cut short after that
_INIT_SECONDS = 0.3


@dataclass
class Fate:
    """What the script does with one mini-batch.

    Attributes
    ----------
    kind
        How it fails.
    times
        How often, before it succeeds.
    bad_files
        The files that make it fail, from 1, where it fails always.
    kills
        How often scoring it takes the whole worker along.
    """

    seconds: float
    kind: Kind = Kind.ERROR
    times: int = 0
    bad_files: frozenset[int] = frozenset()
    kills: int = 0

    def score(self, member: Member) -> Kind | None:
        """Return how this attempt ends; None: the worker dies of it."""
        if member.part and self.times >= ALWAYS and member.part not in self.bad_files:
            return Kind.OK
        if self.kills:
            self.kills -= 1
            return None
        if self.times:
            self.times -= self.times < ALWAYS
            return self.kind
        return Kind.OK


def draw_fate(rng: Random, pace: float, files: int, trouble: float) -> Fate:
    """Return the fate of one mini-batch; `trouble` is the share of those that are not simply good."""
    seconds = pace * rng.uniform(0.2, 3) * rng.choice([1] * 19 + [300])
    if rng.random() >= trouble:
        return Fate(seconds)
    kind = rng.choice([Kind.ERROR, Kind.TIMEOUT, Kind.CRASH, Kind.OUT_OF_MEMORY])
    bad = frozenset(rng.sample(range(1, files + 1), rng.randint(1, files)))
    match rng.randrange(4):
        case 0:
            return Fate(seconds, kind, times=rng.randint(1, 5))
        case 1:
            return Fate(seconds, kind, times=ALWAYS, bad_files=bad)
        case 2:
            return Fate(seconds, kills=rng.randint(1, 3))
        case _:
            return Fate(seconds, kind, times=ALWAYS, bad_files=bad, kills=rng.choice([0, ALWAYS]))


@dataclass(frozen=True)
class Order:
    """A lease on its way, and whose it is: the numbers of leases begin anew with every driver."""

    driver: int
    lease: Lease


@dataclass
class Node:
    """One Dask worker. Its replies go through the simulation, which may lose or repeat them."""

    world: Simulation
    name: str
    slots: int
    init_failures: int
    alive: bool = True
    retired: bool = False
    ready: int = 0
    busy: int = 0
    begun: set[Order] = field(default_factory=set)
    waiting: deque[Order] = field(default_factory=deque)

    def receive(self, order: Order) -> None:
        """Take a lease and score it as soon as a slot is free."""
        self.waiting.append(order)
        self.start()

    def start(self) -> None:
        """Let free slots take what waits."""
        while self.alive and self.waiting and self.busy < self.slots:
            self.busy += 1
            order = self.waiting.popleft()
            if self.world.rng.random() < self.world.forgetful:
                self.world.at(0, self._end, order, (), order.lease.members)
            elif self.ready >= self.busy:
                self._score(order)
            elif self.init_failures:
                self.init_failures -= 1
                self.world.at(_INIT_SECONDS, self._end, order, None, ())
            else:
                self.ready += 1
                self._score(order, _INIT_SECONDS)

    def _score(self, order: Order, elapsed: float = 0.0) -> None:
        attempts = []
        members = order.lease.members
        if order.lease.is_lone:
            self.begun.add(order)
        for number, member in enumerate(members):
            fate = self.world.fates[member.mini_batch]
            kind = fate.score(member)
            elapsed += fate.seconds
            if kind is None:
                self.world.at(elapsed, self.world.lose, self, "killed by its mini-batch")
                return
            error = None if kind is Kind.OK else {"type": "ValueError", "message": str(kind), "phase": "run"}
            attempts.append(
                Attempt(
                    member=member,
                    kind=kind,
                    seconds=fate.seconds,
                    nbytes=self.world.nbytes,
                    error=error,
                    instance=self.name,
                )
            )
            if elapsed > _CUT_SECONDS and self.world.rng.random() < 0.5:
                self.world.at(elapsed, self._end, order, tuple(attempts), members[number + 1 :])
                return
        self.world.at(elapsed, self._end, order, tuple(attempts), ())

    def _end(
        self, order: Order, attempts: tuple[Attempt, ...] | None, given_back: tuple[Member, ...]
    ) -> None:
        if not self.alive:
            return
        self.busy -= 1
        self.world.reply(Reply(self, order, attempts, given_back))
        self.start()


@dataclass(frozen=True)
class Reply:
    """What a node says of a lease; no attempts at all (None) where ``init()`` failed."""

    node: Node
    order: Order
    attempts: tuple[Attempt, ...] | None
    given_back: tuple[Member, ...]
