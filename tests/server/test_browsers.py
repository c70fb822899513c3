"""S03 and S04: what pages of a browser can do with the cookie of somebody who is logged in: nothing, unless ours."""

from __future__ import annotations

from http.cookies import SimpleCookie

import pytest
from server_support import HOST, JUPYTER_TOKEN, actions, fill
from workspace_state import state_of

from batchmagic.server.routes import PREFIX, ROUTES

BODY = {"description": "changed by a page"}
WRITES = [found for found in actions() if found[1] != "GET"]


@pytest.fixture(params=["alone", "in a Jupyter server"])
def either(request, server, jupyter_server):
    return server if request.param == "alone" else jupyter_server


@pytest.fixture
def cookie(either) -> str:
    """The cookies of a browser in which somebody has opened the address with Jupyter's token."""
    found = SimpleCookie()
    for text in either.send("GET", f"{PREFIX}/whoami?token={JUPYTER_TOKEN}").headers.get_all("Set-Cookie"):
        found.load(text)
    assert found
    session = "; ".join(f"{name}={item.value}" for name, item in found.items() if name != "_xsrf")
    return f"{session}; _xsrf=2|00000000|00000000000000000000000000000000|1700000000"


def test_a_session_changes_nothing_without_its_xsrf_token(world, either, cookie):
    """S03"""
    before = state_of(world)
    with either.line() as line:
        assert line.send("GET", f"{PREFIX}/whoami", headers={"Cookie": cookie}).status == 200
        for route, method, _ in WRITES:
            body = None if method == "DELETE" else BODY
            for more in ({}, {"X-XSRFToken": "guessed"}, {"Content-Type": "text/plain"}):
                headers = {"Cookie": cookie, **more}
                answer = line.send(method, world.address(route), body, headers=headers)
                assert (answer.status, answer.error["target"]) == (403, "XSRF"), (method, route.path, answer)
    assert state_of(world) == before


def test_a_session_with_its_xsrf_token_comes_in(world, either, cookie):
    """S03"""
    headers = {"Cookie": cookie, "X-XSRFToken": cookie.rpartition("_xsrf=")[2]}
    with either.line() as line:
        for route, method, _ in WRITES:
            # Of things that are not there: what matters is what refuses it.
            nowhere = fill(route.path, dict.fromkeys(route.parameters, "nothing"))
            answer = line.send(method, nowhere, {"no such field": 1}, headers=headers)
            assert answer.status in {400, 404, 409, 422}, (method, route.path, answer.body)


def test_no_get_changes_anything(world, either, cookie):
    """S03"""
    before = state_of(world)
    token = {"Authorization": f"Bearer {world.tokens['manage']}", "X-HTTP-Method-Override": "DELETE"}
    with either.line() as line:
        for route, method, action in actions():
            if method != "GET" or action.media == "text/event-stream":
                continue
            asked = [
                ("HEAD", "", token),
                ("GET", "", {"Cookie": cookie}),
                ("GET", "?_method=DELETE&name=x", token),
            ]
            asked += [("GET", f"?{name}=1", token) for name, _ in action.query]
            for verb, query, headers in asked:
                answer = line.send(verb, world.address(route) + query, headers=headers)
                assert answer.status in {200, 400, 422}, (route.path, query, answer.body)
    assert state_of(world) == before


def test_pages_of_other_origins_are_refused_by_every_route(world, either, cookie):
    """S04"""
    origins = [
        "https://evil.example",
        "null",
        f"http://{HOST}:1",
        f"http://{HOST}:{either.port}.evil.example",
    ]
    session = {"Cookie": cookie, "X-XSRFToken": cookie.rpartition("_xsrf=")[2]}
    before = state_of(world)
    with either.line() as line:
        for route, method, _ in actions():
            for number, origin in enumerate(origins):
                token = {"Authorization": f"Bearer {world.tokens['manage']}"}
                sent = {**(token if number % 2 else session), "Origin": origin}
                answer = line.send(method, world.address(route), headers=sent)
                assert (answer.status, answer.error["target"]) == (403, "Origin"), (
                    method,
                    route.path,
                    origin,
                )
                assert_no_cors(answer)
    assert state_of(world) == before


def test_pages_of_its_own_origin_are_answered(either, cookie):
    """S04"""
    own = f"http://{HOST}:{either.port}"
    answer = either.send("GET", f"{PREFIX}/whoami", headers={"Cookie": cookie, "Origin": own})
    assert answer.status == 200
    assert_no_cors(answer)


def test_a_name_that_points_here_is_refused_by_every_route(world, server):
    """S04"""
    hosts = [
        "evil.example",
        f"{HOST}.evil.example:{server.port}",
        "169.254.169.254",
        "0.0.0.0",
        "[::ffff:10.0.0.1]",
    ]
    with server.line() as line:
        for route, method, _ in actions():
            for host in hosts:
                headers = {"Host": host, "Authorization": f"Bearer {world.tokens['manage']}"}
                answer = line.send(method, world.address(route), headers=headers)
                assert (answer.status, answer.error["target"]) == (403, "Host"), (method, route.path, host)


def test_nobody_is_told_that_other_origins_may_ask(world, either):
    """S04"""
    asked = {"Access-Control-Request-Method": "PUT", "Access-Control-Request-Headers": "authorization"}
    with either.line() as line:
        for route in ROUTES:
            for method in ("OPTIONS", "GET"):
                for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}):
                    answer = line.send(method, world.address(route), headers={**headers, **asked})
                    assert_no_cors(answer)
                    assert answer.status in {204, 401, 403, 405}, (method, route.path)


def assert_no_cors(answer) -> None:
    assert not [name for name in answer.headers if name.lower().startswith("access-control-")]
