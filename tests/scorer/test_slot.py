"""A slot and its real processes: what it says of each end, and whom it blames."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from owner import gone_within

from batchmagic.scoring import slot as slots
from batchmagic.scoring.events import Kind, Member
from batchmagic.scoring.memory_watch import MemoryWatch
from batchmagic.scoring.private_temp import clear_folder, make_temporary, remove_folder
from batchmagic.scoring.segments import MemoryWriter
from batchmagic.scoring.slot import Slot, SlotSpec
from batchmagic.scoring.template import Template
from batchmagic.scoring.wire import LeaseReply, LeaseRequest

if TYPE_CHECKING:
    from collections.abc import Iterator

ECHO = "def run(mb): return list(mb)\n"


class Place:
    """A template, and a slot on it, as an instance has them."""

    def __init__(self, folder: Path, script: str, *, timeout: float = 60.0) -> None:
        self.folder = folder
        self.template = Template(sys.executable, dict(os.environ), [], folder / "template.txt")
        self.template.start()
        code = folder / "code"
        code.mkdir()
        (code / "score.py").write_text(script)
        child = {
            "script": str(code / "score.py"),
            "code_dir": str(code),
            "cwd": str(folder / "cwd"),
            "stdout": str(folder / "stdout.txt"),
            "stderr": str(folder / "stderr.txt"),
            "dump_file": str(folder / "dump.txt"),
            "output_format": "csv",
        }
        spec = SlotSpec(
            index=0, instance="i0", child=child, timeout=timeout, init_timeout=60.0, code_dir=str(code)
        )
        self.slot = Slot(spec, self, MemoryWriter())
        self._leases = 0

    def start_child(self, spec: dict[str, Any]):
        if not self.template.is_alive:
            self.template.close()
            self.template.start()
        return self.template.start_child(spec)

    def clear(self, spec: dict[str, Any]) -> None:
        """Empty the process's folder."""

    def end_stopped_template(self) -> bool:
        return self.template.end_if_stopped()

    def score(self, *members: list[str]) -> LeaseReply:
        self._leases += 1
        lease = LeaseRequest(
            job="j",
            number=self._leases,
            slots=1,
            members=tuple(Member(n) for n in range(len(members))),
            files=tuple(members),
        )
        return LeaseReply.unpack(self.slot.score(lease, lambda: None).pack(), lease.members)

    def one(self, name: str):
        (attempt,) = self.score([name]).attempts
        return attempt

    def close(self) -> None:
        self.slot.close()
        self.template.close()


@contextmanager
def place(folder: Path, script: str, **options: Any) -> Iterator[Place]:
    made = Place(folder, script, **options)
    try:
        yield made
    finally:
        made.close()


def test_a_process_that_ends_between_two_leases_costs_nobody_an_attempt(tmp_path):
    with place(tmp_path, ECHO) as here:
        assert here.one("/a").kind is Kind.OK
        first = here.slot.pid
        os.kill(first, signal.SIGKILL)
        assert gone_within(5, first)
        time.sleep(0.2)  # until its template has told
        assert here.one("/b").kind is Kind.OK
        assert here.slot.pid != first


SAID = {
    "os.kill(os.getpid(), 9)": (Kind.CRASH, "Crashed(SIGKILL)", "killed (SIGKILL) by somebody"),
    "os.closerange(3, 100_000); time.sleep(60)": (Kind.CRASH, "Disconnected", "closed its connection"),
    "os.closerange(3, 100_000)": (Kind.CRASH, "Exited(70)", "closed or replaced, most likely by the script"),
    "bytearray(1 << 60)": (Kind.OUT_OF_MEMORY, "MemoryError", "with bad.csv"),
    "garble()": (Kind.CRASH, "Garbled", "must not write to its connection"),
    "raise ValueError('a\\ud800\\0')": (Kind.ERROR, "ValueError", r"a\ud800\x00"),
}
SCRIPT = """
import gc, os, socket, struct, time
def garble():
    for found in gc.get_objects():
        if isinstance(found, socket.socket):
            try:
                found.sendall(struct.pack('>IQ', 13, 0) + b'{"op":"done"}')
            except OSError:
                continue
def run(mb):
    if mb == ['/bad.csv']:
        CODE
    return list(mb)
"""


@pytest.mark.parametrize("code", SAID)
def test_what_is_said_of_an_end(tmp_path, code):
    kind, name, text = SAID[code]
    with place(tmp_path, SCRIPT.replace("CODE", code)) as here:
        assert here.one("/a").kind is Kind.OK
        bad = here.one("/bad.csv")
        assert (bad.kind, bad.error["type"]) == (kind, name)
        assert text in bad.error["message"]
        bad.error["message"].encode()
        assert here.one("/a").kind is Kind.OK


def test_a_kill_by_the_kernel_is_told_from_any_other(tmp_path, monkeypatch):
    counts = iter([0, 0, 1, 1])
    monkeypatch.setattr("batchmagic.scoring.process_end.oom_kills", lambda: next(counts, 1))
    with place(tmp_path, SCRIPT.replace("CODE", "os.kill(os.getpid(), 9)")) as here:
        bad = here.one("/bad.csv")
    assert (bad.kind, bad.error["type"]) == (Kind.OUT_OF_MEMORY, "OutOfMemory")
    assert "as the kernel does when memory runs out; at its peak it used" in bad.error["message"]
    assert bad.error["message"].endswith(", with bad.csv")


