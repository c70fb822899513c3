"""Group commit: attempts gather for a moment, then become true together."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from batchmagic.entities.progress import Progress
from batchmagic.scoring.attempt_report import commit_row, failed_row
from batchmagic.scoring.events import Attempt, Kind, Record
from batchmagic.words import printable
from batchmagic.workspace.ledger_entries import Commit, Failure

if TYPE_CHECKING:
    from batchmagic.scoring.job_logs import JobLogs
    from batchmagic.scoring.plan import Plan
    from batchmagic.workspace.ledger import Ledger

GROUP_SECONDS = 0.2
GROUP_SIZE = 1000


class Committer:
    """Writes what the decisions record, in groups of 0.2 s or 1,000.

    Parameters
    ----------
    ledger, epoch
        Where to, and under which claim.
    progress
        The counters of what is committed already.
    """

    def __init__(self, ledger: Ledger, epoch: int, plan: Plan, logs: JobLogs, progress: Progress) -> None:
        self._ledger, self._epoch, self._plan, self._logs = ledger, epoch, plan, logs
        self._before = progress.seconds
        self._started = time.monotonic()
        self._counters: dict[str, int] = {
            name: getattr(progress, name)
            for name in ("completed", "failed", "retried", "files_failed", "rows")
        }
        self._committed = dict(self._counters)
        self._commits: list[Commit] = []
        self._failures: list[Failure] = []
        self._parts: dict[int, list[bool]] = {}
        self._oldest = 0.0
        self._first: tuple[float, int] | None = None
        self.failures_seen = False

    def record(self, record: Record) -> None:
        """Take an attempt into the group."""
        if not self._commits and not self._failures:
            self._oldest = time.monotonic()
        attempt = record.attempt
        self._counters["retried"] += attempt.member.attempt > 1
        if attempt.kind is not Kind.OK:
            self._failures.append(self._failure(attempt, record))
            self.failures_seen = True
        if record.final:
            self._commits.append(self._commit(attempt))
            self._count(record)
            if self._first is None:
                self._first = time.monotonic(), self._counters["completed"] + self._counters["failed"]

    @property
    def is_due(self) -> bool:
        """Whether the group should be committed now."""
        size = len(self._commits) + len(self._failures)
        return size >= GROUP_SIZE or (size > 0 and time.monotonic() - self._oldest >= GROUP_SECONDS)

    @property
    def seconds(self) -> float:
        """Time that this run and the ones before it have taken."""
        return self._before + time.monotonic() - self._started

    @property
    def seconds_left(self) -> float | None:
        """Estimated time to the end, by the pace since the first mini-batch of this run ended; None before."""
        done = self._counters["completed"] + self._counters["failed"]
        if self._first is None or done == self._first[1]:
            return None
        at, before = self._first
        return (time.monotonic() - at) / (done - before) * (self._plan.mini_batches - done)

    def flush(self) -> None:
        """Commit the group; once this returns it survives a loss of power.

        Raises
        ------
        Fenced
            If another host took the job over; nothing of the group counts then.
        """
        if not self._commits and not self._failures:
            return
        progress = self._with(self._counters)
        self._ledger.commit(self._epoch, commits=self._commits, failures=self._failures, progress=progress)
        self._committed = dict(self._counters)
        self._log()
        self._commits, self._failures = [], []

    def progress(self, running: int = 0) -> Progress:
        """Return the counters of what is committed: what was shown once is never taken back."""
        return self._with(self._committed, running)

    def _with(self, counters: dict[str, int], running: int = 0) -> Progress:
        return Progress(
            mini_batches=self._plan.mini_batches,
            files=self._plan.files,
            running=running,
            seconds=self.seconds,
            **counters,
        )

    def _count(self, record: Record) -> None:
        attempt, member = record.attempt, record.attempt.member
        good = attempt.kind is Kind.OK
        self._counters["rows"] += attempt.rows
        self._counters["files_failed"] += record.failed_files
        if member.part:
            parts = self._parts.setdefault(member.mini_batch, [])
            parts.append(good)
            if len(parts) < self._plan.files_in(member.mini_batch):
                return
            good = all(self._parts.pop(member.mini_batch))
        self._counters["completed" if good else "failed"] += 1

    def _commit(self, attempt: Attempt) -> Commit:
        member = attempt.member
        return Commit(
            mini_batch=member.mini_batch,
            part=member.part,
            ok=attempt.kind is Kind.OK,
            attempt=member.attempt,
            files=1 if member.part else self._plan.files_in(member.mini_batch),
            rows=attempt.rows,
            items=attempt.items,
            place=attempt.place,
            encoding=attempt.encoding,
            columns=attempt.columns,
            instance=attempt.instance,
            slot=attempt.slot,
            started=attempt.started,
            seconds=attempt.seconds,
        )

    def _failure(self, attempt: Attempt, record: Record) -> Failure:
        member = attempt.member
        return Failure(
            mini_batch=member.mini_batch,
            part=member.part,
            attempt=member.attempt,
            kind=str(attempt.kind),
            final=record.final,
            error=attempt.error or {"type": "Error", "message": "no reason was given"},
            files=record.failed_files,
            file=printable(self._plan.paths_of(member.mini_batch, member.part)[0]),
            instance=attempt.instance,
            slot=attempt.slot,
            started=attempt.started,
            seconds=attempt.seconds,
        )

    def _log(self) -> None:
        rows = [failed_row(f, 1 if f.part else self._plan.files_in(f.mini_batch)) for f in self._failures]
        rows += [commit_row(c) for c in self._commits if c.ok]
        self._logs.attempts(rows)
