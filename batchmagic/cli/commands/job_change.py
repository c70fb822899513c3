"""``job cancel | resume | delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.cli.commands.definitions import assignments
from batchmagic.cli.commands.invoke import see_through
from batchmagic.cli.commands.job import described
from batchmagic.cli.render import done

if TYPE_CHECKING:
    from batchmagic.cli.context import Context


def cancel(context: Context) -> None:
    """Ask for the end of a job."""
    record = context.job(changing=True)
    context.client.jobs.begin_cancel(record.name)
    now = context.client.session.job(record.name)
    done(f"{now.name} is {now.status}", described(context, now), context.form)


def resume(context: Context) -> int:
    """Run what is left of a job."""
    from batchmagic.sdk.resume import resume as resume_  # noqa: PLC0415

    record = resume_(
        context.client.session,
        context.job(changing=True).name,
        redo_failed=context.arguments.redo_failed,
        version=context.arguments.deployment_version,
        params_override=[assignments(context)],
    )
    if context.arguments.wait:
        return see_through(context, record)
    text = f"{record.name} goes on as run {record.run}\nNext: {context.command} job stream {record.name}"
    done(text, described(context, record), context.form)
    return 0


def delete(context: Context) -> None:
    """Delete a job that has ended."""
    record = context.job(changing=True)
    context.client.jobs.delete(record.name)
    done(f"Deleted {record.name}", {"name": record.name, "deleted": True}, context.form)
