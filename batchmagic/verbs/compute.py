"""``compute create | list | show | delete``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.entities import AmlCompute
from batchmagic.entities.base import surrounded
from batchmagic.verbs.definitions import entity_given, simple_values
from batchmagic.verbs.outcome import Outcome

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchmagic.verbs.context import Context
    from batchmagic.workspace import Workspace


def create(context: Context) -> Outcome:
    """Create or update a compute."""
    values = simple_values(context, "name", "min_instances", "max_instances", "description")
    if context.given("idle_time") is not None:
        values["idle_time_before_scale_down"] = context.arguments.idle_time
    stored = context.client.compute.begin_create_or_update(entity_given(context, AmlCompute, values)).result()
    text = f"Compute {stored.name}: {stored.min_instances} to {stored.max_instances} instances"
    return Outcome(document=_described(context.session.read(), stored), value=stored, text=text)


def list_(context: Context) -> Outcome:
    """List computes and what they do now."""
    ws = context.session.peek()
    found = context.client.compute.list()
    rows = [_described(ws, compute) for compute in found] if ws else []
    for compute, row in zip(found, rows, strict=False):
        _with_use(compute, row)
    nothing = "No workspace yet; every workspace has the compute `local`."
    return Outcome(document=rows, value=found, nothing=nothing)


def show(context: Context) -> Outcome:
    """Show one compute."""
    compute = context.client.compute.get(context.arguments.name)
    document = _described(context.session.read(), compute)
    return Outcome(document=document, value=_with_use(compute, document))


def delete(context: Context) -> Outcome:
    """Delete a compute."""
    name = context.arguments.name
    context.client.compute.begin_delete(name)
    return Outcome(document={"name": name, "deleted": True}, text=f"Deleted {name}")


def _with_use(compute: AmlCompute, row: Mapping[str, Any]) -> AmlCompute:
    return surrounded(compute, **{key: row[key] for key in ("host", "running", "queued")})


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
