"""``jobs.stream``: a header, a line whenever something moved, and a summary."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from batchmagic.entities.job_spec import MLFLOW_RUN
from batchmagic.entities.status import JobStatus
from batchmagic.errors import JobException
from batchmagic.sdk import follow
from batchmagic.sdk.failure import failure_lines
from batchmagic.sdk.pace import Meter, headline, progress_line
from batchmagic.sdk.results import output_file
from batchmagic.words import clock, rate_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchmagic.sdk.session import Session
    from batchmagic.workspace.job_records import JobRecord

_SOON, _LATE, _GROWTH = 1.0, 30.0, 0.05


class LinePrinter:
    """Prints a line when the state changes, and else now and then: often at first, seldom in a long job."""

    def __init__(self, out: Callable[[str], object]) -> None:
        self._out = out
        self._meter = Meter()
        self._began = time.monotonic()
        self._state = ""
        self._line = ""
        self._printed = 0.0

    def show(self, record: JobRecord) -> None:
        """Print the line for this snapshot if it is due."""
        now = time.monotonic()
        pace = self._meter.observe(record.progress, now)
        line = progress_line(record.status, record.status_detail, record.progress, pace)
        state = f"{record.status} {record.status_detail}"
        pause = min(_LATE, _SOON + _GROWTH * (now - self._began))
        due = state != self._state or now - self._printed >= pause
        if due and line != self._line:
            self._out(f"{time.strftime('%H:%M:%S')} {line}")
            self._state, self._line, self._printed = state, line, now


def stream(session: Session, name: str, *, out: Callable[[str], object] = print) -> JobRecord:
    """Print the job's progress until it ends, and return it.

    Raises
    ------
    JobException
        If the job failed; its first line is the scoring script's own error.
    """
    record = began = session.job(name)
    for line in header(session, began):
        out(line)
    out("")
    out("Streaming progress")
    out("==================")
    printer = LinePrinter(out)
    for record in follow.snapshots(session, began.name):
        printer.show(record)
    out("")
    for line in summary(session, record):
        out(line)
    raise_if_failed(session, record)
    return record


def header(session: Session, record: JobRecord) -> list[str]:
    """Return the lines that tell which job it is and where its logs are."""
    folder = session.read().job_dir(record.name)
    return [
        f"RunId: {record.name}",
        f"Endpoint: {record.spec.endpoint} / {record.spec.deployment}",
        f"Logs: {folder / 'logs'}",
    ]


def summary(session: Session, record: JobRecord) -> list[str]:
    """Return Azure's block ``Execution Summary``, with the numbers of the job."""
    progress = record.progress
    lines = ["Execution Summary", "=================", f"RunId: {record.name}"]
    lines.append(f"Status: {headline(record.status, progress)}")
    if record.status_detail and record.status is not JobStatus.COMPLETED:
        lines.append(f"Detail: {record.status_detail}")
    if progress.mini_batches:
        retried = f", {progress.retried:,} retried" if progress.retried else ""
        done = f"{progress.completed:,} of {progress.mini_batches:,} succeeded{retried}"
        lines += [f"Mini-batches: {done}", f"Rows: {progress.rows:,}"]
    if progress.seconds:
        rate = (progress.completed + progress.failed) / progress.seconds
        lines.append(
            f"Duration: {clock(progress.seconds)} ({rate_text(rate)})"
            if rate
            else f"Duration: {clock(progress.seconds)}"
        )
    path = output_file(session.read(), record)
    if path is not None and record.status is JobStatus.COMPLETED:
        lines.append(f"Output: {path}")
    run = record.properties.get(MLFLOW_RUN)
    if run is not None:
        lines.append(f"MLflow run: {record.spec.experiment} / {run}")
    return lines


def failure_of(session: Session, record: JobRecord) -> JobException:
    """Return the exception of a job that failed: at most eight lines, the scoring script's own error first."""
    groups = session.error_groups(record.name)
    name = session.short_name(record.name)
    lines = failure_lines(record, groups, command=session.command, name=name)
    return JobException("\n".join(lines), target=record.name)


def raise_if_failed(session: Session, record: JobRecord) -> None:
    """Pass when the job did not fail.

    Raises
    ------
    JobException
        Of `failure_of`.
    """
    if record.status in {JobStatus.FAILED, JobStatus.NOT_RESPONDING}:
        raise failure_of(session, record)
