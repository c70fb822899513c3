"""A test's own connection to the cluster of a compute, and what can be seen of its workers."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import psutil
from distributed import Client
from distributed.security import Security
from main_job_support import COMPUTE, is_gone, until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from main_job_support import Lab


def names(files: int) -> bytes:
    """Return the output of a script that returns the names of its files."""
    return "".join(f"{n:03d}.csv\n" for n in range(files)).encode()


def worker_for(lab: Lab, pid: int, compute: str = COMPUTE) -> psutil.Process:
    """Return the Dask worker that a scoring process belongs to."""
    workers = {worker.pid: worker for worker in lab.workers(compute)}
    return next(workers[p.pid] for p in psutil.Process(pid).parents() if p.pid in workers)


def worker_of(lab: Lab, compute: str = COMPUTE) -> psutil.Process:
    """Return the only worker of a compute, once it is there."""
    return until(lambda: lab.workers(compute), of="a worker")[0]


@contextmanager
def dask_client(lab: Lab, compute: str = COMPUTE) -> Iterator[Client]:
    """Connect to the cluster of a compute as anybody with its certificate can."""
    words = worker_of(lab, compute).cmdline()
    address = next(w.partition("=")[2] for w in words if w.startswith("--scheduler="))
    keys = lab.root / "compute" / compute / "tls"
    security = Security(
        tls_ca_file=str(keys / "ca.pem"),
        tls_client_cert=str(keys / "cert.pem"),
        tls_client_key=str(keys / "key.pem"),
        require_encryption=True,
    )
    with Client(address, security=security, set_as_default=False, timeout=30) as client:
        yield client


def all_gone(pids: list[int], seconds: float) -> None:
    """Fail unless every process ends within `seconds`."""
    until(lambda: all(map(is_gone, pids)), seconds, of=f"the end of {pids}")
