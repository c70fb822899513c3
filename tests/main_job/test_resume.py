"""A job that is resumed: what a new run does, what it refuses, and what it says."""

from __future__ import annotations

import os
import shutil
import threading
from pathlib import Path

import pytest
from main_job_support import ENDPOINT, until

from batchmagic import MLClient
from batchmagic.cli.main import main
from batchmagic.errors import OutputExists, StateError
from batchmagic.workspace.ledger import Ledger

# Fails for good where the test has put a mark, or once where it has put another; opens its file.
MOODY = """
import os, pathlib

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{name}} {{os.getpid()}}\\n")
    if (MARKS / f"once-{{name}}").exists():
        (MARKS / f"once-{{name}}").unlink()
        raise ValueError(f"not at once: {{name}}")
    if (MARKS / f"fail-{{name}}").exists():
        raise ValueError(f"not {{name}}")
    return [open(mini_batch[0]).read() and name]
"""

FRAMES = """
import os
import pandas as pd

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    if name == {fails!r}:
        raise ValueError(name)
    return pd.DataFrame({frame})
"""


@pytest.fixture
def moody(lab):
    """A deployment of the script above without retries, and its gate."""
    gate = lab.gate()
    name = lab.new_folder("moody").name
    lab.deploy(name, gate.script(MOODY), mini_batch_size=1, retry_settings={"max_retries": 0, "timeout": 60})
    return name, gate


def mark(gate, *names, kind="fail"):
    for name in names:
        (gate.folder / f"{kind}-{name}").touch()


def clear(gate):
    for path in gate.folder.glob("fail-*"):
        path.unlink()


def calls(gate, since=0):
    return [first for first, _ in gate.calls()[since:]]


def names(numbers):
    return [f"{n:03d}.csv" for n in numbers]


def say(lab, capfd, *words):
    """Run the command line here and return its code and what it complains of."""
    capfd.readouterr()
    code = main(["--workspace", str(lab.root), *words])
    return code, capfd.readouterr().err


def test_what_would_end_at_once_is_refused_with_the_way_out(lab, moody, capfd):
    name, gate = moody
    mark(gate, "000.csv")
    job = lab.run(name, 4, error_threshold=0).name
    assert lab.status(job) == "Failed"
    code, said = say(lab, capfd, "job", "resume", job)
    assert code == 2
    assert "1 file failed, more than error_threshold=0 allows" in said
    assert "--redo-failed" in said
    assert "--set error_threshold=N" in said
    assert lab.job(job).run == 1
    before = len(gate.calls())
    code, _ = say(lab, capfd, "job", "resume", job, "--set", "error_threshold=100", "--wait")
    record = lab.job(job)
    assert (code, record.status, record.run) == (0, "Completed", 2)
    assert "000.csv" not in calls(gate, before)
    assert (record.progress.files_failed, record.progress.rows, record.progress.retried) == (1, 3, 0)


def test_all_that_failed_is_not_tried_again_unasked(lab, moody):
    name, gate = moody
    mark(gate, *names(range(3)))
    job = lab.run(name, 3).name
    assert lab.status(job) == "Failed"
    with pytest.raises(StateError, match="all of its 3 files failed") as refused:
        lab.client.jobs.resume(job)
    assert "--redo-failed" in refused.value.hint
    clear(gate)
    lab.client.jobs.resume(job, redo_failed=True)
    lab.assert_sound(lab.ended(job), files=3)
    assert not (lab.root / "jobs" / job / "spool").exists()


def test_settings_of_the_new_run(lab, moody):
    name, gate = moody
    mark(gate, "001.csv")
    job = lab.run(name, 3).name
    assert (lab.status(job), lab.job(job).progress.files_failed) == ("Completed", 1)
    clear(gate)
    mark(gate, "001.csv", kind="once")
    changes = {"max_retries": 2, "timeout": 77, "instance_count": 2, "logging_level": "debug"}
    lab.client.jobs.resume(job, redo_failed=True, params_override=changes)
    record = lab.ended(job)
    lab.assert_sound(record, files=3)
    assert {key: getattr(record.spec.settings, key) for key in changes} == changes
    assert record.progress.retried == 1
    assert [row["Status"] for row in lab.attempts(job) if row["Mini-batch Id"] == "1"] == [
        "RUN_EXCEPTION",
        "RUN_EXCEPTION",
        "RUN_DONE",
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("mini_batch_size=3", "cannot change in a resume"),
        ("output_format=csv", "cannot change in a resume"),
        ("output_file_name=x.csv", "cannot change in a resume"),
        ("environment_variables.A=1", "cannot change in a resume"),
        ("instance_count=9", "is more than the 2 instances"),
        ("predict_per=mini_batch", "is for MLflow models without a scoring script"),
        ("timeout=never", "must be a whole number"),
        ("max_retry=2", "max_retries"),
        ("compute=other", "error_threshold, max_retries, timeout, instance_count"),
    ],
)
def test_settings_that_cannot_change(lab, ended, capfd, change, said):
    code, complaint = say(lab, capfd, "job", "resume", ended, "--redo-failed", "--set", change)
    assert code == 2
    assert said in complaint
    assert len(complaint.splitlines()) == 1
    assert lab.job(ended).run == 1


