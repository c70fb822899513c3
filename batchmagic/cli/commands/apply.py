"""``apply``: everything that a file of YAML documents defines, checked whole before anything is written."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.cli.render import show_rows
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, Data, Environment, Model, Resource

if TYPE_CHECKING:
    from batchmagic.cli.context import Context

# What is referred to comes before what refers to it.
_ORDER: tuple[type[Resource], ...] = (AmlCompute, Model, Environment, Data, BatchEndpoint, BatchDeployment)
_STDIN = "-"


def apply(context: Context) -> None:
    """Create or update every entity of the file, in an order that works."""
    from batchmagic.entities.load import load_documents, read_source  # noqa: PLC0415

    file = context.arguments.file
    text, name = (sys.stdin.read(), "<stdin>") if file == _STDIN else read_source(file)
    origin = Path.cwd() if file == _STDIN else Path(file).expanduser().absolute().parent
    found = load_documents(text, origin, name=name)
    found.sort(key=lambda entity: next(i for i, kind in enumerate(_ORDER) if isinstance(entity, kind)))
    stored = [_put(context, entity, found) for entity in found]
    # An endpoint may name a default deployment that has come only now.
    for entity in found:
        if isinstance(entity, BatchEndpoint) and entity.defaults.deployment_name:
            context.client.batch_endpoints.begin_create_or_update(entity)
    show_rows([_row(entity) for entity in stored], context.form, nothing="The file defines nothing.")


def _put(context: Context, entity: Resource, found: list[Resource]) -> Any:
    if isinstance(entity, BatchEndpoint):
        coming = {d.name for d in found if isinstance(d, BatchDeployment) and d.endpoint_name == entity.name}
        if entity.defaults.deployment_name in coming:
            entity = entity.model_copy(deep=True)
            entity.defaults.deployment_name = _default_now(context, entity.name)
    return context.client.create_or_update(entity)


def _default_now(context: Context, endpoint: str) -> str | None:
    ws = context.client.session.peek()
    known = {stored.name: stored.defaults.deployment_name for stored in ws.endpoints.list()} if ws else {}
    return known.get(endpoint)


def _row(entity: Any) -> dict[str, Any]:
    kind = next(kind for kind in _ORDER if isinstance(entity, kind))
    words = {AmlCompute: "compute", BatchEndpoint: "endpoint", BatchDeployment: "deployment"}
    name = f"{entity.endpoint_name}/{entity.name}" if isinstance(entity, BatchDeployment) else entity.name
    return {
        "kind": words.get(kind, kind.__name__.lower()),
        "name": name,
        "version": getattr(entity, "version", None),
    }
