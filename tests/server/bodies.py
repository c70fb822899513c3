"""A good body for each route that has one, and every place in it where a caller can write something."""

from __future__ import annotations

import copy
from functools import cache
from typing import TYPE_CHECKING, Any

from main_job_support import COMPUTE
from server_support import DEPLOYMENT

from batchmagic.server.openapi import document

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from server_support import World

    from batchmagic.server.actions import Action
    from batchmagic.server.routes import Route

Place = tuple[str, ...]

# A text there names a file, a folder or an address.
_NAMES_PLACES = {"path", "uri", "code", "code_path", "scoring_script", "conda_file", "model", "environment"}
_KEY = "any-key"


def schema_of(route: Route, action: Action) -> str:
    """Return the name of the schema of the route's body."""
    return action.body.format(**route.values)


def body_for(route: Route, action: Action, world: World) -> dict[str, Any]:
    """Return a body that the route takes; one for which there is none is not covered by the tests yet."""
    source = str(world.inputs)
    script = {"code": str(world.code), "scoring_script": "score.py"}
    known: dict[str, dict[str, Any]] = {
        # Without it the endpoint would lose its default.
        "endpoint": {"defaults": {"deployment_name": DEPLOYMENT}},
        "compute": {},
        "deployment": {"code_configuration": script, "compute": COMPUTE},
        "model": {"path": f"{source}/1.csv"},
        "data": {"path": source},
        "environment": {"image": "plain"},
        "Invoke": {"properties": {"inputData": {_KEY: {"jobInputType": "UriFolder", "uri": source}}}},
        "Resume": {},
        "NewToken": {"name": "probe", "scopes": ["read"]},
    }
    schema = schema_of(route, action)
    assert schema in known, f"the tests of the server know no body for {schema!r}; add one to bodies.body_for"
    return copy.deepcopy(known[schema])


def places(schema: str) -> list[Place]:
    """Return the keys that lead to each value of a body of this schema, also of those that may have any name."""
    schemas = _document()["components"]["schemas"]
    assert schema in schemas, f"{schema} is not described in the OpenAPI document"
    return list(dict.fromkeys(_leaves(schemas[schema], schemas, ())))


def names_a_place(place: Place) -> bool:
    """Whether a text there names a file, a folder or an address."""
    return place[-1] in _NAMES_PLACES


def with_value(body: Mapping[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """Return the body with the value at that place."""
    found = copy.deepcopy(dict(body))
    holder: dict[str, Any] = found
    for key in place[:-1]:
        if not isinstance(holder.get(key), dict):
            holder[key] = {}
        holder = holder[key]
    holder[place[-1]] = value
    return found


@cache
def _document() -> dict[str, Any]:
    return document("/")


def _leaves(schema: Mapping[str, Any], schemas: Mapping[str, Any], place: Place) -> Iterator[Place]:
    if "$ref" in schema:
        schema = {
            **schemas[schema["$ref"].rpartition("/")[2]],
            **{k: v for k, v in schema.items() if k != "$ref"},
        }
    inner = dict(schema.get("properties", {}))
    for part in (*schema.get("anyOf", ()), *schema.get("oneOf", ())):
        yield from _leaves(part, schemas, place)
    if isinstance(schema.get("additionalProperties"), dict):
        inner[_KEY] = schema["additionalProperties"]
    for key, value in inner.items():
        yield from _leaves(value, schemas, (*place, key))
    if place and not inner:
        yield place
