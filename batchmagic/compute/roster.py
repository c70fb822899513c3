"""Which instances there are and how they come and go. All of it happens in the thread of the cluster's loop."""

from __future__ import annotations

import asyncio
import itertools
import logging
import socket
from typing import TYPE_CHECKING

from distributed.diagnostics.plugin import SchedulerPlugin

from batchmagic.compute.interface import Instance, InstanceJoined, InstanceLeft, LeaveReason

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Iterable

    from distributed import Scheduler, SpecCluster

    from batchmagic.compute.process import WorkerProcess

_LOG = logging.getLogger(__name__)
_JOIN_SECONDS = 60.0
_RETIRED = "retire-workers"
"""How Dask calls it when somebody has asked it to let a worker go."""
_GOODBYE = "handle-worker-cleanup"
"""How Dask calls it when a worker has closed its connection."""
_GOODBYE_SECONDS = 2.0


class Roster(SchedulerPlugin):  # type: ignore[misc]
    """Keeps a cluster's specification, its worker processes and what its scheduler knows in step.

    A process is told of exactly once as joined (if it came so far) and once as left, whichever of
    its lifeline and its connection to the scheduler ends first; when it is told of as left, the
    process is gone and the scheduler has forgotten it.
    """

    name = "batchmagic-roster"

    def __init__(self, tell: Callable[[InstanceJoined | InstanceLeft], None]) -> None:
        self._tell = tell
        self._cluster: SpecCluster = None  # set by `attach`, before there is anything to keep
        self._processes: dict[str, WorkerProcess] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        """One change to the specification at a time: one that was undone meanwhile would go unnoticed."""

    def attach(self, cluster: SpecCluster) -> None:
        """Keep the instances of `cluster`, which has none yet."""
        self._cluster = cluster
        cluster.scheduler.add_plugin(self)

    def processes(self) -> tuple[WorkerProcess, ...]:
        """Return the processes that have not left."""
        return tuple(self._processes.values())

    # What is asked for

    async def scale(self, n: int, keep: Collection[str]) -> None:
        """Open or close instances until there are `n`, or only kept ones above that."""
        async with self._turn:
            names = sorted(self._specification, key=number)
            if len(names) < n:
                free = (name for name in map("i{}".format, itertools.count()) if name not in names)
                await self._open(itertools.islice(free, n - len(names)))
            closable = [name for name in reversed(names) if name not in keep]
            await self._close(closable[: max(0, len(names) - n)])

    async def replace(self, name: str) -> None:
        """Open an instance of that name unless there is one."""
        async with self._turn:
            await self._open([name])  # changes nothing for a name that is there

    async def close_all(self) -> None:
        """End all instances; afterwards all of them have been told of as left."""
        async with self._turn:
            await self._close(list(self._specification))
        await asyncio.gather(*self._tasks)

    async def _open(self, names: Iterable[str]) -> None:
        for name in names:
            self._specification[name] = self._cluster.new_spec
        await self._cluster

    async def _close(self, names: Collection[str]) -> None:
        for name in names:
            if name in self._processes:
                self._processes[name].closing = True
            del self._specification[name]
        if names:
            await self._cluster

    @property
    def _specification(self) -> dict[str, object]:
        return self._cluster.worker_spec  # type: ignore[no-any-return]

    # What happens

    def started(self, process: WorkerProcess) -> None:
        """Wait for the process to join."""
        self._processes[process.name] = process
        asyncio.get_running_loop().call_later(_JOIN_SECONDS, self._check_joined, process)

    def add_worker(self, scheduler: Scheduler, worker: str) -> None:
        """Tell of an instance that the scheduler accepted (called by the scheduler)."""
        state = scheduler.workers[worker]
        process = self._processes.get(state.name)
        if process is None or process.pid != state.pid or process.left:
            _LOG.warning("A worker that is none of ours joined: %s at %s", state.name, worker)
            return
        process.address = worker
        instance = Instance(
            name=process.name,
            address=worker,
            pid=process.pid,
            host=socket.gethostname(),
            nthreads=process.launch.nthreads,
        )
        self._tell(InstanceJoined(instance=instance))

    def remove_worker(
        self,
        scheduler: Scheduler,  # noqa: ARG002  # Dask's signature
        worker: str,
        *,
        stimulus_id: str = "",
        **_more: object,
    ) -> None:
        """See to an instance that the scheduler has lost or let go (called by the scheduler)."""
        for process in self.processes():
            if process.address == worker:
                # One that says goodbye is about to end by itself; how it does tells whether it was told to.
                says_goodbye = stimulus_id.startswith(_GOODBYE)
                process.retired = None if says_goodbye else stimulus_id.startswith(_RETIRED)
                self.gone(process, patience=_GOODBYE_SECONDS if says_goodbye else None)

    def gone(self, process: WorkerProcess, *, patience: float | None = None) -> None:
        """See to an instance of which one sign of life has ended; the other one gets `patience` seconds."""
        if not process.left:
            process.left = True
            self._in_background(self._leave(process, patience))

    async def _leave(self, process: WorkerProcess, patience: float | None) -> None:
        await process.end(grace=0, patience=patience)
        if process.address:
            await self._cluster.scheduler.remove_worker(
                process.address, stimulus_id="batchmagic-instance-left", expected=process.closing
            )
        if self._processes.get(process.name) is process:
            del self._processes[process.name]
        self._tell(_left(process))
        async with self._turn:
            if self._is_specified(process):
                await self._close([process.name])

    def _is_specified(self, process: WorkerProcess) -> bool:
        """Whether the cluster still wants this very process, and not another of its name."""
        current = self._cluster.workers.get(process.name)
        return process.name in self._specification and (current is process or current is None)

    def _check_joined(self, process: WorkerProcess) -> None:
        if not process.address and not process.left:
            process.detail = f"did not join within {_JOIN_SECONDS:g} s"
            self.gone(process)

    def _in_background(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            _LOG.error("An instance could not be seen off.", exc_info=task.exception())


def number(name: str) -> int:
    """Return the order of an instance's name."""
    return int(name.removeprefix("i"))


def _left(process: WorkerProcess) -> InstanceLeft:
    reason = LeaveReason.FAILED
    if process.closing:
        reason = LeaveReason.CLOSED
    elif process.address:
        in_order = process.code == 0 if process.retired is None else process.retired
        reason = LeaveReason.RETIRED if in_order else LeaveReason.LOST
    return InstanceLeft(
        name=process.name, address=process.address or "", reason=reason, detail=process.detail
    )
