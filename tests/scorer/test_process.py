"""A scoring process from the outside: what comes back for whatever the user's code does."""

from __future__ import annotations

import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from batchmagic.scoring.child.frames import pack

if TYPE_CHECKING:
    from owner import Owner

ECHO = "def run(mini_batch):\n    return [f'{len(mini_batch)}']\n"


def test_prepare_reports_interpreter_and_imports(owner: Owner):
    ready = owner.prepare("json", "no_such_module_anywhere")
    assert ready["python"] == ".".join(map(str, sys.version_info[:3]))
    assert ready["executable"] == sys.executable
    assert ready["imports"]["json"] >= 0
    assert ready["imports"]["no_such_module_anywhere"].startswith("ModuleNotFoundError")
    assert ready["threads"] == 1


def test_requests_that_arrive_together_are_all_served(owner: Owner):
    owner.control.sendall(
        pack({"op": "prepare", "preload": ["json"]}) + pack({"op": "prepare", "preload": ["csv"]})
    )
    answers = [owner.reader.read(time.monotonic() + 10) for _ in range(2)]
    assert [list(frame.header["imports"]) for frame in answers] == [["json"], ["csv"]]


@pytest.mark.parametrize("spawn", [False, True])
def test_init_run_and_shutdown_are_called_in_order(owner: Owner, spawn):
    script = """
seen = []
def init(): seen.append('init')
def run(mini_batch):
    seen.append('run')
    return list(mini_batch) + seen
def shutdown(): print('over', seen)
"""
    process = owner.ready(script, spawn=spawn)
    frame = process.one("/a/1", "/a/2")
    assert frame.raw == b"/a/1\n/a/2\ninit\nrun\n"
    assert frame.header["rows"] == frame.header["items"] == 4
    assert frame.header["columns"] == [["result", "text"]]
    assert frame.header["encoding"] == "csv"
    assert frame.header["maxrss"] > 1000
    assert process.shutdown() == 0
    assert process.text("stdout") == "over ['init', 'run']\n"


def test_what_is_registered_for_the_end_of_the_process_is_run(owner: Owner):
    process = owner.ready("import atexit\natexit.register(print, 'at exit')\n" + ECHO)
    assert process.shutdown() == 0
    assert process.text("stdout") == "at exit\n"


def test_a_failing_shutdown_is_in_the_log_and_nowhere_else(owner: Owner):
    process = owner.ready(ECHO + "def shutdown(): raise ValueError('too late')\n")
    assert process.shutdown() == 0
    assert "ValueError: too late" in process.text("stderr")


FAILURES = {
    "ValueError": "raise ValueError('bad value')",
    "SystemExit": "import sys; sys.exit('bad value')",
    "KeyboardInterrupt": "raise KeyboardInterrupt('bad value')",
    "GeneratorExit": "raise GeneratorExit('bad value')",
    "score.Own": "raise Own('bad value')",
    "score.Unpicklable": "raise Unpicklable('bad value')",
}


@pytest.mark.parametrize("name", FAILURES)
def test_whatever_run_raises_is_told_and_the_next_mini_batch_is_scored(owner: Owner, name: str):
    script = f"""
class Own(BaseException): pass
class Unpicklable(Exception):
    def __init__(self, text):
        super().__init__(text); self.lock = __import__('threading').Lock()
def run(mini_batch):
    if mini_batch == ['/bad']:
        {FAILURES[name]}
    return ['fine']
"""
    process = owner.ready(script)
    bad, good = process.score(["/bad"], ["/good"])
    assert bad.header["status"] == "error"
    error = bad.header["error"]
    assert (error["type"], error["message"], error["phase"]) == (name, "bad value", "run")
    file, line, function, source = error["frame"]
    assert (Path(file).name, line, function) == ("score.py", 8, "run")
    assert source == FAILURES[name]
    assert "scoring/child" not in error["traceback"]
    assert error["traceback"].startswith("Traceback (most recent call last):\n")
    assert good.header["status"] == "ok"


