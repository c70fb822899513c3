"""Dask's settings for computes that are ours; each overrides what a user's own Dask files say."""

from __future__ import annotations

import os
from typing import Any

WORKER_TTL = os.environ.get("BATCHMAGIC_WORKER_TTL", "30s")
"""A worker that has sent no sign of life for this long is taken for lost (noticed within twice that).

Dask allows no less than ten heartbeats, which are five seconds.
"""

DASK_SETTINGS: dict[str, Any] = {
    # Nothing of a user's Dask set-up gets into our processes.
    "distributed.client.preload": [],
    "distributed.scheduler.preload": [],
    "distributed.worker.preload": [],
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.scheduler.idle-timeout": None,
    "distributed.scheduler.no-workers-timeout": None,
    "distributed.worker.lifetime.duration": None,
    "distributed.comm.require-encryption": True,
    # Losses are ours to judge: we watch the workers, and Dask must never give up a lease by itself.
    "distributed.scheduler.allowed-failures": 1_000_000,
    "distributed.scheduler.worker-ttl": WORKER_TTL,
    "distributed.deploy.lost-worker-timeout": "1 day",
    # Leases are bound to their instance, and few: no queueing, no stealing, no moving of data.
    "distributed.scheduler.worker-saturation": float("inf"),
    "distributed.scheduler.work-stealing": False,
    "distributed.scheduler.active-memory-manager.start": False,
    # What looks around many times a second costs a core's share without end.
    "distributed.admin.tick.interval": "2s",
    "distributed.admin.tick.limit": "30s",
    "distributed.admin.system-monitor.interval": "10s",
    "distributed.admin.system-monitor.disk": False,
    "distributed.diagnostics.nvml": False,
    "distributed.worker.profile.enabled": False,
    "distributed.worker.use-file-locking": False,
}

WORKER_VARIABLES = {
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
"""What a worker's interpreter must find when it starts; user code does not run in it."""
