"""kill -9 of every process that there is, while a job runs: the job completes with every row once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import Counter

import psutil
import pytest
from main_job_support import COMPUTE, ENDPOINT, is_gone, until

FILES = 12
DONE = ("000.csv", "001.csv", "002.csv", "003.csv")


@pytest.fixture
def running(lab, request):
    """A gated job of 12 mini-batches in two slots, of which the first four are done and two wait in run()."""
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    gate.open(*DONE)
    name = lab.invoke("gated", FILES)
    gate.wait_calls(6)
    until(lambda: lab.job(name).progress.completed == 4, of="four commits")
    return name, gate


def check_done_once(lab, name, gate):
    """What was committed before the kill was not scored again; what was not, was."""
    gate.open()
    lab.assert_sound(lab.ended(name), files=FILES)
    times = Counter(first for first, _ in gate.calls())
    assert {first: n for first, n in times.items() if n > 1 and first in DONE} == {}
    assert len(times) == FILES
    return times


def test_the_invoking_process(lab):
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1)
    program = (
        "import sys; from batchmagic import MLClient; ml = MLClient(sys.argv[1]);"
        f"job = ml.batch_endpoints.invoke({ENDPOINT!r}, deployment_name='gated', input=sys.argv[2]);"
        "print(job.name, flush=True); ml.jobs.stream(job.name)"
    )
    command = [sys.executable, "-c", program, str(lab.root), str(lab.data(FILES))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as invoking:
        try:
            name = invoking.stdout.readline().strip()
            gate.wait_calls(2)
        finally:
            os.killpg(invoking.pid, signal.SIGKILL)
    gate.open()
    lab.assert_sound(lab.ended(name), files=FILES)
    assert lab.failed_attempts(name) == {}


def test_the_host_is_back_by_itself(lab, running):
    name, gate = running
    host, below = lab.host(), lab.below_host()
    old = lab.holder().epoch
    host.kill()
    killed = time.monotonic()
    until(lambda: (h := lab.holder()) and h.epoch > old, 5, of="another host")
    until(lambda: all(is_gone(p.pid) for p in below), 2, of="the end of what the old host had started")
    assert time.monotonic() - killed < 5
    times = check_done_once(lab, name, gate)
    assert max(times.values()) == 2
    assert lab.job(name).run == 1
    assert lab.failed_attempts(name) == {}, "the death of the host was blamed on the script"


def test_supervisor_and_host_are_back_at_the_next_look(lab, running):
    name, gate = running
    shell = [sys.executable, "-m", "batchmagic", "--workspace", str(lab.root), "job", "list"]
    looks = {
        "get": lambda: lab.client.jobs.get(name),
        "list": lab.client.jobs.list,
        "command line": lambda: subprocess.run(shell, check=True, stdout=subprocess.DEVNULL),
    }
    for what, look in looks.items():
        lab.kill_supervisor_and_host()
        look()
        until(lab.holder, 10, of=f"a host after {what}")
    lab.kill_supervisor_and_host()
    gate.open()
    lab.client.jobs.stream(name)
    check_done_once(lab, name, gate)


def test_a_dask_worker(lab, running):
    name, gate = running
    (worker,) = lab.workers()
    below = worker.children(recursive=True)
    worker.kill()
    until(lambda: all(is_gone(p.pid) for p in below), 2, of="the end of the worker's processes")
    gate.wait_calls(8)
    check_done_once(lab, name, gate)
    assert lab.failed_attempts(name) == {}, "the death of the worker was blamed on the script"
    assert lab.workers()[0].pid != worker.pid


def test_a_template(lab, running):
    name, gate = running
    worker = lab.workers()[0].pid
    (template,) = lab.templates()
    scoring = template.children()
    hit = sorted(first for first, _ in gate.calls() if first not in DONE)
    template.kill()
    until(lambda: all(is_gone(p.pid) for p in scoring), 2, of="the end of the scoring processes")
    check_done_once(lab, name, gate)
    failed = [row for row in lab.attempts(name) if row["Status"] != "RUN_DONE"]
    assert sorted(f"{int(row['Mini-batch Id']):03d}.csv" for row in failed) == hit
    assert all("together with its template" in row["Error Message"] for row in failed)
    assert lab.workers()[0].pid == worker


def test_a_scoring_process(lab, running):
    name, gate = running
    (template,) = lab.templates()
    first, pid = next(call for call in gate.calls() if call[0] not in DONE)
    os.kill(pid, signal.SIGKILL)
    until(lambda: len(gate.calls()) > 6, of="another attempt")
    check_done_once(lab, name, gate)
    assert lab.failed_attempts(name) == {int(first[:3]): 1}
    assert "SIGKILL" in next(r["Error Message"] for r in lab.attempts(name) if r["Status"] != "RUN_DONE")
    assert lab.templates() == [template]


def test_a_stopped_host_loses_nothing(lab, running):
    """SIGTERM as a machine that shuts down sends it: to every process, and the host gets its supervisor's too."""
    name, gate = running
    host, below, supervisor = lab.host(), lab.below_host(), lab.supervisor()
    # One must come while the host is at another one, which takes it some microseconds.
    for microseconds in range(1000):
        os.kill(host.pid, signal.SIGTERM)
        pause = time.perf_counter() + microseconds % 60 / 1e6
        while time.perf_counter() < pause:
            pass
    os.kill(supervisor, signal.SIGTERM)
    until(lambda: is_gone(host.pid), 20, of="the end of the host")
    assert lab.status(name) == "Running"
    assert "next host" in lab.job(name).status_detail
    # The first look starts another one, even if the supervisor is about to leave.
    lab.client.jobs.get(name)
    until(lambda: all(is_gone(pid) for pid in [supervisor, *(p.pid for p in below)]), 5)
    check_done_once(lab, name, gate)
    assert lab.failed_attempts(name) == {}


