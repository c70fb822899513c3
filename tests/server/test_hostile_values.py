"""S05, S07, S10, S11, S12: what callers write into addresses, headers and bodies, at every route of the table.

A real server is watched by Python's audit hook meanwhile, and a canary listens on the loopback.
"""

from __future__ import annotations

import http.server
import json
import pickle
import re
import threading
from itertools import count, cycle, islice
from urllib.parse import quote

import pytest
from bodies import body_for, names_a_place, places, schema_of, with_value
from hooks_of_python import Hooks, outside
from hostile_paths import FOREIGN_INPUTS, TRAVERSALS
from server_support import HOST, actions, fill
from workspace_state import state_of

PROBE = "probe"
# S07; none of them may be a name of anything.
NAMES = [
    "'; DROP TABLE jobs; --", "x' OR '1'='1", 'x" OR ""="', "1; ATTACH DATABASE '/x' AS y", "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>", "$(reboot)", "`id`", "x;id", "x|id", "x&&id", "%s%s%n", "{0.__class__}", "${jndi:ldap://x}",
    "{{7*7}}", "con:", "nul:", "aux/", " ", "a b", "a\tb", "a\nb", "-rf", "--help", "@all", "#x", "x?y", "né", "日本", "\u202ex",
    "x\0y", "x" * 10_000,
]  # fmt: skip
_PASSED = count()
_SQL = re.compile(
    rb"sqlite3\.|sqlalche|OperationalError|IntegrityError|\b(SELECT|INSERT INTO|UPDATE) \w+|no such (table|column)"
)


class Canary(http.server.ThreadingHTTPServer):
    """A server of the loopback, of which nobody may be made to ask anything."""

    def __init__(self) -> None:
        super().__init__((HOST, 0), http.server.BaseHTTPRequestHandler)
        self.calls = 0

    def get_request(self):
        self.calls += 1
        return super().get_request()

    @property
    def addresses(self) -> list[str]:
        hosts = (
            HOST,
            "localhost",
            "2130706433",
            "0x7f000001",
            "127.1",
            "[::ffff:127.0.0.1]",
            "good.example@127.0.0.1",
        )
        return [f"{scheme}://{host}:{self.server_port}/x" for host in hosts for scheme in ("http", "https")]


@pytest.fixture(scope="module")
def canary():
    with Canary() as found:
        thread = threading.Thread(target=found.serve_forever, daemon=True)
        thread.start()
        yield found
        found.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def hooks(still):
    return Hooks(still.lab.folder / "hooks")


@pytest.fixture(scope="module")
def watched(still, hooks):
    prefixes = {"https://good.example/in/": str(still.inputs)}
    with still.server(environment=hooks.environment, url_prefixes=prefixes) as found:
        found.send("GET", "/batchmagic/whoami", token=still.tokens["manage"])
        hooks.new()
        yield found


@pytest.fixture
def is_watched(still, watched, hooks, canary):
    """What the requests of a test lead to is seen: no other file, no connection, no pickle, no program."""
    yield
    events = hooks.new()
    assert "open" in {name for name, _ in events}, "the hook saw nothing at all"
    assert outside(events, still, watched) == []
    assert [
        event
        for event in events
        if event[0].startswith(("socket", "urllib", "subprocess", "os.exec", "os.sys"))
    ] == []
    assert [event for event in events if event[0].startswith("pickle")] == []
    assert canary.calls == 0


def jobs_of(world) -> set[str]:
    return {job.name for job in world.lab.client.session.read().jobs.list()}


