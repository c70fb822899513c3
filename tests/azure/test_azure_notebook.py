"""A notebook written for Azure's SDK, with every call that its published notebooks share, runs here unedited."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from azure_support import PYTHON

SCRIPT = Path(__file__).with_name("run_notebook.py")


@pytest.mark.parametrize(
    "python",
    [
        pytest.param(Path(sys.executable), id="alone"),
        pytest.param(PYTHON, id="beside Azure's own package", marks=pytest.mark.slow),
    ],
)
def test_it_runs(project, python):
    done = subprocess.run(
        [python, SCRIPT, project], text=True, capture_output=True, timeout=115, check=False, cwd=project
    )
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    said = done.stdout
    assert "Not there yet: There is no endpoint 'wine-batch'." in said
    assert "The default deployment is classifier-mlflow" in said
    assert "Status: Completed" in said
    assert "178 wines; right: True" in said
    assert "True 178" in said


def test_it_knows_nothing_of_us():
    node = nbformat.read(SCRIPT.with_name("azure_sdk.ipynb"), as_version=4)
    source = "\n".join(cell.source for cell in node.cells if cell.cell_type == "code")
    assert "batchmagic" not in source
    assert "%batch" not in source
