"""The stream of events: who is told what, from where on, and when it ends. This process plays the host of the jobs."""

from __future__ import annotations

import sys
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from events_support import Follower
from main_job_support import until
from server_support import Server

sys.path.insert(0, str(Path(__file__).parents[1] / "widgets"))

from widgets_support import Bench

from batchmagic.entities import BatchEndpoint, Data
from batchmagic.entities.status import JobStatus
from batchmagic.server.feed import MOST_OF_CALLER
from batchmagic.server.identity import STARTED_BY
from batchmagic.server.routes import PREFIX


@pytest.fixture(scope="module")
def bench(module_workspace):
    found = Bench(module_workspace.root)
    yield found
    found.close()


@pytest.fixture(scope="module")
def server(bench):
    # By itself it does not find out that somebody has gone.
    with Server(bench.root.parent / "server", bench.root, heartbeat=600) as found:
        yield found


@pytest.fixture
def token(bench):
    """The text of a new token; see `TokenStore.create`."""

    def make(*scopes, endpoint=None):
        make.name = f"t{time.monotonic_ns()}"
        return bench.ws.tokens.create(make.name, scopes=scopes or ("read",), endpoint=endpoint)[1]

    return make


def test_a_stream_says_at_once_how_its_jobs_stand_and_then_what_changes(bench, server, token):
    name, other = bench.running(100), bench.running(100)
    with Follower(server, token(), query={"jobs": f"{name},no-such-job"}) as stream:
        assert stream.answer.status == 200
        assert stream.answer.headers["Content-Type"] == "text/event-stream; charset=utf-8"
        assert stream.answer.headers["X-Accel-Buffering"] == "no"
        assert stream.answer.headers["Cache-Control"] == "no-store"
        assert stream.ready().data == {"resumed": False, "jobs": 1}
        assert stream.retry == "2000"
        assert [t.data for t in stream.told if t.name == "gone"] == [{"name": "no-such-job"}]
        first = stream.job(name, "Running").data
        assert first["progress"]["completed"] == 0
        assert {"errors", "error_kinds", "rates", "pace", "next"} <= first.keys()
        bench.advance(other, 7)
        bench.advance(name, 42)
        stream.wait(lambda t: t.data["progress"]["completed"] == 42, of="progress", since=len(stream.told))
        bench.complete(name)
        stream.job(name, "Completed")
        assert not stream.jobs(other)
        numbers = [int(told.id.rpartition("-")[2]) for told in stream.told if told.id]
        assert numbers == sorted(numbers)
        assert len({told.id.rpartition("-")[0] for told in stream.told if told.id}) == 1


def test_all_jobs_are_told_without_their_errors_and_new_and_deleted_ones_too(bench, server, token):
    ended = bench.running()
    bench.complete(ended)
    with Follower(server, token()) as stream:
        stream.ready()
        assert stream.job(ended, "Completed").data.keys().isdisjoint({"errors", "error_kinds", "rates"})
        new = bench.queued()
        stream.job(new, "Queued")
        bench.begin(new)
        stream.job(new, "Running")
        bench.complete(new)
        stream.job(new, "Completed")
        bench.ws.jobs.delete(ended)
        stream.wait(lambda t: t.name == "gone" and t.data == {"name": ended}, of="the deletion")


def test_a_job_is_told_at_most_three_times_a_second_and_its_newest_state_at_last(bench, server, token):
    name = bench.running(100_000)
    with Follower(server, token(), query={"jobs": name}) as stream:
        stream.ready()
        began = time.monotonic()
        for done in range(1, 61):
            bench.advance(name, done)
            if not done % 3:
                with Follower(server, token(), query="jobs=") as other:  # which is told something at once
                    other.ready()
        stream.wait(lambda t: t.data.get("progress", {}).get("completed") == 60, of="the newest state")
        told = [t for t in stream.told if t.name == "job" and t.at > began]
        assert len(told) <= 3 * (told[-1].at - began) + 2


