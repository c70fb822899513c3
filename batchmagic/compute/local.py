"""A local compute: a Dask scheduler in this process and one worker process per instance on this machine."""

from __future__ import annotations

import asyncio
import logging
import shutil
import threading
from contextlib import ExitStack
from typing import TYPE_CHECKING, Self

import dask
from distributed import Client, SpecCluster

from batchmagic.compute import marker, tls
from batchmagic.compute.interface import Instance, InstanceJoined, InstanceLeft, LeaveReason
from batchmagic.compute.process import Launch, WorkerProcess
from batchmagic.compute.roster import Roster, number
from batchmagic.compute.servers import LeanScheduler
from batchmagic.compute.tuning import DASK_SETTINGS
from batchmagic.errors import ComputeError
from batchmagic.processes import PackageCopy

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine
    from pathlib import Path
    from types import TracebackType

    from batchmagic.compute.first import FirstAct

_LOG = logging.getLogger(__name__)
_STEP_SECONDS = 2.5
"""What one step of closing may take before what is left is killed."""
_CONNECT_SECONDS = 10


class LocalInstances:
    """The instances of a local compute; see `batchmagic.compute.interface.Instances`.

    Parameters
    ----------
    folder
        The compute's own folder (0700), of which this process holds the claim. ``tls/``, ``logs/``
        and ``scratch/`` are made in it; what a host that was killed left in ``scratch/`` goes. A copy of this
        package lies in ``scratch/`` too, from which all workers run.
    nthreads
        Slots per instance.
    """

    def __init__(self, folder: Path, *, nthreads: int) -> None:
        self._folder = folder
        self._nthreads = nthreads
        self._resources = ExitStack()
        self._roster = Roster(self._tell)
        self._cluster: SpecCluster | None = None
        self._client: Client | None = None
        # Changed by the loop's thread only, always as a whole, so that any thread may read.
        self._joined: dict[str, Instance] = {}
        self._last_failure = ""
        self.first_act: FirstAct | None = None
        self._changed = threading.Condition()
        self._callbacks: tuple[Callable[[InstanceJoined | InstanceLeft], None], ...] = ()

    @property
    def client(self) -> Client:
        """The synchronous Dask client."""
        if self._client is None:
            raise ComputeError("The compute is not running.")
        return self._client

    def start(self) -> None:
        """Bring the scheduler and the client up."""
        try:
            launch = self._prepare()
            self._start_cluster(launch)
        except (OSError, RuntimeError, ValueError) as error:
            self.close()
            raise ComputeError(f"The cluster did not start: {error}") from error

    def instances(self) -> tuple[Instance, ...]:
        """Return the instances that have joined and not left, by name."""
        joined = self._joined
        return tuple(joined[name] for name in sorted(joined, key=number))

    def scale_to(self, n: int, *, keep: Collection[str] = ()) -> None:
        """Ask for `n` instances; returns at once."""
        self._submit(lambda: self._roster.scale(n, frozenset(keep)))

    def replace(self, name: str) -> None:
        """Start a new instance under the name of one that was lost; returns at once."""
        self._submit(lambda: self._roster.replace(name))

    def watch(self, callback: Callable[[InstanceJoined | InstanceLeft], None]) -> None:
        """Call `callback`, in the loop's thread, for each instance that comes or goes from now on."""
        self._callbacks = (*self._callbacks, callback)

    def wait(self, n: int, *, timeout: float) -> tuple[Instance, ...]:
        """Return the instances as soon as at least `n` have joined."""
        with self._changed:
            if not self._changed.wait_for(lambda: len(self._joined) >= n, timeout):
                raise ComputeError(
                    f"{len(self._joined)} of {n} instances were there after {timeout:g} s.",
                    hint=self._last_failure,
                )
        return self.instances()

    def close(self) -> None:
        """End all instances with their children, the client and the scheduler; no process is left."""
        cluster, client = self._cluster, self._client
        self._cluster = self._client = None
        if cluster is not None:
            _attempt("instances", lambda: _wait_for(cluster, self._roster.close_all()))
        if client is not None:
            _attempt("client", lambda: client.close(timeout=_STEP_SECONDS))
        if cluster is not None:
            _attempt("scheduler", lambda: cluster.close(timeout=_STEP_SECONDS))
        for process in self._roster.processes():
            process.kill()
        self._resources.close()

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        """Close."""
        self.close()

    def _prepare(self) -> Launch:
        logs, scratch = self._folder / "logs", self._folder / "scratch"
        strays = marker.end_strays(self._folder)
        if strays:
            _LOG.warning("Ended %s processes that an earlier host had left behind.", strays)
        shutil.rmtree(scratch, ignore_errors=True)
        for folder in (logs, scratch):
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._resources.callback(shutil.rmtree, scratch, ignore_errors=True)
        package = PackageCopy(scratch / "package")
        self._resources.callback(package.remove)
        return Launch(
            nthreads=self._nthreads,
            credentials=tls.issue(self._folder / "tls"),
            logs=logs,
            scratch=scratch,
            on_started=self._roster.started,
            on_gone=self._roster.gone,
            first=lambda: self.first_act,
            marker=marker.marker(self._folder),
            package=package,
        )

    def _start_cluster(self, launch: Launch) -> None:
        self._resources.enter_context(dask.config.set(DASK_SETTINGS))
        security = launch.credentials.security()
        scheduler = {
            "protocol": "tls://",
            "host": "127.0.0.1",
            "port": 0,
            "dashboard": False,
            "security": security,
        }
        self._cluster = SpecCluster(
            scheduler={"cls": LeanScheduler, "options": scheduler},
            worker={"cls": WorkerProcess, "options": {"launch": launch}},
            security=security,
            name="batchmagic",
        )
        self._roster.attach(self._cluster)
        self._client = Client(self._cluster, set_as_default=False, timeout=_CONNECT_SECONDS)

    def _submit(self, change: Callable[[], Coroutine[None, None, None]]) -> None:
        """Have the loop's thread make a change; after `close` there is nothing to change."""
        cluster = self._cluster
        if cluster is not None:
            cluster.loop.add_callback(change)

    def _tell(self, event: InstanceJoined | InstanceLeft) -> None:
        joined = dict(self._joined)
        if isinstance(event, InstanceJoined):
            joined[event.instance.name] = event.instance
        else:
            joined.pop(event.name, None)
            if event.reason is LeaveReason.FAILED:
                self._last_failure = f"Instance {event.name}: {event.detail}."
        with self._changed:
            self._joined = joined
            self._changed.notify_all()
        for callback in self._callbacks:
            try:
                callback(event)
            except Exception:  # noqa: BLE001  # the others must hear of it nevertheless
                _LOG.exception("A watcher of the instances failed.")


def _wait_for(cluster: SpecCluster, work: Coroutine[None, None, None]) -> None:
    asyncio.run_coroutine_threadsafe(work, cluster.loop.asyncio_loop).result(_STEP_SECONDS)


def _attempt(what: str, step: Callable[[], object]) -> None:
    """Take one step of closing; the next ones are taken whatever becomes of it."""
    try:
        step()
    except (TimeoutError, OSError, RuntimeError):
        _LOG.warning("Closing the %s failed; what is left is killed.", what, exc_info=True)
