from __future__ import annotations

import hashlib
import sqlite3
from typing import TYPE_CHECKING

import pytest

from batchmagic import MLClient
from batchmagic.entities import BatchDeployment, BatchEndpoint
from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.workspace.job_records import output_folder
from batchmagic.workspace.launch import host_claim
from batchmagic.workspace.ledger import Commit, Failure, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from batchmagic.workspace import Workspace

SCRIPT = """
import sqlite3

def init():
    pass

def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with code and data, and no workspace above it."""
    folder = tmp_path / "project"
    (folder / "code").mkdir(parents=True)
    (folder / "data").mkdir()
    (folder / "code" / "score.py").write_text(SCRIPT)
    for number in range(5):
        (folder / "data" / f"{number}.csv").write_text("a,b\n1,2\n")
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("BATCHMAGIC_WORKSPACE", raising=False)
    return folder


@pytest.fixture
def client(project: Path) -> Iterator[MLClient]:
    """A client whose workspace has the endpoint `heart` with one deployment of a script."""
    found = MLClient()
    found.session.tell = lambda line: None
    found.batch_endpoints.begin_create_or_update(BatchEndpoint(name="heart")).result()
    found.batch_deployments.begin_create_or_update(script_deployment()).result()
    yield found
    found.session.close()


@pytest.fixture
def held(client: MLClient) -> Workspace:
    """The workspace of `client`, whose compute `local` this process serves: no host is started for it."""
    ws = client.session.write()
    ws.claims.acquire(host_claim("local"))
    return ws


def script_deployment(name: str = "classifier", **values: object) -> BatchDeployment:
    defaults: dict[str, object] = {"code_path": "./code", "scoring_script": "score.py"}
    return BatchDeployment(name=name, endpoint_name="heart", **{**defaults, **values})


ERROR = {
    "type": "ValueError",
    "message": "could not convert string to float: 'n/a'",
    "traceback": "Traceback (most recent call last):\n  …\nValueError: could not convert string to float: 'n/a'\n",
    "frame": ["/somewhere/score.py", 9, "run", "    pred = model.predict(df.astype(float))"],
    "phase": "run",
}


def run_job(
    ws: Workspace, name: str, end: JobStatus | None = JobStatus.COMPLETED, *, failed: int = 0
) -> None:
    """Do with a queued job what a host would do, as far as the store shows it: five mini-batches of a file each."""
    folder = ws.job_dir(name)
    ws.jobs.transition(name, JobStatus.PREPARING)
    ws.jobs.transition(name, JobStatus.RUNNING)
    progress = Progress(
        mini_batches=5,
        files=5,
        completed=5 - failed,
        failed=failed,
        files_failed=failed,
        rows=5 - failed,
        seconds=2.0,
    )
    failures = [
        Failure(
            mini_batch=i, part=0, attempt=1, kind="error", final=True, error=ERROR, files=1, file=f"{i}.csv"
        )
        for i in range(failed)
    ]
    commits = [
        Commit(mini_batch=i, part=0, ok=i >= failed, attempt=1, files=1, rows=int(i >= failed))
        for i in range(5)
    ]
    ledger = Ledger.open(folder)
    ledger.begin(epoch=1, run=1, mini_batches=5, files=5)
    ledger.commit(1, commits=commits, failures=failures, progress=progress)
    ledger.close()
    ws.jobs.set_progress(name, progress)
    logs = folder / "logs" / "user"
    logs.mkdir(parents=True)
    (logs / "job_progress_overview.txt").write_text("overview\n")
    (folder / "logs" / "sys").mkdir()
    (folder / "logs" / "sys" / "driver.txt").write_text("driver\n")
    if end is JobStatus.COMPLETED:
        record = ws.jobs.transition(name, JobStatus.FINALIZING)
        output = output_folder(record.spec, folder)
        output.mkdir(parents=True, exist_ok=True)
        (output / record.spec.settings.output_file_name).write_text(
            "".join(f"{i}.csv\n" for i in range(failed, 5))
        )
        ws.jobs.transition(name, end)
    elif end is JobStatus.CANCELED:
        ws.jobs.request_cancel(name)
        ws.jobs.transition(name, end)
    elif end is not None:
        detail = "11 failed files are more than error_threshold=10 allows"
        ws.jobs.transition(name, end, detail=detail, error={**ERROR, "verdict": detail})


@pytest.fixture
def state(project: Path) -> Callable[[], dict[str, str]]:
    """A function that returns everything that is in the project, database rows included."""
    return lambda: {**_files(project), **_rows(project)}


def _files(folder: Path) -> dict[str, str]:
    found = {}
    for path in folder.rglob("*"):
        # SQLite's own files change without a row changing; `_rows` looks into them.
        if (
            path.is_file()
            and path.suffix not in {".db", ".db-wal", ".db-shm"}
            and not path.name.startswith("workspace.db")
        ):
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
        elif path.is_dir():
            found[str(path.relative_to(folder))] = oct(path.stat().st_mode)
    return found


def _rows(folder: Path) -> dict[str, str]:
    found = {}
    for database in folder.rglob("*.db"):
        connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
        try:
            tables = [
                name for (name,) in connection.execute("select name from sqlite_master where type = 'table'")
            ]
            for table in tables:
                found[f"{database.name}:{table}"] = repr(
                    connection.execute(f"select * from {table}").fetchall()
                )
        finally:
            connection.close()
    return found
