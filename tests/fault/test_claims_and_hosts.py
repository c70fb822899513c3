"""Two hosts at once, a host that was stopped meanwhile, a clock that moves, an owner on another machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import psutil
import pytest
from main_job_support import COMPUTE, PLAIN, is_gone, until
from oracle import examine
from takeover import DRIVER_LOG, armed, contents, go_on, start_another, stop, take_over

from batchmagic import MLClient
from batchmagic.errors import ClaimHeld, StateError
from batchmagic.processes import python_command, python_environment
from batchmagic.workspace import Workspace, elsewhere, identity
from batchmagic.workspace.launch import ensure_host, host_claim

FILES = 12
EXPECTED = b"".join(b"%03d.csv\n" % n for n in range(FILES))
ROUNDS = 50


@pytest.fixture(scope="module")
def plain(lab):
    return lab.deploy("plain", PLAIN, mini_batch_size=1, output_format="azure")


# --- two at once


def test_of_two_that_claim_at_once_one_has_it(lab, tally):
    """Two stores of their own, as two processes have them; the database decides."""
    stores = [Workspace.open(lab.root) for _ in range(2)]

    def claim(store: Workspace, number: int):
        try:
            return store.claims.acquire(f"compute/raced-{number}")
        except ClaimHeld as held:
            return held

    try:
        with ThreadPoolExecutor(2) as pool:
            for number in range(ROUNDS):
                answers = list(pool.map(claim, stores, [number] * 2))
                refused = [answer for answer in answers if isinstance(answer, ClaimHeld)]
                assert len(refused) == 1, answers
                assert refused[0].code == "claim_held"
                tally.trial()
    finally:
        for store in stores:
            store.close()


@pytest.mark.parametrize("rounds", [2, pytest.param(ROUNDS, marks=pytest.mark.nightly)])
def test_of_two_hosts_at_once_one_serves(new_lab, tally, rounds):
    lab = new_lab
    for number in range(rounds):
        compute = f"raced{number}"
        lab.compute(compute, idle=0)
        place = [f"--workspace={lab.root}", f"--compute={compute}"]
        command = python_command("batchmagic.host", *place)
        hosts = [
            subprocess.Popen(command, env=python_environment(), stderr=subprocess.DEVNULL) for _ in range(2)
        ]
        # Without a job, the one that has the compute leaves as soon as it has looked.
        codes = [host.wait(60) for host in hosts]
        assert 0 in codes, codes
        assert set(codes) <= {0, 3}, codes
        tally.trial(bad=False)


def test_of_two_that_resume_at_once_one_begins_a_run(lab, plain, tally):
    clients = [MLClient(lab.root) for _ in range(2)]
    ws = lab.client.session.read()
    lab.compute("quiet")
    mine = ws.claims.acquire(host_claim("quiet"))  # so that resuming starts no host
    name = lab.invoke(plain, FILES, compute="quiet")

    def resume(client: MLClient):
        began = time.monotonic()
        try:
            return client.jobs.resume(name), time.monotonic() - began
        except StateError as refused:
            return refused, time.monotonic() - began

    try:
        with ThreadPoolExecutor(2) as pool:
            for run in range(1, ROUNDS + 1):
                lab.client.jobs.begin_cancel(name).wait()
                answers = list(pool.map(resume, clients))
                refused = [answer for answer, _ in answers if isinstance(answer, StateError)]
                assert len(refused) == 1, answers
                assert refused[0].code == "wrong_state"
                assert name in str(refused[0])
                assert max(seconds for _, seconds in answers) < 20
                assert lab.job(name).run == run + 1
                tally.trial()
        lab.client.jobs.begin_cancel(name).wait()
    finally:
        ws.claims.release(mine)
        for client in clients:
            client.session.close()


# --- stopped, taken over, continued

POINTS = {
    "plan.before_about": "slow",
    "assemble.mid_write@3": "slow",
    "end.before_result": "push",
    "claim.after": "nightly",
    "plan.listed": "nightly",
    "plan.after_about": "nightly",
    "ledger.begun": "nightly",
    "file.before_rename": "nightly",
    "lease.before_send": "nightly",
    "ledger.before_commit": "nightly",
    "ledger.after_commit": "nightly",
    "end.finalizing": "nightly",
    "assemble.before_rename": "nightly",
    "assemble.after_rename": "nightly",
    "end.before_spool": "nightly",
    "end.before_terminal": "nightly",
    "end.after_terminal": "nightly",
}


def _points():
    for point, when in POINTS.items():
        yield pytest.param(point, marks=[] if when == "push" else [getattr(pytest.mark, when)])


@pytest.mark.parametrize("point", list(_points()))
def test_a_stopped_host_that_goes_on_changes_nothing(new_lab, monkeypatch, tmp_path, tally, point):
    """It stops at a point, another host ends the job, it goes on: all that others see is as the other left it."""
    lab = new_lab
    plain = lab.deploy("plain", PLAIN, mini_batch_size=1, output_format="azure")
    # Its driver waits at the point for long enough to be stopped there, all threads of the host at once.
    with armed(monkeypatch, f"{point}=sleep:6", tmp_path / "once"):
        name = lab.invoke(plain, FILES)
        until((tmp_path / "once").exists, of=f"a host at {point}")
    stopped = stop(lab)
    start_another(lab, take_over(lab))
    if point != "end.after_terminal":
        lab.ended(name)
    folder = lab.root / "jobs" / name
    before, said = (
        contents(folder),
        (folder / DRIVER_LOG).read_text() if (folder / DRIVER_LOG).exists() else "",
    )
    row = lab.job(name)

    go_on(stopped)

    assert contents(folder) == before
    assert lab.job(name) == row
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(**found.counts())
    assert found.ok, found
    added = (folder / DRIVER_LOG).read_text()[len(said) :]
    driving = point not in {"claim.after", "end.after_terminal"}
    assert added.count("fenced") == driving, added
    assert len(added.splitlines()) == driving, added
    host_log = (lab.root / "compute" / COMPUTE / "host.log").read_text()
    assert host_log.count("fenced, and leaves") == 1
    assert f"compute/{COMPUTE} was taken over after epoch 1" in host_log


def test_a_host_that_was_stopped_while_it_worked_ends_its_processes(new_lab, tally):
    """Whoever takes over on this machine ends what the stopped host cannot."""
    lab = new_lab
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, output_format="azure")
    name = lab.invoke("gated", FILES)
    gate.wait_calls(2)
    below = lab.below_host()
    scoring = [pid for _, pid in gate.calls()]
    assert set(scoring) <= {p.pid for p in below}
    stopped = stop(lab)
    start_another(lab, take_over(lab))
    until(lambda: all(is_gone(p.pid) for p in below), 15, of="the end of the stopped host's processes")
    gate.wait_calls(4)
    go_on(stopped)
    gate.open()
    lab.ended(name)
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(**found.counts())
    assert found.ok, found


# --- clocks

MOVED = """
import os, time
_now = time.time
def _moved():
    try:
        with open({file!r}) as file:
            return _now() + float(file.read() or 0)
    except OSError:
        return _now()
