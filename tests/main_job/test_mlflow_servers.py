"""Tracking servers that are not there, do not answer, or want to know who asks: a job does not wait for them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from main_job_support import PLAIN, Lab, until
from mlflow_support import PATIENT, SWITCH, Runs, everything_in, log_of, tracked_lab, trackers

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.filterwarnings("ignore::sqlalchemy.exc.SADeprecationWarning")


@pytest.fixture(scope="module")
def lab(module_workspace) -> Iterator[Lab]:
    with tracked_lab(module_workspace, "http://127.0.0.1:9") as found:
        found.deploy("plain", PLAIN)
        yield found


@contextmanager
def bound() -> Iterator[socket.socket]:
    with socket.socket() as mine:
        mine.bind(("127.0.0.1", 0))
        yield mine


def address(of: socket.socket) -> str:
    return f"http://127.0.0.1:{of.getsockname()[1]}"


def seconds(lab: Lab, monkeypatch: pytest.MonkeyPatch, switch: str) -> tuple[float, str]:
    """Return how long a job takes on a host that is there, and its name."""
    monkeypatch.setenv(SWITCH, switch)
    data = lab.data(4)
    began = time.monotonic()
    record = lab.run("plain", data)
    took = time.monotonic() - began
    assert record.status == "Completed"
    return took, record.name


@pytest.mark.parametrize("answers", [False, True], ids=["refused", "black hole"])
def test_a_server_that_is_not_there_costs_a_job_two_seconds_at_most(lab, monkeypatch, answers):
    with bound() as server:
        if answers:
            server.listen(64)  # and never a word
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address(server))
        seconds(lab, monkeypatch, "off")  # the host is there
        without, with_run = [], []
        # Other tests run beside: the least of a few is the job's own.
        while len(with_run) < 2 or (min(with_run) - min(without) > 2 and len(with_run) < 5):
            without.append(seconds(lab, monkeypatch, "off")[0])
            took, name = seconds(lab, monkeypatch, "on")
            with_run.append(took)
        assert min(with_run) - min(without) <= 2, (with_run, without)
        said = log_of(lab, name)
        assert (
            f"MLflow run in {address(server)}: left out so far: parameters, metrics, logs and output (no answer"
            in said
        )
        assert len(trackers(lab)) <= 4  # however many jobs there were
        assert "mlflow.run_id" not in lab.job(name).properties


def test_what_the_scripts_of_an_unreachable_run_have_logged_is_kept(lab, monkeypatch):
    with bound() as server:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address(server))
        script = "import mlflow\ndef run(mini_batch):\n    mlflow.log_metric('mine', 1)\n    return list(mini_batch)\n"
        lab.deploy("kept", script)
        record = lab.run("kept", 2)
    assert record.status == "Completed"
    assert list((lab.root / "jobs" / record.name / "mlflow").rglob("metrics/mine"))


@contextmanager
def asking() -> Iterator[tuple[str, list[str]]]:
    """A server that lets nobody in, and the credentials that it was shown."""
    shown: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path != "/health":
                shown.append(self.headers.get("Authorization", ""))
            self.send_response(200 if self.path == "/health" else 401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_POST = do_GET  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_port}", shown
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_credentials_reach_the_server_and_stand_nowhere_else(lab, monkeypatch):
    script = "import os\ndef run(mini_batch):\n    return [str(sorted(os.environ.items()))]\n"
    lab.deploy("prying", script)
    with asking() as (place, shown):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://kate:in-the-uri@{place}")
        monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "in-the-token")
        record = lab.run("prying", 1)
        assert record.spec.mlflow_store == f"http://********@{place}"
        until(lambda: any(shown), PATIENT, of="a request with credentials")
        until(lambda: "401" in log_of(lab, record.name), PATIENT, of="a line that says why")
    for path, content in everything_in(lab.root).items():
        assert path.startswith("secrets/") or b"in-the-" not in content, path


@pytest.mark.slow
def test_a_real_server_has_the_run_also_when_it_comes_late(lab, monkeypatch, tmp_path):
    with bound() as free:
        url = address(free)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", url)
    early = lab.run("plain", 3)
    assert "left out so far" in log_of(lab, early.name)
    command = [sys.executable, "-m", "mlflow", "server", "--port", url.rpartition(":")[2], "--workers", "1"]
    stores = [
        "--backend-store-uri",
        f"sqlite:///{tmp_path}/s.db",
        "--artifacts-destination",
        str(tmp_path / "a"),
    ]
    variables = {k: v for k, v in os.environ.items() if not k.startswith("MLFLOW_")}
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*command, *stores], cwd=tmp_path, env=variables, stdout=log, stderr=log, start_new_session=True
        )
    try:
        until(lambda: healthy(url), PATIENT, of="a server")
        runs = Runs(lab, url)
        late = lab.run("plain", 3)
        for record in (early, late):
            run = runs.ended(record.name)
            assert run.info.status == "FINISHED"
            assert runs.artifacts(record.name) >= {
                "logs/user/job_result.txt",
                "outputs/score/predictions.csv",
            }
    finally:
        os.killpg(server.pid, 15)
        server.wait(20)


def healthy(url: str) -> bool:
    with suppress(OSError):
        return urllib.request.urlopen(f"{url}/health", timeout=2).status == 200
    return False
