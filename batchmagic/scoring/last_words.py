"""What becomes of a job whose run cannot go on: it is told why, whatever the disk still takes."""

from __future__ import annotations

import contextlib
import queue
import traceback
from typing import TYPE_CHECKING, Any

from batchmagic.disk import disk_error, is_about_disk
from batchmagic.entities.status import JobStatus
from batchmagic.errors import (
    BatchMagicError,
    DiskError,
    Fenced,
    JobCanceled,
    JobCorrupted,
    StateError,
    StoreBusy,
    WorkspaceMoved,
)
from batchmagic.scoring.messages import HostStopping
from batchmagic.workspace import reserve

if TYPE_CHECKING:
    from batchmagic.scoring.reporter import Reporter
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.claims import Claim
    from batchmagic.workspace.job_records import JobRecord

_PAUSE = 1.0


class LastWords:
    """Makes a job fail for a reason that is none of the script's.

    On a disk that takes nothing it waits until one word can be written: a job that nobody told would be begun again
    and again.

    Parameters
    ----------
    workspace, record, claim
        The job, and the claim under which it may be written.
    inbox
        Of the driver: tells that the host leaves, whose successor then finds the same trouble.
    """

    def __init__(
        self, workspace: Workspace, record: JobRecord, claim: Claim, inbox: queue.Queue[Any]
    ) -> None:
        self._workspace = workspace
        self._record = record
        self._claim = claim
        self._inbox = inbox

    def say(self, error: Exception, reporter: Reporter | None) -> None:
        """Make the job fail because of `error`, with its logs as far as they can be written.

        Parameters
        ----------
        reporter
            None if the job's folder could not even be entered.

        Raises
        ------
        WorkspaceMoved
            If the workspace is not where it was.
        """
        error = self._fencing(reporter) or error
        if isinstance(error, Fenced):
            if reporter is not None:
                reporter.logs.driver(f"fenced, and left the job alone: {error}")
            return
        problem, message = self._described(error)
        if reporter is not None and not isinstance(error, JobCanceled):
            with contextlib.suppress(BatchMagicError, OSError):
                reporter.logs.driver("".join(traceback.format_exception(error)))
        if reporter is not None and self._reported(reporter, problem, message):
            return
        reserve.spend(self._workspace.compute_dir(self._record.spec.compute))
        if reporter is not None and self._reported(reporter, problem, message):
            return
        while not self._written(problem, message):
            if self._leaving():
                return

    @staticmethod
    def _fencing(reporter: Reporter | None) -> Fenced | None:
        """Return what keeps us from the job: with another host at it, anything can have gone wrong here."""
        try:
            with reporter.fence() if reporter is not None else contextlib.nullcontext():
                return None
        except Fenced as fenced:
            return fenced
        except BatchMagicError:
            return None

    def _leaving(self) -> bool:
        try:
            return isinstance(self._inbox.get(timeout=_PAUSE), HostStopping)
        except queue.Empty:
            return False

    def _described(self, error: Exception) -> tuple[dict[str, Any], str]:
        if isinstance(error, WorkspaceMoved):
            self._workspace.database.check_place()
            # The workspace is where it was: it is the job's own folder that is not.
            reason = "the folder or a file in it is gone or was replaced, though the job has not ended"
            error = JobCorrupted(path=str(self._workspace.job_dir(self._record.name)), reason=reason)
        if isinstance(error, OSError) and is_about_disk(error):
            error = disk_error(error, error.filename or self._workspace.job_dir(self._record.name))
        if isinstance(error, BatchMagicError):
            return {"type": type(error).__name__, "message": str(error), "phase": "job"}, str(error)
        problem = {"type": type(error).__name__, "message": str(error), "phase": "engine"}
        return (
            problem,
            f"{type(error).__name__}: {error} (a defect of batchmagic; see logs/sys/driver.txt)",
        )

    def _reported(self, reporter: Reporter, problem: dict[str, Any], message: str) -> bool:
        try:
            reporter.fail(problem, message)
        except Exception:  # noqa: BLE001 -- told again without logs; what is wrong with the workspace shows there
            return False
        return True

    def _written(self, problem: dict[str, Any], message: str) -> bool:
        """Return whether the job's row says it, the logs apart."""
        jobs, name = self._workspace.jobs, self._record.name
        try:
            canceled = jobs.get(name).status is JobStatus.CANCEL_REQUESTED
            new = JobStatus.CANCELED if canceled else JobStatus.FAILED
            whole = None if canceled else {**problem, "verdict": message}
            run = self._record.run
            jobs.transition(name, new, detail=message, error=whole, claim=self._claim, run=run)
        except (StateError, Fenced):
            return True  # it has its end, or another host
        except (DiskError, StoreBusy):
            return False
        return True
