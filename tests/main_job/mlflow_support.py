"""The MLflow runs of jobs from outside: a store, what is in it, and the process that writes it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import psutil
import pytest
from main_job_support import COMPUTE, ENDPOINT, Lab, until
from mlflow import MlflowClient

from batchmagic.entities.job_spec import MLFLOW_RUN

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import PrivateWorkspace
    from mlflow.entities import Run

SWITCH = "BATCHMAGIC_MLFLOW_RUNS"
# MLflow is imported beside everything else of the tests.
PATIENT = 100.0


@contextmanager
def tracked_lab(place: PrivateWorkspace, store: str) -> Iterator[Lab]:
    """A lab whose jobs have runs in `store`, and whose host is there from one test to the next."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SWITCH, "on")
        patch.setenv("MLFLOW_TRACKING_URI", store)
        patch.chdir(place.root.parent)
        lab = Lab(place)
        lab.compute(COMPUTE, idle=90)
        yield lab
        lab.close()


class Runs:
    """The runs in a store."""

    def __init__(self, lab: Lab, store: str) -> None:
        self._lab = lab
        self.client = MlflowClient(tracking_uri=store)

    def all(self, experiment: str = ENDPOINT) -> list[Run]:
        """Return all runs of an experiment."""
        found = self.client.get_experiment_by_name(experiment)
        return list(self.client.search_runs([found.experiment_id])) if found else []

    def known(self, name: str) -> str:
        """Return the id of a job's run, as soon as the job tells it."""
        return until(lambda: self._lab.job(name).properties.get(MLFLOW_RUN), PATIENT, of=f"a run of {name}")

    def of(self, name: str) -> Run:
        """Return the run of a job."""
        return self.client.get_run(self.known(name))

    def ended(self, name: str) -> Run:
        """Return the run once it has its end."""
        until(lambda: self.of(name).info.status != "RUNNING", PATIENT, of=f"the end of the run of {name}")
        return self.of(name)

    def history(self, name: str, metric: str) -> list[tuple[float, int]]:
        """Return value and step of all points of a metric, sorted."""
        points = self.client.get_metric_history(self.known(name), metric)
        return sorted((point.value, point.step) for point in points)

    def artifacts(self, name: str, folder: str | None = None) -> set[str]:
        """Return the paths of all artifacts."""
        found: set[str] = set()
        for item in self.client.list_artifacts(self.known(name), folder):
            found |= self.artifacts(name, item.path) if item.is_dir else {item.path}
        return found


def trackers(lab: Lab) -> list[psutil.Process]:
    """Return the processes of the host that write runs."""
    return [child for child in lab.host().children() if "batchmagic.scoring.tracking.main" in _command(child)]


def _command(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except psutil.Error:
        return []


def everything_in(folder: Path) -> dict[str, bytes]:
    """Return the bytes of all files by their paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def log_of(lab: Lab, name: str) -> str:
    """Return what the driver has logged, and the overview."""
    return lab.log(name, "sys/driver.txt") + lab.log(name, "user/job_progress_overview.txt")


def points(pairs: dict[str, Any]) -> dict[str, Any]:
    """Return the counters among a run's metrics."""
    names = ("mini_batches_completed", "mini_batches_failed", "files_failed", "rows")
    return {name: pairs[name] for name in names}
