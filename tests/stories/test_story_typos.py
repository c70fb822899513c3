"""A typo, wherever it is: one line with the nearest right word, the run stops, and nothing has changed."""

from __future__ import annotations

import pytest
from story_support import Notebook

SCRIPT = "def run(mini_batch):\n    return list(mini_batch)\n"


@pytest.fixture(scope="module")
def project(module_workspace):
    """A folder with a workspace of its own: in the one that others share, more changes than what a typo does."""
    folder = module_workspace.root.parent / "project"
    folder.mkdir()
    module_workspace.root = folder / ".batchmagic"
    return folder


@pytest.fixture(scope="module")
def notebook(project):
    """A notebook with something of each kind, whose compute never runs."""
    (project / "data").mkdir()
    (project / "data" / "a.csv").write_text("a")
    (project / "model").mkdir()
    (project / "model" / "weights.txt").write_text("1")
    with Notebook(project) as found:
        found.run("%load_ext batchmagic")
        made = found.run(f"%%batch deploy heart/classifier\n{SCRIPT}").printed
        assert made.startswith("Made the workspace .batchmagic\nMade the endpoint heart\n")
        found.run("%batch model create weights --path ./model")
        found.run("%batch data create patients --path ./data")
        yield found


@pytest.fixture
def state(project):
    """A function that returns what lies in the project, and what the workspace knows."""
    from batchmagic import MLClient  # noqa: PLC0415

    client = MLClient(project / ".batchmagic")

    def look():
        ws = client.session.read()
        files = sorted(
            str(p.relative_to(project)) for p in project.rglob("*") if "workspace.db" not in p.name
        )
        return (
            files,
            [(e.name, e.to_dict()) for e in ws.endpoints.list()],
            [(d.name, d.version) for d in ws.deployments.list("heart")],
            [
                (kind, a.name, a.version)
                for kind in ("model", "data", "environment")
                for a in ws.assets.list(kind)
            ],
            [c.name for c in ws.computes.list()],
            [j.name for j in ws.jobs.list()],
        )

    yield look
    client.session.close()


DEPLOYMENT = """%%batch deployment
name: second
endpoint_name: heart
retry_settings:
  max_retrys: 3
"""
COMPUTES = """%%batch apply
kind: endpoint
name: new
---
kind: compute
name: new
typ: amlcompute
"""


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("%batch invok heart --input ./data", "Did you mean 'invoke'?"),
        ("%batch jobs list", "Did you mean 'job'?"),
        ("%batch job reslut last", "Did you mean 'result'?"),
        ("%batch invoke heart --inptu ./data", "unknown option '--inptu'. Did you mean '--input'?"),
        ("%batch invoke heart --input ./data --mini-batchsize 3", "Did you mean '--mini-batch-size'?"),
        ("%batch invoke hart --input ./data", "There is no endpoint 'hart'. Did you mean 'heart'?"),
        ("%batch invoke heart/clasifier --input ./data", "Did you mean 'classifier'?"),
        ("%batch invoke heart --input ./dta", "There is no file or folder './dta'"),
        ("%batch invoke heart --input data", "For the path of that name write './data'."),
        ("%batch invoke heart --input patient", "Did you mean 'patients'?"),
        ("%batch invoke heart --input azureml:patient:1", "Did you mean 'patients'?"),
        ("%batch invoke heart --input ./data --compute lokal", "Did you mean 'local'?"),
        ("%batch invoke heart --input ./data --output-action append-row", "Did you mean 'append_row'?"),
        ("%batch invoke heart --input ./data --mini-batch-size five", "'five' must be a whole number."),
        ("%batch invoke heart --input ./data --set mini_batchsize=3", "Did you mean 'mini_batch_size'?"),
        ("%batch invoke heart --input ./data -o 2x", "'2x' cannot be the name of a variable."),
        ("%batch invoke heart", "invoke needs an input. For example: %batch invoke heart --input ./patients"),
        ("%batch invoke heart --input './data", "A ' is not closed."),
        ("%batch invoke heart --input {{ folder", "'{{' without '}}'"),
        (
            "%batch invoke heart --input {{ folder }}",
            "{{ folder }}: NameError: name 'folder' is not defined.",
        ),
        ("%batch deploy heart/second --model weight", "Did you mean 'weights'?"),
        ("%batch deploy new/first --model ./modle", "There is no model at "),
        ("%batch endpoint update heart --default clasifier", "Did you mean 'classifier'?"),
        ("%batch endpoint delete hart", "Did you mean 'heart'?"),
        ("%batch job show last", "There is no job yet."),
        (
            DEPLOYMENT,
            "line 5, column 3: BatchRetrySettings has no field 'max_retrys'. Did you mean 'max_retries'?",
        ),
        (COMPUTES, "line 7, column 1: AmlCompute has no field 'typ'. Did you mean 'type'?"),
        ("%%batch endpoint\nname: new\n  description: x", "line 3, column 14: "),
        ("%%batch deploy new/first\ndef ru(mini_batch):\n    return []", "has no run(mini_batch)"),
        ("%%batch deploy new/first\ndef run(mini_batch):\n    retrun []", "line 3"),
        ("%%batch invoke heart --input ./data\nrun()", "takes no cell."),
    ],
)
def test_a_typo_is_one_line_and_changes_nothing(notebook, state, cell, says):
    before = state()
    stopped = notebook.stop(cell)
    assert stopped.complaint.startswith("UsageError: ")
    assert says in stopped.complaint
    assert stopped.complaint.strip().count("\n") == 0
    assert (stopped.error, stopped.printed) == ([], "")
    if cell.startswith("%%") and "line" in says and "\n" in cell:
        assert f"cell [{notebook.number_of(cell)}], line" in stopped.complaint
    assert state() == before


def test_a_typo_stops_a_run_of_all_cells(notebook):
    assert notebook.run_all(["a = 1", "%batch invoke hart --input ./data", "b = 2"]) == [
        "ok",
        "error",
        "aborted",
    ]
