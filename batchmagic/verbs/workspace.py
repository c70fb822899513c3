"""``workspace``, ``prune`` and ``backup``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from batchmagic.sdk.ages import age
from batchmagic.verbs.outcome import Outcome
from batchmagic.verbs.shown import Shown
from batchmagic.words import ago, counted, short_path, size_text

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context


def show(context: Context) -> Outcome:
    """Show where the workspace is and what it holds."""
    from batchmagic.workspace.folders import size_of  # noqa: PLC0415

    ws = context.session.read()
    records = ws.jobs.list()
    context.session.look_after(records)
    statuses = Counter(str(record.status) for record in records)
    size = size_of(ws.root)
    document = {
        "workspace": str(ws.root),
        "size": size,
        "endpoints": len(ws.endpoints.list()),
        "deployments": sum(len(ws.deployments.list(endpoint.name)) for endpoint in ws.endpoints.list()),
        "models": len(ws.assets.list("model")),
        "data": len(ws.assets.list("data")),
        "environments": len(ws.assets.list("environment")),
        "computes": [compute.name for compute in ws.computes.list()],
        "jobs": dict(statuses) or 0,
    }
    return Outcome(document=document, value=Shown("workspace", document))


def prune(context: Context) -> Outcome:
    """Remove old jobs and what nothing uses any more."""
    from batchmagic.workspace.retention import prune as prune_  # noqa: PLC0415

    arguments = context.arguments
    older_than = age(arguments.older_than)
    gone = prune_(context.session.read(), older_than, arguments.keep, dry_run=arguments.dry_run)
    rows = [
        {"kind": g.kind, "name": g.name, "size": size_text(g.bytes), "ended": ago(g.ended_at)} for g in gone
    ]
    if gone:
        word = "would go" if arguments.dry_run else "removed"
        context.face.note(f"{size_text(sum(g.bytes for g in gone))} {word}")
    return Outcome(
        document=[{"kind": g.kind, "name": g.name, "bytes": g.bytes, "ended_at": g.ended_at} for g in gone],
        rows=rows,
        nothing="Nothing to remove.",
    )


def backup(context: Context) -> Outcome:
    """Copy the workspace into one archive."""
    from pathlib import Path  # noqa: PLC0415

    from batchmagic.workspace.backup import backup as backup_  # noqa: PLC0415

    made = backup_(
        context.session.read(), Path(context.arguments.file), overwrite=context.arguments.overwrite
    )
    for note in made.notes:
        context.face.note(note)
    document = {
        "backup": str(made.file),
        "size": made.bytes,
        "jobs": made.jobs,
        "files": made.files,
        "notes": list(made.notes),
    }
    text = (
        f"Copied {counted(made.jobs, 'job')} and all else but secrets to {short_path(str(made.file))} "
        f"({size_text(made.bytes)}). To use it: mkdir FOLDER, tar -xf {made.file.name} -C FOLDER, "
        "BATCHMAGIC_WORKSPACE=FOLDER"
    )
    return Outcome(document=document, text=text)
