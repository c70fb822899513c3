"""S15: bodies that are too large, too deep, too slow or no JSON cost the server nothing, at every route that reads one."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from contextlib import ExitStack
from typing import Self

import psutil
import pytest
from bodies import body_for
from server_support import HOST, actions

MIB = 1 << 20
GROWTH = 50 * MIB
LATEST = 1.0
WITH_BODIES = [found for found in actions() if found[2].body]
HUGE = b'{"description": "' + b"x" * (3 * MIB) + b'"}'
DEEP = 10_000
ODD = {
    "nested lists": b'{"tags": ' + b"[" * DEEP + b"]" * DEEP + b"}",
    "nested objects": b'{"a":' * DEEP + b"1" + b"}" * DEEP,
    "never closed": b"[" * DEEP,
    "list": b"[]",
    "text": b'"text"',
    "number": b"1",
    "null": b"null",
    "true": b"true",
    "not JSON": b"name: x",
    "half": b'{"name": "x"',
    "two": b"{} {}",
    "NaN": b'{"errorThreshold": NaN}',
    "Infinity": b'{"errorThreshold": -Infinity}',
    "twice": b'{"name": "x", "name": "y"}',
    "twice inside": b'{"properties": {"a": 1, "a": 2}}',
    "not UTF-8": b'{"name": "\xff"}',
    "UTF-16": '{"name": "x"}'.encode("utf-16"),
    "half a character": b'{"name": "\\ud800"}',
    "digits": b'{"version": ' + b"9" * 10_000 + b"}",
}


class Others:
    """What other callers see meanwhile, and what the server's process needs."""

    def __init__(self, world, server) -> None:
        self._world, self._server = world, server
        self._process = psutil.Process(server.process.pid)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.seconds: list[float] = []
        self.before = self.most = self._process.memory_info().rss

    def _run(self) -> None:
        while not self._over.is_set():
            began = time.monotonic()
            answer = self._server.send("GET", "/batchmagic/jobs", token=self._world.tokens["read"])
            self.seconds.append(time.monotonic() - began)
            assert answer.status == 200
            self.most = max(self.most, self._process.memory_info().rss)
            self._over.wait(0.02)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._over.set()
        self._thread.join()
        if reason[0] is None:
            self.check()

    def check(self) -> None:
        ordered = sorted(self.seconds)
        assert ordered, "nobody else was answered"
        assert ordered[int(0.99 * (len(ordered) - 1))] < LATEST, ordered[-5:]
        assert self.most - self.before < GROWTH, f"{(self.most - self.before) / MIB:.0f} MiB more"


@pytest.fixture
def others(still, still_server):
    with Others(still, still_server) as found:
        yield found


def check(answer, statuses: set[int], what: object) -> None:
    assert answer.status in statuses, (what, answer.status, answer.body[:300])
    assert answer.error["message"], what


def test_what_is_no_json_object_is_refused(still, still_server, others):
    """S15"""
    with still_server.line() as line:
        for route, method, _ in WITH_BODIES:
            for what, body in ODD.items():
                answer = line.send(method, still.address(route), body, token=still.tokens["manage"])
                check(answer, {400, 422} if what == "digits" else {400}, (method, route.path, what))


def test_values_of_another_type_are_refused(still, still_server, others):
    """S15"""
    with still_server.line() as line:
        for route, method, action in WITH_BODIES:
            good = body_for(route, action, still)
            for key in [*good, "name", "properties", "tags"]:
                for value in (1.5, [1], [[]], True, {"a": {"b": {}}}):
                    body = {**good, key: value}
                    answer = line.send(method, still.address(route), body, token=still.tokens["manage"])
                    assert answer.status < 500, (method, route.path, body, answer.body)


def test_what_is_too_large_is_refused(still, still_server, others):
    """S15"""
    with still_server.line() as line:
        for route, method, _ in WITH_BODIES:
            answer = line.send(method, still.address(route), HUGE, token=still.tokens["manage"])
            check(answer, {413}, (method, route.path))


def test_a_hundred_megabytes_are_not_kept(still, still_server, others):
    """S15"""
    route, method, _ = WITH_BODIES[-1]
    chunks = (b"x" * MIB for _ in range(100))
    headers = {"Content-Type": "application/json"}
    with still_server.line() as line:
        answer = line.send(
            method, still.address(route), chunks, token=still.tokens["manage"], headers=headers
        )
    check(answer, {413}, route.path)


def test_bodies_without_end_are_refused_when_they_are_announced(still, still_server, others):
    """S15"""
    for route, method, _ in WITH_BODIES:
        head = head_of(still, still_server, route, method, length=10 << 30)
        answer = still_server.raw(head + b'{"a": 1')
        assert answer.split(b"\r\n")[0].split()[1] in {b"400", b"413"}, (method, route.path, answer[:300])


def test_packed_bodies_are_not_unpacked(still, still_server, others):
    """S15"""
    bomb = gzip.compress(b"\0" * (200 * MIB), 1)[: MIB // 2]
    with still_server.line() as line:
        for route, method, _ in WITH_BODIES:
            for coding in ("gzip", "deflate", "br"):
                headers = {"Content-Encoding": coding}
                answer = line.send(
                    method, still.address(route), bomb, token=still.tokens["manage"], headers=headers
                )
                check(answer, {415}, (method, route.path, coding))


def test_slow_bodies_hold_up_nobody(still, still_server, others):
    """S15"""
    with ExitStack() as stack:
        for route, method, _ in [*WITH_BODIES] * 2:
            slow = stack.enter_context(socket.create_connection((HOST, still_server.port), timeout=60))
            slow.sendall(head_of(still, still_server, route, method, length=1000) + b'{"name"')
        seen = len(others.seconds)
        while len(others.seconds) < seen + 20:
            time.sleep(0.02)


@pytest.mark.slow
def test_a_body_that_does_not_come_is_not_waited_for(still, still_server):
    """S15"""
    route, method, _ = WITH_BODIES[-1]
    began = time.monotonic()
    assert still_server.raw(head_of(still, still_server, route, method, length=1000) + b'{"name"') == b""
    assert 20 < time.monotonic() - began < 60


def head_of(world, server, route, method: str, *, length: int) -> bytes:
    lines = [
        f"{method} {world.address(route)} HTTP/1.1",
        f"Host: {HOST}:{server.port}",
        f"Authorization: Bearer {world.tokens['manage']}",
        "Content-Type: application/json",
        f"Content-Length: {length}",
    ]
    return "\r\n".join([*lines, "", ""]).encode()
