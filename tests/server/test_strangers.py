"""S01 and S20: whoever shows no credentials, or not the right ones, gets nothing from any route."""

from __future__ import annotations

import re

import pytest
from server_support import JUPYTER_TOKEN, ODD_METHODS, actions, fill

from batchmagic.server.actions import METHODS
from batchmagic.server.routes import PREFIX, ROUTES

REFUSED = {401, 403}
PUBLIC = {f"{PREFIX}/healthz", f"{PREFIX}/readyz"}
WEBSOCKET = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Version": "13",
}
# What a stock Jupyter server answers at: kernels, files, terminals, pages, logins.
STOCK = """/ /tree /lab /lab/tree/x /notebooks/x.ipynb /edit/x /view/x /login /logout /hub/login /metrics /nbconvert/html/x
/favicon.ico /robots.txt /custom/custom.css /static/favicon.ico /static/style/style.min.css /static/../server.log
/files/server.log /files/ /files/..%2f..%2fworkspace/workspace.db /api /api/ /api/me /api/status /api/shutdown /api/spec.yaml
/api/kernels /api/kernels/x/channels /api/kernelspecs /kernelspecs/python3/logo-64x64.png /api/sessions /api/contents
/api/contents/server.log /api/config/x /api/events /api/events/subscribe /api/terminals /api/security/csp-report
/terminals/1 /terminals/websocket/1 /api/batchmagic /lab/api/settings /lab/extensions /doc /services/x"""


def addresses(world) -> list[str]:
    found = [world.address(route) for route in ROUTES]
    gone = [fill(r.path, dict.fromkeys(r.parameters, "nothing-like-it")) for r in ROUTES if r.parameters]
    return [*found, *gone, f"{found[-1]}/", PREFIX, f"{PREFIX}/", f"{PREFIX}/no/such/address"]


def refused(answer, what: str) -> None:
    assert answer.status in REFUSED, f"{what}: {answer.status} {answer.body[:200]!r}"
    assert not any(name.lower().startswith("access-control") for name in answer.headers), what


def test_every_verb_of_every_route_is_closed_to_who_shows_nothing(world, server):
    """S01"""
    with server.line() as line:
        for address in addresses(world):
            for method in (*METHODS, "HEAD", "OPTIONS"):
                answer = line.send(method, address)
                if address in PUBLIC and method in {"GET", "HEAD"}:
                    assert (answer.status, answer.body) == (204, b""), (method, address)
                else:
                    refused(answer, f"{method} {address}")


def test_verbs_that_are_none_are_refused_before_anything_is_looked_at(world, server):
    """S01"""
    odd = sorted(set(ODD_METHODS) - {"HEAD", "OPTIONS", "PATCH"})
    with server.line() as line:
        for address in addresses(world):
            for method in odd:
                answer = line.send(method, address, headers={"X-Probe": "echo-me"})
                assert answer.status in {400, 401, 403, 405}, (method, address, answer.status)
                assert b"echo-me" not in answer.body
                assert answer.header("Content-Type").startswith("application/json"), (method, address)


def test_no_route_becomes_a_websocket(world, server):
    """S01"""
    with server.line() as line:
        for address in addresses(world):
            if address not in PUBLIC:
                refused(line.send("GET", address, headers=WEBSOCKET), address)
    for address in PUBLIC:
        assert server.send("GET", address, headers=WEBSOCKET).status == 204


@pytest.mark.parametrize("alone", [True, False], ids=["alone", "in a Jupyter server"])
def test_the_server_starts_without_a_warning_about_access(world, server, jupyter_server, alone):
    """S01"""
    log = (server if alone else jupyter_server).log()
    assert "batchmagic | extension was successfully loaded" in log
    assert "Warning:" not in log


def test_credentials_that_are_no_good_are_as_none(world, server):
    """S01, S20"""
    given = {
        name: {"Authorization": f"Bearer {world.tokens[name]}"} for name in ("wrong", "expired", "revoked")
    }
    valid = world.tokens["manage"]
    given |= {
        "half of one": {"Authorization": f"Bearer {valid[:-1]}"},
        "another secret": {"Authorization": f"Bearer {valid[:30]}{'A' * (len(valid) - 30)}"},
        "of Jupyter, almost": {"Authorization": f"token {JUPYTER_TOKEN}x"},
        "not ASCII": {"Authorization": "Bearer bmt_0_\xe4"},
        "basic": {"Authorization": "Basic YWRtaW46YWRtaW4="},
    }
    bodies = {}
    with server.line() as line:
        for route, method, _ in actions():
            for name, headers in given.items():
                answer = line.send(method, world.address(route), headers=headers)
                refused(answer, f"{name}: {method} {route.path}")
                bodies[name] = re.sub(rb"[0-9a-f]{16}", b"ID", answer.body)
                assert answer.header("WWW-Authenticate").startswith("Bearer"), (name, method, route.path)
    assert len(set(bodies.values())) == 1, "the answer tells what was wrong with them"


def test_tokens_in_addresses_and_cookies_are_none(world, server):
    """S01"""
    token = world.tokens["manage"]
    with server.line() as line:
        for route, method, _ in actions():
            address = world.address(route)
            refused(line.send(method, f"{address}?token={token}"), f"{method} {address} with ?token=")
            refused(line.send(method, address, headers={"Cookie": f"token={token}"}), address)


@pytest.mark.parametrize("token", [None, JUPYTER_TOKEN, "manage"], ids=["stranger", "jupyter", "manage"])
def test_alone_it_answers_at_no_address_of_a_stock_server(world, server, token):
    """S01"""
    text = world.tokens.get(token or "", token)
    headers = {"Authorization": f"token {text}"} if text else {}
    with server.line() as line:
        for address in STOCK.split():
            for method in ("GET", "POST", "DELETE"):
                for more in ({}, WEBSOCKET):
                    answer = line.send(method, address, headers={**headers, **more})
                    what = (method, address, answer.status, answer.body[:200])
                    assert answer.status in ({404} if text else {401, 403, 404}), what
                    assert not answer.headers.get("Location"), what
                    assert b"<html" not in answer.body.lower(), what
