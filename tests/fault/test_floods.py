"""Floods of output, and thousands of crashes: logs stay small and whole, and the driver does not grow."""

from __future__ import annotations

import shutil
import time

import pytest
from main_job_support import until
from oracle import examine

CAP = 64 << 20  # log_limits.FILE_LIMIT
GROWTH = 50 << 20

# The name of the only file says how it floods. Each writes 100 MB and its last line.
FLOODS = """
import os, pathlib, subprocess, sys, threading, time

MARKS = pathlib.Path({marks!r})
HOW = (MARKS / "how").read_text()
BLOCK = {{
    "binary": bytes(range(256)) * 4096,
    "ansi": b"\\x1b[31mred\\x1b[0m\\x1b]0;title\\x07\\r" * 32_768,
    "no newline": b"x" * (1 << 20),
}}.get(HOW, b"a line of text, as many others are, that says nothing at all\\n" * 16_384)

def flood(descriptor):
    done = 0
    while done < 100_000_000:
        done += os.write(descriptor, BLOCK)
    os.write(descriptor, b"\\nthe very last line\\n")
    (MARKS / "flooded").touch()

def init():
    print("the very first line")
    if HOW == "init":
        flood(1)

def run(mini_batch):
    if HOW == "after":
        threading.Thread(target=flood, args=(2,)).start()
    elif HOW == "grandchild":
        code = "import os; [os.write(1, b'from a program' * 60_000 + b'\\\\n') for _ in range(120)]"
        shell = f'{{sys.executable}} -c "{{code}}"; echo the very last line; touch {{MARKS}}/flooded'
        subprocess.Popen(["sh", "-c", shell], start_new_session=True)
    elif HOW == "print":
        for number in range(1000):
            print("y" * 100_000, end="")
        print()
        print("the very last line", flush=True)
        (MARKS / "flooded").touch()
    elif HOW != "init":
        flood(1)
    return [os.path.basename(path) for path in mini_batch]
"""
EVERY_PUSH = ("after", "binary", "no newline")
HOWS = (*EVERY_PUSH, "ansi", "grandchild", "init", "print")


@pytest.mark.parametrize(
    "how", [pytest.param(how, marks=[] if how in EVERY_PUSH else pytest.mark.nightly) for how in HOWS]
)
def test_a_flood(lab, how, tally, tmp_path):
    gate = lab.gate()
    (gate.folder / "how").write_text(how)
    waits = """
    if "001" in mini_batch[0]:
        while not (MARKS / "open").exists():
            time.sleep(0.01)
        return ["001.csv"]
"""
    script = gate.script(FLOODS.replace("def run(mini_batch):\n", f"def run(mini_batch):{waits}"))
    lab.deploy("plain", "def run(mini_batch): return []\n")
    lab.run("plain", 1)
    before = lab.host().memory_info().rss
    deployment = "flood-" + how.replace(" ", "-")
    lab.deploy(deployment, script, mini_batch_size=1, max_concurrency_per_instance=1)
    name = lab.invoke(deployment, 2, max_retries=0)
    until((gate.folder / "flooded").exists, of="the end of the flood")
    stream = "stderr" if how == "after" else "stdout"
    path = lab.logs(name) / "user" / stream / "i0" / f"process000.{stream}.txt"
    until(lambda: path.stat().st_blocks * 512 <= CAP, 20, of="a file within the limit")
    assert path.stat().st_size > 90_000_000, "offsets have moved"
    gate.open()
    lab.ended(name)
    growth = lab.host().memory_info().rss - before
    found = examine(lab, name, b"000.csv\n001.csv\n", user_failures=0)
    tally.trial(**found.counts())
    assert found.ok, found
    assert growth < GROWTH, f"the host has grown by {growth >> 20} MiB"
    text = lab.client.jobs.logs(name, path.name)
    assert len(text) < CAP
    assert "was dropped" in text
    assert text.endswith("the very last line\n")
    assert stream == "stderr" or text.startswith("the very first line\n")
    lab.client.jobs.download(name, download_path=str(tmp_path))
    (copy,) = (tmp_path / "artifacts").rglob(path.name)
    assert (copy.stat().st_size, copy.stat().st_blocks * 512 < CAP) == (path.stat().st_size, True)
    shutil.rmtree(tmp_path)


CRASHES = """
import os

def run(mini_batch):
    number = int(os.path.basename(mini_batch[0])[:6])
    if number % 100 == 0:
        return [str(number)]
    print("about to crash at", number)
    if number % 3:
        os._exit(number % 7)
    raise_here(number)

def raise_here(number):
    raise RuntimeError("x" * 20_000 + str(number))
"""


@pytest.mark.parametrize(
    "count", [300, pytest.param(20_000, marks=[pytest.mark.nightly, pytest.mark.timeout(3000)])]
)
def test_a_job_of_crashing_mini_batches(new_lab, count, tally):
    """Number and size of what it leaves: bounded where it can be, else a short line for each."""
    lab = new_lab
    lab.deploy("crashes", CRASHES, mini_batch_size=1, max_concurrency_per_instance=2)
    data = lab.data([f"{n:06d}.csv" for n in range(count)])
    lab.run("crashes", data=lab.data(["000000.csv"]))
    host = lab.host()
    before = host.memory_info().rss
    began = time.monotonic()
    name = lab.invoke("crashes", data, max_retries=0, error_threshold=-1)
    peak = 0

    def look() -> bool:
        nonlocal peak
        peak = max(peak, host.memory_info().rss)
        return lab.job(name).status.is_terminal

    until(look, 110 if count < 10_000 else 2900, of="the end")
    seconds = time.monotonic() - began
    assert [p for p in host.children(recursive=True) if p.status() == "zombie"] == []
    good = range(0, count, 100)
    found = examine(lab, name, "".join(f"{n}\n" for n in good).encode(), user_failures=count - len(good))
    tally.trial(**found.counts())
    assert found.ok, found
    assert seconds / count < 0.5
    assert peak - before < GROWTH

    logs = lab.logs(name)
    sizes = {
        path.relative_to(logs).as_posix(): path.stat().st_size for path in logs.rglob("*") if path.is_file()
    }
    assert len(sizes) < 30, sizes
    assert sizes["failed_files.csv"] < 400 * count
    assert sizes["sys/job_report/processed_mini-batches.csv"] < 500 * count
    assert sizes["sys/driver.txt"] < 100_000
    assert sizes["user/job_error.txt"] < 1 << 20
    others = sum(size for path, size in sizes.items() if path.startswith("user/std"))
    assert others < 1000 * count
    with (logs / "failed_files.csv").open() as file:
        assert sum(1 for _ in file) == 1 + count - len(good)
    assert len(lab.client.jobs.errors(name)) < 20
