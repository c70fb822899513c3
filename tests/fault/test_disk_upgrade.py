"""The package is replaced, removed or brought forward under a running host."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from main_job_support import COMPUTE, is_gone, until
from oracle import examine

import batchmagic
from batchmagic.workspace.migrations import MIGRATIONS

pytestmark = pytest.mark.timeout(300)  # a busy machine is no finding

# Every third file fails, so that the words for errors are needed too.
SCRIPT = """
import os, pathlib, time
import pandas as pd

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    first = os.path.basename(mini_batch[0])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{first}} {{os.getpid()}}\\n")
    while not ((MARKS / "open").exists() or (MARKS / f"open-{{first}}").exists()):
        time.sleep(0.01)
    if int(first[:3]) % 3 == 2:
        raise ValueError(first)
    return pd.DataFrame({{"file": [first]}})
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the package, which hosts that are started now run."""
    root = tmp_path / "installed"
    here = Path(batchmagic.__file__).parent
    shutil.copytree(here, root / "batchmagic", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setenv("PYTHONPATH", str(root))
    return root / "batchmagic"


def ruin(package):
    """Put a file that cannot be imported in the place of every module, as an upgrade that has only begun does."""
    for cache in package.rglob("__pycache__"):
        shutil.rmtree(cache)
    for path in package.rglob("*.py"):
        path.unlink()
        path.write_text('raise ImportError("this package is being replaced")\n')


def begun(lab, gate, **settings):
    """Return a job of 12 mini-batches of which the first two are done and two more wait in run()."""
    lab.deploy("script", gate.script(SCRIPT), mini_batch_size=1, max_retries=1, **settings)
    gate.open("000.csv", "001.csv")
    name = lab.invoke("script", 12)
    until(lambda: lab.job(name).progress.completed == 2, of="two commits")
    gate.wait_calls(4)
    return name


@pytest.mark.slow
def test_a_job_goes_on_when_the_package_under_it_is_gone(new_lab, package, tally):
    """Also workers and templates that start later, the error's words, the assembly and its format need none of it."""
    lab = new_lab
    gate = lab.gate()
    name = begun(lab, gate, output_file_name="predictions.parquet")
    host = lab.host()
    assert str(package.parent) in host.environ()["PYTHONPATH"]
    ruin(package)
    (template,) = lab.templates()
    template.kill()
    gate.wait_calls(6)
    (worker,) = lab.workers()
    worker.kill()
    gate.wait_calls(8)
    gate.open()
    job = lab.ended(name)
    assert job.status == "Completed", job.status_detail
    assert lab.host().pid == host.pid
    output = lab.root / "jobs" / name / "outputs" / "score" / "predictions.parquet"
    rows = pq.read_table(output).column("file").to_pylist()
    assert rows == [f"{n:03d}.csv" for n in range(12) if n % 3 != 2]
    assert (job.progress.completed, job.progress.failed) == (8, 4)
    assert "ValueError" in lab.log(name, "user/job_error.txt")
    tally.trial(kills=2)


def test_instances_with_other_packages_than_their_host_end_it_and_the_next_host_goes_on(new_lab, tally):
    lab = new_lab
    gate = lab.gate()
    name = begun(lab, gate)
    host, epoch = lab.host(), lab.holder().epoch
    copy = lab.root / "compute" / COMPUTE / "scratch" / "package" / "batchmagic" / "__init__.py"
    text = copy.read_text()
    copy.unlink()
    copy.write_text(text.replace(batchmagic.__version__, "9.9.9"))
    (worker,) = lab.workers()
    worker.kill()
    until(lambda: is_gone(host.pid), of="the end of the old host")
    until(lambda: (holder := lab.holder()) and holder.epoch > epoch, of="the next host")
    gate.open()
    rows = [f"{n:03d}.csv" for n in range(12) if n % 3 != 2]
    job = lab.ended(name)
    assert [line.strip('"') for line in lab.lines(name) if line.endswith(".csv")] == rows
    assert job.run == 1
    found = examine(lab, name, lab.output(name), user_failures=None)
    tally.trial(kills=1, **found.counts())
    assert found.ok, found
    log = (lab.root / "compute" / COMPUTE / "host.log").read_text()
    assert f"batchmagic 9.9.9 and not {batchmagic.__version__}" in log
    assert "packages that are installed now" in log


@pytest.mark.nightly
def test_a_schema_that_is_brought_forward_under_a_host_ends_it_and_loses_nothing(new_lab, tally):
    """What a newer front end does; the host that runs now must not write there any more, and says why."""
    lab = new_lab
    gate = lab.gate()
    name = begun(lab, gate)
    host, supervisor = lab.host(), lab.supervisor()
    newest = max(number for number, _ in MIGRATIONS)

    def schema(number):
        with closing(sqlite3.connect(lab.root / "workspace.db", timeout=30)) as connection:
            connection.execute(f"PRAGMA user_version = {number}")
            connection.execute("PRAGMA wal_checkpoint").fetchall()

    schema(newest + 1)
    until(lambda: is_gone(host.pid), of="the end of the old host")
    # The package is still the old one here, so the hosts that come after it leave as well.
    until(lambda: is_gone(supervisor), of="the end of the supervisor")
    log = (lab.root / "compute" / COMPUTE / "host.log").read_text()
    assert f"schema {newest + 1}; this batchmagic writes schemas up to {newest}" in log
    assert "Traceback" not in log
    schema(newest)
    gate.open()
    lab.client.jobs.get(name)
    job = lab.ended(name)
    assert (str(job.status), job.run) == ("Completed", 1)
    found = examine(lab, name, lab.output(name))
    tally.trial(**found.counts())
    assert found.ok, found
