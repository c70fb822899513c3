"""``job stream | wait``, and what they share with ``invoke``: a job that goes on, and one that is seen through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.entities.status import JobStatus
from batchmagic.errors import JobException
from batchmagic.verbs import job
from batchmagic.verbs.context import CANCELED, COMPLETED, COMPLETED_WITH_FAILURES, FAILED
from batchmagic.words import clock, counted

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context
    from batchmagic.verbs.outcome import Outcome
    from batchmagic.workspace.job_records import JobRecord


def stream(context: Context) -> Outcome:
    """Show the job's progress until it ends."""
    return ended(context, context.face.stream(context.session, context.job().name))


def wait(context: Context) -> Outcome:
    """Return when the job has ended."""
    return see_through(context, context.job(), timeout=context.arguments.timeout)


def see_through(context: Context, record: JobRecord, *, timeout: float | None = None) -> Outcome:
    """Follow the job to its end, and say how it ended and where the rows are."""
    return ended(context, context.face.follow(context.session, record.name, timeout=timeout))


def go_on(context: Context, record: JobRecord, text: str) -> Outcome:
    """Leave the job to itself, and say how to follow it."""
    context.face.started(context.session, record, waits=False)
    name = context.session.short_name(record.name)
    return job.of(context, record, f"{text}\nNext: {context.command} job stream {name}")


def ended(context: Context, record: JobRecord) -> Outcome:
    """Return what came of a job that has ended."""
    from batchmagic.sdk.stream import raise_if_failed  # noqa: PLC0415

    if record.status is JobStatus.CANCELED:
        return job.of(context, record, f"Job {record.name} was canceled.", code=CANCELED)
    try:
        raise_if_failed(context.session, record)
    except JobException as error:
        return job.of(context, record, code=FAILED, error=error)
    if record.progress.files_failed and not context.face.has_shown:
        failed = counted(record.progress.files_failed, "file")
        name = context.session.short_name(record.name)
        context.face.note(f"{failed} failed: {context.command} job errors {name}")
    strict = bool(record.progress.files_failed and context.given("strict"))
    return job.of(
        context,
        record,
        closing_words(context, record),
        code=COMPLETED_WITH_FAILURES if strict else COMPLETED,
    )


def closing_words(context: Context, record: JobRecord) -> str:
    """Return what came of a job that has completed, and where it is."""
    from batchmagic.sdk.results import output_file, output_folder  # noqa: PLC0415

    ws = context.session.read()
    path = output_file(ws, record)
    what = counted(record.progress.rows, "row") if path else "Files of the script"
    where = path or output_folder(ws, record)
    return f"{what} in {clock(record.progress.seconds)} → {where}"
