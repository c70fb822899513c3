"""What every kind of compute offers to the host: a Dask client, and instances that come and go.

Knows no Dask at import, so that tests of the driver can stand on it alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from types import TracebackType
    from typing import Self

    from distributed import Client

    from batchmagic.compute.first import FirstAct


class LeaveReason(StrEnum):
    """Why an instance is not there any more."""

    CLOSED = "closed"
    """`Instances.scale_to` or `Instances.close` ended it."""
    RETIRED = "retired"
    """It had joined and then ended in good order, because somebody else told it to: it was pre-empted."""
    LOST = "lost"
    """It had joined and then died, froze or lost its connection."""
    FAILED = "failed"
    """Its process ended before it joined, or did not join in time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Instance:
    """One Dask worker.

    Attributes
    ----------
    name
        ``i0``, ``i1``, …; the replacement of a lost instance has the same name.
    address
        The Dask address, to bind a lease to it (``client.submit(..., workers=[address])``). A
        replacement has another one.
    pid
        The worker's process on `host`.
    host
        The machine, as its own ``socket.gethostname()``.
    nthreads
        Slots: leases that it runs at the same time.
    """

    name: str
    address: str
    pid: int
    host: str
    nthreads: int


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceJoined:
    """An instance is ready for leases."""

    instance: Instance


@dataclass(frozen=True, kw_only=True, slots=True)
class InstanceLeft:
    """An instance is gone; what it ran is lost.

    Attributes
    ----------
    name, address
        As in `Instance`; the address is empty when it had never joined.
    reason
        Whether this was asked for.
    detail
        One phrase for people, such as ``killed by SIGKILL``.
    """

    name: str
    address: str
    reason: LeaveReason
    detail: str = ""


class Instances(Protocol):
    """The instances of one compute.

    Attributes
    ----------
    first_act
        What instances that are started from now on do before they load Dask; a compute that does not
        start its own workers ignores it.

    The methods may be called from any thread and in the callback of `watch`, except that `start`,
    `wait` and `close` wait and thus must not be called in the callback.
    """

    first_act: FirstAct | None

    @property
    def client(self) -> Client:
        """The synchronous Dask client, open from `start` to `close`."""

    def start(self) -> None:
        """Bring the scheduler up; no instance is asked for yet.

        Raises
        ------
        ComputeError
            With the cause.
        """

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that have joined and not left, by name."""

    def scale_to(self, n: int, *, keep: Collection[str] = ()) -> None:
        """Ask for `n` instances; returns at once, and `watch` tells of each that comes or goes.

        Missing ones are started. Of surplus ones those not in `keep` (names) are closed, the latest
        first, until `n` are left or only kept ones are. Lost ones do not count; this also replaces them.
        """

    def replace(self, name: str) -> None:
        """Start a new instance under the name of one that was lost; returns at once.

        Does nothing when an instance of that name is there or on its way.
        """

    def watch(self, callback: Callable[[InstanceJoined | InstanceLeft], None]) -> None:
        """Call `callback` for each instance that comes or goes from now on.

        Events of one name arrive in order. They come from the scheduler's thread: the callback must
        return at once (put the event into a queue) and must not wait for Dask.
        """

    def wait(self, n: int, *, timeout: float) -> tuple[Instance, ...]:
        """Return the instances as soon as at least `n` have joined.

        Raises
        ------
        ComputeError
            When `timeout` seconds pass before, with the tail of a failed instance's log.
        """

    def close(self) -> None:
        """End all instances with their children, the client and the scheduler; no process is left."""

    def __enter__(self) -> Self:
        """Start."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close."""
