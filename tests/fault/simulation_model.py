"""What the decisions must do: worked out a second time, from the documentation, as slowly as need be.

`Model.check` gets every event with the commands that came of it and fails on the first one that is wrong.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.scoring import events as e
from batchmagic.scoring.events import Kind, Outcome

if TYPE_CHECKING:
    from batchmagic.entities.settings import Settings

Key = tuple[int, int]

WORKER_LOSSES = 3
LONELY_LOSSES = 10
INIT_FAILURES = 2
LEASES_PER_SLOT = 2
MOST_MEMBERS = 2000
GROWTH = 4


@dataclass
class _Place:
    """An instance; a replacement of the same name is another one."""

    slots: int
    out: int = 0
    init_failures: int = 0
    excluded: bool = False


@dataclass
class _Trouble:
    failures: int = 0
    losses: int = 0
    lonely: int = 0


@dataclass
class Model:
    """One driver's run, as the documentation has it.

    Attributes
    ----------
    files
        Number of files of each mini-batch.
    left
        The mini-batches that are not committed.
    failed_files, succeeded
        What is committed already.
    """

    settings: Settings
    files: list[int]
    left: list[int]
    failed_files: int
    succeeded: bool
    finished: int = 0
    stop: tuple[Outcome, str] | None = None
    _largest: int = 1
    _waiting: dict[Key, int] = field(default_factory=dict)  # key -> number of its next attempt
    _alone: set[Key] = field(default_factory=set)
    _trouble: dict[Key, _Trouble] = field(default_factory=dict)
    _parts: dict[int, int] = field(default_factory=dict)
    _places: dict[str, _Place] = field(default_factory=dict)
    _kept: e.Lease | None = None
    _out: dict[int, tuple[str, _Place, tuple[e.Member, ...]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._waiting = dict.fromkeys(((m, 0) for m in self.left), 1)

    def check(self, event: e.Event, commands: list[e.Command]) -> None:
        """Fail unless `commands` are what `event` calls for."""
        over = self.stop is not None
        self._kept = None
        records, excluded = self._apply(event)
        if over:
            assert not commands, f"after its end the run still does something: {commands}"
            return
        self._judge()
        said = [
            (c.attempt.member, c.attempt.kind, c.final, c.failed_files)
            for c in commands
            if isinstance(c, e.Record)
        ]
        assert said == records, f"recorded {said} and not {records}"
        assert [c.instance for c in commands if isinstance(c, e.Exclude)] == excluded
        stops = [(c.outcome, c.reason) for c in commands if isinstance(c, e.Stop)]
        assert stops == ([self.stop] if self.stop else []), f"the verdict is {stops}, not {self.stop}"
        for command in commands:
            if isinstance(command, e.Send):
                if command.lease == self._kept:
                    self._kept = None
                else:
                    self._sent(command.lease)
        assert self._kept is None, f"{self._kept} was to go on"
        self._check_no_stall()

    # --- what is sent

    def _sent(self, lease: e.Lease) -> None:
        assert self.stop is None, "a lease was sent after the end"
        place = self._places.get(lease.instance)
        assert place is not None, f"a lease was sent to {lease.instance}, which is not there"
        assert not place.excluded, f"a lease was sent to {lease.instance}, which is excluded"
        place.out += 1
        assert place.out <= LEASES_PER_SLOT * place.slots, f"too many leases at {lease.instance}"
        count = len(lease.members)
        assert 1 <= count <= min(MOST_MEMBERS, GROWTH * self._largest), f"a lease of {count}"
        self._largest = max(self._largest, count)
        for number, member in enumerate(lease.members):
            assert self._waiting.pop(member.key, None) == member.attempt, f"{member} was not due"
            if count > 1:
                assert member.mini_batch == lease.members[0].mini_batch + number, "members are not in a row"
                assert member.key not in self._alone, f"{member} has to travel alone"
        assert lease.number not in self._out
        self._out[lease.number] = lease.instance, place, lease.members

    def _check_no_stall(self) -> None:
        if self.stop is None and self._waiting:
            free = [
                n for n, p in self._places.items() if not p.excluded and p.out < LEASES_PER_SLOT * p.slots
            ]
            assert not free, f"{len(self._waiting)} wait although {free} could take them"

    # --- what an event means

    def _apply(self, event: e.Event) -> tuple[list[tuple[e.Member, Kind, bool, int]], list[str]]:
        """Return the records and exclusions that the event calls for."""
        match event:
            case e.InstanceUp(name, slots):
                self._places[name] = _Place(slots)
            case e.InstanceSized(name, slots) if name in self._places:
                self._places[name].slots = slots
            case e.InstanceDown(name):
                self._places.pop(name, None)
            case e.CancelRequested():
                self.stop = self.stop or (Outcome.CANCELED, "canceled")
            case e.LeaseReturned():
                return self._returned(event), []
            case e.LeaseLost():
                return self._lost(event), []
            case e.InitFailed():
                return [], self._init_failed(event)
        return [], []

    def _take_back(self, number: int) -> tuple[str, _Place, tuple[e.Member, ...]] | None:
        found = self._out.pop(number, None)
        if found is not None:
            found[1].out -= 1
        return None if self.stop else found

    def _returned(self, event: e.LeaseReturned) -> list[tuple[e.Member, Kind, bool, int]]:
        told_of = {a.member for a in event.attempts} | {*event.given_back}
        told_of |= {event.running} - {None}
        out = self._out.get(event.number)
        if out is not None and told_of != {*out[2]}:
            return []  # of an earlier sending
        found = self._take_back(event.number)
        if found is None:
            return []
        if event.attempts:
            found[1].init_failures = 0
        records = [self._attempt(attempt.member, attempt.kind) for attempt in event.attempts]
        self._again(event.given_back)
        if event.running is not None:
            self._go_on(event.number, *found[:2], event.running)
        return records

    def _go_on(self, number: int, name: str, place: _Place, member: e.Member) -> None:
        """Expect that a lease that was cut stays out for the member that takes long."""
        if self._places.get(name) is not place:
            self._again((member,))
            return
        place.out += 1
        self._out[number] = name, place, (member,)
        self._kept = e.Lease(number, name, (member,))

    def _again(self, members: tuple[e.Member, ...]) -> None:
        self._waiting.update({m.key: m.attempt for m in members})

    def _attempt(self, member: e.Member, kind: Kind) -> tuple[e.Member, Kind, bool, int]:
        if kind is Kind.OK:
            self._end(member, ok=True)
            return member, kind, True, 0
        trouble = self._trouble.setdefault(member.key, _Trouble())
        trouble.failures += 1
        assert trouble.failures <= 1 + self.settings.max_retries
        assert trouble.failures == member.attempt
        self._alone.add(member.key)
        if not member.part and trouble.failures < 1 + self.settings.max_retries:
            self._waiting[member.key] = member.attempt + 1
            return member, kind, False, 0
        return self._failed(member, kind)

    def _failed(self, member: e.Member, kind: Kind) -> tuple[e.Member, Kind, bool, int]:
        files = self.files[member.mini_batch]
        if self.settings.isolate_failures and not member.part and files > 1:
            self._parts[member.mini_batch] = files
            parts = [(member.mini_batch, part) for part in range(1, files + 1)]
            self._alone.update(parts)
            self._waiting.update(dict.fromkeys(parts, 1))
            return member, kind, False, 0
        failed = 1 if member.part else files
        self.failed_files += failed
        self._end(member, ok=False)
        return member, kind, True, failed

    def _end(self, member: e.Member, *, ok: bool) -> None:
        self.succeeded = self.succeeded or ok
        if member.part:
            self._parts[member.mini_batch] -= 1
        self.finished += not self._parts.get(member.mini_batch, 0)

    def _lost(self, event: e.LeaseLost) -> list[tuple[e.Member, Kind, bool, int]]:
        found = self._take_back(event.number)
        if found is None:
            return []
        members = found[2]
        if event.in_order:
            self._again(members)
            return []
        self._alone.update(m.key for m in members)
        if len(members) > 1 or not event.begun:
            self._again(members)
            return []
        trouble = self._trouble.setdefault(members[0].key, _Trouble())
        if event.others_lived:
            trouble.losses += 1
        else:
            trouble.lonely += 1
        if trouble.losses <= WORKER_LOSSES and trouble.lonely <= LONELY_LOSSES:
            self._again(members)
            return []
        return [self._failed(members[0], Kind.WORKER_LOST)]

    def _init_failed(self, event: e.InitFailed) -> list[str]:
        found = self._take_back(event.number)
        if found is None:
            return []
        name, place, members = found
        self._again(members)
        if self._places.get(name) is not place or place.excluded:
            return []
        place.init_failures += 1
        place.excluded = place.init_failures >= INIT_FAILURES
        everywhere = all(p.excluded for p in self._places.values())
        if everywhere and len(self._places) >= self.settings.instance_count:
            self.stop = Outcome.FAILED, "init_failed"
            return []
        return [name] if place.excluded else []

    # --- the verdict

    def _judge(self) -> None:
        if self.stop is not None:
            return
        settings = self.settings
        threshold = settings.error_threshold
        slots = sum(p.slots for p in self._places.values() if not p.excluded)
        if threshold is not None and threshold != -1 and self.failed_files > threshold:
            self.stop = Outcome.FAILED, "error_threshold"
        elif (
            settings.fail_fast
            and threshold is None
            and not self.succeeded
            and self.finished >= max(10, 2 * slots)
        ):
            self.stop = Outcome.FAILED, "systematic"
        elif not self._waiting and not self._out:
            rows = settings.output_action is BatchDeploymentOutputAction.APPEND_ROW
            good = self.succeeded or not rows
            self.stop = (Outcome.COMPLETED, "done") if good else (Outcome.FAILED, "no_success")
