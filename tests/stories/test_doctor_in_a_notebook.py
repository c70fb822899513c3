"""`%batch doctor` in a cell: the findings as a twin, without a workspace being made, and its backup beside it."""

from __future__ import annotations

DOCTOR = "application/vnd.batchmagic.doctor.v1+json"


def test_the_cell_shows_the_findings(notebook, project):
    cell = notebook.run("%batch doctor")
    (shown,) = [out for out in cell.outputs if out.output_type == "execute_result"]
    assert shown.data[DOCTOR]["state"] in {"ok", "look"}
    assert "What survives what" in shown.data["text/html"]
    assert "a running job goes on" in shown.data["text/plain"]
    assert cell.printed == ""
    assert "%batch" in shown.data["text/html"]


def test_a_backup_says_where_it_is(notebook, project):
    cell = notebook.run("%batch backup ../../night.tar")
    assert cell.printed.startswith("Copied ")
    assert (project.parents[1] / "night.tar").is_file()
    again = notebook.stop("%batch backup ../../night.tar")
    assert "pass --overwrite" in again.complaint
