"""The live view as a person meets it in JupyterLab: it moves, whatever else goes on, and never leaves a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

if TYPE_CHECKING:
    from pathlib import Path

    from gated_jobs import Gates
    from lab_page import LabPage, Notebook
    from playwright.sync_api import Locator

LOAD, INVOKE, BUSY = range(3)


def cells(name: str) -> list[str]:
    """The extension, a job over the data of that name, and a cell that runs until there is a file of that name."""
    return [
        "%load_ext batchmagic",
        f"job = %batch invoke heart/gated --input data/{name}",
        f"import pathlib, time\nwhile not pathlib.Path('{name}-go').exists():\n    time.sleep(0.02)",
    ]


def live(notebook: Notebook, index: int = INVOKE) -> Locator:
    """The live view in a cell's output; of views that gave way to another one, that one."""
    return notebook.outputs(index).locator(".bm-live:visible")


def says(notebook: Notebook, text: str) -> None:
    """Wait until the live view says so, where everybody sees it."""
    expect(live(notebook).locator(".bm-head, .bm-facts").filter(has_text=text)).to_be_visible()


def twin(notebook: Notebook, index: int = INVOKE) -> Locator:
    """The part of a cell's output that is stored in the notebook."""
    return notebook.outputs(index).locator(".bm-twin")


def running(gates: Gates, notebook: Notebook, name: str, files: int = 8) -> str:
    """Start a job with two of its files done; return its name."""
    gates.data(name, files)
    gates.open(name, 0, 1)
    notebook.run(LOAD, INVOKE)
    says(notebook, f"2 / {files}")
    return gates.jobs()[0]


def let_end(notebook: Notebook, name: str) -> None:
    (notebook.path.parent / f"{name}-go").touch()
    notebook.ended(BUSY)


def test_it_moves_while_another_cell_runs(page: LabPage, gates: Gates):
    with page.notebook("moves", cells("moves")) as notebook:
        job = running(gates, notebook, "moves")
        notebook.start(BUSY)
        gates.open("moves", 2, 3, 4)
        says(notebook, "5 / 8")
        gates.open("moves", 5)
        says(notebook, "6 / 8")
        expect(twin(notebook)).to_be_hidden()
        gates.open("moves", 6, 7)
        gates.wait(job, "Completed")
        says(notebook, "Completed")
        assert notebook.runs(BUSY)
        let_end(notebook, "moves")


def test_it_survives_a_reload_of_the_page(page: LabPage, gates: Gates):
    with page.notebook("reload", cells("reload")) as notebook:
        job = running(gates, notebook, "reload")
        notebook.save()
        notebook.reload()
        says(notebook, "2 / 8")
        expect(twin(notebook)).to_be_hidden()
        gates.open("reload", 2, 3)
        says(notebook, "4 / 8")

        # Lab asks for its widgets through the thread that runs cells: until that is free, what was saved is shown.
        notebook.start(BUSY)
        notebook.save()
        notebook.reload()
        expect(twin(notebook)).to_be_visible()
        expect(twin(notebook)).to_contain_text(job)
        expect(notebook.outputs(INVOKE).get_by_text("Loading widget")).to_be_hidden()
        gates.open("reload", 4)
        let_end(notebook, "reload")
        says(notebook, "5 / 8")
        expect(twin(notebook)).to_be_hidden()


def test_cancel_works_while_another_cell_runs(page: LabPage, gates: Gates):
    with page.notebook("cancel", cells("cancel")) as notebook:
        job = running(gates, notebook, "cancel")
        notebook.start(BUSY)
        live(notebook).get_by_role("button", name="Cancel").click()
        gates.wait(job, "Canceled")
        says(notebook, "Canceled")
        assert notebook.runs(BUSY)
        let_end(notebook, "cancel")


def test_more_than_three_invokes_in_a_cell_share_one_table(page: LabPage, gates: Gates):
    names = [f"many{day}" for day in range(4)]
    invokes = "\n".join(f"%batch invoke heart/gated --input data/{name}" for name in names)
    for name in names:
        gates.data(name, 2)
    with page.notebook("many", ["%load_ext batchmagic", invokes]) as notebook:
        notebook.run(LOAD, INVOKE)
        jobs = gates.jobs()[:4]
        expect(live(notebook)).to_have_count(1)
        rows = live(notebook).locator("table tbody tr")
        expect(rows).to_have_count(4)
        for job in jobs:
            expect(rows.filter(has_text=job)).to_be_visible()
        for hidden in twin(notebook).all():
            expect(hidden).to_be_hidden()
        for name in names:
            gates.open(name, 0, 1)
        expect(rows.filter(has_text="Completed")).to_have_count(4)


def test_a_restarted_kernel_leaves_the_last_numbers(page: LabPage, gates: Gates):
    with page.notebook("restart", cells("restart")) as notebook:
        running(gates, notebook, "restart")
        notebook.restart_kernel()
        says(notebook, "2 / 8")


@pytest.fixture(scope="module")
def finished(page: LabPage, endpoint: Gates) -> Path:
    """A notebook that was saved with a job that has completed with a failed file."""
    endpoint.data("ended", 4)
    endpoint.open("ended", 0, 1, 3)
    endpoint.open("ended", 2, error="could not convert string to float: 'n/a'")
    with page.notebook("ended", cells("ended")) as notebook:
        before = notebook.save()
        notebook.run(LOAD, INVOKE)
        says(notebook, "Completed")
        # What stays in the file has the last numbers too.
        expect(twin(notebook)).to_contain_text("Completed")
        assert notebook.save() - before < 30_000
        return notebook.path


@pytest.mark.parametrize("kernel", [True, False], ids=["with a new kernel", "without a kernel"])
def test_a_notebook_opened_again_shows_the_twin(page: LabPage, finished: Path, kernel):
    with page.notebook(finished.stem, kernel=kernel) as notebook:
        expect(twin(notebook)).to_be_visible()
        expect(twin(notebook)).to_contain_text("1 file failed")
        expect(twin(notebook)).to_contain_text("could not convert string to float: 'n/a'")
        # What Lab puts in the place of a widget that it cannot show is there, but not to be seen.
        instead = "Error displaying widget" if kernel else "Loading widget"
        gap = notebook.outputs(INVOKE).get_by_text(instead)
        expect(gap).to_have_count(1)
        expect(gap).to_be_hidden()
