"""`python -m benchmarks.run`: it runs, and its tables say what was measured."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from demo_support import outside_world

from benchmarks.run import main
from benchmarks.suites import Result
from benchmarks.tables import as_markdown, as_text, rows_of

ROOT = Path(__file__).resolve().parents[2]


def result() -> Result:
    times = {"batchmagic": [2.0, 1.0, 4.0], "other": [4.0, 3.0, 4.0]}
    return Result(title="10,000 of them", items=10_000, unit="mini-batch", times=times, waits=[2.5, 1.5, 4.5])


def test_a_ratio_is_the_median_of_the_repetitions():
    assert result().ratio("other") == 2.0
    assert result().ratio("batchmagic") == 1.0


def test_a_row_says_how_long_one_item_took():
    assert rows_of(result())[1] == ("other", "3.00 s", "4.00 s", "4.00 s", "300.0 µs", "2")


def test_the_page_has_every_table_and_no_path():
    page = as_markdown([result()], workers=2, when="2026-03-04")
    assert "| other | 3.00 s | 4.00 s | 4.00 s | 300.0 µs | 2 |" in page
    assert "2026-03-04 with 2 processes" in page
    assert not re.search(r"(/home|/root|/tmp|/work)\b", page)
    assert "waited 2.50 s" in as_text(result())


def test_the_page_is_not_written_from_half_a_run(capsys):
    with pytest.raises(SystemExit):
        main(["--write", "--only", "noop"])
    assert "all suites" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_small_run_measures_every_contender(tmp_path):
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.run",
            "--repetitions=1",
            "--mini-batches=50",
            "--files=4",
            "--workers=2",
        ],
        cwd=ROOT,
        env={**outside_world(), "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for name in ("batchmagic", "Client.map of Dask", "multiprocessing.Pool", "loop in one process"):
        assert name in done.stdout
    assert list(tmp_path.iterdir()) == []
