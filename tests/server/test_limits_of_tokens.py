"""S20: a token is good for its scopes and its endpoint, at every route, and learns nothing of the rest."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest
from main_job_support import ENDPOINT
from server_support import OTHER_ENDPOINT, actions, fill, free_port
from workspace_state import state_of

BODY = {"description": "changed"}
NAMES = {"endpoint": "no-endpoint", "deployment": "no-deployment", "job": "no-job"}
# Of one answer only.
_CHANGES = re.compile(r'"requestId": "[^"]+"|^id: .*$|"at": "?[^",}]+"?', re.MULTILINE)
LESS = {"read": {"invoke", "manage"}, "invoke": {"read", "manage"}}


def plain(answer, *names: str) -> str:
    """What the answer says, without the names that were asked for."""
    said = {key: value for key, value in answer.json["error"].items() if key != "requestId"}
    text = repr(said)
    for name in names:
        text = text.replace(name, "NAME")
    return text


@pytest.mark.parametrize("scope", LESS)
def test_what_a_scope_is_not_good_for_is_refused(world, server, scope):
    """S20"""
    before = state_of(world)
    with server.line() as line:
        for route, method, action in actions():
            if action.scope not in LESS[scope] or (action.own_jobs and scope == "invoke"):
                continue
            body = BODY if action.body else None
            answer = line.send(method, world.address(route), body, token=world.tokens[scope])
            assert answer.status == 403, (method, route.path, answer.body)
            assert answer.error["target"] == "scope"
    assert state_of(world) == before


def test_a_server_that_does_not_allow_it_takes_no_changes_of_definitions(world):
    """S20"""
    before = state_of(world)
    with world.server(allow_manage=False) as server, server.line() as line:
        for route, method, action in actions():
            if action.scope == "manage" and method != "GET":
                body = BODY if action.body else None
                answer = line.send(method, world.address(route), body, token=world.tokens["manage"])
                assert answer.status == 403, (method, route.path, answer.body)
    assert state_of(world) == before


def test_other_endpoints_do_not_exist_for_the_token_of_one(world, server):
    """S20"""
    before = state_of(world)
    token = world.tokens["there"]
    with server.line() as line:
        for route, method, action in actions():
            body = {} if action.body else None
            if not route.parameters or route.parameters == ("kind",):
                continue
            there = line.send(method, world.address(route), body, token=token)
            nowhere = fill(route.path, {**world.examples, **NAMES})
            missing = line.send(method, nowhere, body, token=token)
            assert there.status in {403, 404}, (method, route.path, there.body)
            assert there.status == missing.status, (method, route.path)
            known = (world.job, ENDPOINT, world.examples["deployment"])
            assert plain(there, *known) == plain(missing, *NAMES.values()), (method, route.path)
    assert state_of(world) == before


def test_nothing_of_other_endpoints_is_in_what_the_token_of_one_can_read(world, server):
    """S20"""
    token = world.tokens["there"]
    with server.line() as line:
        for route, method, action in actions():
            if method != "GET":
                continue
            here = world.address(route, endpoint=OTHER_ENDPOINT, job=world.other_job)
            text = line.send("GET", here, token=token).body.decode(errors="replace")
            assert world.job not in text, route.path
            assert f'"{ENDPOINT}"' not in text, route.path
            for name in {name for name, _ in action.query} - {"top", "skip"}:
                asked = [
                    line.send("GET", f"{here}?{name}={job}", token=token) for job in (world.job, "no-job")
                ]
                texts = [_CHANGES.sub("", answer.body.decode(errors="replace")) for answer in asked]
                assert texts[0].replace(world.job, "NAME") == texts[1].replace("no-job", "NAME"), (
                    route.path,
                    name,
                )


def test_a_token_that_may_invoke_sees_no_job_of_others(world, server):
    """S20"""
    names = (world.job, NAMES["job"])
    with server.line() as line:
        for route, method, action in actions():
            if not action.own_jobs and action.scope != "invoke":
                continue
            if "job" in route.parameters:
                found = [
                    line.send(method, world.address(route, job=n), token=world.tokens["invoke"])
                    for n in names
                ]
                assert [answer.status for answer in found] == [404, 404], (method, route.path, found[0].body)
                assert plain(found[0], *names) == plain(found[1], *names), (method, route.path)
            elif method == "GET" and action.media != "text/event-stream":
                assert (
                    world.job.encode()
                    not in line.send("GET", world.address(route), token=world.tokens["invoke"]).body
                ), route.path


def test_texts_of_tokens_are_nowhere_on_disk(world, server):
    """S20"""
    files = [
        path for folder in (world.lab.root, server.folder) for path in folder.rglob("*") if path.is_file()
    ]
    assert files
    for path in files:
        content = path.read_bytes()
        for name, text in world.tokens.items():
            secret = text.split("_", 2)[2].encode()
            assert secret not in content, f"{name} in {path}"


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1"])
def test_plain_http_is_spoken_on_the_loopback_only(still, tmp_path, address):
    """S20"""
    command = [sys.executable, "-m", "batchmagic.server", "--http", f"--workspace={still.lab.root}"]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("JUPYTER_")}
    done = subprocess.run(
        [*command, f"--ServerApp.ip={address}", f"--ServerApp.port={free_port()}"],
        env={**kept, "JUPYTER_CONFIG_DIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "can be heard by others" in done.stderr, done.stderr
    assert "Traceback" not in done.stderr, done.stderr
