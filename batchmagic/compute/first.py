"""What a worker does before it imports Dask, so that the one is under way while the other takes its second."""

from __future__ import annotations

import importlib
import json
import os
import tempfile
import traceback
from dataclasses import dataclass
from typing import IO


@dataclass(frozen=True, slots=True)
class FirstAct:
    """A call of ``module.function(argument)`` in a new worker.

    It travels in a descriptor that the worker reads once: values of secret variables may be in it, and what stands
    in the environment of a process can be read as long as that lives.
    """

    module: str
    function: str
    argument: str

    def written(self) -> int:
        """Return a descriptor to hand to the worker, which finds this there; it is the caller's to close."""
        with tempfile.TemporaryFile() if not hasattr(os, "memfd_create") else _memory() as file:
            file.write(json.dumps([self.module, self.function, self.argument]).encode())
            file.seek(0)
            return os.dup(file.fileno())


def _memory() -> IO[bytes]:
    return os.fdopen(os.memfd_create("first"), "w+b")


def act_first(descriptor: int | None) -> None:
    """Do what the host asked for; that it did not succeed goes to the log and is no reason not to serve."""
    if descriptor is None:
        return
    with os.fdopen(descriptor, "rb") as file:
        module, function, argument = json.load(file)
    try:
        getattr(importlib.import_module(module), function)(argument)
    except Exception:  # noqa: BLE001 -- whatever it is will be tried again when it is needed, and told then
        traceback.print_exc()
