"""Jobs that go exactly as far as the test lets them: scripts that wait in `run()` for a file of their name."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from batchmagic import MLClient
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENDPOINT = "heart"
PATIENCE = 30.0

# Each file of the input waits for one of its name in the folder of open gates. A gate that holds text raises it.
# What is quicker than 0.2 s is handed out in twos and more, and then known only when the last of them has ended.
_SCRIPT = """
import os, pathlib, time

GATES = pathlib.Path({gates!r})

def run(mini_batch):
    time.sleep(0.2)
    for path in mini_batch:
        gate = GATES / os.path.basename(path)
        while not gate.exists():
            time.sleep(0.01)
        if gate.read_text():
            raise ValueError(gate.read_text())
    return [os.path.basename(path) for path in mini_batch]
"""


class Gates:
    """An endpoint whose jobs wait for the test.

    Attributes
    ----------
    client
        A client of the workspace in the project, for what the test itself wants to know.
    """

    def __init__(self, project: Path) -> None:
        self._project = project
        self._folder = project.parent / "gates"
        self._folder.mkdir()
        self.client = MLClient(project / ".batchmagic")
        self.client.session.tell = lambda line: None
        self.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=ENDPOINT)).result()
        compute = AmlCompute(name="quick", max_instances=1, idle_time_before_scale_down=30)
        self.client.compute.begin_create_or_update(compute).result()
        self._deploy("gated")

    def _deploy(self, name: str) -> None:
        code = self._project / "code"
        code.mkdir(exist_ok=True)
        (code / "score.py").write_text(_SCRIPT.format(gates=str(self._folder)))
        deployment = BatchDeployment(
            name=name,
            endpoint_name=ENDPOINT,
            code_path=str(code),
            scoring_script="score.py",
            compute="quick",
            max_concurrency_per_instance=2,
            mini_batch_size=1,
            retry_settings={"max_retries": 0},
        )
        self.client.batch_deployments.begin_create_or_update(deployment).result()

    def data(self, name: str, files: int) -> str:
        """Make a folder of files ``<name>-000.csv`` and so on in the project; return its path from there."""
        folder = self._project / "data" / name
        folder.mkdir(parents=True)
        for number in range(files):
            (folder / _file(name, number)).write_text("a,b\n1,2\n")
        return f"data/{name}"

    def open(self, name: str, *numbers: int, error: str = "") -> None:
        """Let these files go on, to an error if one is given."""
        for number in numbers:
            # Whoever sees the gate sees all of it.
            draft = self._folder / f"{_file(name, number)}.draft"
            draft.write_text(error)
            draft.rename(self._folder / _file(name, number))

    def status(self, job: str) -> str:
        """Return the status of a job."""
        return str(self.client.session.job(job).status)

    def wait(self, job: str, status: str) -> None:
        """Wait until the job has that status."""
        until(lambda: self.status(job) == status, of=f"{job} {status}")

    def jobs(self) -> list[str]:
        """Return the names of all jobs, the newest first."""
        return [job.name for job in self.client.jobs.list()]

    def cancel_all(self) -> None:
        """Have all jobs end that have not ended."""
        for job in self.client.jobs.list():
            if not job.status.is_terminal:
                self.client.jobs.begin_cancel(job.name).result()

    def close(self) -> None:
        """Close the client."""
        self.client.session.close()


def until(what: Callable[[], bool], *, of: str) -> None:
    """Wait until it is true."""
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline, f"not within {PATIENCE:g} s: {of}"
        time.sleep(0.02)


def _file(name: str, number: int) -> str:
    return f"{name}-{number:03d}.csv"
