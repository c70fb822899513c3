"""``jobs.download``: a job's output and logs, copied to where Azure puts them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.entities.status import TERMINAL
from batchmagic.errors import JobException, ResourceNotFoundError
from batchmagic.sdk.results import output_file, output_folder
from batchmagic.sdk.sparse import copy_file

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

OUTPUT_NAME = "score"


def download(
    ws: Workspace, record: JobRecord, *, to: Path, output_name: str | None = None, everything: bool = False
) -> list[Path]:
    """Copy the output to ``<to>/named-outputs/score``, the logs to ``<to>/artifacts``; return the folders.

    Raises
    ------
    JobException
        If the job has not ended.
    ResourceNotFoundError
        If there is no such output.
    """
    if not record.status.is_terminal:
        allowed = ", ".join(sorted(TERMINAL))
        raise JobException(
            f"This job is in state {record.status}. Download is allowed only in states {allowed}.",
            target=record.name,
            hint="Wait for its end.",
        )
    if output_name not in {None, OUTPUT_NAME, "default"}:
        raise ResourceNotFoundError(kind="output", name=output_name, known=[OUTPUT_NAME])
    copied = []
    if everything or output_name == OUTPUT_NAME:
        copied.append(_copy_output(ws, record, to / "named-outputs" / OUTPUT_NAME))
    if everything or output_name in {None, "default"}:
        copied.append(_copy_tree(ws.job_dir(record.name) / "logs", to / "artifacts" / "logs"))
    return copied


def _copy_output(ws: Workspace, record: JobRecord, to: Path) -> Path:
    file, folder = output_file(ws, record), output_folder(ws, record)
    if record.spec.output_path is not None and file is not None:
        # A folder that the user chose may hold much that is not this job's.
        found = [file] if file.exists() else []
    else:
        found = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.exists() else []
    if not found:
        raise ResourceNotFoundError(
            f"Job {record.name} is {record.status} and left no output.", kind="output"
        )
    for path in found:
        _copy_file(path, to / path.relative_to(folder))
    return to


def _copy_tree(folder: Path, to: Path) -> Path:
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            _copy_file(path, to / path.relative_to(folder))
    return to


def _copy_file(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.part")
    copy_file(source, partial)
    partial.replace(target)
