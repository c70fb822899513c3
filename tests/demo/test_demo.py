"""`python -m batchmagic.demo`, run once as a person runs it and looked at from outside."""

from __future__ import annotations

import re
import subprocess
import sys

import psutil
import pytest
from demo_support import LEAVE_SECONDS, outside_world, processes_in

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [sys.executable, "-m", "batchmagic.demo"],
        cwd=folder,
        env=outside_world(),
        capture_output=True,
        text=True,
        check=False,
    )
    # Read at once: the compute leaves a few seconds after the demo.
    return done, processes_in(folder), folder


def test_it_succeeds(demo):
    done, _, _ = demo
    assert done.returncode == 0, done.stderr


def test_both_deployments_are_right_about_most_digits_and_agree(demo):
    text = demo[0].stdout
    rows = re.findall(r"^ +digits/(\w+) +([\d,]+) of 1,200 +([\d.]+)%", text, re.MULTILINE)
    assert [name for name, _, _ in rows] == ["mlflow", "script"]
    assert all(float(share) > 90 for _, _, share in rows)
    assert rows[0][1:] == rows[1][1:]
    assert "Both agree on all 1,200 digits." in text


def test_the_error_is_shown_and_said_to_be_intended(demo):
    part = section(demo[0].stdout, "What an error looks like")
    assert "on purpose" in part.splitlines()[0]
    assert "ValueError: could not convert string to float: 'smudged'" in part
    assert re.search(r"sheets\.py, line \d+, in read:   return pd\.read_csv", part)
    assert "sheet-017.csv,17," in part  # failed_files.csv
    assert "1 kind of error" in part  # job_error.txt


def test_the_job_goes_on_without_the_broken_file(demo):
    assert "117 rows from 39 good files" in section(demo[0].stdout, "Going on")


def test_the_quickstart_ran_and_can_be_read_as_a_page(demo):
    part = section(demo[0].stdout, "The same in a notebook")
    assert "10 cells" in part
    page, notebook = (demo[2] / name for name in re.findall(r"demo-output/quickstart/\S+", part))
    assert notebook.suffix == ".ipynb"
    text = page.read_text()
    assert "<title>batchmagic: quickstart</title>" in text
    assert "of 400 predictions are right" in text
    assert "day-17.csv" in text
    assert str(demo[2]) not in text


def test_progress_is_shown_in_lines_without_a_terminal(demo):
    lines = demo[0].stderr.splitlines()
    assert lines
    assert all(re.match(r"\d\d:\d\d:\d\d \w+", line) for line in lines), demo[0].stderr


def test_nothing_is_on_the_screen_but_the_demo(demo):
    text = demo[0].stdout + demo[0].stderr
    for noise in ("Warning", "INFO", "alembic", "site-packages/mlflow"):
        assert noise not in text
    assert "\x1b" not in text


def test_its_last_words_are_commands_that_work(demo):
    done, _, folder = demo
    commands = re.findall(r"^ +\$ (\S.*?) {3,}#", done.stdout, re.MULTILINE)
    cd, listing, show, _ = commands
    for command in (listing, show):
        again = subprocess.run(
            ["bash", "-c", f"{cd} && {command}"],
            cwd=folder,
            env=outside_world(),
            capture_output=True,
            text=True,
            check=False,
        )
        assert again.returncode == 0, again.stderr
        assert "Completed" in again.stdout


def test_it_writes_into_its_folder_only(demo):
    assert [path.name for path in demo[2].iterdir()] == ["demo-output"]


def test_no_process_is_left_once_the_idle_time_is_over(demo):
    _, processes, folder = demo
    psutil.wait_procs(processes, timeout=LEAVE_SECONDS)
    assert processes_in(folder) == []


def section(text: str, heading: str) -> str:
    """The part of the demo's output under a heading."""
    begin = text.index(heading)
    following = re.search(r"^\d  ", text[begin:], re.MULTILINE)
    return text[begin : begin + following.start()] if following else text[begin:]
