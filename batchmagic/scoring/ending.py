"""The end of a run: the output assembled, the spool gone where nothing is left to redo, the job in its last state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic import failpoints
from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.status import JobStatus
from batchmagic.errors import DiskError, StateError
from batchmagic.scoring.assemble import SpoolDamaged, assemble
from batchmagic.scoring.events import Outcome, Stop
from batchmagic.scoring.spool import forget_earlier, forget_work, spool_of
from batchmagic.scoring.spool_end import forget_retired, is_retired, retire_spool
from batchmagic.scoring.verdict import with_file
from batchmagic.workspace.job_records import output_folder

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.scoring.committer import Committer
    from batchmagic.scoring.plan import Plan
    from batchmagic.scoring.reporter import Reporter
    from batchmagic.workspace.ledger import Ledger
    from batchmagic.workspace.ledger_entries import Columns

MAX_DAMAGED = 3
"""A disk that has damaged rows so many times will do it again."""

_CANCELED = Stop(Outcome.CANCELED, "canceled", "canceled")


class Ending:
    """Ends one run of a job.

    Parameters
    ----------
    folder, epoch, plan
        The job's folder, the claim's epoch under which it runs, and its plan.
    reporter
        Tells others.
    restarted
        Whether an earlier host or run has worked on it.
    """

    def __init__(self, folder: Path, epoch: int, plan: Plan, reporter: Reporter, *, restarted: bool) -> None:
        self._folder = folder
        self._epoch = epoch
        self._plan = plan
        self._reporter = reporter
        self._restarted = restarted
        self._damaged = 0
        self._spec = reporter.record.spec

    @property
    def output(self) -> Path | None:
        """The output file, None where rows are only counted."""
        settings = self._spec.settings
        if settings.output_action is not BatchDeploymentOutputAction.APPEND_ROW:
            return None
        return output_folder(self._spec, self._folder) / settings.output_file_name

    def finish(self, ledger: Ledger) -> list[tuple[int, int]]:
        """Assemble the output, unless a cancel came first; return what is missing in the spool, normally nothing.

        Raises
        ------
        DiskError
            If rows were damaged every time that they were scored again.
        """
        reporter = self._reporter
        if reporter.record.status is JobStatus.PREPARING:
            reporter.move(JobStatus.RUNNING)
        if reporter.record.status is JobStatus.RUNNING:
            reporter.move(JobStatus.FINALIZING, "assembling the output")
            failpoints.hit("end.finalizing")
        if reporter.record.status is JobStatus.CANCEL_REQUESTED or self.output is None:
            return []
        if is_retired(self._folder) and self.output.exists():
            return []  # an earlier host died between the output and the job's last state
        try:
            columns = self._assembled(ledger, self.output)
            ledger.set_columns(self._epoch, columns)
        except SpoolDamaged as damaged:
            self._damaged += 1
            if self._damaged > MAX_DAMAGED:
                raise self._unreliable(damaged) from damaged
            reporter.move(JobStatus.RUNNING, "scores rows again that were damaged in the spool")
            reporter.logs.driver(f"{damaged} They are scored again: {damaged.keys[:10]}")
            return damaged.keys
        return []

    def _unreliable(self, damaged: SpoolDamaged) -> DiskError:
        spool = spool_of(self._folder)
        return DiskError(
            f"Rows in {spool} were damaged or gone at the end {self._damaged} times, the last time those of "
            f"{len(damaged.keys)} mini-batches.",
            path=str(spool),
            hint="Move the workspace to a disk that keeps what is written to it, then `batchmagic job resume`.",
        )

    def _assembled(self, ledger: Ledger, output: Path) -> Columns:
        form = self._spec.settings.effective_format()
        return assemble(ledger, self._folder, output, form, own=self._reporter.own)

    def end(self, stop: Stop | None, committer: Committer, ledger: Ledger) -> None:
        """Bring the job into its last state; with None for `stop` it stays as it is, for the next host."""
        # In Finalizing nobody can ask for it any more, so a run that has its output is never canceled.
        if self._reporter.cancel_requested:
            stop = _CANCELED
        if stop is None:
            self._reporter.say("the host was stopped; the next host goes on from here")
            return
        self._reporter.confirm()
        failpoints.hit("end.before_spool")
        # A job in its last state is looked at by no host any more, so nothing may be left for later.
        forget_work(self._folder, self._epoch + 1)
        if stop.outcome is Outcome.COMPLETED and not committer.progress().files_failed:
            with self._reporter.fence():
                retire_spool(self._folder)
        else:
            # Nobody is at work on this run any more either.
            forget_earlier(self._folder, self._epoch + 1, ledger.segments_in_use())
        try:
            self._report(stop, committer, ledger)
        except StateError:
            if not self._reporter.cancel_requested:
                raise
            self._report(_CANCELED, committer, ledger)
        forget_retired(self._folder)

    def _report(self, stop: Stop, committer: Committer, ledger: Ledger) -> None:
        self._reporter.end(
            with_file(stop, self._plan),
            committer,
            ledger,
            self._plan,
            output=self.output if stop.outcome is Outcome.COMPLETED else None,
            restarted=self._restarted,
        )
