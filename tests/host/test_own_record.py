"""Who the supervisor on record is: a process, not a number that may be another one's by now, whatever the clock says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest

from batchmagic.entities.job_spec import Interpreter, JobSpec
from batchmagic.entities.settings import Settings
from batchmagic.entities.status import JobStatus
from batchmagic.host.main import give_up
from batchmagic.workspace import Workspace, elsewhere, identity, supervisor_record
from batchmagic.workspace.launch import host_claim, host_leaves

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that lives until the test has ended, and must not be ended by anybody else."""
    with subprocess.Popen(
        [sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE
    ) as one:
        yield one
        assert one.poll() is None, "a process that is none of ours was ended"
        one.kill()


@pytest.fixture
def ws(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace.find(tmp_path / "ws", create=True) as workspace:
        yield workspace


@pytest.fixture
def spec():
    interpreter = Interpreter(executable=sys.executable, version="3.11", prefix=sys.prefix)
    return JobSpec(
        name="one",
        endpoint="heart",
        deployment="first",
        deployment_version=1,
        compute="local",
        settings=Settings(),
        interpreter=interpreter,
        input_path="/data",
        input_type="uri_folder",
        input_reference="./data",
    )


def record(folder: Path, **changed) -> None:
    path = folder / supervisor_record.NAME
    found = json.loads(path.read_text())
    found["identity"] |= {key: value for key, value in changed.items() if key in found["identity"]}
    found |= {key: value for key, value in changed.items() if key == "started"}
    path.write_text(json.dumps(found))


def test_a_living_supervisor_is_trusted_for_a_while(tmp_path, sleeper):
    supervisor_record.write(tmp_path, sleeper.pid)
    found = supervisor_record.read(tmp_path)
    assert found.identity == identity.of_process(sleeper.pid)
    assert found.is_starting
    record(tmp_path, started=found.started - supervisor_record.STARTING_SECONDS)
    assert not supervisor_record.read(tmp_path).is_starting


@pytest.mark.parametrize("hours", [-1, 1])
def test_a_clock_that_was_set_changes_nothing(tmp_path, sleeper, monkeypatch, hours):
    supervisor_record.write(tmp_path, sleeper.pid)
    moved = time.time() + 3600 * hours
    os.utime(tmp_path / supervisor_record.NAME, (moved, moved))
    monkeypatch.setattr(time, "time", lambda: moved)
    assert supervisor_record.read(tmp_path).is_starting


@pytest.mark.parametrize(
    "change", [{"start_time": "1"}, {"boot_id": "another-boot/"}, {"host": "elsewhere/00000000"}]
)
def test_a_number_that_another_process_has_by_now(tmp_path, sleeper, change):
    supervisor_record.write(tmp_path, sleeper.pid)
    record(tmp_path, **change)
    assert not supervisor_record.read(tmp_path).is_starting


def test_a_record_of_another_boot_whose_clock_was_further(tmp_path, sleeper):
    supervisor_record.write(tmp_path, sleeper.pid)
    record(tmp_path, started=time.monotonic() + 1e6)
    assert not supervisor_record.read(tmp_path).is_starting


@pytest.mark.parametrize("content", ["", "12345", "{}", '{"identity": null, "started": 1}', "\x00"])
def test_a_record_that_is_none_is_none(tmp_path, content):
    (tmp_path / supervisor_record.NAME).write_text(content)
    assert supervisor_record.read(tmp_path) is None


def test_a_host_that_leaves_takes_only_its_own_supervisor_off_the_record(ws, sleeper):
    folder = ws.compute_dir("local")
    host_leaves(ws, "local")
    supervisor_record.write(folder, sleeper.pid)
    host_leaves(ws, "local")
    assert supervisor_record.read(folder).is_starting
    supervisor_record.write(folder, os.getppid())
    host_leaves(ws, "local")
    found = supervisor_record.read(folder)
    assert not found.is_starting
    assert found.identity == identity.of_process(os.getppid())
    assert [path.name for path in folder.iterdir()] == [supervisor_record.NAME]


def test_an_owner_elsewhere_is_silent_when_processes_of_this_boot_saw_it_so(ws, tmp_path):
    other = replace(identity.current(), host="other-machine/12345678")
    claim = ws.claims.acquire(host_claim("local"), other)
    note = tmp_path / "owner-elsewhere.json"

    def silent() -> bool:
        return elsewhere.is_silent(tmp_path, ws.claims.holder(host_claim("local")))

    def noted(**change):
        *seen, since = json.loads(note.read_text())
        seen[0] = change.get("boot", seen[0])
        note.write_text(json.dumps([*seen, change.get("since", since)]))

    assert not silent()
    noted(since=time.monotonic() - elsewhere.SILENCE_SECONDS + 2)
    assert not silent()
    noted(since=time.monotonic() - elsewhere.SILENCE_SECONDS)
    assert silent()
    ws.claims.beat(claim)
    assert not silent()
    noted(since=time.monotonic() - elsewhere.SILENCE_SECONDS, boot="before the last boot of this machine")
    assert not silent()
    noted(since=time.monotonic() + 1e6)
    assert not silent()
    note.write_text("{")
    assert not silent()


@pytest.mark.parametrize("taken", [False, True])
def test_jobs_are_given_up_only_when_no_other_host_has_them(ws, spec, taken):
    job = ws.jobs.submit(spec)
    if taken:
        ws.claims.acquire(host_claim("local"), identity.of_process(os.getppid()))
    give_up(ws, "local", ws.compute_dir("local") / "host.log")
    status = ws.jobs.get(job.name).status
    assert status is (JobStatus.QUEUED if taken else JobStatus.NOT_RESPONDING)
    assert (ws.claims.holder(host_claim("local")) is not None) == taken


def test_a_supervisor_too_many_gives_the_record_back(tmp_path, sleeper):
    supervisor_record.write(tmp_path, sleeper.pid)
    supervisor_record.write(tmp_path, os.getppid())  # one more, which then goes
    supervisor_record.write(tmp_path, os.getpid())
    supervisor_record.write(tmp_path, os.getpid())  # when it starts its host
    found = supervisor_record.read(tmp_path)
    assert found.identity == identity.current()
    assert found.earlier == (identity.of_process(os.getppid()), identity.of_process(sleeper.pid))
    stored = json.loads((tmp_path / supervisor_record.NAME).read_text())
    stored["earlier"][0]["start_time"] = "1"
    (tmp_path / supervisor_record.NAME).write_text(json.dumps(stored))
    supervisor_record.give_back(tmp_path)
    assert supervisor_record.read(tmp_path).identity == identity.of_process(sleeper.pid)
    supervisor_record.give_back(tmp_path)
    assert supervisor_record.read(tmp_path).identity == identity.of_process(sleeper.pid)


def test_who_it_is_reads_back(tmp_path, sleeper):
    supervisor_record.write(tmp_path, sleeper.pid)
    stored = json.loads((tmp_path / supervisor_record.NAME).read_text())
    assert stored["identity"] == asdict(identity.of_process(sleeper.pid))
    assert (tmp_path / supervisor_record.NAME).stat().st_mode & 0o777 == 0o600
