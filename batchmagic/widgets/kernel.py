"""What the views ask of the kernel that they run in."""

from __future__ import annotations

import sys
from typing import Any


def shell() -> Any:
    """Return IPython's shell if it belongs to a kernel, else None."""
    module = sys.modules.get("IPython")
    found = module.get_ipython() if module is not None else None
    return found if getattr(found, "kernel", None) is not None else None


def cell() -> str:
    """Return the request that messages sent now belong to: the cell that runs, or that ran last."""
    found = shell()
    if found is None:
        return ""
    header = found.kernel.get_parent().get("header") or {}
    return str(header.get("msg_id", ""))


def show(bundle: dict[str, Any], *, display_id: str, update: bool = False) -> None:
    """Display a bundle in the cell that runs, or put it in the place of what was displayed with that id."""
    from IPython.display import display  # noqa: PLC0415 - brings IPython

    display(bundle, raw=True, display_id=display_id, update=update)  # type: ignore[no-untyped-call]


def answer_at_once(widget: Any) -> None:
    """Have what a person does to a widget, or to one in it, handled while a cell runs, where the front end asks for it.

    JupyterLab does. Since 7.4 ipykernel would have it handled where the widget was last written to instead, and that
    is the thread that runs the cells.
    """
    if hasattr(widget.comm, "_reply_subshell_for"):
        widget.comm._reply_subshell_for = lambda _data, asked: asked  # noqa: SLF001 - there is no public way
    for child in getattr(widget, "children", ()):
        answer_at_once(child)
