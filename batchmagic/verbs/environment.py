"""``environment create | list | show | archive | restore | delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.entities import Environment
from batchmagic.verbs import asset
from batchmagic.verbs.definitions import entity_given, simple_values

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context
    from batchmagic.verbs.outcome import Outcome


def create(context: Context) -> Outcome:
    """Record an environment."""
    values = simple_values(context, "name", "version", "conda_file", "image", "description")
    entity = entity_given(context, Environment, values)
    return asset.created("environment", context.client.environments.create_or_update(entity))


def list_(context: Context) -> Outcome:
    """List environments."""
    return asset.list_assets(context, context.client.environments, "environment")


def show(context: Context) -> Outcome:
    """Show one environment."""
    return asset.show_asset(context, context.client.environments)


def archive(context: Context) -> Outcome:
    """Leave an environment out of lists."""
    return asset.change_asset(context, context.client.environments, "archive")


def restore(context: Context) -> Outcome:
    """Bring an archived environment back."""
    return asset.change_asset(context, context.client.environments, "restore")


def delete(context: Context) -> Outcome:
    """Delete an environment."""
    return asset.change_asset(context, context.client.environments, "delete")