def encoded(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def check_refusal(answer, what) -> None:
    assert 400 <= answer.status < 500, (what, answer.status, answer.body[:300])
    assert answer.error["message"], what
    assert not _SQL.search(answer.body), (what, answer.body[:300])


def test_every_part_of_an_address_that_is_hostile_is_refused(still, watched, is_watched):
    """S05, S07"""
    texts = cycle([*TRAVERSALS, *NAMES])
    before = state_of(still)
    with watched.line() as line:
        for route, method, action in actions():
            for parameter in route.parameters:
                for text in islice(texts, 12):
                    address = still.address(route, **{parameter: encoded(text)})
                    body = body_for(route, action, still) if action.body else None
                    answer = line.send(method, address, body, token=still.tokens["manage"])
                    check_refusal(answer, (method, route.path, parameter, text[:80]))
    assert state_of(still) == before


@pytest.mark.parametrize(
    "kind", ["endpoint", "deployment", "compute", "model", "data", "environment", "job", "token"]
)
def test_a_name_that_is_none_is_refused_with_the_rule(still, watched, is_watched, kind):
    """S07"""
    found = [item for item in actions() if kind in item[0].parameters]
    assert found
    with watched.line() as line:
        for text in NAMES:
            route, method, action = found[next(_PASSED) % len(found)]
            body = body_for(route, action, still) if action.body else None
            address = still.address(route, **{kind: encoded(text)})
            answer = line.send(method, address, body, token=still.tokens["manage"])
            check_refusal(answer, (method, route.path, text))
            assert "letters, digits" in json.dumps(answer.error), (method, route.path, text, answer.error)


def test_names_that_differ_by_case_only_are_one_name(still, watched):
    """S07"""
    before = {kind: json.dumps(watched.send("GET", f"/batchmagic/{kind}", token=still.tokens["manage"]).json)
              for kind in ("endpoints", "computes", "models", "data", "environments")}  # fmt: skip
    seen = 0
    with watched.line() as line:
        for route, method, action in actions():
            if method == "PUT" and action.body and not route.path.endswith("{version}"):
                parameter = route.parameters[-1]
                twin = still.examples[parameter].swapcase()
                body = body_for(route, action, still)
                answer = line.send(
                    "PUT", still.address(route, **{parameter: twin}), body, token=still.tokens["manage"]
                )
                if answer.status == 200:  # the one that is there, under the name that it has
                    assert answer.json["name"] == still.examples[parameter], (route.path, answer.json)
                else:
                    check_refusal(answer, route.path)
                seen += 1
    assert seen
    for kind, text in before.items():
        now = watched.send("GET", f"/batchmagic/{kind}", token=still.tokens["manage"]).json
        assert [item["name"] for item in now["value"]] == [item["name"] for item in json.loads(text)["value"]]


def test_the_bodies_are_good_but_for_what_is_put_into_them(still, watched, is_watched):
    """S05"""
    with watched.line() as line:
        for found in with_bodies():
            answer = send(line, still, found)
            is_too_early = found[2].body == "Resume" and answer.status == 409  # the job is queued
            assert answer.status in {200, 201} or is_too_early, (found[1], found[0].path, answer.body)


def test_places_that_were_not_declared_are_refused_in_every_field(still, watched, is_watched, canary):
    """S05, S10, S11"""
    every = [*TRAVERSALS, *FOREIGN_INPUTS, *canary.addresses]
    texts = cycle(every)
    seen = 0
    with watched.line() as line:
        for found in with_bodies():
            route, method, action = found
            for place in filter(names_a_place, places(schema_of(route, action))):
                before = jobs_of(still)
                # Whoever may invoke is trusted least; of definitions all fields together get every text.
                for text in islice(texts, len(every) if action.scope == "invoke" else 16):
                    answer = send(line, still, found, place, text)
                    check_refusal(answer, (method, route.path, place, text[:80]))
                    seen += 1
                assert jobs_of(still) == before, "a job row exists"
    assert seen > len(TRAVERSALS) + len(FOREIGN_INPUTS)


def test_nothing_that_is_written_anywhere_else_in_a_body_is_looked_up_or_breaks_anything(
    still, watched, is_watched, canary
):
    """S05, S10, S11"""
    texts = cycle([*NAMES, *TRAVERSALS, *canary.addresses, *FOREIGN_INPUTS])
    with watched.line() as line:
        for found in with_bodies():
            route, method, action = found
            for place in places(schema_of(route, action)):
                text = next(texts)
                answer = send(line, still, found, place, text)
                what = (method, route.path, place, text[:80], answer.body[:300])
                assert answer.status < 500, what
                assert not _SQL.search(answer.body), what


def test_nothing_that_is_written_in_queries_and_headers_is_looked_up_or_breaks_anything(
    still, watched, is_watched
):
    """S05"""
    texts = cycle([*TRAVERSALS, *NAMES])
    headers = ("azureml-model-deployment", "Idempotency-Key", "X-Request-Id", "Last-Event-ID", "Range", "If-None-Match",
               "X-Forwarded-For", "X-Forwarded-Proto", "Accept-Language")  # fmt: skip
    with watched.line() as line:
        for route, method, action in actions():
            if action.media == "text/event-stream":
                continue
            nowhere = fill(route.path, {**dict.fromkeys(route.parameters, PROBE), "number": "0"})
            for name, _ in action.query:
                for text in islice(texts, 4):
                    target = still.address(route) if method == "GET" else nowhere
                    answer = line.send(
                        method, f"{target}?{name}={encoded(text)}", token=still.tokens["manage"]
                    )
                    assert answer.status < 500, (method, route.path, name, text[:80], answer.body[:300])
            for name, text in zip(headers, texts, strict=False):
                sent = {name: encoded(text[:2000])}
                answer = line.send(method, nowhere, token=still.tokens["manage"], headers=sent)
                assert answer.status < 500, (method, route.path, name, text[:80], answer.body[:300])


class Evil:
    def __reduce__(self):
        return (print, ("unpickled",))


@pytest.mark.parametrize("media", ["application/json", "application/octet-stream", "application/x-python-pickle",
                                   "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/yaml", ""])  # fmt: skip
def test_a_pickle_is_never_read(still, watched, is_watched, media):
    """S12"""
    with watched.line() as line:
        for route, method, _ in with_bodies():
            answer = line.send(method, still.address(route), pickle.dumps(Evil()), token=still.tokens["manage"],
                               headers={"Content-Type": media})  # fmt: skip
            assert answer.status == (400 if media == "application/json" else 415), (
                method,
                route.path,
                answer.body,
            )
    assert "unpickled" not in watched.log()


def with_bodies():
    return [(route, method, action) for route, method, action in actions() if action.body]


def send(line, world, found, place=(), text=""):
    """Send a good body but for one text; with PUT to a thing of its own, so that nothing else changes."""
    route, method, action = found
    body = {} if method == "PATCH" else body_for(route, action, world)
    body = with_value(body, place, text) if place else body
    last = route.parameters[-1] if method == "PUT" else ""
    own = {last: "7" if last == "version" else PROBE}
    try:
        content = json.dumps(body, ensure_ascii=False).encode()
    except UnicodeEncodeError:  # half a character, which can be written as an escape only
        content = json.dumps(body).encode()
    return line.send(method, world.address(route, **own), content, token=world.tokens["manage"])
