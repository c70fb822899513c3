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


@dataclass(frozen=True)
class Carried:
    """A member that takes long, and when it will have ended; the kind is None where the worker dies of it."""

    member: Member
    kind: Kind | None
    ready: float


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
    carried: dict[tuple[int, int], Carried] = field(default_factory=dict)
    waiting: deque[Order] = field(default_factory=deque)

    def receive(self, order: Order) -> None:
        """Take a lease and score it as soon as a slot is free; one that was cut has its slot."""
        carried = self.carried.pop((order.driver, order.lease.number), None)
        if carried is None:
            self.waiting.append(order)
            self.start()
        elif self.alive:
            self.begun.add(order)
            self.world.at(max(0, carried.ready - self.world.now), self._end_carried, order, carried)

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
            begun, elapsed = elapsed, elapsed + fate.seconds
            if elapsed > _CUT_SECONDS and len(members) > 1 and self.world.rng.random() < 0.8:
                carried = Carried(member, kind, self.world.now + elapsed)
                rest = members[number + 1 :]
                self.world.at(
                    max(begun, _CUT_SECONDS),
                    self._cut,
                    Reply(self, order, tuple(attempts), rest, member),
                    carried,
                )
                return
            if kind is None:
                self.world.at(elapsed, self.world.lose, self, "killed by its mini-batch")
                return
            attempts.append(self._attempt(member, kind))
            if elapsed > _CUT_SECONDS and self.world.rng.random() < 0.5:
                self.world.at(elapsed, self._end, order, tuple(attempts), members[number + 1 :])
                return
        self.world.at(elapsed, self._end, order, tuple(attempts), ())

    def _attempt(self, member: Member, kind: Kind) -> Attempt:
        error = None if kind is Kind.OK else {"type": "ValueError", "message": str(kind), "phase": "run"}
        return Attempt(
            member=member,
            kind=kind,
            seconds=self.world.fates[member.mini_batch].seconds,
            nbytes=self.world.nbytes,
            error=error,
            instance=self.name,
        )

    def _cut(self, reply: Reply, carried: Carried) -> None:
        """Give a lease back but for the member that takes long, which keeps its slot."""
        if self.alive:
            key = reply.order.driver, reply.order.lease.number
            self.carried[key] = carried
            self.world.reply(reply)
            # If that is never heard, the slot is free again when the member has ended.
            self.world.at(max(0, carried.ready - self.world.now) + 60, self._forget, key)

    def _forget(self, key: tuple[int, int]) -> None:
        if self.carried.pop(key, None) is not None and self.alive:
            self.busy -= 1
            self.start()

    def _end_carried(self, order: Order, carried: Carried) -> None:
        if carried.kind is None:
            self.world.lose(self, "killed by a mini-batch that took long")
        else:
            self._end(order, (self._attempt(carried.member, carried.kind),), ())

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
    running: Member | None = None
