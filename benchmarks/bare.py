"""What a person would write without the product: a function over files, on a pool of processes."""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from distributed import Client

_loaded = ""


class Contender(Protocol):
    """Something that scores files.

    Attributes
    ----------
    name
        What it is called in the table.
    """

    name: str

    def run(self, work: Work) -> float:
        """Score everything once and return the seconds it took."""


class Work:
    """What there is to do.

    Parameters
    ----------
    name
        Of the module in `benchmarks.scripts` that does it.
    files
        One mini-batch each.
    model_dir
        The folder that holds ``model``; None if the script needs none.
    output
        Where the rows go, in order.
    """

    def __init__(self, name: str, files: Sequence[str], output: Path, model_dir: Path | None = None) -> None:
        self.name = name
        self.files = files
        self.output = output
        self.model_dir = model_dir

    def calls(self) -> list[tuple[str, str, str, str]]:
        """Return the argument of each call; a new token makes every process load the model again."""
        token = f"{self.name}-{time.monotonic_ns()}"
        return [(self.name, token, str(self.model_dir or ""), path) for path in self.files]


def score(call: tuple[str, str, str, str]) -> tuple[str, str]:
    """Return a file and its rows as CSV; the first call of a process loads what the script needs."""
    import importlib  # noqa: PLC0415 - in the processes of the pools

    global _loaded  # noqa: PLW0603 - once per process is the point
    name, token, model_dir, path = call
    script = importlib.import_module(f"benchmarks.scripts.{name}")
    if token != _loaded:
        os.environ["AZUREML_MODEL_DIR"] = model_dir
        getattr(script, "init", lambda: None)()
        _loaded = token
    return path, _csv(script.run([path]))


def _csv(rows: Any) -> str:
    if hasattr(rows, "to_csv"):
        text: str = rows.to_csv(index=False, header=False)
        return text
    return "".join(f"{row}\n" for row in rows)


def _write(rows: dict[str, str], work: Work) -> None:
    work.output.write_text("".join(rows[path] for path in work.files), encoding="utf-8")


def _timed(work: Work, results: Callable[[list[tuple[str, str, str, str]]], Any]) -> float:
    began = time.perf_counter()
    _write(dict(results(work.calls())), work)
    return time.perf_counter() - began


class Loop:
    """One process, one file after the other."""

    name = "loop in one process"

    def __init__(self, pool: multiprocessing.pool.Pool) -> None:
        self._pool = pool

    def run(self, work: Work) -> float:
        """Score everything in one process of its own."""
        return _timed(work, lambda calls: self._pool.apply(_all, (calls,)))


def _all(calls: list[tuple[str, str, str, str]]) -> list[tuple[str, str]]:
    return [score(call) for call in calls]


class PoolMap:
    """``multiprocessing.Pool.imap_unordered``."""

    def __init__(self, pool: multiprocessing.pool.Pool, chunksize: int) -> None:
        self.name = f"multiprocessing.Pool, chunks of {chunksize}"
        self._pool, self._chunksize = pool, chunksize

    def run(self, work: Work) -> float:
        """Score everything in the pool."""
        return _timed(work, lambda calls: self._pool.imap_unordered(score, calls, self._chunksize))


class DaskMap:
    """``Client.map`` with Dask's own defaults."""

    name = "Client.map of Dask"

    def __init__(self, client: Client) -> None:
        self._client = client

    def run(self, work: Work) -> float:
        """Score everything as one Dask task per file."""
        from distributed import as_completed  # noqa: PLC0415 - only where Dask is compared

        def results(calls: list[tuple[str, str, str, str]]) -> list[tuple[str, str]]:
            futures = self._client.map(score, calls, pure=False)
            return [result for _, result in as_completed(futures, with_results=True)]

        return _timed(work, results)


class Pools:
    """The processes of the bare contenders: a pool, a single process, and a Dask cluster."""

    def __init__(self, workers: int) -> None:
        self._workers = workers

    def __enter__(self) -> Self:
        from distributed import Client, LocalCluster  # noqa: PLC0415

        # Before Dask starts its threads, and without a copy of this process.
        context = multiprocessing.get_context("forkserver")
        self.pool = context.Pool(self._workers)
        self.one = context.Pool(1)
        self._cluster = LocalCluster(
            n_workers=self._workers,
            threads_per_worker=1,
            dashboard_address=None,
            silence_logs=50,
        )
        self.client = Client(self._cluster)
        return self

    def __exit__(self, *_: object) -> None:
        self.client.close()
        self._cluster.close()
        for pool in (self.pool, self.one):
            pool.terminate()
            pool.join()
