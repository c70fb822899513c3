"""A driver's work on one job's ledger and spool, as steps that can be struck one by one, and what is true after each."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING, Any

from batchmagic.constants import OutputFormat
from batchmagic.entities.progress import Progress
from batchmagic.scoring.assemble import assemble
from batchmagic.scoring.segments import SegmentWriter
from batchmagic.scoring.spool import spool_of
from batchmagic.workspace.ledger import Ledger
from batchmagic.workspace.ledger_entries import Commit, Failure

if TYPE_CHECKING:
    from pathlib import Path

MINI_BATCHES = 24
GROUP = 4
LAST = 2 + MINI_BATCHES // GROUP
_COLUMNS = (("a", "integer"), ("b", "text"))


def rows_of(number: int) -> bytes:
    """Return the rows of a mini-batch; the third is longer than a buffer and some pages."""
    return f"{number},{'x' * (70_000 if number == 3 else 40 + number)}\n".encode()


def output() -> bytes:
    """Return what the assembled output must be."""
    return b"a,b\n" + b"".join(rows_of(n) for n in range(MINI_BATCHES))


class Work:
    """The steps, each of which may be tried again after it failed.

    Parameters
    ----------
    folder
        The job's folder.
    epoch
        The claim's.
    """

    def __init__(self, folder: Path, epoch: int = 1) -> None:
        self.folder = folder
        self._epoch = epoch
        spool_of(folder).mkdir(exist_ok=True)
        self.ledger = Ledger.open(folder)
        self._writers = [SegmentWriter(spool_of(folder), f"{epoch}-i0-{slot}") for slot in range(2)]

    def step(self, number: int) -> None:
        """Do step `number`: begin, commit the groups, take one back and do it again, keep the columns."""
        if number == 0:
            self.ledger.begin(epoch=self._epoch, run=1, mini_batches=MINI_BATCHES, files=MINI_BATCHES)
        elif number == LAST:
            self.ledger.set_columns(self._epoch, _COLUMNS)
        elif number == LAST - 1:
            self.ledger.forget(self._epoch, [(5, 0)])
        else:
            self.commit(range((number - 1) * GROUP, number * GROUP))

    def commit(self, numbers) -> None:
        """Write the rows of mini-batches, sync them, and commit them in one group, a failed attempt beside."""
        commits = []
        for number in numbers:
            writer = self._writers[number % 2]
            rows = rows_of(number)
            writer.begin()
            for at in range(0, len(rows), 30_000):
                writer.write(rows[at : at + 30_000])
            commits.append(_commit(number, writer.end()))
        for writer in self._writers:
            writer.sync()
        done = max(numbers) + 1
        progress = Progress(completed=done, rows=done, retried=1)
        self.ledger.commit(self._epoch, commits=commits, failures=[_failure(max(numbers))], progress=progress)

    def finish(self) -> bytes:
        """Score what is missing, assemble the output and return it."""
        missing = [n for first, stop in self.ledger.unfinished(MINI_BATCHES) for n in range(first, stop)]
        for at in range(0, len(missing), GROUP):
            self.commit(missing[at : at + GROUP])
        target = self.folder / "out.csv"
        assemble(self.ledger, self.folder, target, OutputFormat.CSV)
        return target.read_bytes()

    def close(self) -> None:
        """Close all files."""
        for writer in self._writers:
            writer.close()
        self.ledger.close()


def state(ledger: Ledger) -> dict[str, Any]:
    """Return all that the ledger says, as far as it does not depend on how often something was tried."""
    return {
        "commits": [
            (c.mini_batch, c.part, c.ok, c.place and c.place[2:], c.columns) for c in ledger.iter_commits()
        ],
        "failures": [(f.mini_batch, f.attempt, f.kind) for f in ledger.iter_failures()],
        "groups": [(g.type, g.count, len(g.tracebacks)) for g in ledger.error_groups()],
        "progress": [ledger.progress().mini_batches, ledger.progress().completed],
        "columns": ledger.columns(),
    }


def unreadable(ledger: Ledger, folder: Path) -> list[int]:
    """Return the committed mini-batches whose rows are not where the ledger says."""
    bad = []
    for commit in ledger.iter_commits():
        name, offset, length, crc = commit.place
        path = spool_of(folder) / name
        rows = path.read_bytes()[offset : offset + length] if path.exists() else b""
        if zlib.crc32(rows) != crc or rows != rows_of(commit.mini_batch):
            bad.append(commit.mini_batch)
    return bad


def _commit(number: int, place) -> Commit:
    return Commit(
        mini_batch=number,
        part=0,
        ok=True,
        attempt=1,
        files=1,
        rows=1,
        place=place,
        encoding="csv",
        columns=_COLUMNS,
        instance="i0",
        started=float(number),
        seconds=0.1,
    )


def _failure(number: int) -> Failure:
    error = {
        "type": f"Error{number % 3}",
        "message": "bad",
        "traceback": "Traceback",
        "frame": ["s.py", number, "run", "x"],
        "phase": "run",
    }
    return Failure(
        mini_batch=number,
        part=0,
        attempt=1,
        kind="error",
        final=False,
        error=error,
        files=1,
        file=f"f{number}",
    )
