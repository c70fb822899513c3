"""What has changed since the last look: told once, all of it, without reading what has not."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from sqlalchemy import event

from batchmagic.entities import AmlCompute, BatchEndpoint, Data
from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.errors import WorkspaceMoved
from batchmagic.workspace.changes import Change, Changes

MANY = 10_000


@pytest.fixture
def changes(ws):
    found = Changes(ws.database, ws.root)
    yield found
    found.close()


def test_the_first_look_and_one_without_news_find_nothing(ws, spec, changes):
    ws.jobs.submit(spec("one"))
    assert changes.look() == Change()
    assert not changes.look()
    assert changes.unfinished() == changes.newest(5) == ["one"]


def test_what_happens_to_a_job_is_told_once(ws, spec, changes, peer):
    changes.look()
    ws.jobs.submit(spec("one"))
    assert changes.look().jobs == ("one",)
    ws.jobs.transition("one", JobStatus.PREPARING)
    ws.jobs.transition("one", JobStatus.RUNNING)
    assert changes.look().jobs == ("one",)
    ws.jobs.set_progress("one", Progress(completed=1))
    ws.jobs.set_detail("one", "waits for the test")
    assert changes.look() == Change(jobs=("one",))
    # Of another process, too.
    peer.ask(f"from batchmagic.workspace import Workspace; ws = Workspace.open({str(ws.root)!r})")
    peer.ask(
        "from batchmagic.entities.status import JobStatus; ws.jobs.transition('one', JobStatus.FINALIZING)"
    )
    peer.ask("answer = ws.jobs.transition('one', JobStatus.COMPLETED).status")
    peer.ask("ws.close()")
    assert changes.look().jobs == ("one",)
    assert changes.unfinished() == []
    assert changes.look() == Change()


def test_a_resumed_job_and_one_that_was_canceled_in_the_queue_are_told(ws, spec, changes):
    ws.jobs.submit(spec("one"))
    changes.look()
    ws.jobs.request_cancel("one")
    assert changes.look().jobs == ("one",)
    ws.jobs.begin_run("one")
    assert changes.look().jobs == ("one",)
    assert changes.unfinished() == ["one"]


def test_deleted_jobs_are_told_also_where_a_new_one_came_or_has_their_name(ws, spec, changes):
    for name in ("one", "two", "three"):
        ws.jobs.submit(spec(name))
        ws.jobs.request_cancel(name)
    changes.look()
    ws.jobs.delete("one")
    assert changes.look() == Change(gone=("one",))
    ws.jobs.delete("two")
    ws.jobs.submit(spec("four"))
    assert changes.look() == Change(jobs=("four",), gone=("two",))
    ws.jobs.delete("three")
    ws.jobs.submit(spec("three"))
    found = changes.look()
    assert (found.jobs, found.gone) == (("three",), ("three",))


def test_changes_of_definitions_are_told_by_their_kind(ws, spec, changes, tmp_path):
    ws.endpoints.put(BatchEndpoint(name="heart"))
    ws.jobs.submit(spec("one"))
    changes.look()
    ws.endpoints.put(BatchEndpoint(name="lung"))
    assert changes.look().kinds == ("endpoints",)
    ws.endpoints.put(BatchEndpoint(name="lung", description="of the left side"))
    assert changes.look().kinds == ("endpoints",)
    ws.endpoints.delete("lung")
    assert "endpoints" in changes.look().kinds
    ws.computes.put(AmlCompute(name="quick"))
    assert changes.look().kinds == ("computes",)
    claim = ws.claims.acquire("compute/quick")
    assert changes.look().kinds == ("computes",)
    ws.claims.release(claim)
    assert changes.look().kinds == ("computes",)
    ws.assets.register_data(Data(name="rows", version="1", type="uri_folder", path=str(tmp_path)))
    assert changes.look().kinds == ("data",)
    ws.assets.archive("data", "rows", "1")
    assert changes.look().kinds == ("data",)
    ws.jobs.label("one", tags={"a": "b"})
    assert changes.look() == Change(kinds=("jobs",))


def test_jobs_are_read_by_name_in_any_case_and_those_that_are_gone_are_left_out(ws, spec, changes):
    ws.jobs.submit(spec("One"))
    assert {name: job.name for name, job in changes.records(["one", "two"]).items()} == {"one": "One"}


def test_a_look_that_failed_is_made_up_for(ws, spec, changes):
    changes.look()
    ws.jobs.submit(spec("one"))
    aside = ws.root.with_name("aside")
    ws.root.rename(aside)
    with pytest.raises(WorkspaceMoved):
        changes.look()
    aside.rename(ws.root)
    assert changes.look().jobs == ("one",)


def test_among_ten_thousand_jobs_a_look_reads_the_one_that_moves(ws, spec, changes):
    ws.jobs.submit(spec("moves"))
    ws.jobs.transition("moves", JobStatus.PREPARING)
    with closing(sqlite3.connect(ws.root / "workspace.db")) as connection, connection:
        names = [row[1] for row in connection.execute("pragma table_info(jobs)")]
        others = ", ".join(name for name in names if name not in {"seq", "name", "status"})
        connection.execute(
            f"with recursive n(i) as (select 0 union all select i + 1 from n where i < {MANY - 1}) "
            f"insert into jobs (name, status, {others}) select 'job-' || i, 'Completed', {others} from jobs, n"
        )
    changes.look()
    asked = []
    for done in range(1, 4):
        ws.jobs.set_progress("moves", Progress(completed=done))
        event.listen(ws.database.engine, "before_cursor_execute", note := _noting(asked))
        assert changes.look() == Change(jobs=("moves",))
        event.remove(ws.database.engine, "before_cursor_execute", note)
    assert asked
    # A row has all that the job was made with; of those that have ended not even the names are asked for.
    assert not [text for text, _ in asked if "jobs.spec" in text]
    assert not [text for text, values in asked if "FROM jobs" in text and "jobs.name" in text]
    assert max(len(values) for _, values in asked) < 20
    with ws.database.read() as connection:
        plan = connection.exec_driver_sql(
            "explain query plan select seq from jobs where status not in ('Completed', 'Failed')"
        )
        assert "COVERING INDEX" in str(plan.fetchall())


def _noting(asked):
    def note(connection, cursor, statement, parameters, *rest):
        asked.append((statement, parameters))

    return note
