"""Scripts at their worst, in whole jobs: each costs its own mini-batch an attempt, and nothing of it is left behind."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import pytest
from main_job_support import is_gone, until
from oracle import examine
from worker_support import all_gone

# The name of a file says how its mini-batch resists its end at the deadline.
RESISTS = """
import ctypes, os, pathlib, signal, subprocess, sys, threading, time

MARKS = pathlib.Path({marks!r})

def note(pid):
    with open(MARKS / "pids", "a") as file:
        file.write(f"{{pid}}\\n")

def forked(work):
    pid = os.fork()
    if pid == 0:
        note(os.getpid())
        work()
        os._exit(0)
    return pid

def run(mini_batch):
    name = os.path.basename(mini_batch[0]).split(".")[0]
    if name == "good":
        return [name]
    note(os.getpid())
    if name == "ignores":
        for number in set(range(1, 65)) - {{9, 19, 32, 33}}:
            signal.signal(number, signal.SIG_IGN)
    elif name == "masked":
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
    elif name == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif name == "gil":
        while True:
            ctypes.PyDLL(None).sleep(1000)
    elif name == "catches":
        while True:
            try:
                time.sleep(1000)
            except BaseException:
                pass
    elif name == "threads":
        for _ in range(20):
            threading.Thread(target=time.sleep, args=(1000,)).start()
    elif name == "children":
        note(subprocess.Popen(["sleep", "1000"]).pid)
        note(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid)
        forked(lambda: forked(lambda: (os.setsid(), time.sleep(1000))))
    elif name == "generator":
        return (n for n in iter(int, 1))
    while True:
        time.sleep(1000)
"""
RESISTANCES = ("catches", "children", "generator", "gil", "ignores", "masked", "stopped", "threads")


def examined(lab, tally, name, expected, **more):
    found = examine(lab, name, expected, **more)
    tally.trial(**found.counts())
    assert found.ok, found


def test_nothing_resists_its_deadline(new_lab, tally):
    lab, gate = new_lab, new_lab.gate()
    lab.deploy(
        "resists",
        gate.script(RESISTS),
        mini_batch_size=1,
        retry_settings={"max_retries": 0, "timeout": 3},
        max_concurrency_per_instance=4,
    )
    name = lab.invoke("resists", [*(f"{how}.csv" for how in RESISTANCES), "good.csv"], error_threshold=-1)
    seen: dict[int, float] = {}
    lasted: dict[int, float] = {}

    def watch() -> bool:
        now = time.monotonic()
        marks = gate.folder / "pids"
        for pid in map(int, marks.read_text().split()) if marks.exists() else ():
            seen.setdefault(pid, now)
            if pid not in lasted and is_gone(pid):
                lasted[pid] = now - seen[pid]
        return lab.job(name).status.is_terminal and len(lasted) == len(seen)

    until(watch, 100, of="the end of all")
    assert max(lasted.values()) < 3 + 5, lasted
    assert len(seen) == len(RESISTANCES) + 4
    ends = {r["Error Message"].partition(":")[0] for r in lab.attempts(name) if r["Error Message"]}
    assert ends == {"Timeout"}
    examined(lab, tally, name, b"good\n", user_failures=len(RESISTANCES))


LEAVES = """
import atexit, builtins, multiprocessing, os, pathlib, socket, subprocess, sys, tempfile, threading, time

MARKS = pathlib.Path({marks!r})
held = []

def note(pid):
    with real_open(MARKS / "pids", "a") as file:
        file.write(f"{{pid}}\\n")

real_open = open

def double(n):
    return 2 * n

def raises():
    raise RuntimeError("in a thread of its own")

def run(mini_batch):
    note(os.getpid())
    for method in ("fork", "spawn", "forkserver"):
        pool = multiprocessing.get_context(method).Pool(2)
        assert pool.map(double, [1, 2]) == [2, 4]
        held.append(pool)
        for process in pool._pool:
            note(process.pid)
    note(subprocess.Popen(["sleep", "1000"]).pid)
    note(subprocess.Popen(["sleep", "1000"], start_new_session=True).pid)
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            note(os.getpid())
            time.sleep(1000)
        os._exit(0)
    for place in (tempfile.mkdtemp(), os.getcwd()):
        folder = pathlib.Path(place, "locked")
        folder.mkdir()
        (folder / "file").write_text("left")
        folder.chmod(0)
        real_open(os.path.join(place, "big"), "wb").truncate(1 << 20)
    with real_open(MARKS / "places", "a") as file:
        file.write(f"{{tempfile.gettempdir()}} {{os.getcwd()}}\\n")
    raising = threading.Thread(target=raises)
    raising.start()
    raising.join()
    threading.Thread(target=time.sleep, args=(1000,)).start()
    atexit.register(time.sleep, 1000)
    os.umask(0o777)
    os.chdir("/")
    os.environ.clear()
    os.environ["PYTHONPATH"] = "/nowhere"
    builtins.open = None
    socket.socket = None
    sys.stdout = None
    os.closerange(0, 3)
    return ["ok"] * len(mini_batch)
