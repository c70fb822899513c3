"""A workspace that is moved, copied or removed: it works where it is then, and nothing is begun anew where it was."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from main_job_support import COMPUTE, ENDPOINT, PLAIN, Lab, is_gone, until
from oracle import examine

from batchmagic import MLClient
from batchmagic.errors import InputError, InterpreterMissing, StateError, WorkspaceMoved
from batchmagic.workspace.launch import ensure_host

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

# Dask tells of connections that end in its own words, which are no finding.
OUR_TRACEBACK = re.compile(r'File ".*/batchmagic/')

# Fails where the test has left a file; so a job that was not done can be made, and done later.
MOODY = """
import os

MOOD = {mood!r}

def run(mini_batch):
    if os.path.exists(MOOD) and os.path.basename(mini_batch[0]) >= "003":
        raise RuntimeError("in a mood")
    assert all(os.path.exists(path) for path in mini_batch)
    return [os.path.basename(path) for path in mini_batch]
"""


class Elsewhere(Lab):
    """The same workspace, or a copy of it, seen from where it is now."""

    def __init__(self, lab: Lab, root: Path) -> None:
        self.place = type(lab.place)(root)
        self.root = root
        self.folder = lab.folder
        self.client = MLClient(root)
        self.client.session.tell = lambda line: None
        self._count = 100

    def look(self) -> None:
        """Look at the jobs as any front end does, which sees to it that they have their hosts."""
        self.client.jobs.list()


@pytest.fixture
def elsewhere(new_lab) -> Iterator[Elsewhere]:
    """Give the place that the workspace is moved or copied to; its hosts are ended afterwards."""
    # Not a name that the old one is the beginning of: tests look for processes by it.
    target = new_lab.folder / "there" / ".batchmagic"
    target.parent.mkdir()
    found = Elsewhere(new_lab, target)
    yield found
    found.close()
    assert not found.place.end()


def rest(lab: Lab) -> None:
    """End the hosts, as a night does; the workspace lies still then."""
    lab.close()
    assert not lab.place.end()


def all_of(files: int) -> bytes:
    return "".join(f"{n:03d}.csv\n" for n in range(files)).encode()


def column(files: int) -> bytes:
    return b"result\n" + all_of(files)


@pytest.mark.slow
def test_a_workspace_at_rest_works_where_it_is_moved_to(new_lab, elsewhere, tally):
    lab = new_lab
    mood = lab.folder / "mood"
    mood.touch()
    data = lab.data(6)
    lab.deploy("plain", PLAIN, mini_batch_size=2)
    lab.deploy("moody", MOODY.format(mood=str(mood)), mini_batch_size=1, max_retries=0, error_threshold=1)
    done = lab.run("plain", data)
    # Its input lies in the workspace: it is what another job has made.
    inner = lab.client.batch_endpoints.invoke(
        ENDPOINT, deployment_name="plain", input=f"azureml://jobs/{done.name}/outputs/score"
    )
    inner = lab.ended(inner.name)
    store = lab.root / "datastores" / "workspaceblobstore" / "in"
    shutil.copytree(data, store)
    failed = lab.client.batch_endpoints.invoke(
        ENDPOINT, deployment_name="moody", input="azureml://datastores/workspaceblobstore/paths/in"
    )
    failed = lab.ended(failed.name)
    assert [str(r.status) for r in (done, inner, failed)] == ["Completed", "Completed", "Failed"]
    assert lab.job(inner.name).spec.input_path == f"jobs/{done.name}/outputs/score"
    output = lab.output(done.name)
    rest(lab)
    lab.root.rename(elsewhere.root)
    mood.unlink()

    jobs = elsewhere.client.jobs
    assert {job.name for job in jobs.list()} == {done.name, inner.name, failed.name}
    assert jobs.get(done.name).status == "Completed"
    assert elsewhere.output(done.name) == output
    assert len(jobs.result(done.name)) == 6
    jobs.resume(failed.name, redo_failed=True)
    elsewhere.ended(failed.name)
    found = examine(elsewhere, failed.name, lab_expected(elsewhere, failed.name, 6))
    tally.trial(**found.counts())
    assert found.ok, found
    again = elsewhere.client.batch_endpoints.invoke(
        ENDPOINT, deployment_name="plain", input=f"azureml://jobs/{done.name}/outputs/score"
    )
    assert elsewhere.ended(again.name).status == "Completed"
    assert elsewhere.output(again.name) == elsewhere.output(inner.name)
    assert not lab.root.exists()


def lab_expected(lab: Lab, name: str, files: int) -> bytes:
    """Return the rows of all files, with a header where the form has one."""
    return column(files) if lab.job(name).spec.settings.effective_format() == "csv" else all_of(files)


def test_a_job_whose_workspace_is_moved_under_it_goes_on_there(new_lab, elsewhere, tally):
    lab = new_lab
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    name = lab.invoke("gated", 8)
    gate.wait_calls(2)
    gate.open("000.csv", "001.csv")
    until(lambda: lab.job(name).progress.completed == 2, of="two committed mini-batches")
    gate.wait_calls(4)
    host, below, supervisor = lab.host(), lab.below_host(), lab.supervisor()

    lab.root.rename(elsewhere.root)
    gone = [host.pid, supervisor, *(p.pid for p in below)]
    until(lambda: all(is_gone(pid) for pid in gone), 40, of="the end of the old host and all below it")
    assert not lab.root.exists(), sorted(lab.root.rglob("*"))
    assert elsewhere.status(name) == "Running"
    assert elsewhere.holder() is None
    log = (elsewhere.root / "compute" / COMPUTE / "host.log").read_text()
    assert "moved, removed or replaced" in log
    assert not OUR_TRACEBACK.search(log), log

    before = len(gate.calls())
    gate.open()
    elsewhere.look()
    job = elsewhere.ended(name)
    found = examine(elsewhere, name, lab_expected(elsewhere, name, 8), user_failures=0)
    tally.trial(kills=1, **found.counts())
    assert found.ok, found
    assert (job.progress.failed, job.run) == (0, 1)
    # What was committed is not done again; what was under way is.
    assert {first for first, _ in gate.calls()[before:]}.isdisjoint({"000.csv", "001.csv"})
    assert not lab.root.exists()


@pytest.mark.slow
def test_a_script_that_fails_because_of_the_move_costs_no_file(new_lab, elsewhere):
    """Scores files that were moved too: they are gone within a moment, while the host does not know yet."""
    lab = new_lab
    gate = lab.gate()
    project = lab.folder / "project"
    project.mkdir()
    data = project / "data"
    lab.data(8).rename(data)
    reads = gate.script().replace("return [", "return [open(path).close() or ")
    lab.deploy("reads", reads, mini_batch_size=1, max_retries=0)
    name = lab.invoke("reads", data)
    gate.wait_calls(2)
    gone = [lab.host().pid, lab.supervisor()]
    lab.root.rename(elsewhere.root)
    project.rename(lab.folder / "project2")
    gate.open()
    until(lambda: all(is_gone(pid) for pid in gone), 40, of="the end of the old host")
    assert (elsewhere.status(name), elsewhere.job(name).progress.files_failed) == ("Running", 0)

    # The next host finds the input gone as a whole and says so, where else every file would fail.
    elsewhere.look()
    job = elsewhere.ended(name)
    assert str(job.status) == "Failed"
    assert job.progress.files_failed == 0
    assert f"The input {str(data)!r} of job {name} is not there any more." in job.error["message"]
    with pytest.raises(InputError, match=r"is not there any more.*ln -s"):
        elsewhere.client.jobs.resume(name)
    project.symlink_to(lab.folder / "project2")
    elsewhere.client.jobs.resume(name)
    assert str(elsewhere.ended(name).status) == "Completed"
    assert elsewhere.output(name) == lab_expected(elsewhere, name, 8)


@pytest.mark.slow
def test_what_else_lies_outside_is_named_before_a_resume(new_lab, elsewhere):
    lab = new_lab
    mood = lab.folder / "mood"
    mood.touch()
    project = lab.folder / "project"
    project.mkdir()
    python = project / "python"
    python.symlink_to(sys.executable)
    lab.deploy("moody", MOODY.format(mood=str(mood)), mini_batch_size=1, max_retries=0, error_threshold=1)
    job = lab.client.batch_endpoints.invoke(
        ENDPOINT, deployment_name="moody", input=str(lab.data(5)), outputs={"score": str(project / "scores")}
    )
    assert str(lab.ended(job.name).status) == "Failed"
    rest(lab)
    lab.root.rename(elsewhere.root)
    project.rename(lab.folder / "project2")
    mood.unlink()
    with pytest.raises(StateError, match=r"project' of the output of job .* mkdir -p"):
        elsewhere.client.jobs.resume(job.name, redo_failed=True)
    assert not project.exists()
    (lab.folder / "project2").rename(project)
    elsewhere.client.jobs.resume(job.name, redo_failed=True)
    assert str(elsewhere.ended(job.name).status) == "Completed"
    assert len((project / "scores" / "predictions.csv").read_text().splitlines()) >= 5


@pytest.mark.slow
def test_an_interpreter_that_went_with_the_move_is_named(new_lab, elsewhere, monkeypatch):
    lab = new_lab
    mood = lab.folder / "mood"
    mood.touch()
    venv = lab.folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    with monkeypatch.context() as patch:
        patch.setattr(sys, "executable", str(venv / "bin" / "python"))
        lab.deploy("moody", MOODY.format(mood=str(mood)), mini_batch_size=1, max_retries=0, error_threshold=0)
    failed = lab.run("moody", 5)
    assert str(failed.status) == "Failed"
    rest(lab)
    lab.root.rename(elsewhere.root)
    venv.rename(lab.folder / "venv2")
    with pytest.raises(InterpreterMissing, match=r"venv/bin/python.*--deployment-version latest"):
        elsewhere.client.jobs.resume(failed.name, redo_failed=True)


def test_an_open_notebook_is_told_and_makes_nothing_in_the_old_place(new_lab, elsewhere):
    lab = new_lab
    lab.deploy("plain", PLAIN)
    assert not lab.place.end()
    ws = lab.client.session.read()
    data = lab.data(2)
    lab.root.rename(elsewhere.root)
    for act in (
        lab.client.jobs.list,
        lambda: lab.deploy("plain", PLAIN),
        lambda: lab.invoke("plain", data),
        lambda: ensure_host(ws, COMPUTE),
        lambda: ws.compute_dir(COMPUTE),
        lambda: ws.secrets.put("some", {"key": "value"}),
    ):
        with pytest.raises(WorkspaceMoved, match="Open the workspace where it is now"):
            act()
    assert not lab.root.exists()
    # Also when somebody else's is there by now.
    shutil.copytree(elsewhere.root, lab.root)
    with pytest.raises(WorkspaceMoved):
        lab.invoke("plain", data)
    lab.client.session.close()
    assert lab.run("plain", data).status == "Completed"


@pytest.mark.slow
def test_a_copy_gets_a_host_of_its_own_beside_that_of_the_original(new_lab, elsewhere, tally):
    lab = new_lab
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    name = lab.invoke("gated", 6)
    gate.wait_calls(2)
    until(lambda: lab.status(name) == "Running", of="the job's start")
    host, supervisor = lab.host(), psutil.Process(lab.supervisor())
    # Nothing may change while it is copied file by file, which is no way to copy a workspace that is in use.
    for process in (supervisor, host):
        process.suspend()
    shutil.copytree(lab.root, elsewhere.root, symlinks=True)
    elsewhere.root.chmod(0o700)
    for process in (host, supervisor):
        process.resume()

    assert lab.holder().identity.pid == host.pid
    assert elsewhere.holder() is None
    until(lambda: elsewhere.look() or elsewhere.holder(), of="the copy's own host")
    assert elsewhere.host().pid != host.pid
    assert lab.holder().identity.pid == host.pid
    gate.open()
    expected = lab_expected(lab, name, 6)
    for place in (lab, elsewhere):
        place.ended(name)
        found = examine(place, name, expected)
        tally.trial(**found.counts())
        assert found.ok, found
    # The original's host has had its job to the end, and was never replaced.
    assert {event.epoch for event in lab.client.session.read().jobs.events(name)} - {None} == {1}


def test_a_host_whose_workspace_is_removed_ends(new_lab):
    lab = new_lab
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    lab.invoke("gated", 6)
    gate.wait_calls(2)
    gone = [lab.host().pid, lab.supervisor(), *(p.pid for p in lab.below_host())]
    lab.close()
    lab.root.rename(lab.folder / "trash")
    shutil.rmtree(lab.folder / "trash", ignore_errors=True)
    until(lambda: all(is_gone(pid) for pid in gone), 40, of="the end of all processes")
    assert not lab.root.exists()


def test_a_host_that_is_killed_after_the_move_is_not_started_in_the_old_place(new_lab, elsewhere):
    lab = new_lab
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    lab.invoke("gated", 6)
    gate.wait_calls(2)
    host, supervisor = lab.host(), lab.supervisor()
    host.suspend()  # so that it cannot notice
    lab.root.rename(elsewhere.root)
    host.kill()
    until(lambda: is_gone(supervisor), 40, of="the end of the supervisor")
    assert not lab.root.exists()
    until(lambda: not elsewhere.place.processes(), 40, of="the end of all below them")
    # It left because it saw that, and not because its log was gone.
    assert not OUR_TRACEBACK.search((elsewhere.root / "compute" / COMPUTE / "host.log").read_text())
