"""One job as a view follows it: what the store says of it now, and what follows from how that changed."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchmagic.errors import ResourceNotFoundError
from batchmagic.sdk.job_document import job_document
from batchmagic.sdk.pace import Meter, Pace
from batchmagic.sdk.steady import Steady

if TYPE_CHECKING:
    from batchmagic.sdk.session import Session
    from batchmagic.workspace.job_records import JobRecord
    from batchmagic.workspace.ledger import Ledger
    from batchmagic.workspace.ledger_attempts import Attempt
    from batchmagic.workspace.ledger_errors import ErrorGroup

_RATES = 60
_RATE_SECONDS = 1.0
_TRIES = 3
_TRY_SECONDS = 2.0
_LANE = 8
_SHORTEST, _LONGEST = 10.0, 1800.0


class Watch:
    """Follows one job through the store, from any thread, one at a time.

    Parameters
    ----------
    record
        The job as it was read just now; None: it is read.
    errors
        Whether to read its errors, for which its ledger is kept open while it runs.

    Attributes
    ----------
    record
        The job as it was read last.
    groups
        Its errors, grouped.
    document
        What the view is drawn from.
    trouble
        Why the job cannot be read; empty while it can.
    warning
        What else is wrong.
    stopped
        Whether it will not be read again because of that.
    reads_errors
        Whether its errors are read with it.
    """

    def __init__(
        self, session: Session, name: str, *, record: JobRecord | None = None, errors: bool = True
    ) -> None:
        self.session = session
        self.record: JobRecord = record or session.job(name)
        self.reads_errors = errors
        self.groups: list[ErrorGroup] = []
        self.trouble = self.warning = ""
        self.stopped = False
        self._failures = 0
        self._try_at = 0.0
        self._seen: tuple[object, ...] = ()
        self._ledger: Ledger | None = None
        self._forget()
        self.take(self.record, time.monotonic())

    @property
    def rests(self) -> bool:
        """Whether nothing more will change."""
        return self.stopped or self.record.status.is_terminal

    def look(self, now: float) -> None:
        """Read the job again; what goes wrong is then in `trouble`."""
        if self.rests or now < self._try_at:
            return
        try:
            self.take(self._read(), now)
        except ResourceNotFoundError as error:
            self.stop(f"Job {self.record.name} was deleted." if error.target == "job" else str(error))
        except Exception as error:  # noqa: BLE001 -- whatever it is, the view tells it and the others go on
            self._failures += 1
            self._try_at = now + _TRY_SECONDS
            self.trouble = f"The job cannot be read: {error}"
            if self._failures >= _TRIES:
                self.stop(self.trouble)
        else:
            self.trouble, self._failures = "", 0

    def take(self, record: JobRecord, now: float) -> None:
        """Make the document of the job as it was read, at `now` (seconds of the steady clock)."""
        if record.run != self.record.run:
            self._forget()
        progress = record.progress
        pace = self._meter.observe(progress, now)
        self._pace = replace(pace, left=self._steady.follow(pace.left, now))
        self._note_rate(progress.completed + progress.failed, now)
        seen = (
            record.run,
            record.status.is_terminal,
            progress.retried,
            progress.failed,
            progress.files_failed,
        )
        if self.reads_errors and seen != self._seen:
            # The counters and the errors are written one after the other; at the end both are there.
            self.groups = self._read_groups()
            self._seen = seen
        self.document: dict[str, Any] = job_document(
            self.session.read(),
            record,
            groups=self.groups,
            pace=self._pace,
            rates=tuple(self._rates),
            session=self.session,
        )
        self.record = record
        if record.status.is_terminal:
            self.close()

    def attempts(self) -> tuple[list[Attempt], float]:
        """Return the attempts that ended last, and over how many seconds they are told.

        So many seconds that there is room for a few mini-batches of each slot.
        """
        ledger = self._open()
        if ledger is None:
            return [], _SHORTEST
        slots = max(1, self.record.progress.running)
        window = min(_LONGEST, max(_SHORTEST, _LANE * slots / self._pace.mean if self._pace.mean else 0.0))
        end = self.record.ended_at.timestamp() if self.record.ended_at else time.time()
        found = ledger.attempts(since=end - window, mini_batches=self.record.progress.mini_batches)
        if self.rests:
            self.close()
        return found, window

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None

    def _read(self) -> JobRecord:
        ws = self.session.read()
        if not ws.database.path.exists():
            raise ResourceNotFoundError(f"The workspace {ws.root} is gone.", kind="workspace")
        record = self.session.job(self.record.name)
        if record.name != self.record.name:  # gone, and the name of another begins with it
            raise ResourceNotFoundError(kind="job", name=self.record.name)
        return record

    def _forget(self) -> None:
        self._meter, self._steady = Meter(), Steady()
        self._pace = Pace()
        self._rates: deque[float] = deque(maxlen=_RATES)
        self._counted: tuple[float, int] | None = None

    def _note_rate(self, done: int, now: float) -> None:
        if self._counted is None or not self._counted[1]:
            self._counted = (now, done)
            return
        at, before = self._counted
        if now - at >= _RATE_SECONDS:
            self._rates.append(round((done - before) / (now - at), 2))
            self._counted = (now, done)

    def _read_groups(self) -> list[ErrorGroup]:
        ledger = self._open()
        return ledger.error_groups() if ledger is not None else []

    def _open(self) -> Ledger | None:
        """Return the ledger, which stays open as long as the job runs: to open it means to check all of it."""
        if self._ledger is None:
            from batchmagic.workspace.ledger import Ledger  # noqa: PLC0415 - brings SQLAlchemy

            with contextlib.suppress(FileNotFoundError):
                self._ledger = Ledger.open(self.session.read().job_dir(self.record.name), readonly=True)
        return self._ledger

    def stop(self, trouble: str) -> None:
        """Read no more, and say why."""
        self.trouble, self.stopped = trouble, True
        self.close()