def test_endless_recursion_is_one_failed_mini_batch(owner: Owner):
    process = owner.ready("def deep(n): return deep(n + 1)\ndef run(mb):\n    return deep(0) if mb else []\n")
    bad, good = process.score(["/bad"], [])
    assert bad.header["error"]["type"] == "RecursionError"
    assert bad.header["error"]["frame"][1:3] == [1, "deep"]
    assert good.header["status"] == "ok"


def test_exceptions_that_cannot_be_shown_are_told_all_the_same(owner: Owner):
    script = """
class Hostile(Exception):
    def __str__(self): raise SystemExit('no')
    __repr__ = __str__
class Chained(Exception): pass
def run(mb):
    if mb == ['/chain']:
        error = None
        for n in range(3000):
            new = Chained(str(n)); new.__cause__ = error; error = new
        raise error
    raise Hostile
"""
    process = owner.ready(script)
    hostile, chain = process.score(["/x"], ["/chain"])
    assert hostile.header["error"]["type"] == "score.Hostile"
    assert "Hostile" in hostile.header["error"]["message"]
    assert hostile.header["error"]["frame"][1] == 12
    assert chain.header["error"]["message"] == "2999"
    assert len(chain.header["error"]["traceback"]) < 40_000


def test_a_huge_message_is_cut_and_its_ends_are_kept(owner: Owner):
    process = owner.ready("def run(mb): raise ValueError('begin' + 'x' * 10_000_000 + 'end')\n")
    error = process.one("/x").header["error"]
    assert len(error["message"]) < 10_000
    assert error["message"].startswith("begin")
    assert error["message"].endswith("end")


def test_the_innermost_line_of_the_users_code_is_named_not_a_librarys(owner: Owner):
    process = owner.ready(
        "import json\ndef parse(text):\n    return json.loads(text)\ndef run(mb): return parse('{')\n"
    )
    error = process.one("/x").header["error"]
    assert error["type"] == "json.decoder.JSONDecodeError"
    assert error["frame"][1:] == [3, "parse", "return json.loads(text)"]


@pytest.mark.parametrize(
    ("script", "phase", "kind", "message"),
    [
        ("import no_such_module\n", "import", "ModuleNotFoundError", "No module named 'no_such_module'"),
        ("def run(mb:\n", "import", "SyntaxError", ""),
        ("raise SystemExit(4)\n", "import", "SystemExit", "4"),
        ("def init(): pass\n", "import", "AttributeError", "score.py defines no function run(mini_batch)"),
        (ECHO + "def init(): raise OSError('no model')\n", "init", "OSError", "no model"),
        (ECHO + "def init(): exit()\n", "init", "SystemExit", "None"),
    ],
)
def test_code_that_does_not_come_up_is_told_with_its_phase(
    owner: Owner, script: str, phase: str, kind: str, message: str
):
    process = owner.start(script)
    header = process.header()
    assert (header["op"], header["ok"]) == ("init", False)
    error = header["error"]
    assert (error["phase"], error["type"]) == (phase, kind)
    assert message in error["message"]
    if kind != "AttributeError":
        assert Path(error["frame"][0]).name == "score.py"
    assert os.WEXITSTATUS(process.exit()) == 1


@pytest.mark.parametrize(
    ("code", "signal_number", "exit_code"),
    [
        ("os._exit(3)", 0, 3),
        ("ctypes.string_at(0)", signal.SIGSEGV, 0),
        ("os.kill(os.getpid(), 9)", signal.SIGKILL, 0),
        ("os.abort()", signal.SIGABRT, 0),
    ],
)
def test_a_death_is_the_end_of_the_stream_and_its_status_is_told(
    owner: Owner, code: str, signal_number: int, exit_code: int
):
    script = f"import ctypes, os\ndef run(mb):\n    if mb == ['/bad']:\n        {code}\n    return mb\n"
    process = owner.ready(script)
    process.lease(["/a"], ["/bad"], ["/b"])
    assert process.header()["k"] == 0
    assert process.read() is None
    status = process.exit()
    assert os.WTERMSIG(status) == signal_number
    assert os.WEXITSTATUS(status) == exit_code
    if signal_number == signal.SIGSEGV:
        assert 'score.py", line 4 in run' in process.text("dump")
    owner.ready(ECHO).one("/a")


