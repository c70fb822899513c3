"""JupyterLab in a tab of a browser, and one notebook in it: what a person does, and what can be seen."""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import nbformat
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from playwright.sync_api import ConsoleMessage, Locator, Page

PATIENCE = 30_000.0
"""Milliseconds: for what takes a second or two on a machine that has nothing else to do."""
expect.set_options(timeout=PATIENCE)

_THEMES = {"light": "JupyterLab Light", "dark": "JupyterLab Dark"}
_WIDGET = "window.jupyterapp.shell.currentWidget"
_KERNEL = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel"
_THERE = "() => window.jupyterapp"
_RESTORED = "() => window.jupyterapp.restored.then(() => null)"
_COMMAND = "([command, args]) => window.jupyterapp.commands.execute(command, args).then(() => null)"
_OPEN = """([path, kernel]) => window.jupyterapp.commands.execute(
    'docmanager:open', kernel ? {path} : {path, kernelPreference: {shouldStart: false, canStart: false}})
    .then(widget => widget.context.ready).then(() => null)"""
_NO_SIDEBAR = "() => { window.jupyterapp.shell.collapseLeft(); }"
_CLOSE = f"() => {_WIDGET}.sessionContext.shutdown().then(() => {_WIDGET}.dispose())"
_IDLE = f"() => {{ const k = {_KERNEL}; return k?.connectionStatus === 'connected' && k.status === 'idle'; }}"
# The command's promise resolves when the cell has run.
_RUN = f"""async ([index, awaited]) => {{
  const notebook = {_WIDGET}.content;
  notebook.deselectAll();
  notebook.activeCellIndex = index;
  const done = window.jupyterapp.commands.execute('notebook:run-cell');
  return awaited ? await done : null;
}}"""
_RUNS = "[*]:"
_RESTART = f"() => {_KERNEL}.restart()"
_SHUTDOWN = f"() => {_WIDGET}.sessionContext.shutdown()"
# No frame and buttons of the cell that happens to be the active one, and none of Lab's messages in the corner.
_AT_REST = """
.jp-Notebook .jp-Cell { box-shadow: none !important }
.jp-NotebookPanel-toolbar, .jp-Notebook .jp-Collapser, .jp-Cell .jp-Toolbar, .Toastify { visibility: hidden !important }
"""
# What differs from run to run: addresses, identifiers, numbers.
_VARYING = re.compile(r"\b(https?|wss?)://[^\s/)]+|[0-9a-f]{8}-[0-9a-f-]{27}|[0-9a-f]{16,}|\d+")


class LabPage:
    """JupyterLab in a tab of a browser.

    Attributes
    ----------
    console
        What the page has printed to the browser's console or thrown, as ``type: text``, in order.
    """

    def __init__(self, page: Page, project: Path) -> None:
        self.page = page
        self.console: list[str] = []
        self._project = project
        page.set_default_timeout(PATIENCE)
        page.on("console", self._heard)
        page.on("pageerror", lambda error: self.console.append(f"pageerror: {error}"))

    def go(self, url: str) -> None:
        """Load Lab, with more room for the notebook than its first look gives."""
        self.page.goto(url)
        self.wait()
        self.page.evaluate(_NO_SIDEBAR)

    def wait(self) -> None:
        """Wait until Lab has all its commands, and the notebooks that were open."""
        self.page.wait_for_function(_THERE)
        self.page.evaluate(_RESTORED)

    def command(self, name: str, **arguments: Any) -> None:
        """Do what a menu entry does, and wait until it is done."""
        self.page.evaluate(_COMMAND, [name, arguments])

    def use_theme(self, theme: str) -> None:
        """Show everything in that theme, `light` or `dark`."""
        self.command("apputils:change-theme", theme=_THEMES[theme])
        self.page.locator(f"body[data-jp-theme-name='{_THEMES[theme]}']").wait_for(state="attached")

    @contextmanager
    def notebook(
        self, name: str, cells: Sequence[str] | None = None, *, kernel: bool = True
    ) -> Iterator[Notebook]:
        """Open a notebook, and close it with its kernel.

        Parameters
        ----------
        cells
            Of a notebook that is written first; one that begins with ``#md`` is prose.
        kernel
            Whether it gets a kernel.
        """
        path = self._project / f"{name}.ipynb"
        if cells is not None:
            write(path, cells)
        self.page.evaluate(_OPEN, [f"{name}.ipynb", kernel])
        found = Notebook(self, path)
        if kernel:
            found.idle()
        try:
            yield found
        finally:
            self.page.evaluate(_CLOSE)

    def messages(self) -> set[str]:
        """Return what the console heard, without what differs from run to run."""
        return {_VARYING.sub("…", line) for line in self.console}

    def _heard(self, message: ConsoleMessage) -> None:
        self.console.append(f"{message.type}: {message.text}")


