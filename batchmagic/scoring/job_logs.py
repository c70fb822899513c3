"""The log files that the driver writes, under the names that Azure's documentation has for them."""

from __future__ import annotations

import contextlib
import csv
import datetime as dt
import io
import posixpath
from itertools import chain
from typing import TYPE_CHECKING, Any

from batchmagic.scoring.attempt_report import COLUMNS, commit_row, failed_row, short_reason
from batchmagic.scoring.error_text import error_report
from batchmagic.words import clock, counted
from batchmagic.workspace.folders import folder_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from batchmagic.entities.progress import Progress
    from batchmagic.scoring.own_files import OwnFiles
    from batchmagic.scoring.plan import Plan
    from batchmagic.workspace.ledger import Ledger

_README = """\
logs/user/job_error.txt               errors of the scoring script, grouped
logs/user/job_progress_overview.txt   progress, one dated line per change
logs/user/job_result.txt              the result and where to look next
logs/user/stdout, stderr              what each scoring process printed (<instance>/processNNN)
logs/user/error                       tracebacks of processes that were ended at their deadline
logs/user/entry_script_log            what EntryScript().logger wrote
logs/failed_files.csv                 every file that failed for good, with the reason
logs/sys/job_report                   processed_mini-batches.csv, one row per attempt
logs/sys/driver.txt                   what the driver did
"""


def now() -> str:
    """Return the time of day in UTC, to the second."""
    return dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class JobLogs:
    """The log folder of a job, as its driver writes it: only as long as it has the job, but for `driver`."""

    def __init__(self, job_folder: Path, own: OwnFiles) -> None:
        self.folder = job_folder / "logs"
        self._own = own
        self.user = self._make("user")
        self._report = self._make("sys/job_report") / "processed_mini-batches.csv"
        (self.folder / "readme.txt").write_text(_README, encoding="utf-8")
        with contextlib.suppress(FileExistsError), self._report.open("x", encoding="utf-8") as file:
            file.write(",".join(COLUMNS) + "\n")
        self._last_line = ""
        for folder in (self.folder, self.user, self._report.parent):
            own.forget_earlier(folder)

    def _make(self, relative: str) -> Path:
        return folder_in(self.folder.parent, f"{self.folder.name}/{relative}")

    def overview(self, line: str) -> None:
        """Add a dated line to job_progress_overview.txt, unless it says what the last one said."""
        if line != self._last_line:
            self._last_line = line
            self._own.append(self.user / "job_progress_overview.txt", f"{now()} {line}\n".encode())

    def driver(self, line: str) -> None:
        """Add a dated line to the driver's own log."""
        with (self.folder / "sys" / "driver.txt").open("a", encoding="utf-8") as file:
            file.write(f"{now()} {line}\n")

    def errors(self, ledger: Ledger) -> None:
        """Rewrite job_error.txt from the ledger."""
        groups = ledger.error_groups()
        if groups:
            self._own.replace(self.user / "job_error.txt", error_report(groups).encode("utf-8", "replace"))

    def init_error(self, error: dict[str, Any]) -> None:
        """Write job_error.txt for a job that died in import or init()."""
        text = f"{error['type']}: {error['message']}\n\n{error.get('traceback') or ''}\n"
        self._own.replace(self.user / "job_error.txt", text.encode("utf-8", "replace"))

    def result(self, text: str) -> None:
        """Write job_result.txt."""
        self._own.replace(self.user / "job_result.txt", text.encode("utf-8", "replace"))

    def append(self, name: str, text: bytes) -> None:
        """Add what a file gained that an instance has for itself; `name` is its path in the job's folder."""
        path = folder_in(self.folder.parent, posixpath.dirname(name)) / posixpath.basename(name)
        self._own.append(path, text)

    def attempts(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add attempts to processed_mini-batches.csv."""
        text = io.StringIO(newline="")
        csv.writer(text).writerows(rows)
        self._own.append(self._report, text.getvalue().encode("utf-8", "backslashreplace"))

    def rewrite_attempts(self, ledger: Ledger, plan: Plan) -> None:
        """Write processed_mini-batches.csv anew from the ledger, for a job that more than one host has driven."""
        with self._own.temporary(self._report).open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            for failure in ledger.iter_failures():
                files = 1 if failure.part else plan.files_in(failure.mini_batch)
                writer.writerow(failed_row(failure, files))
            writer.writerows(commit_row(c) for c in ledger.iter_commits() if c.ok)
        self._own.publish(self._report)

    def failed_files(self, ledger: Ledger, plan: Plan) -> None:
        """Write failed_files.csv: file, mini-batch, reason. Without failed files there is none."""
        target = self.folder / "failed_files.csv"
        failed = ledger.iter_failed()
        first = next(failed, None)
        if first is None:
            # What failed in an earlier run may have been scored again.
            self._own.remove(target)
            return
        with self._own.temporary(target).open(
            "w", encoding="utf-8", errors="surrogateescape", newline=""
        ) as file:
            writer = csv.writer(file)
            writer.writerow(("file", "mini_batch", "reason"))
            for mini_batch, part, reason in chain([first], failed):
                said = short_reason(reason)
                writer.writerows((name, mini_batch, said) for name in plan.paths_of(mini_batch, part))
        self._own.publish(target)


def progress_line(progress: Progress, left: float | None) -> str:
    """Return the line of the overview for a state of the job; `left` is the estimated time to its end."""
    done = progress.completed + progress.failed
    if not done:
        return f"No mini-batch has been processed yet; {progress.running} of {progress.mini_batches} are running."
    line = f"Processed {done} of {progress.mini_batches} mini-batches in {clock(progress.seconds)}."
    if progress.failed:
        line += f" {progress.failed} failed ({counted(progress.files_failed, 'file')})."
    if done < progress.mini_batches and left is not None:
        line += f" Estimated remaining time {clock(left)}."
    return line