time.time = _moved
"""


def test_a_clock_that_jumps_an_hour_costs_nothing(new_lab, monkeypatch, tmp_path, tally):
    """Forward and back, while a job runs and while its host is replaced; front end, supervisor, host and worker."""
    lab, offset = new_lab, tmp_path / "offset"
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(MOVED.format(file=str(offset)))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"), prepend=os.pathsep)
    really = time.time
    monkeypatch.setattr(time, "time", lambda: really() + float(offset.read_text() or 0))
    offset.write_text("0")
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, output_format="azure")
    name = lab.invoke("gated", FILES)
    gate.wait_calls(2)
    epoch, host = lab.holder().epoch, lab.host()
    for seconds in (3600, -3600):
        offset.write_text(str(seconds))
        gate.open(*(f"{n:03d}.csv" for n in range(4 if seconds > 0 else 8)))
        done = 4 if seconds > 0 else 8
        until(lambda: lab.job(name).progress.completed == done, of="commits after a jump")  # noqa: B023
        assert lab.holder().epoch == epoch, "the claim was lost for the clock"
        assert not ensure_host(lab.client.session.read(), COMPUTE)
    host.kill()
    until(lambda: (holder := lab.holder()) and holder.epoch > epoch, of="another host")
    gate.open()
    record = lab.ended(name)
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(kills=1, **found.counts())
    assert found.ok, found
    assert record.started_at <= record.ended_at
    assert 0 <= record.progress.seconds < 600
    assert all(
        float(row["Run Method Time"] or 0) >= 0 for row in lab.attempts(name) if "Run Method Time" in row
    )


# --- another machine, another process


def other_machine():
    return replace(identity.current(), host="other-machine/12345678")


@pytest.mark.slow
def test_a_compute_whose_owner_elsewhere_is_dead_is_taken_over_by_commands(new_lab, monkeypatch, tally):
    """Each command looks once and ends; what it has seen counts for the next. Rollback journal, as on such a disk."""
    lab = new_lab
    force_rollback_journal(lab)
    monkeypatch.setattr(elsewhere, "SILENCE_SECONDS", 3.0)  # the host itself keeps to the true one
    sentinel = subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE)
    ws = lab.client.session.read()
    with sentinel:
        theirs = ws.claims.acquire(host_claim(COMPUTE), replace(other_machine(), pid=sentinel.pid))
        plain = lab.deploy("plain", PLAIN, mini_batch_size=1, output_format="azure")
        name = lab.invoke(plain, FILES)
        for _ in range(3):
            ws.claims.beat(theirs)
            assert not look_once(lab)
            time.sleep(1.2)
        assert lab.status(name) == "Queued"
        until(lambda: look_once(lab), 30, of="a host for the compute")
        lab.ended(name, 90)
        assert sentinel.poll() is None, "a process of another machine was signalled here"
        sentinel.stdin.close()
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(**found.counts())
    assert found.ok, found
    assert lab.holder().epoch > theirs.epoch
    assert not list(lab.root.rglob("*-wal")), "the workspace is not in the mode that its disk asks for"


def look_once(lab) -> bool:
    """Look as a command does: with stores of its own."""
    with Workspace.open(lab.root) as ws:
        return ensure_host(ws, COMPUTE)


def force_rollback_journal(lab) -> None:
    """Make the workspace one of a file system on which the write-ahead log does not work."""
    import sqlite3  # noqa: PLC0415
    from contextlib import closing  # noqa: PLC0415

    lab.client.session.close()
    with closing(sqlite3.connect(lab.root / "workspace.db")) as connection:
        assert connection.execute("pragma journal_mode = delete").fetchone() == ("delete",)
    (lab.root / "journal").write_text("delete\n")


@pytest.mark.slow
def test_killed_on_a_disk_without_a_write_ahead_log(new_lab, tally):
    lab = new_lab
    force_rollback_journal(lab)
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, output_format="azure")
    gate.open(*(f"{n:03d}.csv" for n in range(4)))
    name = lab.invoke("gated", FILES)
    until(lambda: lab.job(name).progress.completed == 4, of="four commits")
    assert not (lab.root / "jobs" / name / "ledger.db-wal").exists()
    old = lab.holder().epoch
    lab.host().kill()
    until(lambda: (holder := lab.holder()) and holder.epoch > old, of="another host")
    gate.open()
    lab.ended(name)
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(kills=1, **found.counts())
    assert found.ok, found


# --- asked to end


@pytest.mark.slow
@pytest.mark.parametrize("target", ["host", "supervisor"])
def test_the_second_wish_to_end_is_obeyed_at_once(new_lab, monkeypatch, tmp_path, tally, target):
    """The driver hangs, so that the first one cannot be; the next host goes on from there."""
    lab = new_lab
    plain = lab.deploy("plain", PLAIN, mini_batch_size=1, output_format="azure")
    with armed(monkeypatch, "assemble.before_rename=sleep:300", tmp_path / "once"):
        name = lab.invoke(plain, FILES)
        until((tmp_path / "once").exists, of="a driver that hangs")
    host, below, supervisor = lab.host(), lab.below_host(), lab.supervisor()
    pid = host.pid if target == "host" else supervisor
    os.kill(pid, signal.SIGTERM)
    time.sleep(1.5)
    assert not is_gone(host.pid), "the driver did not hang"
    asked = time.monotonic()
    os.kill(pid, signal.SIGTERM)
    everything = [host.pid, supervisor, *(p.pid for p in below)]
    until(lambda: all(map(is_gone, everything)), 10, of="the end of all processes")
    recovery = time.monotonic() - asked
    lab.client.jobs.get(name)
    lab.ended(name)
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(kills=1, recovery=recovery, **found.counts())
    assert found.ok, found


# --- all workers lost


@pytest.mark.parametrize("seconds", [3, pytest.param(65, marks=pytest.mark.nightly)])
def test_workers_that_are_all_lost_for_a_while(new_lab, tally, seconds):
    lab = new_lab
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, output_format="azure")
    name = lab.invoke("gated", FILES)
    gate.wait_calls(2)
    host, (worker,) = lab.host(), lab.workers()
    worker.kill()
    replaced = until(
        lambda: [p for p in lab.workers() if p.pid != worker.pid], of="a new worker, which does not come up"
    )
    replaced[0].suspend()
    until(lambda: "waits for an instance" in lab.job(name).status_detail, 15, of="words about it")
    time.sleep(seconds)
    assert lab.status(name) == "Running"
    if replaced[0].is_running():
        replaced[0].resume()
    gate.open()
    lab.ended(name, 90)
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(kills=1, **found.counts())
    assert found.ok, found
    assert lab.host().pid == host.pid


# --- what is left on disk


@pytest.mark.slow
def test_many_hosts_leave_no_more_files_than_two(new_lab, tally):
    lab = new_lab
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, output_format="azure")
    gate.open("000.csv")
    name = lab.invoke("gated", FILES)
    counts = []
    for round_ in range(4):
        until(lambda: len(gate.calls()) >= 3 + 2 * round_, of="mini-batches under way")  # noqa: B023
        counts.append(sorted(p.relative_to(lab.root).as_posix() for p in lab.root.rglob("*") if _lasts(p)))
        lab.kill_supervisor_and_host()
        lab.client.jobs.get(name)
    grown = set(counts[-1]) - set(counts[1])
    assert len(counts[-1]) <= len(counts[1]) + 1, grown
    gate.open()
    lab.ended(name)
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(kills=8, **found.counts())
    assert found.ok, found
    left = {p.name for p in (lab.root / "compute" / COMPUTE).iterdir()}
    assert left <= {"host.log", "supervisor.json", "launch.lock", "logs", "tls", "scratch", "reserve"}, left


def _lasts(path) -> bool:
    return path.is_file() and not path.name.endswith(("-wal", "-shm")) and "scratch" not in path.parts


@pytest.mark.slow
def test_a_host_that_is_killed_before_it_has_the_claim(new_lab, monkeypatch, tmp_path, tally):
    lab = new_lab
    plain = lab.deploy("plain", PLAIN, mini_batch_size=1, output_format="azure")
    for point in ("claim.before", "claim.after"):
        once = tmp_path / point
        with armed(monkeypatch, f"{point}=kill", once):
            name = lab.invoke(plain, FILES)
            lab.ended(name)
        assert once.exists()
        found = examine(lab, name, EXPECTED, user_failures=0)
        tally.trial(kills=1, **found.counts())
        assert found.ok, found
        host = lab.host()
        os.kill(lab.supervisor(), signal.SIGTERM)
        until(lambda: is_gone(host.pid), 30, of="the end of the host")  # noqa: B023


def test_supervisor_first_and_then_host(new_lab, tally):
    """The host lives on without its supervisor; when it is killed too, the next look starts both again."""
    lab = new_lab
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, output_format="azure")
    name = lab.invoke("gated", FILES)
    begun = gate.wait_calls(2)
    host = lab.host()
    os.kill(lab.supervisor(), signal.SIGKILL)
    gate.open(*(first for first, _ in begun))
    until(lambda: lab.job(name).progress.completed == 2, of="commits without a supervisor")
    lab.client.jobs.get(name)
    assert lab.host().pid == host.pid
    host.kill()
    until(lambda: psutil.pid_exists(host.pid) is False or is_gone(host.pid), of="the end of the host")
    lab.client.jobs.get(name)
    gate.open()
    lab.ended(name)
    found = examine(lab, name, EXPECTED, user_failures=0)
    tally.trial(kills=2, **found.counts())
    assert found.ok, found
