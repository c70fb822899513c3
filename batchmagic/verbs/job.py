"""``job list | show``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities.listing import Listing
from batchmagic.sdk.pace import headline
from batchmagic.verbs.outcome import Outcome
from batchmagic.words import ago, clock

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context
    from batchmagic.workspace.job_records import JobRecord


def list_(context: Context) -> Outcome:
    """List jobs, the newest first."""
    from batchmagic.sdk.job_view import job_of  # noqa: PLC0415

    session = context.session
    ws = session.read() if context.given("endpoint") else session.peek()
    endpoint = ws.endpoints.get(context.arguments.endpoint).name if ws and context.given("endpoint") else None
    limit = context.arguments.max_results or None
    records = ws.jobs.list(endpoint=endpoint, limit=limit) if ws else []
    session.look_after(records)
    nothing = f"No jobs yet. `{context.command} invoke` starts one."
    found = [job_of(ws, record) for record in records] if ws else []
    return Outcome(
        document=[described(context, record) for record in records],
        value=Listing(found, kind="job", nothing=nothing),
        rows=[_row(record) for record in records],
        nothing=nothing,
    )


def show(context: Context) -> Outcome:
    """Show one job."""
    record = context.job()
    context.session.look_after([record])
    return of(context, record)


def of(context: Context, record: JobRecord, text: str = "", **more: Any) -> Outcome:
    """Return a job as what came of a verb."""
    return Outcome(
        document=described(context, record),
        value=context.client.jobs.handle(record.name),
        text=text,
        **more,
    )


def described(context: Context, record: JobRecord) -> dict[str, Any]:
    """Return a job for people and programs."""
    from batchmagic.sdk.results import output_file, output_folder  # noqa: PLC0415

    ws = context.session.read()
    spec, progress = record.spec, record.progress
    return {
        "name": record.name,
        "status": str(record.status),
        "status_detail": record.status_detail,
        "endpoint": spec.endpoint,
        "deployment": spec.deployment,
        "deployment_version": spec.deployment_version,
        "run": record.run,
        "progress": progress.to_json(),
        "input": spec.input_reference,
        "output": str(output_file(ws, record) or output_folder(ws, record)),
        "logs": str(ws.job_dir(record.name) / "logs"),
        "compute": spec.compute,
        "experiment_name": spec.experiment_name,
        "error": _error(record),
        "created_at": record.created_at,
        "started_at": record.started_at,
        "ended_at": record.ended_at,
    }


def _error(record: JobRecord) -> str | None:
    if not record.error:
        return None
    kind, message = record.error.get("type"), record.error.get("message")
    return f"{kind}: {message}" if kind else str(record.error.get("verdict") or message or "")


def _row(record: JobRecord) -> dict[str, Any]:
    progress = record.progress
    done = progress.completed + progress.failed
    return {
        "name": record.name,
        "status": headline(record.status, progress),
        "endpoint": f"{record.spec.endpoint}/{record.spec.deployment}",
        "mini-batches": f"{done:,}/{progress.mini_batches:,}" if progress.mini_batches else "",
        "rows": progress.rows if progress.mini_batches else None,
        "took": clock(progress.seconds) if progress.seconds else "",
        "started": ago(record.created_at),
        "detail": "" if record.status.is_terminal else record.status_detail,
    }
