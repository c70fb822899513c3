"""Notebooks as people run them, a cell after the other, on real kernels: what a cell shows, and whether the run stops."""

from __future__ import annotations

import ast
import os
import re
import time
from typing import TYPE_CHECKING, Any, Self

import nbformat
from jupyter_core.utils import run_sync
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

PATIENCE = 60.0
JOB = "application/vnd.batchmagic.job.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"

COLOURS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]")


class Cell:
    """What a cell shows.

    Attributes
    ----------
    outputs
        As the notebook's file keeps them.
    """

    def __init__(self, outputs: list[Any]) -> None:
        self.outputs = outputs

    @property
    def printed(self) -> str:
        """What was written to standard output."""
        return self._stream("stdout")

    @property
    def complaint(self) -> str:
        """What was written to standard error: usage errors."""
        return COLOURS.sub("", self._stream("stderr"))

    @property
    def error(self) -> list[str]:
        """The lines of the error that ended the cell."""
        errors = [out for out in self.outputs if out.output_type == "error"]
        return [
            COLOURS.sub("", line) for out in errors for text in out.traceback for line in text.splitlines()
        ]

    @property
    def value(self) -> str:
        """The value of the last line, as text; empty without one."""
        found = [out.data["text/plain"] for out in self.outputs if out.output_type == "execute_result"]
        return found[0] if found else ""

    def bundles(self, mime: str) -> list[Any]:
        """Return everything of that kind that is shown."""
        shown = [out.data for out in self.outputs if "data" in out]
        return [data[mime] for data in shown if mime in data]

    def _stream(self, name: str) -> str:
        return "".join(out.text for out in self.outputs if out.output_type == "stream" and out.name == name)


class Notebook:
    """A notebook with a kernel of its own.

    Attributes
    ----------
    folder
        Where it lies.
    cells
        What has run, for a front end that reads the file.
    """

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self._environment = environment
        self._client = NotebookClient(nbformat.v4.new_notebook(), timeout=PATIENCE, store_widget_state=False)

    def __enter__(self) -> Self:
        self._client.km = self._client.create_kernel_manager()
        self._client.start_new_kernel(
            cwd=str(self.folder), env={**kernel_environment(self.folder), **self._environment}
        )
        self._client.start_new_kernel_client()
        return self

    def __exit__(self, *_: object) -> None:
        self._client._cleanup_kernel()

    def run(self, source: str) -> Cell:
        """Run a cell that must not stop the run."""
        return Cell(self._executed(source).outputs)

    def stop(self, source: str) -> Cell:
        """Run a cell that must stop a run of all cells."""
        cell = nbformat.v4.new_code_cell(source)
        try:
            self._execute(cell)
        except CellExecutionError:
            return Cell(cell.outputs)
        raise AssertionError(f"goes on: {source}\n{cell.outputs}")

    def run_all(self, sources: list[str]) -> list[str]:
        """Send all cells at once, as `Run all` does, and return what became of each: ok, error or aborted."""
        client = self._client.kc
        asked = [client.execute(source) for source in sources]
        replies = {}
        while len(replies) < len(asked):
            reply = run_sync(client.get_shell_msg)(timeout=PATIENCE)
            replies[reply["parent_header"]["msg_id"]] = reply["content"]["status"]
        return [replies[one] for one in asked]

    def pager(self, source: str) -> str:
        """Run a cell and return what it opens the pager with."""
        client = self._client.kc
        client.execute(source)
        content = run_sync(client.get_shell_msg)(timeout=PATIENCE)["content"]
        return str(content["payload"][0]["data"]["text/plain"])

    def value(self, expression: str) -> Any:
        """Return the value of an expression of plain values."""
        return ast.literal_eval(
            self.run(f"_value = {expression}\nprint(repr(_value))").printed.splitlines()[-1]
        )

    def number_of(self, source: str) -> int:
        """Return the number in the brackets of the cell with this source that ran last."""
        return next(cell.execution_count for cell in reversed(self._client.nb.cells) if cell.source == source)

    @property
    def pid(self) -> int:
        """The process id of the kernel."""
        return self._client.km.provisioner.pid

    def _executed(self, source: str) -> Any:
        return self._execute(nbformat.v4.new_code_cell(source))

    def _execute(self, cell: Any) -> Any:
        self._client.nb.cells.append(cell)
        return self._client.execute_cell(cell, len(self._client.nb.cells) - 1)


def kernel_environment(folder: Path) -> dict[str, str]:
    """Return the variables for a kernel or shell whose notebooks lie in `folder`."""
    dropped = {"BATCHMAGIC_WORKSPACE", "BATCHMAGIC_DISPLAY"}
    kept = {key: value for key, value in os.environ.items() if key not in dropped}
    return {**kept, "IPYTHONDIR": str(folder.parent / "ipython")}


def until(what: Callable[[], Any], *, of: str) -> Any:
    """Return the first true value of `what`."""
    deadline = time.monotonic() + PATIENCE
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {of}"
        time.sleep(0.02)
    return found
