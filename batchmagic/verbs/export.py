"""``export``: an endpoint as files that Azure takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.verbs.outcome import Outcome
from batchmagic.words import counted, short_path

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context


def export(context: Context) -> Outcome:
    """Write the endpoint into a folder, and say what Azure lacks."""
    arguments = context.arguments
    made = context.client.batch_endpoints.export(
        arguments.endpoint, arguments.dir, overwrite=arguments.overwrite, model_files=arguments.no_model_files
    )
    for note in made.notes:
        context.face.note(note)
    document = {
        "endpoint": made.endpoint,
        "folder": str(made.folder),
        "deployments": list(made.deployments),
        "files": list(made.files),
        "notes": list(made.notes),
    }
    text = (
        f"Exported {made.endpoint} with {counted(len(made.deployments), 'deployment')} to "
        f"{short_path(str(made.folder))}\nNext: {short_path(str(made.folder))}/deploy.sh puts it into Azure"
    )
    return Outcome(document=document, text=text)
