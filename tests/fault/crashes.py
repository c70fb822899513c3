"""A job that is struck at a named point, once or several times, and how long it took to go on."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from main_job_support import until
from takeover import armed

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import pytest
    from main_job_support import Lab

# Rows name their file; every tenth mini-batch has one of more than the MiB in which segments are written.
SCRIPT = """
import os

CALLS = os.open({calls!r}, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

def run(mini_batch):
    names = [os.path.basename(path) for path in mini_batch]
    os.write(CALLS, b"called\\n" * len(names))
    return [name + "." * (1_200_000 if name.endswith("0.csv") else 5) for name in names]
"""
FILES = 60


def expected(files: int = FILES) -> bytes:
    """Return the output of `SCRIPT` over `files` files."""
    names = (f"{n:03d}.csv" for n in range(files))
    return "".join(f"{n}{'.' * (1_200_000 if n.endswith('0.csv') else 5)}\n" for n in names).encode()


class Strikes:
    """The files that failpoints create when they act."""

    def __init__(self, *files: Path) -> None:
        self._files = files

    @property
    def moments(self) -> list[float]:
        """When they acted, by the wall clock."""
        return sorted(file.stat().st_mtime for file in self._files if file.exists())


class Arming:
    """Arms processes that are started in one test."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self._patch, self._folder = patch, folder
        self._count = 0

    @contextmanager
    def __call__(self, specification: str, *, times: int = 1) -> Iterator[Strikes]:
        """Arm every process that is started meanwhile; `times` of them are struck."""
        self._count += 1
        file = self._folder / f"struck-{self._count}"
        files = [file, *(Path(f"{file}.{n}") for n in range(2, times + 1))]
        with armed(self._patch, f"{specification}*{times}", file):
            yield Strikes(*files)

    @contextmanager
    def at_each(self, points: Sequence[str]) -> Iterator[Strikes]:
        """Arm every process that is started meanwhile; at each point one of them is killed."""
        self._count += 1
        files = [self._folder / f"struck-{self._count}-{point}" for point in points]
        specification = ",".join(f"{point}=kill" for point in points)
        with armed(self._patch, specification, self._folder / f"struck-{self._count}-{{point}}"):
            yield Strikes(*files)


def recoveries(lab: Lab, name: str, strikes: Strikes) -> list[float]:
    """Watch the job until it has ended; return for each strike the seconds until it was seen to go on.

    It goes on when its state or its counters change after the strike was noticed.
    """
    found: list[float] = []
    struck: list[float] = []
    before = None
    jobs = lab.client.session.read().jobs

    def look() -> bool:
        nonlocal before, struck
        moments = strikes.moments
        job = jobs.get(name)
        seen = (len(jobs.events(name)), job.progress.completed)
        if len(moments) > len(found) + len(struck):
            struck, before = moments[len(found) :], seen
        elif struck and seen != before:
            found.extend(time.time() - moment for moment in struck)
            struck = []
        return job.status.is_terminal and not struck

    until(lambda: look() or jobs.get(name).status.is_terminal, 100, of=f"the end of {name}")
    return found
