"""What others see of a running job: its row in the workspace, the files in its log folder, its run in MLflow."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from batchmagic import failpoints, surroundings
from batchmagic.entities.status import JobStatus
from batchmagic.errors import BatchMagicError, Fenced, StateError
from batchmagic.scoring.error_text import result_report
from batchmagic.scoring.events import Outcome
from batchmagic.scoring.job_logs import JobLogs, progress_line
from batchmagic.scoring.own_files import OwnFiles
from batchmagic.scoring.tracking.run import track
from batchmagic.scoring.verdict import STATUS, closing_words, job_error, verdict
from batchmagic.workspace.ledger import Ledger

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any

    from batchmagic.entities.progress import Progress
    from batchmagic.scoring.committer import Committer
    from batchmagic.scoring.events import Stop
    from batchmagic.scoring.plan import Plan
    from batchmagic.scoring.tracking.run import TrackedRun
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.claims import Claim
    from batchmagic.workspace.job_records import JobRecord

_ROW_SECONDS = 0.4
_LOG_SECONDS = 1.0
_FAILURES_REST = 20


class Reporter:
    """Keeps the job's row, its logs and its MLflow run true.

    Parameters
    ----------
    workspace, record
        The job.
    claim
        Under which it may write; every method raises `Fenced` once another host has it.
    """

    def __init__(self, workspace: Workspace, record: JobRecord, claim: Claim) -> None:
        self._workspace = workspace
        self._jobs = workspace.jobs
        self._claims = workspace.claims
        self._claim = claim
        self.record = record
        self._folder = workspace.job_dir(record.name)
        self.own = OwnFiles(epoch=claim.epoch, fence=self.fence)
        self.logs = JobLogs(self._folder, self.own)
        self._detail = ""
        self._row_time = 0.0
        self._log_time = 0.0
        self._failures_due = 0.0
        self._tracked: TrackedRun | None = None
        if record.status not in {JobStatus.QUEUED, JobStatus.CANCELED}:
            self._track()

    def _track(self) -> None:
        if self._tracked is None:
            self._tracked = track(self._workspace, self.record, self._claim, self.logs)

    def close(self) -> None:
        """Be done with the job: it has its end, or another host goes on with it."""
        if self._tracked is not None:
            self._tracked.close()

    def tell_plan(self, plan: Plan, *, done: int) -> None:
        """Say in the overview what there is to do, and how many mini-batches of it are done already."""
        size = self.record.spec.settings.mini_batch_size
        self.logs.overview(
            f"Planned {plan.mini_batches} mini-batches of {size} from {plan.files} files"
            + (f"; {done} are done already." if done else ".")
        )

    def tell_run(self) -> None:
        """Say in the overview what scores this run, and in what kind of session it lives."""
        spec = self.record.spec
        self.logs.overview(
            f"Run {self.record.run}, version {spec.deployment_version} of {spec.endpoint}/{spec.deployment}, "
            f"scores with {spec.interpreter.executable} (Python {spec.interpreter.version}), "
            f"environment {spec.environment or 'none'}."
        )
        self.logs.overview(surroundings.sentence(surroundings.layers()))

    def say(self, detail: str) -> None:
        """Show what the job waits for or does, in words."""
        if detail != self._detail:
            self._detail = detail
            self._jobs.set_detail(self.record.name, detail, claim=self._claim)

    def confirm(self) -> None:
        """Raise `Fenced` unless the job is still ours."""
        self._jobs.set_detail(self.record.name, self._detail, claim=self._claim)

    def fence(self) -> AbstractContextManager[None]:
        """Return a context for a short act on the job's files: nobody takes the job over before its end."""
        return self._claims.guard(self._claim)

    def move(self, status: JobStatus, detail: str = "") -> None:
        """Bring the job into `status`; if a cancel came first, `record` says so afterwards."""
        try:
            before, self.record = self.record, self._transition(status, detail=detail)
            self._detail = detail
            if before.status is JobStatus.QUEUED:
                self._track()
        except StateError:
            self.record = self._jobs.get(self.record.name)
            if self.record.status not in {JobStatus.CANCEL_REQUESTED, JobStatus.CANCELED}:
                raise

    def _transition(
        self, status: JobStatus, *, detail: str, error: dict[str, Any] | None = None
    ) -> JobRecord:
        """Bring the job into `status`, but only in the run that this is about."""
        name, run = self.record.name, self.record.run
        return self._jobs.transition(name, status, detail=detail, error=error, claim=self._claim, run=run)

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
        if self._tracked is not None:
            self._tracked.show(progress)
        if force or now - self._log_time >= _LOG_SECONDS:
            self._log_time = now
            self.logs.overview(progress_line(progress, committer.seconds_left))
            if committer.failures_seen and now >= self._failures_due:
                committer.failures_seen = False
                self.logs.errors(ledger)
                self.logs.failed_files(ledger, plan)
                # Both are written whole: the more there is in them, the rarer.
                self._failures_due = time.monotonic() + _FAILURES_REST * (time.monotonic() - now)
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
        self._end_run(STATUS[stop.outcome], progress, output)
        failpoints.hit("end.before_terminal")
        self._transition(
            STATUS[stop.outcome],
            detail=closing_words(stop, progress, self.record.spec.settings),
            error=job_error(stop),
        )
        failpoints.hit("end.after_terminal")

    def _end_run(self, status: JobStatus, progress: Progress, output: Path | None = None) -> None:
        """Let MLflow know of the end before others do: who sees that finds the run as it will stay."""
        if self._tracked is not None:
            self.logs.overview(self._tracked.end(status, progress, logs=self.logs.user, output=output))

    def cancel(self) -> None:
        """Bring a job to Canceled that nobody is at work on: it is not planned, or cannot go on."""
        progress = self._last_counters()
        self.logs.result(f"Job {self.record.name}: Canceled\n")
        self.logs.overview("Canceled")
        self._end_run(JobStatus.CANCELED, progress)
        self._transition(JobStatus.CANCELED, detail="canceled")

    def fail(self, error: dict[str, Any], message: str) -> None:
        """Make the job fail for a reason that is none of the script's; one that is to be canceled is Canceled."""
        try:
            status = self._jobs.get(self.record.name).status
            if status.is_terminal:
                self.logs.driver(f"this came after the end of the job: {message}")
            elif status is JobStatus.CANCEL_REQUESTED:
                self.cancel()
            else:
                self._fail({**error, "verdict": message}, message)
        except (StateError, Fenced) as late:
            self.logs.driver(f"the job could not be marked as failed: {late}")

    def _fail(self, error: dict[str, Any], message: str) -> None:
        progress = self._last_counters()
        self.logs.result(f"Job {self.record.name}: Failed: {message}\n")
        self.logs.overview(f"Failed: {message}")
        self._end_run(JobStatus.FAILED, progress)
        try:
            self._transition(JobStatus.FAILED, detail=message, error=error)
        except StateError:
            if not self.cancel_requested:
                raise
            self.cancel()

    def _last_counters(self) -> Progress:
        """Show what the ledger has, and return it: what was shown last may be older."""
        shown = self._jobs.get(self.record.name).progress
        try:
            ledger = Ledger.open(self._folder, readonly=True)
        except FileNotFoundError:
            return shown
        except BatchMagicError as error:
            self.logs.driver(f"the counters could not be read: {error}")
            return shown
        try:
            stored = ledger.progress().mini_batches
            if not stored or stored != (shown.mini_batches or stored):
                return shown  # it is not this job's: that is what the job ends for
            progress = ledger.recount()
        finally:
            ledger.close()
        self._jobs.set_progress(self.record.name, progress, claim=self._claim)
        return progress
