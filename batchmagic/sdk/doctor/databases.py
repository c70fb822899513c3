"""The databases: ``workspace.db`` and the ledger of every job."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.entities.status import JobStatus
from batchmagic.errors import StoreCorrupted, WorkspaceError
from batchmagic.sdk.doctor.finding import Finding, broken, look, ok
from batchmagic.words import counted
from batchmagic.workspace import health, locate
from batchmagic.workspace.ledger import FILE_NAME
from batchmagic.workspace.migrations import MIGRATIONS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchmagic.sdk.doctor.finding import Patient
    from batchmagic.workspace.health import Contents, JobRow, LedgerFacts

_NEWEST = max(number for number, _ in MIGRATIONS)
_LEDGER_SCHEMA = 1
_SECONDS = 20.0
_LARGE = 64 << 20
_SHOWN = 5


def open_contents(root: Path, *, command: str) -> tuple[Contents | None, list[Finding]]:
    """Return what ``workspace.db`` holds, and how it is."""
    subject, path = locate.DATABASE, root / locate.DATABASE
    try:
        contents = health.contents(path)
    except StoreCorrupted as error:
        way_out = f"mv {path} {path}.damaged && tar -xf BACKUP.tar -C NEW-FOLDER"
        return None, [broken(subject, f"{error.message} Nothing was changed", do=way_out)]
    except (WorkspaceError, KeyError, ValueError, OSError) as error:
        text = error.message if isinstance(error, WorkspaceError) else str(error)
        return None, [look(subject, text, do=f"{command} workspace")]
    if contents.schema > _NEWEST:
        text = f"schema {contents.schema}, newer than the {_NEWEST} that this batchmagic writes"
        return contents, [look(subject, text, do="pip install --upgrade batchmagic")]
    if contents.schema < _NEWEST:
        text = f"whole; schema {contents.schema} becomes {_NEWEST} with the next command"
        return contents, [ok(subject, text)]
    return contents, [ok(subject, f"whole, schema {contents.schema}")]


def ledger_findings(patient: Patient) -> Iterator[Finding]:
    """Yield what is wrong with ledgers, newest jobs first, and how many were looked at."""
    looked, skipped, wrong = 0, 0, 0
    for job in _jobs(patient):
        path = patient.root / "jobs" / job.name / FILE_NAME
        if not path.exists():
            continue
        if not patient.has_time(_SECONDS):
            skipped += 1
            continue
        looked += 1
        found = list(_of_job(patient, job, path))
        wrong += bool(found)
        yield from found if wrong <= _SHOWN else ()
    if wrong > _SHOWN:
        yield look("ledgers", f"{wrong - _SHOWN} more have something wrong", do=f"{patient.command} job list")
    if skipped:
        yield look(
            "ledgers",
            f"{counted(skipped, 'older ledger')} not looked at after {_SECONDS:.0f} s",
            do=f"{patient.command} doctor --all",
        )
    if looked and not wrong:
        yield ok(
            "ledgers",
            f"{counted(looked, 'ledger')} whole: counters right, every committed row has its segment",
        )
    elif not looked and not skipped:
        yield ok("ledgers", "no job has been begun")


def _jobs(patient: Patient) -> Iterator[JobRow]:
    if patient.contents is not None:
        yield from patient.contents.jobs
        return
    # The rows cannot be read; the folders tell the names, and nothing is known of their states.
    for path in sorted((patient.root / "jobs").glob("*")):
        yield health.JobRow(name=path.name, status="", compute="", interpreter="", files_failed=0)


def _of_job(patient: Patient, job: JobRow, path: Path) -> Iterator[Finding]:
    subject, command = f"job {job.name}", patient.command
    try:
        facts = health.ledger(path, pages=patient.everything or path.stat().st_size <= _LARGE)
    except StoreCorrupted as error:
        yield broken(subject, error.message, do=f"{command} job delete {job.name}")
        return
    except FileNotFoundError:
        return  # it was deleted a moment ago
    except WorkspaceError as error:
        yield look(subject, error.message, do=f"{command} job show {job.name}")
        return
    if facts.schema > _LEDGER_SCHEMA:
        text = f"its ledger has schema {facts.schema}, newer than the {_LEDGER_SCHEMA} known here"
        yield look(subject, text, do="pip install --upgrade batchmagic")
    if facts.stored != facts.counted:
        yield broken(
            subject,
            f"its counters say {facts.stored}, its commits {facts.counted} (completed, failed, failed files, rows)",
            do=f"{command} job resume {job.name}",
        )
    yield from _segments(patient, job, path.parent / "spool", facts)


def _segments(patient: Patient, job: JobRow, spool: Path, facts: LedgerFacts) -> Iterator[Finding]:
    finished = job.status == JobStatus.COMPLETED and not job.files_failed
    if finished or job.status == JobStatus.FINALIZING or not facts.ends:
        return  # the output has the rows, or is about to
    short = [name for name, end in facts.ends.items() if _size(spool / name) < end]
    if short:
        yield look(
            f"job {job.name}",
            f"{len(short)} of {counted(len(facts.ends), 'segment')} with committed rows missing or cut off; "
            "a resume scores their mini-batches again",
            do=f"{patient.command} job resume {job.name}",
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return -1