"""

LOOKS = """
import builtins, json, os, sys, tempfile

def run(mini_batch):
    mask = os.umask(0o77)
    return [json.dumps([
        os.environ.get("PYTHONPATH"), builtins.open is not None, sys.stdout is not None, mask,
        sorted(os.listdir(".")), sorted(os.listdir(tempfile.gettempdir())), "PATH" in os.environ,
    ])]
"""


@pytest.mark.slow
def test_nothing_survives_into_the_next_job(new_lab, tally):
    lab, gate = new_lab, new_lab.gate()
    settings = {"mini_batch_size": 1, "max_concurrency_per_instance": 1}
    lab.deploy("leaves", gate.script(LEAVES), **settings)
    lab.deploy("looks", LOOKS, **settings, output_format="jsonl", output_file_name="seen.jsonl")
    name = lab.invoke("leaves", 1)
    lab.ended(name)
    pids = [int(pid) for pid in (gate.folder / "pids").read_text().split()]
    assert len(pids) == 1 + 6 + 2 + 1
    all_gone(pids, 10)
    for line in (gate.folder / "places").read_text().splitlines():
        assert [place for place in line.split() if Path(place).exists()] == []
        assert Path(line.split()[0]).is_relative_to(tempfile.gettempdir())
    assert "in a thread of its own" in lab.client.jobs.logs(name, "process000.stderr.txt")
    examined(lab, tally, name, b"ok\n", user_failures=0)
    second = lab.run("looks", 1)
    (row,) = lab.client.jobs.result(second.name)["result"]
    path, has_open, has_stdout, mask, here, temporary, has_path = json.loads(row)
    assert (path, has_open, has_stdout, has_path) == (None, True, True, True)
    assert (here, temporary) == ([], [])
    assert mask != 0o777


@pytest.mark.slow
def test_what_a_crashed_process_left_is_not_there_for_the_next_one(new_lab, tally):
    """Temporary files of thousands of crashes would fill the disk before the job ends."""
    lab, gate = new_lab, new_lab.gate()
    script = """
import os, pathlib, tempfile

def run(mini_batch):
    with open(pathlib.Path({marks!r}, "seen"), "a") as file:
        file.write(f"{{len(os.listdir('.'))}} {{len(os.listdir(tempfile.gettempdir()))}}\\n")
    tempfile.mkstemp()
    open("core", "wb").close()
    if "000" not in mini_batch[0]:
        os.abort()
    return ["ok"]
"""
    lab.deploy("aborts", gate.script(script), mini_batch_size=1, max_concurrency_per_instance=1)
    name = lab.invoke("aborts", 6, max_retries=0, error_threshold=-1)
    lab.ended(name)
    seen = (gate.folder / "seen").read_text().splitlines()
    # The first process goes on to a second mini-batch.
    assert seen == ["0 0", "1 1", "0 0", "0 0", "0 0", "0 0"]
    examined(lab, tally, name, b"ok\n", user_failures=5)


EXCEPTIONS = """
import os

def run(mini_batch):
    name = os.path.basename(mini_batch[0]).split(".")[0]
    if name == "surrogate":
        raise ValueError("a\\ud800b")
    if name == "nul":
        raise ValueError("a\\0b")
    if name == "megabyte":
        raise ValueError("begin" + "x" * 1_000_000 + "end")
    if name == "class":
        raise type("X" * 100_000 + "\\ud800", (Exception,), {})("hi")
    if name == "descriptors":
        os.closerange(3, 100_000)
    if name == "late":
        class Row:
            def __str__(self):
                raise ValueError("at the last row")
        return ["row"] * 1_000_000 + [Row()]
    if name == "memory":
        return [bytearray(1 << 60)]
    return [name]
