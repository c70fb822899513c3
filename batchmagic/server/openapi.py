"""The OpenAPI document of the server, made from its table of routes."""

from __future__ import annotations

from functools import cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from batchmagic import __version__
from batchmagic.server import routes, schemas

if TYPE_CHECKING:
    from batchmagic.server.actions import Action
    from batchmagic.server.routes import Route

_HEADERS = (
    ("azureml-model-deployment", "The deployment, in the place of the endpoint's default one"),
    (
        "repeatability-request-id",
        "A request that comes again with the same id starts no second job; also Idempotency-Key",
    ),
)
_PARTS = {
    "endpoint": "The endpoint's name",
    "deployment": "The deployment's name",
    "job": "The job's name",
    "version": "The version",
    "kind": "endpoint, deployment, compute, model, environment or data",
    "path": "The path below, with slashes",
    "number": "The number, from 0",
}


@cache
def document(base_url: str = "/") -> dict[str, Any]:
    """Return the document, of OpenAPI 3.1; its addresses are below `base_url`."""
    paths: dict[str, Any] = {}
    for route in routes.ROUTES:
        paths[routes.PREFIX + route.path] = {
            method.lower(): _operation(route, method, action) for method, action in route.actions()
        }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "batchmagic",
            "version": __version__,
            "description": "Batch endpoints: start jobs, follow them, fetch what came of them.",
        },
        "servers": [{"url": base_url.rstrip("/") or "/"}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": {name.replace(" ", "_"): schema for name, schema in schemas.components().items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route, method: str, action: Action) -> dict[str, Any]:
    kind = route.values.get("kind", "")
    said = {"kind": kind}
    own = " Also with `invoke`, for jobs that these credentials started." if action.own_jobs else ""
    scope = f"Needs the scope `{action.scope}`.{own}" if action.scope else "Needs no credentials."
    operation: dict[str, Any] = {
        "summary": action.summary.format(**said),
        "description": scope,
        "operationId": _identifier(route, method),
        "tags": [route.path.split("/")[1]],
        "parameters": _parameters(route, action),
        "responses": {str(int(action.status)): _answer(action, kind), "default": _error()},
    }
    if action.body:
        content = {"application/json": {"schema": _reference(action.body.format(**said))}}
        operation["requestBody"] = {"required": action.body != "Resume", "content": content}
    if action.scope is None:
        operation["security"] = []
    return operation


def _identifier(route: Route, method: str) -> str:
    words = [part.strip("{}").replace(".", "_").replace("-", "_") for part in route.path.split("/") if part]
    return "_".join([method.lower(), *words])


def _parameters(route: Route, action: Action) -> list[dict[str, Any]]:
    text = {"type": "string"}
    found = [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": text,
            "description": _PARTS.get(name, f"The {name}'s name"),
        }
        for name in route.parameters
    ]
    found += [
        {"name": name, "in": "query", "schema": text, "description": meaning}
        for name, meaning in action.query
    ]
    if action.body == "Invoke":
        found += [
            {"name": name, "in": "header", "schema": text, "description": meaning}
            for name, meaning in _HEADERS
        ]
    return found


def _answer(action: Action, kind: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": HTTPStatus(action.status).phrase}
    if action.answer:
        answer["content"] = {action.media: {"schema": _reference(action.answer.format(kind=kind))}}
    return answer


def _error() -> dict[str, Any]:
    return {
        "description": "What is wrong, by a stable code, and what to do",
        "content": {"application/json": {"schema": _reference("Error")}},
    }


def _reference(name: str) -> dict[str, str]:
    return schemas.reference(name.replace(" ", "_"))
