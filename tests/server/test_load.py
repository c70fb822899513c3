"""Many callers at once, many jobs in the store, and requests that hang: the server answers the others as ever."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from typing import TYPE_CHECKING

import pytest
from main_job_support import ENDPOINT, PLAIN, Lab, until
from server_support import PREFIX, Server

if TYPE_CHECKING:
    from collections.abc import Iterator

LINES, EACH = 20, 10
BOUND = 150
DRAINED = 5
STORED = 10_000
JOBS = f"{PREFIX}/endpoints/{ENDPOINT}/jobs"


@pytest.fixture(scope="module")
def lab(module_workspace) -> Iterator[Lab]:
    found = Lab(module_workspace)
    found.deploy("plain", PLAIN)
    yield found
    found.close()


@pytest.fixture(scope="module")
def caller(lab) -> Iterator[Caller]:
    data = lab.data(1)
    with Server(lab.folder / "server", lab.root, roots=str(data), max_queued=BOUND) as server:
        yield Caller(lab, server, str(data))


@pytest.fixture
def stopped(lab):
    """A compute on which no job starts until the test opens the gate: a job has its only instance."""
    lab.compute("single", max_instances=1)
    gate = lab.gate()
    lab.deploy("slow", gate.script(), compute="single", mini_batch_size=1, max_concurrency_per_instance=1)
    lab.deploy("waits", PLAIN, compute="single")
    name = lab.invoke("slow", 1)
    gate.wait_calls(1)
    yield gate
    gate.open()
    lab.ended(name)


class Caller:
    """Sends the requests of this module to its server."""

    def __init__(self, lab: Lab, server: Server, data: str) -> None:
        self.lab, self.server = lab, server
        store = lab.client.session.read().tokens
        self.token = store.create("caller", scopes=["read", "invoke"])[1]
        given = {"in": {"JobInputType": "UriFolder", "Uri": data}}
        self._body = json.dumps({"properties": {"InputData": given}}).encode()
        self._named = 0

    def get(self, path, line=None):
        return (line or self.server).send("GET", f"{PREFIX}{path}", token=self.token)

    def post(self, path, line=None):
        return (line or self.server).send("POST", f"{PREFIX}{path}", token=self.token)

    def invoke(self, line=None, *, deployment="waits", body=None):
        headers = {"azureml-model-deployment": deployment}
        sent = line or self.server
        return sent.send("POST", JOBS, body or self._body, token=self.token, headers=headers)

    def invoke_by_name(self, line):
        self._named += 1
        body = json.loads(self._body)
        body["properties"]["name"] = f"by-name-{self._named}"
        answer = self.invoke(line, deployment="plain", body=body)
        self.lab.client.jobs.begin_cancel(answer.json["name"])
        return answer

    def flood(self):
        """Return the answers to 200 invokes of 20 connections."""
        start = threading.Barrier(LINES)

        def call(_):
            with self.server.line() as line:
                start.wait()
                return [self.invoke(line) for _ in range(EACH)]

        with ThreadPoolExecutor(LINES) as callers:
            return [answer for answers in callers.map(call, range(LINES)) for answer in answers]

    def cancel(self, names):
        with self.server.line() as line:
            assert {self.post(f"/jobs/{name}/cancel", line).status for name in names} <= {202}

    def lags(self):
        """How often the event loop was late by at most so many seconds."""
        text = self.get("/metrics").body.decode()
        found = re.findall(
            r'^batchmagic_event_loop_lag_seconds_bucket\{le="(.+)"\} (\S+)$', text, re.MULTILINE
        )
        return Counter({float(bound): float(count) for bound, count in found})

    def under_way(self):
        """How many requests the server has not answered, this one among them."""
        text = self.get("/metrics").body.decode()
        return float(re.search(r"^batchmagic_requests_under_way (\S+)$", text, re.MULTILINE)[1])

    def processor_seconds(self, request, times=15):
        """The server's own time for a request: that of the clock is also that of whoever else runs here."""
        with self.server.line() as line:
            assert request(line).status < 300
            before = sum(self.server.process.cpu_times()[:2])
            for _ in range(times):
                assert request(line).status < 300
            return (sum(self.server.process.cpu_times()[:2]) - before) / times


