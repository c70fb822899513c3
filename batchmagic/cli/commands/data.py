"""``data create | list | show | archive | restore | delete``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.cli.commands import asset
from batchmagic.cli.commands.definitions import entity_given, simple_values
from batchmagic.entities import Data

if TYPE_CHECKING:
    from batchmagic.cli.context import Context


def create(context: Context) -> None:
    """Register data; a path to a file is one."""
    values = simple_values(context, "name", "version", "path", "type", "description")
    if "type" not in values and "path" in values and Path(values["path"]).expanduser().is_file():
        values["type"] = "uri_file"
    asset.created(context, "data", context.client.data.create_or_update(entity_given(context, Data, values)))


def list_(context: Context) -> None:
    """List data."""
    asset.list_assets(context, context.client.data, "data")


def show(context: Context) -> None:
    """Show one version of data."""
    asset.show_asset(context, context.client.data)


def archive(context: Context) -> None:
    """Leave data out of lists."""
    asset.change_asset(context, context.client.data, "archive")


def restore(context: Context) -> None:
    """Bring archived data back."""
    asset.change_asset(context, context.client.data, "restore")


def delete(context: Context) -> None:
    """Delete the registration; the files stay."""
    asset.change_asset(context, context.client.data, "delete")
