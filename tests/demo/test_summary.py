"""docs/summarize_tests.py: a report of pytest becomes a page."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "docs" / "summarize_tests.py"
REPORT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" tests="5" timestamp="2026-03-04T05:06:07+00:00">
<testcase classname="tests.engine.test_plan" name="test_b" time="0.5"/>
<testcase classname="tests.engine.test_plan" name="test_a[x|y]" time="2.25"><failure message="no">why</failure></testcase>
<testcase classname="tests.engine.test_plan" name="test_e" time="0.1"><error message="no">set-up</error></testcase>
<testcase classname="tests.cli.test_words" name="test_c" time="0"><skipped message="later"/></testcase>
<testcase classname="tests.cli.test_words.TestThis" name="test_d" time="12"/>
</testsuite></testsuites>
"""


def summarize(tmp_path: Path, report: str) -> str:
    (tmp_path / "report.xml").write_text(report)
    subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path / "report.xml"), str(tmp_path / "status.md")], check=True
    )
    return (tmp_path / "status.md").read_text(encoding="utf-8")


def test_suites_are_counted_and_dated(tmp_path):
    page = summarize(tmp_path, REPORT)
    assert "on 2026-03-04" in page
    assert "| cli | 2 | 1 | 0 | 1 | 12 |" in page
    assert "| engine | 3 | 1 | 2 | 0 | 3 |" in page
    assert "| **all** | 5 | 2 | 2 | 1 | 15 |" in page


def test_the_slowest_come_first_and_a_bar_ends_no_cell(tmp_path):
    page = summarize(tmp_path, REPORT)
    slowest = page[page.index("## The slowest") :].splitlines()[4:]
    assert slowest[:2] == [
        "| cli: `test_words.TestThis.test_d` | 12.0 |",
        "| engine: `test_plan.test_a[x/y]` | 2.2 |",
    ]


def test_at_most_ten_are_listed(tmp_path):
    many = "".join(f'<testcase classname="tests.x.test_y" name="t{n:02}" time="1"/>' for n in range(30))
    page = summarize(tmp_path, f"<testsuites><testsuite>{many}</testsuite></testsuites>")
    assert page.count("| x: `") == 10
    assert page == summarize(tmp_path, f"<testsuites><testsuite>{many}</testsuite></testsuites>")