def test_a_lease_is_cut_at_a_member_that_takes_long_and_goes_on_with_it(tmp_path, monkeypatch):
    monkeypatch.setattr(slots, "LEASE_BUDGET", 0.1)
    monkeypatch.setattr(slots, "_CUT_SECONDS", 0.6)
    script = """import os, time
def run(mb):
    while mb == ['/slow'] and not os.path.exists('go'): time.sleep(0.01)
    return list(mb)
"""
    with place(tmp_path, script) as here:
        here.one("/a")
        cut = here.score(["/b"], ["/slow"], ["/c"])
        assert (cut.carried, [a.kind for a in cut.attempts], cut.rows) == (True, [Kind.OK], (b"/b,b\n",))
        (tmp_path / "cwd" / "go").touch()
        rest = here.slot.resume()
        assert (rest.carried, [a.member.mini_batch for a in rest.attempts]) == (False, [1])
        assert rest.rows == (b"/slow,slow\n",)
        # /c was not begun; the process is as it was.
        assert here.one("/c").kind is Kind.OK


def test_a_lease_that_is_cut_ends_with_its_deadline(tmp_path, monkeypatch):
    monkeypatch.setattr(slots, "LEASE_BUDGET", 0.1)
    monkeypatch.setattr(slots, "_CUT_SECONDS", 0.6)
    script = "import time\ndef run(mb):\n    if mb == ['/slow']: time.sleep(60)\n    return list(mb)\n"
    with place(tmp_path, script, timeout=2.0) as here:
        assert here.score(["/slow"], ["/c"]).carried
        (late,) = here.slot.resume().attempts
        assert (late.kind, late.member.mini_batch) == (Kind.TIMEOUT, 0)
        assert 2 <= late.seconds < 20


def test_a_stop_ends_a_lease_that_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(slots, "_CUT_SECONDS", 0.2)
    script = "import time\ndef run(mb):\n    time.sleep(60)\n"
    with place(tmp_path, script) as here:
        assert here.score(["/slow"], ["/c"]).carried
        pid = here.slot.pid
        here.slot.stop()
        assert gone_within(5, pid)
        assert here.slot.resume().attempts == ()


def test_a_stopped_template_is_ended_where_it_would_not_obey(tmp_path):
    script = "import time\ndef run(mb):\n    if mb == ['/slow']: time.sleep(60)\n    return list(mb)\n"
    with place(tmp_path, script, timeout=1.0) as here:
        here.one("/a")
        pid = here.slot.pid
        template = psutil.Process(pid).parent()
        template.suspend()
        assert here.one("/slow").kind is Kind.TIMEOUT
        assert gone_within(5, pid, template.pid)
        assert here.one("/a").kind is Kind.OK


def test_a_template_that_is_stopped_while_it_imports_does_not_hold_a_start_up(tmp_path, monkeypatch):
    monkeypatch.setattr("batchmagic.scoring.template._LOOK_SECONDS", 0.3)
    with place(tmp_path, ECHO) as here:
        psutil.Process(here.template._process.pid).suspend()
        assert here.one("/a").kind is Kind.OK


def test_more_memory_than_there_is_for_it(tmp_path):
    script = """
def run(mb):
    held = []
    while mb == ['/bad.csv']:
        held.append(bytearray(4 << 20))
    return list(mb)
"""
    with place(tmp_path, script) as here:
        watch = MemoryWatch(150_000_000, lambda: [here.slot])
        try:
            here.one("/a")
            bad = here.one("/bad.csv")
            assert (bad.kind, bad.error["type"]) == (Kind.OUT_OF_MEMORY, "OutOfMemory")
            assert "of 150.0 MB), with bad.csv" in bad.error["message"]
            assert bad.error["frame"][1:3] == [5, "run"]
            assert here.one("/a").kind is Kind.OK
        finally:
            watch.close()


def test_folders_are_emptied_whatever_rights_are_left_on_them(tmp_path):
    (tmp_path / "outside").write_text("stays")
    folder = tmp_path / "process000"
    (folder / "locked" / "deep").mkdir(parents=True)
    (folder / "locked" / "deep" / "file").write_text("")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "locked").chmod(0)
    clear_folder(folder)
    assert list(folder.iterdir()) == []
    remove_folder(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["outside"]


def test_the_temporary_files_of_a_worker_that_was_killed_go_with_the_next_one(tmp_path):
    code = (
        "import sys, time; from batchmagic.scoring.private_temp import make_temporary;"
        "folder = make_temporary(sys.argv[1]); (folder / 'big').touch(); print(folder, flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as worker:
        left = Path(worker.stdout.readline().strip())
        foreign = tmp_path / "batchmagic-of-somebody-else"
        foreign.mkdir()
        mine = make_temporary(str(tmp_path))
        assert (left / "big").exists(), "its worker lives"
        worker.kill()
    another = make_temporary(str(tmp_path))
    assert not left.exists()
    assert foreign.exists()
    assert mine.exists()
    assert another != mine