def test_a_lease_is_given_back_when_its_time_or_size_is_used_up(owner: Owner):
    process = owner.ready(
        "import time\ndef run(mb):\n    time.sleep(0.03)\n    return ['x' * 100] * len(mb)\n"
    )
    assert len(process.score(*[["/a"]] * 5, budget=0.05)) in {1, 2}
    assert len(process.score(*[["/a"]] * 5, budget=0.0)) == 1
    assert len(process.score(*[["/a"]] * 5, max_bytes=250)) == 3
    assert len(process.score(*[["/a"]] * 5)) == 5


def test_each_result_is_sent_before_the_next_mini_batch_begins(owner: Owner):
    script = "import os\ndef run(mb):\n    if mb == ['/bad']: os._exit(9)\n    return mb\n"
    process = owner.ready(script)
    process.lease(["/a"], ["/b"], ["/bad"])
    assert [process.header()["k"], process.header()["k"]] == [0, 1]
    assert process.read() is None


def test_a_forked_copy_that_comes_back_from_run_reports_nothing(owner: Owner):
    process = owner.ready("import os\ndef run(mb):\n    os.fork()\n    return [str(len(mb))]\n")
    assert [f.raw for f in process.score(*[["/a"]] * 5)] == [b"1,a\n"] * 5
    assert process.shutdown() == 0


def test_a_big_result_arrives_whole(owner: Owner):
    process = owner.ready("def run(mb): return ['y' * 50_000_000, 'z']\n")
    frame = process.one("/a")
    assert frame.raw == b"y" * 50_000_000 + b"\nz\n"


def test_summary_only_counts_and_keeps_nothing(owner: Owner):
    process = owner.ready("def run(mb): return (f for f in mb)\n", output_action="summary_only")
    frame = process.one("/a", "/b")
    assert (frame.header["rows"], frame.header["items"], frame.header["encoding"]) == (2, 2, "none")
    assert (frame.raw, frame.header["columns"]) == (b"", [])


@pytest.mark.parametrize("value", ["None", "'text'", "{'a': 1}", "b'x'", "7", "object()", "{1}"])
def test_a_wrong_type_fails_the_mini_batch_and_names_what_is_allowed(owner: Owner, value: str):
    process = owner.ready(f"def run(mb):\n    return {value}\n")
    error = process.one("/a").header["error"]
    assert "run() must return a list" in error["message"]
    assert type(eval(value)).__name__ in error["message"]
    assert error["frame"][1:] == [1, "run", "def run(mb):"]


def test_a_generator_that_raises_is_an_error_of_run(owner: Owner):
    process = owner.ready("def run(mb):\n    yield 'a'\n    raise KeyError('late')\n")
    error = process.one("/a").header["error"]
    assert (error["phase"], error["type"], error["frame"][1]) == ("run", "KeyError", 3)


def test_a_value_that_cannot_be_written_is_an_error_of_encoding(owner: Owner):
    script = "class V:\n    def __str__(self): raise ValueError('unsayable')\ndef run(mb): return [V()]\n"
    error = owner.ready(script).one("/a").header["error"]
    assert (error["phase"], error["message"], error["frame"][1]) == ("encode", "unsayable", 2)


@pytest.mark.parametrize(
    ("head", "rows"),
    [
        ("def run(mini_batch, context):\n    return [context.minibatch_index]", b"0\n"),
        (
            "def run(mini_batch, mini_batch_context=None):\n    return [mini_batch_context.minibatch_index]",
            b"0\n",
        ),
        ("def run(mini_batch, *, mini_batch_context=3):\n    return [mini_batch_context]", b"3\n"),
        ("def run(mini_batch, verbose=5):\n    return [verbose]", b"5\n"),
        ("def run(*arguments):\n    return [len(arguments)]", b"1\n"),
        ("class Runner:\n    def __call__(self, mini_batch):\n        return [7]\nrun = Runner()", b"7\n"),
    ],
)
def test_a_run_with_a_second_parameter_gets_the_context_where_it_wants_it(
    owner: Owner, head: str, rows: bytes
):
    assert owner.ready(head + "\n").one("/a", "/b").raw == rows
