"""Jobs and kernels: one that is gone, two at once, and waits that a person interrupts."""

from __future__ import annotations

import os
import re
import signal

import pytest
from story_support import JOB, Notebook, until

GATED = """%%batch deploy slow/gated --mini-batch-size 1 --max-concurrency-per-instance 2
import os, pathlib, time

GATE = pathlib.Path({gate!r})

def run(mini_batch):
    while not GATE.exists():
        time.sleep(0.01)
    return [os.path.basename(path) for path in mini_batch]
"""
FILES = [f"{n}.csv" for n in range(4)]
# The cell does to its kernel what the button does, once it waits.
PRESS_STOP = (
    "import os, signal, threading; threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()"
)


@pytest.fixture(scope="module")
def data(project):
    folder = project / "data"
    folder.mkdir()
    for name in FILES:
        (folder / name).write_text("x")
    return folder


@pytest.fixture(scope="module")
def gate(project):
    """A file for which the jobs wait."""
    return project.parent / "gate"


@pytest.fixture
def gated(notebook, data, gate):
    """The notebook, with a deployment whose jobs wait for the gate."""
    gate.unlink(missing_ok=True)
    notebook.run(GATED.format(gate=str(gate)))
    yield notebook
    gate.touch()


def test_a_kernel_that_dies_in_the_middle_of_a_job_loses_nothing(data, project, gate):
    gate.unlink(missing_ok=True)
    first = Notebook(project)
    with first:
        first.run("%load_ext batchmagic")
        first.run(GATED.format(gate=str(gate)))
        first.run("job = %batch invoke slow --input ./data --job-name survivor")
        until(lambda: first.value("str(job.status)") == "Running", of="a running job")
        os.kill(first.pid, signal.SIGKILL)
    gate.touch()
    with Notebook(project) as second:
        second.run("%load_ext batchmagic")
        assert "survivor" in second.run("%batch").value
        waited = second.run("job = %batch job wait last")
        assert waited.printed.startswith("last: survivor, the newest job of this workspace\n")
        assert waited.bundles(JOB)[-1]["status"] == "Completed"
        assert second.value("job.result().result.tolist()") == FILES
        # What changes a job is never the newest one by chance.
        refused = second.stop("%batch job delete last").complaint
        assert refused.startswith("UsageError: `last` is the last job of this session")
        assert "survivor" in refused


@pytest.mark.parametrize("waits", ["%batch job wait last", "job.result()", "await job"])
def test_an_interrupted_wait_leaves_the_job_running_and_says_so(gated, gate, waits):
    gated.run("job = %batch invoke slow --input ./data")
    shown = gated.stop(f"{PRESS_STOP}\n{waits}")
    says = re.fullmatch(
        r"Stopped waiting; job (\S+) goes on\.\n"
        r"  %batch job stream (\S+) +follow it again\n"
        r"  %batch job cancel (\S+) +end it\n",
        shown.printed,
    )
    assert says is not None, shown.printed
    name, *typed = says.groups()
    assert name == gated.value("job.name")
    assert all(name.startswith(word) for word in typed)
    if waits != "await job":
        assert shown.error == ["KeyboardInterrupt"]
    assert gated.value("job.status.is_terminal") is False
    gated.run(f"again = %batch job show {typed[0]}")
    assert gated.value("again == job") is True
    gate.touch()
    assert gated.value("job.result().result.tolist()") == FILES


def test_awaiting_a_job_lets_other_tasks_run(gated, gate):
    gated.run("import asyncio, pathlib\njob = %batch invoke slow --input ./data")
    gated.run(
        f"async def open_gate():\n    await asyncio.sleep(0.1)\n    pathlib.Path({str(gate)!r}).touch()\n"
        "both = await asyncio.gather(job, open_gate())"
    )
    assert gated.value("[str(both[0].status), both[0] is job]") == ["Completed", True]


def test_two_notebooks_work_in_one_workspace_at_once(gated, data, project, gate):
    with Notebook(project) as other:
        other.run("%load_ext batchmagic")
        gated.run("mine = %batch invoke slow --input ./data")
        other.run("theirs = %batch invoke slow --input ./data")
        names = {gated.value("mine.name"), other.value("theirs.name")}
        assert len(names) == 2
        for notebook in (gated, other):
            shown = notebook.run("%batch job list slow").bundles(
                "application/vnd.batchmagic.job-list.v1+json"
            )
            assert names <= {item["name"] for item in shown[0]["items"]}
        # `last` is each one's own.
        for notebook, job in ((gated, "mine"), (other, "theirs")):
            notebook.run("last = %batch job show last")
            assert notebook.value(f"last == {job}") is True
        gate.touch()
        assert gated.value("mine.result().result.tolist()") == FILES
        assert other.value("theirs.result().result.tolist()") == FILES
        # One cancels what the other has started, by name.
        gate.unlink()
        gated.run("mine = %batch invoke slow --input ./data")
        other.run(f"%batch job cancel {gated.value('mine.name')}")
        assert gated.value("str(mine.wait().status)") == "Canceled"
        assert "was canceled" in gated.stop("mine.result()").error[0]
