"""From the store's record of a job to the `BatchJob` that callers get."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities import BatchJob, CreationContext

if TYPE_CHECKING:
    from datetime import datetime

    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord


def job_of(ws: Workspace, record: JobRecord) -> BatchJob:
    """Return the parent job, which is what an invoke returns."""
    from batchmagic.sdk.results import output_folder  # noqa: PLC0415

    spec = record.spec
    folder = ws.job_dir(record.name)
    return BatchJob(
        name=record.name,
        id=f"azureml:jobs/{record.name}",
        display_name=record.display_name or record.name,
        type="pipeline",
        **_common(record),
        description=record.labels.get("description"),
        tags=dict(record.labels.get("tags", {})),
        inputs={"input": {"type": spec.input_type, "path": spec.input_reference}},
        outputs={"score": {"type": "uri_folder", "path": str(output_folder(ws, record))}},
        services={"Studio": {"endpoint": folder.as_uri(), "type": "Studio"}},
    )


def child_of(ws: Workspace, record: JobRecord) -> BatchJob:
    """Return the one child, which owns the logs and the output ``score``."""
    parent = job_of(ws, record)
    values: dict[str, Any] = {name: getattr(parent, name) for name in BatchJob.model_fields}
    name = record.child_name
    values |= {"name": name, "id": f"azureml:jobs/{name}", "display_name": "batchscoring", "type": "command"}
    return BatchJob(**values | {"parent_job_name": record.name})


def _common(record: JobRecord) -> dict[str, Any]:
    spec = record.spec
    return {
        "status": record.status,
        "status_detail": record.status_detail,
        "endpoint_name": spec.endpoint,
        "deployment_name": spec.deployment,
        "deployment_version": spec.deployment_version,
        "compute": spec.compute,
        "experiment_name": spec.experiment,
        "run": record.run,
        "creation_context": CreationContext(created_at=record.created_at, last_modified_at=_last(record)),
        "progress": record.progress,
        "error": record.error,
        "properties": dict(record.properties),
    }


def _last(record: JobRecord) -> datetime | None:
    return record.ended_at or record.started_at or record.created_at
