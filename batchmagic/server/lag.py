"""How late the event loop is: what every request waits, whatever it asks for."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING

from prometheus_client import Histogram

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

_PERIOD = 0.05
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)


class LagMonitor:
    """A task that wants to wake up twenty times a second, and counts by how much it is late.

    Parameters
    ----------
    registry
        Of the metrics to which the histogram is added.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._seconds = Histogram(
            "batchmagic_event_loop_lag_seconds",
            "How late the event loop does what is due",
            buckets=_BUCKETS,
            registry=registry,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to watch the event loop that runs."""
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Watch no longer."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due = clock() + _PERIOD
            await asyncio.sleep(_PERIOD)
            late = max(0.0, clock() - due)
            # Who came in while the loop stood still waited for the rest of it: all of them count, not one.
            while late >= 0:
                self._seconds.observe(late)
                late -= _PERIOD
