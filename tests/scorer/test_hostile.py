"""Scripts that change what everybody stands on: each mini-batch has its own end all the same."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from owner import Owner

FAILS_ON_BAD = "def run(mb):\n    if mb == ['/bad']: raise ValueError('x')\n    return list(mb)\n"

PATCHED = {
    "json": "import json\njson.dumps = json.loads = lambda *a, **k: 1 / 0\n",
    "open": "import builtins\nbuiltins.open = None\n",
    "time": "import time\ntime.time = time.perf_counter = time.monotonic = time.process_time = lambda: 'noon'\n",
    "os": "import os\nos.write = os.getpid = os._exit = os.fork = None\n",
    "socket": "import socket\nsocket.socket.sendall = socket.socket.recv = None\nsocket.socket = None\n",
    "resource": "import resource\nresource.getrusage = None\n",
    "streams": "import sys\nsys.stdout = sys.stderr = None\n",
    "streams that raise": "import sys\nclass S:\n    def __getattr__(self, n): raise SystemExit(3)\n"
    "sys.stdout = sys.stderr = S()\n",
    "locale": "import gc, locale\ngc.disable()\nlocale.setlocale(locale.LC_ALL, 'C')\n",
    "umask and folder": "import os, shutil\nos.umask(0o777)\nshutil.rmtree(os.getcwd())\n",
    "standard descriptors": "import os\nos.closerange(0, 3)\n",
}


@pytest.mark.parametrize("what", PATCHED)
def test_what_a_script_replaces_is_not_what_its_results_travel_by(owner: Owner, what: str):
    process = owner.ready(PATCHED[what] + FAILS_ON_BAD)
    good, bad, after = process.score(["/a"], ["/bad"], ["/b"])
    assert (good.raw, after.raw) == (b"/a,a\n", b"/b,b\n")
    error = bad.header["error"]
    assert (error["type"], error["message"], error["frame"][2]) == ("ValueError", "x", "run")


HOSTILE = {
    "what describes it is broken": "import traceback\ntraceback.format_exception = traceback.walk_tb = None\n"
    "class Odd(Exception): pass\n",
    "a class without a name": "class M(type):\n    @property\n    def __module__(c): raise SystemExit\n"
    "class Odd(Exception, metaclass=M): pass\n",
    "a traceback that raises": "class Odd(Exception):\n    __traceback__ = property(lambda s: 1 / 0)\n",
    "a text that lies": "class S(str):\n    def __len__(self): return -5\n    def __str__(self): raise SystemExit\n"
    "class Odd(Exception):\n    def __str__(self): return S('x' * 20_000)\n",
    "a circle of causes": "class Odd(Exception):\n    def __init__(self):\n        other = ValueError()\n"
    "        self.__cause__ = other; other.__cause__ = self; self.__context__ = self\n",
    "a trace function": "import sys\ndef look(*a): raise SystemExit\n"
    "class Odd(Exception):\n    def __init__(self): sys.settrace(look); sys.setprofile(look)\n",
}


@pytest.mark.parametrize("what", HOSTILE)
def test_no_exception_breaks_the_report_of_it(owner: Owner, what: str):
    script = HOSTILE[what] + "def run(mb):\n    if mb == ['/bad']: raise Odd()\n    return list(mb)\n"
    bad, good = owner.ready(script).score(["/bad"], ["/b"])
    assert bad.header["status"] == "error"
    name = "Error" if what == "a trace function" else "Odd"
    assert bad.header["error"]["type"].rpartition(".")[2] == name
    assert len(bad.header["error"]["message"]) < 10_000
    assert good.raw == b"/b,b\n"


def test_the_name_of_an_exception_is_short(owner: Owner):
    script = "def run(mb): raise type('X' * 1_000_000, (Exception,), {})('hi')\n"
    error = owner.ready(script).one("/a").header["error"]
    assert (error["message"], len(error["type"])) == ("hi", 200)


@pytest.mark.skipif(sys.version_info < (3, 11), reason="exception groups")
def test_a_group_of_a_hundred_thousand(owner: Owner):
    script = "def run(mb): raise ExceptionGroup('many', [ValueError(n) for n in range(100_000)])\n"
    error = owner.ready(script).one("/a").header["error"]
    assert error["type"] == "ExceptionGroup"
    assert len(error["traceback"]) < 40_000


@pytest.mark.parametrize("where", ["import", "init", "run"])
@pytest.mark.parametrize(
    ("child", "status"), [("raise SystemExit(5)", 5), ("raise KeyError", 1), ("return", 0)]
)
def test_a_fork_that_comes_back_is_not_a_second_scoring_process(
    owner: Owner, where: str, child: str, status: int
):
    """Two that read one connection would each answer a part of every lease; its parent would wait for ever."""
    fork = f"import os\ndef fork():\n    if os.fork() == 0: {child}\n    else: print(os.wait()[1] >> 8)\n"
    code = {
        "import": "fork()\ndef run(mb): return list(mb)\n",
        "init": "def init(): fork()\ndef run(mb): return list(mb)\n",
        "run": "def run(mb):\n    fork()\n    return list(mb)\n",
    }
    process = owner.ready(fork + code[where])
    assert [f.raw for f in process.score(["/a"], ["/b"])] == [b"/a,a\n", b"/b,b\n"]
    assert set(process.text("stdout").split()) == {str(status)}
    assert process.shutdown() == 0


@pytest.mark.parametrize("end", ["return list(mb)", "raise ValueError('x')"])
def test_a_recursion_limit_that_is_next_to_nothing(owner: Owner, end: str):
    script = (
        f"import inspect, sys\ndef run(mb):\n    sys.setrecursionlimit(len(inspect.stack()) + 3)\n    {end}\n"
    )
    frame = owner.ready(script).one("/a")
    assert frame.raw == b"/a,a\n" or frame.header["error"]["message"] == "x"


def test_a_length_that_lies_changes_nothing(owner: Owner):
    script = """import pandas as pd
