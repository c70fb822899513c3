"""What the simulation has committed: the model of a ledger, and beside it, if asked for, a real one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.entities.progress import Progress
from batchmagic.scoring.events import Kind
from batchmagic.workspace.ledger import Ledger
from batchmagic.workspace.ledger_entries import Commit, Failure

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.scoring.events import Record

Key = tuple[int, int]


class Book:
    """Commits by key. Refuses what would be in the output twice.

    Attributes
    ----------
    files
        Number of files of each mini-batch.
    done
        Whether the member succeeded, by key.
    """

    def __init__(self, files: list[int]) -> None:
        self.files = files
        self.done: dict[Key, bool] = {}

    def begin(self, epoch: int, run: int, *, redo_failed: bool) -> None:
        """Begin as a driver does: what failed is forgotten if asked for, and mini-batches that are not whole."""
        if redo_failed:
            bad = {mini_batch for (mini_batch, _), ok in self.done.items() if not ok}
            self._forget(bad)
        self._forget({m for m, part in self.done if part} - self.whole)

    def commit(self, records: list[Record]) -> None:
        """Make a group true."""
        for record in records:
            if record.final:
                key = record.attempt.member.key
                assert key not in self.done, f"{key} reached its end twice"
                assert (key[0], 0) not in self.done, f"{key} came after the whole mini-batch"
                assert key[1] or not any(m == key[0] for m, _ in self.done), f"{key} came after its files"
                self.done[key] = record.attempt.kind is Kind.OK

    def lose(self, keys: list[Key]) -> None:
        """Take rows back that were damaged; a mini-batch of which some files are left begins anew."""
        self._forget({mini_batch for mini_batch, _ in keys})

    def _forget(self, mini_batches: set[int]) -> None:
        self.done = {key: ok for key, ok in self.done.items() if key[0] not in mini_batches}

    @property
    def whole(self) -> set[int]:
        """The mini-batches that have reached their end."""
        parts: dict[int, int] = {}
        for mini_batch, part in self.done:
            parts[mini_batch] = parts.get(mini_batch, 0) + bool(part)
        return {m for m, count in parts.items() if not count or count == self.files[m]}

    @property
    def failed_files(self) -> int:
        """Files that have failed for good."""
        return sum(1 if part else self.files[m] for (m, part), ok in self.done.items() if not ok)

    @property
    def any_success(self) -> bool:
        """Whether anything is in the output."""
        return any(self.done.values())

    @property
    def left(self) -> list[int]:
        """The mini-batches that are not committed."""
        whole = self.whole
        return [m for m in range(len(self.files)) if m not in whole]

    def ranges(self) -> list[tuple[int, int]]:
        """Return what is left as half-open ranges."""
        joined: list[tuple[int, int]] = []
        for m in self.left:
            if joined and joined[-1][1] == m:
                joined[-1] = joined[-1][0], m + 1
            else:
                joined.append((m, m + 1))
        return joined

    def close(self) -> None:
        """Do nothing."""


class LedgerBook(Book):
    """A book that keeps a real ledger beside itself, and compares."""

    def __init__(self, files: list[int], folder: Path) -> None:
        super().__init__(files)
        self._folder = folder
        self._ledger: Ledger | None = None
        self._epoch = 0

    def begin(self, epoch: int, run: int, *, redo_failed: bool) -> None:
        """Open the ledger anew, as the host that comes after a killed one does."""
        super().begin(epoch, run, redo_failed=redo_failed)
        self.close()
        self._epoch = epoch
        self._ledger = ledger = Ledger.open(self._folder)
        ledger.begin(
            epoch=epoch,
            run=run,
            mini_batches=len(self.files),
            files=sum(self.files),
            redo_failed=redo_failed,
        )
        ledger.forget_unfinished_parts(epoch, self.files.__getitem__)
        self._compare()

    def commit(self, records: list[Record]) -> None:
        """Commit to both."""
        super().commit(records)
        commits = [_commit(r, self.files) for r in records if r.final]
        failures = [_failure(r) for r in records if r.attempt.kind is not Kind.OK]
        progress = Progress(completed=self._completed)
        self._ledger.commit(self._epoch, commits=commits, failures=failures, progress=progress)

    def lose(self, keys: list[Key]) -> None:
        """Take rows back in both."""
        super().lose(keys)
        self._ledger.forget(self._epoch, keys)
        self._compare()

    @property
    def _completed(self) -> int:
        return sum(all(ok for (n, _), ok in self.done.items() if n == m) for m in self.whole)

    def _compare(self) -> None:
        ledger = self._ledger
        assert ledger.unfinished(len(self.files)) == self.ranges()
        counted = ledger.recount()
        assert (counted.completed, counted.files_failed) == (self._completed, self.failed_files)
        assert ledger.any_success() == self.any_success
        assert [(c.mini_batch, c.part) for c in ledger.iter_commits()] == sorted(self.done)

    def close(self) -> None:
        """Close the ledger."""
        if self._ledger is not None:
            self._ledger.close()
            self._ledger = None


def _commit(record: Record, files: list[int]) -> Commit:
    member = record.attempt.member
    return Commit(
        mini_batch=member.mini_batch,
        part=member.part,
        ok=record.attempt.kind is Kind.OK,
        attempt=member.attempt,
        files=1 if member.part else files[member.mini_batch],
        rows=1,
    )


def _failure(record: Record) -> Failure:
    member = record.attempt.member
    return Failure(
        mini_batch=member.mini_batch,
        part=member.part,
        attempt=member.attempt,
        kind=str(record.attempt.kind),
        final=record.final,
        error=record.attempt.error or {},
        files=record.failed_files,
    )
