"""The server extension as JupyterLab loads it: who comes in, what kernels and terminals know, when Lab may end itself."""

from __future__ import annotations

import json
import sys
import time
from contextlib import closing, contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import pytest
import requests
import websocket
from main_job_support import ENDPOINT, PATIENCE, PLAIN, Lab, until
from server_support import PREFIX, Server

from batchmagic.entities import BatchEndpoint

sys.path.insert(0, str(Path(__file__).parents[1] / "browser"))

import lab_support

if TYPE_CHECKING:
    from collections.abc import Iterator

    from conftest import PrivateWorkspace


class Under:
    """A JupyterLab with the workspace in its project."""

    def __init__(self, place: PrivateWorkspace, jupyter: lab_support.Lab) -> None:
        self.jupyter = jupyter
        self.url = f"{jupyter.url}{PREFIX}"
        self.lab = Lab(place)
        self.data = str(self.lab.data(1))
        self.lab.deploy("plain", PLAIN)
        endpoint = BatchEndpoint(name=ENDPOINT, defaults={"deployment_name": "plain"})
        self.lab.client.batch_endpoints.begin_create_or_update(endpoint).result()

    @property
    def headers(self) -> dict[str, str]:
        """Jupyter's own token."""
        return {"Authorization": f"token {self.jupyter.token}"}

    def body(self) -> dict[str, Any]:
        return {"properties": {"inputData": {"rows": {"jobInputType": "UriFolder", "uri": self.data}}}}

    def jobs(self) -> list[str]:
        return [record.name for record in self.lab.client.session.read().jobs.list()]


@pytest.fixture(scope="module")
def under(module_workspace) -> Iterator[Under]:
    with lab_support.lab(module_workspace.root.parent / "files") as jupyter:
        # Where Lab's own notebooks would make it.
        module_workspace.root = jupyter.project / ".batchmagic"
        found = Under(module_workspace, jupyter)
        yield found
        found.lab.close()


def session(under):
    """What a browser has, once somebody has opened Lab with its token."""
    found = requests.Session()
    found.get(f"{under.jupyter.url}/lab?token={under.jupyter.token}", timeout=60).raise_for_status()
    assert {"_xsrf"} < set(found.cookies.keys())
    return found


def test_it_is_loaded_and_named_tokens_and_jupyters_own_open_it(under):
    named = under.lab.client.session.read().tokens.create("ann", scopes=["read", "invoke"])[1]
    ways = [
        {"headers": under.headers},
        {"headers": {"Authorization": f"Bearer {under.jupyter.token}"}},
        {"params": {"token": under.jupyter.token}},
        {"headers": {"Authorization": f"Bearer {named}"}},
    ]
    uri = f"{under.url}/endpoints/{ENDPOINT}/jobs"
    names = []
    for way in ways:
        who = requests.get(f"{under.url}/whoami", timeout=60, **way)
        assert who.status_code == 200, who.text
        names.append(who.json()["name"].partition(":")[0])
        # A named token has its limits here too, and nobody has declared a folder.
        expected = 403 if names[-1] == "token" else 201
        assert requests.post(uri, json=under.body(), timeout=60, **way).status_code == expected
    assert names == ["user", "user", "user", "token"]
    assert requests.get(f"{under.url}/whoami", timeout=60).status_code == 401
    for stranger in ("api/kernels", "api/contents", "api/terminals", "files/x"):
        address, headers = f"{under.jupyter.url}/{stranger}", {"Authorization": f"Bearer {named}"}
        answer = requests.get(address, headers=headers, timeout=60, allow_redirects=False)
        assert answer.status_code in {302, 403}, stranger


