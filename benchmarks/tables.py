"""Results as a table, for the terminal and for docs/benchmarks.md."""

from __future__ import annotations

import importlib.metadata
import platform
import statistics
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.suites import Result

_HEADER = ("", "fastest", "median", "slowest", "each", "ratio")
_MILLISECOND = 1e-3
_PACKAGES = ("batchmagic", "distributed", "mlflow", "scikit-learn", "pandas", "pyarrow")


def rows_of(result: Result) -> list[tuple[str, ...]]:
    """Return a row per contender: name, fastest, median and slowest seconds, time of one item, ratio to the product."""
    rows: list[tuple[str, ...]] = []
    for name, times in result.times.items():
        each = min(times) / result.items
        rows.append(
            (
                name,
                f"{min(times):.2f} s",
                f"{statistics.median(times):.2f} s",
                f"{max(times):.2f} s",
                f"{each * 1e6:,.1f} µs" if each < _MILLISECOND else f"{each * 1e3:,.1f} ms",
                f"{result.ratio(name):.2g}",
            )
        )
    return rows


def about(result: Result) -> str:
    """Return what the table itself does not say."""
    runs = len(next(iter(result.times.values())))
    waited = statistics.median(result.waits)
    return (
        f"{runs} alternated repetitions. `each`: fastest time by {result.unit}. `ratio`: time over batchmagic's, median "
        f"of the repetitions. From `invoke` to seeing `Completed` a caller waited {waited:.2f} s."
    )


def as_text(result: Result) -> str:
    """Return the table for a terminal."""
    rows = [_HEADER, *rows_of(result)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(_HEADER))]
    lines = [result.title]
    for row in rows:
        cells = [
            f"{c:<{w}}" if not i else f"{c:>{w}}" for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  " + "  ".join(cells).rstrip())
    return "\n".join([*lines, f"  {about(result).replace('`', '')}"])


def as_markdown(results: Sequence[Result], *, workers: int, when: str) -> str:
    """Return the page docs/benchmarks.md."""
    parts = [_INTRODUCTION, _machine(workers, when)]
    for result in results:
        lines = [f"## {result.title}", "", f"| {' | '.join(_HEADER)} |", "|---|---:|---:|---:|---:|---:|"]
        lines += [f"| {' | '.join(row)} |" for row in rows_of(result)]
        parts.append("\n".join([*lines, "", about(result)]))
    return "\n\n".join(parts) + "\n"


def _machine(workers: int, when: str) -> str:
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in _PACKAGES)
    return (
        f"Measured on {when} with {workers} processes each on {platform.system()} ({platform.machine()}), "
        f"Python {sys.version.split()[0]}; {versions}."
    )


_INTRODUCTION = """\
# Benchmarks

Written by `python -m benchmarks.run --write` (`make bench` only prints). Everything is measured in one run, by turns,
with the same number of processes and one thread per process. Where fastest and slowest are far apart, the machine did
something else at the same time: look at `ratio`, which compares neighbours in time, rather than at seconds.

batchmagic's time is that between its job's own timestamps: planning, starting scoring processes, `init()`, scoring,
retry book-keeping, syncing every row and its ledger entry to the disk, assembling the output. The compute is warm, as
are the processes of the others, which keep no ledger, survive nothing, and write one file at the end; each of their
processes loads the model once per repetition, as each scoring process does."""
