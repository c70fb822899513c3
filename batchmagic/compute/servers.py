"""Dask's scheduler and worker without their web servers, which know no login."""

from __future__ import annotations

from distributed import Scheduler, Worker
from distributed.metrics import time


class LeanScheduler(Scheduler):  # type: ignore[misc]
    """A scheduler that listens on nothing but its own, encrypted port."""

    _looked: float | None = None

    def start_http_server(self, *_args: object, **_kwargs: object) -> None:
        """Start none: even a loopback port without a dashboard shows the cluster's state to every user."""

    async def check_worker_ttl(self) -> None:
        """Look for workers that are silent, unless this process itself was: a suspended laptop, a moved clock."""
        now, looked, self._looked = time(), self._looked, time()
        expected = float(self.worker_ttl or 0)
        if looked is not None and abs(now - looked - expected) > expected / 2:
            for worker in self.workers.values():
                worker.last_seen = now
        else:
            await super().check_worker_ttl()


class LeanWorker(Worker):  # type: ignore[misc]
    """A worker that listens on nothing but its own, encrypted port."""

    def start_http_server(self, *_args: object, **_kwargs: object) -> None:
        """Start none, as the scheduler."""
