"""What a worker does before it imports Dask, so that the one is under way while the other takes its second."""

from __future__ import annotations

import importlib
import json
import os
import traceback
from dataclasses import dataclass

FIRST_VARIABLE = "BATCHMAGIC_FIRST"


@dataclass(frozen=True, slots=True)
class FirstAct:
    """A call of ``module.function(argument)`` in a new worker.

    It travels in a variable of the worker's own, which nobody but its owner can read and which it does not
    hand on.
    """

    module: str
    function: str
    argument: str

    def packed(self) -> str:
        """Return the value of the variable."""
        return json.dumps([self.module, self.function, self.argument])


def act_first() -> None:
    """Do what the host asked for; that it did not succeed goes to the log and is no reason not to serve."""
    packed = os.environ.pop(FIRST_VARIABLE, None)
    if packed is None:
        return
    module, function, argument = json.loads(packed)
    try:
        getattr(importlib.import_module(module), function)(argument)
    except Exception:  # noqa: BLE001 -- whatever it is will be tried again when it is needed, and told then
        traceback.print_exc()
