"""Answers in the form of Azure's service: jobs, pages of them, errors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.constants import AssetTypes, BatchDeploymentOutputAction
from batchmagic.entities.status import JobStatus
from batchmagic.redaction import redact_uris
from batchmagic.server.identity import STARTED_BY
from batchmagic.server.without_places import without_places
from batchmagic.workspace.datastores import DEFAULT_STORE

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from batchmagic.errors import BatchMagicError
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

TYPE = "Microsoft.MachineLearningServices/workspaces/batchEndpoints/jobs"
_TYPES = {
    AssetTypes.URI_FILE: "UriFile",
    AssetTypes.URI_FOLDER: "UriFolder",
}
_PROVISIONED = {
    JobStatus.COMPLETED: "Succeeded",
    JobStatus.FAILED: "Failed",
    JobStatus.NOT_RESPONDING: "Failed",
    JobStatus.CANCELED: "Canceled",
}


def error_json(error: BatchMagicError, *, request_id: str, root: Path) -> dict[str, Any]:
    """Return what an answer says of an error; no folder of this machine and no credential is in it.

    Parameters
    ----------
    root
        The workspace, below which paths are shown as relative ones.
    """

    def said(text: str) -> str:
        return without_places(redact_uris(text), root)

    details = [{"code": "hint", "message": said(error.hint)}] if error.hint else []
    found = {
        "code": error.code,
        "message": said(str(error)),
        "target": said(error.target or ""),
        "details": details,
    }
    return {"error": {**found, "requestId": request_id}}


def job_json(ws: Workspace, record: JobRecord) -> dict[str, Any]:
    """Return a job as Azure shows one; the last part of its ``id`` is its name, and nothing in it is null."""
    where = f"/batchmagic/endpoints/{record.spec.endpoint}/jobs/{record.name}"
    return {
        "id": where,
        "name": record.name,
        "type": TYPE,
        "properties": _properties(ws, record, where),
        "systemData": _system_data(record),
    }


def job_list_json(jobs: Sequence[dict[str, Any]], *, next_link: str | None) -> dict[str, Any]:
    """Return one page of a list."""
    return {"value": list(jobs), "nextLink": next_link}


def _properties(ws: Workspace, record: JobRecord, where: str) -> dict[str, Any]:
    spec, settings = record.spec, record.spec.settings
    # An invoke may name its own labels; what the workspace notes for itself is none.
    attached = {key: value for key, value in record.properties.items() if key != STARTED_BY}
    values = {
        "status": str(record.status),
        "provisioningState": _PROVISIONED.get(record.status, "InProgress"),
        "statusDetail": _text(ws, record.status_detail),
        "error": _error(ws, record),
        "name": record.name,
        "displayName": record.display_name,
        "description": record.labels.get("description"),
        "tags": record.labels.get("tags"),
        "properties": {"experimentName": spec.experiment, **attached},
        "deploymentName": spec.deployment,
        "inputData": {"input": _input(record)},
        "outputData": {"score": _output(ws, record)},
        "outputFileName": settings.output_file_name if _keeps_rows(record) else None,
        "miniBatchSize": settings.mini_batch_size,
        "errorThreshold": -1 if settings.error_threshold is None else settings.error_threshold,
        "retrySettings": {"maxRetries": settings.max_retries, "timeout": f"PT{settings.timeout}S"},
        "compute": {"target": spec.compute, "instanceCount": settings.instance_count, "isLocal": False},
        "loggingLevel": settings.logging_level.capitalize(),
        "maxConcurrencyPerInstance": settings.max_concurrency_per_instance,
        "interactionEndpoints": _addresses(where),
    }
    return {key: value for key, value in values.items() if value not in (None, "", {})}


def _addresses(where: str) -> dict[str, Any]:
    """Return where the job can be looked at, by what Azure calls the place."""
    places = {"Studio": where, "Logs": f"{where}/logs", "Outputs": f"{where}/outputs"}
    return {name: {"endpoint": place, "jobEndpointType": name} for name, place in places.items()}


def _input(record: JobRecord) -> dict[str, str]:
    kind = _TYPES.get(AssetTypes(record.spec.input_type), "UriFolder")
    return {"jobInputType": kind, "uri": redact_uris(record.spec.input_reference)}


def _output(ws: Workspace, record: JobRecord) -> dict[str, str]:
    """Return the output under a name that the next invoke understands, wherever it lies on this machine."""
    base, spec = f"azureml://jobs/{record.name}/outputs/score/paths/", record.spec
    store = f"datastores/{DEFAULT_STORE}"
    if spec.output_path and (ws.root / spec.output_path).is_relative_to(ws.root / store):
        inner = (ws.root / spec.output_path).relative_to(ws.root / store).as_posix()
        base = f"azureml://{store}/paths/{'' if inner == '.' else f'{inner}/'}"
    if not _keeps_rows(record):
        return {"jobOutputType": "UriFolder", "uri": base}
    return {"jobOutputType": "UriFile", "uri": f"{base}{spec.settings.output_file_name}"}


def _keeps_rows(record: JobRecord) -> bool:
    return record.spec.settings.output_action is BatchDeploymentOutputAction.APPEND_ROW


def _error(ws: Workspace, record: JobRecord) -> dict[str, str] | None:
    if not record.error:
        return None
    found = {
        "code": record.error.get("code") or record.error.get("type"),
        "message": record.error.get("message"),
    }
    return {key: _text(ws, str(value)) for key, value in found.items() if value}


def _text(ws: Workspace, text: str) -> str:
    return without_places(redact_uris(text), ws.root)


def _system_data(record: JobRecord) -> dict[str, str]:
    who = record.properties.get(STARTED_BY)
    changed = record.ended_at or record.started_at or record.created_at
    times = {"createdAt": record.created_at.isoformat(), "lastModifiedAt": changed.isoformat()}
    if who is None:
        return times
    kind = "Application" if who.startswith("token:") else "User"
    return {**times, "createdBy": who, "createdByType": kind}
