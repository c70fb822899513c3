"""Jobs: names, states, runs, and what is left when they go."""

from __future__ import annotations

import re
import stat
from dataclasses import replace

import pytest
from workspace_support import tree

from batchmagic.entities.progress import Progress
from batchmagic.entities.settings import Settings
from batchmagic.entities.status import TRANSITIONS, JobStatus
from batchmagic.errors import (
    Fenced,
    InvalidName,
    ResourceExistsError,
    ResourceNotFoundError,
    StateError,
    TooManyRequests,
    ValidationException,
)

S = JobStatus
PATHS = {
    S.QUEUED: [],
    S.PREPARING: [S.PREPARING],
    S.RUNNING: [S.PREPARING, S.RUNNING],
    S.FINALIZING: [S.PREPARING, S.RUNNING, S.FINALIZING],
    S.COMPLETED: [S.PREPARING, S.RUNNING, S.FINALIZING, S.COMPLETED],
    S.FAILED: [S.PREPARING, S.FAILED],
    S.CANCEL_REQUESTED: [S.PREPARING, S.CANCEL_REQUESTED],
    S.CANCELED: [S.CANCELED],
    S.NOT_RESPONDING: [S.NOT_RESPONDING],
}


def bring(ws, name, status):
    for step in PATHS[status]:
        ws.jobs.transition(name, step)
    return ws.jobs.get(name)


def test_a_job_is_queued_with_a_name_a_private_folder_and_its_secrets(ws, spec):
    given = spec(settings=Settings(mini_batch_size=3), input_path="/d/é", properties={"a": "b"})
    job = ws.jobs.submit(given, secrets={"A": "x"}, labels={"display_name": "mine"})
    assert re.fullmatch(r"[a-z]+-[a-z]+-[0-9a-f]{4}", job.name)
    assert job.spec == replace(given, name=job.name)
    assert (job.status, job.run, job.progress, job.display_name) == (S.QUEUED, 1, Progress(), "mine")
    assert (job.started_at, job.ended_at, job.error, job.properties) == (None, None, None, {"a": "b"})
    assert job.created_at.tzinfo is not None
    assert job.folder == ws.job_dir(job.name)
    assert stat.S_IMODE(job.folder.stat().st_mode) == 0o700
    assert ws.secrets.get(job.name) == {"A": "x"}
    assert ws.jobs.get(job.name) == job


def test_the_child_and_an_unambiguous_beginning_are_good_names_everywhere(ws, spec):
    for name in ("amber-falcon-3f9a", "amber-fox-11aa", "a_b"):
        ws.jobs.submit(spec(name))
    for name in ("amber-falcon-3f9a", "amber-falcon-3f9a-batchscoring", "amber-fal", "AMBER-FAL"):
        assert ws.jobs.get(name).name == "amber-falcon-3f9a"
    with pytest.raises(ResourceNotFoundError, match="more than one job") as caught:
        ws.jobs.get("amber-")
    assert "amber-falcon-3f9a" in caught.value.hint
    with pytest.raises(ResourceNotFoundError, match=r"no job 'amber-falcon-3f9b'.*'amber-falcon-3f9a'"):
        ws.jobs.get("amber-falcon-3f9b")
    for nothing in ("a%", "a__", "", "../amber"):
        with pytest.raises(ResourceNotFoundError):
            ws.jobs.get(nothing)
    assert ws.jobs.transition("amber-fal", S.PREPARING).name == "amber-falcon-3f9a"
    ws.jobs.set_detail("amber-falcon-3f9a-batchscoring", "working")
    assert ws.jobs.get("amber-fal").status_detail == "working"


def test_an_exact_name_comes_before_a_beginning(ws, spec):
    ws.jobs.submit(spec("one"))
    ws.jobs.submit(spec("one-more"))
    assert ws.jobs.get("one").name == "one"


@pytest.mark.parametrize("name", ["../up", "a/b", "a b", ".x", "a\0b", "x" * 256, "é", "a.b"])
def test_names_that_are_none_are_refused(ws, spec, name):
    before = tree(ws.root)
    with pytest.raises(InvalidName):
        ws.jobs.submit(spec(name))
    assert set(tree(ws.root)) == set(before)
    assert not (ws.root / "jobs").exists()


