"""A cancel, an end and a new run that come at once: one of them is first, and the others are told."""

from __future__ import annotations

import pytest

from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus as S
from batchmagic.errors import Fenced, StateError
from batchmagic.host.main import give_up
from batchmagic.workspace import Workspace


def running(ws, spec, name):
    ws.jobs.submit(spec(name))
    ws.jobs.transition(name, S.PREPARING)
    ws.jobs.transition(name, S.RUNNING)


def test_whoever_asked_for_the_end_gets_it_whatever_else_goes_wrong(ws, spec):
    running(ws, spec, "one")
    ws.jobs.request_cancel("one")
    for other in (S.FAILED, S.COMPLETED, S.NOT_RESPONDING, S.FINALIZING):
        with pytest.raises(StateError):
            ws.jobs.transition("one", other)
    assert ws.jobs.transition("one", S.CANCELED).status is S.CANCELED


def test_a_job_of_a_host_that_is_given_up_is_canceled_if_that_was_asked_for(ws, spec, tmp_path):
    for name in ("canceled", "other"):
        running(ws, spec, name)
    ws.jobs.request_cancel("canceled")
    give_up(ws, "local", tmp_path / "no.log")
    assert [ws.jobs.get(name).status for name in ("canceled", "other")] == [S.CANCELED, S.NOT_RESPONDING]


def test_what_a_former_run_was_to_do_is_not_done_to_the_new_one(ws, spec):
    """Canceled in the queue and resumed while the host was about to begin."""
    ws.jobs.submit(spec("one"))
    ws.jobs.request_cancel("one")
    ws.jobs.begin_run("one")
    with pytest.raises(Fenced, match="run 2"):
        ws.jobs.transition("one", S.PREPARING, run=1)
    assert ws.jobs.get("one").status is S.QUEUED
    assert ws.jobs.transition("one", S.PREPARING, run=2).status is S.PREPARING


def test_a_resume_that_was_decided_on_an_earlier_run_is_refused(ws, spec):
    ws.jobs.submit(spec("one"))
    ws.jobs.request_cancel("one")
    assert ws.jobs.begin_run("one", after=1) == 2
    ws.jobs.request_cancel("one")
    with pytest.raises(StateError, match="resumed by somebody else meanwhile: it is in run 2"):
        ws.jobs.begin_run("one", after=1)
    assert ws.jobs.begin_run("one", after=2) == 3


def test_nothing_runs_in_a_job_that_has_ended(ws, spec):
    running(ws, spec, "one")
    ws.jobs.set_progress("one", Progress(mini_batches=9, completed=3, running=4))
    assert ws.jobs.transition("one", S.NOT_RESPONDING).progress == Progress(mini_batches=9, completed=3)


def test_rows_that_must_be_scored_again_bring_the_job_back_to_running(ws, spec):
    running(ws, spec, "one")
    ws.jobs.transition("one", S.FINALIZING)
    with pytest.raises(StateError, match="too late to cancel"):
        ws.jobs.request_cancel("one")
    ws.jobs.transition("one", S.RUNNING)
    assert ws.jobs.request_cancel("one").status is S.CANCEL_REQUESTED


def test_another_front_end_sees_the_same(ws, spec):
    running(ws, spec, "one")
    with Workspace.open(ws.root) as other:
        assert other.jobs.request_cancel("one").status is S.CANCEL_REQUESTED
        assert ws.jobs.request_cancel("one").status is S.CANCEL_REQUESTED
        assert [event.status for event in ws.jobs.events("one")].count(S.CANCEL_REQUESTED) == 1
