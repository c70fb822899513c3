"""``data create | list | show | archive | restore | delete``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.entities import Data
from batchmagic.verbs import asset
from batchmagic.verbs.definitions import entity_given, simple_values

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context
    from batchmagic.verbs.outcome import Outcome


def create(context: Context) -> Outcome:
    """Register data; a path to a file is one."""
    values = simple_values(context, "name", "version", "path", "type", "description")
    if "type" not in values and "path" in values and Path(values["path"]).expanduser().is_file():
        values["type"] = "uri_file"
    return asset.created("data", context.client.data.create_or_update(entity_given(context, Data, values)))


def list_(context: Context) -> Outcome:
    """List data."""
    return asset.list_assets(context, context.client.data, "data")


def show(context: Context) -> Outcome:
    """Show one version of data."""
    return asset.show_asset(context, context.client.data)


def archive(context: Context) -> Outcome:
    """Leave data out of lists."""
    return asset.change_asset(context, context.client.data, "archive")


def restore(context: Context) -> Outcome:
    """Bring archived data back."""
    return asset.change_asset(context, context.client.data, "restore")


def delete(context: Context) -> Outcome:
    """Delete the registration; the files stay."""
    return asset.change_asset(context, context.client.data, "delete")
