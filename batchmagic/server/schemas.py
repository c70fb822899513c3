"""The JSON Schemas of what is sent and received: definitions from the entities, all else described here once."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from batchmagic.constants import OutputFormat
from batchmagic.entities.deployment_settings import ModelBatchDeploymentSettings
from batchmagic.entities.kinds import KINDS
from batchmagic.entities.schema import schema_of
from batchmagic.entities.status import JobStatus
from batchmagic.workspace.vocabulary import SCOPES, STATUSES

_HOME = "#/components/schemas/"
_TEXT: dict[str, Any] = {"type": "string"}
_MAYBE: dict[str, Any] = {"type": ["string", "null"]}
_COUNT: dict[str, Any] = {"type": "integer"}
_MAYBE_NUMBER: dict[str, Any] = {"type": ["number", "null"]}
_MAP: dict[str, Any] = {"type": "object"}
# What the workspace knows of a stored definition beyond its YAML.
_STORED: dict[str, Any] = {
    "id": _MAYBE,
    "provisioning_state": _MAYBE,
    "creation_context": _MAP,
    "scoring_uri": _MAYBE,
    "openapi_uri": _MAYBE,
}


def components() -> dict[str, Any]:
    """Return every schema that a route can name, by its name."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        schema = schema_of(kind)
        for name, part in schema.pop("$defs", {}).items():
            found[name] = _moved(part)
        schema.pop("$schema")
        described = _moved(schema)
        described["properties"] |= {key: deepcopy(value) for key, value in _STORED.items()}
        found[kind] = described
        found[f"List of {kind}"] = _page(kind)
    return found | _own(found)


def reference(name: str) -> dict[str, str]:
    """Return a reference to the schema of that name."""
    return {"$ref": f"{_HOME}{name}"}


def _moved(value: Any) -> Any:
    """Return a schema whose parts lie beside it and not within it."""
    if isinstance(value, list):
        return [_moved(item) for item in value]
    if not isinstance(value, dict):
        return value
    moved = {key: _moved(item) for key, item in value.items()}
    if isinstance(moved.get("$ref"), str):
        moved["$ref"] = moved["$ref"].replace("#/$defs/", _HOME)
    return moved


def _page(name: str) -> dict[str, Any]:
    return _object(value={"type": "array", "items": reference(name)}, nextLink=_MAYBE)


def _object(need: tuple[str, ...] | None = None, /, **properties: Any) -> dict[str, Any]:
    required = list(properties if need is None else need)
    return {"type": "object", "properties": properties, "required": required}


def _own(found: dict[str, Any]) -> dict[str, Any]:
    error = _object(
        code=_TEXT, message=_TEXT, target=_TEXT, details={"type": "array"}, requestId={"type": "string"}
    )
    status = {"type": "string", "enum": [str(status) for status in JobStatus]}
    job = {
        "type": "object",
        "properties": {"status": status, "inputData": _MAP, "outputData": _MAP, "compute": _MAP},
        "required": ["status"],
    }
    token = {
        "name": _TEXT,
        "scopes": {"type": "array", "items": {"enum": list(SCOPES)}},
        "endpoint": _MAYBE,
        "state": {"enum": ["active", "expired", "revoked"]},
        "created_at": _TEXT,
        "expires_at": _MAYBE,
        "last_used_at": _MAYBE,
        "revoked_at": _MAYBE,
    }
    return {
        "Error": _object(error=error),
        "Job": _object(("id", "name"), id=_TEXT, name=_TEXT, type=_TEXT, properties=job, systemData=_MAP),
        "JobList": _page("Job"),
        "Invoke": _invoke(found),
        "Resume": _object((), redo_failed={"type": "boolean"}),
        "NewToken": _object(
            ("name", "scopes"),
            name=_TEXT,
            scopes=token["scopes"],
            endpoint=_MAYBE,
            expires={"type": "string", "description": "Such as 30d; without it 90d for manage, else never"},
        ),
        "Token": _object(**token),
        "TokenList": _page("Token"),
        "MadeToken": _object(**token, token=_TEXT),
        "WhoAmI": _object(
            name=_TEXT,
            scopes=token["scopes"],
            endpoint=_MAYBE,
            may_manage={"type": "boolean"},
            version=_TEXT,
        ),
        **_followed(),
        "Schema": _MAP,
        "OpenApi": _MAP,
        "Text": _TEXT,
    }


