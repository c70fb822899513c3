"""Errors and results in words, for the log files."""

from __future__ import annotations

from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from batchmagic.words import counted

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchmagic.entities.job_spec import JobSpec
    from batchmagic.entities.progress import Progress
    from batchmagic.entities.settings import Settings
    from batchmagic.workspace.ledger_errors import ErrorGroup


def error_report(groups: Sequence[ErrorGroup]) -> str:
    """Return the text of job_error.txt: each group with counts, an example file and tracebacks."""
    files = sum(g.files for g in groups)
    head = f"{counted(len(groups), 'kind')} of error; {counted(files, 'file')} failed for good"
    return "\n\n".join([head, *(_group(g) for g in groups)]) + "\n"


def _group(group: ErrorGroup) -> str:
    lines = [f"{group.count} x {group.type}: {group.message}"]
    if group.example_file:
        lines.append(f"    first in {group.example_file} (mini-batch {group.example_mini_batch})")
    if group.frame:
        file, line, function, source = group.frame
        lines.append(f"    {PurePath(file).name}, line {line}, in {function}:   {source}")
    lines.append(
        f"    {counted(group.count, 'failed attempt')}, {counted(group.files, 'file')} failed for good"
    )
    for text in group.tracebacks[:1]:
        lines += ["", *("    " + line for line in text.rstrip().splitlines())]
    return "\n".join(lines)


def result_report(
    spec: JobSpec, progress: Progress, *, verdict: str, output: Path | None, error: dict[str, Any] | None
) -> str:
    """Return the text of job_result.txt."""
    lines = [
        f"Job {spec.name}: {verdict}",
        "",
        f"endpoint / deployment   {spec.endpoint} / {spec.deployment} (version {spec.deployment_version})",
        f"mini-batches            {_counts(progress.completed, progress.failed, progress.mini_batches)}",
        f"files failed            {progress.files_failed} of {progress.files}",
        f"rows                    {progress.rows}",
        f"attempts repeated       {progress.retried}",
        f"interpreter             {spec.interpreter.executable} ({spec.interpreter.version})",
        f"output                  {output or 'none'}",
    ]
    if error:
        lines += ["", f"The error of the script: {error.get('type')}: {error.get('message')}", _where(error)]
    if progress.failed or error:
        lines += ["", "Look next: logs/user/job_error.txt, logs/failed_files.csv, logs/user/stderr"]
    warning = fewer_rows(spec.settings, progress)
    if warning:
        lines += ["", warning]
    return "\n".join(line for line in lines if line is not None) + "\n"


def _counts(completed: int, failed: int, total: int) -> str:
    return f"{completed} completed, {failed} failed, {total - completed - failed} left, {total} in all"


def _where(error: dict[str, Any]) -> str:
    frame = error.get("frame")
    return f"    {PurePath(frame[0]).name}, line {frame[1]}, in {frame[2]}:   {frame[3]}" if frame else ""


def fewer_rows(settings: Settings, progress: Progress) -> str:
    """Return a warning if there are fewer rows than files that were scored, else nothing."""
    scored = progress.files - progress.files_failed
    if settings.output_action == "append_row" and progress.rows < scored:
        return (
            f"Warning: {progress.rows} rows for {scored} files; Azure would count the missing ones as failed."
        )
    return ""
