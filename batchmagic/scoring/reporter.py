"""What others see of a running job: its row in the workspace and the files in its log folder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from batchmagic import failpoints
from batchmagic.entities.status import JobStatus
from batchmagic.errors import Fenced, StateError
from batchmagic.scoring.error_text import result_report
from batchmagic.scoring.events import Outcome
from batchmagic.scoring.job_logs import JobLogs, progress_line
from batchmagic.scoring.verdict import STATUS, closing_words, job_error, verdict

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

    from batchmagic.scoring.committer import Committer
    from batchmagic.scoring.events import Stop
    from batchmagic.scoring.plan import Plan
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.claims import Claim
    from batchmagic.workspace.job_records import JobRecord
    from batchmagic.workspace.ledger import Ledger

_ROW_SECONDS = 0.4
_LOG_SECONDS = 1.0


class Reporter:
    """Keeps the job's row and its logs true.

    Parameters
    ----------
    workspace, record
        The job.
    claim
        Under which it may write; every method raises `Fenced` once another host has it.
    """

    def __init__(self, workspace: Workspace, record: JobRecord, claim: Claim) -> None:
        self._jobs = workspace.jobs
        self._claim = claim
        self.record = record
        self.logs = JobLogs(workspace.job_dir(record.name))
        self._detail = ""
        self._row_time = 0.0
        self._log_time = 0.0

    def say(self, detail: str) -> None:
        """Show what the job waits for or does, in words."""
        if detail != self._detail:
            self._detail = detail
            self._jobs.set_detail(self.record.name, detail, claim=self._claim)

    def move(self, status: JobStatus, detail: str = "") -> None:
        """Bring the job into `status`; if a cancel came first, `record` says so afterwards."""
        try:
            self.record = self._jobs.transition(self.record.name, status, detail=detail, claim=self._claim)
            self._detail = detail
        except StateError:
            self.record = self._jobs.get(self.record.name)
            if self.record.status is not JobStatus.CANCEL_REQUESTED:
                raise

    def show(
        self, committer: Committer, ledger: Ledger, plan: Plan, *, running: int, force: bool = False
    ) -> bool:
        """Show the counters, at most as often as a person can follow; return whether it was time to."""
        now = time.monotonic()
        if not force and now - self._row_time < _ROW_SECONDS:
            return False
        self._row_time = now
        progress = committer.progress(running)
        self._jobs.set_progress(self.record.name, progress, claim=self._claim)
        if force or now - self._log_time >= _LOG_SECONDS:
            self._log_time = now
            self.logs.overview(progress_line(progress, committer.seconds_left))
            if committer.failures_seen:
                committer.failures_seen = False
                self.logs.errors(ledger)
                self.logs.failed_files(ledger, plan)
        return True

    @property
    def cancel_requested(self) -> bool:
        """Whether a person asked for the end of the job."""
        return self._jobs.cancel_requested(self.record.name)

    def end(
        self,
        stop: Stop,
        committer: Committer,
        ledger: Ledger,
        plan: Plan,
        *,
        output: Path | None,
        restarted: bool,
    ) -> None:
        """Write the last of the logs, then make the job terminal: who sees that finds everything in place."""
        failpoints.hit("end.before_result")
        self.logs.errors(ledger)
        self.logs.failed_files(ledger, plan)
        if restarted:
            self.logs.rewrite_attempts(ledger, plan)
        if stop.reason == "init_failed" and stop.error:
            self.logs.init_error(stop.error)
        progress = committer.progress()
        words = verdict(stop, progress)
        error = None if stop.outcome is Outcome.COMPLETED else stop.error
        self.logs.result(result_report(self.record.spec, progress, verdict=words, output=output, error=error))
        self.logs.overview(words)
        self._jobs.set_progress(self.record.name, progress, claim=self._claim)
        failpoints.hit("end.before_terminal")
        self._jobs.transition(
            self.record.name,
            STATUS[stop.outcome],
            detail=closing_words(stop, progress, self.record.spec.settings),
            error=job_error(stop),
            claim=self._claim,
        )
        failpoints.hit("end.after_terminal")

    def fail(self, error: dict[str, Any], message: str) -> None:
        """Make the job fail for a reason that is none of the script's."""
        self.logs.result(f"Job {self.record.name}: Failed: {message}\n")
        self.logs.overview(f"Failed: {message}")
        whole = {**error, "verdict": message}
        try:
            self._jobs.transition(
                self.record.name, JobStatus.FAILED, detail=message, error=whole, claim=self._claim
            )
        except (StateError, Fenced) as late:
            self.logs.driver(f"the job could not be marked as failed: {late}")
