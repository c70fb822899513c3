"""The main job from outside: a workspace, scripts that wait for the test, and what can be seen of a job."""

from __future__ import annotations

import csv
import json
import os
import signal
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from batchmagic import MLClient
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint
from batchmagic.workspace.launch import host_claim

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import PrivateWorkspace

    from batchmagic.workspace.claims import Holder
    from batchmagic.workspace.job_records import JobRecord

ENDPOINT = "batch"
COMPUTE = "quick"
LEAK = "BATCHMAGIC_TEST_OF_THE_HOST"
PATIENCE = 60.0

PLAIN = """
import os

def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""

# Waits inside run() until the test opens the gate; every call leaves a mark "<first file>.<pid>".
GATED = """
import os, pathlib, time

MARKS = pathlib.Path({marks!r})

def run(mini_batch):
    first = os.path.basename(mini_batch[0])
    with open(MARKS / "run", "a") as file:
        file.write(f"{{first}} {{os.getpid()}}\\n")
    while not ((MARKS / "open").exists() or (MARKS / f"open-{{first}}").exists()):
        time.sleep(0.01)
    return [os.path.basename(path) for path in mini_batch]
"""


def until(what: Callable[[], Any], seconds: float = PATIENCE, *, of: str = "") -> Any:
    """Return the first true value of `what`; fail when there is none within `seconds`."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {of or what}"
        time.sleep(0.02)
    return found


def _is_worker(process: psutil.Process) -> bool:
    try:
        return "batchmagic.compute.worker" in process.cmdline()
    except psutil.Error:
        return False  # it has ended meanwhile


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that only its parent has not looked at yet has."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


