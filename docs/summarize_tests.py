"""Turns the report of a test run (``pytest --junit-xml``) into the page docs/status.md."""  # noqa: INP001 -- a script

from __future__ import annotations

import argparse
import os
import platform
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SLOWEST = 10


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    """One test: `outcome` is ``passed``, ``failed`` or ``skipped``."""

    suite: str
    name: str
    outcome: str
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the report, write the page, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("report", type=Path, help="what pytest wrote")
    parser.add_argument("page", type=Path, help="what to write")
    options = parser.parse_args(arguments)
    root = ET.parse(options.report).getroot()  # noqa: S314 -- pytest wrote it a moment ago
    options.page.write_text(page(read(root), when=_when(root)), encoding="utf-8")
    return 0


def read(root: ET.Element) -> list[Case]:
    """Return the tests of a report."""
    return [_case(element) for element in root.iter("testcase")]


def page(cases: Sequence[Case], *, when: str) -> str:
    """Return the page: a row per suite, and the slowest tests."""
    suites: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        suites[case.suite].append(case)
    machine = f"Python {platform.python_version()}, {platform.system()}, {os.cpu_count()} cores"
    lines = [
        "# State of the tests",
        "",
        f"Written by `make test-all` on {when} ({machine}).",
        "",
        "| suite | tests | passed | failed | skipped | seconds |",
        "|---|---:|---:|---:|---:|---:|",
        *(_row(name, suites[name]) for name in sorted(suites)),
        _row("**all**", cases),
        "",
        f"## The slowest {_SLOWEST}",
        "",
        "| test | seconds |",
        "|---|---:|",
        *(f"| {case.suite}: `{case.name}` | {case.seconds:.1f} |" for case in _slowest(cases)),
    ]
    return "\n".join(lines) + "\n"


def _case(element: ET.Element) -> Case:
    classname, name = element.get("classname", ""), element.get("name", "")
    parts = classname.split(".")
    inside = parts[1:] if parts[0] == "tests" else parts
    if element.find("failure") is not None or element.find("error") is not None:
        outcome = "failed"
    else:
        outcome = "skipped" if element.find("skipped") is not None else "passed"
    return Case(
        suite=inside[0],
        # A bar would end the cell of the table.
        name=".".join([*inside[1:], name]).replace("|", "/").replace("`", "'"),
        outcome=outcome,
        seconds=float(element.get("time", "0")),
    )


def _row(name: str, cases: Sequence[Case]) -> str:
    counts = [sum(case.outcome == outcome for case in cases) for outcome in ("passed", "failed", "skipped")]
    seconds = sum(case.seconds for case in cases)
    return f"| {name} | {len(cases)} | {' | '.join(map(str, counts))} | {seconds:.0f} |"


def _slowest(cases: Iterable[Case]) -> list[Case]:
    return sorted(cases, key=lambda case: (-case.seconds, case.suite, case.name))[:_SLOWEST]


def _when(root: ET.Element) -> str:
    stamps = [stamp for suite in root.iter("testsuite") if (stamp := suite.get("timestamp"))]
    return min(stamps)[:10] if stamps else "an unknown day"


if __name__ == "__main__":
    sys.exit(main())
