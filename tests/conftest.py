"""What all tests share: private workspaces that must be left clean, and the rule about optional parts in CI."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_STOP_SECONDS = 20

# A run in MLflow takes seconds of a processor per host, which only the tests of it shall spend.
os.environ["BATCHMAGIC_MLFLOW_RUNS"] = "off"


class PrivateWorkspace:
    """A workspace's folder, which need not exist yet, and the processes that belong to it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def processes(self) -> list[psutil.Process]:
        """All living processes but this one that name the folder: by argument, working directory or open file."""
        return [p for p in psutil.process_iter() if p.pid != os.getpid() and self._owns(p)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if process.status() == psutil.STATUS_ZOMBIE:
                return False
            names = [*process.cmdline(), process.cwd(), *(f.path for f in process.open_files())]
        except (psutil.Error, OSError):
            return False  # it has ended meanwhile, or belongs to somebody else
        return any(str(self.root) in name for name in names)

    def recorded(self) -> list[int]:
        """The processes that the workspace has on record: its supervisors and servers, then its hosts."""
        files = [*self.root.glob("compute/*/supervisor.json"), *self.root.glob("servers/*.json")]
        pids = [json.loads(file.read_text())["identity"]["pid"] for file in files]
        database = self.root / "workspace.db"
        if database.exists():
            with closing(sqlite3.connect(database)) as connection:
                pids += [pid for (pid,) in connection.execute("select pid from claims where held")]
        return pids

    def end(self) -> list[str]:
        """Ask the hosts to leave, end whatever is left then, and return what that was."""
        recorded = self.recorded()
        for process in self.processes():
            if process.pid in recorded:
                process.terminate()
        psutil.wait_procs(self.processes(), timeout=_STOP_SECONDS)
        left = self.processes()
        described = [f"{p.pid}: {_command(p)}" for p in left]
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=_STOP_SECONDS)
        return described


def _command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return "ended just now"


@contextmanager
def private_workspace() -> Iterator[PrivateWorkspace]:
    """A folder for a workspace; afterwards its hosts are gone, and it is a failure if any process is left."""
    with tempfile.TemporaryDirectory(prefix="batchmagic-test-") as folder:
        workspace = PrivateWorkspace(Path(folder).resolve() / "workspace")
        try:
            yield workspace
        finally:
            left = workspace.end()
        assert not left, f"left after the hosts were asked to leave: {left}"


@pytest.fixture
def workspace_folder() -> Iterator[PrivateWorkspace]:
    """A private workspace for one test."""
    with private_workspace() as workspace:
        yield workspace


@pytest.fixture(scope="module")
def module_workspace() -> Iterator[PrivateWorkspace]:
    """A private workspace for the tests of one module."""
    with private_workspace() as workspace:
        yield workspace


@pytest.fixture(scope="session")
def session_workspace() -> Iterator[PrivateWorkspace]:
    """A private workspace for tests that may share one, as the notebooks of a project do."""
    with private_workspace() as workspace:
        yield workspace


@pytest.fixture(scope="session")
def new_workspace() -> Iterator[Callable[[], PrivateWorkspace]]:
    """Return private workspaces that stay until all tests have run, for the tests of one folder to share."""
    with ExitStack() as stack:
        yield lambda: stack.enter_context(private_workspace())


def _refuse_optional_skip(report: pytest.TestReport | pytest.CollectReport) -> None:
    """In CI everything is installed: a part that is missing there is a mistake, not a reason to skip."""
    if not (report.skipped and isinstance(report.longrepr, tuple)):
        return
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if reason.startswith("optional:") and os.environ.get("CI"):
        report.outcome = "failed"
        report.longrepr = f"skipped in CI: {reason}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Iterator[None]:
    report = yield
    _refuse_optional_skip(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Iterator[None]:
    report = yield
    _refuse_optional_skip(report)
    return report
