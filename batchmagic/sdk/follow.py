"""Following a job through the store: what every wait, stream and progress bar is fed with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.sdk.session import Session
    from batchmagic.workspace.job_records import JobRecord

_BEGINNING, _QUICK = 3.0, 0.1
_LONG, _NORMAL, _SLOW = 60.0, 0.25, 1.0
_WAKE = 5.0


def snapshots(session: Session, name: str, *, timeout: float | None = None) -> Iterator[JobRecord]:
    """Yield how the job stands, again and again; the last one is terminal.

    While the job is unfinished a compute host that is gone is started again.

    Raises
    ------
    TimeoutError
        When `timeout` seconds have passed.
    """
    began = time.monotonic()
    woken = -_WAKE
    while True:
        record = session.job(name)
        now = time.monotonic() - began
        if record.status.is_terminal:
            yield record
            return
        if now - woken >= _WAKE:
            woken = now
            session.wake(record.spec.compute)
        yield record
        if timeout is not None and now >= timeout:
            raise TimeoutError(f"Job {record.name} is still {record.status} after {timeout:g} s; it goes on.")
        time.sleep(_pause(now) if timeout is None else min(_pause(now), max(0.0, timeout - now)))


def _pause(waited: float) -> float:
    if waited < _BEGINNING:
        return _QUICK
    return _NORMAL if waited < _LONG else _SLOW


def wait(session: Session, name: str, *, timeout: float | None = None) -> JobRecord:
    """Return the job once it has ended, however it ended."""
    record = None
    for record in snapshots(session, name, timeout=timeout):  # noqa: B007
        pass
    if record is None:
        raise TimeoutError(name)
    return record
