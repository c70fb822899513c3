"""``workspace`` and ``prune``."""

from __future__ import annotations

import re
from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING

from batchmagic.cli.render import ago, note, show_one, show_rows, size_text
from batchmagic.errors import ValidationException

if TYPE_CHECKING:
    from batchmagic.cli.context import Context

_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*([smhdw]?)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks", "": "days"}


def show(context: Context) -> None:
    """Show where the workspace is and what it holds."""
    from batchmagic.workspace.folders import size_of  # noqa: PLC0415

    ws = context.client.session.read()
    records = ws.jobs.list()
    context.client.session.look_after(records)
    statuses = Counter(str(record.status) for record in records)
    size = size_of(ws.root)
    show_one(
        {
            "workspace": str(ws.root),
            "size": size_text(size) if context.form == "table" else size,
            "endpoints": len(ws.endpoints.list()),
            "deployments": sum(len(ws.deployments.list(endpoint.name)) for endpoint in ws.endpoints.list()),
            "models": len(ws.assets.list("model")),
            "data": len(ws.assets.list("data")),
            "environments": len(ws.assets.list("environment")),
            "computes": [compute.name for compute in ws.computes.list()],
            "jobs": dict(statuses) or 0,
        },
        context.form,
    )


def prune(context: Context) -> None:
    """Remove old jobs and what nothing uses any more."""
    from batchmagic.workspace.retention import prune as prune_  # noqa: PLC0415

    arguments = context.arguments
    older_than = age(arguments.older_than)
    gone = prune_(context.client.session.read(), older_than, arguments.keep, dry_run=arguments.dry_run)
    if context.form != "table":
        show_rows(
            [{"kind": g.kind, "name": g.name, "bytes": g.bytes, "ended_at": g.ended_at} for g in gone],
            context.form,
        )
        return
    rows = [
        {"kind": g.kind, "name": g.name, "size": size_text(g.bytes), "ended": ago(g.ended_at)} for g in gone
    ]
    show_rows(rows, "table", nothing="Nothing to remove.")
    if gone:
        word = "would go" if arguments.dry_run else "removed"
        note(f"{size_text(sum(g.bytes for g in gone))} {word}")


def age(text: str) -> timedelta:
    """Return the duration that ``30d``, ``12h`` or ``2w`` says; a number alone is days.

    Raises
    ------
    ValidationException
        If it says none.
    """
    found = _AGE.fullmatch(text.strip().lower())
    if found is None:
        raise ValidationException(
            field="--older-than", value=text, reason="is no age", hint="Write for example 30d, 12h or 2w."
        )
    try:
        return timedelta(**{_UNITS[found[2]]: float(found[1])})
    except OverflowError as error:
        raise ValidationException(field="--older-than", value=text, reason="is too long an age") from error