@pytest.mark.slow
def test_a_mini_batch_whose_workers_die_again_and_again(lab):
    """Not the script's failure, but not for ever either; an error of its own kind, and the others are scored."""
    gate = lab.gate()
    lab.deploy("gated", gate.script(), mini_batch_size=1, max_concurrency_per_instance=1)
    files = [f"{n:03d}.csv" for n in range(FILES)]
    poison = "003.csv"
    gate.open(*(name for name in files if name != poison))
    name = lab.invoke("gated", FILES, instance_count=2, max_retries=0)

    def both_are_up() -> bool:
        words = lab.log(name, "sys/driver.txt")
        return words.count(" joined ") - words.count(" left: ") == 2

    def again(killed: int):
        pids = [pid for first, pid in gate.calls() if first == poison]
        return pids[-1] if len(pids) > killed else lab.job(name).status.is_terminal and -1

    for killed in range(6):
        pid = until(lambda: again(killed), of="the poison's next attempt")  # noqa: B023
        if pid < 0:
            break
        # The loss counts only if others lived on.
        until(both_are_up, of="two instances")
        psutil.Process(pid).parent().parent().kill()
    record = lab.ended(name)
    # The first loss may have hit a lease of several, which blames nobody.
    assert killed in {4, 5}
    assert (record.status, record.progress.files_failed) == ("Completed", 1)
    assert lab.lines(name) == [file for file in files if file != poison]
    assert lab.failed_attempts(name) == {3: 1}
    assert "WorkerLost" in lab.log(name, "user/job_error.txt")
    assert "WorkerLost" in lab.log(name, "failed_files.csv")


@pytest.mark.slow
def test_a_host_that_dies_again_and_again_gives_its_jobs_up(lab, running):
    name, gate = running
    for _ in range(4):
        old = lab.host()
        old.kill()
        old.wait(5)
        until(lambda: lab.holder() or lab.job(name).status.is_terminal, of="another host, or the end")
    record = lab.ended(name)
    assert record.status == "NotResponding"
    assert "it is started again (3 of 3)" in record.error["message"]
    until(lambda: is_gone(lab.supervisor()), of="the end of the supervisor")
    lab.client.jobs.resume(name)
    check_done_once(lab, name, gate)
    assert lab.job(name).run == 2
    assert lab.holder(COMPUTE)