def test_a_session_reads_and_needs_its_xsrf_token_to_start_something(under):
    browser, uri = session(under), f"{under.url}/endpoints/{ENDPOINT}/jobs"
    assert browser.get(f"{under.url}/whoami", timeout=60).json()["name"].startswith("user:")
    before = under.jobs()
    refused = browser.post(uri, json=under.body(), timeout=60)
    assert (refused.status_code, refused.json()["error"]["target"]) == (403, "XSRF")
    assert under.jobs() == before
    token = {"X-XSRFToken": browser.cookies["_xsrf"]}
    started = browser.post(uri, json=under.body(), headers=token, timeout=60)
    assert started.status_code == 201
    assert under.jobs() == [started.json()["name"], *before]


KERNEL = """
import os, warnings
from batchmagic import MLClient, Input
os.chdir("/")
job = MLClient().batch_endpoints.invoke({endpoint!r}, deployment_name="plain", input=Input(type="uri_folder", path={data!r}))
print("job", job.name)
"""


def test_a_job_of_a_notebook_is_seen_from_outside(under):
    kernels = f"{under.jupyter.url}/api/kernels"
    kernel = requests.post(kernels, json={}, headers=under.headers, timeout=60).json()["id"]
    address = f"ws{kernels.removeprefix('http')}/{kernel}/channels"
    with closing(websocket.create_connection(address, header=under.headers, timeout=PATIENCE)) as line:
        printed = run(line, KERNEL.format(endpoint=ENDPOINT, data=under.data))
    requests.delete(f"{kernels}/{kernel}", headers=under.headers, timeout=60).raise_for_status()
    (newest, *_) = requests.get(f"{under.url}/jobs", headers=under.headers, timeout=60).json()["value"]
    assert f"job {newest['name']}\n" in printed


