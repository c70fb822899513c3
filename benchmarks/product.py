"""The product, from `invoke` to ``Completed``, on a compute that is warm."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from batchmagic import Input, MLClient
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, CodeConfiguration, Model

if TYPE_CHECKING:
    from benchmarks.bare import Work

_COMPUTE = "bench"
_IDLE_SECONDS = 300
_LEAVE_SECONDS = 60
_SCRIPTS = Path(__file__).parent / "scripts"


class Service:
    """A workspace with one warm compute.

    Parameters
    ----------
    folder
        Where it is.
    workers
        Scoring processes of a job.
    """

    def __init__(self, folder: Path, workers: int) -> None:
        self.client = MLClient(folder / ".batchmagic")
        self.client.session.tell = lambda _: None
        self._workers = workers
        self._compute(_IDLE_SECONDS)

    def _compute(self, idle_seconds: int) -> None:
        self.client.compute.begin_create_or_update(
            AmlCompute(name=_COMPUTE, max_instances=1, idle_time_before_scale_down=idle_seconds)
        )

    def deploy(self, name: str, *, script: str | None, model: Path | None = None) -> None:
        """Have the deployment `name` of an endpoint of the same name."""
        self.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name=name))
        self.client.batch_deployments.begin_create_or_update(
            BatchDeployment(
                name="only",
                endpoint_name=name,
                model=None if model is None else Model(name=name, path=str(model), type="mlflow_model"),
                code_configuration=None
                if script is None
                else CodeConfiguration(str(_SCRIPTS), f"{script}.py"),
                compute=_COMPUTE,
                mini_batch_size=1,
                max_concurrency_per_instance=self._workers,
                output_format="csv",
            )
        )

    def score(self, name: str, folder: Path) -> Any:
        """Return the record of a job that has completed."""
        job = self.client.batch_endpoints.invoke(name, input=Input(type="uri_folder", path=str(folder)))
        self.client.jobs.wait(job.name)
        record = self.client.session.job(job.name)
        if record.status != "Completed" or record.progress.files_failed:
            raise RuntimeError(f"{name}: {record.status}: {self.client.jobs.logs(job.name)}")
        return record

    def close(self) -> None:
        """Let the compute leave; no process of it is there afterwards."""
        self._compute(0)
        record = self.client.session.read().compute_dir(_COMPUTE) / "supervisor.json"
        self.client.session.close()
        with contextlib.suppress(FileNotFoundError, psutil.NoSuchProcess):
            found = json.loads(record.read_text(encoding="ascii"))
            psutil.Process(found["identity"]["pid"]).wait(_LEAVE_SECONDS)


class Product:
    """One deployment as a contender.

    Attributes
    ----------
    waits
        Seconds that a caller waited, of each run; `run` returns those between the job's own timestamps.
    """

    def __init__(self, service: Service, deployment: str, name: str = "batchmagic") -> None:
        self.name = name
        self._service, self._deployment = service, deployment
        self.waits: list[float] = []

    def run(self, work: Work) -> float:
        """Score everything as a job, and return the time from its start to its end."""
        called = dt.datetime.now(dt.UTC)
        record = self._service.score(self._deployment, Path(work.files[0]).parent)
        self.waits.append((dt.datetime.now(dt.UTC) - called).total_seconds())
        if record.progress.mini_batches != len(work.files):
            raise RuntimeError(f"{record.progress.mini_batches} mini-batches for {len(work.files)} files")
        seconds: float = (record.ended_at - record.started_at).total_seconds()
        return seconds
