"""The end of a run: the output assembled, the spool gone where nothing is left to redo, the job in its last state."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from batchmagic import failpoints
from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.status import JobStatus
from batchmagic.scoring.assemble import SpoolDamaged, assemble
from batchmagic.scoring.assignment import output_folder
from batchmagic.scoring.events import Outcome, Stop
from batchmagic.scoring.spool import spool_of
from batchmagic.scoring.verdict import with_file

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.scoring.committer import Committer
    from batchmagic.scoring.plan import Plan
    from batchmagic.scoring.reporter import Reporter
    from batchmagic.workspace.ledger import Ledger


class Ending:
    """Ends one run of a job.

    Parameters
    ----------
    folder, epoch, plan
        The job's folder, the claim's epoch under which it runs, and its plan.
    reporter
        Tells others.
    restarted
        Whether an earlier host or run has committed a part of it.
    """

    def __init__(self, folder: Path, epoch: int, plan: Plan, reporter: Reporter, *, restarted: bool) -> None:
        self._folder = folder
        self._epoch = epoch
        self._plan = plan
        self._reporter = reporter
        self._restarted = restarted
        self._spec = reporter.record.spec

    @property
    def output(self) -> Path | None:
        """The output file, None where rows are only counted."""
        settings = self._spec.settings
        if settings.output_action is not BatchDeploymentOutputAction.APPEND_ROW:
            return None
        return output_folder(self._spec, self._folder) / settings.output_file_name

    def finish(self, ledger: Ledger) -> list[tuple[int, int]]:
        """Assemble the output, unless a cancel came first; return what is missing in the spool, normally nothing."""
        reporter = self._reporter
        if reporter.record.status is JobStatus.PREPARING:
            reporter.move(JobStatus.RUNNING)
        if reporter.record.status is JobStatus.RUNNING:
            reporter.move(JobStatus.FINALIZING, "assembling the output")
            failpoints.hit("end.finalizing")
        if reporter.record.status is JobStatus.CANCEL_REQUESTED or self.output is None:
            return []
        try:
            columns = assemble(ledger, self._folder, self.output, self._spec.settings.effective_format())
            ledger.set_columns(self._epoch, columns)
        except SpoolDamaged as damaged:
            reporter.logs.driver(f"{damaged} They are scored again: {damaged.keys[:10]}")
            return damaged.keys
        return []

    def end(self, stop: Stop | None, committer: Committer, ledger: Ledger) -> None:
        """Bring the job into its last state; with None for `stop` it stays as it is, for the next host."""
        if stop is None:
            self._reporter.say("the host was stopped; the next host goes on from here")
            return
        if self._reporter.record.status is JobStatus.CANCEL_REQUESTED:
            stop = Stop(Outcome.CANCELED, "canceled", "canceled")
        stop = with_file(stop, self._plan)
        completed = stop.outcome is Outcome.COMPLETED
        failpoints.hit("end.before_spool")
        if completed and not committer.progress().files_failed:
            shutil.rmtree(spool_of(self._folder), ignore_errors=True)
        self._reporter.end(
            stop,
            committer,
            ledger,
            self._plan,
            output=self.output if completed else None,
            restarted=self._restarted,
        )
