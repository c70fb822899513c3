"""Other places where notebooks and IPython run: a terminal, papermill, nbconvert."""

from __future__ import annotations

import re
import subprocess
import sys

import nbformat
import pexpect
import pytest
from story_support import COLOURS, JOB, WIDGET, kernel_environment

SCRIPT = """import time

def run(mini_batch):
    time.sleep(0.3)
    return [int(open(path).read()) for path in mini_batch]
"""
DEPLOY = f"%%batch deploy shop/sales --mini-batch-size 1 --max-retries 0\n{SCRIPT}"
PROMPT = r"In \[\d+\]: "


@pytest.fixture(scope="module", autouse=True)
def days(project):
    """Two days of data; in the second one there is a file that cannot be scored."""
    for day, last in (("monday", "6"), ("tuesday", "six")):
        folder = project / "data" / day
        folder.mkdir(parents=True)
        for number in range(5):
            (folder / f"{number}.txt").write_text(str(number))
        (folder / "5.txt").write_text(last)
    (project / "code").mkdir()
    (project / "code" / "score.py").write_text(SCRIPT)


@pytest.fixture
def written(project):
    """A function that writes a notebook of these cells, the first of them with parameters."""

    def write(name, *cells):
        found = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        found.cells[0].metadata["tags"] = ["parameters"]
        found.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
        nbformat.write(found, project / name)
        return project / name

    return write


def run(project, *command):
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=project,
        env=kernel_environment(project),
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )


def test_a_terminals_ipython(project):
    options = ["--simple-prompt", "--no-banner", "--no-confirm-exit", "--colors=NoColor"]
    shell = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", *options],
        cwd=str(project),
        env={**kernel_environment(project), "TERM": "xterm-256color"},
        encoding="utf-8",
        dimensions=(40, 120),
        timeout=60,
    )

    def said(line):
        shell.sendline(line)
        shell.expect(PROMPT)
        return COLOURS.sub("", shell.before).replace("\r\n", "\n")

    try:
        shell.expect(PROMPT)
        said("%load_ext batchmagic")
        deployed = said("%batch deploy shop/sales --code ./code --scoring-script score.py --mini-batch-size 1")
        assert "Deployed shop/sales, version 1, the default of shop" in deployed
        assert "Made the workspace .batchmagic" in deployed
        seen = said("job = %batch invoke shop --input ./data/monday --wait --max-retries 0")
        assert re.search(r"\d/6 mini-batches", seen)  # the bar, on its way
        assert re.search(r"6 rows in 0:\d\d → \S+predictions\.csv", " ".join(seen.split()))
        assert "[0, 1, 2, 3, 4, 6]" in said("job.result().result.tolist()")
        assert "Completed" in said("job")
        assert "UsageError: There is no endpoint 'shpo'. Did you mean 'shop'?" in said("%batch invoke shpo --input ./data/monday")
        failed = said("%batch invoke shop --input ./data/tuesday --error-threshold 0 --max-retries 0 --wait")
        lines = [line.rstrip() for line in failed.splitlines() if line.strip()]
        begin = next(i for i, line in enumerate(lines) if line.startswith("ValueError: "))
        assert lines[begin] == "ValueError: invalid literal for int() with base 10: 'six'"
        assert "score.py, line 5, in " in lines[begin + 1]
        assert len(lines[begin:]) <= 8
        shell.sendline("exit")
        shell.expect(pexpect.EOF)
    finally:
        shell.close(force=True)


def test_papermill_with_parameters_and_a_day_that_fails(project, written):
    notebook = written(
        "day.ipynb",
        "day = 'nobody'\nthreshold = -1",
        "%load_ext batchmagic",
        DEPLOY,
        "job = %batch invoke shop/sales --input ./data/{{ day }} --error-threshold {{ threshold }} --wait",
        "total = int(job.result().result.sum())\nprint('total', total)",
    )
    done = run(project, "papermill", str(notebook), "monday.ipynb", "-p", "day", "monday")
    assert done.returncode == 0, done.stderr
    outputs = nbformat.read(project / "monday.ipynb", as_version=4).cells[-1].outputs
    assert [output.text for output in outputs] == ["total 16\n"]

    failed = run(project, "papermill", str(notebook), "tuesday.ipynb", "-p", "day", "tuesday", "-p", "threshold", "0")
    assert failed.returncode != 0
    assert "ValueError: invalid literal for int() with base 10: 'six'" in COLOURS.sub("", failed.stderr)
    *_, waits, after = nbformat.read(project / "tuesday.ipynb", as_version=4).cells
    assert (waits.outputs[-1].output_type, after.execution_count) == ("error", None)
    assert re.search(r"cell \[\d+\], line 6, in ", COLOURS.sub("", "\n".join(waits.outputs[-1].traceback)))


def test_nbconvert_keeps_the_last_numbers_where_no_kernel_is(project, written):
    notebook = written(
        "report.ipynb",
        "%load_ext batchmagic",
        DEPLOY,
        "job = %batch invoke shop/sales --input ./data/monday",
        "frame = job.result()",
    )
    done = run(project, "jupyter", "nbconvert", "--execute", "--to", "notebook", "--output", "done.ipynb", str(notebook))
    assert done.returncode == 0, done.stderr
    shown = nbformat.read(project / "done.ipynb", as_version=4).cells[2].outputs
    (twin,) = [output.data for output in shown if JOB in output.get("data", {})]
    assert (twin[JOB]["status"], twin[JOB]["progress"]["completed"], twin[JOB]["progress"]["rows"]) == ("Completed", 6, 6)
    assert len([output for output in shown if WIDGET in output.get("data", {})]) == 1

    page = run(project, "jupyter", "nbconvert", "--to", "html", "done.ipynb")
    assert page.returncode == 0, page.stderr
    html = (project / "done.html").read_text()
    assert "6 of 6 mini-batches" in html
    assert twin["text/html"].split("</style>")[1][:200] in html
