"""JSON Schema of every kind, made from the entities: for forms, editors, completion and REST."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import fields
from functools import cache
from typing import Any

from batchmagic.entities.base import SCHEMA_KEY
from batchmagic.entities.deployment import BatchDeployment
from batchmagic.entities.deployment_settings import ModelBatchDeploymentSettings
from batchmagic.entities.kinds import KINDS
from batchmagic.entities.settings import Settings
from batchmagic.errors import ResourceNotFoundError

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def schema_of(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind: ``endpoint``, ``deployment``, ``compute``, ``model``, ``environment``, ``data``.

    It describes the plain spelling; the loaders also take numbers as text and words in any letter case.
    Settings carry the defaults that are in force when nothing is given.
    """
    if kind not in KINDS:
        raise ResourceNotFoundError(kind="kind of entity", name=kind, known=KINDS)
    return deepcopy(_made(kind))


@cache
def _made(kind: str) -> dict[str, Any]:
    model = KINDS[kind]
    schema = _plain(model.model_json_schema())
    if model is BatchDeployment:
        _add_settings(schema)
    schema["properties"] = {
        SCHEMA_KEY: {"type": "string", "description": "Address of Azure's schema"},
        "kind": {"const": kind},
        **schema["properties"],
    }
    return {"$schema": _DIALECT, **schema}


def _plain(value: Any) -> Any:
    """Return a schema in which "X or null, by default null" is simply an optional X."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("description"), str):
        value = {**value, "description": value["description"].partition("\n\n")[0]}
    result = {key: _plain(item) for key, item in value.items() if not (key == "default" and item is None)}
    branches = [branch for branch in result.get("anyOf", []) if branch != {"type": "null"}]
    if "anyOf" in result and len(branches) == 1:
        del result["anyOf"]
        result = {**branches[0], **result}
    elif "anyOf" in result:
        result["anyOf"] = branches
    return result


def _add_settings(schema: dict[str, Any]) -> None:
    defaults = {field.name: field.default for field in fields(Settings)}
    definitions = schema["$defs"]
    for name in (ModelBatchDeploymentSettings.__name__, "BatchRetrySettings"):
        for key, value in definitions[name]["properties"].items():
            if isinstance(defaults.get(key), str | int):
                value["default"] = defaults[key]
    retries = definitions["BatchRetrySettings"]["properties"]
    code = definitions["CodeConfiguration"]["properties"]
    settings = definitions[ModelBatchDeploymentSettings.__name__]["properties"]
    # Both at the root, as in Azure's older schema, and under settings.
    own = {**retries, "no_fail_fast": {"type": "boolean", "default": False}}
    settings.update(own)
    more = {"code": code["code"], "code_path": code["code"], "scoring_script": code["scoring_script"]}
    schema["properties"].update(
        {key: item for key, item in {**settings, **more}.items() if key not in schema["properties"]}
    )