"""


def test_exceptions_that_no_database_holds(lab, tally):
    lab.deploy("odd", EXCEPTIONS, mini_batch_size=1)
    bad = ["surrogate", "nul", "megabyte", "class", "descriptors", "late", "memory"]
    name = lab.invoke("odd", [f"{n}.csv" for n in [*bad, "good"]], error_threshold=-1, max_retries=0)
    record = lab.ended(name)
    examined(lab, tally, name, b"good\n", user_failures=len(bad))
    files = sorted([*bad, "good"])
    said = {files[int(r["Mini-batch Id"])]: r["Error Message"] for r in lab.attempts(name)}
    assert said["surrogate"] == r"ValueError: a\ud800b"
    assert said["nul"] == r"ValueError: a\x00b"
    assert said["late"] == "ValueError: at the last row"
    assert said["memory"] == "MemoryError: Python found no more memory, with memory.csv"
    assert "was closed or replaced, most likely by the script" in said["descriptors"]
    assert max(map(len, said.values())) <= 300
    errors = lab.client.jobs.errors(name)
    assert len(errors) == len(bad)
    kinds = {r["Error Category"] for r in lab.attempts(name)}
    assert kinds == {"", "error", "crash", "out_of_memory"}
    assert record.progress.files_failed == len(bad)


GREEDY = """
import os

def fill():
    held = []
    while True:
        held.append(bytearray(8 << 20))

def run(mini_batch):
    if "greedy.csv" in mini_batch[0]:
        fill()
    return [os.path.basename(path) for path in mini_batch]
"""


def test_more_than_its_memory(lab, tally):
    lab.deploy("greedy", GREEDY, mini_batch_size=2, memory_per_slot="256MB")
    files = ["a.csv", "b.csv", "greedy.csv", "greedy2.csv", "y.csv", "z.csv"]
    name = lab.invoke("greedy", files, error_threshold=-1, max_retries=1)
    host = lab.host().pid
    lab.ended(name)
    examined(lab, tally, name, b"a.csv\nb.csv\ny.csv\nz.csv\n", user_failures=2)
    failed = [r for r in lab.attempts(name) if r["Error Category"]]
    assert [r["Error Category"] for r in failed] == ["out_of_memory"] * 2
    text = failed[0]["Error Message"]
    assert text.startswith("OutOfMemory: the scoring process used more memory than memory_per_slot allows (")
    assert "greedy.csv, greedy2.csv; a smaller mini_batch_size may need less" in text
    assert "score.py, line 7, in fill:   held.append(bytearray(8 << 20))" in lab.log(
        name, "user/job_error.txt"
    )
    assert lab.host().pid == host


def test_processes_that_share_their_memory_are_not_too_big(lab, tally):
    """Each of five forks holds what all of them share: together no more than one."""
    script = """
import os, time

def run(mini_batch):
    shared = bytearray(os.urandom(1)) * (120 << 20)
    children = []
    for _ in range(4):
        pid = os.fork()
        if pid == 0:
            time.sleep(1)
            os._exit(0)
        children.append(pid)
    for pid in children:
        os.waitpid(pid, 0)
    return ["ok"]
"""
    lab.deploy("shares", script, mini_batch_size=1, memory_per_slot="256MB")
    name = lab.invoke("shares", 1, max_retries=0)
    lab.ended(name)
    examined(lab, tally, name, b"ok\n", user_failures=0)


CUT = """
import os, pathlib, time

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    with open(MARKS / "calls", "a") as file:
        file.write(f"{{name}}\\n")
    while name == "150.csv" and not (MARKS / "open").exists():
        time.sleep(0.01)
    return [name]
"""


def test_a_slow_mini_batch_does_not_hold_back_the_quick_ones_before_it(lab, tally):
    gate = lab.gate()
    lab.deploy("slow", gate.script(CUT), mini_batch_size=1, max_concurrency_per_instance=1)
    name = lab.invoke("slow", 300, max_retries=0)
    until(lambda: (m := gate.folder / "calls").exists() and "150.csv" in m.read_text(), of="the slow one")
    # All before it are committed while it is still at work, and it is the only one that is out.
    until(lambda: lab.job(name).progress.completed >= 150, 20, of="the quick ones before it")
    assert lab.status(name) == "Running"
    gate.open()
    lab.ended(name)
    calls = (gate.folder / "calls").read_text().split()
    assert len(calls) == len(set(calls)) == 300
    examined(lab, tally, name, "".join(f"{n:03d}.csv\n" for n in range(300)).encode(), user_failures=0)


def test_a_job_is_canceled_while_its_lease_is_cut(lab):
    gate = lab.gate()
    lab.deploy("slow", gate.script(CUT), mini_batch_size=1, max_concurrency_per_instance=1)
    name = lab.invoke("slow", 300, max_retries=0)
    until(lambda: lab.job(name).progress.completed >= 150, of="the quick ones before it")
    lab.client.jobs.begin_cancel(name).result(timeout=30)
    assert lab.status(name) == "Canceled"
    gate.open()
    lab.client.jobs.resume(name)
    record = lab.ended(name)
    assert (record.status, record.progress.completed) == ("Completed", 300)
    calls = (gate.folder / "calls").read_text().split()
    assert {call for call in calls if calls.count(call) > 1} <= {f"{n:03d}.csv" for n in range(150, 300)}
