"""What pages and operators read of a job: mini-batches, errors, progress, rows."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest
from server_support import Server

sys.path.insert(0, str(Path(__file__).parents[1] / "widgets"))

from widgets_support import Bench

from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.scoring.plan import Plan
from batchmagic.server.identity import STARTED_BY
from batchmagic.server.routes import PREFIX
from batchmagic.workspace.ledger import Commit, Failure, Ledger

MANY = 20_000
SECRET = "sig=geheim4711"
ODD = "naïve <b>\n\u202e.csv"
ERROR = {
    "type": "ValueError",
    "message": f"cannot read https://a.blob.core.windows.net/c/x?{SECRET}",
    "traceback": f"Traceback …\nValueError: https://a.blob.core.windows.net/c/x?{SECRET}\n",
    "frame": ["score.py", 9, "run", "    x = float(y)"],
    "phase": "run",
}


@pytest.fixture(scope="module")
def bench(module_workspace):
    found = Bench(module_workspace.root)
    yield found
    found.close()


@pytest.fixture(scope="module")
def server(bench):
    with Server(bench.root.parent / "server", bench.root) as found:
        yield found


@pytest.fixture(scope="module")
def ask(bench, server):
    """A function that asks a reader's question below a job and returns the answer."""
    token = bench.ws.tokens.create("reader", scopes=["read"])[1]
    with server.line() as line:
        yield lambda name, what="", **values: line.send(
            "GET", f"{PREFIX}/jobs/{name}{what}", token=values.get("token", token)
        )


@pytest.fixture(scope="module")
def many(bench):
    """A running job of 20,000 mini-batches, of which 15,000 have ended and 3 failed; of each the first file is odd."""
    name = bench.queued()
    source = bench.root.parent / "many"
    source.mkdir()
    for number in range(MANY):
        (source / f"{number:05d}{'' if number else ODD}").touch()
    Plan.make(bench.ws.job_dir(name), source, mini_batch_size=1, recursive=False).close()
    bench.ws.jobs.transition(name, JobStatus.PREPARING)
    bench.ws.jobs.transition(name, JobStatus.RUNNING)
    bad = {10, 11, 14_999}
    place = {"instance": "i0", "slot": 1, "seconds": 0.1}
    commits = [
        Commit(mini_batch=n, part=0, ok=n not in bad, attempt=1, files=1, rows=1, started=1e9 + n, **place)
        for n in range(15_000)
    ]
    failures = [
        Failure(
            mini_batch=n, part=0, attempt=1, kind="error", final=True, error=ERROR, files=1, started=1e9, **place
        )
        for n in sorted(bad)
    ]  # fmt: skip
    progress = Progress(mini_batches=MANY, files=MANY, completed=14_997, failed=3, files_failed=3)
    ledger = Ledger.open(bench.ws.job_dir(name))
    ledger.begin(epoch=1, run=1, mini_batches=MANY, files=MANY)
    ledger.commit(1, commits=commits, failures=failures, progress=progress)
    ledger.close()
    bench.ws.jobs.set_progress(name, progress)
    return name


def test_twenty_thousand_mini_batches_are_paged_through(server, ask, many):
    numbers, statuses, what, slowest = [], {}, "/mini-batches?top=1000", 0.0
    while what:
        began = time.monotonic()
        page = ask(many, what).json
        slowest = max(slowest, time.monotonic() - began)
        for item in page["value"]:
            numbers.append(item["number"])
            statuses[item["status"]] = statuses.get(item["status"], 0) + 1
        link = page["nextLink"]
        assert link is None or link.startswith(
            f"http://127.0.0.1:{server.port}{PREFIX}/jobs/{many}/mini-batches?"
        )
        what = link and link.partition(many)[2]
    assert numbers == list(range(MANY))
    assert statuses == {"completed": 14_997, "failed": 3, "waiting": 5_000}
    assert slowest < 5


@pytest.mark.parametrize(
    ("status", "numbers"),
    [("failed", [10, 11, 14_999]), ("retried", [10, 11, 14_999]), ("waiting", [15_000, 15_001])],
)
def test_mini_batches_of_one_status(ask, many, status, numbers):
    top = len(numbers)
    found = ask(many, f"/mini-batches?status={status}&top={top}").json["value"]
    assert [item["number"] for item in found] == numbers
    later = ask(many, f"/mini-batches?status={status}&top=1&skip={numbers[0] + 1}").json["value"]
    assert [item["number"] for item in later] == numbers[1:2]