class Frame(pd.DataFrame):
    def __len__(self): return 7
class List(list):
    def __len__(self): return 9
def run(mb): return Frame({'a': [1, 2]}) if mb == ['/frame'] else List(['x'])
"""
    process = owner.ready(script)
    frame, items = process.score(["/frame"], ["/list", "/2"])
    assert (frame.header["rows"], frame.raw) == (2, b"1\n2\n")
    assert (items.header["rows"], items.raw) == (1, b"x\n")


def test_lines_of_many_threads_stay_whole(owner: Owner):
    """`print` writes a text and its end apart; with a short switch interval another thread comes between."""
    script = """
import sys, threading
sys.setswitchinterval(1e-6)
def talk(k):
    for _ in range(400):
        print(chr(65 + k % 26) * 60)
def run(mb):
    threads = [threading.Thread(target=talk, args=(k,)) for k in range(50)]
    [t.start() for t in threads]; [t.join() for t in threads]
    return list(mb)
"""
    process = owner.ready(script)
    process.one("/a")
    lines = process.text("stdout").splitlines()
    assert len(lines) == 50 * 400
    assert [line for line in lines if len(line) != 60 or len(set(line)) != 1] == []


def test_what_is_printed_without_a_newline_is_there_in_time(owner: Owner):
    script = """
import sys, threading
def run(mb):
    print('begun', end='')
    threading.Thread(target=lambda: print('|of a thread that is gone', end='')).start()
    sys.stderr.write('10%\\r')
    if mb == ['/long']:
        for _ in range(1000): print('x' * 1000, end='')
    return list(mb)
def shutdown(): print('|at the end', end='')
"""
    process = owner.ready(script)
    process.one("/a")
    assert "begun" in process.text("stdout")
    assert process.text("stderr") == "10%\n"  # as text files are read
    process.one("/long")
    assert process.text("stdout").count("x") == 1_000_000
    assert process.shutdown() == 0
    assert process.text("stdout").endswith("|at the end")
    assert process.text("stdout").count("|of a thread that is gone") == 2


def test_a_forked_copy_does_not_print_again_what_was_begun(owner: Owner):
    script = """
import os
def run(mb):
    print('once', end='')
    if os.fork() == 0:
        print('child')
        os._exit(0)
    os.wait()
    return list(mb)
"""
    process = owner.ready(script)
    process.one("/a")
    assert process.text("stdout") == "child\nonce"


def test_a_crash_leaves_no_core_file(owner: Owner):
    script = "import ctypes, resource\ndef run(mb):\n    print(resource.getrlimit(resource.RLIMIT_CORE)[0])\n    ctypes.string_at(0)\n"
    process = owner.ready(script)
    process.lease(["/a"])
    assert process.read() is None
    process.exit()
    assert process.text("stdout") == "0\n"
    assert os.listdir(process.folder / "cwd") == []  # noqa: PTH208


def test_python_that_finds_no_memory_says_so(owner: Owner):
    process = owner.ready("def run(mb): return [len(bytearray(1 << 60))]\n")
    error = process.one("/a").header["error"]
    assert (error["type"], error["message"]) == ("MemoryError", "Python found no more memory")


def test_more_than_four_gigabytes_have_room_in_a_frame():
    from batchmagic.scoring.child.frames import LENGTHS, start_of  # noqa: PLC0415

    start = start_of(b"{}", 5 << 30)
    assert LENGTHS.unpack(start[: LENGTHS.size]) == (2, 5 << 30)