def test_changes_of_definitions_are_told_by_their_kind(bench, server, token):
    with Follower(server, token(), query="jobs=") as stream, Follower(server, token("invoke")) as own:
        stream.ready(), own.ready()
        bench.client.data.create_or_update(
            Data(name="rows", version="1", type="uri_folder", path=str(bench.root.parent / "data"))
        )
        stream.wait(lambda t: t.name == "changed" and t.data == {"kind": "data"}, of="the new data")
        bench.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="lung")).result()
        for each in (stream, own):
            each.wait(lambda t: t.name == "changed" and t.data == {"kind": "endpoints"}, of="the endpoint")
        name = bench.running()
        bench.ws.jobs.label(name, tags={"why": "test"})
        stream.wait(lambda t: t.name == "changed" and t.data == {"kind": "jobs"}, of="the tag")
        assert not [t for t in stream.told if t.name == "job"]
        assert not [t for t in own.told if t.name == "changed" and t.data["kind"] == "data"]


def test_a_stream_goes_on_where_it_was_left(bench, server, token):
    moved, rests, deleted = bench.running(), bench.running(), bench.running()
    bench.complete(rests)
    bench.complete(deleted)
    text = token()
    wish = {"jobs": f"{moved},{rests},{deleted}"}
    with Follower(server, text, query=wish) as stream:
        stream.ready()
        last = stream.last
    bench.advance(moved, 3)
    bench.complete(moved)
    bench.ws.jobs.delete(deleted)
    with Follower(server, text, query=wish, last=last) as stream:
        assert stream.ready().data["resumed"] is True
        assert stream.jobs(moved)[0]["status"] == "Completed"
        assert [t.data["name"] for t in stream.told if t.name == "gone"] == [deleted]
        assert not stream.jobs(rests)
        last = stream.last
    with Follower(server, text, query={**wish, "last_event_id": last}) as stream:
        assert stream.ready().data == {"resumed": True, "jobs": 0}
        assert [t.name for t in stream.told] == ["ready"]


@pytest.mark.parametrize("broken", ["of another stream", "of another server", "no id", "from the future"])
def test_from_an_id_that_is_not_known_everything_is_told_again(bench, server, token, broken):
    name, other = bench.running(), bench.running()
    text = token()
    with Follower(server, text, query={"jobs": other}) as stream:
        stream.ready()
        feed, _, number = stream.last.rpartition("-")
    wish = {"jobs": name if broken == "of another stream" else other}
    last = {
        "of another stream": f"{feed}-{number}",
        "of another server": f"{'0' * 12}-{number}",
        "no id": "<script>",
        "from the future": f"{feed}-{int(number) + 10_000}",
    }[broken]
    with Follower(server, text, query=wish, last=last) as stream:
        assert stream.ready().data == {"resumed": False, "jobs": 1}
        assert stream.jobs(wish["jobs"])


def test_who_does_not_read_is_told_the_newest_state_and_holds_up_nobody(bench, server, token):
    names = [bench.running(1000) for _ in range(3)]
    with (
        Follower(server, token(), query={"jobs": ",".join(names)}, reads=False) as slow,
        Follower(server, token(), query={"jobs": names[0]}) as quick,
    ):
        quick.ready()
        for done in (10, 20, 30):
            for name in names:
                bench.advance(name, done)
            quick.wait(
                lambda t, n=done: t.name == "job" and t.data["progress"]["completed"] == n, of="progress"
            )
        slow.read()
        for name in names:
            slow.wait(
                lambda t, n=name: (
                    t.name == "job" and t.data["name"] == n and t.data["progress"]["completed"] == 30
                ),
                of="the newest state",
            )


def test_a_token_that_is_revoked_ends_its_streams_within_seconds(bench, server, token):
    name = bench.running()
    text = token()
    with Follower(server, text, query={"jobs": name}) as stream, Follower(server, token()) as other:
        stream.ready()
        bench.ws.tokens.revoke(next(t.name for t in bench.ws.tokens.list() if t.id == text.split("_")[1]))
        revoked = time.monotonic()
        assert stream.over() == "not_authenticated"
        assert time.monotonic() - revoked < 30
        assert server.send("GET", f"{PREFIX}/events", token=text).status == 401
        other.ready()
        assert not other.is_over