def test_two_hundred_invokes_at_once(lab, caller, stopped):
    before = caller.lags()
    answers = caller.flood()
    late = caller.lags() - before
    # It never stands still; how late it is, is measured where less else runs (below).
    assert late[1.0] >= 0.99 * late[float("inf")]
    accepted = [answer.json["name"] for answer in answers if answer.status == 201]
    refused = [answer for answer in answers if answer.status != 201]
    assert (len(accepted), len(refused)) == (BOUND, LINES * EACH - BOUND)
    assert {(answer.status, answer.error["code"]) for answer in refused} == {(429, "too_many_requests")}
    assert all(int(answer.header("Retry-After")) > 0 for answer in refused)
    assert len(set(accepted)) == BOUND
    assert {lab.status(name) for name in accepted} == {"Queued"}
    # What is left of them drains in order; all of them do in the slow test.
    kept = accepted[:: BOUND // DRAINED]
    caller.cancel(set(accepted) - set(kept))
    drain(lab, stopped, kept)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_event_loop_stays_in_time_and_the_whole_queue_drains_in_order(lab, caller, stopped):
    for left in (4, 3, 2, 1, 0):  # the whole machine may have been late
        before = caller.lags()
        accepted = [answer.json["name"] for answer in caller.flood() if answer.status == 201]
        late = caller.lags() - before
        if late[0.1] >= 0.99 * late[float("inf")]:
            break
        assert left, late
        caller.cancel(accepted)
    assert len(accepted) == BOUND
    drain(lab, stopped, accepted)


def drain(lab, gate, names):
    gate.open()
    for name in names:
        lab.ended(name, 600)
    records = sorted((lab.job(name) for name in names), key=lambda record: record.seq)
    for record in records:
        lab.assert_sound(record, files=1)
    begun = [record.started_at for record in records]
    assert begun == sorted(begun)
    assert all(later.started_at >= sooner.ended_at for sooner, later in pairwise(records))


@pytest.mark.slow
def test_many_stored_jobs_make_nothing_slower(lab, caller):
    name = lab.run("plain", 1).name
    requests = {
        "invoke": caller.invoke_by_name,
        "poll": lambda line: caller.get(f"/endpoints/{ENDPOINT}/jobs/{name}", line),
        "list": lambda line: caller.get("/jobs?top=10", line),
    }
    few = {what: caller.processor_seconds(request) for what, request in requests.items()}
    store_copies(lab, name)
    many = {what: caller.processor_seconds(request) for what, request in requests.items()}
    assert caller.get("/jobs?top=1000").json["nextLink"]
    # Below 5 ms the measure is too coarse to tell.
    slower = {what: (few[what], many[what]) for what in requests if many[what] > 3 * max(few[what], 0.005)}
    assert not slower
    with closing(sqlite3.connect(lab.root / "workspace.db")) as store, store:
        store.execute("DELETE FROM jobs WHERE name LIKE 'copy-%'")


def store_copies(lab, name):
    """Store very many jobs like this one, as if they had been there before; they have no folders."""
    with closing(sqlite3.connect(lab.root / "workspace.db")) as store, store:
        columns = [row[1] for row in store.execute("PRAGMA table_info(jobs)")]
        kept = ", ".join(column for column in columns if column not in {"seq", "name", "idempotency_key"})
        copy = f"INSERT INTO jobs (name, {kept}) SELECT ?, {kept} FROM jobs WHERE name = ?"
        store.executemany(copy, [(f"copy-{number}", name) for number in range(STORED)])


def test_requests_that_hang_hold_up_no_others(lab, caller):
    name = lab.run("plain", 1).name
    hanging = 30  # more than there are threads for them
    with (
        closing(sqlite3.connect(lab.root / "workspace.db", isolation_level=None)) as store,
        ThreadPoolExecutor(hanging) as callers,
    ):
        store.execute("BEGIN IMMEDIATE")  # as a disk that does not come back from a write
        invokes = [callers.submit(caller.invoke, deployment="plain") for _ in range(hanging)]
        until(lambda: caller.under_way() > hanging, of="requests that hang")
        for path in (
            "/healthz",
            "/readyz",
            "/whoami",
            f"/jobs/{name}",
            "/jobs",
            f"/jobs/{name}/logs",
            "/endpoints",
        ):
            assert caller.get(path).status in {200, 204}
        assert caller.get(f"/jobs/{name}/outputs/score").body == b"000.csv\n"
        assert not any(invoke.done() for invoke in invokes)
        store.execute("ROLLBACK")
        assert {invoke.result().status for invoke in invokes} == {201}
