"""``compute create | list | show | delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.cli.commands.definitions import entity_given, simple_values
from batchmagic.cli.render import done, show_one, show_rows
from batchmagic.entities import AmlCompute

if TYPE_CHECKING:
    from batchmagic.cli.context import Context
    from batchmagic.workspace import Workspace


def create(context: Context) -> None:
    """Create or update a compute."""
    values = simple_values(context, "name", "min_instances", "max_instances", "description")
    if context.given("idle_time") is not None:
        values["idle_time_before_scale_down"] = context.arguments.idle_time
    stored = context.client.compute.begin_create_or_update(entity_given(context, AmlCompute, values)).result()
    text = f"Compute {stored.name}: {stored.min_instances} to {stored.max_instances} instances"
    done(text, _described(context.client.session.read(), stored), context.form)


def list_(context: Context) -> None:
    """List computes and what they do now."""
    ws = context.client.session.peek()
    rows = [_described(ws, compute) for compute in context.client.compute.list()] if ws else []
    show_rows(rows, context.form, nothing="No workspace yet; every workspace has the compute `local`.")


def show(context: Context) -> None:
    """Show one compute."""
    ws = context.client.session.read()
    show_one(_described(ws, context.client.compute.get(context.arguments.name)), context.form)


def delete(context: Context) -> None:
    """Delete a compute."""
    name = context.arguments.name
    context.client.compute.begin_delete(name)
    done(f"Deleted {name}", {"name": name, "deleted": True}, context.form)


def _described(ws: Workspace, compute: AmlCompute) -> dict[str, Any]:
    from batchmagic.workspace.launch import host_claim  # noqa: PLC0415

    holder = ws.claims.holder(host_claim(compute.name))
    unfinished = ws.jobs.unfinished(compute.name)
    running = [record for record in unfinished if record.status != "Queued"]
    return {
        "name": compute.name,
        "min_instances": compute.min_instances,
        "max_instances": compute.max_instances,
        "idle_time": compute.idle_time_before_scale_down,
        "host": "running" if holder is not None and holder.alive else "none",
        "running": len(running),
        "queued": len(unfinished) - len(running),
    }
