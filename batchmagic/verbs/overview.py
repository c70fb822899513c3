"""``%batch`` alone: what is there, what runs, and one next step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities.status import JobStatus
from batchmagic.verbs.outcome import Outcome
from batchmagic.verbs.shown import Shown
from batchmagic.words import short_path

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

_JOBS = 5
_SHOWN = (
    "name", "status", "status_detail", "endpoint", "deployment", "progress", "created_at", "ended_at",
)  # fmt: skip


def overview(context: Context) -> Outcome:
    """Show jobs, endpoints and models, and what to do next."""
    ws = context.session.peek()
    records = ws.jobs.list(limit=50) if ws else []
    context.session.look_after(records)
    unfinished = [record for record in records if not record.status.is_terminal]
    recent = [record for record in records if record.status.is_terminal][:_JOBS]
    document = {
        "workspace": short_path(str(ws.root)) if ws else None,
        "running": [_job(ws, record) for record in unfinished] if ws else [],
        "recent": [_job(ws, record) for record in recent] if ws else [],
        "endpoints": _endpoints(ws) if ws else [],
        "next": list(_next(context, ws, records)),
    }
    return Outcome(document=document, value=Shown("overview", document))


def _job(ws: Workspace, record: JobRecord) -> dict[str, Any]:
    from batchmagic.sdk.job_document import job_document  # noqa: PLC0415

    document = job_document(ws, record)
    return {key: document[key] for key in _SHOWN}


def _endpoints(ws: Workspace) -> list[dict[str, Any]]:
    return [
        {
            "name": endpoint.name,
            "default": endpoint.defaults.deployment_name,
            "deployments": [record.name for record in ws.deployments.list(endpoint.name)],
            "description": endpoint.description,
        }
        for endpoint in ws.endpoints.list()
    ]


def _next(context: Context, ws: Workspace | None, records: list[JobRecord]) -> tuple[str, str]:
    """Return a command that brings on from here, and what it does."""
    command = context.command
    endpoints = ws.endpoints.list() if ws else []
    deployed = [e.name for e in endpoints if ws and ws.deployments.list(e.name)]
    if records:
        return _next_of(records[0], command, context.session.short_name(records[0].name))
    if deployed:
        return f"{command} invoke {deployed[0]} --input PATH", "score a folder of files"
    models = ws.assets.list("model") if ws else []
    if models:
        name = models[0].name
        return f"{command} deploy {name}/first --model {name}", "deploy the model"
    return f"{command} deploy heart/first --model ./model", "deploy a model; the endpoint is made with it"


def _next_of(newest: JobRecord, command: str, name: str) -> tuple[str, str]:
    if not newest.status.is_terminal:
        return f"{command} job stream {name}", "follow the newest job"
    if newest.status is JobStatus.COMPLETED:
        return f"{command} job result {name}", "the newest job's rows, as a DataFrame"
    if newest.status is JobStatus.CANCELED:
        return f"{command} job resume {name}", "go on with the newest job"
    return f"{command} job errors {name}", "what went wrong in the newest job"
