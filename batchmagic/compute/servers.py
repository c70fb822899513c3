"""Dask's scheduler and worker without their web servers, which know no login."""

from __future__ import annotations

from distributed import Scheduler, Worker


class LeanScheduler(Scheduler):  # type: ignore[misc]
    """A scheduler that listens on nothing but its own, encrypted port."""

    def start_http_server(self, *_args: object, **_kwargs: object) -> None:
        """Start none: even a loopback port without a dashboard shows the cluster's state to every user."""


class LeanWorker(Worker):  # type: ignore[misc]
    """A worker that listens on nothing but its own, encrypted port."""

    def start_http_server(self, *_args: object, **_kwargs: object) -> None:
        """Start none, as the scheduler."""
