"""``endpoint create | list | show | update | delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.entities import BatchEndpoint
from batchmagic.entities.base import surrounded
from batchmagic.entities.documents import values_of
from batchmagic.twins.calling import snippets
from batchmagic.verbs.definitions import assignments, entity_given, simple_values
from batchmagic.verbs.outcome import Outcome

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context


def create(context: Context) -> Outcome:
    """Create or update an endpoint."""
    entity = entity_given(context, BatchEndpoint, simple_values(context, "name", "description"))
    stored = context.client.batch_endpoints.begin_create_or_update(entity).result()
    return Outcome(document=values_of(stored), value=stored, text=f"Endpoint {stored.name}")


def list_(context: Context) -> Outcome:
    """List endpoints with their default deployments."""
    ws = context.session.peek()
    found = context.client.batch_endpoints.list()
    rows = []
    for endpoint in found:
        names = [record.name for record in ws.deployments.list(endpoint.name)] if ws else []
        surrounded(endpoint, deployments=names)
        rows.append(
            {
                "name": endpoint.name,
                "default": endpoint.defaults.deployment_name,
                "deployments": names,
                "description": endpoint.description,
            }
        )
    nothing = f"No endpoints yet. `{context.command} deploy` makes one."
    return Outcome(document=rows, value=found, nothing=nothing)


def show(context: Context) -> Outcome:
    """Show one endpoint with its deployments."""
    endpoint = context.client.batch_endpoints.get(context.arguments.endpoint)
    deployments = context.client.batch_deployments.list(endpoint.name)
    names = [deployment.name for deployment in deployments]
    document = {**values_of(endpoint), "deployments": names}
    around = {"deployments": names, "example_input": _example(context)}
    calls = snippets({**document, **around})
    if not calls:
        below = f"It has no address: no server runs. `{context.command} serve` starts one."
    else:
        below = "\n".join(f"\n{text}" for text in calls.values()).rstrip()
    return Outcome(
        document={**document, **{name.lower(): text for name, text in calls.items()}},
        rows=document,
        below=below,
        value=surrounded(endpoint, **around),
    )


def _example(context: Context) -> dict[str, str] | None:
    """Return registered data as a caller names it; None if there is none."""
    kinds = {"uri_folder": "UriFolder", "uri_file": "UriFile"}
    for data in context.client.data.list():
        if data.type in kinds:
            return {"JobInputType": kinds[data.type], "Uri": f"azureml:{data.name}@latest"}
    return None


def update(context: Context) -> Outcome:
    """Change an endpoint."""
    from batchmagic.entities.overrides import overridden  # noqa: PLC0415

    endpoint = context.client.batch_endpoints.get(context.arguments.endpoint)
    changes = {**simple_values(context, "description"), **assignments(context)}
    if context.arguments.default is not None:
        changes["defaults.deployment_name"] = context.arguments.default
    changed = BatchEndpoint.from_dict(overridden(endpoint.to_dict(), [changes]))
    stored = context.client.batch_endpoints.begin_create_or_update(changed).result()
    default = stored.defaults.deployment_name
    text = f"Endpoint {stored.name}, default {default}" if default else f"Endpoint {stored.name}"
    return Outcome(document=values_of(stored), value=stored, text=text)


def delete(context: Context) -> Outcome:
    """Delete an endpoint and its deployments."""
    name = context.arguments.endpoint
    context.client.batch_endpoints.begin_delete(name)
    return Outcome(document={"name": name, "deleted": True}, text=f"Deleted {name}")
