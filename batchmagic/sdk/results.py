"""A job's rows as a DataFrame: names and types are those that were stored with the job, whatever the file's form."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.constants import BatchDeploymentOutputAction
from batchmagic.entities.status import JobStatus
from batchmagic.errors import JobCanceled, StateError
from batchmagic.sdk.rows import Columns, read_rows

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord


def output_folder(ws: Workspace, record: JobRecord) -> Path:
    """Return the folder that the output ``score`` is in."""
    from batchmagic.workspace import job_records  # noqa: PLC0415 - brings SQLAlchemy

    return job_records.output_folder(record.spec, ws.job_dir(record.name))


def output_file(ws: Workspace, record: JobRecord) -> Path | None:
    """Return the file that gets the rows; None where the job keeps none."""
    if record.spec.settings.output_action is not BatchDeploymentOutputAction.APPEND_ROW:
        return None
    return output_folder(ws, record) / record.spec.settings.output_file_name


def read_result(ws: Workspace, record: JobRecord) -> pd.DataFrame:
    """Return the rows of a job that has completed.

    Raises
    ------
    StateError
        If the job has not completed, keeps no rows, or its output has been moved away.
    """
    if record.status is JobStatus.CANCELED:
        raise JobCanceled(f"Job {record.name} was canceled; it has no result.", target=record.name)
    if record.status is not JobStatus.COMPLETED:
        raise StateError(f"Job {record.name} is {record.status}; it has no result.", target=record.name)
    path = output_file(ws, record)
    if path is None:
        raise StateError(
            f"Job {record.name} ran with output_action summary_only and kept no rows.",
            hint=f"What the script wrote itself is in {output_folder(ws, record)}.",
        )
    if not path.exists():
        raise StateError(
            f"The output {str(path)!r} of job {record.name} is not there any more.", target="output"
        )
    return read_rows(path, record.spec, stored_columns(ws, record.name))


def stored_columns(ws: Workspace, name: str) -> Columns:
    """Return names and types of the job's rows, as they were unified over all mini-batches."""
    from batchmagic.workspace.ledger import Ledger  # noqa: PLC0415 - brings SQLAlchemy

    ledger = Ledger.open(ws.job_dir(name), readonly=True)
    try:
        return tuple((str(column), str(kind)) for column, kind in ledger.columns())
    finally:
        ledger.close()
