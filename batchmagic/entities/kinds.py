"""Which kind of entity a definition is: by what it says, else by its shape."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities.assets import Data, Environment, Model
from batchmagic.entities.base import SCHEMA_KEY, Resource
from batchmagic.entities.compute import AmlCompute
from batchmagic.entities.deployment import BatchDeployment
from batchmagic.entities.endpoint import BatchEndpoint
from batchmagic.entities.fields import squeezed
from batchmagic.names import nearest

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.entities.yaml_source import Document

KINDS: dict[str, type[Resource]] = {
    "endpoint": BatchEndpoint,
    "deployment": BatchDeployment,
    "compute": AmlCompute,
    "model": Model,
    "environment": Environment,
    "data": Data,
}
_WORDS = {
    "batchendpoint": "endpoint",
    "batchdeployment": "deployment",
    "modelbatchdeployment": "deployment",
    "amlcompute": "compute",
    **{kind: kind for kind in KINDS},
}
# The first kind that has one of the keys, in this order: a deployment may also have an environment's name.
_TELLING_KEYS = {
    "deployment": {"endpoint_name", "settings", "mini_batch_size", "code_configuration", "scoring_script"},
    "compute": {"min_instances", "max_instances", "idle_time_before_scale_down", "tier"},
    "environment": {"conda_file", "image", "build", "os_type"},
    "endpoint": {"defaults", "auth_mode"},
    "model": {"flavors", "stage"},
}
_TELLING_TYPES = {
    "amlcompute": "compute",
    "custommodel": "model",
    "mlflowmodel": "model",
    "tritonmodel": "model",
    "urifile": "data",
    "urifolder": "data",
    "mltable": "data",
}
_ENDPOINT_ONLY = {"name", "description", "tags", "properties", "location"}


def kind_of(document: Document) -> str:
    """Return the kind of the definition: one of the keys of `KINDS`.

    Raises
    ------
    DefinitionError
        If it says a kind that there is not, or nothing tells.
    """
    values = mapping_of(document)
    said = said_kind(document)
    if said is not None:
        return said
    found = _TELLING_TYPES.get(squeezed(values.get("type")))
    found = found or next((kind for kind, keys in _TELLING_KEYS.items() if keys & values.keys()), None)
    if found is None and "name" in values and values.keys() <= _ENDPOINT_ONLY:
        found = "endpoint"
    if found is None:
        raise document.error("nothing tells what this defines", hint=f"Add kind: {', '.join(KINDS)}.")
    return found


def said_kind(document: Document) -> str | None:
    """Return the kind that ``kind:`` or ``$schema`` names; None if neither is there."""
    values = mapping_of(document)
    for key in ("kind", SCHEMA_KEY):
        if values.get(key) is None:
            continue
        # …/latest/batchEndpoint.schema.json
        word = str(values[key]).rpartition("/")[2].partition(".")[0]
        found = _WORDS.get(squeezed(word))
        if found is None:
            near = nearest(word, KINDS)
            hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(KINDS)}."
            raise document.error(f"there is no kind {word!r} here", at=(key,), hint=hint)
        return found
    return None


def mapping_of(document: Document) -> Mapping[str, Any]:
    """Return the data of a document that is a mapping; any other is an error."""
    if not isinstance(document.data, dict):
        raise document.error("a definition is a mapping of keys to values", hint="Begin with: name: …")
    return document.data
