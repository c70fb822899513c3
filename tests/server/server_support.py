"""A real server process on a workspace with one of everything, and a client of plain HTTP that hides nothing."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Self

import psutil
from main_job_support import COMPUTE, ENDPOINT, PLAIN, Lab, until

from batchmagic.entities import BatchDeployment, BatchEndpoint, Data, Environment, Model
from batchmagic.server.routes import PREFIX, ROUTES
from batchmagic.workspace.launch import host_claim

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from conftest import PrivateWorkspace

    from batchmagic.server.actions import Action
    from batchmagic.server.routes import Route

HOST = "127.0.0.1"
JUPYTER_TOKEN = "the-token-of-jupyter-itself"
DEPLOYMENT = "plain"
OTHER_ENDPOINT = "other"
STOP_SECONDS = 30
_PAUSE_SECONDS = 0.7
# Not of HTTP's own, and one that nobody knows.
ODD_METHODS = ("HEAD", "OPTIONS", "PATCH", "TRACE", "CONNECT", "PROPFIND", "BREW")


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the server answered."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        """The body, which must be JSON."""
        return json.loads(self.body)

    @property
    def error(self) -> dict[str, Any]:
        """What an error's body says."""
        found: dict[str, Any] = self.json["error"]
        return found

    def header(self, name: str) -> str:
        """Return a header; empty if there is none."""
        return self.headers.get(name) or ""


class Line:
    """One connection to a server, used for one request after the other."""

    def __init__(self, port: int, *, timeout: float = 60) -> None:
        self._connection = http.client.HTTPConnection(HOST, port, timeout=timeout)

    def send(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send a request; a body that is neither bytes nor yields any goes as JSON."""
        sent = dict(headers or {})
        if token is not None:
            sent.setdefault("Authorization", f"Bearer {token}")
        if body is not None and not isinstance(body, bytes | Generator):
            body = json.dumps(body).encode()
        if body is not None:
            sent.setdefault("Content-Type", "application/json")
        try:
            self._connection.request(method, path, body=body, headers=sent)
            answer = self._connection.getresponse()
            is_endless = "event-stream" in (answer.headers.get("Content-Type") or "")
            content = self._beginning(answer) if is_endless else answer.read()
            return Answer(status=answer.status, headers=answer.headers, body=content)
        except BaseException:
            self.close()
            raise

    def _beginning(self, answer: http.client.HTTPResponse) -> bytes:
        """Return what a stream sends before it pauses, and hang up."""
        self._connection.sock.settimeout(_PAUSE_SECONDS)
        chunks = []
        with contextlib.suppress(TimeoutError):
            while chunk := answer.read1():
                chunks.append(chunk)
        self.close()
        return b"".join(chunks)

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()


class Server:
    """A server process.

    Parameters
    ----------
    folder
        Of its own: its log, its configuration, its home.
    workspace
        What it serves.
    alone
        As ``jupyter batchmagic``; else as an extension of a stock Jupyter server.
    config
        Python for Jupyter's configuration file.
    environment
        Variables beside those that every server of a test has.
    umask
        Of the process; -1: that of the tests.
    """

    def __init__(
        self,
        folder: Path,
        workspace: Path,
        *,
        alone: bool = True,
        config: str = "",
        environment: Mapping[str, str] | None = None,
        umask: int = -1,
        **options: Any,
    ) -> None:
        folder.mkdir(parents=True)
        self.folder, self.workspace = folder, workspace
        self.port = free_port()
        (folder / "config").mkdir()
        for name in ("jupyter_config.py", "jupyter_server_config.py"):
            (folder / "config" / name).write_text(config)
        # Plain, so that tests see every byte; TLS has tests of its own.
        given = {"allow_manage": True, "workspace": str(workspace), "http": True, **options}
        program = ["batchmagic.server"] if alone else ["jupyter", "server"]
        self._log = (folder / "server.log").open("wb")
        self.process = psutil.Popen(
            [sys.executable, "-m", *program, *self._arguments(), *_options(given)],
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=subprocess.STDOUT,
            cwd=folder,
            umask=umask,
            env=self._environment(environment or {}),
        )
        self._wait_ready()

    def _arguments(self) -> list[str]:
        return [
            f"--ServerApp.ip={HOST}",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            "--ServerApp.open_browser=False",
            "--ServerApp.allow_root=True",
            f"--ServerApp.root_dir={self.folder}",
        ]

    def _environment(self, more: Mapping[str, str]) -> dict[str, str]:
        kept = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith(("JUPYTER_", "BATCHMAGIC_WOR"))
        }
        own = {
            f"JUPYTER_{what}_DIR": str(self.folder / what.lower()) for what in ("CONFIG", "DATA", "RUNTIME")
        }
        return {**kept, **own, "HOME": str(self.folder), "JUPYTER_TOKEN": JUPYTER_TOKEN, **more}

    def _wait_ready(self) -> None:
        def answers() -> bool:
            assert self.process.poll() is None, f"the server ended:\n{self.log()}"
            try:
                return self.send("GET", f"{PREFIX}/healthz").status == 204
            except OSError:
                return False

        try:
            until(answers, of="an answer of the server")
        except BaseException:
            self.stop()
            raise

    # --- requests

    def line(self, *, timeout: float = 60) -> Line:
        """Return a connection to use for many requests."""
        return Line(self.port, timeout=timeout)

    def send(self, method: str, path: str, body: Any = None, **values: Any) -> Answer:
        """Send one request on a connection of its own; see `Line.send`."""
        with self.line() as line:
            return line.send(method, path, body, **values)

    def raw(self, request: bytes, *, timeout: float = 60) -> bytes:
        """Send bytes as they are, and return all that comes until the server closes the connection."""
        with socket.create_connection((HOST, self.port), timeout=timeout) as connection:
            connection.sendall(request)
            chunks = []
            while chunk := connection.recv(1 << 16):
                chunks.append(chunk)
        return b"".join(chunks)

    def log(self) -> str:
        """Return what the server has printed and logged."""
        return (self.folder / "server.log").read_text(errors="replace")

    # --- the end

    def stop(self) -> int:
        """Ask the process to end, and return its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP_SECONDS)
        except psutil.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise AssertionError(f"the server did not stop:\n{self.log()}") from None
        finally:
            self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.stop()


