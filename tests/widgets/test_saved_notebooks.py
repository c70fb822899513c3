"""A notebook that ran without a page, with real jobs: what is stored in it are the final numbers."""

from __future__ import annotations

import asyncio

import nbformat
import pytest
from nbclient import NotebookClient
from widgets_support import JOB, SCRIPT, WIDGET, until

from batchmagic import MLClient
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint


@pytest.fixture(scope="module")
def project(module_workspace):
    """A folder with data and a workspace whose endpoint scores for real."""
    root = module_workspace.root
    folder = root.parent
    (folder / "code").mkdir()
    (folder / "data").mkdir()
    (folder / "code" / "score.py").write_text(SCRIPT)
    for number in range(12):
        (folder / "data" / f"{number:03d}.csv").write_text("a,b\n1,2\n")
    client = MLClient(root)
    client.session.tell = lambda line: None
    client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="heart")).result()
    compute = AmlCompute(name="quick", max_instances=1, idle_time_before_scale_down=5)
    client.compute.begin_create_or_update(compute).result()
    deployment = BatchDeployment(
        name="classifier", endpoint_name="heart", code_path=str(folder / "code"), scoring_script="score.py",
        compute="quick", mini_batch_size=2, max_concurrency_per_instance=1,
    )  # fmt: skip
    client.batch_deployments.begin_create_or_update(deployment).result()
    client.session.close()
    return folder


def executed(project, *cells, between):
    """Run the cells, and `between` after each of them."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(
        notebook, kernel_name="python3", timeout=60, resources={"metadata": {"path": project}}
    )
    client.on_cell_executed = lambda cell_index, **_: between(cell_index)
    return asyncio.run(client.async_execute())


def test_the_final_numbers_are_stored(project):
    told = project / "told"
    notebook = executed(
        project,
        "from batchmagic import MLClient\n"
        "from batchmagic.sdk.job import Job\n"
        "from batchmagic.widgets import live\n"
        "from batchmagic.widgets.pulse import PULSE\n"
        "import pathlib, threading, time\n"
        "def tell():\n"
        "    while PULSE.alive:\n"
        "        time.sleep(0.02)\n"
        "    pathlib.Path('told').touch()\n"
        "client = MLClient('workspace')",
        "name = client.batch_endpoints.invoke('heart', input='data').name\n"
        "shown = live.show(client.session, [name])\n"
        "threading.Thread(target=tell, daemon=True).start()",
        "job = Job(client.session, name)\njob.on_end = shown.flush\nprint(len(job.result()))",
        # The job ends while no cell runs: what the view says then is not stored.
        between=lambda index: index == 1 and until(told.exists, of="the end of the view"),
    )
    view, twin = notebook.cells[1].outputs
    assert list(view.data) == [WIDGET, "text/plain"]
    assert view.data["text/plain"] == ""
    assert twin.data[JOB]["status"] == "Completed"
    assert twin.data[JOB]["progress"]["completed"] == 6
    assert "Completed" in twin.data["text/html"]
    assert "Completed" in twin.data["text/plain"]
    states = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    assert view.data[WIDGET]["model_id"] in states
    values = [state["state"].get("value") or "" for state in states.values()]
    (main,) = [value for value in values if 'class="bm-head' in value]
    assert "Completed" in main
    assert '6 <span class="bm-dim">/ 6</span>' in main
    assert notebook.cells[2].outputs[0].text.strip() == "12"
    assert len(nbformat.writes(notebook)) < 100_000
