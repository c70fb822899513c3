"""S02: a Jupyter authorizer decides about every route, whatever the credentials are good for."""

from __future__ import annotations

import pytest
from server_support import JUPYTER_TOKEN, actions
from workspace_state import state_of

CONFIG = """
from pathlib import Path

from jupyter_server.auth import Authorizer


class AsTheFileSays(Authorizer):
    def is_authorized(self, handler, user, action, resource):
        assert resource == "batchmagic", resource
        return action in Path("allowed").read_text().split()


c.ServerApp.authorizer_class = AsTheFileSays
"""
BODY = {"name": "evil", "properties": {}}


@pytest.fixture(scope="module")
def judged(world):
    """A server whose authorizer allows what the file `allowed` in its folder names."""
    with world.server(config=CONFIG) as found:
        yield found


def credentials(world) -> dict[str, dict[str, str]]:
    return {
        "manage": {"Authorization": f"Bearer {world.tokens['manage']}"},
        "jupyter": {"Authorization": f"token {JUPYTER_TOKEN}"},
    }


def requests(world):
    for route, method, action in actions():
        for who, headers in credentials(world).items():
            yield f"{who}: {method} {route.path}", method, world.address(route), action, headers


def test_nothing_is_allowed_to_anybody(world, judged):
    """S02"""
    (judged.folder / "allowed").write_text("")
    before = state_of(world)
    with judged.line() as line:
        for what, method, address, _, headers in requests(world):
            body = None if method in {"GET", "DELETE"} else BODY
            answer = line.send(method, address, body, headers=headers)
            assert (answer.status, answer.error["target"]) == (403, "authorizer"), (what, answer.body)
    assert state_of(world) == before


def test_only_reading_is_allowed(world, judged):
    """S02"""
    (judged.folder / "allowed").write_text("read")
    before = state_of(world)
    with judged.line() as line:
        for what, method, address, action, headers in requests(world):
            if method == "GET":
                if action.media != "text/event-stream":
                    assert line.send("GET", address, headers=headers).status < 400, what
                continue
            body = None if method == "DELETE" else BODY
            answer = line.send(method, address, body, headers=headers)
            assert (answer.status, answer.error["target"]) == (403, "authorizer"), (what, answer.body)
    assert state_of(world) == before
