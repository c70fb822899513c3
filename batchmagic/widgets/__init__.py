"""Live views of jobs in a notebook, of stock ipywidgets, fed by one thread from the store."""

from __future__ import annotations

import importlib.util

from batchmagic.widgets import kernel


def available() -> bool:
    """Return whether live views can be shown here: in a kernel, with ipywidgets installed."""
    return kernel.shell() is not None and importlib.util.find_spec("ipywidgets") is not None
