"""A job as the workspace keeps it, and its names."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select

from batchmagic.entities.job_spec import JobSpec
from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.errors import ResourceNotFoundError, StateError, ValidationException
from batchmagic.names import check_name
from batchmagic.workspace.records import moment
from batchmagic.workspace.tables import jobs
from batchmagic.workspace.vocabulary import CHILD_SUFFIX

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from sqlalchemy import Connection, Row

_LAST = "\U0010ffff"
_COLOURS = """
amber azure beige black blue bronze brown copper coral cream crimson cyan ebony emerald gold green grey indigo ivory
jade lemon lilac lime maroon mauve mint navy olive opal orange peach pearl pink plum purple red rose ruby rust sand
scarlet silver tan teal topaz umber violet white yellow
"""
_ANIMALS = """
badger bear beaver bison crane crow deer dolphin eagle egret elk falcon ferret finch fox gecko goat goose hare hawk
heron horse ibex ibis jay kite koala lark lemur lion llama lynx magpie mole moose newt orca osprey otter owl panda pike
puffin puma quail raven robin salmon seal shark sparrow squid stork swan swift tapir tern thrush tiger toad trout turtle
viper walrus whale wolf wombat wren yak zebra
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRecord:
    """One job as it was when it was read.

    Attributes
    ----------
    name
        Of the parent; `child_name` is accepted wherever it is.
    seq
        Order of submission.
    run
        1, and one more with every resume.
    started_at, ended_at
        Of the current run.
    error
        Why the run failed: ``{"code", "message", …}``.
    folder
        Logs, ledger and outputs.
    labels
        ``description``, ``tags`` and ``properties`` that people gave it, where they did.
    """

    name: str
    seq: int
    run: int
    status: JobStatus
    status_detail: str
    spec: JobSpec
    progress: Progress
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    error: dict[str, Any] | None
    display_name: str | None
    folder: Path
    labels: dict[str, Any]

    @property
    def child_name(self) -> str:
        """The name of the child ``batchscoring``, which owns logs and output."""
        return f"{self.name}{CHILD_SUFFIX}"

    @property
    def properties(self) -> dict[str, str]:
        """What the caller attached to the job, and what was attached later."""
        return {**self.spec.properties, **self.labels.get("properties", {})}


def record(row: Row[Any], folder: Path) -> JobRecord:
    """Return the record of a row; `folder` is that of all jobs."""
    created = moment(row.created_at)
    assert created is not None  # noqa: S101 - the column is NOT NULL
    return JobRecord(
        name=row.name,
        seq=row.seq,
        run=row.run,
        status=JobStatus(row.status),
        status_detail=row.status_detail,
        spec=JobSpec.from_json(row.spec),
        progress=Progress(**row.progress),
        created_at=created,
        started_at=moment(row.started_at),
        ended_at=moment(row.ended_at),
        error=row.error,
        display_name=row.display_name,
        folder=folder / row.name,
        labels=row.labels or {},
    )


def output_folder(spec: JobSpec, job_folder: Path) -> Path:
    """Return the folder of a job's output and of its script's own files."""
    if not spec.output_path:
        return job_folder / "outputs" / "score"
    return job_folder.parent.parent / spec.output_path  # which is absolute, unless it lies in the workspace


def find(connection: Connection, name: str) -> Row[Any]:
    """Return the row of the job: by its name, its child's, or the beginning of the name of exactly one.

    Raises
    ------
    ResourceNotFoundError
        If no job, or more than one, is meant.
    """
    if not isinstance(name, str) or not name:
        raise ResourceNotFoundError(kind="job", name=name)
    for exact in (name, name.removesuffix(CHILD_SUFFIX)):
        row = connection.execute(select(jobs).where(jobs.c.name == exact)).one_or_none()
        if row is not None:
            return row
    return _by_prefix(connection, name)


def new_name(connection: Connection) -> str:
    """Return a name that no job has: two words and four hexadecimal digits."""
    while True:
        name = f"{secrets.choice(_COLOURS.split())}-{secrets.choice(_ANIMALS.split())}-{secrets.token_hex(2)}"
        if connection.execute(select(jobs.c.seq).where(jobs.c.name == name)).first() is None:
            return name


def checked_name(name: str) -> str:
    """Return `name`, which then can be that of a job and not of a child."""
    check_name("job", name)
    if name.lower().endswith(CHILD_SUFFIX):
        raise ValidationException(
            field="name",
            value=name,
            reason=f"ends with {CHILD_SUFFIX!r}, as the child of every job does",
            hint="Use another ending.",
        )
    return name


def can_resume(job: JobRecord) -> bool:
    """Return whether a new run of the job, which has ended, could have something to do."""
    return job.status is not JobStatus.COMPLETED or bool(job.progress.failed or job.progress.files_failed)


def check_new_run(job: JobRecord, *, after: int | None) -> None:
    """Pass when a new run of the job may begin; `after`: only if this is still its last run.

    Raises
    ------
    StateError
        If not.
    """
    if not job.status.is_terminal:
        raise StateError(
            f"Job {job.name} is {job.status}; only an ended job can be resumed.", target="status"
        )
    if after is not None and job.run != after:
        raise StateError(
            f"Job {job.name} was resumed by somebody else meanwhile: it is in run {job.run} now.",
            target="run",
        )
    if not can_resume(job):
        raise StateError(f"Job {job.name} is complete: there is nothing left to do.", target="status")


def request_of(spec: JobSpec) -> str:
    """Return a digest of what the caller asked for, by which a repeated request is recognised."""
    asked = {
        "endpoint": spec.endpoint,
        "deployment": spec.deployment,
        "input": [spec.input_reference, spec.input_type, spec.recursive],
        "output": [spec.output_path, spec.overwrite],
        "settings": spec.settings.to_json(),
        "experiment": spec.experiment_name,
        "properties": spec.properties,
    }
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


def _by_prefix(connection: Connection, prefix: str) -> Row[Any]:
    # A range and not LIKE, in which an underscore stands for anything; the index answers it.
    start = jobs.c.name.between(prefix, f"{prefix}{_LAST}")
    found = select(jobs.c.seq, jobs.c.name).where(start).order_by(jobs.c.seq.desc()).limit(9)
    rows = connection.execute(found).all()
    if len(rows) == 1:
        return connection.execute(select(jobs).where(jobs.c.seq == rows[0].seq)).one()
    if rows:
        names = ", ".join(row.name for row in rows[:8])
        raise ResourceNotFoundError(
            f"{prefix!r} is the beginning of more than one job's name.", kind="job", hint=f"Known: {names}."
        )
    known = connection.execute(select(jobs.c.name).order_by(jobs.c.seq.desc()).limit(200)).scalars().all()
    raise ResourceNotFoundError(kind="job", name=prefix, known=known)
