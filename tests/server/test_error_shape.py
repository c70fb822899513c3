"""S14 and S22: what every route answers, good or bad, is safe to look at and tells nothing of the machine."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing

import pytest
from bodies import body_for
from main_job_support import until
from server_support import actions, fill

from batchmagic.server.openapi import document
from batchmagic.server.routes import PREFIX, ROUTES

SAFE_MEDIA = {"application/json", "text/plain", "text/event-stream", "application/octet-stream", "text/csv"}
# Of a traceback, of SQL, of a place on this machine.
TELLING = re.compile(
    r'Traceback|File \\"|line \d+, in |sqlalche|sqlite3\.|OperationalError|\bSELECT |INSERT INTO|/tmp/|/home/|/root/|/usr/|/opt/'
)
SCRIPT = "<script>window.__pwned = 1</script>\x1b]0;owned\x07\u202e.csv"


def check_headers(answer, what) -> None:
    assert answer.header("X-Content-Type-Options") == "nosniff", what
    policy = answer.header("Content-Security-Policy")
    assert "sandbox" in policy, what
    assert "default-src 'none'" in policy, what
    assert "no-store" in answer.header("Cache-Control"), what
    assert answer.header("X-Request-Id"), what
    assert not answer.header("Server"), what
    if answer.body:
        media = answer.header("Content-Type").partition(";")[0]
        assert media in SAFE_MEDIA, (what, media)
        if media not in {"application/json", "text/event-stream"} and "metrics" not in str(what):
            assert answer.header("Content-Disposition").startswith("attachment"), what


def check_error(answer, what) -> None:
    error = answer.error
    assert set(error) == {"code", "message", "target", "details", "requestId"}, what
    assert re.fullmatch(r"[a-z][a-z_]+", error["code"]), what
    assert error["message"], what
    assert isinstance(error["target"], str), what
    assert all({"code", "message"} <= set(item) for item in error["details"]), what
    assert error["requestId"] == answer.header("X-Request-Id"), what
    assert not TELLING.search(answer.body.decode()), (what, answer.body)


def test_every_answer_is_one_that_no_browser_runs(world, server):
    """S14"""
    with server.line() as line:
        for route, method, action in actions(scoped=False):
            if method == "GET":
                answer = line.send("GET", world.address(route), token=world.tokens["manage"])
                assert answer.status in {200, 204}, (route.path, answer.body)
                assert answer.header("Content-Type").partition(";")[0] in {action.media, "text/csv", ""}, (
                    route.path
                )
                check_headers(answer, route.path)
            check_headers(line.send(method, world.address(route)), (method, route.path))
        for odd in (f"{PREFIX}/none", "/", "/<script>"):
            check_headers(line.send("GET", odd, token=world.tokens["read"]), odd)


def test_markup_comes_back_as_text(still, still_server):
    """S14"""
    properties = {
        "name": "job-of-markup",
        "displayName": SCRIPT,
        "description": SCRIPT,
        "tags": {SCRIPT: SCRIPT},
    }
    (route, _, action) = next(found for found in actions() if found[2].body == "Invoke")
    body = body_for(route, action, still)
    body["properties"] |= properties
    made = still_server.send("POST", still.address(route), body, token=still.tokens["manage"])
    assert made.status == 201, made.body
    with still_server.line() as line:
        for found, method, _ in actions():
            if method == "GET" and "job" in found.parameters:
                answer = line.send(
                    "GET", still.address(found, job="job-of-markup"), token=still.tokens["read"]
                )
                check_headers(answer, found.path)
                assert b"\x1b" not in answer.body, found.path


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 413, 415, 422, "path"])
def test_errors_of_every_kind_have_one_shape(still, still_server, status):
    """S22"""
    path, token = f"{PREFIX}/endpoints/{still.examples['endpoint']}", still.tokens["manage"]
    jobs = f"{path}/jobs"
    key = {"Idempotency-Key": "shape"}
    requests = {
        400: ("PUT", path, b"{", token, {}),
        401: ("GET", path, None, None, {}),
        403: ("DELETE", path, None, still.tokens["read"], {}),
        404: ("GET", f"{jobs}/nothing", None, token, {}),
        405: ("PUT", jobs, None, token, {}),
        409: ("POST", jobs, {"properties": {"inputData": {"x": {"uri": str(still.code)}}}}, token, key),
        413: ("PUT", path, b" " * (2 << 20), token, {}),
        415: ("PUT", path, b"<x/>", token, {"Content-Type": "text/xml"}),
        422: ("PUT", path, {"tags": 1}, token, {}),
        "path": (
            "POST",
            jobs,
            {"properties": {"inputData": {"x": {"uri": f"{still.lab.folder}/x.csv"}}}},
            token,
            {},
        ),
    }
    if status == 409:
        first = {"properties": {"inputData": {"x": {"uri": str(still.inputs)}}}}
        assert still_server.send("POST", jobs, first, token=token, headers=key).status == 201
    method, where, body, credentials, headers = requests[status]
    answer = still_server.send(
        method, where, body, token=credentials, headers={**headers, "X-Request-Id": f"shape-{status}"}
    )
    assert answer.status == {"path": 403}.get(status, status), answer.body
    check_error(answer, status)
    check_headers(answer, status)
    assert answer.error["requestId"] == f"shape-{status}"
    until(lambda: f"shape-{status}" in still_server.log(), of="the line in the log")


def test_too_many_jobs_are_an_error_of_the_same_shape(still):
    """S22"""
    with still.server(max_queued=1) as server:
        (route, _, action) = next(found for found in actions() if found[2].body == "Invoke")
        answers = [
            server.send(
                "POST", still.address(route), body_for(route, action, still), token=still.tokens["manage"]
            )
            for _ in range(2)
        ]
    assert answers[-1].status == 429
    assert int(answers[-1].header("Retry-After")) > 0
    check_error(answers[-1], 429)


@pytest.fixture
def broken(still):
    """A job whose row cannot be read: nothing that any code expects."""
    where = still.lab.root / "workspace.db"
    with closing(sqlite3.connect(where)) as database:
        (spec,) = database.execute("select spec from jobs where name = ?", (still.job,)).fetchone()
        yield still.job, lambda text: _set(where, still.job, text)
    _set(where, still.job, spec)


def _set(where, job: str, spec: str) -> None:
    with closing(sqlite3.connect(where)) as database, database:
        database.execute("update jobs set spec = ? where name = ?", (spec, job))


def test_what_nobody_expected_is_told_in_the_log_only(still, still_server, broken):
    """S22"""
    job, damage = broken
    damage(json.dumps({"endpoint": still.examples["endpoint"], "private": "canary-of-a-row"}))
    seen = 0
    with still_server.line() as line:
        for route in ROUTES:
            if "job" not in route.parameters:
                continue
            for method, action in route.actions():
                body = body_for(route, action, still) if action.body else None
                answer = line.send(method, still.address(route, job=job), body, token=still.tokens["manage"])
                if answer.status < 500:
                    continue
                check_error(answer, (method, route.path))
                check_headers(answer, (method, route.path))
                assert "canary-of-a-row" not in answer.body.decode()
                number = answer.error["requestId"]
                until(lambda number=number: number in still_server.log(), of="the line in the log")
                seen += 1
    assert seen, "nothing was broken"
    assert "Traceback" in still_server.log()


def test_errors_are_described_as_they_are(still, still_server):
    """S22"""
    described = document("/")["components"]["schemas"]["Error"]["properties"]["error"]["properties"]
    answer = still_server.send("GET", fill("/jobs/{job}", {"job": "nothing"}), token=still.tokens["read"])
    assert set(answer.error) <= set(described)
