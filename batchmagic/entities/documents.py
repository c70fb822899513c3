"""The document of an entity: a small dictionary of JSON values without secrets, from which it is shown.

The keys are those that the command line prints.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities.assets import Data, Environment, Model
from batchmagic.entities.base import Resource, origin_of
from batchmagic.entities.compute import AmlCompute
from batchmagic.entities.deployment import BatchDeployment
from batchmagic.entities.endpoint import BatchEndpoint
from batchmagic.entities.job import BatchJob
from batchmagic.entities.status import JobStatus
from batchmagic.redaction import redact_uris
from batchmagic.words import short_path

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from batchmagic.entities.base import Entity

_ASSET = ("name", "version", "type", "path", "description")


def document_of(entity: Entity) -> dict[str, Any]:
    """Return the document of an entity that has one, of the kind `entity.shown_as`."""
    around = origin_of(entity).around if isinstance(entity, Resource) else {}
    return {"kind": entity.shown_as, **_shortened({**values_of(entity), **around})}


def values_of(entity: Entity) -> dict[str, Any]:
    """Return what is shown of an entity, with paths as they are."""
    if isinstance(entity, BatchJob):
        return _job(entity)
    if isinstance(entity, BatchEndpoint):
        return _endpoint(entity)
    if isinstance(entity, BatchDeployment):
        return _deployment(entity)
    if isinstance(entity, AmlCompute):
        return _compute(entity)
    return _asset(entity) if isinstance(entity, Model | Data | Environment) else entity.to_dict()


def _shortened(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _shortened(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_shortened(item) for item in value]
    if not isinstance(value, str):
        return value
    return short_path(value) if value.startswith("/") else redact_uris(value)


def _iso(when: datetime | None) -> str | None:
    return None if when is None else when.isoformat()


def _endpoint(endpoint: BatchEndpoint) -> dict[str, Any]:
    return {
        "name": endpoint.name,
        "default": endpoint.defaults.deployment_name,
        "description": endpoint.description,
        "tags": dict(endpoint.tags) or None,
        "scoring_uri": endpoint.scoring_uri,
        "ca_file": origin_of(endpoint).authority,
        "created_at": _iso(endpoint.creation_context.created_at),
        "last_modified_at": _iso(endpoint.creation_context.last_modified_at),
    }


def _deployment(deployment: BatchDeployment) -> dict[str, Any]:
    body = deployment.to_dict()
    settings = deployment.effective_settings()
    shown = {key: value for key, value in settings.to_json().items() if value not in (None, ())}
    shown["output_format"] = settings.effective_format()
    shown.pop("environment_variables", None)
    variables = deployment.environment_variables
    return {
        "endpoint": deployment.endpoint_name,
        "name": deployment.name,
        "version": _version(origin_of(deployment).id),
        "model": body.get("model"),
        "code": body.get("code_configuration"),
        "environment": body.get("environment"),
        "compute": deployment.compute,
        "settings": {key: str(value) if isinstance(value, str) else value for key, value in shown.items()},
        "environment_variables": dict.fromkeys(variables, "(set)") or None,
        "description": deployment.description,
        "tags": dict(deployment.tags) or None,
        "created_at": _iso(deployment.creation_context.created_at),
    }


def _version(identifier: str | None) -> int | None:
    """Return the version of a stored deployment, which its identifier ends with."""
    last = (identifier or "").rpartition("/")[2]
    return int(last) if last.isdecimal() else None


def _compute(compute: AmlCompute) -> dict[str, Any]:
    return {
        "name": compute.name,
        "min_instances": compute.min_instances,
        "max_instances": compute.max_instances,
        "idle_time": compute.idle_time_before_scale_down,
        "description": compute.description,
        "tags": dict(compute.tags) or None,
        "created_at": _iso(compute.creation_context.created_at),
    }


def _asset(asset: Model | Data | Environment) -> dict[str, Any]:
    values = asset.to_dict()
    front = {key: values.pop(key) for key in _ASSET if key in values}
    return {**front, **values, "created_at": _iso(asset.creation_context.created_at)}


def _job(job: BatchJob) -> dict[str, Any]:
    last = _iso(job.creation_context.last_modified_at)
    error = job.error or {}
    return {
        "name": job.name,
        "status": str(job.status),
        "status_detail": job.status_detail,
        "endpoint": job.endpoint_name,
        "deployment": job.deployment_name,
        "deployment_version": job.deployment_version,
        "run": job.run,
        "compute": job.compute,
        "input": _path_of(job.inputs, "input"),
        "output": _path_of(job.outputs, "score"),
        "experiment_name": job.experiment_name,
        "progress": job.progress.to_json(),
        "pace": None,
        "error": error_values(error),
        "errors": [],
        "error_kinds": 0,
        "created_at": _iso(job.creation_context.created_at),
        "started_at": last if job.status is JobStatus.RUNNING else None,
        "ended_at": last if job.status.is_terminal else None,
        "short_name": job.name,
        "next": job_steps(job.status, job.status_detail, failed=job.progress.failed > 0, name=job.name),
    }


def _path_of(given: Mapping[str, Any], name: str) -> str | None:
    item = given.get(name)
    return item.get("path") if isinstance(item, dict) else None


def error_values(error: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what went wrong with a job, without what is too much for a glance; None if nothing did."""
    found = {key: error.get(key) or "" for key in ("type", "message")}
    return found if any(found.values()) else None


def job_steps(
    status: JobStatus,
    detail: str,
    *,
    failed: bool,
    name: str,
    errors: bool = False,
    keeps_rows: bool = True,
    command: str = "%batch",
) -> list[str]:
    """Return the one or two commands that fit the state of a job.

    Parameters
    ----------
    failed
        Whether anything failed for good.
    name
        The job's name as the reader shall type it.
    errors
        Whether there are errors to look at, whatever became of them.
    keeps_rows
        Whether there is a result; what a script wrote itself is downloaded.
    command
        What the reader types before the verbs.
    """
    job = f"{command} job"
    if not status.is_terminal:
        return [] if status is JobStatus.CANCEL_REQUESTED else [f"{job} cancel {name}"]
    if status is JobStatus.COMPLETED and not failed:
        return [f"{job} {'result' if keeps_rows else 'download'} {name}"]
    look = [f"{job} errors {name}"] if failed or errors else []
    if status is JobStatus.COMPLETED:
        return [*look, f"{job} resume {name} --redo-failed"]
    if status is JobStatus.FAILED and "error_threshold" in detail:
        return [*look, f"{job} resume {name} --set error_threshold=-1"]
    if not look and status is not JobStatus.CANCELED:
        look = [f"{job} logs {name}"]
    return [*look, f"{job} resume {name}"]
