"""``job stream | wait``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.cli.commands.invoke import closing_words
from batchmagic.cli.commands.job import described
from batchmagic.cli.context import COMPLETED, COMPLETED_WITH_FAILURES
from batchmagic.cli.progress import follow_job
from batchmagic.cli.render import show_one
from batchmagic.errors import JobException

if TYPE_CHECKING:
    from batchmagic.cli.context import Context
    from batchmagic.workspace.job_records import JobRecord


def stream(context: Context) -> int:
    """Print the job's progress until it ends."""
    from batchmagic.sdk import stream as streams  # noqa: PLC0415

    session, record = context.client.session, context.job()

    def act() -> JobRecord:
        try:
            return streams.stream(session, record.name, out=lambda line: print(line, flush=True))
        except JobException:
            return session.job(record.name)  # what it says, `end` says

    return context.end(context.following(record.name, act))


def wait(context: Context) -> int:
    """Return when the job has ended."""
    session, record = context.client.session, context.job()
    timeout = context.arguments.timeout
    ended = context.following(record.name, lambda: follow_job(session, record.name, timeout=timeout))
    code = context.end(ended)
    if context.form != "table":
        show_one(described(context, ended), context.form)
    elif code in {COMPLETED, COMPLETED_WITH_FAILURES}:
        print(closing_words(context, ended))
    return code
