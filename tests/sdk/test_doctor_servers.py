"""What the doctor says of servers, without changing anything."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from batchmagic.sdk.doctor import examine
from batchmagic.workspace import Workspace, identity
from batchmagic.workspace.servers import ALONE, JUPYTER


@pytest.fixture
def ws(tmp_path):
    with Workspace.find(tmp_path / "ws", create=True) as workspace:
        yield workspace


def about(ws):
    found = examine(ws.root)["Servers"]
    return [(str(finding.state), finding.text, finding.do) for finding in found]


def announced(ws, *, days=200, **values):
    expires = (datetime.now(UTC) + timedelta(days=days)).isoformat() if days is not None else None
    return ws.servers.announce(
        **{"kind": ALONE, "url": "https://localhost:8443", "expires_at": expires, **values}
    )


def test_none_is_no_fault(ws):
    ((state, text, do),) = about(ws)
    assert (state, do) == ("ok", "")
    assert "batchmagic serve" in text


@pytest.mark.parametrize(
    ("days", "state", "says"),
    [(200, "ok", "with a certificate until"), (20, "look", "is renewed when it starts"), (-1, "broken", "callers refuse it")],
)  # fmt: skip
def test_a_certificate_that_ends_is_told_in_time(ws, days, state, says):
    announced(ws, days=days)
    ((found, text, do),) = about(ws)
    assert (found, says in text, "serve --stop" in do) == (state, True, state != "ok")


def test_plain_http_and_jupyter_are_named(ws):
    announced(ws, days=None)
    announced(ws, days=None, kind=JUPYTER, url="http://localhost:8888")
    texts = " ".join(text for _, text, _ in about(ws))
    assert "plain HTTP, on this machine only" in texts
    assert "part of a Jupyter server" in texts


def test_another_version_and_dead_ones(ws):
    record = announced(ws)
    ws.servers._write(replace(record, version="0.0.1"))
    assert about(ws)[0][0] == "look"
    ws.servers.withdraw(record)
    ws.servers._write(replace(record, identity=replace(identity.current(), start_time="1")))
    ((state, text, _),) = about(ws)
    assert (state, "was killed" in text) == ("ok", True)
    assert len(ws.servers.known()) == 1


def test_texts_of_tokens_that_lie_around_are_told(ws):
    (ws.root / "tokens").mkdir()
    (ws.root / "tokens" / "nightly.txt").write_text("bmt_x")
    assert ("look", True) in [(state, "1 text of tokens" in text) for state, text, _ in about(ws)]
