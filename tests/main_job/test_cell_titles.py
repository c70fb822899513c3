"""A script that is the body of a cell: what goes wrong in it names the cell, in every place where it is told."""

from __future__ import annotations

import pytest

from batchmagic.errors import JobException, ScriptError

CELL = {"batchmagic.cell": "5"}

# The first line stands for the line of the magic. The name of a file says what happens with it.
BODY = """# %%batch deploy
import os
import time
import helper


def run(mini_batch):
    what = os.path.basename(mini_batch[0]).split(".")[0]
    if what == "raises":
        raise ValueError("could not convert")
    if what == "helps":
        helper.check(what)
    if what == "chained":
        try:
            helper.check(what)
        except KeyError as error:
            raise RuntimeError("given up") from error
    if what == "late":
        time.sleep(600)
    if what == "dies":
        os.abort()
    return [what]"""

HELPER = """def check(name):
    raise KeyError(name)
"""

BAD = ["raises", "helps", "chained", "late", "dies"]


def failing(lab, name: str, body: str, *, files: int = 1, **settings):
    """Run a job that fails, and return what reading its result raises."""
    lab.deploy(
        name,
        body,
        mini_batch_size=1,
        properties=CELL,
        retry_settings={"max_retries": 0, "timeout": 30},
        **settings,
    )
    record = lab.run(name, files)
    assert record.status == "Failed"
    with pytest.raises(JobException) as caught:
        lab.client.jobs.result(record.name)
    return record, caught.value


@pytest.fixture(scope="module")
def job(lab):
    """One job with everything in it, beside a good file."""
    settings = {"mini_batch_size": 1, "retry_settings": {"max_retries": 0, "timeout": 1}}
    lab.deploy("cell", BODY, siblings={"helper.py": HELPER}, properties=CELL, **settings)
    record = lab.run("cell", ["good.csv", *(f"{bad}.csv" for bad in BAD)], error_threshold=-1)
    assert record.progress.files_failed == len(BAD)
    return record


@pytest.fixture(scope="module")
def groups(lab, job):
    return {
        group.example_file.removesuffix(".csv"): group for group in lab.client.jobs.error_groups(job.name)
    }


@pytest.mark.parametrize(
    ("bad", "frame"),
    [
        ("raises", ("cell [5]", 10, "run", 'raise ValueError("could not convert")')),
        ("chained", ("cell [5]", 17, "run", 'raise RuntimeError("given up") from error')),
        ("late", ("cell [5]", 19, "run", "time.sleep(600)")),
        ("dies", ("cell [5]", 21, "run", "os.abort()")),
    ],
)
def test_a_line_of_the_cell_is_called_so(groups, bad, frame):
    assert groups[bad].frame == frame
    assert f"  cell [5], line {frame[1]}, in run\n" in groups[bad].traceback + "\n"
    assert "score.py" not in groups[bad].traceback


def test_the_source_line_follows_as_in_any_traceback(groups):
    assert groups["raises"].traceback == (
        "Traceback (most recent call last):\n"
        "  cell [5], line 10, in run\n"
        '    raise ValueError("could not convert")\n'
        "ValueError: could not convert\n"
    )


def test_a_helper_keeps_its_file_name(groups):
    file, line, function, _ = groups["helps"].frame
    assert (file.rpartition("/")[2], line, function) == ("helper.py", 2, "check")
    lines = groups["helps"].traceback.splitlines()
    assert lines[1] == "  cell [5], line 12, in run"
    assert next(line for line in lines if "helper.py" in line).endswith('helper.py", line 2, in check')


def test_both_halves_of_a_chain_are_called_so(groups):
    text = groups["chained"].traceback
    assert "  cell [5], line 15, in run\n" in text
    assert "  cell [5], line 17, in run\n" in text


def test_it_stands_in_the_logs_and_in_the_table_of_errors(lab, job):
    log = lab.log(job.name, "user/job_error.txt")
    assert '    cell [5], line 10, in run:   raise ValueError("could not convert")' in log
    frame = lab.client.jobs.errors(job.name).set_index("type")
    assert (frame.loc["ValueError", "file"], frame.loc["ValueError", "line"]) == ("cell [5]", 10)


def test_it_is_frozen_with_the_job_and_makes_no_version(lab):
    lab.deploy("frozen", "def run(mini_batch):\n    return [1]\n", properties=CELL)
    first = lab.run("frozen", 1).name
    stored = lab.client.batch_deployments.get("frozen", "batch")
    stored.properties = {"batchmagic.cell": "6"}
    lab.client.batch_deployments.begin_create_or_update(stored).result()
    second = lab.run("frozen", 1).name
    specs = [lab.job(name).spec for name in (first, second)]
    assert [spec.script_title for spec in specs] == ["cell [5]", "cell [6]"]
    assert [spec.deployment_version for spec in specs] == [1, 1]


def test_an_error_in_the_last_line(lab):
    record, error = failing(lab, "last", "def run(mini_batch):\n    return [1 / 0]")
    lines = str(error).splitlines()
    assert lines[:2] == [
        "ZeroDivisionError: division by zero",
        "  cell [5], line 2, in run:   return [1 / 0]",
    ]
    assert record.error["frame"][0] == "cell [5]"


def test_an_error_in_init(lab):
    body = "\ndef init():\n    open('/nowhere')\n\ndef run(mini_batch):\n    return []\n"
    _, error = failing(lab, "init", body)
    assert str(error).splitlines()[0].startswith("FileNotFoundError: ")
    assert str(error).splitlines()[1] == "  cell [5], line 3, in init:   open('/nowhere')"


def test_what_only_the_import_finds(lab):
    """`ast` reads a ``return`` outside of a function, so it can be deployed; the import cannot compile it."""
    _, error = failing(lab, "syntax", "\ndef run(mini_batch):\n    return []\n\nreturn 1\n")
    lines = str(error).splitlines()
    assert lines[0] == "SyntaxError: 'return' outside function (cell [5], line 5)"
    assert lines[1] == "  cell [5], line 5, in <module>:   return 1"


def test_a_module_that_is_missing(lab):
    _, error = failing(lab, "missing", "import no_such_module\n\ndef run(mini_batch):\n    return []\n")
    assert str(error).splitlines()[1] == "  cell [5], line 1, in <module>:   import no_such_module"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("\ndef run(mini_batch:\n    return []\n", r"^cell \[5\], line 2: .*"),
        ("def predict(mini_batch):\n    return []\n", r"^cell \[5\] has no run\(mini_batch\)\."),
        ("\n\ndef run():\n    return []\n", r"^cell \[5\], line 3: run\(\) takes no mini-batch"),
    ],
)
def test_what_is_refused_before_anything_is_deployed(lab, body, message):
    with pytest.raises(ScriptError, match=message):
        lab.deploy("refused", body, properties=CELL)


def test_a_script_of_another_file_is_not_called_a_cell_any_more(lab):
    lab.deploy("moved", "def run(mini_batch):\n    return []\n", properties=CELL)
    stored = lab.client.batch_deployments.get("moved", "batch")
    stored.description = "the same script"
    lab.client.batch_deployments.begin_create_or_update(stored).result()
    assert lab.client.batch_deployments.get("moved", "batch").properties == CELL
    code = lab.new_folder("code")
    code.mkdir()
    (code / "score.py").write_text("def run(mini_batch):\n    return [1]\n")
    stored = lab.client.batch_deployments.get("moved", "batch")
    stored.code_path = str(code)
    lab.client.batch_deployments.begin_create_or_update(stored).result()
    assert lab.client.batch_deployments.get("moved", "batch").properties == {}
