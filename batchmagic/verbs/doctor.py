"""``doctor``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.verbs.context import COMPLETED, FAILED
from batchmagic.verbs.outcome import Outcome
from batchmagic.verbs.shown import Shown

if TYPE_CHECKING:
    from batchmagic.verbs.context import Context


def doctor(context: Context) -> Outcome:
    """Look at everything, change nothing, and say what to do."""
    from batchmagic.sdk.doctor import document_of, examine  # noqa: PLC0415 - brings the workspace

    root = context.session.place()
    document = document_of(root, examine(root, command=context.command, everything=context.arguments.all))
    value = Shown("doctor", document)
    code = FAILED if document["state"] == "broken" else COMPLETED
    return Outcome(document=document, value=value, text=repr(value), shows_itself=True, code=code)
