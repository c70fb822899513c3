"""Scripts that fail before run(): on every instance the job ends at once, on one it does without that instance."""

from __future__ import annotations

import time

import pytest

from batchmagic.errors import JobException

INIT_RAISES = """
import os

def load_weights(path):
    raise FileNotFoundError(f"no weights in {path}")

def init():
    load_weights("nowhere")

def run(mini_batch):
    return list(mini_batch)
"""

IMPORT_FAILS = "import a_package_that_nobody_has\n\ndef run(mini_batch):\n    return []\n"
SIBLING = "from helper import *\n\ndef run(mini_batch):\n    return []\n"
INIT_EXITS = (
    'import sys\n\ndef init():\n    sys.exit("wrong licence")\n\ndef run(mini_batch):\n    return []\n'
)
INIT_CRASHES = "import os\n\ndef init():\n    os.abort()\n\ndef run(mini_batch):\n    return []\n"

STARTS = {
    "init raises": (
        INIT_RAISES,
        {},
        "FileNotFoundError: no weights in nowhere",
        "score.py, line 5, in load_weights",
    ),
    "import fails": (
        IMPORT_FAILS,
        {},
        "ModuleNotFoundError: No module named 'a_package_that_nobody_has'",
        "score.py, line 1, in <module>",
    ),
    "sibling does not parse": (
        SIBLING,
        {"helper.py": "x = (\n"},
        "SyntaxError: '(' was never closed",
        "helper.py, line 1",
    ),
    "init exits": (INIT_EXITS, {}, "SystemExit: wrong licence", "score.py, line 4, in init"),
    "init crashes": (
        INIT_CRASHES,
        {},
        "Crashed(SIGABRT): the scoring process crashed",
        "score.py, line 4, in init",
    ),
}

# The first process that comes spoils the place for all processes of its instance.
ONE_BAD_INSTANCE = """
import os, pathlib, time

MARKS = pathlib.Path({marks!r})

def init():
    try:
        with open(MARKS / "bad", "x") as file:
            file.write(str(os.getppid()))
    except FileExistsError:
        pass
    if (MARKS / "bad").read_text() in ("", str(os.getppid())):
        raise RuntimeError("no device here")

def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""


@pytest.mark.parametrize("case", STARTS)
def test_failing_everywhere_ends_the_job_at_once(lab, case):
    source, siblings, message, place = STARTS[case]
    lab.deploy("failing", source, siblings=siblings, mini_batch_size=1)
    began = time.monotonic()
    record = lab.run("failing", 100)
    assert time.monotonic() - began < 30
    assert record.status == "Failed"
    assert "failed on every instance" in record.status_detail
    assert record.progress.failed == record.progress.completed == 0
    assert lab.attempts(record.name) == []
    errors = lab.log(record.name, "user/job_error.txt")
    assert message.split(": ")[0] in errors
    assert errors.count(message.split(": ")[1]) >= 1
    with pytest.raises(JobException) as caught:
        lab.client.jobs.stream(record.name)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(message)
    assert place in lines[1]
    assert len(lines) <= 8


def test_the_error_of_init_is_shown_once(lab):
    lab.deploy("failing", INIT_RAISES)
    record = lab.run("failing", 100)
    assert lab.log(record.name, "user/job_error.txt").count("Traceback (most recent call last)") == 1


def test_failing_on_one_instance_leaves_the_other(lab):
    gate = lab.gate()
    lab.deploy("picky", gate.script(ONE_BAD_INSTANCE), mini_batch_size=1, max_concurrency_per_instance=1)
    record = lab.run("picky", 20, instance_count=2)
    lab.assert_sound(record, files=20)
    assert len({row["Process"] for row in lab.attempts(record.name)}) == 1
    assert "is excluded" in lab.log(record.name, "sys/driver.txt")
