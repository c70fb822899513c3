"""A cancel and the end of a job at once, two hundred times: one of them is first, and both sides know which (F09)."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "workspace"))

import pytest
from workspace_support import PYTHON, Peer

from batchmagic.entities.job_spec import JobSpec
from batchmagic.entities.settings import Settings
from batchmagic.entities.status import JobStatus as S
from batchmagic.errors import StateError
from batchmagic.workspace import Workspace

ROUNDS = 200
# What a driver does at the end of a job: the output comes between the two.
END = (
    "def end(name, output):\n"
    "    try:\n"
    "        ws.jobs.transition(name, S.FINALIZING)\n"
    "    except StateError:\n"
    "        ws.jobs.transition(name, S.CANCELED)\n"
    "        return 'canceled'\n"
    "    open(output, 'w').write('rows')\n"
    "    ws.jobs.transition(name, S.COMPLETED)\n"
    "    return 'completed'\n"
)


@pytest.fixture
def ws(tmp_path):
    with Workspace.find(tmp_path / "ws", create=True) as workspace:
        yield workspace


@pytest.fixture
def driver(ws):
    """Another process, which ends jobs as a driver does."""
    peer = Peer()
    peer.ask(
        "from batchmagic.workspace import Workspace; from batchmagic.entities.status import JobStatus as S"
    )
    peer.ask("from batchmagic.errors import StateError")
    peer.ask(f"ws = Workspace.open({str(ws.root)!r})")
    peer.ask(f"exec({END!r})")
    yield peer
    peer.end()


def running(ws, name):
    spec = JobSpec(
        name=name, endpoint="e", deployment="d", deployment_version=1, compute="local", settings=Settings(),
        interpreter=PYTHON, input_path="/data", input_type="uri_folder", input_reference="./data",
    )  # fmt: skip
    ws.jobs.submit(spec)
    ws.jobs.transition(name, S.PREPARING)
    ws.jobs.transition(name, S.RUNNING)


def asked(ws, name):
    """Ask for the end of the job; return why not, or nothing."""
    try:
        ws.jobs.request_cancel(name)
    except StateError as refused:
        return str(refused)
    return ""


def test_both_know_who_was_first(ws, driver, tmp_path, tally):
    """The other process is the driver; this one asks for the end, each time a little later."""
    ends = {"canceled": 0, "completed": 0}
    for number in range(ROUNDS):
        name, output = f"job{number}", tmp_path / f"output{number}"
        running(ws, name)
        driver.tell(f"answer = end({name!r}, {str(output)!r})")
        for _ in range(number % 8):
            ws.jobs.get(name)
        refused = asked(ws, name)
        answer = driver.hear()
        states = [event.status for event in ws.jobs.events(name)]
        good = (
            answer == ("completed" if refused else "canceled")
            and states[-1] is (S.COMPLETED if refused else S.CANCELED)
            and sum(state.is_terminal for state in states) == 1
            and output.exists() is bool(refused)
        )
        tally.trial(bad=not good)
        assert good, (number, answer, refused, states)
        assert not refused or "too late to cancel" in refused or "is Completed" in refused
        ends[answer] += 1
    assert min(ends.values()) > 5, f"the race was none: {ends}"
