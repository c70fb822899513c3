"""``endpoint create | list | show | update | delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.cli.commands.definitions import assignments, entity_given, simple_values
from batchmagic.cli.render import done, show_one, show_rows
from batchmagic.entities import BatchEndpoint

if TYPE_CHECKING:
    from batchmagic.cli.context import Context


def create(context: Context) -> None:
    """Create or update an endpoint."""
    entity = entity_given(context, BatchEndpoint, simple_values(context, "name", "description"))
    stored = context.client.batch_endpoints.begin_create_or_update(entity).result()
    done(f"Endpoint {stored.name}", described(stored), context.form)


def list_(context: Context) -> None:
    """List endpoints with their default deployments."""
    ws = context.client.session.peek()
    rows = [
        {
            "name": endpoint.name,
            "default": endpoint.defaults.deployment_name,
            "deployments": [record.name for record in ws.deployments.list(endpoint.name)] if ws else [],
            "description": endpoint.description,
        }
        for endpoint in context.client.batch_endpoints.list()
    ]
    show_rows(rows, context.form, nothing=f"No endpoints yet. `{context.command} deploy` makes one.")


def show(context: Context) -> None:
    """Show one endpoint with its deployments."""
    endpoint = context.client.batch_endpoints.get(context.arguments.endpoint)
    deployments = context.client.batch_deployments.list(endpoint.name)
    show_one({**described(endpoint), "deployments": [d.name for d in deployments]}, context.form)


def update(context: Context) -> None:
    """Change an endpoint."""
    from batchmagic.entities.overrides import overridden  # noqa: PLC0415

    endpoint = context.client.batch_endpoints.get(context.arguments.endpoint)
    changes = {**simple_values(context, "description"), **assignments(context)}
    if context.arguments.default is not None:
        changes["defaults.deployment_name"] = context.arguments.default
    changed = BatchEndpoint.from_dict(overridden(endpoint.to_dict(), [changes]))
    stored = context.client.batch_endpoints.begin_create_or_update(changed).result()
    default = stored.defaults.deployment_name
    done(
        f"Endpoint {stored.name}, default {default}" if default else f"Endpoint {stored.name}",
        described(stored),
        context.form,
    )


def delete(context: Context) -> None:
    """Delete an endpoint and its deployments."""
    name = context.arguments.endpoint
    context.client.batch_endpoints.begin_delete(name)
    done(f"Deleted {name}", {"name": name, "deleted": True}, context.form)


def described(endpoint: BatchEndpoint) -> dict[str, Any]:
    """Return an endpoint for people and programs."""
    return {
        "name": endpoint.name,
        "default": endpoint.defaults.deployment_name,
        "description": endpoint.description,
        "tags": dict(endpoint.tags) or None,
        "scoring_uri": endpoint.scoring_uri,
        "created_at": endpoint.creation_context.created_at,
        "last_modified_at": endpoint.creation_context.last_modified_at,
    }
