"""Databases looked into without a byte of them changed, also damaged ones and on a disk that cannot be written.

An ordinary look makes files beside a database in write-ahead mode, or mends them. This one does neither.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchmagic.errors import StoreCorrupted, WorkspaceError
from batchmagic.workspace import store_file
from batchmagic.workspace.database import journal_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_COUNTERS = ("completed", "failed", "files_failed", "rows")
_RECOUNT = """
SELECT coalesce(sum(ok), 0), count(*) - coalesce(sum(ok), 0),
       (SELECT coalesce(sum(files), 0) FROM commits WHERE ok = 0), coalesce(sum(rows), 0)
FROM (SELECT min(ok) AS ok, sum(rows) AS rows FROM commits GROUP BY mini_batch)
"""
_ENDS = """
SELECT segments.name, max(commits.offset + commits.length) FROM commits
JOIN segments ON segments.id = commits.segment WHERE commits.ok = 1 GROUP BY segments.name
"""
_LATEST = """
SELECT v.endpoint || '/' || v.name, v.interpreter, v.model_type, v.code_dir FROM deployment_versions v
JOIN deployments d ON d.endpoint = v.endpoint AND d.name = v.name AND d.version = v.version
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class JobRow:
    """A job as its row says, with no more than a look needs."""

    name: str
    status: str
    compute: str
    interpreter: str
    files_failed: int


@dataclass(frozen=True, kw_only=True, slots=True)
class DeploymentRow:
    """The newest version of a deployment."""

    name: str
    interpreter: str
    is_mlflow: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What ``workspace.db`` holds.

    Attributes
    ----------
    claims
        The rows of the claims that are held.
    """

    schema: int
    jobs: tuple[JobRow, ...]
    deployments: tuple[DeploymentRow, ...]
    claims: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class LedgerFacts:
    """What a ledger holds.

    Attributes
    ----------
    stored, counted
        The counters, and what they should be by the commits themselves.
    ends
        How many bytes of each segment the committed rows need.
    """

    schema: int
    stored: tuple[int, ...]
    counted: tuple[int, ...]
    ends: dict[str, int]


@contextlib.contextmanager
def untouched(path: Path) -> Iterator[sqlite3.Connection]:
    """Give a connection that reads what is committed and changes nothing, neither the file nor those beside it.

    Raises
    ------
    StoreCorrupted
        If the file is damaged.
    WorkspaceError
        If it cannot be read without being changed.
    """
    try:
        with contextlib.closing(sqlite3.connect(_address(path), uri=True, timeout=5.0)) as connection:
            yield connection
    except (sqlite3.Error, UnicodeDecodeError) as error:
        known = store_file.translated(path, error) if isinstance(error, sqlite3.Error) else None
        raise known or StoreCorrupted(path=str(path), reason=str(error)) from error


def _address(path: Path) -> str:
    log, index = (path.with_name(f"{path.name}-{end}") for end in ("wal", "shm"))
    if log.exists():
        if not index.exists():
            raise WorkspaceError(
                f"{path} was not closed well and cannot be looked into without being mended.",
                target="workspace",
            )
        return f"{store_file.uri(path, mode='ro')}&readonly_shm=1"
    if journal_of(path) == "delete":
        return store_file.uri(path, mode="ro")
    # Nobody has it open, or there would be a log.
    return f"{store_file.uri(path, mode='ro')}&immutable=1"


def check(path: Path, connection: sqlite3.Connection, *, pages: bool) -> int:
    """Return the schema number of a sound database of ours.

    Parameters
    ----------
    pages
        Look at every page, which takes a second per 100 MB.

    Raises
    ------
    StoreCorrupted
        If it is none.
    """
    if path.stat().st_size == 0:
        raise StoreCorrupted(path=str(path), reason="the file is empty")
    if connection.execute("PRAGMA application_id").fetchone()[0] != store_file.APPLICATION_ID:
        raise StoreCorrupted(path=str(path), reason="it is not a database of batchmagic")
    if pages:
        finding = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        if finding != "ok":
            raise StoreCorrupted(path=str(path), reason=finding.replace("\n", " ").replace("*** ", ""))
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def contents(path: Path) -> Contents:
    """Return what ``workspace.db`` at `path` holds.

    Raises
    ------
    StoreCorrupted
        If it is damaged.
    WorkspaceError
        If it cannot be read without being changed.
    """
    with untouched(path) as connection:
        schema = check(path, connection, pages=True)
        connection.row_factory = sqlite3.Row
        return Contents(
            schema=schema,
            jobs=tuple(map(_job, connection.execute("SELECT * FROM jobs ORDER BY seq DESC"))),
            deployments=tuple(map(_deployment, connection.execute(_LATEST))),
            claims=tuple(dict(row) for row in connection.execute("SELECT * FROM claims WHERE held")),
        )


def _job(row: sqlite3.Row) -> JobRow:
    return JobRow(
        name=row["name"],
        status=row["status"],
        compute=row["compute"],
        interpreter=json.loads(row["spec"])["interpreter"]["executable"],
        files_failed=json.loads(row["progress"]).get("files_failed", 0),
    )


def _deployment(row: sqlite3.Row) -> DeploymentRow:
    return DeploymentRow(
        name=row[0],
        interpreter=json.loads(row["interpreter"])["executable"],
        is_mlflow=row["model_type"] == "mlflow_model" and row["code_dir"] is None,
    )


def ledger(path: Path, *, pages: bool) -> LedgerFacts:
    """Return what the ledger at `path` holds, all of it as of one moment.

    Raises
    ------
    StoreCorrupted
        If it is damaged.
    WorkspaceError
        If it cannot be read without being changed.
    """
    with untouched(path) as connection:
        schema = check(path, connection, pages=pages)
        connection.execute("BEGIN")
        stored = connection.execute(f"SELECT {', '.join(_COUNTERS)} FROM progress").fetchone()  # noqa: S608 - ours
        counted = connection.execute(_RECOUNT).fetchone()
        ends = dict(connection.execute(_ENDS).fetchall())
    return LedgerFacts(schema=schema, stored=tuple(stored or counted), counted=tuple(counted), ends=ends)
