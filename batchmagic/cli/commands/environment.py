"""``environment create | list | show | archive | restore | delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.cli.commands import asset
from batchmagic.cli.commands.definitions import entity_given, simple_values
from batchmagic.entities import Environment

if TYPE_CHECKING:
    from batchmagic.cli.context import Context


def create(context: Context) -> None:
    """Record an environment."""
    values = simple_values(context, "name", "version", "conda_file", "image", "description")
    entity = entity_given(context, Environment, values)
    asset.created(context, "environment", context.client.environments.create_or_update(entity))


def list_(context: Context) -> None:
    """List environments."""
    asset.list_assets(context, context.client.environments, "environment")


def show(context: Context) -> None:
    """Show one environment."""
    asset.show_asset(context, context.client.environments)


def archive(context: Context) -> None:
    """Leave an environment out of lists."""
    asset.change_asset(context, context.client.environments, "archive")


def restore(context: Context) -> None:
    """Bring an archived environment back."""
    asset.change_asset(context, context.client.environments, "restore")


def delete(context: Context) -> None:
    """Delete an environment."""
    asset.change_asset(context, context.client.environments, "delete")
