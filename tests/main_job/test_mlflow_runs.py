"""Each job is a run in MLflow, and what its script logs lands in it."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from main_job_support import ENDPOINT, GATED, PLAIN, Lab, is_gone, until
from mlflow_support import PATIENT, SWITCH, Runs, log_of, points, tracked_lab, trackers

from batchmagic.sdk.stream import summary

if TYPE_CHECKING:
    from collections.abc import Iterator

# MLflow's own use of SQLAlchemy.
pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")

# Every process logs under the same names.
LOGGING = """
import mlflow, os, pathlib, time

MARKS = pathlib.Path({marks!r})

def init():
    mlflow.log_param("framework", "none")
    mlflow.log_param("process", os.getpid())

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    number = int(name[:3])
    mlflow.log_metric("number", number, step=number)
    mlflow.log_metric("nested/number of", number)
    with open(MARKS / "run", "a") as file:
        file.write(f"{{name}} {{os.getpid()}}\\n")
    while not (MARKS / "open").exists():
        time.sleep(0.01)
    mlflow.log_text("the same", "notes/same.txt")
    mlflow.log_text(str(os.getpid()), "notes/own.txt")
    mlflow.set_tag("colour", "green")
    return [name]
"""

# Fails as long as the test says so.
MOODY = """
import mlflow, os, pathlib

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    mlflow.log_metric("asked", 1)
    if (MARKS / "fail").exists():
        raise ValueError("not today")
    return [os.path.basename(mini_batch[0])]
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store')}/mlflow.db"


@pytest.fixture(scope="module")
def lab(module_workspace, store) -> Iterator[Lab]:
    with tracked_lab(module_workspace, store) as found:
        yield found


@pytest.fixture(scope="module")
def runs(lab, store) -> Runs:
    return Runs(lab, store)


def test_a_job_is_a_run_with_parameters_metrics_logs_and_predictions(lab, runs):
    lab.deploy("plain", PLAIN, mini_batch_size=2, environment_variables={"SPICE": "cinnamon"})
    record = lab.run("plain", 10)
    lab.assert_sound(record, files=10)
    run = runs.ended(record.name)
    assert (run.info.status, run.info.run_name) == ("FINISHED", record.name)
    assert [found.info.run_id for found in runs.all()] == [run.info.run_id]
    params = run.data.params
    assert (params["mini_batch_size"], params["max_retries"], params["compute"]) == ("2", "3", "quick")
    assert params["input"] == record.spec.input_reference
    assert "cinnamon" not in str(run.to_dictionary())
    tags = run.data.tags
    assert (tags["batchmagic.job"], tags["batchmagic.deployment"]) == (record.name, "plain")
    assert tags["mlflow.source.name"] == "batch/plain"
    done = {"mini_batches_completed": 5, "mini_batches_failed": 0, "files_failed": 0, "rows": 10}
    assert points(run.data.metrics) == done
    assert {value for value, _ in runs.history(record.name, "rows")} >= {0, 10}
    assert runs.artifacts(record.name) >= {"logs/user/job_result.txt", "outputs/score/predictions.csv"}
    read = runs.client.download_artifacts(run.info.run_id, "outputs/score/predictions.csv")
    assert Path(read).read_bytes() == lab.output(record.name)
    properties = lab.client.jobs.get(record.name).properties
    assert properties["mlflow.run_id"] == run.info.run_id
    assert f"MLflow run: {ENDPOINT} / {run.info.run_id}" in summary(lab.client.session, lab.job(record.name))


def test_with_mlflow_imported_the_run_is_there_when_the_job_is_completed(lab, runs):
    lab.deploy("soon", PLAIN)
    runs.ended(lab.run("soon", 3).name)
    (tracker,) = trackers(lab)
    for experiment in ("soon", "soon again"):
        job = lab.client.batch_endpoints.invoke(
            ENDPOINT, deployment_name="soon", input=str(lab.data(3)), experiment_name=experiment
        )
        record = lab.ended(job.name)
        (run,) = runs.all(experiment)
        assert run.info.status == "FINISHED"
        assert runs.artifacts(record.name) >= {"logs/user/job_result.txt", "outputs/score/predictions.csv"}
        last = lab.log(record.name, "user/job_progress_overview.txt").splitlines()[-1]
        assert last.endswith(f"MLflow run: {experiment} / {run.info.run_id}")
    assert trackers(lab) == [tracker]


def test_what_two_processes_log_lands_in_the_run_while_it_runs(lab, runs):
    gate = lab.gate()
    lab.deploy("logging", gate.script(LOGGING), mini_batch_size=1)
    name = lab.invoke("logging", 6)
    calls = gate.wait_calls(2)
    assert len({pid for _, pid in calls}) == 2
    until(lambda: len(runs.history(name, "number")) == 2, PATIENT, of="metrics of a running job")
    gate.open()
    record = lab.ended(name)
    lab.assert_sound(record, files=6)
    run = runs.ended(name)
    assert runs.history(name, "number") == [(number, number) for number in range(6)]
    assert [value for value, _ in runs.history(name, "nested/number of")] == list(range(6))
    pids = {str(pid) for _, pid in calls}
    assert run.data.params["framework"] == "none"
    assert run.data.params["process"] in pids
    (other,) = pids - {run.data.params["process"]}
    until(lambda: f"it was {other!r} there" in log_of(lab, name), of="a line about the other value")
    assert run.data.tags["colour"] == "green"
    logged = {path for path in runs.artifacts(name) if "notes" in path}
    assert {"notes/same.txt", "notes/own.txt"} < logged
    assert len(logged) == 3
    until(lambda: not (lab.root / "jobs" / name / "mlflow").exists(), of="the end of what was shipped")