@pytest.fixture(scope="module")
def ended(lab):
    """A job that has completed, with one failed file."""
    gate = lab.gate()
    lab.deploy(
        "ended", gate.script(MOODY), mini_batch_size=1, retry_settings={"max_retries": 0, "timeout": 60}
    )
    mark(gate, "001.csv")
    record = lab.run("ended", 3)
    assert (record.status, record.progress.files_failed) == ("Completed", 1)
    return record.name


def test_a_job_that_has_not_ended(lab, capfd):
    gate = lab.gate()
    lab.deploy("open", gate.script(), mini_batch_size=1)
    job = lab.invoke("open", 3)
    gate.wait_calls(1)
    code, said = say(lab, capfd, "job", "resume", job)
    assert (code, said) == (2, f"error: Job {job} is Running; it goes on by itself.\n")
    gate.open()
    assert lab.ended(job).run == 1


def test_two_at_once(lab, moody):
    name, gate = moody
    mark(gate, "001.csv")
    job = lab.run(name, 3).name
    clear(gate)
    together, answers = threading.Barrier(2), []

    def resume():
        client = MLClient(lab.root)
        client.session.read()
        together.wait()
        try:
            answers.append(client.jobs.resume(job, redo_failed=True).run)
        except StateError as error:
            answers.append(str(error))
        client.session.close()

    threads = [threading.Thread(target=resume) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lab.assert_sound(lab.ended(job), files=3)
    (run,), (refused,) = ([a for a in answers if isinstance(a, kind)] for kind in (int, str))
    assert (run, lab.job(job).run) == (2, 2)
    assert "goes on by itself" in refused or "only an ended job" in refused or "somebody else" in refused


def test_another_version_says_so_and_adds_its_columns(lab):
    first = FRAMES.format(fails="001.csv", frame='{"name": [name], "n": [1]}')
    retry = {"max_retries": 0, "timeout": 60}
    lab.deploy("versions", first, mini_batch_size=1, retry_settings=retry)
    job = lab.run("versions", 3, output_format="csv").name
    second = FRAMES.format(fails="", frame='{"name": [name], "n": [0.5], "more": ["x"]}')
    lab.deploy("versions", second, mini_batch_size=1, retry_settings=retry)
    lab.client.jobs.resume(job, redo_failed=True, deployment_version="latest")
    record = lab.ended(job)
    assert (record.status, record.run, record.spec.deployment_version) == ("Completed", 2, 2)
    assert lab.lines(job) == [
        "name,n,file,more",
        "000.csv,1,000.csv,",
        "001.csv,0.5,001.csv,x",
        "002.csv,1,002.csv,",
    ]
    overview = lab.log(job, "user/job_progress_overview.txt")
    assert f"Run 1, version 1 of {ENDPOINT}/versions, scores with " in overview
    assert f"Run 2, version 2 of {ENDPOINT}/versions, scores with " in overview
    assert f"{ENDPOINT} / versions (version 2)" in lab.log(job, "user/job_result.txt")
    shown = lab.client.jobs.get(job)
    assert (shown.run, shown.deployment_version) == (2, 2)


def test_another_version_whose_columns_do_not_fit_fails_by_name(lab):
    retry = {"max_retries": 0, "timeout": 60}
    lab.deploy(
        "misfit",
        FRAMES.format(fails="001.csv", frame='{"n": ["text"]}'),
        mini_batch_size=1,
        retry_settings=retry,
    )
    job = lab.run("misfit", 3, output_format="csv").name
    lab.deploy(
        "misfit", FRAMES.format(fails="", frame='{"n": [b"\\x00"]}'), mini_batch_size=1, retry_settings=retry
    )
    lab.client.jobs.resume(job, redo_failed=True, deployment_version="2")
    record = lab.ended(job)
    assert (record.status, record.progress.files_failed) == ("Completed", 1)
    assert lab.lines(job) == ["n,file", "text,000.csv", "text,002.csv"]
    assert "column 'n' is text in some rows and binary in others" in lab.log(job, "failed_files.csv")


def test_the_earlier_output_stays_until_there_is_a_better_one(lab, moody):
    name, gate = moody
    mark(gate, "001.csv")
    job = lab.run(name, 3).name
    before = lab.output(job)
    with Blocked(gate, lab, job):
        assert lab.output(job) == before
        lab.client.jobs.begin_cancel(job).result()
    record = lab.job(job)
    assert (record.status, record.run) == ("Canceled", 2)
    assert lab.output(job) == before
    clear(gate)
    lab.client.jobs.resume(job)
    lab.assert_sound(lab.ended(job), files=3)


class Blocked:
    """A redo of failed files that waits: on a file that cannot be read before somebody writes it."""

    def __init__(self, gate, lab, job):
        self.gate, self.lab, self.job = gate, lab, job

    def __enter__(self):
        self.before = len(self.gate.calls())
        self.file = Path(self.lab.job(self.job).spec.input_path) / "001.csv"
        clear(self.gate)
        self.file.rename(f"{self.file}.away")
        os.mkfifo(self.file)
        self.lab.client.jobs.resume(self.job, redo_failed=True)
        self.gate.wait_calls(self.before + 1)

    def __exit__(self, *_):
        self.file.unlink()
        self.file.with_name("001.csv.away").rename(self.file)


def test_an_output_outside_that_is_somebody_else_s_by_now(lab, moody, capfd):
    name, gate = moody
    place = lab.new_folder("out")
    mark(gate, *names(range(3)))
    invoke = lab.client.batch_endpoints.invoke
    job = invoke(ENDPOINT, deployment_name=name, input=str(lab.data(3)), outputs={"score": f"{place}/"}).name
    assert lab.ended(job).status == "Failed"
    clear(gate)
    file = place / "predictions.csv"
    file.write_text("mine\n")
    code, said = say(lab, capfd, "job", "resume", job, "--redo-failed")
    assert code == 2
    assert str(file) in said
    assert "Move it away" in said
    assert file.read_text() == "mine\n"
    file.unlink()
    # The other way round: one that will be written by another job.
    gated = lab.gate()
    lab.deploy("slow", gated.script())
    rival = invoke(
        ENDPOINT, deployment_name="slow", input=str(lab.data(1)), outputs={"score": f"{place}/"}
    ).name
    with pytest.raises(OutputExists) as refused:
        lab.client.jobs.resume(job, redo_failed=True)
    assert rival in refused.value.hint
    lab.client.jobs.begin_cancel(rival).result()
    lab.client.jobs.resume(job, redo_failed=True)
    assert lab.ended(job).status == "Completed"
    assert file.read_text().splitlines() == names(range(3))
    assert [path.name for path in place.iterdir()] == ["predictions.csv"]
    gated.open()


def test_code_that_was_removed_from_the_workspace(lab, moody, capfd):
    name, gate = moody
    mark(gate, "001.csv")
    record = lab.run(name, 3)
    code = lab.root / record.spec.code_dir
    away = lab.new_folder("away")
    code.rename(away)
    said = say(lab, capfd, "job", "resume", record.name, "--redo-failed")
    away.rename(code)
    assert said[0] == 2
    assert f"The code of job {record.name} is not in the workspace any more" in said[1]
    assert "--deployment-version latest" in said[1]
    assert lab.job(record.name).run == 1


def test_the_spool_is_lost(lab, moody):
    """What failed is all that is asked for, but without their rows the others must be scored again too."""
    name, gate = moody
    mark(gate, "001.csv")
    job = lab.run(name, 4).name
    clear(gate)
    shutil.rmtree(lab.root / "jobs" / job / "spool")
    lab.client.jobs.resume(job, redo_failed=True)
    record = lab.ended(job)
    lab.assert_sound(record, files=4)
    assert record.progress.files_failed == 0
    assert "are scored again" in lab.log(job, "sys/driver.txt")
    statuses = [str(event.status) for event in lab.client.session.read().jobs.events(job) if event.run == 2]
    assert statuses == ["Queued", "Preparing", "Running", "Finalizing", "Running", "Finalizing", "Completed"]


def entries(folder):
    return {path.name for path in folder.iterdir() if path.suffix not in {".db-wal", ".db-shm"}}


def test_what_no_run_will_read_again_is_not_kept(lab, moody):
    name, gate = moody
    mark(gate, "001.csv")
    job = lab.run(name, 4).name
    folder = lab.root / "jobs" / job
    for run in range(2, 5):
        lab.client.jobs.resume(job, redo_failed=True)
        assert (lab.ended(job).run, lab.status(job)) == (run, "Completed")
        ledger = Ledger.open(folder, readonly=True)
        assert {path.name for path in (folder / "spool").iterdir()} == ledger.segments_in_use()
        ledger.close()
        until(lambda: entries(folder) == {"ledger.db", "logs", "manifest", "outputs", "spool"}, of="the rest")
    assert len((lab.logs(job) / "user" / "job_progress_overview.txt").read_text().splitlines()) < 60
    clear(gate)
    lab.client.jobs.resume(job, redo_failed=True)
    lab.assert_sound(lab.ended(job), files=4)
    assert not (folder / "spool").exists()
    assert len(lab.attempts(job)) == 4 + 4
