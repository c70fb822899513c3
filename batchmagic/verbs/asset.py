"""What models, data and environments have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities.documents import values_of
from batchmagic.verbs.definitions import name_and_version
from batchmagic.verbs.outcome import Outcome
from batchmagic.words import ago

if TYPE_CHECKING:
    from batchmagic.sdk.assets import AssetOperations
    from batchmagic.verbs.context import Context


def created(kind: str, stored: Any) -> Outcome:
    """Say what was registered."""
    text = f"Registered {kind} {stored.name}, version {stored.version}"
    return Outcome(document=values_of(stored), value=stored, text=text)


def list_assets(context: Context, operations: AssetOperations[Any], kind: str) -> Outcome:
    """List the latest version of each, or all versions of one."""
    found = operations.list(
        context.given("name"), list_view_type="All" if context.given("archived") else None
    )
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
    nothing = "No data yet." if kind == "data" else f"No {kind}s yet."
    return Outcome(document=[values_of(item) for item in found], value=found, rows=rows, nothing=nothing)


def show_asset(context: Context, operations: AssetOperations[Any]) -> Outcome:
    """Show one version."""
    name, version, label = name_and_version(context)
    item = operations.get(name, version, label)
    return Outcome(document=values_of(item), value=item)


def change_asset(context: Context, operations: AssetOperations[Any], verb: str) -> Outcome:
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
    return Outcome(document={"name": name, "version": version, verb: True}, text=f"{word} {which}")