def _options(given: Mapping[str, Any]) -> Iterator[str]:
    for name, value in given.items():
        items = [f"{key}={item}" for key, item in value.items()] if isinstance(value, dict) else value
        for item in items if isinstance(items, list) else [items]:
            yield f"--BatchMagicApp.{name}={item}"


def free_port() -> int:
    """Return a port of the loopback at which nobody listens."""
    with socket.socket() as found:
        found.bind((HOST, 0))
        port: int = found.getsockname()[1]
        return port


class World:
    """A workspace with one of everything that routes name, tokens of every kind, and values for the parts of paths.

    Attributes
    ----------
    lab
        The workspace; see `main_job_support`.
    tokens
        By name: `manage`, `read`, `invoke` (of all endpoints), `here` and `there` (read and invoke at one endpoint),
        `spare`, `expired`, `revoked`, and `wrong`, which is none.
    inputs, code
        A declared root with one file of data, and a folder in it with a scoring script.
    job, other_job
        Jobs of the two endpoints: completed ones, unless it is `still`.

    Parameters
    ----------
    still
        Whether no job ever begins: this process says that it serves the computes, and jobs stay in the queue.
    """

    def __init__(self, place: PrivateWorkspace, *, still: bool = False) -> None:
        self.lab = Lab(place)
        self.is_still = still
        for compute in (COMPUTE, "local") if still else ():
            self.lab.client.session.write().claims.acquire(host_claim(compute))
        self.inputs = self.lab.new_folder("root")
        self.inputs.mkdir()
        (self.inputs / "1.csv").write_text("a,b\n1,2\n")
        self.code = self.inputs / "code"
        self.code.mkdir()
        (self.code / "score.py").write_text(PLAIN)
        self._define()
        self.job = self._run(ENDPOINT)
        self.other_job = self._run(OTHER_ENDPOINT)
        self.tokens = self._make_tokens()
        self.examples = {
            "endpoint": ENDPOINT,
            "deployment": DEPLOYMENT,
            "compute": COMPUTE,
            "model": "weights",
            "data": "rows",
            "environment": "conda",
            "version": "1",
            "job": self.job,
            "kind": "endpoint",
            "token": "spare",
            "path": "readme.txt",
            "number": "0",
        }
        self._servers = 0

    def _define(self) -> None:
        client, lab = self.lab.client, self.lab
        lab.deploy(DEPLOYMENT, PLAIN)
        client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=OTHER_ENDPOINT)).result()
        here = client.batch_deployments.get(DEPLOYMENT, ENDPOINT).to_dict()
        there = BatchDeployment.from_dict({**here, "endpoint_name": OTHER_ENDPOINT})
        client.batch_deployments.begin_create_or_update(there).result()
        for name in (ENDPOINT, OTHER_ENDPOINT):
            endpoint = BatchEndpoint(name=name, default_deployment_name=DEPLOYMENT)
            client.batch_endpoints.begin_create_or_update(endpoint).result()
        source = lab.new_folder("source")
        source.mkdir()
        (source / "weights.txt").write_text("1")
        (source / "conda.yml").write_text("dependencies: [python]\n")
        client.models.create_or_update(Model(name="weights", version="1", path=str(source / "weights.txt")))
        client.data.create_or_update(Data(name="rows", version="1", type="uri_folder", path=str(self.inputs)))
        client.environments.create_or_update(
            Environment(name="conda", version="1", image="plain", conda_file=str(source / "conda.yml"))
        )

    def _run(self, endpoint: str) -> str:
        job = self.lab.client.batch_endpoints.invoke(
            endpoint, deployment_name=DEPLOYMENT, input=str(self.inputs)
        )
        assert self.is_still or self.lab.ended(job.name).status == "Completed"
        return job.name

    def _make_tokens(self) -> dict[str, str]:
        store = self.lab.client.session.write().tokens
        some = ("read", "invoke")

        def made(name: str, *scopes: str, **values: Any) -> str:
            return store.create(name, scopes=scopes, **values)[1]

        found = {scope: made(scope, scope) for scope in ("manage", "read", "invoke")}
        found |= {"here": made("here", *some, endpoint=ENDPOINT)}
        found |= {"there": made("there", *some, endpoint=OTHER_ENDPOINT)}
        found |= {"expired": made("expired", "manage", expires_in=timedelta(microseconds=1))}
        found |= {"revoked": made("revoked", "manage"), "spare": made("spare", "read")}
        store.revoke("revoked")
        return {**found, "wrong": f"bmt_{'0' * 16}_{'x' * 43}"}

    def server(self, **options: Any) -> Server:
        """Start a server on this workspace; see `Server`."""
        self._servers += 1
        options.setdefault("roots", [str(self.inputs)])
        return Server(self.lab.folder / f"server{self._servers}", self.lab.root, **options)

    def address(self, route: Route, **others: str) -> str:
        """Return an address of the route: of things that exist, unless `others` names parts of the path."""
        path = "predictions.csv" if "/outputs/" in route.path else self.examples["path"]
        return fill(route.path, {**self.examples, "path": path, **others})

    def close(self) -> None:
        """Close the database."""
        self.lab.close()


def fill(path: str, values: Mapping[str, str]) -> str:
    """Return the address below the server that a path with names in braces means."""
    missing = set(re.findall(r"\{(\w+)\}", path)) - values.keys()
    assert not missing, (
        f"{path}: the tests of the server know no example of {missing}; add one to World.examples"
    )
    return PREFIX + re.sub(r"\{(\w+)\}", lambda found: values[found[1]], path)


def actions(*, scoped: bool = True) -> Iterator[tuple[Route, str, Action]]:
    """Yield every verb of every route; the public ones only if `scoped` is false."""
    for route in ROUTES:
        for method, action in route.actions():
            if not scoped or action.scope is not None:
                yield route, method, action


def ids(found: Sequence[tuple[Route, str, Action]]) -> list[str]:
    """Return names of the cases of `actions`."""
    return [f"{method} {route.path}" for route, method, _ in found]


@contextmanager
def world_of(place: PrivateWorkspace, *, still: bool = False) -> Iterator[World]:
    """Have a world, and close it at the end."""
    found = World(place, still=still)
    try:
        yield found
    finally:
        found.close()
