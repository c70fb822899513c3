"""What all fault tests share: a workspace to break, and the table of what was tried (`make fault` prints it)."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "main_job"))

from crashes import Arming
from main_job_support import Lab
from tally import Tally, rows_of, table

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent
NIGHTLY = os.environ.get("BATCHMAGIC_FAULT_TIER") == "nightly"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.fault)


@pytest.fixture(scope="session")
def tier() -> str:
    """``push``, or ``nightly`` for the long campaigns."""
    return "nightly" if NIGHTLY else "push"


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Tally:
    """Takes down what a test tried and what came of it."""
    return Tally(request.node.path.stem.removeprefix("test_"), request.node.user_properties)


@pytest.fixture
def arm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Arming:
    """Arms processes that the test starts with failpoints."""
    return Arming(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def lab(module_workspace) -> Iterator[Lab]:
    """A workspace that the tests of a module share; afterwards it is a failure if any process is left."""
    found = Lab(module_workspace)
    yield found
    found.close()


@pytest.fixture
def new_lab(workspace_folder) -> Iterator[Lab]:
    """A workspace for one test; afterwards it is a failure if any process is left."""
    found = Lab(workspace_folder)
    yield found
    found.close()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    properties = [
        entry
        for reports in terminalreporter.stats.values()
        for report in reports
        if isinstance(report, pytest.TestReport) and report.when == "call"
        for entry in report.user_properties
    ]
    rows = rows_of(properties)
    if not rows:
        return
    lines = table(rows)
    terminalreporter.section("faults")
    terminalreporter.write("\n".join(lines) + "\n")
    target = os.environ.get("BATCHMAGIC_FAULT_TABLE")
    if target:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        Path(target).write_text("\n".join(lines) + "\n", encoding="utf-8")
