"""What the server counts, for Prometheus."""

from __future__ import annotations

from collections import Counter as Counts
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from batchmagic import __version__
from batchmagic.entities.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchmagic.sdk.session import Session

_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """The metrics of one server, in a registry of their own: JupyterLab's are at its own address.

    Parameters
    ----------
    session
        Of the workspace, which is counted when somebody asks.
    """

    def __init__(self, session: Session) -> None:
        self.registry = registry = CollectorRegistry()
        self.requests = Counter(
            "batchmagic_requests", "Requests answered", ["method", "route", "status"], registry=registry
        )
        self.seconds = Histogram(
            "batchmagic_request_seconds",
            "From request to answer",
            ["method", "route"],
            buckets=_BUCKETS,
            registry=registry,
        )
        self.refused = Counter(
            "batchmagic_refused",
            "Requests without, or with insufficient, credentials",
            ["status"],
            registry=registry,
        )
        self.under_way = Gauge(
            "batchmagic_requests_under_way", "Requests not yet answered, streams included", registry=registry
        )
        self.streams = Gauge("batchmagic_event_streams", "Open streams of events", registry=registry)
        Gauge("batchmagic_info", "Which server this is", ["version"], registry=registry).labels(
            __version__
        ).set(1)
        registry.register(_Jobs(session))

    def observe(self, *, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(method, route).observe(seconds)
        if status in {401, 403}:
            self.refused.labels(str(status)).inc()

    def text(self) -> bytes:
        """Return all of them in Prometheus' text format; the workspace is read for that."""
        return generate_latest(self.registry)


class _Jobs(Collector):
    def __init__(self, session: Session) -> None:
        self._session = session

    def describe(self) -> Iterable[GaugeMetricFamily]:
        # Without this, registering would read the workspace.
        return [GaugeMetricFamily("batchmagic_jobs", "Jobs of the workspace")]

    def collect(self) -> Iterable[GaugeMetricFamily]:
        ws = self._session.peek()
        counts = ws.jobs.count() if ws else Counts()
        family = GaugeMetricFamily("batchmagic_jobs", "Jobs of the workspace", labels=["status"])
        for status in JobStatus:
            family.add_metric([str(status)], counts[status])
        yield family