class Notebook:
    """The notebook that the page shows."""

    def __init__(self, lab: LabPage, path: Path) -> None:
        self.lab = lab
        self.page = lab.page
        self.path = path

    # --- what a person does

    def run_all(self) -> None:
        """Run all cells and wait until the last has run, or one has failed."""
        self.lab.command("notebook:run-all-cells")

    def run(self, *indexes: int, fails: bool = False) -> None:
        """Run cells one after the other, and wait until the last has run.

        Parameters
        ----------
        fails
            Whether they are meant to fail.
        """
        for index in indexes:
            succeeded = self.page.evaluate(_RUN, [index, True])
            assert succeeded is not fails, self.outputs(index).inner_text()

    def start(self, index: int) -> None:
        """Start a cell, and leave it running."""
        self.page.evaluate(_RUN, [index, False])
        expect(self._prompt(index)).to_have_text(_RUNS)

    def idle(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.page.wait_for_function(_IDLE)

    def save(self) -> int:
        """Save the notebook and return the size of its file."""
        self.lab.command("docmanager:save")
        return self.path.stat().st_size

    def reload(self) -> None:
        """Load the page again; what was not saved is lost. The kernel goes on."""
        # A page with changes that are not saved asks.
        self.page.once("dialog", lambda dialog: dialog.accept())
        self.page.reload()
        self.lab.wait()
        self.cell(0).wait_for()

    def restart_kernel(self) -> None:
        """Restart the kernel; the new one is idle."""
        self.page.evaluate(_RESTART)
        self.idle()

    def shut_kernel_down(self) -> None:
        """End the kernel; the notebook stays open."""
        self.page.evaluate(_SHUTDOWN)

    # --- what can be seen

    def runs(self, index: int) -> bool:
        """Return whether the cell runs. The kernel's status does not tell: any message handled beside it changes that."""
        return self._prompt(index).inner_text() == _RUNS

    def ended(self, index: int) -> None:
        """Wait until the cell has run."""
        expect(self._prompt(index)).not_to_have_text(_RUNS)

    def cell(self, index: int) -> Locator:
        """Return a cell."""
        return self.page.locator(f".jp-Notebook .jp-Cell[data-windowed-list-index='{index}']")

    def _prompt(self, index: int) -> Locator:
        return self.cell(index).locator(".jp-InputPrompt")

    def outputs(self, index: int) -> Locator:
        """Return the area with all outputs of a cell."""
        return self.cell(index).locator(".jp-Cell-outputArea")

    def stored(self) -> Any:
        """Return the notebook as its file has it."""
        return nbformat.read(self.path, as_version=4)

    def picture(self, first: int, last: int) -> bytes:
        """Return a picture (PNG) of the cells from `first` to `last`, both included."""
        self.page.mouse.move(0, 0)  # no button looks as if it were about to be pressed
        self.cell(first).evaluate("cell => cell.scrollIntoView({block: 'start'})")
        top, bottom = self.cell(first).bounding_box(), self.cell(last).bounding_box()
        assert top is not None
        assert bottom is not None
        clip = {**top, "height": bottom["y"] + bottom["height"] - top["y"]}
        return self.page.screenshot(clip=clip, animations="disabled", style=_AT_REST)


def write(path: Path, cells: Sequence[str]) -> None:
    """Write a notebook with these cells; one that begins with ``#md`` is prose."""
    spec = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(metadata={"kernelspec": spec}, cells=[_cell(cell) for cell in cells])
    nbformat.write(notebook, path)


def _cell(source: str) -> nbformat.NotebookNode:
    if source.startswith("#md"):
        return nbformat.v4.new_markdown_cell(source.removeprefix("#md").strip())
    return nbformat.v4.new_code_cell(source)
