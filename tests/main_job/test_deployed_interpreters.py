"""Which Python scores, with which packages and which variables: those of the deployment, not of the host."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import subprocess
import sys
import sysconfig
from pathlib import Path

import psutil
import pytest
from main_job_support import ENDPOINT, LEAK, PLAIN

import batchmagic
from batchmagic.errors import InterpreterMissing, JobException

WHERE = """
import os, sys

try:
    import marker
    found = marker.WORDS
except ImportError:
    found = "no marker"

def run(mini_batch):
    others = [name for name in ("pydantic", "sqlalchemy", "dask") if name in sys.modules]
    return [f"{found} {sys.prefix} {others}"]
"""

# The front end's own search path, which a scoring process does not get: it has no such variable.
PTH = "import os, sys; sys.path.extend(filter(None, os.environ.get('FRONT_END', '').split(':')))\n"

DEPLOY = """
import sys
from batchmagic import MLClient
from batchmagic.entities import BatchDeployment

MLClient(sys.argv[1]).batch_deployments.begin_create_or_update(BatchDeployment(
    name=sys.argv[2], endpoint_name=sys.argv[3], code_path=sys.argv[4], scoring_script="score.py",
    compute=sys.argv[5], max_concurrency_per_instance=1,
)).result()
"""

DIGEST = """
import hashlib, os

def digest(name):
    return hashlib.sha256(os.environ.get(name, "unset").encode()).hexdigest()

def init():
    raise_in_init = os.environ.get("FAIL")
    if raise_in_init:
        raise RuntimeError("as asked")

def run(mini_batch):
    return [digest(name) for name in ("DEPLOYED", "INVOKED", "BOTH", {leak!r})]
"""
SECRETS = {"DEPLOYED": "s3cret-of-the-deployment", "INVOKED": "s3cret-of-the-job", "BOTH": "s3cret-that-wins"}


@pytest.fixture(scope="module")
def venv(lab):
    """Another Python environment with one package of its own; the front end finds batchmagic in it, nobody else."""
    folder = lab.new_folder("venv")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(folder)], check=True)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "marker.py").write_text("WORDS = 'marked'\n")
    (site / "front_end.pth").write_text(PTH)
    return folder


def deploy_with(lab, venv, name, compute="quick"):
    """Deploy from the other environment."""
    code = lab.new_folder("code")
    code.mkdir()
    (code / "score.py").write_text(WHERE)
    checkout = str(Path(batchmagic.__file__).parent.parent)
    paths = os.pathsep.join([checkout, sysconfig.get_path("purelib"), sysconfig.get_path("platlib")])
    command = [str(venv / "bin" / "python"), "-c", DEPLOY, str(lab.root), name, ENDPOINT, str(code), compute]
    subprocess.run(command, check=True, env={**os.environ, "FRONT_END": paths})


def test_a_deployment_scores_with_the_packages_it_was_made_with(lab, venv):
    lab.deploy("here", WHERE)
    here = lab.run("here", 1)
    assert lab.lines(here.name) == [f"no marker {sys.prefix} []"]
    host = lab.host()
    deploy_with(lab, venv, "there")
    there = lab.run("there", 1)
    assert lab.lines(there.name) == [f"marked {venv} []"]
    assert lab.host() == host
    assert host.cmdline()[0] == sys.executable
    assert f"scores with {venv / 'bin' / 'python'}" in lab.log(there.name, "user/job_progress_overview.txt")


def test_an_interpreter_that_vanishes_is_an_error_and_never_another_one(lab, venv):
    lab.compute("single", max_instances=1)
    gate = lab.gate()
    lab.deploy("slow", gate.script(), compute="single")
    deploy_with(lab, venv, "vanishing", compute="single")
    running = lab.invoke("slow", 1)
    gate.wait_calls(1)
    waiting = lab.invoke("vanishing", 1)
    python = venv / "bin" / "python"
    python.rename(python.with_name("away"))
    try:
        with pytest.raises(InterpreterMissing, match=str(python)):
            lab.invoke("vanishing", 1)
        gate.open()
        record = lab.ended(waiting)
        assert record.status == "Failed"
        assert str(python) in record.status_detail
        assert "does not exist any more" in lab.log(waiting, "user/job_result.txt")
        with pytest.raises(JobException, match="Deploy again"):
            lab.client.jobs.stream(waiting)
        assert lab.ended(running).status == "Completed"
    finally:
        python.with_name("away").rename(python)
    lab.client.jobs.resume(waiting)
    lab.ended(waiting)
    assert lab.lines(waiting) == [f"marked {venv} []"]


def test_variables_reach_the_script_and_nothing_else(lab):
    given = {"DEPLOYED": SECRETS["DEPLOYED"], "BOTH": "s3cret-that-loses"}
    lab.deploy("digest", DIGEST.format(leak=LEAK), environment_variables=given, mini_batch_size=1)
    at_invoke = {"INVOKED": SECRETS["INVOKED"], "BOTH": SECRETS["BOTH"]}
    record = lab.run("digest", 1, environment_variables=at_invoke)
    wanted = [*SECRETS.values(), "unset"]
    assert lab.lines(record.name) == [hashlib.sha256(value.encode()).hexdigest() for value in wanted]
    # A host has whatever its starter had; the script was not given it.
    assert lab.host().environ()[LEAK] == "seen"

    failed = lab.run("digest", 1, environment_variables={**at_invoke, "FAIL": "s3cret-failure"})
    assert failed.status == "Failed"
    found = occurrences(lab.root, b"s3cret")
    assert {path.parent.name for path in found} == {"secrets"}
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in found)
    # The values of a job go as soon as it cannot be resumed; those of the deployment stay with it.
    names = sorted(path.name for path in found)
    assert names == sorted([f"deployment.{ENDPOINT}.digest.1.json", f"{failed.name}.json"])
    stored = json.loads(next(p for p in found if p.name.startswith("deployment")).read_text())
    assert stored == given
    for process in [lab.host(), *lab.workers()]:
        assert "s3cret" not in str(process.cmdline())


def occurrences(folder: Path, words: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and words in path.read_bytes()]


def test_scoring_processes_get_a_short_list_of_variables(lab):
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    name = lab.invoke("gated", 1)
    ((_, pid),) = gate.wait_calls(1)
    names = set(psutil.Process(pid).environ())
    gate.open()
    assert lab.ended(name).status == "Completed"
    assert {"PATH", "OMP_NUM_THREADS"} <= names
    names.discard("BATCHMAGIC_COMPUTE")  # by which the next host finds what nobody watches any more
    assert not {
        n for n in names if "BATCHMAGIC" in n or "DASK" in n or n in {"PYTHONPATH", "VIRTUAL_ENV", LEAK}
    }


def test_plain_scripts_still_score_after_all_that(lab):
    lab.deploy("plain", PLAIN)
    lab.assert_sound(lab.run("plain", 7), files=7)
