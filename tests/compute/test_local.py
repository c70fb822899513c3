"""Instances of a local compute come, go and are replaced."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import dask
import psutil
import pytest
from compute_support import Events, tree, wait_until_gone

from batchmagic.compute.interface import InstanceJoined, LeaveReason
from batchmagic.compute.local import LocalInstances
from batchmagic.errors import ComputeError
from batchmagic.processes import PackageCopy


def start_child_on(compute: LocalInstances, name: str, *, own_session: bool) -> int:
    """Have the worker start a process that would live for ten minutes."""

    def start() -> int:  # an inner function travels by value: the worker does not know this module
        return subprocess.Popen(["sleep", "600"], start_new_session=own_session).pid

    return run_on(compute, name, start)


def run_on(compute: LocalInstances, name: str, function, **arguments):
    address = next(i.address for i in compute.instances() if i.name == name)
    return compute.client.submit(function, workers=[address], pure=False, **arguments).result(timeout=10)


def test_instances_are_other_processes_with_the_slots_asked_for(compute, events):
    compute.scale_to(2)
    first, second = compute.wait(2, timeout=20)

    assert (first.name, second.name) == ("i0", "i1")
    assert run_on(compute, "i0", os.getpid) == first.pid != os.getpid()
    assert run_on(compute, "i1", os.getpid) == second.pid
    assert set(compute.client.nthreads().values()) == {2}
    assert {events.next(), events.next()} == {InstanceJoined(instance=first), InstanceJoined(instance=second)}


def test_killed_worker_is_told_of_at_once_and_replaced_under_its_name(compute, events):
    compute.scale_to(2)
    kept, victim = compute.wait(2, timeout=20)
    child = start_child_on(compute, "i1", own_session=False)

    os.kill(victim.pid, signal.SIGKILL)
    killed = time.monotonic()
    left = events.next_left()
    noticed = time.monotonic() - killed

    assert noticed < 0.2
    assert (left.name, left.address, left.reason) == ("i1", victim.address, LeaveReason.LOST)
    assert left.detail == "killed by SIGKILL"
    assert compute.instances() == (kept,)
    assert wait_until_gone([child], timeout=1) == []

    compute.replace("i1")
    compute.replace("i1")
    joined = events.next()
    assert isinstance(joined, InstanceJoined)
    assert joined.instance.name == "i1"
    assert joined.instance.address != victim.address
    assert run_on(compute, "i1", os.getpid) == joined.instance.pid
    assert len(tree()) == 2
    assert events.is_empty()


def test_exit_code_of_a_worker_is_told(compute, events):
    compute.scale_to(1)
    (instance,) = compute.wait(1, timeout=20)
    compute.client.submit(os._exit, 7, workers=[instance.address], pure=False)
    left = events.next_left()
    assert (left.reason, left.detail) == (LeaveReason.LOST, "exited with code 7")


def test_lost_instance_is_asked_for_again_by_scaling(compute, events):
    compute.scale_to(1)
    (instance,) = compute.wait(1, timeout=20)
    os.kill(instance.pid, signal.SIGKILL)
    events.next_left()
    compute.scale_to(1)
    assert [i.name for i in compute.wait(1, timeout=20)] == ["i0"]


def test_worker_that_the_scheduler_gave_up_is_ended(compute, events):
    compute.scale_to(1)
    (instance,) = compute.wait(1, timeout=20)
    os.kill(instance.pid, signal.SIGSTOP)  # a frozen worker cannot end by itself

    async def give_up(dask_scheduler):
        await dask_scheduler.remove_worker(instance.address, stimulus_id="test", close=False)

    compute.client.run_on_scheduler(give_up)
    left = events.next_left(timeout=2)
    assert (left.reason, left.detail) == (LeaveReason.LOST, "connection lost")
    assert wait_until_gone([instance.pid], timeout=2) == []


def test_scaling_down_spares_what_is_kept_and_ends_children(compute, events):
    compute.scale_to(2)
    other, kept = compute.wait(2, timeout=20)
    children = [start_child_on(compute, "i0", own_session=own) for own in (False, True)]

    compute.scale_to(0, keep={"i1"})
    left = events.next_left()

    assert (left.name, left.reason) == ("i0", LeaveReason.CLOSED)
    assert wait_until_gone([other.pid, *children], timeout=2) == []
    assert compute.instances() == (kept,)
    assert run_on(compute, "i1", os.getpid) == kept.pid

    compute.scale_to(1)
    compute.scale_to(0)
    assert events.next_left().name == "i1"
    assert compute.instances() == ()
    assert wait_until_gone([p.pid for p in tree()], timeout=2) == []


def test_scaling_down_closes_the_latest_first(compute, events):
    compute.scale_to(2)
    compute.wait(2, timeout=20)
    compute.scale_to(1)
    assert events.next_left().name == "i1"


def test_instance_closed_while_it_starts_is_told_of(compute, events):
    compute.scale_to(1)
    compute.scale_to(0)
    left = events.next()
    assert (left.name, left.address, left.reason) == ("i0", "", LeaveReason.CLOSED)
    assert wait_until_gone([p.pid for p in tree()], timeout=2) == []


def test_worker_that_cannot_serve_is_told_of_with_its_exit(compute, events, tmp_path):
    (tmp_path / "compute" / "tls" / "key.pem").write_text("no key")
    compute.scale_to(1)
    left = events.next()
    assert (left.address, left.reason, left.detail) == ("", LeaveReason.FAILED, "exited with code 1")
    assert "Traceback" in (tmp_path / "compute" / "logs" / "i0.txt").read_text()
    with pytest.raises(ComputeError, match=r"0 of 1 instances .* Instance i0: exited with code 1"):
        compute.wait(1, timeout=0.01)


def test_process_that_cannot_be_started_is_told_of_and_can_be_replaced(compute, events, tmp_path):
    in_the_way = tmp_path / "compute" / "logs" / "i0.txt"
    in_the_way.mkdir()
    compute.scale_to(1)
    left = events.next()
    assert left.reason is LeaveReason.FAILED
    assert "could not be started" in left.detail

    in_the_way.rmdir()
    compute.replace("i0")
    assert events.next().instance.name == "i0"


def test_one_failing_watcher_does_not_silence_the_others(compute, caplog):
    def fail(_event):
        raise RuntimeError("a bug in a watcher")

    compute.watch(fail)
    after = Events(compute)
    compute.scale_to(1)
    assert after.next().instance.name == "i0"
    assert "a bug in a watcher" in caplog.text


def test_close_leaves_no_process_and_no_scratch(tmp_path):
    compute = LocalInstances(tmp_path, nthreads=1)
    compute.start()
    events = Events(compute)
    compute.scale_to(2)
    first, second = compute.wait(2, timeout=20)
    child = start_child_on(compute, "i0", own_session=True)
    os.kill(second.pid, signal.SIGSTOP)

    began = time.monotonic()
    compute.close()

    assert time.monotonic() - began < 3
    assert wait_until_gone([first.pid, second.pid, child], timeout=2) == []
    assert {events.next_left().name, events.next_left().name} == {"i0", "i1"}
    assert sorted(p.name for p in tmp_path.iterdir()) == ["logs", "tls"]
    with pytest.raises(ComputeError):
        _ = compute.client
    compute.close()
    compute.scale_to(1)  # nobody is there to hear it
    assert wait_until_gone([p.pid for p in tree()], timeout=2) == []


def test_worker_works_in_a_folder_of_its_own(compute, tmp_path):
    compute.scale_to(1)
    compute.wait(1, timeout=20)
    assert Path(run_on(compute, "i0", os.getcwd)).parent == tmp_path / "compute" / "scratch"


def test_start_removes_what_a_killed_host_left(tmp_path):
    (tmp_path / "scratch" / "i0-old").mkdir(parents=True)
    with LocalInstances(tmp_path, nthreads=1):
        assert not (tmp_path / "scratch" / "i0-old").exists()


def test_copy_of_the_package_that_is_removed_while_it_is_made_does_not_come_back(tmp_path):
    folder = tmp_path / "package"
    PackageCopy(folder).remove()
    assert not [t for t in threading.enumerate() if t.name == "package-copy"]
    assert not folder.exists()


def test_start_that_fails_says_why(tmp_path):
    (tmp_path / "logs").write_text("a file where the folder should be")
    compute = LocalInstances(tmp_path, nthreads=1)
    with pytest.raises(ComputeError, match="logs"):
        compute.start()


def test_settings_of_dask_are_as_before_after_close(tmp_path):
    before = dask.config.get("distributed.scheduler.worker-ttl")
    with LocalInstances(tmp_path, nthreads=1):
        assert dask.config.get("distributed.scheduler.worker-ttl") != before
    assert dask.config.get("distributed.scheduler.worker-ttl") == before


def test_idle_instances_cost_next_to_nothing(compute):
    compute.scale_to(2)
    pids = [i.pid for i in compute.wait(2, timeout=20)]
    processes = [psutil.Process(pid) for pid in pids]
    used = sum(sum(p.cpu_times()[:2]) for p in processes)
    time.sleep(3)
    assert sum(sum(p.cpu_times()[:2]) for p in processes) - used < 0.15
