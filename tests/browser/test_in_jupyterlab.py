"""What a person meets in JupyterLab: a live view that always moves and never leaves a gap, and twins of all things."""

# One file, so that all of it shares one JupyterLab and one host, which take longer to start than most tests.

from __future__ import annotations

from typing import TYPE_CHECKING

import nbformat
import pytest
from contrast import texts, unreadable
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gated_jobs import Gates
    from lab_page import LabPage, Notebook
    from lab_support import Lab
    from playwright.sync_api import Locator

LOAD, INVOKE, BUSY = range(3)
JOB, JOBS, ENDPOINTS, OVERVIEW, ENDPOINT = range(2, 7)
SHOWN = ["job", "%batch job list", "%batch endpoint list", "%batch", "%batch endpoint show heart"]
ERROR = "could not convert string to float: 'n/a'"


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


def completed(gates: Gates, notebook: Notebook, name: str) -> None:
    """Run a job to its end, with one failed file."""
    gates.data(name, 4)
    gates.open(name, 0, 1, 3)
    gates.open(name, 2, error=ERROR)
    notebook.run(LOAD, INVOKE)
    says(notebook, "Completed")


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
    with page.notebook("ended", cells("ended")) as notebook:
        before = notebook.save()
        completed(endpoint, notebook, "ended")
        # What stays in the file has the last numbers too.
        expect(twin(notebook)).to_contain_text("Completed")
        assert notebook.save() - before < 30_000
        return notebook.path


@pytest.mark.parametrize("kernel", [True, False], ids=["with a new kernel", "without a kernel"])
def test_a_notebook_opened_again_shows_the_twin(page: LabPage, finished: Path, kernel):
    with page.notebook(finished.stem, kernel=kernel) as notebook:
        expect(twin(notebook)).to_be_visible()
        expect(twin(notebook)).to_contain_text("1 file failed")
        expect(twin(notebook)).to_contain_text(ERROR)
        # What Lab puts in the place of a widget that it cannot show is there, but not to be seen.
        instead = "Error displaying widget" if kernel else "Loading widget"
        gap = notebook.outputs(INVOKE).get_by_text(instead)
        expect(gap).to_have_count(1)
        expect(gap).to_be_hidden()


def test_a_notebook_that_lab_does_not_trust_shows_the_twin_without_styles(page: LabPage, finished: Path):
    theirs = nbformat.read(finished, as_version=4)
    theirs.metadata["author"] = "somebody else"
    nbformat.write(theirs, finished.with_stem("theirs"))
    with page.notebook("theirs", kernel=False) as notebook:
        expect(twin(notebook)).to_be_visible()
        expect(twin(notebook)).to_contain_text("1 file failed")
        expect(twin(notebook)).to_contain_text(ERROR)
        expect(twin(notebook).locator("style")).to_have_count(0)
        expect(notebook.outputs(INVOKE).get_by_text("widget")).to_have_count(0)


@pytest.fixture(scope="module")
def shown(page: LabPage, endpoint: Gates) -> Iterator[Notebook]:
    """A notebook in which a job has ended with a failed file, and many things have been shown."""
    with page.notebook("shown", [*cells("shown")[:BUSY], *SHOWN]) as notebook:
        completed(endpoint, notebook, "shown")
        notebook.run(*range(JOB, JOB + len(SHOWN)))
        yield notebook


def test_a_job_in_a_later_cell_shows_its_twin(shown: Notebook):
    name = live(shown).locator(".bm-head .bm-mono").inner_text()
    expect(twin(shown, JOB)).to_be_visible()
    expect(twin(shown, JOB)).to_contain_text(name)
    expect(twin(shown, JOB)).to_contain_text("1 file failed")
    expect(twin(shown, JOB)).to_contain_text(ERROR)


def test_lists_are_tables(shown: Notebook):
    name = live(shown).locator(".bm-head .bm-mono").inner_text()
    expect(twin(shown, JOBS).locator("tbody tr").filter(has_text=name)).to_contain_text("heart/gated")
    expect(twin(shown, ENDPOINTS).locator("tbody tr")).to_contain_text("heart")


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest, page: LabPage) -> Iterator[str]:
    """Both themes, one after the other."""
    page.use_theme(request.param)
    yield request.param
    page.use_theme("light")


@pytest.mark.usefixtures("theme")
def test_all_text_can_be_read(shown: Notebook):
    for index in range(INVOKE, JOB + len(SHOWN)):
        parts = shown.outputs(index).locator(".jp-OutputArea-output").all()
        assert any(texts(part) for part in parts), index
        assert not [line for part in parts for line in unreadable(part)], index
    tabs = live(shown).get_by_role("tab")
    assert tabs.count() == 5
    for tab in tabs.all():
        tab.click()
        expect(tab).to_have_attribute("aria-selected", "true")
        assert not unreadable(live(shown)), tab.inner_text()


def test_the_console_says_nothing_new(lab: Lab, gates: Gates):
    """Compared with the same Lab whose notebook does not load the extension."""
    gates.data("console", 2)
    gates.open("console", 0, 1)
    plain = ["1", "2", "3"]
    ours = ["%load_ext batchmagic", "job = %batch invoke heart/gated --input data/console --wait", "job"]
    heard = []
    for name, cells in (("plain", plain), ("ours", ours)):
        with lab.page() as page:
            with page.notebook(name, cells) as notebook:
                notebook.run_all()
                notebook.save()
                expect(notebook.outputs(2)).not_to_be_empty()
            heard.append(page.messages())
    assert heard[1] - heard[0] == set()
