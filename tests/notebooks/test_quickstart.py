"""notebooks/quickstart.ipynb: it runs from top to bottom, and what is stored is what comes out."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import nbformat
import pytest

from batchmagic.demo.folder import end_computes
from batchmagic.demo.notebook import QUICKSTART, execute

pytestmark = pytest.mark.timeout(300)

LARGEST = 150_000
LONGEST_CELL = 21
CELLS = ("data", "model", "deploy", "invoke", "result", "script", "spoil", "errors", "mend", "overview")
JOB = re.compile(r"\b[a-z]+-[a-z]+-[0-9a-f]{4}\b")


def read() -> nbformat.NotebookNode:
    return nbformat.read(QUICKSTART, as_version=4)


def run_in(folder: Path) -> nbformat.NotebookNode:
    """The stored notebook without its outputs, run in `folder`."""
    node = read()
    for cell in node.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
    return execute(node, folder)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    found = tmp_path_factory.mktemp("quickstart")
    yield found
    end_computes(found)


@pytest.fixture(scope="module")
def ran(folder):
    return run_in(folder)


# --- the run


def test_it_predicts_what_the_doctors_found(ran):
    (right,) = re.findall(r"([\d.]+)% of 400 predictions are right", said(ran, "result"))
    assert float(right) > 90


def test_the_spoilt_file_is_found_with_the_line_of_the_cell(ran):
    for name in ("spoil", "errors"):
        html = markup(ran, name)
        assert "day-17.csv" in html
        assert "ValueError: could not convert string to float" in html
        assert "cell [6], line 20, in score" in html
    assert "1 file failed" in said(ran, "spoil")
    assert "390 rows" in said(ran, "spoil")


def test_the_mended_file_gets_its_rows(ran):
    text = said(ran, "mend")
    assert "400 rows" in text
    assert "file failed" not in text
    assert "benign prediction" in " ".join(text.split())


def test_it_writes_nothing_beside_its_folder_and_the_workspace(ran, folder):
    assert sorted(path.name for path in folder.iterdir()) == [".batchmagic", "quickstart-work"]


@pytest.mark.slow
def test_it_runs_again_in_the_same_folder(ran, folder):
    again = run_in(folder)
    assert "Made the workspace" not in said(again, "deploy")
    assert said(again, "deploy").startswith("Deployed biopsy/classifier, version 2")
    assert masked(said(again, "mend")) == masked(said(ran, "mend"))


# --- what is stored


def test_what_is_stored_is_what_comes_out(ran):
    stored = read()
    assert [(cell.id, cell.source) for cell in stored.cells] == [(cell.id, cell.source) for cell in ran.cells]
    for name in CELLS:
        assert masked(said(stored, name)) == masked(said(ran, name)), "`make notebooks` stores it anew"
        assert kinds(stored, name) == kinds(ran, name)


def test_it_has_ten_short_cells_that_ran_in_order():
    cells = [cell for cell in read().cells if cell.cell_type == "code"]
    assert tuple(cell.id for cell in cells) == CELLS
    assert [cell.execution_count for cell in cells] == list(range(1, len(CELLS) + 1))
    assert [cell.id for cell in cells if len(cell.source.splitlines()) > LONGEST_CELL] == []
    assert [cell.id for cell in cells if not cell.outputs] == ["data", "model"]


def test_nothing_in_it_is_of_one_machine_or_of_one_kernel():
    text = QUICKSTART.read_text(encoding="utf-8")
    assert len(text) < LARGEST
    assert str(Path.home()) not in text
    assert not re.search(r"(?<![\w.<~])/(home|Users|root|tmp|var|private|work|opt|usr)\b", text)
    for noise in ("site-packages", "Traceback", "Warning", "displaying widget", "widget-view", "\\u001b"):
        assert noise not in text
    node = json.loads(text)
    assert sorted(node["metadata"]) == ["kernelspec", "language_info"]
    assert all(not cell["metadata"] for cell in node["cells"])
    assert {o["output_type"] for cell in node["cells"] for o in cell.get("outputs", ())} == {
        "display_data",
        "execute_result",
        "stream",
    }


def test_every_view_in_it_can_be_read_as_a_page_and_as_text():
    outputs = [output for cell in read().cells for output in cell.get("outputs", ())]
    views = [o.data for o in outputs if any("batchmagic" in kind for kind in o.get("data", ()))]
    assert len(views) == 5
    assert all({"text/html", "text/plain"} < set(data) and data["text/plain"].strip() for data in views)


def test_git_ignores_what_it_leaves_in_a_checkout():
    if not (QUICKSTART.parents[1] / ".git").exists():
        pytest.skip("optional: a checkout with its history")
    left = ["notebooks/.batchmagic/workspace.db", "notebooks/quickstart-work/model/MLmodel"]
    done = subprocess.run(
        ["git", "check-ignore", *left], cwd=QUICKSTART.parents[1], capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == left


# --- the cells and what they gave


def cell(node: nbformat.NotebookNode, name: str) -> nbformat.NotebookNode:
    (found,) = (cell for cell in node.cells if cell.id == name)
    return found


def said(node: nbformat.NotebookNode, name: str) -> str:
    """What the cell gave, as text."""
    return "\n".join(
        o.text if o.output_type == "stream" else o.data["text/plain"] for o in cell(node, name).outputs
    )


def markup(node: nbformat.NotebookNode, name: str) -> str:
    return "\n".join(
        o.data["text/html"] for o in cell(node, name).outputs if "text/html" in o.get("data", {})
    )


def kinds(node: nbformat.NotebookNode, name: str) -> list[list[str]]:
    return [sorted(o.get("data", (o.output_type,))) for o in cell(node, name).outputs]


def masked(text: str) -> str:
    """The text without what differs from run to run: names of jobs, times and rates."""
    for job in sorted(set(JOB.findall(text))):
        text = text.replace(job, "JOB")
    text = re.sub(r"%batch job (\w+) [\w-]+", r"%batch job \1 JOB", text)
    text = re.sub(r"\d+:\d\d(:\d\d)?( · )?", "TIME ", text)
    text = re.sub(r"\d+ [A-Z][a-z]{2}\b", "DAY", text)
    text = re.sub(r" · [\d.,]+/s", "", text)
    return " ".join(text.split())
