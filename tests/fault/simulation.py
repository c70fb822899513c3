"""The real decisions of a job on a fake cluster with a virtual clock: one seed is one history.

A seed draws the job, what its mini-batches do, and all that happens to the cluster, the host and the people around
it. Every event is checked against `simulation_model.Model`; what is committed stands in a book. The same seed gives
the same history on every machine.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

from simulation_book import Book, LedgerBook
from simulation_cluster import ALWAYS, Fate, Node, Order, Reply, draw_fate
from simulation_model import Model

from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.settings import Settings
from batchmagic.scoring import events as e
from batchmagic.scoring.decisions import Decisions
from batchmagic.scoring.pending import Pending

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_MOST_EVENTS = 200_000
_GROUP_SECONDS = 0.2
_LATE_EVENTS = 6  # how many of those that come after the end are still looked at
_HISTORY = 60
_HOUR = 3600.0
_RUNS = 3

# What may happen to a job from outside, and how often beside the others.
_NEMESES = {
    "kill": 4,
    "freeze": 2,
    "retire": 3,
    "scale_up": 2,
    "resize": 2,
    "suspend": 1,
    "crash_host": 2,
    "cancel": 1,
    "join_twice": 1,
}


class Simulation:
    """One job, from its submission to the last of its runs.

    Parameters
    ----------
    seed
        Decides everything.
    folder
        Keep a real ledger there as well.

    Attributes
    ----------
    seen
        How often each thing happened, by name.
    history
        All that happened, one line each.
    """

    def __init__(self, seed: int, folder: Path | None = None) -> None:
        self.rng = rng = Random(seed)
        self.now = 0.0
        self.seen: Counter[str] = Counter()
        self.history: list[str] = []
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = itertools.count()
        self._draw_job(rng)
        self.book = Book(self.files) if folder is None else LedgerBook(self.files, folder)
        self.nodes: dict[str, Node] = {}
        self._driver = 0  # which driver's turn it is; 0 where there is none
        self._epoch = 0
        self._runs = 0
        self._late = 0
        self._plan_nemeses(rng)

    def _draw_job(self, rng: Random) -> None:
        count = rng.choice([1, 2, rng.randint(3, 30), rng.randint(20, 60), rng.randint(60, 400)])
        pace = rng.choice([0.0005, 0.01, 0.2, 5.0])
        size = rng.choice([1, 1, 2, 4])
        self.files = [size] * (count - 1) + [rng.randint(1, size)]
        trouble = rng.choice([0.0, 0.05, 0.3, 1.0])
        self.fates = [draw_fate(rng, pace, files, trouble) for files in self.files]
        if rng.random() < 0.1:  # the script is no good
            self.fates = [Fate(pace, times=ALWAYS, bad_files=frozenset(range(1, n + 1))) for n in self.files]
        self.nbytes = rng.choice([10, 1000, 3_000_000])
        self._lost_replies = rng.choice([0.0, 0.0, 0.03, 0.2])
        self._repeated_replies = rng.choice([0.0, 0.1])
        self._delay = rng.choice([0.0005, 0.05, 3.0])
        self.forgetful = rng.choice([0.0, 0.0, 0.02])
        self._bad_inits = rng.choice([0.0, 0.0, 0.0, 0.3, 1.0])
        self._slots = rng.choice([1, 1, 2, 4])
        self._stretch = count * pace / self._slots + 5 * self._delay + 1
        self.settings = Settings(
            mini_batch_size=size,
            instance_count=rng.randint(1, 4),
            max_retries=rng.randint(0, 3),
            error_threshold=rng.choice([None, None, -1, 0, rng.randint(1, 10)]),
            fail_fast=rng.random() < 0.7,
            isolate_failures=rng.random() < 0.4,
            output_action=rng.choice(list(BatchDeploymentOutputAction)),
        )

    def _plan_nemeses(self, rng: Random) -> None:
        names, weights = zip(*_NEMESES.items(), strict=True)
        drawn = rng.choices(names, weights, k=rng.choice([0, 1, 3, 8, 20]))
        if rng.random() < 0.2:  # the same over and over
            drawn = [rng.choice(["kill", "freeze", "retire", "crash_host"])] * rng.randint(5, 40)
        for name in drawn:
            self.at(rng.uniform(0, 1.5 * self._stretch), getattr(self, f"_{name}"))

    # --- the clock

    def at(self, delay: float, act: Callable[..., None], *arguments: Any) -> None:
        """Let something happen later."""
        heapq.heappush(self._heap, (self.now + delay, next(self._order), act, arguments))

    def run(self) -> Simulation:
        """Live through all of it."""
        self._submit()
        events = 0
        while self._heap and self._late < _LATE_EVENTS:
            self.now, _, act, arguments = heapq.heappop(self._heap)
            act(*arguments)
            events += 1
            assert events < _MOST_EVENTS, "the job does not come to an end"
        assert self._model.stop is not None, "nothing happens any more, and the job has not ended"
        self._check_end()
        self.book.close()
        return self

    def _note(self, what: str, detail: object = "") -> None:
        self.seen[what] += 1
        self.history.append(f"{self.now:12.4f}  {what}  {detail}")

    @property
    def tail(self) -> str:
        """The last of the history, for a report."""
        return "\n".join(self.history[-_HISTORY:])

    # --- the driver

    def _submit(self, *, redo_failed: bool = False) -> None:
        self._runs += 1
        self._note("run", (self._runs, self.settings, redo_failed))
        self._begin(redo_failed=redo_failed)

    def _begin(self, *, redo_failed: bool = False) -> None:
        """Begin as the driver of a new host does."""
        self._epoch += 1
        self._note("host", f"epoch {self._epoch}")
        self._waiting_records: list[e.Record] = []
        self._sent: dict[Order, Node] = {}
        self._sized: dict[str, int] = {}
        self.book.begin(self._epoch, self._runs, redo_failed=redo_failed)
        self._decide_anew()
        self._ask_for_instances()

    def _ask_for_instances(self) -> None:
        for number in range(self.settings.instance_count):
            self.at(self.rng.uniform(0, 2), self._join, self._driver, f"i{number}")

    def _decide_anew(self) -> None:
        """Decide about what is not committed."""
        self._driver = next(self._order) + 1
        book = self.book
        self._decisions = Decisions(
            self.settings,
            Pending(book.ranges()),
            self.files.__getitem__,
            any_success=book.any_success,
            failed_files=book.failed_files,
        )
        self._model = Model(self.settings, self.files, book.left, book.failed_files, book.any_success)
        self._handle(e.InstanceDown(""))

    def _handle(self, event: e.Event) -> None:
        """Let the decisions see an event, and do what they say, as the driver does."""
        self._note(type(event).__name__, event)
        if self._model.stop is not None:
            self._late += 1
        commands = self._decisions.handle(event)
        self._model.check(event, commands)
        for command in commands:
            self._note(f"-> {type(command).__name__}", command)
            if isinstance(command, e.Send):
                node = self.nodes[command.lease.instance]
                order = Order(self._driver, command.lease)
                self._sent[order] = node
                self.at(self._travel(), node.receive, order)
                self.seen["lease of many"] += not command.lease.is_lone
            elif isinstance(command, e.Record):
                attempt = command.attempt
                self.seen[str(attempt.kind)] += command.final
                self.seen["file failed alone"] += bool(attempt.member.part and attempt.kind is not e.Kind.OK)
                if not self._waiting_records:
                    self.at(_GROUP_SECONDS, self._commit, self._driver)
                self._waiting_records.append(command)
            elif isinstance(command, e.Stop):
                self._ended(command)

    def _tell(self, driver: int, event: e.Event) -> None:
        """Tell the driver, if it is still the same."""
        if driver == self._driver:
            self._handle(event)

    def _commit(self, driver: int) -> None:
        if driver == self._driver:
            self.book.commit(self._waiting_records)
            self._waiting_records = []

    def _ended(self, stop: e.Stop) -> None:
        """Do what the driver does at the end; somebody may resume, and rows may be found damaged."""
        self._commit(self._driver)
        self._note(f"ended {stop.reason}", stop.message)
        if stop.outcome is e.Outcome.COMPLETED and self.book.done and self.rng.random() < 0.1:
            lost = self.rng.sample(sorted(self.book.done), min(3, len(self.book.done)))
            self.at(0, self._damage, self._driver, lost)
        elif self._runs < _RUNS and (stop.outcome is not e.Outcome.COMPLETED or self.book.failed_files):
            self.at(self.rng.uniform(0, self._stretch), self._resume, self._driver)

    def _resume(self, driver: int) -> None:
        if driver == self._driver and self.rng.random() < 0.7:
            if self.rng.random() < 0.5:  # the script was mended
                self.fates = [Fate(f.seconds) for f in self.fates]
                self._bad_inits = 0.0
            self._leave_all()
            self._late = 0
            self._submit(redo_failed=self.rng.random() < 0.5)

    def _damage(self, driver: int, keys: list[tuple[int, int]]) -> None:
        """Find rows damaged at the end: the same driver scores them again."""
        if driver == self._driver:
            self._note("damage", keys)
            self.book.lose(keys)
            self._late = 0
            self._sent = {}
            self._decide_anew()
            for name, node in list(self.nodes.items()):
                if node.alive and self._model.stop is None:
                    self._handle(e.InstanceUp(name, self._slots_of(name)))
            self._ask_for_instances()

    def _check_end(self) -> None:
        """Check what is left when all runs are over."""
        if self._model.stop[0] is e.Outcome.COMPLETED:
            assert self.book.whole == set(range(len(self.files))), "mini-batches are lost"

    # --- instances

    def _slots_of(self, name: str) -> int:
        return self._sized.get(name, 1 if self._slots == 4 else self._slots)

    def _join(self, driver: int, name: str) -> None:
        """Let an instance come up for the driver, in place of one of that name that is gone."""
        old = self.nodes.get(name)
        if driver != self._driver or self._model.stop is not None or (old is not None and old.alive):
            return
        bad = self.rng.choice([1, 2, 50]) if self.rng.random() < self._bad_inits else 0
        self.nodes[name] = Node(self, name, self._slots_of(name), bad)
        self._handle(e.InstanceUp(name, self._slots_of(name)))

    def lose(self, node: Node, why: str) -> None:
        """Let a worker die, at once; the driver hears of it later, and the host replaces it."""
        if node.alive:
            node.alive = False
            self._note("died", f"{node.name} {why}")
            self.at(self._travel(), self._gone, self._driver, node)
            self.at(self.rng.uniform(0, 2), self._join, self._driver, node.name)

    def _gone(self, driver: int, node: Node) -> None:
        """Let the driver see that an instance is gone: it takes its leases back."""
        if driver != self._driver:
            return
        if self.nodes.get(node.name) is node:
            self._handle(e.InstanceDown(node.name))
        others = any(other.alive for other in self.nodes.values() if other is not node)
        for order in [order for order, at in self._sent.items() if at is node]:
            del self._sent[order]
            begun, number = order in node.begun, order.lease.number
            lost = e.LeaseLost(number, begun=begun, others_lived=others, in_order=node.retired)
            # Mostly at once, as the driver does; sometimes after the replacement has joined.
            late = self.rng.random() < 0.1
            self.at(self.rng.uniform(0, 3) if late else 0, self._tell, driver, lost)

    def _leave_all(self) -> None:
        for node in self.nodes.values():
            node.alive = False
        self.nodes = {}

    # --- the network

    def _travel(self) -> float:
        return self.rng.uniform(0, self._delay)

    def reply(self, reply: Reply) -> None:
        """Bring a reply to the driver; on the way it may get lost, late or double."""
        self.at(self._travel(), self._arrive, reply)
        if self.rng.random() < self._repeated_replies:
            self.at(self._travel() * 20, self._arrive, reply)

    def _arrive(self, reply: Reply) -> None:
        if reply.order.driver != self._driver:
            return
        number = reply.order.lease.number
        first = self._sent.pop(reply.order, None) is not None
        self.seen["late twin"] += not first
        if first and self.rng.random() < self._lost_replies:
            self.seen["lost reply"] += 1
            self._handle(e.LeaseLost(number, begun=reply.order in reply.node.begun))
            if self.rng.random() < 0.5:
                self.at(self._travel() * 20, self._arrive, reply)
        elif reply.attempts is None:
            self._handle(e.InitFailed(number, {"type": "OSError", "phase": "init"}))
        else:
            self.seen["given back"] += bool(reply.given_back)
            self.seen["cut short"] += bool(reply.given_back and reply.attempts)
            self._size(reply.node, reply.attempts)
            self.seen["goes on with one"] += reply.running is not None
            self._handle(e.LeaseReturned(number, reply.attempts, reply.given_back, reply.running))

    def _size(self, node: Node, attempts: tuple[e.Attempt, ...]) -> None:
        if attempts and self._slots == 4 and node.name not in self._sized:
            node.slots = self._sized[node.name] = self.rng.randint(1, 4)
            self._handle(e.InstanceSized(node.name, node.slots))

    # --- the nemeses

    def _living(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.alive] if self._model.stop is None else []

    def _some(self) -> Node | None:
        return self.rng.choice(self._living() or [None])

    def _kill(self) -> None:
        if (node := self._some()) is not None:
            self.lose(node, "by a signal")

    def _freeze(self) -> None:
        """Stop a worker until it is given up; then it goes on, and its replies come late."""
        if (node := self._some()) is not None:
            self._note("frozen", node.name)
            self.at(self.rng.uniform(0, 2), self._gone, self._driver, node)
            del self.nodes[node.name]
            self._handle(e.InstanceDown(node.name))
            self.at(self.rng.uniform(0, 3), self._join, self._driver, node.name)

    def _retire(self) -> None:
        """Take a busy instance away; it comes back later."""
        if (node := self._some()) is not None:
            node.alive, node.retired = False, True
            self._note("retired", node.name)
            self._gone(self._driver, node)
            self.at(self.rng.uniform(0, 5), self._join, self._driver, node.name)

    def _scale_up(self) -> None:
        self._join(self._driver, f"i{self.rng.randrange(self.settings.instance_count)}")

    def _join_twice(self) -> None:
        """Let a replacement be seen before the end of the one it replaces."""
        if (node := self._some()) is not None:
            node.alive = False
            self._note("replaced early", node.name)
            self._join(self._driver, node.name)
            self.at(self.rng.uniform(0, 1), self._gone, self._driver, node)

    def _resize(self) -> None:
        if (node := self._some()) is not None:
            node.slots = self.rng.randint(1, 4)
            self._handle(e.InstanceSized(node.name, node.slots))

    def _suspend(self) -> None:
        """Let hours pass in which nothing runs; then everything that was due happens at once, in any order."""
        self._note("suspended")
        woken = self.now + self.rng.uniform(1, 8) * _HOUR
        waiting = [(woken + self.rng.uniform(0, 1), *rest) for _, *rest in self._heap]
        self._heap = []
        for entry in sorted(waiting, key=lambda w: (w[0], w[1])):
            heapq.heappush(self._heap, entry)  # type: ignore[arg-type]

    def _crash_host(self) -> None:
        """Kill the host, its cluster with it; what was not committed is lost, and the next host goes on."""
        if self._model.stop is None:
            self._note("host killed")
            self._leave_all()
            self._begin()

    def _cancel(self) -> None:
        if self._model.stop is None:
            self._handle(e.CancelRequested())
