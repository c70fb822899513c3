"""The jobs that streams follow, each watched once, and what is told of them."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchmagic.entities.status import JobStatus
from batchmagic.server.stream import Event

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchmagic.sdk.session import Session
    from batchmagic.sdk.watch import Watch
    from batchmagic.workspace.job_records import JobRecord

log = logging.getLogger("batchmagic.server")

_PAUSE, _MOVE = 1 / 3, 1.0
_ONLY_NAMED = ("errors", "error_kinds", "rates")
_TROUBLE = "The job's ledger cannot be read now."

Key = tuple[str, bool]
"""A job's name in small letters, and whether it is told in full, to those who named it."""


@dataclass(slots=True)
class _Watched:
    watch: Watch
    told: str = ""
    at: float = float("-inf")
    is_broken: bool = False


class Watched:
    """Watches jobs, from one thread at a time.

    Whoever names a job is told all of its document; among all jobs it is told without its errors and rates, so that
    no ledger is opened for that.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._jobs: dict[Key, _Watched] = {}

    def event(self, record: JobRecord, *, named: bool, now: float | None) -> Event:
        """Return what is to be told of the job.

        Parameters
        ----------
        now
            The time at which it was read, in seconds of the steady clock; None: what was told last will do.
        """
        found = self._jobs.get((record.name.lower(), named))
        if found is None:
            found = self._begin(record, named=named)
        elif now is not None:
            self._take(found, record, now)
        return Event.of("job", self._document(found, named=named), key=f"job/{record.name.lower()}")

    def is_news(self, name: str, *, named: bool, event: Event, now: float) -> bool:
        """Return whether this says more than what was told of the job before; if so, it counts as told `now`."""
        found = self._jobs.get((name.lower(), named))
        if found is None:
            return True
        found.at = now
        # The time of the look alone is no news.
        said = json.dumps({**json.loads(event.data), "seen_at": None})
        is_news, found.told = said != found.told, said
        return is_news

    def is_due(self, name: str, now: float) -> bool:
        """Return whether it is long enough ago that something was told of the job."""
        both = (self._jobs.get((name.lower(), named)) for named in (True, False))
        return all(found is None or now - found.at >= _PAUSE for found in both)

    def moving(self, now: float) -> set[str]:
        """Return the jobs of which something changes by itself, such as the time that is left."""
        return {
            found.watch.record.name
            for found in self._jobs.values()
            if found.watch.record.status is JobStatus.RUNNING and now - found.at >= _MOVE
        }

    def lanes(self, name: str) -> Event | None:
        """Return the latest attempts of a job that is told in full."""
        found = self._jobs.get((name, True))
        if found is None or found.is_broken:
            return None
        try:
            attempts, window = found.watch.attempts()
        except Exception as error:  # noqa: BLE001 -- as in `_take`
            self._note_broken(found, error)
            return None
        told = {
            "job": found.watch.record.name,
            "window": window,
            "running": found.watch.record.status is JobStatus.RUNNING,
            "columns": ["mini_batch", "ok", "final", "instance", "slot", "started", "seconds"],
            "attempts": [
                [a.mini_batch, a.ok, a.final, a.instance, a.slot, a.started, a.seconds] for a in attempts
            ],
        }
        return Event.of("lanes", told, key=f"lanes/{name}")

    def record(self, name: str) -> JobRecord | None:
        """Return a job that is told in full, as it was read last."""
        found = self._jobs.get((name, True))
        return found.watch.record if found else None

    def unfinished(self) -> list[JobRecord]:
        """Return the jobs that are watched and have not ended."""
        records = {f.watch.record.name: f.watch.record for f in self._jobs.values()}
        return [record for record in records.values() if not record.status.is_terminal]

    def keep(self, wanted: Callable[[JobRecord, bool], bool]) -> None:
        """Watch no others than those for which `wanted` says yes; it gets a job, and whether it is told in full."""
        for key, found in list(self._jobs.items()):
            if not wanted(found.watch.record, key[1]):
                found.watch.close()
                del self._jobs[key]

    def _begin(self, record: JobRecord, *, named: bool) -> _Watched:
        from batchmagic.sdk.watch import Watch  # noqa: PLC0415 - brings Pydantic

        # Without its errors nothing of the job but its row is read, which cannot go wrong for this job alone.
        found = _Watched(Watch(self._session, record.name, record=record, errors=False))
        if named:
            found.watch.reads_errors = True
            self._take(found, record, time.monotonic())
        if named or not record.status.is_terminal:
            self._jobs[record.name.lower(), named] = found
        return found

    def _take(self, found: _Watched, record: JobRecord, now: float) -> None:
        try:
            found.watch.take(record, now)
            found.is_broken = False
        except Exception as error:  # noqa: BLE001 -- one job's damage is told of that job, and the others go on
            self._note_broken(found, error)
            found.watch.record = record
            from batchmagic.sdk.job_document import job_document  # noqa: PLC0415 - brings Pydantic

            found.watch.document = job_document(self._session.read(), record, session=self._session)

    def _note_broken(self, found: _Watched, error: Exception) -> None:
        if not found.is_broken:
            log.warning("Job %s cannot be told in full: %s", found.watch.record.name, error)
        found.is_broken = True
        found.watch.close()

    def _document(self, found: _Watched, *, named: bool) -> dict[str, Any]:
        document = dict(found.watch.document)
        if found.is_broken:
            document["trouble"] = _TROUBLE
        if not named:
            for key in _ONLY_NAMED:
                del document[key]
        return document
