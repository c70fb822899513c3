"""``model create | list | show | archive | restore | delete``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.cli.commands import asset
from batchmagic.cli.commands.definitions import entity_given, simple_values
from batchmagic.entities import Model

if TYPE_CHECKING:
    from batchmagic.cli.context import Context


def create(context: Context) -> None:
    """Register a model; an MLflow model is known by its file ``MLmodel``."""
    values = simple_values(context, "name", "version", "path", "type", "description")
    if (
        "type" not in values
        and "path" in values
        and (Path(values["path"]).expanduser() / "MLmodel").is_file()
    ):
        values["type"] = "mlflow_model"
    asset.created(
        context, "model", context.client.models.create_or_update(entity_given(context, Model, values))
    )


def list_(context: Context) -> None:
    """List models."""
    asset.list_assets(context, context.client.models, "model")


def show(context: Context) -> None:
    """Show one model."""
    asset.show_asset(context, context.client.models)


def archive(context: Context) -> None:
    """Leave a model out of lists."""
    asset.change_asset(context, context.client.models, "archive")


def restore(context: Context) -> None:
    """Bring an archived model back."""
    asset.change_asset(context, context.client.models, "restore")


def delete(context: Context) -> None:
    """Delete a model."""
    asset.change_asset(context, context.client.models, "delete")
