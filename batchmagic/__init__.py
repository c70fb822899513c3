"""Azure Machine Learning's batch endpoints in a Jupyter notebook, scored in parallel on Dask.

The names below are loaded on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from batchmagic.entities import Input, Output
    from batchmagic.entities.load import (
        load_batch_deployment,
        load_batch_endpoint,
        load_compute,
        load_data,
        load_environment,
        load_model,
    )
    from batchmagic.sdk.client import MLClient

__version__ = "0.1.0"

_HOMES = {
    "Input": "batchmagic.entities",
    "MLClient": "batchmagic.sdk.client",
    "Output": "batchmagic.entities",
    "load_batch_deployment": "batchmagic.entities.load",
    "load_batch_endpoint": "batchmagic.entities.load",
    "load_compute": "batchmagic.entities.load",
    "load_data": "batchmagic.entities.load",
    "load_environment": "batchmagic.entities.load",
    "load_model": "batchmagic.entities.load",
}

__all__ = [
    "Input",
    "MLClient",
    "Output",
    "__version__",
    "load_batch_deployment",
    "load_batch_endpoint",
    "load_compute",
    "load_data",
    "load_environment",
    "load_model",
]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """Load ``%batch`` and ``%%batch``: what ``%load_ext batchmagic`` calls."""
    from batchmagic.magics.extension import load  # noqa: PLC0415 - brings IPython

    load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """Take the magics away again; jobs go on."""
    from batchmagic.magics.extension import unload  # noqa: PLC0415

    unload(shell)


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """Tell Jupyter's servers which extension this is."""
    from batchmagic.server.app import BatchMagicApp  # noqa: PLC0415 - brings jupyter_server

    return [{"module": "batchmagic.server.app", "app": BatchMagicApp}]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'batchmagic' has no attribute {name!r}")
    return getattr(importlib.import_module(home), name)


def __dir__() -> list[str]:
    return sorted(__all__)
