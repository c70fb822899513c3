"""What the driver tells its decisions, and what they tell it to do.

Only numbers and text: the same values go through the host, the ledger and the simulation of the fault tests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """How one attempt at a mini-batch ended."""

    OK = "ok"
    ERROR = "error"  # the script raised, or returned what cannot be rows
    TIMEOUT = "timeout"
    CRASH = "crash"  # the scoring process died
    OUT_OF_MEMORY = "out_of_memory"
    WORKER_LOST = "worker_lost"


@dataclass(frozen=True, slots=True, order=True)
class Member:
    """One mini-batch as a lease carries it.

    Attributes
    ----------
    part
        0: the whole mini-batch; n >= 1: only its n-th file (``isolate_failures``).
    attempt
        1 for the first try.
    """

    mini_batch: int
    part: int = 0
    attempt: int = 1

    @property
    def key(self) -> tuple[int, int]:
        """What the ledger commits once."""
        return self.mini_batch, self.part


@dataclass(frozen=True, slots=True)
class Lease:
    """A run of members that goes to one instance in one Dask future."""

    number: int
    instance: str
    members: tuple[Member, ...]

    @property
    def is_lone(self) -> bool:
        """Whether a loss of this lease can be blamed on its only member."""
        return len(self.members) == 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One finished attempt, as the slot reports it.

    Attributes
    ----------
    seconds
        Duration of ``run()`` and encoding.
    nbytes
        Encoded size of the rows.
    started
        Seconds since the epoch, by the instance's clock; for display only.
    error
        ``type, message, traceback, frame, phase`` where `kind` is not OK.
    place
        Where the rows are: ``segment, offset, length, crc``; None for no rows.
    columns
        Names and types of the rows, in order.
    """

    member: Member
    kind: Kind
    rows: int = 0
    items: int = 0
    seconds: float = 0.0
    nbytes: int = 0
    started: float = 0.0
    slot: int = 0
    instance: str = ""
    max_rss: int = 0
    encoding: str = "none"
    columns: tuple[tuple[str, str], ...] = ()
    place: tuple[str, int, int, int] | None = None
    error: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class InstanceUp:
    """An instance can take leases for this job."""

    instance: str
    slots: int


@dataclass(frozen=True, slots=True)
class InstanceDown:
    """An instance is gone; its leases come as `LeaseLost`."""

    instance: str


@dataclass(frozen=True, slots=True)
class InstanceSized:
    """The number of slots of an instance is now known."""

    instance: str
    slots: int


@dataclass(frozen=True, slots=True)
class LeaseReturned:
    """A lease came back: some members have an attempt, the others were not begun.

    Attributes
    ----------
    running
        The member that takes long: the lease goes on with it alone.
    """

    number: int
    attempts: tuple[Attempt, ...]
    given_back: tuple[Member, ...] = ()
    running: Member | None = None


@dataclass(frozen=True, slots=True)
class LeaseLost:
    """A lease will never come back.

    Attributes
    ----------
    begun
        Whether its scoring process had begun the lone member.
    others_lived
        Whether other workers of the cluster lived on.
    in_order
        Whether the worker ended because it was told to, which proves nothing against anybody.
    """

    number: int
    begun: bool = True
    others_lived: bool = True
    in_order: bool = False


@dataclass(frozen=True, slots=True)
class InitFailed:
    """``init()`` (or the import of the script) failed in a slot; the lease came back untouched."""

    number: int
    error: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CancelRequested:
    """A person asked for the end of the job."""


Event = InstanceUp | InstanceDown | InstanceSized | LeaseReturned | LeaseLost | InitFailed | CancelRequested


@dataclass(frozen=True, slots=True)
class Send:
    """Hand this lease to its instance."""

    lease: Lease


@dataclass(frozen=True, slots=True)
class Record:
    """Write this attempt down.

    Attributes
    ----------
    final
        Whether the member has reached its end: its rows are committed, or it has failed for good.
    failed_files
        Files that are failed for good by it.
    """

    attempt: Attempt
    final: bool
    failed_files: int = 0


@dataclass(frozen=True, slots=True)
class Exclude:
    """Take the instance out of the job: ``init()`` does not succeed there."""

    instance: str


class Outcome(StrEnum):
    """How a job ends."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Stop:
    """No more leases; those that are out are to be given up at once.

    Attributes
    ----------
    reason
        ``done, no_success, error_threshold, systematic, init_failed, worker_lost`` or ``canceled``.
    error
        The error of the script that tells why, if there is one.
    """

    outcome: Outcome
    reason: str
    message: str
    error: dict[str, Any] | None = None


Command = Send | Record | Exclude | Stop
