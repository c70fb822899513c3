"""Scripts in cells: with modules in a folder, with a bad file, twice on the same data, with files of their own."""

from __future__ import annotations

import csv

import pytest
from story_support import JOB

SUMS = """%%batch deploy heart/{name} --mini-batch-size 1 --max-retries 1
import pandas as pd

def run(mini_batch):
    rows = []
    for path in mini_batch:
        rows.append({factor} * int(pd.read_csv(path).x.sum()))
    return rows
"""

WITH_HELPER = """%%batch deploy shop/prices --code ./code --mini-batch-size 1 --max-retries 0

import shutil
from prices.parse import price

def run(mini_batch):
    return [price(path) for path in mini_batch]
"""
HELPER = """def price(path):
    text = open(path).read()
    return float(text.split("=")[1])
"""

OWN_FILES = """%%batch deploy report/pages --output-action summary_only --mini-batch-size 2
import os
from pathlib import Path

def init():
    global target
    target = Path(os.environ["AZUREML_BI_OUTPUT_PATH"])

def run(mini_batch):
    for path in mini_batch:
        (target / f"{Path(path).stem}.txt").write_text(Path(path).read_text().upper())
    return mini_batch
"""


@pytest.fixture(scope="module")
def data(project):
    """Four tables whose sums are 1, 3, 5 and 7."""
    folder = project / "data"
    folder.mkdir()
    for number in range(4):
        (folder / f"{number}.csv").write_text(f"x\n{number}\n{number + 1}\n")
    return folder


def test_run_all_with_invoke_in_one_cell_and_its_result_in_the_next(notebook, data):
    told = notebook.run(SUMS.format(name="once", factor=1)).printed.splitlines()
    assert told == [
        "Made the endpoint heart",
        "Deployed heart/once, version 1, the default of heart",
        "Next: %batch invoke heart --input PATH",
    ]
    assert (
        notebook.run_all(["job = %batch invoke heart --input ./data", "frame = job.result()"]) == ["ok"] * 2
    )
    assert notebook.value("frame.to_dict('list')") == {
        "result": [1, 3, 5, 7],
        "file": ["0.csv", "1.csv", "2.csv", "3.csv"],
    }


def test_two_deployments_on_the_same_data_are_compared(notebook, data):
    notebook.run(SUMS.format(name="once", factor=1))
    notebook.run(SUMS.format(name="twice", factor=2))
    notebook.run(
        "one = %batch invoke heart/once --input ./data\ntwo = %batch invoke heart/twice --input ./data"
    )
    notebook.run("both = one.result().merge(two.result(), on='file', suffixes=('_once', '_twice'))")
    assert notebook.value("both.eval('result_twice / result_once').tolist()") == [2, 2, 2, 2]
    # What an endpoint answers by default stays what it was.
    notebook.run("endpoint = %batch endpoint show heart")
    assert notebook.value("endpoint.defaults.deployment_name") == "once"


def test_one_bad_file_is_found_explained_and_mended(notebook, data):
    (data / "2.csv").write_text("x\n1\nn/a?\n")
    notebook.run(SUMS.format(name="once", factor=1))
    shown = notebook.run("%batch invoke heart/once --input ./data --wait")
    assert any("Completed · 1 file failed" in text for text in shown.bundles("text/plain"))
    assert shown.printed == ""
    notebook.run("%batch job result last -o rows")
    assert notebook.value("rows.result.tolist()") == [1, 3, 7]

    errors = notebook.run("errors = %batch job errors last\nerrors")
    (document,) = errors.bundles("application/vnd.batchmagic.errors.v1+json")
    (group,) = document["errors"]
    assert (group["type"], group["files"], group["file"]) == ("ValueError", 1, "2.csv")
    number = notebook.number_of(SUMS.format(name="once", factor=1))
    assert group["frame"]["file"] == f"cell [{number}]"
    assert (group["frame"]["line"], group["frame"]["function"]) == (7, "run")
    assert group["frame"]["source"].strip() == "rows.append(1 * int(pd.read_csv(path).x.sum()))"
    for mime in ("text/plain", "text/html"):
        (text,) = errors.bundles(mime)
        assert "2.csv" in text

    (data / "2.csv").write_text("x\n2\n3\n")
    notebook.run("%batch job resume last --redo-failed --wait")
    notebook.run("rows = %batch job result last")
    assert notebook.value("rows.result.tolist()") == [1, 3, 5, 7]


