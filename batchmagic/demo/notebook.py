"""Runs a notebook from top to bottom, and keeps of it what reads well without a kernel."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.demo.folder import WORKSPACE

if TYPE_CHECKING:
    from nbformat import NotebookNode

QUICKSTART = Path(__file__).resolve().parents[2] / "notebooks" / "quickstart.ipynb"
"""Beside the package in a checkout; not there when the package was installed."""

_CELL_SECONDS = 300
_WIDGET = "application/vnd.jupyter.widget-view+json"
# What would lead the notebook to a workspace, a store or a look of the user's.
_SETTINGS = ("BATCHMAGIC_", "MLFLOW_")
_NO_RUNS = "BATCHMAGIC_MLFLOW_RUNS"  # leads nowhere


@dataclass(frozen=True, kw_only=True, slots=True)
class Executed:
    """A notebook that ran.

    Attributes
    ----------
    cells
        How many code cells it has.
    notebook, page
        The files that hold it with its outputs: the notebook, and the same as a web page.
    """

    cells: int
    notebook: Path
    page: Path


def run_quickstart(folder: Path) -> Executed:
    """Run the quickstart in a new `folder`, and leave it there with its outputs and as a page.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    import nbformat  # noqa: PLC0415 - slow

    folder.mkdir()
    node = execute(nbformat.read(QUICKSTART, as_version=4), folder)
    done = Executed(
        cells=sum(cell.cell_type == "code" for cell in node.cells),
        notebook=folder / QUICKSTART.name,
        page=folder / f"{QUICKSTART.stem}.html",
    )
    nbformat.write(node, done.notebook)
    done.page.write_text(as_page(node), encoding="utf-8")
    return done


def execute(node: NotebookNode, folder: Path) -> NotebookNode:
    """Return `node` with the outputs that it has when it runs in `folder`, without what only a kernel can draw.

    Raises
    ------
    nbclient.exceptions.CellExecutionError
        If a cell fails.
    """
    from nbclient import NotebookClient  # noqa: PLC0415 - slow
    from traitlets.config import Config  # noqa: PLC0415

    variables = {
        key: value for key, value in os.environ.items() if key == _NO_RUNS or not key.startswith(_SETTINGS)
    }
    # Else it would be looked for above `folder` too.
    variables["BATCHMAGIC_WORKSPACE"] = str(folder / WORKSPACE)
    with tempfile.TemporaryDirectory(prefix="batchmagic-") as sockets:
        client = NotebookClient(
            node,
            timeout=_CELL_SECONDS,
            record_timing=False,
            coalesce_streams=True,
            resources={"metadata": {"path": str(folder)}},
            # Sockets in a private folder: whoever is on this machine can connect to a port.
            config=Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}}),
        )
        client.execute(env=variables)
    return tidy(node)


def tidy(node: NotebookNode) -> NotebookNode:
    """Return `node` without widgets, which have no state in a file, and without traits of one kernel."""
    node.metadata = {
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"file_extension": ".py", "mimetype": "text/x-python", "name": "python"},
    }
    for cell in node.cells:
        cell.metadata = {}
        if cell.cell_type == "code":
            cell.outputs = [output for output in cell.outputs if _WIDGET not in output.get("data", {})]
    return node


def as_page(node: NotebookNode) -> str:
    """Return the notebook as a web page."""
    from nbconvert import HTMLExporter  # noqa: PLC0415 - slow

    page, _ = HTMLExporter(theme="light").from_notebook_node(
        node, {"metadata": {"name": "batchmagic: quickstart"}}
    )
    return str(page)