def test_a_name_is_used_once_in_any_case_and_never_that_of_a_child(ws, spec):
    ws.jobs.submit(spec("one"), secrets={"A": "x"})
    with pytest.raises(ResourceExistsError, match="a job 'one' already"):
        ws.jobs.submit(spec("one"), secrets={"A": "other"})
    with pytest.raises(ResourceExistsError, match="letter case"):
        ws.jobs.submit(spec("ONE"))
    with pytest.raises(ValidationException, match="as the child of every job does"):
        ws.jobs.submit(spec("two-batchscoring"))
    assert ws.secrets.get("one") == {"A": "x"}


def test_the_longest_name_works(ws, spec):
    job = ws.jobs.submit(spec("j" * 255), secrets={"A": "x"})
    assert ws.jobs.get(job.child_name).name == job.name
    assert job.folder.is_dir()


def test_jobs_are_listed_newest_first_and_by_what_is_asked(ws, spec):
    for number in range(5):
        ws.jobs.submit(
            spec(f"job{number}", deployment="ab"[number % 2], endpoint="heart" if number else "other")
        )
    ws.jobs.transition("job3", S.FAILED)
    names = lambda **asked: [job.name[-1] for job in ws.jobs.list(**asked)]  # noqa: E731
    assert names() == ["4", "3", "2", "1", "0"]
    assert names(limit=2) == ["4", "3"]
    assert names(endpoint="heart", deployment="a") == ["4", "2"]
    assert names(statuses=[S.FAILED, S.COMPLETED]) == ["3"]
    assert names(statuses=[]) == []


def test_jobs_are_listed_by_what_is_attached_to_them(ws, spec):
    for number, properties in enumerate(
        ({"by.whom": "me"}, {"by.whom": "you"}, {}, {"by.whom": "me", "x": "1"})
    ):
        ws.jobs.submit(spec(f"job{number}", properties=properties))
    listed = lambda **asked: [job.name[-1] for job in ws.jobs.list(properties=asked)]  # noqa: E731
    assert listed(**{"by.whom": "me"}) == ["3", "0"]
    assert listed(**{"by.whom": "me", "x": "1"}) == ["3"]
    assert listed(**{"by.whom": 'm"e'}) == listed(**{'by"whom': "me"}) == []
    ws.jobs.label("job1", properties={"by.whom": "me"})
    ws.jobs.label("job0", properties={"by.whom": "nobody"})
    assert listed(**{"by.whom": "me"}) == ["3", "1"]


def test_waiting_and_unfinished_are_by_compute_and_in_order(ws, spec):
    for number in range(4):
        ws.jobs.submit(spec(f"job{number}", compute="local" if number < 3 else "cluster"))
    ws.jobs.transition("job0", S.PREPARING)
    ws.jobs.transition("job2", S.FAILED)
    assert [job.name for job in ws.jobs.waiting("local")] == ["job1"]
    assert [job.name for job in ws.jobs.unfinished("local")] == ["job0", "job1"]
    assert [job.name for job in ws.jobs.waiting("cluster")] == ["job3"]


def test_what_queued_jobs_wait_for_is_told_in_one_write_and_others_are_left_alone(ws, spec):
    claim = ws.claims.acquire("compute/local")
    for name in ("one", "two", "late"):
        ws.jobs.submit(spec(name))
    ws.jobs.transition("late", S.PREPARING, detail="begins")
    ws.jobs.tell_waiting({"one": "place 1", "two": "place 2", "late": "place 3", "gone": "p"}, claim=claim)
    assert [ws.jobs.get(name).status_detail for name in ("one", "two", "late")] == [
        "place 1",
        "place 2",
        "begins",
    ]
    ws.claims.release(claim)
    with pytest.raises(Fenced):
        ws.jobs.tell_waiting({"one": "late"}, claim=claim)
    assert ws.jobs.get("one").status_detail == "place 1"


def test_a_queue_has_a_bound_where_one_is_given(ws, spec):
    first = ws.jobs.submit(spec("one"), idempotency_key="k", most_queued=1)
    with pytest.raises(TooManyRequests, match="1 jobs wait") as caught:
        ws.jobs.submit(spec("two"), most_queued=1)
    assert caught.value.retry_after > 0
    assert not (ws.root / "jobs" / "two").exists()
    assert ws.jobs.submit(spec("one"), idempotency_key="k", most_queued=1).seq == first.seq
    ws.jobs.submit(spec("two"))
    ws.jobs.transition("one", S.PREPARING)
    ws.jobs.transition("two", S.CANCELED)
    ws.jobs.submit(spec("three"), most_queued=1)


