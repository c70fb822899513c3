"""Logs: readable while the job runs, complete after it, and small whatever a script prints."""

from __future__ import annotations

import re

import pytest
from main_job_support import until

from batchmagic.errors import UsageError
from batchmagic.scoring import log_limits

TALKING = """
import logging, os, pathlib, sys, time
from azureml_user.parallel_run import EntryScript

MARKS = pathlib.Path({marks!r})

def init():
    print("from init")
    EntryScript().logger.info("by the entry script")

def run(mini_batch):
    print("from run", os.path.basename(mini_batch[0]))
    print("to the other stream", file=sys.stderr)
    logging.getLogger("mine").info("by logging")
    os.system("echo from a program")
    (MARKS / os.path.basename(mini_batch[0])).touch()
    while not (MARKS / "open").exists():
        time.sleep(0.01)
    return [os.path.basename(path) for path in mini_batch]
"""

FLOOD = """
import os, pathlib, time

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    if os.path.basename(mini_batch[0]) == "000.csv":
        print("the very first line")
        for number in range(1000):
            os.write(1, b"%6d " % number + b"x" * 104_850 + b"\\n")
        print("the very last line")
        (MARKS / "flooded").touch()
        while not (MARKS / "open").exists():
            time.sleep(0.01)
    return [os.path.basename(path) for path in mini_batch]
"""
FIRST_MIB = 1 << 20


def test_readable_while_the_job_runs(lab):
    gate = lab.gate()
    lab.deploy("talking", gate.script(TALKING), mini_batch_size=1, max_concurrency_per_instance=1)
    name = lab.invoke("talking", 3)
    until((gate.folder / "000.csv").exists)
    logs = lab.client.jobs.logs
    printed = logs(name, "process000.stdout.txt")
    assert printed.startswith("from init\nfrom run 000.csv\n")
    assert re.search(r"^\S+ \S+ INFO mine: by logging$", printed, re.MULTILINE)
    assert "\nfrom a program\n" in printed
    assert logs(name, "process000.stderr.txt") == "to the other stream\n"
    assert "by the entry script" in logs(name, "entry_script_log/i0/process000.log.txt")
    until(lambda: "0 of 3" in logs(name) or "1 of 3" in logs(name), 5)
    assert logs(name) == logs(name, "job_progress_overview.txt")
    assert lab.status(name) == "Running"

    gate.open()
    lab.assert_sound(lab.ended(name), files=3)
    assert logs(name) == logs(name, "job_result.txt")
    assert "3 completed, 0 failed" in logs(name)
    assert re.search(r"^[\dT:-]+Z Completed: 3 of 3 mini-batches", logs(name, "overview.txt"), re.MULTILINE)
    assert logs(name, "process000.stdout.txt").count("from init") == 1
    with pytest.raises(UsageError, match=r"readme\.txt"):
        logs(name, "nothing of that name")


def test_a_flood_of_100_mb_stays_small(lab):
    gate = lab.gate()
    lab.deploy("flood", gate.script(FLOOD), mini_batch_size=1, max_concurrency_per_instance=1)
    before = lab.run("flood", ["001.csv"]) and lab.host().memory_info().rss
    name = lab.invoke("flood", 3)
    until((gate.folder / "flooded").exists)
    path = lab.logs(name) / "user" / "stdout" / "i0" / "process000.stdout.txt"
    # Offsets do not move: the file is as long as what was written, and takes no more of the disk than it may.
    until(lambda: path.stat().st_blocks * 512 <= log_limits.FILE_LIMIT, 10, of="a file within its limit")
    assert path.stat().st_size > 100_000_000
    gate.open()
    lab.assert_sound(lab.ended(name), files=3)
    assert lab.host().memory_info().rss - before < 50 << 20
    with path.open("rb") as file:
        head = file.read(FIRST_MIB)
        assert b"was dropped" in file.read(200)
        file.seek(-60, 2)
        assert file.read().endswith(b"the very last line\n")
    assert head.startswith(b"the very first line\n     0 xxx")
    assert b"\0" not in head