def test_a_job_that_failed_and_was_resumed_is_one_run(lab, runs):
    gate = lab.gate()
    (gate.folder / "fail").touch()
    lab.deploy("moody", gate.script(MOODY), mini_batch_size=1, max_retries=0)
    record = lab.run("moody", 4, error_threshold=1)
    assert record.status == "Failed"
    first = runs.ended(record.name)
    assert first.info.status == "FAILED"
    assert first.data.metrics["files_failed"] == record.progress.files_failed
    asked = len(runs.history(record.name, "asked"))
    assert "logs/user/job_error.txt" in runs.artifacts(record.name)

    (gate.folder / "fail").unlink()
    lab.client.jobs.resume(record.name, redo_failed=True, params_override={"error_threshold": 3})
    lab.assert_sound(lab.ended(record.name), files=4)
    until(lambda: runs.of(record.name).info.status == "FINISHED", PATIENT)
    last = runs.of(record.name)
    assert last.info.run_id == first.info.run_id
    assert last.data.params["error_threshold"] == "1"
    assert last.data.tags["batchmagic.run_2.error_threshold"] == "3"
    assert last.data.metrics["files_failed"] == 0
    assert len(runs.history(record.name, "asked")) > asked
    assert "outputs/score/predictions.csv" in runs.artifacts(record.name)


def test_a_canceled_job_is_a_killed_run_and_one_that_is_deleted_in_mlflow_is_made_anew(lab, runs):
    gate = lab.gate()
    lab.deploy("gated", gate.script(GATED), mini_batch_size=1)
    name = lab.invoke("gated", 4)
    gate.wait_calls(2)
    lab.client.jobs.begin_cancel(name)
    assert lab.ended(name).status == "Canceled"
    killed = runs.ended(name)
    assert killed.info.status == "KILLED"

    runs.client.delete_run(killed.info.run_id)
    gate.open()
    lab.client.jobs.resume(name)
    lab.assert_sound(lab.ended(name), files=4)
    until(lambda: runs.known(name) != killed.info.run_id, PATIENT, of="another run")
    assert runs.ended(name).info.status == "FINISHED"


@pytest.mark.slow
def test_a_tracker_that_is_killed_is_replaced(lab, runs):
    gate = lab.gate()
    lab.deploy("killed", gate.script(LOGGING), mini_batch_size=1)
    name = lab.invoke("killed", 4)
    gate.wait_calls(2)
    until(lambda: len(runs.history(name, "number")) == 2, PATIENT)
    before = runs.known(name)
    (tracker,) = trackers(lab)
    tracker.kill()
    gate.open()
    lab.assert_sound(lab.ended(name), files=4)
    run = runs.ended(name)
    assert run.info.run_id == before
    assert run.info.status == "FINISHED"
    assert runs.history(name, "number") == [(number, number) for number in range(4)]
    assert len(trackers(lab)) == 1


@pytest.mark.slow
def test_the_next_host_goes_on_in_the_run_of_one_that_was_killed(lab, runs):
    gate = lab.gate()
    lab.deploy("orphan", gate.script(LOGGING), mini_batch_size=1)
    name = lab.invoke("orphan", 4)
    gate.wait_calls(2)
    until(lambda: len(runs.history(name, "number")) == 2, PATIENT)
    before, (tracker,) = runs.known(name), trackers(lab)
    os.kill(lab.host().pid, signal.SIGKILL)
    until(lambda: is_gone(tracker.pid), 10, of="the end of the tracker with its host")
    gate.open()
    lab.assert_sound(lab.ended(name), files=4)
    run = runs.ended(name)
    assert run.info.run_id == before
    assert run.info.status == "FINISHED"
    assert {value for value, _ in runs.history(name, "number")} == set(range(4))
    assert "notes/own.txt" in runs.artifacts(name)
    until(lambda: not (lab.root / "jobs" / name / "mlflow").exists(), of="the end of what was shipped")


def test_without_runs_scripts_log_all_the_same(lab, runs, monkeypatch):
    monkeypatch.setenv(SWITCH, "off")
    gate = lab.gate()
    gate.open()
    lab.deploy("untracked", gate.script(LOGGING), mini_batch_size=1)
    before = len(runs.all())
    record = lab.run("untracked", 3)
    lab.assert_sound(record, files=3)
    assert record.spec.mlflow_store is None
    assert "MLflow" not in log_of(lab, record.name)
    assert len(runs.all()) == before
    assert not list((lab.root / "jobs" / record.name).rglob("mlflow"))


def test_an_output_that_is_large_is_named_only(lab, runs):
    script = "def run(mini_batch):\n    return ['x' * 6_000_000 for _ in mini_batch]\n"
    lab.deploy("large", script)
    record = lab.run("large", 2)
    run = runs.ended(record.name)
    assert "outputs/score/predictions.csv" not in runs.artifacts(record.name)
    assert run.data.tags["batchmagic.output"].endswith(f"{record.name}/outputs/score/predictions.csv")


def test_a_tracker_that_is_stopped_holds_up_no_job(lab, runs):
    lab.deploy("stopped", PLAIN, mini_batch_size=1)
    runs.ended(lab.run("stopped", 2).name)
    (tracker,) = trackers(lab)
    tracker.suspend()
    try:
        record = lab.run("stopped", 20)
        lab.assert_sound(record, files=20)
        said = log_of(lab, record.name)
        assert (
            "left out so far: parameters, metrics, logs and output (no answer yet). It is tried for 60 s more"
            in said
        )
    finally:
        tracker.resume()
    assert runs.ended(record.name).info.status == "FINISHED"
    until(lambda: "written now, after the job's end" in log_of(lab, record.name), of="a line about it")
