"""What models, data and environments have in common on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.cli.commands.definitions import name_and_version
from batchmagic.cli.render import ago, done, show_one, show_rows

if TYPE_CHECKING:
    from batchmagic.cli.context import Context
    from batchmagic.sdk.assets import AssetOperations

_FRONT = ("name", "version", "type", "path", "description")


def created(context: Context, kind: str, stored: Any) -> None:
    """Say what was registered."""
    done(f"Registered {kind} {stored.name}, version {stored.version}", described(stored), context.form)


def list_assets(context: Context, operations: AssetOperations[Any], kind: str) -> None:
    """List the latest version of each, or all versions of one."""
    found = operations.list(
        context.given("name"), list_view_type="All" if context.given("archived") else None
    )
    if context.form != "table":
        show_rows([described(item) for item in found], context.form)
        return
    rows = [
        {
            "name": item.name,
            "version": item.version,
            **({"type": item.type} if hasattr(item, "type") else {}),
            "created": ago(item.creation_context.created_at),
            "description": item.description,
        }
        for item in found
    ]
    show_rows(rows, "table", nothing=f"No {kind} yet." if kind == "data" else f"No {kind}s yet.")


def show_asset(context: Context, operations: AssetOperations[Any]) -> None:
    """Show one version."""
    name, version, label = name_and_version(context)
    show_one(described(operations.get(name, version, label)), context.form)


def change_asset(context: Context, operations: AssetOperations[Any], verb: str) -> None:
    """Archive, restore or delete one version, or all of them."""
    name, version, label = name_and_version(context)
    if label is not None:
        version = operations.get(name, label=label).version
    word = {"archive": "Archived", "restore": "Restored", "delete": "Deleted"}[verb]
    if verb == "delete":
        operations.begin_delete(name, version)
    else:
        getattr(operations, verb)(name, version)
    which = f"{name}:{version}" if version else f"all versions of {name}"
    done(f"{word} {which}", {"name": name, "version": version, verb: True}, context.form)


def described(item: Any) -> dict[str, Any]:
    """Return an asset for people and programs."""
    values = item.to_dict()
    front = {key: values.pop(key) for key in _FRONT if key in values}
    return {**front, **values, "created_at": item.creation_context.created_at}
