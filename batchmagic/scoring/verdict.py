"""How a run ended, in words and as a status."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from batchmagic.entities.status import JobStatus
from batchmagic.scoring.error_text import fewer_rows
from batchmagic.scoring.events import Outcome
from batchmagic.words import counted, printable

if TYPE_CHECKING:
    from batchmagic.entities.progress import Progress
    from batchmagic.entities.settings import Settings
    from batchmagic.scoring.events import Stop
    from batchmagic.scoring.plan import Plan

STATUS = {
    Outcome.COMPLETED: JobStatus.COMPLETED,
    Outcome.FAILED: JobStatus.FAILED,
    Outcome.CANCELED: JobStatus.CANCELED,
}


def verdict(stop: Stop, progress: Progress) -> str:
    """Return the verdict with its counts, as the logs have it."""
    done = f"{progress.completed} of {progress.mini_batches} mini-batches"
    if stop.outcome is Outcome.COMPLETED:
        failed = f"; {counted(progress.files_failed, 'file')} failed" if progress.files_failed else ""
        return f"Completed: {done}, {progress.rows} rows{failed}"
    return f"{stop.outcome.capitalize()}: {stop.message} ({done} kept)"


def closing_words(stop: Stop, progress: Progress, settings: Settings) -> str:
    """Return the job's last ``status_detail``."""
    if stop.outcome is not Outcome.COMPLETED:
        return stop.message
    if progress.files_failed:
        return f"{counted(progress.files_failed, 'file')} failed"
    return fewer_rows(settings, progress)


def with_file(stop: Stop, plan: Plan) -> Stop:
    """Return the verdict with a file of the mini-batch that its error is from, for people to begin with."""
    if not stop.error or "mini_batch" not in stop.error:
        return stop
    file = printable(plan.paths_of(stop.error["mini_batch"], stop.error["part"])[0])
    return replace(stop, error={"file": file, **stop.error})


def job_error(stop: Stop) -> dict[str, Any] | None:
    """Return what the job's row keeps as its error: the script's own, if there is one, and the verdict."""
    if stop.outcome is not Outcome.FAILED:
        return None
    return {**(stop.error or {}), "verdict": stop.message}
