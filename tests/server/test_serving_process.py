"""The life of a server: whoever started it may die, one at a time is started, and it leaves in good order."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import ssl
import stat
import subprocess
import sys
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
import requests
from process_support import (
    PLAIN,
    Lab,
    block,
    command,
    environment,
    get,
    log_lines,
    notebook_that_dies,
    on_terminal,
    python_command,
    socket_context,
    started,
    until,
)

from batchmagic.entities import BatchEndpoint, Data
from batchmagic.errors import StateError, WorkspaceMoved
from batchmagic.sdk import serving
from batchmagic.sdk.doctor import examine
from batchmagic.workspace import Workspace, identity


@pytest.fixture(scope="module")
def lab(module_workspace):
    lab = Lab(module_workspace)
    lab.deploy("plain", PLAIN)
    yield lab
    lab.client.session.close()


@pytest.fixture(scope="module")
def shown(lab):
    """What a notebook has shown that started a server and was killed, with a mask that hides nothing."""
    return notebook_that_dies(
        lab.root, "%batch serve --port 0", "%batch serve --port 0", "%batch token create reader --scope read"
    )


@pytest.fixture(scope="module")
def server(lab, shown):
    (record,) = lab.client.session.read().servers.running()
    return record


@pytest.fixture(scope="module")
def token(lab, server):
    return lab.client.session.read().tokens.create("caller", scopes=["invoke", "read"])[1]


def test_it_outlives_the_notebook_that_started_it(server, shown, token):
    assert get(server, "whoami", token).json()["name"] == "token:caller"
    assert shown.count(f"at {server.url}/batchmagic") == 2
    assert "It runs already" in shown
    assert server.fingerprint in shown
    assert f'curl -sS --cacert {server.authority} -H "Authorization: Bearer $BATCHMAGIC_TOKEN"' in shown
    assert "%batch serve --stop" in shown


def test_nobody_comes_in_without_a_token(server, token, lab):
    assert get(server, "healthz").status_code == 204
    assert [get(server, "whoami", text).status_code for text in ("", "x", token[:-1], f"{token}x")] == [
        401
    ] * 4
    ws = lab.client.session.read()
    _, brief = ws.tokens.create("brief", scopes=["manage"])
    assert get(server, "whoami", brief).status_code == 200
    ws.tokens.revoke("brief")
    assert get(server, "whoami", brief).status_code == 401


def test_all_files_are_their_owner_s_alone_whatever_the_mask_was(server, lab):
    for folder in ("servers", "tls", "tokens"):
        found = [lab.root / folder, *(lab.root / folder).iterdir()]
        modes = {stat.S_IMODE(path.stat().st_mode) for path in found}
        assert modes == {0o700, 0o600}, found


def attempt(server, **limits):
    """Speak TLS as a caller with limits; return the version that was agreed on."""
    context = socket_context(server)
    context.set_ciphers("DEFAULT@SECLEVEL=0")  # this side would take anything
    for name, value in limits.items():
        setattr(context, name, value)
    place = urlsplit(server.url)
    with (
        socket.create_connection((place.hostname, place.port), timeout=20) as plain,
        context.wrap_socket(plain, server_hostname=place.hostname) as secured,
    ):
        return secured.version()


def test_it_speaks_tls_1_2_and_later_and_nothing_else(server):
    assert attempt(server) == "TLSv1.3"
    assert attempt(server, maximum_version=ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    with pytest.warns(DeprecationWarning, match="TLSv1"), pytest.raises((ssl.SSLError, ConnectionError)):
        attempt(server, minimum_version=ssl.TLSVersion.TLSv1, maximum_version=ssl.TLSVersion.TLSv1_1)
    place = urlsplit(server.url)
    with socket.create_connection((place.hostname, place.port), timeout=20) as plain:
        plain.sendall(b"GET /batchmagic/healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        with contextlib.suppress(ConnectionError):
            while chunk := plain.recv(4096):
                answer += chunk
    assert b"HTTP" not in answer


def test_a_caller_that_does_not_trust_the_authority_hears_nothing(server):
    context = ssl.create_default_context()
    place = urlsplit(server.url)
    with (
        socket.create_connection((place.hostname, place.port), timeout=20) as plain,
        pytest.raises(ssl.SSLCertVerificationError),
    ):
        context.wrap_socket(plain, server_hostname=place.hostname)


def test_commands_tell_of_it(server, lab):
    status = command(lab.root, "serve --status")
    assert server.url in status
    assert f" {server.identity.pid} " in status
    assert "runs already" in command(lab.root, "serve --port 0", code=2)
    found = next(f for f in examine(lab.root)["Servers"] if f.subject.startswith("server"))
    assert (str(found.state), server.url in found.text, "certificate until" in found.text) == (
        "ok",
        True,
        True,
    )


def test_what_endpoint_show_prints_works_as_it_is_pasted(server, lab, token, tmp_path):
    folder = lab.data(2)
    lab.client.data.create_or_update(Data(name="rows", path=str(folder)))
    shown = command(lab.root, "endpoint show batch")
    line = next(line for line in shown.splitlines() if line.startswith("curl "))
    program = shown[shown.index("import os, time, requests") :]
    variables = {**environment(lab.root), "BATCHMAGIC_TOKEN": token}
    done = subprocess.run(
        ["sh", "-c", line], env=variables, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert '"status": "' in done.stdout, done.stdout + done.stderr
    done = subprocess.run(
        [sys.executable, "-c", program.replace("time.sleep(5)", "time.sleep(0.2)")],
        env=variables, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stdout.split()[-1:] == ["Completed"], done.stdout + done.stderr
    assert re.search(rf"^scoring_uri +{server.url}/batchmagic/endpoints/batch/jobs$", shown, re.MULTILINE)
    twin = str(lab.client.batch_endpoints.get("batch")._repr_mimebundle_()["text/html"])
    assert "--cacert" in twin
    assert "requests.post" in twin


def test_the_script_of_the_page_starts_a_job_and_keeps_its_rows(server, lab, token, tmp_path):
    if shutil.which("jq") is None:
        pytest.skip("optional: jq")
    script = tmp_path / "nightly.sh"
    script.write_text(block("serving.md", "sh", "nightly.sh ENDPOINT-URI"))
    variables = {"BATCHMAGIC_TOKEN": token, "BATCHMAGIC_CA": server.authority, "BATCHMAGIC_POLL": "0.2"}
    words = ["sh", script, server.scoring_uri("batch"), "azureml:rows@latest", tmp_path / "rows"]
    done = subprocess.run(
        words, env={**environment(lab.root), **variables}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert len((tmp_path / "rows").read_text().splitlines()) == 2
    assert token not in done.stdout + done.stderr


def test_a_port_that_is_taken_is_named_and_nothing_is_left(server, lab, tmp_path):
    with Workspace.find(tmp_path / "other", create=True) as other:
        port = urlsplit(server.url).port
        with pytest.raises(
            StateError, match=rf"Port {port} of localhost is taken by another program.*--port 0"
        ):
            serving.start(other, [f"--port={port}"])
        assert other.servers.known() == []


def test_a_request_under_way_is_answered_before_the_server_leaves(server, lab, token):
    """The last one for this server."""
    place = urlsplit(server.url)
    head = (
        f"POST /batchmagic/endpoints/batch/jobs HTTP/1.1\r\nHost: {place.netloc}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Type: application/json\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n"
    )
    with (
        socket.create_connection((place.hostname, place.port), timeout=30) as plain,
        socket_context(server).wrap_socket(plain, server_hostname=place.hostname) as secured,
    ):
        secured.sendall(head.encode())
        assert secured.recv(100).startswith(b"HTTP/1.1 100")  # it is being worked on
        os.kill(server.identity.pid, signal.SIGTERM)
        until(lambda: _refuses(place.hostname, place.port), of="an end of listening")
        secured.sendall(b"{}")
        assert secured.recv(4096).startswith(b"HTTP/1.1 4")
    until(lambda: not identity.alive(server.identity), of="the server's end")
    ws = lab.client.session.read()
    assert (ws.servers.known(), ws.endpoints.get("batch").scoring_uri) == ([], None)
    assert "No server runs" in command(lab.root, "serve --status", code=1)
    assert "no server runs. `batchmagic serve` starts one" in command(lab.root, "endpoint show batch")
    assert token.split("_", 2)[2] not in (ws.servers.folder / "serve.log").read_text()


def _refuses(host, port):
    try:
        socket.create_connection((host, port), timeout=20).close()
    except ConnectionRefusedError:
        return True
    return False


@pytest.mark.slow
def test_a_killed_server_misleads_nobody_and_the_next_one_starts(tmp_path):
    """Plain HTTP on the loopback, with a log that machines read."""
    root = tmp_path / "own"
    plain = "--http --host 127.0.0.1 --log-format json --port"
    with Workspace.find(root, create=True) as ws:
        ws.endpoints.put(BatchEndpoint(name="heart"))
        with on_terminal(root, f"{plain} 0") as (process, record):
            assert record.url.startswith("http://127.0.0.1:")
            assert get(record, "healthz").status_code == 204
            assert ws.endpoints.get("heart").scoring_uri == record.scoring_uri("heart")
            process.kill()
        assert ws.endpoints.get("heart").scoring_uri is None
        assert ws.servers.known() == []
    with on_terminal(root, f"{plain} {urlsplit(record.url).port}") as (process, again):
        assert again.url == record.url
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0
    assert "leaves" in [line.get("message") for line in log_lines(said)]


@pytest.mark.slow
def test_a_service_of_a_hub_answers_below_its_prefix_and_ends_when_its_workspace_is_gone(tmp_path):
    root = tmp_path / "brief"
    with Workspace.find(root, create=True) as ws:
        ws.endpoints.put(BatchEndpoint(name="heart"))
        _, token = ws.tokens.create("reader", scopes=["read"])
    with as_service(root, tmp_path) as (process, record):
        own = f"http://127.0.0.1:{urlsplit(record.url).port}/services/batch/batchmagic/whoami"
        headers = {"Authorization": f"Bearer {token}", "Host": "hub.example.org"}
        assert requests.get(own, headers=headers, timeout=30).json()["name"] == "token:reader"
        assert (
            requests.get(own, headers={**headers, "Host": "elsewhere.example.org"}, timeout=30).status_code
            == 403
        )
        with Workspace.open(root) as ws:
            address = ws.endpoints.get("heart").scoring_uri
        assert address == "https://hub.example.org/services/batch/batchmagic/endpoints/heart/jobs"
        shutil.rmtree(root)
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0
    assert f"CRITICAL {WorkspaceMoved(path=str(root))}"[:60] in said
    assert not root.exists()


def as_service(root, folder):
    """Start a server by the command that docs/jupyterhub.md gives to a hub, with other places."""
    config = SimpleNamespace(JupyterHub=SimpleNamespace())
    exec(block("jupyterhub.md", "python", "JupyterHub.services"), {"c": config})
    (service,) = config.JupyterHub.services
    others = {"--port": "0", "--workspace": root, "--root": folder}
    program, *words = service["command"]
    assert program.endswith("/jupyter-batchmagic")
    named = [(word, word.partition("=")[0]) for word in words]
    given = [f"{name}={others[name]}" if name in others else word for word, name in named]
    return started(root, [*python_command("batchmagic.server"), *given])
