"""``job cancel | resume | delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.verbs import job
from batchmagic.verbs.definitions import assignments
from batchmagic.verbs.job_follow import go_on, see_through
from batchmagic.verbs.outcome import Outcome

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context


def cancel(context: Context) -> Outcome:
    """Ask for the end of a job."""
    record = context.job(changing=True)
    context.client.jobs.begin_cancel(record.name)
    now = context.session.job(record.name)
    return job.of(context, now, f"{now.name} is {now.status}")


def resume(context: Context) -> Outcome:
    """Run what is left of a job."""
    from batchmagic.sdk.resume import resume as resume_  # noqa: PLC0415

    record = resume_(
        context.session,
        context.job(changing=True).name,
        redo_failed=context.arguments.redo_failed,
        version=context.arguments.deployment_version,
        params_override=[assignments(context)],
    )
    context.face.last_job = record.name
    if context.arguments.wait:
        return see_through(context, record)
    return go_on(context, record, f"{record.name} goes on as run {record.run}")


def delete(context: Context) -> Outcome:
    """Delete a job that has ended."""
    record = context.job(changing=True)
    context.client.jobs.delete(record.name)
    return Outcome(document={"name": record.name, "deleted": True}, text=f"Deleted {record.name}")
