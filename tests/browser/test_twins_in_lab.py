"""What is shown of things in JupyterLab: as tables and cards, in both themes, and with no word in the console."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from contrast import texts, unreadable
from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gated_jobs import Gates
    from lab_page import LabPage, Notebook
    from lab_support import Lab
    from playwright.sync_api import Locator

LOAD, INVOKE, JOB, JOBS, ENDPOINTS, OVERVIEW, ENDPOINT = range(7)
CELLS = [
    "%load_ext batchmagic",
    "job = %batch invoke heart/gated --input data/twins",
    "job",
    "%batch job list",
    "%batch endpoint list",
    "%batch",
    "%batch endpoint show heart",
]


@pytest.fixture(scope="module")
def notebook(page: LabPage, endpoint: Gates) -> Iterator[Notebook]:
    """A notebook in which a job has ended with a failed file, and all cells have run."""
    endpoint.data("twins", 4)
    endpoint.open("twins", 0, 1, 3)
    endpoint.open("twins", 2, error="could not convert string to float: 'n/a'")
    with page.notebook("twins", CELLS) as found:
        found.run(LOAD, INVOKE)
        expect(found.outputs(INVOKE).locator(".bm-live .bm-head")).to_contain_text("Completed")
        found.run(*range(JOB, len(CELLS)))
        yield found


def twin(notebook: Notebook, index: int) -> Locator:
    return notebook.outputs(index).locator(".bm-twin")


def test_a_job_in_a_later_cell_shows_its_twin(notebook: Notebook, gates: Gates):
    shown = twin(notebook, JOB)
    expect(shown).to_be_visible()
    expect(shown).to_contain_text(gates.jobs()[0])
    expect(shown).to_contain_text("1 file failed")
    expect(shown).to_contain_text("could not convert string to float: 'n/a'")


@pytest.mark.parametrize("index", [JOBS, ENDPOINTS])
def test_lists_are_tables(notebook: Notebook, index: int):
    rows = twin(notebook, index).locator("table tbody tr")
    expect(rows).to_have_count(1)
    expect(rows).to_contain_text("heart")


@pytest.fixture(params=["light", "dark"])
def theme(request: pytest.FixtureRequest, page: LabPage) -> Iterator[str]:
    """Both themes, one after the other."""
    page.use_theme(request.param)
    yield request.param
    page.use_theme("light")


def test_all_text_can_be_read(notebook: Notebook, theme: str):
    dim = {}
    for index in range(INVOKE, len(CELLS)):
        shown = notebook.outputs(index).locator(".jp-OutputArea-output")
        for part in shown.all():
            dim |= {(index, line): theme for line in unreadable(part)}
    assert not dim
    assert len(texts(notebook.outputs(INVOKE).locator(".bm-live"))) > len(("status", "numbers", "tabs"))


def test_every_tab_of_the_view_can_be_read(notebook: Notebook, theme: str):
    view = notebook.outputs(INVOKE).locator(".bm-live")
    tabs = view.get_by_role("tab")
    names = tabs.all_inner_texts()
    assert len(names) >= 5
    for number, name in enumerate(names):
        tabs.nth(number).click()
        expect(tabs.nth(number)).to_have_attribute("aria-selected", "true")
        assert not unreadable(view), name


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
