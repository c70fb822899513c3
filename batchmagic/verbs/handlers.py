"""From a verb of the grammar to the function that does it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchmagic.grammar.model import Verb
    from batchmagic.verbs.context import Context
    from batchmagic.verbs.outcome import Outcome


def handler_of(verb: Verb) -> Callable[[Context], Outcome]:
    """Return the function that does what the verb says; its module is loaded now."""
    module, _, function = verb.handler.partition(":")
    handler: Callable[[Context], Outcome] = getattr(
        importlib.import_module(f"batchmagic.verbs.{module}"), function
    )
    return handler
