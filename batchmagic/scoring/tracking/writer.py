"""One MLflow run, written in the tracker: begun or found again, kept up to date, ended."""

from __future__ import annotations

import filecmp
import os
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import batchmagic
from batchmagic.errors import EngineError
from batchmagic.redaction import redact_uris
from batchmagic.scoring.tracking.private_stores import News, PrivateStores
from batchmagic.workspace.mlflow_stores import MlflowStore, client_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_AGAIN_SECONDS = 3.0
_PAUSE_SECONDS = 1.0
_PAUSES_PER_LOOK = 10
_MOST_METRICS, _MOST_ENTRIES = 1000, 100
"""Of one call, as MLflow limits them."""
_LONGEST_PARAM = 6000
_MOST_LINES = 50
_REFUSALS = frozenset({"INVALID_PARAMETER_VALUE", "BAD_REQUEST"})


class RunWriter:
    """Writes the run of one job.

    Parameters
    ----------
    order
        What `batchmagic.scoring.tracking.order.order_of` returned.
    tell
        Takes answers: ``run`` when the run is known, ``trouble`` and ``fine``, and ``ended`` with what was left out.
    """

    def __init__(self, order: Mapping[str, Any], tell: Callable[[dict[str, Any]], None]) -> None:
        self._order = order
        self._tell = tell
        self._client: Any = None
        self._run = ""
        self._asked = False
        self._params: dict[str, str] = {}
        self._points: list[list[Any]] = []
        self._stores = PrivateStores(Path(order["stores"]), order["epoch"])
        self._news = News()
        self._end: Mapping[str, Any] | None = None
        self._left_out: dict[str, None] = {}
        self._stage = "begin"
        self._troubled = False
        self._next = 0.0
        self.is_open = True

    def take(self, message: Mapping[str, Any]) -> None:
        """Take what is to be written next."""
        if message["op"] == "metrics":
            self._points += message["points"]
        elif message["op"] == "end":
            self._end, self.is_open, self._next = message, True, 0.0

    def work(self) -> None:
        """Write what there is, if it is time to; what the store does not take now is tried again."""
        if not self.is_open or time.monotonic() < self._next:
            return
        began = time.monotonic()
        try:
            self._write()
        except Exception as error:  # noqa: BLE001 -- whatever a store raises is told, and tried again
            self._troubled = True
            self._next = time.monotonic() + _AGAIN_SECONDS
            self._tell({"op": "trouble", "stage": self._stage, "why": _first_line(error)})
            return
        if self._troubled:
            self._troubled = False
            self._tell({"op": "fine"})
        took = time.monotonic() - began
        self._next = time.monotonic() + max(_PAUSE_SECONDS, took * _PAUSES_PER_LOOK)

    def _write(self) -> None:
        if self._client is None:
            self._begin()
        self._stage = "metrics"
        self._ship()
        end = self._end
        if end is None:
            return
        while self._ship():
            pass
        self._stage = "artifacts"
        for path, folder in end["artifacts"]:
            self._artifact(Path(path), folder)
        self._private_artifacts()
        self._stage = "end"
        self._entries(tags=end["tags"])
        self._client.set_terminated(self._run, end["status"], end_time=end["time"])
        self._end, self.is_open = None, False
        self._forget_stores()
        self._tell({"op": "ended", "number": end["number"], "left_out": list(self._left_out)})
        self._left_out.clear()

    # --- the run

    def _begin(self) -> None:
        """Have the run; nothing is imported for a server that is not there."""
        order = self._order
        if order["version"] != batchmagic.__version__:
            raise EngineError(f"batchmagic {batchmagic.__version__} was installed under a running host")
        os.environ.update(order["access"])
        os.chdir(order["folder"])
        own = Path(order["own"]) if order["own"] else None
        client = client_of(MlflowStore(tracking_uri=order["uri"], registry_uri=order["uri"], own=own))
        run = self._earlier(client) or self._new(client)
        self._run = run.info.run_id
        self._params = dict(run.data.params)
        client.update_run(self._run, status="RUNNING")
        self._client = client
        self._describe()
        self._tell({"op": "run", "run": self._run, "experiment": run.info.experiment_id})

    def _earlier(self, client: Any) -> Any:
        """Return the run that an earlier host or run of the job has begun; None if there is none any more."""
        from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow

        order = self._order
        if known := self._run or order["run"]:
            try:
                run = client.get_run(known)
            except MlflowException as error:
                if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                    raise
            else:
                return run if run.info.lifecycle_stage == "active" else None
        experiment = client.get_experiment_by_name(order["experiment"])
        if experiment is None or not (order["begun"] or self._asked):
            return None
        marks = " and ".join(f"tags.`{name}` = '{order['tags'][name]}'" for name in order["marks"])
        found = client.search_runs([experiment.experiment_id], marks, max_results=1)
        return found[0] if found else None

    def _new(self, client: Any) -> Any:
        order = self._order
        experiment = _experiment(client, order)
        self._asked = True
        return client.create_run(
            experiment,
            start_time=order["time"],
            run_name=order["name"],
            tags=order["tags"],
        )

    def _describe(self) -> None:
        """Log the parameters; of a resumed job those that have changed are tags of the new run."""
        new: dict[str, str] = {}
        changed: dict[str, str] = {}
        for key, value in self._order["params"].items():
            known = self._params.setdefault(key, value)
            (new if known == value else changed)[key] = value
        number = self._order["job_run"]
        self._entries(params=new, tags={f"batchmagic.run_{number}.{k}": v for k, v in changed.items()})

    # --- what is logged while the job runs

    def _ship(self) -> bool:
        """Log what has come; return whether anything had."""
        points = len(self._points)
        self._metrics(self._points)
        self._points = []
        news = self._news = self._news or self._stores.news()
        if not news:
            return points > 0
        self._metrics([list(point) for point in news.metrics])
        new = self._unlike(news.params)
        self._entries(params=new, tags=news.tags)
        self._params |= new
        self._news = News()
        self._stores.keep()
        return True

    def _unlike(self, params: list[tuple[str, str, str]]) -> dict[str, str]:
        """Return the parameters that the run has not; the first value of each stays."""
        new: dict[str, str] = {}
        for key, value, process in params:
            known = self._params.get(key, new.setdefault(key, value))
            if known != value:
                self._leave_out(
                    f"parameter {key!r} of {process}: it was {value[:80]!r} there, and is {known[:80]!r} already"
                )
        return {key: value for key, value in new.items() if key not in self._params}

    def _metrics(self, points: list[list[Any]]) -> None:
        from mlflow.entities import Metric  # noqa: PLC0415 - slow

        for start in range(0, len(points), _MOST_METRICS):
            chunk = [
                Metric(key, value, at, step) for key, value, at, step in points[start : start + _MOST_METRICS]
            ]
            with self._refused(f"{len(chunk)} values of metrics"):
                self._client.log_batch(self._run, metrics=chunk)

    def _entries(
        self, *, params: Mapping[str, str] | None = None, tags: Mapping[str, str] | None = None
    ) -> None:
        from mlflow.entities import Param, RunTag  # noqa: PLC0415 - slow

        for chunk in _chunks(params or {}):
            with self._refused(f"parameters {', '.join(chunk)}"):
                entries = [Param(key, value[:_LONGEST_PARAM]) for key, value in chunk.items()]
                self._client.log_batch(self._run, params=entries)
        for chunk in _chunks(tags or {}):
            with self._refused(f"tags {', '.join(chunk)}"):
                self._client.log_batch(self._run, tags=[RunTag(key, value) for key, value in chunk.items()])

    # --- artifacts

    def _artifact(self, path: Path, folder: str) -> None:
        try:
            self._client.log_artifact(self._run, str(path), folder or None)
        except Exception as error:  # noqa: BLE001 -- one file less; if the store is gone the next call tells
            self._leave_out(f"{path.name}: {_first_line(error)}")

    def _private_artifacts(self) -> None:
        """Add the files that scripts have logged; of several different ones at one path all but the first move."""
        first: dict[str, Path] = {}
        for process, path, name in self._stores.artifacts():
            before = first.setdefault(name, path)
            if before == path:
                self._artifact(path, name.rpartition("/")[0])
            elif not filecmp.cmp(before, path, shallow=False):
                self._artifact(path, f"{process}/{name}".rpartition("/")[0])

    def _forget_stores(self) -> None:
        if self._stores.holds_models():
            self._leave_out(f"models that the script logged; they are in {self._order['stores']}")
        else:
            self._stores.remove()

    # --- what is left out

    @contextmanager
    def _refused(self, what: str) -> Iterator[None]:
        """Leave out what the store will never take."""
        try:
            yield
        except Exception as error:
            if getattr(error, "error_code", None) not in _REFUSALS:
                raise
            self._leave_out(f"{what}: {_first_line(error)}")

    def _leave_out(self, line: str) -> None:
        if len(self._left_out) < _MOST_LINES:
            self._left_out[line] = None


def _experiment(client: Any, order: Mapping[str, Any]) -> str:
    from mlflow.exceptions import MlflowException  # noqa: PLC0415 - slow

    found = client.get_experiment_by_name(order["experiment"])
    if found is not None:
        return str(found.experiment_id)
    # In the workspace's own store nothing lies where somebody happened to work.
    place = (Path(order["own"]) / "artifacts" / order["mark"]).as_uri() if order["own"] else None
    try:
        return str(client.create_experiment(order["experiment"], artifact_location=place))
    except MlflowException as error:
        found = client.get_experiment_by_name(order["experiment"])
        if error.error_code != "RESOURCE_ALREADY_EXISTS" or found is None:
            raise
        return str(found.experiment_id)  # somebody else was faster


def _chunks(entries: Mapping[str, str]) -> Iterator[dict[str, str]]:
    items = list(entries.items())
    for start in range(0, len(items), _MOST_ENTRIES):
        yield dict(items[start : start + _MOST_ENTRIES])


def _first_line(error: Exception) -> str:
    return redact_uris(str(error).strip().split("\n", 1)[0])[:300] or type(error).__name__
