"""What to lease next, what a result, a loss or a failure means, and when to stop.

Events in, commands out: no Dask, no database, no clock. The host and the simulation of the fault tests use
the same class.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.scoring.events import (
    Attempt,
    CancelRequested,
    Command,
    Event,
    Exclude,
    InitFailed,
    InstanceDown,
    InstanceSized,
    InstanceUp,
    Kind,
    Lease,
    LeaseLost,
    LeaseReturned,
    Member,
    Outcome,
    Record,
    Send,
    Stop,
)
from batchmagic.scoring.sizing import LEASES_PER_SLOT, LeaseSize

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchmagic.entities.settings import Settings
    from batchmagic.scoring.pending import Pending

MAX_WORKER_LOSSES = 3
# With nobody else alive a loss proves nothing against the mini-batch, but it must not go on for ever.
MAX_LONELY_LOSSES = 10
MAX_INIT_FAILURES = 2


@dataclass(slots=True)
class _Instance:
    slots: int
    leases: int = 0
    init_failures: int = 0
    excluded: bool = False


@dataclass(slots=True)
class _Blame:
    """What stands against a member so far. Kept only for members in trouble, which are few."""

    failures: int = 0
    losses: int = 0
    lonely_losses: int = 0


class Decisions:
    """The driver's decisions for one run of one job.

    Parameters
    ----------
    settings
        The settings in force.
    pending
        The mini-batches that are not committed.
    files_in
        Number of files of a mini-batch.
    any_success
        Whether anything is committed with success, be it one file of a mini-batch.
    failed_files
        Files that are committed as failed.
    """

    def __init__(
        self,
        settings: Settings,
        pending: Pending,
        files_in: Callable[[int], int],
        *,
        any_success: bool = False,
        failed_files: int = 0,
    ) -> None:
        self._settings = settings
        self._pending = pending
        self._files_in = files_in
        self._alone: deque[Member] = deque()
        self._instances: dict[str, _Instance] = {}
        # With the instance that has it: one that takes its place under the same name has none of them.
        self._leases: dict[int, tuple[Lease, _Instance]] = {}
        self._blame: dict[tuple[int, int], _Blame] = {}
        self._parts_left: dict[int, int] = {}
        self._size = LeaseSize()
        self._next_lease = 0
        self._any_success = any_success
        self._finished = 0
        self._failed_files = failed_files
        self._last_error: dict[str, Any] | None = None
        self.stopped: Stop | None = None

    @property
    def running(self) -> int:
        """Mini-batches that are handed out."""
        return sum(len(lease.members) for lease, _ in self._leases.values())

    @property
    def slots(self) -> int:
        """Slots of all instances that take leases."""
        return sum(i.slots for i in self._usable().values())

    def handle(self, event: Event) -> list[Command]:
        """Return what is to be done now that `event` happened."""
        commands: list[Command] = []
        match event:
            case InstanceUp(instance, slots):
                self._instances[instance] = _Instance(slots)
            case InstanceSized(instance, slots):
                if instance in self._instances:
                    self._instances[instance].slots = slots
            case InstanceDown(instance):
                self._instances.pop(instance, None)
            case LeaseReturned():
                commands += self._returned(event)
            case LeaseLost():
                commands += self._lost(event)
            case InitFailed():
                commands += self._init_failed(event)
            case CancelRequested():
                commands += self._stop(Outcome.CANCELED, "canceled", "canceled")
        return commands + self._go_on()

    def _go_on(self) -> list[Command]:
        if self.stopped:
            return []
        stop = self._verdict()
        if stop:
            self.stopped = stop
            return [stop]
        return [*self._refill()]

    def _verdict(self) -> Stop | None:
        settings = self._settings
        threshold = settings.error_threshold
        if threshold is not None and 0 <= threshold < self._failed_files:
            files = "file is" if self._failed_files == 1 else "files are"
            message = f"{self._failed_files} failed {files} more than error_threshold={threshold} allows"
            return Stop(Outcome.FAILED, "error_threshold", message, self._last_error)
        first = max(10, 2 * self.slots)
        if settings.fail_fast and threshold is None and not self._any_success and self._finished >= first:
            message = f"none of the first {self._finished} mini-batches succeeded"
            return Stop(Outcome.FAILED, "systematic", message, self._last_error)
        if self._pending or self._alone or self._leases:
            return None
        if not self._any_success and settings.output_action is BatchDeploymentOutputAction.APPEND_ROW:
            return Stop(Outcome.FAILED, "no_success", "no mini-batch succeeded", self._last_error)
        return Stop(Outcome.COMPLETED, "done", "all mini-batches are done")

    def _stop(
        self, outcome: Outcome, reason: str, message: str, error: dict[str, Any] | None = None
    ) -> list[Command]:
        if self.stopped:
            return []
        self.stopped = Stop(outcome, reason, message, error)
        return [self.stopped]

    # --- leases

    def _usable(self) -> dict[str, _Instance]:
        return {name: i for name, i in self._instances.items() if not i.excluded}

    def _refill(self) -> list[Send]:
        sends = []
        usable = self._usable()
        while self._pending or self._alone:
            # The emptiest instance first, by name where equal, so that the same events give the same leases.
            free = [
                (i.leases / i.slots, name)
                for name, i in usable.items()
                if i.leases < LEASES_PER_SLOT * i.slots
            ]
            if not free:
                break
            name = min(free)[1]
            members = self._next_members()
            lease = Lease(self._next_lease, name, members)
            self._next_lease += 1
            self._leases[lease.number] = lease, usable[name]
            usable[name].leases += 1
            sends.append(Send(lease))
        return sends

    def _next_members(self) -> tuple[Member, ...]:
        if self._alone:
            return (self._alone.popleft(),)
        count = self._size.next_size(len(self._pending), LEASES_PER_SLOT * self.slots)
        members = tuple(Member(number) for number in self._pending.take(count))
        self._size.leased(len(members))
        return members

    def _take_back(self, number: int) -> tuple[Lease, _Instance] | None:
        """Return the lease if it is still wanted: neither a late twin of one that was given up nor after the end."""
        found = self._leases.pop(number, None)
        if found is None or self.stopped:
            return None
        found[1].leases -= 1
        return found

    def _give_back(self, member: Member) -> None:
        if member.part or member.key in self._blame:
            self._alone.append(member)
        else:
            self._pending.give_back(member.mini_batch)

    # --- what came back

    def _returned(self, event: LeaseReturned) -> list[Command]:
        out = self._leases.get(event.number)
        told_of = len(event.attempts) + len(event.given_back) + (event.running is not None)
        if out is not None and told_of != len(out[0].members):
            return []  # a late twin of what cut the lease; it is out again for one member
        found = self._take_back(event.number)
        if found is None:
            return []
        commands: list[Command] = []
        if event.attempts:
            found[1].init_failures = 0
        for attempt in event.attempts:
            commands += self._attempt(attempt)
        for member in event.given_back:
            self._give_back(member)
        if event.running is not None:
            commands += self._go_on_with(event.running, *found)
        self._size.learn([a for a in event.attempts if a.kind is Kind.OK])
        return commands

    def _go_on_with(self, member: Member, lease: Lease, instance: _Instance) -> list[Command]:
        """Keep a lease out for the one member that takes long, unless its instance has gone."""
        if self._instances.get(lease.instance) is not instance:
            self._give_back(member)
            return []
        kept = replace(lease, members=(member,))
        self._leases[kept.number] = kept, instance
        instance.leases += 1
        return [Send(kept)]

    def _attempt(self, attempt: Attempt) -> list[Command]:
        member = attempt.member
        if attempt.kind is Kind.OK:
            self._blame.pop(member.key, None)
            self._count(member, succeeded=True)
            return [Record(attempt, final=True)]
        self._last_error = {
            **(attempt.error or {}),
            "mini_batch": member.mini_batch,
            "part": member.part,
            "instance": attempt.instance,
            "slot": attempt.slot,
        }
        blame = self._blame.setdefault(member.key, _Blame())
        blame.failures += 1
        retries = 0 if member.part else self._settings.max_retries
        if blame.failures <= retries:
            self._alone.append(replace(member, attempt=member.attempt + 1))
            return [Record(attempt, final=False)]
        return self._finally_failed(attempt)

    def _finally_failed(self, attempt: Attempt) -> list[Command]:
        member = attempt.member
        del self._blame[member.key]
        files = self._files_in(member.mini_batch)
        if self._settings.isolate_failures and not member.part and files > 1:
            self._parts_left[member.mini_batch] = files
            self._alone.extend(Member(member.mini_batch, part) for part in range(1, files + 1))
            return [Record(attempt, final=False)]
        failed = 1 if member.part else files
        self._failed_files += failed
        self._count(member, succeeded=False)
        return [Record(attempt, final=True, failed_files=failed)]

    def _count(self, member: Member, *, succeeded: bool) -> None:
        self._any_success = self._any_success or succeeded
        if member.part:
            self._parts_left[member.mini_batch] -= 1
            if self._parts_left[member.mini_batch]:
                return
            del self._parts_left[member.mini_batch]
        self._finished += 1

    # --- losses

    def _lost(self, event: LeaseLost) -> list[Command]:
        found = self._take_back(event.number)
        if found is None:
            return []
        lease = found[0]
        if event.in_order:
            for member in lease.members:
                self._give_back(member)
            return []
        if not lease.is_lone:
            # One of them may be the cause, so each goes out alone; _Blame marks them as such.
            for member in lease.members:
                self._blame.setdefault(member.key, _Blame())
                self._alone.append(member)
            return []
        return self._lone_loss(lease, event)

    def _lone_loss(self, lease: Lease, event: LeaseLost) -> list[Command]:
        member = lease.members[0]
        blame = self._blame.setdefault(member.key, _Blame())
        if event.begun and event.others_lived:
            blame.losses += 1
        elif event.begun:
            blame.lonely_losses += 1
        if blame.losses <= MAX_WORKER_LOSSES and blame.lonely_losses <= MAX_LONELY_LOSSES:
            self._alone.append(member)
            return []
        times = blame.losses + blame.lonely_losses
        error = {
            "type": "WorkerLost",
            "message": f"the Dask worker was lost {times} times while it scored this mini-batch",
            "phase": "run",
        }
        self._last_error = error
        return self._finally_failed(
            Attempt(member=member, kind=Kind.WORKER_LOST, instance=lease.instance, error=error)
        )

    def _init_failed(self, event: InitFailed) -> list[Command]:
        found = self._take_back(event.number)
        if found is None:
            return []
        lease, instance = found
        for member in lease.members:
            self._give_back(member)
        if self._instances.get(lease.instance) is not instance or instance.excluded:
            return []
        instance.init_failures += 1
        if instance.init_failures < MAX_INIT_FAILURES:
            return []
        instance.excluded = True
        # An instance that is still on its way may do better.
        if self._usable() or len(self._instances) < self._settings.instance_count:
            return [Exclude(lease.instance)]
        phase = "the import of the scoring script" if event.error.get("phase") == "import" else "init()"
        return self._stop(Outcome.FAILED, "init_failed", f"{phase} failed on every instance", event.error)
