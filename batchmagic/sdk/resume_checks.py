"""Whether a new run of a job makes sense, and finds what it needs: told before anything is written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.status import JobStatus
from batchmagic.errors import OutputExists, StateError
from batchmagic.sdk.invoke import check_rival
from batchmagic.sdk.results import stored_columns
from batchmagic.words import counted

if TYPE_CHECKING:
    from batchmagic.entities.job_spec import JobSpec
    from batchmagic.entities.settings import Settings
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord


def check_ended(record: JobRecord) -> None:
    """Pass when the job's run is over.

    Raises
    ------
    StateError
        If not.
    """
    if record.status is JobStatus.CANCEL_REQUESTED:
        raise StateError(
            f"Job {record.name} is being canceled.",
            target=record.name,
            hint="It can be resumed as soon as it is Canceled.",
        )
    if not record.status.is_terminal:
        raise StateError(f"Job {record.name} is {record.status}; it goes on by itself.", target=record.name)


def check_sense(record: JobRecord, settings: Settings, *, redo_failed: bool) -> None:
    """Pass when a new run with these settings has something to do and does not end as it begins.

    Raises
    ------
    StateError
        If not.
    """
    progress, threshold = record.progress, settings.error_threshold
    failed = counted(progress.files_failed, "file")
    if record.status is JobStatus.COMPLETED and not (redo_failed and progress.files_failed):
        left = (
            f"{failed} failed; --redo-failed scores them again."
            if progress.files_failed
            else "nothing is left to score."
        )
        raise StateError(f"Job {record.name} is Completed: {left}", target=record.name)
    if redo_failed:
        return
    if threshold is not None and 0 <= threshold < progress.files_failed:
        raise StateError(
            f"Job {record.name} would end at once: {failed} failed, more than error_threshold={threshold} allows.",
            target="error_threshold",
            hint="--redo-failed scores them again; --set error_threshold=N tolerates them.",
        )
    if _failed_altogether(record):
        raise StateError(
            f"Job {record.name} would end at once: all of its {failed} failed.",
            target=record.name,
            hint="--redo-failed scores them again.",
        )


def _failed_altogether(record: JobRecord) -> bool:
    progress = record.progress
    keeps_rows = record.spec.settings.output_action is BatchDeploymentOutputAction.APPEND_ROW
    nothing = keeps_rows and not (progress.completed or progress.rows)
    return nothing and 0 < progress.mini_batches == progress.failed


def check_snapshots(ws: Workspace, record: JobRecord, spec: JobSpec) -> None:
    """Pass when the workspace still has what the new run scores with.

    Raises
    ------
    StateError
        If not.
    """
    for what, folder in (("code", spec.code_dir), ("model", spec.model_dir)):
        if folder is None:
            continue
        place = ws.root / folder
        if not place.is_dir() or not any(place.iterdir()):
            raise StateError(
                f"The {what} of job {record.name} is not in the workspace any more: {place}.",
                target=what,
                hint=f"Deploy {spec.endpoint}/{spec.deployment} again, then resume with --deployment-version latest.",
            )


def check_output_again(ws: Workspace, record: JobRecord, spec: JobSpec) -> None:
    """Pass when the place of the output outside the workspace is still this job's.

    Raises
    ------
    OutputExists
        If a file has come there that is not this job's own, or another job will write one.
    """
    if spec.output_path is None:
        return
    folder = ws.root / spec.output_path
    check_rival(ws, folder, spec.settings, besides=record.name)
    path = folder / spec.settings.output_file_name
    if path.exists() and not spec.overwrite and not _has_written(ws, record):
        error = OutputExists(path=str(path))
        error.hint = f"It is not from job {record.name}. Move it away, then resume."
        raise error


def _has_written(ws: Workspace, record: JobRecord) -> bool:
    try:
        return bool(stored_columns(ws, record.name))
    except FileNotFoundError:
        return False