class Gate:
    """The test's side of a gated script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)

    def script(self, source: str = GATED) -> str:
        """Return the source of a script that waits here."""
        return source.format(marks=str(self.folder))

    def calls(self) -> list[tuple[str, int]]:
        """First file and process of every call of run() that has begun, in order."""
        marks = self.folder / "run"
        lines = marks.read_text().splitlines() if marks.exists() else []
        return [(line.split()[0], int(line.split()[1])) for line in lines]

    def wait_calls(self, count: int) -> list[tuple[str, int]]:
        """Return the calls once there are `count`."""
        return until(lambda: len(c := self.calls()) >= count and c, of=f"{count} calls of run()")

    def open(self, *firsts: str) -> None:
        """Let all calls go on, or those whose mini-batches begin with these files."""
        for name in [f"open-{first}" for first in firsts] or ["open"]:
            (self.folder / name).touch()


class Lab:
    """A workspace with one endpoint, and the jobs in it. What it reads wakes no host, unless `client` is used."""

    def __init__(self, place: PrivateWorkspace) -> None:
        self.place = place
        self.root = place.root
        self.folder = place.root.parent
        self.client = MLClient(place.root)
        self.client.session.tell = lambda line: None
        self.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=ENDPOINT)).result()
        self.compute(COMPUTE)
        self._count = 0

    def compute(self, name: str, *, max_instances: int = 2, idle: int = 5) -> None:
        """Have a compute of that name."""
        entity = AmlCompute(name=name, max_instances=max_instances, idle_time_before_scale_down=idle)
        self.client.compute.begin_create_or_update(entity).result()

    def gate(self) -> Gate:
        """Return a new gate."""
        return Gate(self.new_folder("gate"))

    def new_folder(self, prefix: str) -> Path:
        """Return the path of a folder that is not there yet."""
        self._count += 1
        return self.folder / f"{prefix}{self._count}"

    def deploy(
        self, name: str, source: str, *, siblings: dict[str, str] | None = None, **settings: Any
    ) -> str:
        """Deploy the script and return its name."""
        code = self.new_folder("code")
        code.mkdir()
        for file, text in {"score.py": source, **(siblings or {})}.items():
            (code / file).write_text(text)
        given = {"compute": COMPUTE, "max_concurrency_per_instance": 2, **settings}
        deployment = BatchDeployment(
            name=name, endpoint_name=ENDPOINT, code_path=str(code), scoring_script="score.py", **given
        )
        self.client.batch_deployments.begin_create_or_update(deployment).result()
        return name

    def data(self, files: int | list[str]) -> Path:
        """Return a folder of files, by number or by names."""
        folder = self.new_folder("data")
        folder.mkdir()
        for name in files if isinstance(files, list) else [f"{n:03d}.csv" for n in range(files)]:
            (folder / name).write_text("a,b\n1,2\n")
        return folder

    # --- jobs

    def invoke(self, deployment: str, data: Path | int | list[str], **overrides: Any) -> str:
        """Invoke and return the job's name."""
        source = data if isinstance(data, Path) else self.data(data)
        job = self.client.batch_endpoints.invoke(
            ENDPOINT, deployment_name=deployment, input=str(source), params_override=overrides
        )
        return job.name

    def run(self, deployment: str, data: Path | int | list[str], **overrides: Any) -> JobRecord:
        """Invoke and return the job at its end."""
        return self.ended(self.invoke(deployment, data, **overrides))

    def job(self, name: str) -> JobRecord:
        """Return the job as it stands, without waking anybody."""
        return self.client.session.job(name)

    def ended(self, name: str, seconds: float = PATIENCE) -> JobRecord:
        """Return the job at its end; nobody but its host sees to it meanwhile."""
        try:
            until(lambda: self.job(name).status.is_terminal, seconds, of=f"the end of {name}")
        except AssertionError as late:
            raise AssertionError(f"{late}\n{self._story(name)}") from None
        return self.job(name)

    def _story(self, name: str) -> str:
        """Return what tells why a job did not end."""
        job, logs = self.job(name), self.logs(name)
        paths = [*logs.glob("sys/*.txt"), self.root / "compute" / job.spec.compute / "host.log"]
        texts = [f"--- {path.name}\n{path.read_text(errors='replace')[-3000:]}" for path in paths]
        return "\n".join([f"{job.status} {job.status_detail!r} {job.progress}", *texts])

    def status(self, name: str) -> str:
        """Return the job's status."""
        return str(self.job(name).status)

    # --- what a job leaves

    def logs(self, name: str) -> Path:
        """Return the folder of the job's logs."""
        return self.root / "jobs" / name / "logs"

    def log(self, name: str, path: str) -> str:
        """Return a log by its path below ``logs``."""
        return (self.logs(name) / path).read_text()

    def output(self, name: str) -> bytes:
        """Return the bytes of the output."""
        folder = self.root / "jobs" / name / "outputs" / "score"
        return (folder / self.job(name).spec.settings.output_file_name).read_bytes()

    def lines(self, name: str) -> list[str]:
        """Return the lines of the output."""
        return self.output(name).decode().splitlines()

    def attempts(self, name: str) -> list[dict[str, str]]:
        """Return the rows of processed_mini-batches.csv."""
        path = self.logs(name) / "sys" / "job_report" / "processed_mini-batches.csv"
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    def failed_attempts(self, name: str) -> dict[int, int]:
        """Return how many attempts of each mini-batch failed."""
        failed: dict[int, int] = {}
        for row in self.attempts(name):
            if row["Status"] != "RUN_DONE":
                failed[int(row["Mini-batch Id"])] = failed.get(int(row["Mini-batch Id"]), 0) + 1
        return failed

    def assert_sound(self, record: JobRecord, *, files: int) -> None:
        """Check a completed job of a script that returns file names: every row once, in order, nothing else."""
        assert record.status == "Completed", (record.status_detail, record.error)
        assert self.lines(record.name) == [f"{n:03d}.csv" for n in range(files)]
        progress = record.progress
        assert (progress.completed, progress.failed, progress.rows) == (progress.mini_batches, 0, files)
        done = [row["Mini-batch Id"] for row in self.attempts(record.name) if row["Status"] == "RUN_DONE"]
        assert sorted(done, key=int) == [str(n) for n in range(progress.mini_batches)]
        for database in (self.root / "workspace.db", self.root / "jobs" / record.name / "ledger.db"):
            with closing(sqlite3.connect(database)) as connection:
                assert connection.execute("pragma integrity_check").fetchone() == ("ok",)

    # --- processes

    def holder(self, compute: str = COMPUTE) -> Holder | None:
        """Return who has the claim on the compute, if that process lives."""
        holder = self.client.session.read().claims.holder(host_claim(compute))
        return holder if holder is not None and holder.alive else None

    def host(self, compute: str = COMPUTE) -> psutil.Process:
        """Return the compute's host once there is one."""
        return psutil.Process(until(lambda: self.holder(compute), of="a host").identity.pid)

    def workers(self, compute: str = COMPUTE) -> list[psutil.Process]:
        """Return the Dask workers of the compute."""
        return [p for p in self.host(compute).children() if _is_worker(p)]

    def templates(self, compute: str = COMPUTE) -> list[psutil.Process]:
        """Return the templates on all workers."""
        return [child for worker in self.workers(compute) for child in worker.children()]

    def below_host(self, compute: str = COMPUTE) -> list[psutil.Process]:
        """Return every process that works for the host."""
        return self.host(compute).children(recursive=True)

    def supervisor(self, compute: str = COMPUTE) -> int:
        """Return the process id of the supervisor on record."""
        record = self.root / "compute" / compute / "supervisor.json"
        return json.loads(record.read_text())["identity"]["pid"]

    def kill_supervisor_and_host(self, compute: str = COMPUTE) -> None:
        """Kill both, the supervisor first; nothing of the compute is left then."""
        host, below = self.host(compute), self.below_host(compute)
        os.kill(self.supervisor(compute), signal.SIGKILL)
        host.kill()
        until(
            lambda: all(is_gone(p.pid) for p in [host, *below]), 10, of="the end of all that was the host's"
        )
        assert self.holder(compute) is None

    def close(self) -> None:
        """Close the database."""
        self.client.session.close()