def test_a_mini_batch_tells_its_files_attempts_and_error_without_secrets(ask, many):
    answer = ask(many, "/mini-batches/10?files=1")
    found = answer.json
    assert (found["status"], found["attempts"], found["file"], found["paths"]) == (
        "failed",
        1,
        "00010",
        ["00010"],
    )
    assert found["started_at"] == "2001-09-09T01:46:50+00:00"
    assert found["error"]["kind"] == "error"
    assert [(each["ok"], each["final"]) for each in found["tries"]] == [(False, True)]
    assert SECRET.encode() not in answer.body
    first = ask(many, "/mini-batches/0").json
    assert first["file"] == f"00000{ODD}"
    assert "paths" not in first
    missing = ask(many, f"/mini-batches/{MANY}")
    assert (missing.status, missing.error["code"]) == (404, "not_found")


@pytest.mark.parametrize("what", ["status=lost", "top=0", "top=1001", "top=x", "skip=-1", "skip=1e3"])
def test_a_page_that_cannot_be_is_refused(ask, many, what):
    answer = ask(many, f"/mini-batches?{what}")
    assert (answer.status, answer.error["target"]) == (422, what.partition("=")[0])


def test_errors_are_grouped_with_their_tracebacks_and_without_secrets(ask, many):
    answer = ask(many, "/errors")
    (group,) = answer.json["value"]
    assert (group["type"], group["files"], group["count"], group["mini_batch"]) == ("ValueError", 3, 3, 10)
    assert group["frame"]["line"] == 9
    assert group["tracebacks"][0].startswith("Traceback")
    assert SECRET.encode() not in answer.body


def test_progress_has_the_counters_and_every_change_of_the_state(ask, many):
    found = ask(many, "/progress").json
    assert (found["status"], found["run"], found["progress"]["completed"]) == ("Running", 1, 14_997)
    assert [event["status"] for event in found["events"]] == ["Queued", "Preparing", "Running"]


def test_a_job_that_has_not_begun_has_nothing_yet(bench, ask):
    name = bench.queued()
    assert ask(name, "/mini-batches").json == {"value": [], "nextLink": None}
    assert ask(name, "/mini-batches/0").status == 404
    assert ask(name, "/errors").json == {"value": [], "nextLink": None}
    assert ask(name, "/logs").json == {"value": [], "nextLink": None}
    assert ask(name, "/outputs").json == {"value": [], "nextLink": None}
    waiting = ask(name, "/outputs/score")
    assert (waiting.status, waiting.error["code"]) == (409, "wrong_state")


def test_rows_are_shown_page_by_page(bench, ask):
    name = bench.running()
    bench.complete(name, "".join(f"row {n}\n" for n in range(250)))
    rows, what = [], "/outputs/score?preview=1&top=100"
    while what:
        page = ask(name, what).json
        assert page["columns"] == [{"name": "result", "type": "text"}]
        rows += page["rows"]
        what = page["nextLink"] and page["nextLink"].partition(name)[2]
    assert rows == [[f"row {n}"] for n in range(250)]


def test_what_is_below_a_job_is_for_those_who_may_see_the_job(bench, ask, many):
    started = bench.ws.tokens.create("starter", scopes=["invoke"])[1]
    elsewhere = bench.ws.tokens.create("elsewhere", scopes=["read", "invoke"], endpoint="heart")[1]
    own = bench.running()
    bench.ws.jobs.label(own, properties={STARTED_BY: "token:starter"})
    below = (
        "",
        "/progress",
        "/errors",
        "/mini-batches",
        "/mini-batches/0",
        "/logs",
        "/logs/x",
        "/outputs",
        "/outputs/score",
    )
    for what in below:
        foreign = ask(many, what, token=started)
        assert (foreign.status, foreign.error["code"]) == (404, "not_found"), what
        assert ask("no-such-job", what, token=started).error["message"] == foreign.error["message"].replace(
            many, "no-such-job"
        )
        assert ask(own, what, token=started).status != 403, what
        assert ask(many, what, token=elsewhere).status != 403, what
    assert ask(own, "/progress", token=started).status == 200
