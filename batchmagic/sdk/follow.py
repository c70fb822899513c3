"""Following a job through the store: what every wait, stream and progress bar is fed with."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.sdk.session import Session
    from batchmagic.workspace.job_records import JobRecord

_BEGINNING, _QUICK = 3.0, 0.1
_LONG, _NORMAL, _SLOW = 60.0, 0.25, 1.0
_WAKE = 5.0


class Interrupted(KeyboardInterrupt):
    """A person interrupted a wait; what was waited for goes on."""

    def _render_traceback_(self) -> list[str]:
        # Where in our code it was waiting tells a notebook's reader nothing.
        return ["\033[31mKeyboardInterrupt\033[0m"]


def tell_interrupted(session: Session, name: str) -> None:
    """Say through the session what a person who has interrupted a wait must know: the job goes on."""
    typed = session.short_name(name)
    session.tell(f"Stopped waiting; job {name} goes on.")
    session.tell(f"  {session.command} job stream {typed}     follow it again")
    session.tell(f"  {session.command} job cancel {typed}     end it")


@contextlib.contextmanager
def interruptible(session: Session, name: str) -> Iterator[None]:
    """Say that the job goes on when a person interrupts what is done in here, a wait for it.

    Raises
    ------
    Interrupted
        Then.
    """
    try:
        yield
    except KeyboardInterrupt:
        tell_interrupted(session, name)
        raise Interrupted from None


class _Watch:
    """Looks at a job, and now and then starts its compute's host again if that is gone."""

    def __init__(self, session: Session, name: str) -> None:
        self._session = session
        self._name = name
        self._began = time.monotonic()
        self._woken = -_WAKE

    def waited(self) -> float:
        """Return the seconds since the first look."""
        return time.monotonic() - self._began

    def look(self) -> JobRecord:
        """Return how the job stands."""
        record = self._session.job(self._name)
        if not record.status.is_terminal and self.waited() - self._woken >= _WAKE:
            self._woken = self.waited()
            self._session.wake(record.spec.compute)
        return record

    def pause(self) -> float:
        """Return the seconds until the next look."""
        waited = self.waited()
        if waited < _BEGINNING:
            return _QUICK
        return _NORMAL if waited < _LONG else _SLOW


def snapshots(session: Session, name: str, *, timeout: float | None = None) -> Iterator[JobRecord]:
    """Yield how the job stands, again and again; the last one is terminal.

    While the job is unfinished a compute host that is gone is started again.

    Raises
    ------
    TimeoutError
        When `timeout` seconds have passed.
    """
    watch = _Watch(session, name)
    while True:
        record = watch.look()
        yield record
        if record.status.is_terminal:
            return
        left = None if timeout is None else timeout - watch.waited()
        if left is not None and left <= 0:
            raise TimeoutError(f"Job {record.name} is still {record.status} after {timeout:g} s; it goes on.")
        time.sleep(watch.pause() if left is None else min(watch.pause(), left))


def wait(session: Session, name: str, *, timeout: float | None = None) -> JobRecord:
    """Return the job once it has ended, however it ended."""
    record = None
    for record in snapshots(session, name, timeout=timeout):  # noqa: B007
        pass
    if record is None:
        raise TimeoutError(name)
    return record


async def ended(session: Session, name: str) -> JobRecord:
    """Return the job once it has ended, however it ended; the event loop goes on meanwhile."""
    watch = _Watch(session, name)
    while True:
        record = await asyncio.to_thread(watch.look)
        if record.status.is_terminal:
            return record
        await asyncio.sleep(watch.pause())
