"""Measures and prints; ``--write`` puts the tables into docs/benchmarks.md."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks import tables

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.suites import Result

_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_PAGE = Path(__file__).resolve().parent.parent / "docs" / "benchmarks.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites and return the exit code."""
    options = _parse(arguments)
    # Before anything imports NumPy: a pool of threads in each of several processes is a handicap, not a help.
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    os.environ.pop("MLFLOW_TRACKING_URI", None)
    warnings.simplefilter("ignore")
    began, page = time.monotonic(), _PAGE
    with tempfile.TemporaryDirectory(prefix="batchmagic-bench-") as folder:
        os.chdir(folder)
        os.environ["DASK_TEMPORARY_DIRECTORY"] = folder
        results = _measure(options, Path(folder))
    for result in results:
        _say("")
        _say(tables.as_text(result))
    if options.write:
        today = dt.datetime.now(dt.UTC).date().isoformat()
        page.write_text(tables.as_markdown(results, workers=options.workers, when=today), encoding="utf-8")
    _say(f"\nDone in {time.monotonic() - began:.0f} s.")
    return 0


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--large", action="store_true", help="100,000 mini-batches that do nothing, too")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    parser.add_argument("--only", choices=("noop", "models"), help="one suite only")
    parser.add_argument("--repetitions", type=int, default=3, metavar="N", help="default: 3")
    parser.add_argument("--workers", type=int, default=cores, metavar="N", help=f"default: cores ({cores})")
    parser.add_argument("--mini-batches", type=int, default=10_000, metavar="N", help="default: 10,000")
    parser.add_argument("--files", type=int, default=200, metavar="N", help="CSV files; default: 200")
    options = parser.parse_args(arguments)
    if options.write and options.only:
        parser.error("--write needs all suites: the page is one run")
    return options


def _measure(options: argparse.Namespace, folder: Path) -> list[Result]:
    from benchmarks import suites  # noqa: PLC0415 - after the variables are set
    from benchmarks.bare import Pools  # noqa: PLC0415
    from benchmarks.product import Service  # noqa: PLC0415

    results = []
    with Pools(options.workers) as pools:
        service = Service(folder, options.workers)
        try:
            if options.only != "models":
                for count in [options.mini_batches, *([100_000] if options.large else [])]:
                    _say(f"{count:,} mini-batches that do nothing")
                    repetitions = options.repetitions if count < 100_000 else 1  # noqa: PLR2004 - Dask's map takes minutes
                    results.append(
                        suites.noop(folder, service, pools, count=count, repetitions=repetitions, say=_say)
                    )
            if options.only != "noop":
                _say("MLflow models")
                results += suites.models(
                    folder, service, pools, count=options.files, repetitions=options.repetitions, say=_say
                )
        finally:
            service.close()
    return results


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