def run(line, code):
    """Run code in a kernel as a page does, and return what it printed."""
    header = {
        "msg_id": "one",
        "msg_type": "execute_request",
        "session": "s",
        "username": "u",
        "version": "5.3",
    }
    content = {
        "code": code,
        "silent": False,
        "store_history": False,
        "user_expressions": {},
        "allow_stdin": False,
    }
    line.send(
        json.dumps(
            {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": "shell"}
        )
    )
    printed = ""
    while True:
        message = json.loads(line.recv())
        if message["parent_header"].get("msg_id") != "one":
            continue
        if message["msg_type"] == "stream":
            printed += message["content"]["text"]
        if message["msg_type"] == "execute_reply":
            assert message["content"]["status"] == "ok", message["content"]
            return printed


def test_a_terminal_knows_the_workspace(under):
    terminals = f"{under.jupyter.url}/api/terminals"
    name = requests.post(terminals, headers=under.headers, timeout=60).json()["name"]
    address = f"ws{under.jupyter.url.removeprefix('http')}/terminals/websocket/{name}"
    told = under.jupyter.project / "told"
    with closing(websocket.create_connection(address, header=under.headers, timeout=60)) as terminal:
        terminal.send(
            json.dumps(
                ["stdin", f'printf %s "$BATCHMAGIC_WORKSPACE" > {told}.part && mv {told}.part {told}\r']
            )
        )
        until(told.exists, of="what the terminal writes")
    requests.delete(f"{terminals}/{name}", headers=under.headers, timeout=60).raise_for_status()
    assert Path(told.read_text()) == under.lab.root


def last_activity(url, headers):
    return requests.get(f"{url}/api/status", headers=headers, timeout=60).json()["last_activity"]


def test_a_server_with_jobs_under_way_is_in_use(under):
    gate = under.lab.gate()
    under.lab.deploy("gated", gate.script())
    name = under.lab.invoke("gated", 1)
    gate.wait_calls(1)
    try:
        before = last_activity(under.jupyter.url, under.headers)
        until(lambda: last_activity(under.jupyter.url, under.headers) > before, of="activity")
    finally:
        gate.open()
    under.lab.ended(name)


@pytest.mark.slow
def test_a_server_ends_itself_when_nothing_has_happened_and_not_under_a_job(workspace_folder):
    """What hubs and people set: here after four seconds, which Jupyter looks at every four."""
    lab, limit = Lab(workspace_folder), 4
    gate = lab.gate()
    lab.deploy("gated", gate.script())
    name = lab.invoke("gated", 1)
    gate.wait_calls(1)
    config = f"c.ServerApp.shutdown_no_activity_timeout = {limit}\n"
    with Server(lab.folder / "server", lab.root, alone=False, config=config) as server:
        end = time.monotonic() + 4 * limit
        while time.monotonic() < end:
            assert server.process.poll() is None, server.log()
            time.sleep(0.2)
        gate.open()
        lab.ended(name)
        until(lambda: server.process.poll() is not None, of="the end of an idle server")
    assert "No kernels for" in server.log() or "idle" in server.log()
    lab.close()


def test_a_hub_tells_the_server_its_public_address(under):
    hub = {"JUPYTERHUB_PUBLIC_URL": "https://hub.example/user/ann/"}
    with Server(under.jupyter.project / "hub", under.lab.root, environment=hub):
        uri = until(lambda: public(under.lab), of="an address beyond this machine")
    assert uri == f"https://hub.example/user/ann{PREFIX}/endpoints/{ENDPOINT}/jobs"


def public(lab):
    uri = lab.client.batch_endpoints.get(ENDPOINT).scoring_uri
    return uri if uri and "127.0.0.1" not in uri else None


# --- in a browser

FETCH = """async ([url, method, headers, body]) => {
  try {
    const answer = await fetch(url, { method, headers, body, credentials: 'include' });
    return [answer.status, await answer.text()];
  } catch (error) {
    return [0, String(error)];
  }
}"""


@contextmanager
def other_site(folder: Path) -> Iterator[str]:
    """A page of another origin, on the same machine: its requests carry Lab's cookies."""
    (folder / "index.html").write_text("<title>other</title>")
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    handler.log_message = lambda *words: None
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as site:
        thread = Thread(target=site.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{site.server_port}/index.html"
        site.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def context(under):
    """A browser in which somebody has opened Lab."""
    if lab_support.chromium() is None:
        pytest.skip("optional: chromium is not installed")
    with lab_support.browser() as browser:
        context = browser.new_context()
        page = context.new_page()
        page.goto(f"{under.jupyter.url}/lab?token={under.jupyter.token}", wait_until="domcontentloaded")
        yield context
        context.close()


def test_a_page_of_lab_asks_with_its_cookie_and_its_xsrf_token(under, context):
    page, uri = context.pages[0], f"{under.url}/endpoints/{ENDPOINT}/jobs"
    status, text = page.evaluate(FETCH, [f"{under.url}/whoami", "GET", {}, None])
    assert (status, json.loads(text)["name"].partition(":")[0]) == (200, "user")
    body, kind = json.dumps(under.body()), {"Content-Type": "application/json"}
    before = under.jobs()
    assert page.evaluate(FETCH, [uri, "POST", kind, body])[0] == 403
    assert under.jobs() == before
    (xsrf,) = [cookie["value"] for cookie in context.cookies() if cookie["name"] == "_xsrf"]
    assert page.evaluate(FETCH, [uri, "POST", {**kind, "X-XSRFToken": xsrf}, body])[0] == 201
    assert len(under.jobs()) == len(before) + 1


def test_a_page_of_another_site_reads_nothing_and_starts_nothing(under, context, tmp_path):
    uri, before = f"{under.url}/endpoints/{ENDPOINT}/jobs", under.jobs()
    page = context.new_page()
    with other_site(tmp_path) as address:
        page.goto(address)
        for path in ("/whoami", "/jobs", "/openapi.json", "/events", "/healthz"):
            assert page.evaluate(FETCH, [f"{under.url}{path}", "GET", {}, None])[0] == 0, path
        for kind in ("text/plain", "application/json"):
            sent = [uri, "POST", {"Content-Type": kind}, json.dumps(under.body())]
            assert page.evaluate(FETCH, sent)[0] == 0
        page.close()
    assert under.jobs() == before
