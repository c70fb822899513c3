"""S16: a request that comes again, for whatever reason, starts one job."""

from __future__ import annotations

import json
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor

import pytest
from bodies import body_for
from main_job_support import until
from server_support import HOST, actions

TIMES = 20
# Every route at which a job is started, and every name of the header.
INVOKES = [found for found in actions() if found[2].body == "Invoke"]
HEADERS = ["repeatability-request-id", "repeatability_request_id", "Idempotency-Key"]


@pytest.fixture
def key() -> str:
    return secrets.token_hex(16)


def jobs_of(world) -> set[str]:
    return {job.name for job in world.lab.client.session.read().jobs.list()}


def invoke(world, server, headers, *, token="invoke", route=INVOKES[0][0], **properties):
    body = body_for(*INVOKES[0][::2], world)
    body["properties"] |= properties
    return server.send("POST", world.address(route), body, token=world.tokens[token], headers=headers)


@pytest.mark.parametrize("header", HEADERS)
def test_one_key_is_one_job_however_often_it_comes_at_once(still, still_server, key, header):
    """S16"""
    assert INVOKES
    for route, _, _ in INVOKES:
        before = jobs_of(still)
        with ThreadPoolExecutor(TIMES) as threads:
            asked = [
                threads.submit(invoke, still, still_server, {header: key}, route=route) for _ in range(TIMES)
            ]
            answers = [one.result() for one in asked]
        assert [answer.status for answer in answers] == [201] * TIMES, answers[0].body
        (name,) = {answer.json["name"] for answer in answers}
        assert jobs_of(still) - before == {name}


def test_an_answer_that_got_lost_is_given_again(still, still_server, key):
    """S16"""
    before = jobs_of(still)
    content = json.dumps(body_for(*INVOKES[0][::2], still)).encode()
    lines = [
        f"POST {still.address(INVOKES[0][0])} HTTP/1.1",
        f"Host: {HOST}:{still_server.port}",
        f"Authorization: Bearer {still.tokens['invoke']}",
        "Content-Type: application/json",
        f"Idempotency-Key: {key}",
        f"Content-Length: {len(content)}",
    ]
    with socket.create_connection((HOST, still_server.port)) as connection:
        connection.sendall("\r\n".join([*lines, "", ""]).encode() + content)
    until(lambda: jobs_of(still) - before, of="the job of a caller who has gone")
    again = invoke(still, still_server, {"Idempotency-Key": key})
    assert again.status == 201
    assert jobs_of(still) - before == {again.json["name"]}


def test_another_request_with_the_same_key_is_refused(still, still_server, key):
    """S16"""
    first = invoke(still, still_server, {"Idempotency-Key": key})
    assert first.status == 201
    before = jobs_of(still)
    other = invoke(still, still_server, {"Idempotency-Key": key}, miniBatchSize=3)
    assert (other.status, other.error["target"] != "") == (409, True), other.body
    assert jobs_of(still) == before


def test_the_same_key_of_another_caller_is_another_job(still, still_server, key):
    """S16"""
    before = jobs_of(still)
    names = {
        invoke(still, still_server, {"Idempotency-Key": key}, token=token).json["name"]
        for token in ("invoke", "here")
    }
    assert len(names) == 2
    assert jobs_of(still) - before == names


def test_without_a_key_every_request_is_a_job(still, still_server):
    """S16"""
    before = jobs_of(still)
    names = {invoke(still, still_server, {}).json["name"] for _ in range(3)}
    assert jobs_of(still) - before == names
    assert len(names) == 3


@pytest.mark.parametrize("bad", [" ", "x" * 300, "a, b\x7f", "\xe9"])
def test_a_key_that_is_none_is_refused(still, still_server, bad):
    """S16"""
    before = jobs_of(still)
    assert invoke(still, still_server, {"Idempotency-Key": bad}).status == 400
    assert jobs_of(still) == before
