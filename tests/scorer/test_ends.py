"""No scoring process outlives its purpose."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from owner import alive, gone_within

if TYPE_CHECKING:
    from owner import Owner, Process

# Sleeps in C without letting go of the interpreter's lock: nothing that Python could do helps. In a loop,
# because a signal ends a sleep.
HANG = """import ctypes, os, subprocess, sys
grandchild = subprocess.Popen(['sleep', '1000'])
detached = subprocess.Popen(['sleep', '1000'], start_new_session=True)
print(grandchild.pid, detached.pid)
def run(mb):
    while mb == ['/hang']:
        ctypes.PyDLL(None).sleep(1000)
    return mb
"""


def hang(process: Process) -> list[int]:
    """Lease a mini-batch that hangs; return the process and its children, once it hangs."""
    process.lease(["/a"], ["/hang"])
    assert process.header()["k"] == 0
    deadline = time.monotonic() + 10
    while "sleep" not in Path(f"/proc/{process.pid}/wchan").read_text() and _state(process.pid) != "S":
        assert time.monotonic() < deadline
    return [process.pid, *map(int, process.text("stdout").split())]


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


@pytest.mark.parametrize("spawn", [False, True])
def test_a_hang_in_c_is_dumped_and_killed_in_time(owner: Owner, spawn):
    process = owner.ready(HANG, spawn=spawn)
    pids = hang(process)
    started = time.monotonic()
    process.ask("dump")
    while 'score.py", line 7 in run' not in process.text("dump"):
        assert time.monotonic() < started + 0.5
    assert alive(process.pid)
    process.ask("kill")
    assert os.WTERMSIG(process.exit()) == signal.SIGKILL
    assert time.monotonic() < started + 0.6
    assert gone_within(0.5, *pids)
    assert process.read() is None


def test_a_dump_does_no_harm_at_any_time(owner: Owner):
    process = owner.start("import time\ntime.sleep(0.2)\ndef run(mb): return mb\n")
    for _ in range(50):
        process.ask("dump")
        time.sleep(0.005)
    assert process.header()["ok"]
    for _ in range(20):
        process.ask("dump")
        assert process.one("/a").header["status"] == "ok"


def test_the_group_goes_when_the_watch_socket_is_closed(owner: Owner):
    process, neighbour = owner.ready(HANG), owner.ready("def run(mb): return mb\n")
    pids = hang(process)
    process.watch.close()
    assert gone_within(1.0, *pids)
    assert neighbour.one("/a").header["status"] == "ok"


def test_an_idle_process_ends_when_the_data_socket_is_closed(owner: Owner):
    process = owner.ready("def run(mb): return mb\n")
    process.data.close()
    assert process.exit(1.0) == 0


def test_a_process_whose_owner_is_gone_ends_without_a_word(owner: Owner):
    process = owner.ready("def run(mb):\n    input()\n    return mb\n", output_format="jsonl")
    process.lease(*[["/a"]] * 1000)
    assert process.header()["status"] == "error"
    process.data.close()
    assert process.exit(2.0) == 0
    assert process.text("stderr") == ""


def test_what_a_process_leaves_behind_is_killed_when_it_ends(owner: Owner):
    process = owner.ready(HANG)
    pids = list(map(int, process.text("stdout").split()))
    assert len(pids) == 2
    assert all(map(alive, pids))
    assert process.shutdown() == 0
    assert gone_within(1.0, *pids)


def test_everything_goes_when_the_control_socket_is_closed(owner: Owner):
    pids = [pid for _ in range(3) for pid in hang(owner.ready(HANG))]
    owner.control.close()
    assert gone_within(1.0, owner.template.pid, *pids) or owner.template.wait(1) == 0
    assert gone_within(1.0, *pids)


def test_scoring_processes_die_with_their_template(owner: Owner):
    processes = [owner.ready(HANG) for _ in range(2)]
    pids = [pid for process in processes for pid in hang(process)[:1]]
    owner.template.kill()
    assert gone_within(1.0, *pids)
    leftover = [int(pid) for process in processes for pid in process.text("stdout").split()]
    for pid in leftover:
        # Nobody who knows of them is left: whoever kills a template by hand has these to answer for.
        if alive(pid):
            os.kill(pid, signal.SIGKILL)


OWNER = """
import sys, time
from pathlib import Path
from owner import Owner
from test_ends import HANG, hang
owner = Owner(Path(sys.argv[1]))
owner.prepare()
pids = [owner.template.pid]
for _ in range(2):
    pids += hang(owner.ready(HANG))
print(*pids, flush=True)
time.sleep(1000)
"""


def test_everything_goes_when_the_owner_is_killed(tmp_path: Path):
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    with subprocess.Popen(
        [sys.executable, "-c", OWNER, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    ) as owner:
        assert owner.stdout is not None
        pids = list(map(int, owner.stdout.readline().split()))
        assert len(pids) == 7
        assert all(map(alive, pids))
        owner.kill()
    assert gone_within(1.0, *pids)


def test_a_template_that_is_still_importing_dies_with_its_owner(tmp_path: Path):
    (tmp_path / "slow_import.py").write_text(
        "import ctypes\nprint('importing', flush=True)\nctypes.PyDLL(None).sleep(1000)\n"
    )
    script = (
        "import sys, time\nfrom pathlib import Path\nfrom owner import Owner\nfrom batchmagic.scoring.child.frames import send\n"
        "owner = Owner(Path(sys.argv[1]), env={'PYTHONPATH': sys.argv[1]})\n"
        "send(owner.control, {'op': 'prepare', 'preload': ['slow_import']})\n"
        "print(owner.template.pid, flush=True)\ntime.sleep(1000)\n"
    )
    paths = os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[2])])
    with subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": paths},
    ) as owner:
        assert owner.stdout is not None
        said = {owner.stdout.readline().strip() for _ in range(2)}
        (pid,) = (int(line) for line in said if line.isdigit())
        owner.kill()
        assert gone_within(1.0, pid)


def test_a_frame_that_is_none_ends_the_template(owner: Owner):
    process = owner.ready("def run(mb): return mb\n")
    owner.control.sendall(b"\xff" * 64)
    assert owner.template.wait(5) == 0
    assert gone_within(1.0, process.pid)


def test_a_start_that_cannot_be_isolated_is_told(owner: Owner):
    (owner.folder / "file").write_text("")
    process = owner.start("def run(mb): return mb\n", stdout=str(owner.folder / "file" / "stdout"))
    header = process.header()
    assert not header["ok"]
    assert header["error"]["type"] == "FileExistsError"
    assert str(owner.folder / "file") in header["error"]["message"]
    assert os.WEXITSTATUS(process.exit()) == 1