def test_who_will_write_a_folder_and_which_names_are_taken(ws, spec):
    ws.jobs.submit(spec("one", output_path="/out/a'b"))
    ws.jobs.submit(spec("two", output_path="/out/a'b"))
    ws.jobs.submit(spec("other", output_path="/out/a"))
    ws.jobs.submit(spec("none"))
    ws.jobs.transition("two", S.FAILED)
    assert [job.name for job in ws.jobs.writers("/out/a'b")] == ["one"]
    assert ws.jobs.writers("/out") == []
    assert [ws.jobs.is_taken(name) for name in ("one", "ONE", "on", "one-batchscoring", "o%")] == [
        True, True, False, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("old", S)
def test_only_what_the_table_allows_happens(ws, spec, old):
    for new in S:
        name = f"to-{new.lower()}"
        ws.jobs.submit(spec(name))
        before = bring(ws, name, old)
        if new in TRANSITIONS[old] and new is not S.QUEUED:
            assert ws.jobs.transition(name, new, detail="d").status is new
            assert ws.jobs.get(name).status_detail == "d"
        else:
            with pytest.raises(StateError):
                ws.jobs.transition(name, new)
            assert ws.jobs.get(name) == before


def test_beginning_and_end_of_a_run_are_stamped(ws, spec):
    ws.jobs.submit(spec("one"))
    started = ws.jobs.transition("one", S.PREPARING)
    assert started.started_at >= started.created_at
    assert ws.jobs.transition("one", S.RUNNING).started_at == started.started_at
    ended = ws.jobs.transition("one", S.FAILED, detail="no", error={"code": "x", "message": "m"})
    assert ended.ended_at >= ended.started_at
    assert ended.error == {"code": "x", "message": "m"}


def test_progress_is_what_was_set(ws, spec):
    ws.jobs.submit(spec("one"))
    progress = Progress(mini_batches=9, completed=3, failed=1, rows=30, seconds=1.5)
    ws.jobs.set_progress("one", progress)
    assert ws.jobs.get("one").progress == progress


def test_cancel(ws, spec):
    ws.jobs.submit(spec("queued"))
    assert ws.jobs.request_cancel("queued").status is S.CANCELED
    assert ws.jobs.get("queued").ended_at is not None
    with pytest.raises(StateError, match="nothing to cancel"):
        ws.jobs.request_cancel("queued")
    ws.jobs.submit(spec("running"))
    bring(ws, "running", S.RUNNING)
    assert not ws.jobs.cancel_requested("running")
    assert ws.jobs.request_cancel("running").status is S.CANCEL_REQUESTED
    assert ws.jobs.request_cancel("running").status is S.CANCEL_REQUESTED
    assert ws.jobs.cancel_requested("running")
    ws.jobs.submit(spec("late"))
    bring(ws, "late", S.FINALIZING)
    with pytest.raises(StateError):
        ws.jobs.request_cancel("late")


def test_a_cancel_and_an_end_at_once_give_one_end(ws, spec, peer):
    peer.ask("from batchmagic.workspace import Workspace; from batchmagic.entities.status import JobStatus")
    peer.ask(f"ws = Workspace.open({str(ws.root)!r})")
    for number in range(20):
        name = f"job{number}"
        ws.jobs.submit(spec(name))
        peer.tell(f"answer = ws.jobs.transition({name!r}, JobStatus.PREPARING).status")
        mine = ws.jobs.request_cancel(name).status
        theirs = peer.hear()
        final = ws.jobs.get(name).status
        if mine is S.CANCELED:
            assert theirs.startswith("StateError")
            assert final is S.CANCELED
        else:
            assert (theirs, mine, final) == ("Preparing", S.CANCEL_REQUESTED, S.CANCEL_REQUESTED)


def test_a_new_run_begins_from_any_end_but_full_success(ws, spec):
    ws.jobs.submit(spec("one"), secrets={"A": "x"})
    with pytest.raises(StateError, match="only an ended job"):
        ws.jobs.begin_run("one")
    bring(ws, "one", S.PREPARING)
    ws.jobs.set_progress("one", Progress(completed=2))
    ws.jobs.transition("one", S.FAILED, error={"code": "x"})
    assert ws.jobs.begin_run("one") == 2
    again = ws.jobs.get("one")
    assert (again.status, again.run, again.error) == (S.QUEUED, 2, None)
    assert (again.started_at, again.ended_at) == (None, None)
    assert again.progress.completed == 2
    assert ws.secrets.get("one") == {"A": "x"}
    bring(ws, "one", S.COMPLETED)
    with pytest.raises(StateError, match="nothing left to do"):
        ws.jobs.begin_run("one")


def test_secrets_go_when_nothing_can_be_resumed(ws, spec):
    for name, failed in (("clean", 0), ("partly", 1)):
        ws.jobs.submit(spec(name), secrets={"A": "x"})
        bring(ws, name, S.FINALIZING)
        ws.jobs.set_progress(name, Progress(failed=failed))
        ws.jobs.transition(name, S.COMPLETED)
    assert ws.secrets.get("clean") == {}
    assert ws.secrets.get("partly") == {"A": "x"}
    assert ws.jobs.begin_run("partly") == 2


def test_a_new_run_can_have_other_settings(ws, spec):
    job = ws.jobs.submit(spec("one"), secrets={"A": "x"})
    ws.jobs.transition("one", S.FAILED)
    changed = replace(job.spec, settings=Settings(max_retries=9), compute="cluster", deployment_version=2)
    ws.jobs.begin_run("one", spec=changed, secrets={"A": "y"})
    assert ws.jobs.get("one").spec == changed
    assert [job.name for job in ws.jobs.waiting("cluster")] == ["one"]
    assert ws.secrets.get("one") == {"A": "y"}


def test_delete_leaves_nothing_of_an_ended_job(ws, spec):
    before = set(ws.root.rglob("*"))
    job = ws.jobs.submit(spec("one"), secrets={"A": "x"})
    (job.folder / "logs").mkdir()
    (job.folder / "logs" / "a.txt").write_text("x")
    (job.folder / "logs").chmod(0o500)
    with pytest.raises(StateError, match="Cancel it first"):
        ws.jobs.delete("one")
    assert (job.folder / "logs" / "a.txt").exists()
    ws.jobs.request_cancel("one")
    ws.jobs.delete("one-batchscoring")
    with pytest.raises(ResourceNotFoundError):
        ws.jobs.get("one")
    left = {path.relative_to(ws.root).as_posix() for path in set(ws.root.rglob("*")) - before}
    assert left - {"workspace.db-wal", "workspace.db-shm"} == {"jobs", "secrets", "trash"}
    assert ws.jobs.submit(spec("one")).seq > job.seq


def test_what_an_interrupted_submission_left_is_no_obstacle(ws, spec):
    left = ws.job_dir("one")
    left.mkdir(parents=True)
    (left / "ledger.db").write_text("old")
    ws.secrets.put("one", {"OLD": "x"})
    job = ws.jobs.submit(spec("one"))
    assert list(job.folder.iterdir()) == []
    assert ws.secrets.get("one") == {}


def test_the_same_request_twice_is_one_job(ws, spec, peers):
    first = ws.jobs.submit(spec(), idempotency_key="k")
    assert ws.jobs.submit(spec(), idempotency_key="k") == first
    with pytest.raises(ResourceExistsError, match="another request"):
        ws.jobs.submit(spec(input_reference="./other"), idempotency_key="k")
    assert len(ws.jobs.list()) == 1
    all_ = [peers() for _ in range(3)]
    program = (
        "from dataclasses import replace; from batchmagic.workspace import Workspace; "
        f"ws = Workspace.open({str(ws.root)!r}); spec = replace(ws.jobs.get({first.name!r}).spec, name='')"
    )
    for one in all_:
        assert one.ask(program) == "None"
    for one in all_:
        one.tell("answer = [ws.jobs.submit(spec, idempotency_key='j').name for _ in range(5)]")
    names = {name for one in all_ for name in eval(one.hear())}
    assert len(names) == 1
    assert len(ws.jobs.list()) == 2


def test_many_processes_that_submit_at_once_lose_none(ws, spec, peers):
    first = ws.jobs.submit(spec())
    all_ = [peers() for _ in range(3)]
    for one in all_:
        one.ask(
            "from dataclasses import replace; from batchmagic.workspace import Workspace; "
            f"ws = Workspace.open({str(ws.root)!r}); spec = replace(ws.jobs.get({first.name!r}).spec, name='')"
        )
    for one in all_:
        one.tell("answer = len([ws.jobs.submit(spec).name for _ in range(20)])")
    assert [one.hear() for one in all_] == ["20"] * 3
    jobs = ws.jobs.list()
    assert len(jobs) == len({job.name for job in jobs}) == 61
    assert [job.seq for job in jobs] == sorted((job.seq for job in jobs), reverse=True)
