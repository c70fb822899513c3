"""Definitions as JSON: as their YAML, with what the workspace knows of them beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic import entities
from batchmagic.redaction import redact_uris

if TYPE_CHECKING:
    from collections.abc import Iterable

    from batchmagic.entities import Resource


def shown(entity: Resource) -> dict[str, Any]:
    """Return the definition, which loads again as it is: what is read-only in it is left out then."""
    times = entity.creation_context
    made = {
        "created_at": times.created_at,
        "last_modified_at": times.last_modified_at,
        "created_by": times.created_by,
    }
    around: dict[str, Any] = {
        "id": entity.id,
        "provisioning_state": entity.provisioning_state,
        "creation_context": {key: value and str(value) for key, value in made.items() if value is not None},
    }
    if isinstance(entity, entities.BatchEndpoint):
        around |= {"scoring_uri": entity.scoring_uri, "openapi_uri": entity.openapi_uri}
    values: dict[str, Any] = _redacted(entity.to_dict())
    return {**values, **around}


def listed(entities: Iterable[Resource]) -> dict[str, Any]:
    """Return the page of a list that has one page."""
    return {"value": [shown(entity) for entity in entities], "nextLink": None}


def _redacted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _redacted(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_redacted(item) for item in value]
    return redact_uris(value) if isinstance(value, str) else value
