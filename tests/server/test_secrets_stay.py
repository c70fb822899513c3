"""S13, S18, S21: a day of a server that everybody could read, were it not careful: umask 0, secrets in every request."""

from __future__ import annotations

import json
import sqlite3
import stat
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest
from main_job_support import PLAIN, Gate, until
from server_support import JUPYTER_TOKEN, Server, actions, fill

if TYPE_CHECKING:
    from pathlib import Path

COMPUTE = "quick"
SECRETS = {
    name: f"canary-{name}-5bd1e995"
    for name in (
        "variable",
        "override",
        "signature",
        "bearer",
        "query",
        "referer",
        "agent",
        "cookie",
        "password",
        "typo",
    )
}
FAILS = "def run(mini_batch):\n    raise ValueError('it fails')\n"
SIGNED = f"https://acct.blob.core.windows.net/in/?sv=2024&sig={SECRETS['signature']}&se=2030"


class Day:
    """A server on a workspace that it makes itself, and all that it has answered."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.inputs = root.parent / "inputs"
        self.inputs.mkdir()
        (self.inputs / "1.csv").write_text("a\n1\n")
        self.gate = Gate(root.parent / "gate")
        self.texts: list[tuple[str, str]] = []
        prefixes = {"https://acct.blob.core.windows.net/in/": str(self.inputs)}
        roots = [str(root.parent / "code"), str(self.inputs)]
        self.server = Server(root.parent / "server", root, umask=0, roots=roots, url_prefixes=prefixes)
        self.token = ""
        self.names: dict[str, str] = {}

    def ask(self, method: str, path: str, body=None, *, token=None, expect=None, headers=None):
        """Send a request with secrets in all headers that are none of ours, and keep the answer."""
        sent = {
            "Referer": f"https://other.example/?token={SECRETS['referer']}&sig={SECRETS['referer']}",
            "User-Agent": f"probe {SECRETS['agent']}",
            "Cookie": f"session={SECRETS['cookie']}",
            **({} if token else {"Authorization": f"token {JUPYTER_TOKEN}"}),
            **(headers or {}),
        }
        answer = self.server.send(method, f"/batchmagic{path}", body, token=token, headers=sent)
        self.texts.append((f"{method} {path}", answer.body.decode(errors="replace") + str(answer.headers)))
        assert expect is None or answer.status == expect, answer.body
        return answer

    def define(self) -> None:
        """Define everything over HTTP; the deployments have a secret variable."""
        self.ask(
            "PUT", f"/computes/{COMPUTE}", {"max_instances": 1, "idle_time_before_scale_down": 1}, expect=200
        )
        self.ask("PUT", "/endpoints/batch", {}, expect=200)
        for name, source in {"good": PLAIN, "bad": FAILS, "gated": self.gate.script()}.items():
            folder = self.root.parent / "code" / name
            folder.mkdir(parents=True)
            (folder / "score.py").write_text(source)
            body = {
                "code_configuration": {"code": str(folder), "scoring_script": "score.py"},
                "compute": COMPUTE,
                "environment_variables": {"PASSWORD": SECRETS["variable"], "OTHER": "x"},
                "max_retries": 0,
            }
            self.ask("PUT", f"/endpoints/batch/deployments/{name}", body, expect=200)
        self.ask("PATCH", "/endpoints/batch", {"defaults": {"deployment_name": "good"}}, expect=200)
        made = self.ask("POST", "/tokens", {"name": "caller", "scopes": ["invoke", "read"]}, expect=201)
        self.token = made.json["token"]
        self.texts.pop()  # the only answer that has a secret, which is what it is for

    def invoke(self, deployment: str, **properties) -> str:
        """Start a job whose input is a signed address."""
        body = {
            "properties": {
                "inputData": {"x": {"jobInputType": "UriFolder", "uri": SIGNED}},
                "environmentVariables": {"OTHER": SECRETS["override"]},
                **properties,
            }
        }
        headers = {"azureml-model-deployment": deployment}
        answer = self.ask(
            "POST", "/endpoints/batch/jobs", body, token=self.token, headers=headers, expect=201
        )
        self.names[deployment] = answer.json["name"]
        return answer.json["name"]

    def status(self, name: str) -> str:
        return self.ask("GET", f"/jobs/{name}", token=self.token, expect=200).json["properties"]["status"]

    def offend(self) -> None:
        """Send what is refused, with secrets where they do not belong."""
        undeclared = {
            "properties": {
                "inputData": {
                    "x": {"uri": f"https://u:{SECRETS['password']}@evil.example/x?sig={SECRETS['signature']}"}
                }
            }
        }
        self.ask("POST", "/endpoints/batch/jobs", undeclared, token=self.token, expect=403)
        self.ask("GET", "/jobs", token=f"bmt_0123456789abcdef_{SECRETS['bearer']}", expect=401)
        self.ask(
            "GET", f"/jobs?token={SECRETS['query']}&sig={SECRETS['query']}", token=self.token, expect=200
        )
        self.ask("GET", f"/jobs/none?token={SECRETS['query']}", token=self.token, expect=404)
        self.ask("GET", f"/none?password={SECRETS['query']}", token=self.token, expect=404)
        typo = {"environment_variables": {"A": {"b": SECRETS["typo"]}}}
        self.ask("PUT", "/endpoints/batch/deployments/good", typo, expect=422)
        self.ask(
            "PUT",
            "/endpoints/batch/deployments/good",
            {"environment_variables": [SECRETS["typo"]]},
            expect=422,
        )

    def break_down(self) -> None:
        """Have an error that nobody expects, of a request with secrets."""
        where = self.root / "workspace.db"
        with closing(sqlite3.connect(where)) as database, database:
            (spec,) = database.execute(
                "select spec from jobs where name = ?", (self.names["bad"],)
            ).fetchone()
            database.execute("update jobs set spec = '{}' where name = ?", (self.names["bad"],))
        answer = self.ask(
            "GET",
            f"/jobs/{self.names['bad']}?token={SECRETS['query']}&sig={SECRETS['query']}",
            token=self.token,
        )
        with closing(sqlite3.connect(where)) as database, database:
            database.execute("update jobs set spec = ? where name = ?", (spec, self.names["bad"]))
        assert answer.status == 500

    def read_all(self) -> None:
        """Ask every route of the table for what there is to read."""
        values = {
            "endpoint": "batch", "deployment": "good", "compute": COMPUTE, "model": "none", "data": "none",
            "environment": "none", "version": "1", "token": "caller", "kind": "deployment", "number": "0",
        }  # fmt: skip
        for job in self.names.values():
            for route, method, _ in actions(scoped=False):
                if method == "GET":
                    for path in ("readme.txt", "sys/driver.txt", "predictions.csv", "score.py"):
                        if "{path}" in route.path or path == "readme.txt":
                            self.ask(
                                "GET",
                                fill(route.path, {**values, "job": job, "path": path}).removeprefix(
                                    "/batchmagic"
                                ),
                            )


@pytest.fixture(scope="module")
def day(module_workspace):
    found = Day(module_workspace.root)
    try:
        found.define()
        for deployment in ("good", "bad"):
            name = found.invoke(deployment)
            until(lambda name=name: found.status(name) in {"Completed", "Failed"}, of="the end of a job")
        yield found
    finally:
        found.server.stop()


def test_both_ends_of_jobs_were_seen(day):
    assert {name: day.status(job) for name, job in day.names.items()} == {
        "good": "Completed",
        "bad": "Failed",
    }


def test_every_socket_that_listens_is_of_the_loopback(day, module_workspace):
    """S18"""
    job = day.invoke("gated")
    day.gate.wait_calls(1)
    processes = [psutil.Process(day.server.process.pid), *module_workspace.processes()]
    listening = [
        (process.cmdline(), connection.laddr)
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    day.gate.open()
    until(lambda: day.status(job) == "Completed", of="the end of the job")
    del day.names["gated"]
    assert len({address.port for _, address in listening}) > 1, "the cluster listens nowhere"
    assert [item for item in listening if item[1].ip not in {"127.0.0.1", "::1"}] == []


def test_no_secret_is_in_any_answer_log_or_file(day, module_workspace):
    """S13"""
    day.offend()
    day.break_down()
    day.read_all()
    until(lambda: len(_audited(day)) > 5, of="the audit log")
    own = {"token of the caller": day.token.split("_", 2)[2], "token of Jupyter": JUPYTER_TOKEN}
    hits = []
    for what, text in {**SECRETS, **own}.items():
        hits += [f"{what}: answer to {path}" for path, answer in day.texts if text in answer]
        hits += [f"{what}: {path}" for path in _files(day) if text.encode() in path.read_bytes()]
    assert hits == []


def test_secrets_are_kept_where_they_belong(day):
    """S13"""
    kept = b"".join(path.read_bytes() for path in (day.root / "secrets").rglob("*") if path.is_file())
    assert SECRETS["variable"].encode() in kept
    for path in (day.root / "secrets").rglob("*"):
        assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path


def test_nobody_else_can_read_what_the_server_makes(day):
    """S21"""
    names = {path.name for path in day.root.iterdir()}
    assert {"servers", "audit", "secrets", "workspace.db", "jobs", "assets"} <= names
    for path in [day.root, *day.root.rglob("*")]:
        place, mode = path.relative_to(day.root), stat.S_IMODE(path.lstat().st_mode)
        if path.is_dir() and not path.is_symlink():
            assert mode == 0o700 or place.parts[:2] == ("assets", "code"), (place, oct(mode))
        elif path.is_file():
            # Databases, keys, records and logs of users are private; to all else nobody gets through those folders.
            is_guarded = place.parts[0] == "assets" or (len(place.parts) > 2 and path.suffix != ".db")
            assert mode == 0o600 or is_guarded, (place, oct(mode))


def test_the_audit_log_says_who_started_what(day):
    """S13"""
    started = [entry for entry in _audited(day) if entry["method"] == "POST" and entry["status"] == 201]
    assert {entry["caller"] for entry in started} >= {"token:caller"}
    assert {f"job {job}" for job in day.names.values()} <= {entry.get("target") for entry in started}


def _audited(day) -> list[dict]:
    files = sorted((day.root / "audit").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def _files(day) -> list[Path]:
    folders = [folder for folder in day.root.iterdir() if folder.name != "secrets"]
    found = [path for folder in [*folders, day.server.folder] for path in [folder, *folder.rglob("*")]]
    return [path for path in found if path.is_file()]