def test_each_caller_is_told_of_what_it_may_see_and_not_that_there_is_more(bench, server, token):
    started = token("invoke")
    own, foreign = bench.running(), bench.running()
    bench.ws.jobs.label(own, properties={STARTED_BY: f"token:{token.name}"})
    with (
        Follower(server, started) as all_own,
        Follower(server, started, query={"jobs": f"{own},{foreign},no-such-job"}) as named,
        Follower(server, token(endpoint="lung")) as elsewhere,
        Follower(server, token(endpoint="heart")) as here,
    ):
        for stream in (all_own, named, elsewhere, here):
            stream.ready()
        bench.advance(foreign, 5)
        bench.advance(own, 5)
        here.wait(lambda t: t.name == "job" and t.data["name"] == foreign, of="a job of the endpoint")
        for stream in (all_own, named):
            stream.wait(lambda t: t.name == "job" and t.data["progress"]["completed"] == 5, of="its own job")
        told = {t.data["name"] for s in (all_own, named) for t in s.told if t.name == "job"}
        assert told == {own}
        assert {t.data["name"] for t in named.told if t.name == "gone"} == {foreign, "no-such-job"}
        bench.complete(foreign)
        bench.ws.jobs.delete(foreign)
        here.wait(lambda t: t.name == "gone" and t.data["name"] == foreign, of="the deletion")
        assert not [
            t
            for t in (*all_own.told, *elsewhere.told)
            if t.name in {"job", "gone"} and t.data["name"] == foreign
        ]
        assert not [t for t in elsewhere.told if t.name == "job"]


def test_a_caller_has_so_many_streams_and_no_more(bench, server, token):
    text = token()
    with ExitStack() as streams:
        opened = [streams.enter_context(Follower(server, text, query="jobs=")) for _ in range(MOST_OF_CALLER)]
        opened[-1].ready()
        refused = server.send("GET", f"{PREFIX}/events?jobs=", token=text)
        assert (refused.status, refused.error["code"]) == (429, "too_many_requests")
        assert int(refused.header("Retry-After")) > 0
        with Follower(server, token(), query="jobs=") as other:
            other.ready()
        opened[0].close()
        until(lambda: _is_let_in(server, text), of="the room of the one that has gone")


def _is_let_in(server, text) -> bool:
    with Follower(server, text, query="jobs=") as stream:
        return stream.answer.status == 200


def test_lanes_and_logs_are_told_to_those_who_ask(bench, server, token):
    name = bench.running(10)
    bench.commit(name, ok=3, failed=1)
    log = bench.ws.job_dir(name) / "logs" / "user" / "stdout" / "i0"
    log.mkdir(parents=True)
    (log / "process000.stdout.txt").write_text("one\n")
    path = "user/stdout/i0/process000.stdout.txt"
    query = f"jobs={name}&lanes={name}&log={name}/{path}&log={name}/no-such-log.txt"
    with Follower(server, token(), query=query) as stream:
        lanes = stream.wait(lambda t: t.name == "lanes", of="the lanes").data
        assert lanes["job"] == name
        assert sorted(a[lanes["columns"].index("ok")] for a in lanes["attempts"]) == [False, True, True, True]
        assert stream.wait(lambda t: t.name == "log", of="the log").data == {
            "job": name,
            "path": path,
            "size": 4,
        }
        with (log / "process000.stdout.txt").open("a") as file:
            file.write("two\n")
        stream.wait(lambda t: t.name == "log" and t.data["size"] == 8, of="what was added")


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("jobs=a&lanes=b", "lanes"),
        ("jobs=a&log=b/x.txt", "log"),
        ("lanes=a", "lanes"),
        ("jobs=a&log=a/../x", "path"),
        ("jobs=a&" + "&".join(f"log=a/{n}" for n in range(9)), "log"),
        ("jobs=" + ",".join(f"j{n}" for n in range(201)), "jobs"),
    ],
)
def test_a_wish_that_cannot_be_met_is_refused(server, token, query, field):
    answer = server.send("GET", f"{PREFIX}/events?{query}", token=token())
    assert (answer.status, answer.error["target"]) == (422, field)


def test_a_client_that_has_gone_is_noticed_at_once(bench, server, token):
    text = token()
    for _ in range(2):  # together more than one caller may have
        with ExitStack() as streams:
            for _ in range(MOST_OF_CALLER):
                streams.enter_context(Follower(server, text, query="jobs=")).ready()
        until(lambda: _is_let_in(server, text), of="the room of those that have gone")


# The last one: the server is not there any more then.
def test_a_server_that_stops_says_good_bye(bench, server, token):
    name = bench.running()
    with Follower(server, token(), query={"jobs": name}) as one, Follower(server, token()) as two:
        one.ready(), two.ready()
        code = []
        ending = threading.Thread(target=lambda: code.append(server.stop()))
        ending.start()
        assert (one.over(), two.over()) == ("stopping", "stopping")
        ending.join()
        assert code == [0]
    assert bench.ws.jobs.get(name).status is JobStatus.RUNNING