def _followed() -> dict[str, Any]:
    """Return what is told of a job that runs or has run."""
    error = {**_object(kind=_TEXT, message=_TEXT), "type": ["object", "null"]}
    try_ = {
        "ok": {"type": "boolean"},
        "rows": _COUNT,
        "instance": _MAYBE,
        "slot": _MAYBE_NUMBER,
        "started_at": _MAYBE,
        "seconds": _MAYBE_NUMBER,
        "error": error,
    }
    mini_batch = {
        "number": _COUNT,
        "status": {"enum": list(STATUSES)},
        "attempts": _COUNT,
        "files": _COUNT,
        "file": _TEXT,
        **{key: value for key, value in try_.items() if key != "ok"},
    }
    many = [
        _object(**try_, attempt=_COUNT, file=_MAYBE, final={"type": "boolean"}),
        _object(path=_TEXT, size=_COUNT, modified={"type": "number"}, href=_TEXT),
        _object(type=_TEXT, message=_TEXT, count=_COUNT, files=_COUNT, tracebacks={"type": "array"}),
    ]
    tries, files, errors = ({"type": "array", "items": item} for item in many)
    return {
        "MiniBatch": _object(
            tuple(mini_batch), **mini_batch, tries=tries, paths={"type": "array", "items": _TEXT}
        ),
        "MiniBatchList": _page("MiniBatch"),
        "ErrorList": _object(value=errors, nextLink=_MAYBE),
        "FileList": _object(value=files, nextLink=_MAYBE),
        "Progress": _object(
            name=_TEXT, status=_TEXT, status_detail=_TEXT, run=_COUNT, progress=_MAP, events={"type": "array"}
        ),
        "Binary": {"type": "string", "format": "binary"},
    }


def _invoke(found: dict[str, Any]) -> dict[str, Any]:
    """Return Azure's body of an invoke, with the settings of a deployment; any letter case is read."""
    settings = found[ModelBatchDeploymentSettings.__name__]["properties"]
    own = {camel(key): value for key, value in settings.items() if "." not in key and not key.startswith("$")}
    place = {"type": "object", "properties": {"uri": _TEXT}, "required": ["uri"]}
    given = {
        **own,
        "outputFormat": {"enum": [str(form) for form in OutputFormat]},
        "inputData": {
            "type": "object",
            "additionalProperties": {**place, "properties": {"jobInputType": _TEXT, "uri": _TEXT}},
            "minProperties": 1,
            "maxProperties": 1,
        },
        "outputData": {
            "type": "object",
            "additionalProperties": {**place, "properties": {"jobOutputType": _TEXT, "uri": _TEXT}},
            "maxProperties": 1,
        },
        "compute": {"type": "object", "properties": {"target": _TEXT, "instanceCount": {"type": "integer"}}},
        "name": {"type": "string", "description": "The job's name; without it one is made up"},
        "properties": {"type": "object", "properties": {"experimentName": _TEXT}},
        "tags": _MAP,
        "description": _TEXT,
    }
    return {
        **_object(properties={"type": "object", "properties": given}),
        "example": {
            "properties": {
                "inputData": {"patients": {"jobInputType": "UriFolder", "uri": "azureml:patients@latest"}},
                "miniBatchSize": 20,
            }
        },
    }


def camel(name: str) -> str:
    """Return ``mini_batch_size`` as ``miniBatchSize``."""
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)
