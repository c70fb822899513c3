"""``model create | list | show | archive | restore | delete``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.entities import Model
from batchmagic.verbs import asset
from batchmagic.verbs.definitions import entity_given, simple_values

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context
    from batchmagic.verbs.outcome import Outcome


def create(context: Context) -> Outcome:
    """Register a model; an MLflow model is known by its file ``MLmodel``."""
    values = simple_values(context, "name", "version", "path", "type", "description")
    if (
        "type" not in values
        and "path" in values
        and (Path(values["path"]).expanduser() / "MLmodel").is_file()
    ):
        values["type"] = "mlflow_model"
    return asset.created(
        "model", context.client.models.create_or_update(entity_given(context, Model, values))
    )


def list_(context: Context) -> Outcome:
    """List models."""
    return asset.list_assets(context, context.client.models, "model")


def show(context: Context) -> Outcome:
    """Show one model."""
    return asset.show_asset(context, context.client.models)


def archive(context: Context) -> Outcome:
    """Leave a model out of lists."""
    return asset.change_asset(context, context.client.models, "archive")


def restore(context: Context) -> Outcome:
    """Bring an archived model back."""
    return asset.change_asset(context, context.client.models, "restore")


def delete(context: Context) -> Outcome:
    """Delete a model."""
    return asset.change_asset(context, context.client.models, "delete")
