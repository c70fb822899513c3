"""Other places where notebooks and IPython run: a terminal, papermill, nbconvert."""

from __future__ import annotations

import re
import subprocess
import sys

import nbformat
import pexpect
import pytest
from story_support import COLOURS, kernel_environment

SCRIPT = """import time

def run(mini_batch):
    time.sleep(0.3)
    return [int(open(path).read()) for path in mini_batch]
"""
DEPLOY = f"%%batch deploy till/sales --mini-batch-size 1 --max-retries 0\n{SCRIPT}"
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
        deployed = said(
            "%batch deploy till/sales --code ./code --scoring-script score.py --mini-batch-size 1"
        )
        assert "Deployed till/sales, version 1, the default of till" in deployed
        seen = said("job = %batch invoke till --input ./data/monday --wait --max-retries 0")
        assert re.search(r"\d/6 mini-batches", seen)  # the bar, on its way
        assert re.search(r"6 rows in 0:\d\d → \S+predictions\.csv", " ".join(seen.split()))
        assert "[0, 1, 2, 3, 4, 6]" in said("job.result().result.tolist()")
        assert "Completed" in said("job")
        assert "UsageError: There is no endpoint 'tlil'. Did you mean 'till'?" in said(
            "%batch invoke tlil --input ./data/monday"
        )
        failed = said("%batch invoke till --input ./data/tuesday --error-threshold 0 --max-retries 0 --wait")
        lines = [line.rstrip() for line in failed.splitlines() if line.strip()]
        begin = next(i for i, line in enumerate(lines) if line.startswith("ValueError: "))
        assert lines[begin] == "ValueError: invalid literal for int() with base 10: 'six'"
        assert "score.py, line 5, in " in lines[begin + 1]
        assert len(lines[begin:]) <= 8
        shell.sendline("exit")
        shell.expect(pexpect.EOF)
    finally:
        shell.close(force=True)


@pytest.mark.slow
def test_papermill_fills_in_parameters_and_stops_at_a_day_that_fails(project, written):
    notebook = written(
        "days.ipynb",
        "days = ['nobody']\nthreshold = -1",
        "%load_ext batchmagic",
        DEPLOY,
        "job = %batch invoke till/sales --input ./data/{{ days[0] }} --error-threshold {{ threshold }} --wait",
        "print('total', int(job.result().result.sum()))",
        "%batch invoke till/sales --input ./data/{{ days[1] }} --error-threshold {{ threshold }} --wait",
        "print('never')",
    )
    given = ["-y", "{days: [monday, tuesday], threshold: 0}"]
    done = run(project, "papermill", "--no-progress-bar", str(notebook), "done.ipynb", *given)
    assert done.returncode != 0
    assert "ValueError: invalid literal for int() with base 10: 'six'" in COLOURS.sub("", done.stderr)
    cells = nbformat.read(project / "done.ipynb", as_version=4).cells
    *_, total, fails, never = [cell for cell in cells if cell.cell_type == "code"]
    assert [output.get("text") for output in total.outputs] == ["total 16\n"], total.outputs
    assert (fails.outputs[-1].output_type, never.execution_count) == ("error", None)
    assert re.search(r"cell \[\d+\], line 6, in ", COLOURS.sub("", "\n".join(fails.outputs[-1].traceback)))


def test_nbconvert_keeps_the_last_numbers_where_no_kernel_is(project, written):
    notebook = written(
        "report.ipynb",
        "%load_ext batchmagic",
        DEPLOY,
        "job = %batch invoke till/sales --input ./data/monday",
        "frame = job.result()",
    )
    done = run(project, "jupyter", "nbconvert", "--execute", "--to", "html", str(notebook))
    assert done.returncode == 0, done.stderr
    page = (project / "report.html").read_text()
    # The card as it stands in the page, not the script of a widget.
    (card,) = re.findall(r'<div class="bm bm-twin .*?</div>\s*</div>\s*</div>\s*</div>', page, re.DOTALL)
    card = re.sub(r"<style>.*?</style>", " ", card, flags=re.DOTALL)
    words = " ".join(re.sub(r"<[^>]+>", " ", card).split())
    assert re.match(r"(● )?Completed · till / sales", words), words
    assert "6 of 6 mini-batches · 6 rows" in words