def test_a_failure_under_wait_stops_the_run_in_at_most_eight_lines(notebook, data):
    (data / "2.csv").write_text("x\n1\nn/a?\n")
    try:
        deploy = SUMS.format(name="once", factor=1)
        notebook.run(deploy)
        failing = notebook.stop("job = %batch invoke heart/once --input ./data --error-threshold 0 --wait")
        assert notebook.run_all(
            ["%batch invoke heart/once --input ./data --error-threshold 0 --wait", "after = 1"]
        ) == [
            "error",
            "aborted",
        ]
    finally:
        (data / "2.csv").write_text("x\n2\n3\n")
    lines = failing.error
    assert len(lines) <= 8
    assert lines[0].startswith("ValueError: ")
    assert lines[1].startswith(
        f"  cell [{notebook.number_of(deploy)}], line 7, in run:   rows.append(1 * int("
    )
    assert lines[2].startswith("  file 2.csv, mini-batch 2")
    assert "1 failed file is more than error_threshold=0 allows" in lines[3]
    assert "%batch job errors " in lines[4]
    assert failing.bundles(JOB)[-1]["status"] == "Failed"


def test_a_script_with_modules_in_a_folder_fails_in_the_module(notebook, project):
    package = project / "code" / "prices"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "parse.py").write_text(HELPER)
    (project / "offers").mkdir()
    (project / "offers" / "a.txt").write_text("price=2.5")
    (project / "offers" / "b.txt").write_text("price=3")
    notebook.run(WITH_HELPER)
    notebook.run("%batch invoke shop --input ./offers -o job")
    assert notebook.value("job.result().result.tolist()") == [2.5, 3.0]

    # What is deployed does not change with the folder.
    (package / "parse.py").unlink()
    (project / "offers" / "b.txt").write_text("price")
    failing = notebook.stop("%batch invoke shop --input ./offers --error-threshold 0 --wait").error
    assert failing[0] == "IndexError: list index out of range"
    assert failing[1] == '  parse.py, line 3, in price:   return float(text.split("=")[1])'
    full = notebook.run("%batch job errors last --full").value
    number = notebook.number_of(WITH_HELPER)
    assert f"cell [{number}], line 7, in run" in full


def test_a_script_that_keeps_files_of_its_own(notebook, project):
    texts = project / "texts"
    texts.mkdir()
    for name in ("a", "b", "c"):
        (texts / f"{name}.md").write_text(f"page {name}")
    notebook.run(OWN_FILES)
    shown = notebook.run("job = %batch invoke report --input ./texts --output ./pages --wait")
    assert (project / "pages" / "b.txt").read_text() == "PAGE B"
    assert sorted(path.name for path in (project / "pages").glob("*.txt")) == ["a.txt", "b.txt", "c.txt"]
    (document, *_) = shown.bundles(JOB)[-1:]
    assert (document["status"], document["output_action"], document["output"]) == (
        "Completed",
        "summary_only",
        "pages",
    )
    refused = notebook.stop("%batch job result last").complaint
    assert refused.count("\n") == 1
    assert "summary_only" in refused
    assert "pages" in refused


def test_rows_lie_where_they_were_asked_for(notebook, data, project):
    notebook.run(SUMS.format(name="once", factor=1))
    notebook.run("%batch invoke heart/once --input ./data --output ./scores --wait")
    with (project / "scores" / "predictions.csv").open() as file:
        assert [row["result"] for row in csv.DictReader(file)] == ["1", "3", "5", "7"]
    assert "scores" in notebook.stop("%batch invoke heart/once --input ./data --output ./scores").complaint
