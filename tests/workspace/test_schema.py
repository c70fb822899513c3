"""The schema: what migrations lead to is what a new workspace has; and the store is quick enough."""

from __future__ import annotations

import re
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from sqlalchemy import MetaData

from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.workspace import Workspace, migrations, tables
from batchmagic.workspace.database import open_database
from batchmagic.workspace.store_file import APPLICATION_ID

SCHEMA_1 = Path(__file__).with_name("schema_1.sql")


def schema(database):
    with database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'"
        )
        # Blanks differ between what SQLAlchemy writes and what a person does.
        return sorted(
            (kind, name, re.sub(r"\s+(?=\))|(?<=\()\s+|\s+(?=,)", "", " ".join((sql or "").split())))
            for kind, name, sql in rows
        )


def test_migrations_rise_and_lead_to_the_tables(ws, tmp_path):
    numbers = [number for number, _ in migrations.MIGRATIONS]
    assert numbers == sorted(set(numbers))
    assert all(number > 1 for number in numbers)
    with ws.database.read() as connection:
        assert connection.exec_driver_sql("PRAGMA user_version").scalar() == max(numbers, default=1)
        stored = MetaData()
        stored.reflect(connection)
    assert sorted(stored.tables) == sorted([*tables.metadata.tables, "sqlite_sequence"]) or sorted(
        stored.tables
    ) == sorted(tables.metadata.tables)
    oldest(tmp_path / "m.db")
    migrated = open_database(
        tmp_path / "m.db", metadata=tables.metadata, migrations=migrations.MIGRATIONS, create=False
    )
    assert schema(migrated) == schema(ws.database)
    migrated.close()


def oldest(path, *more):
    """Make the database that the first release made, from the SQL that it ran."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.executescript(SCHEMA_1.read_text())
        for statement in more:
            connection.execute(statement)
        connection.commit()


JOB = """INSERT INTO jobs (name, run, status, status_detail, endpoint, deployment, compute, spec, progress, request,
created_at, started_at, ended_at) VALUES ('old', 2, 'Failed', 'no', 'e', 'd', 'c', '{}', '{}', '', 1.0, 2.0, 3.0)"""


def test_a_job_from_before_begins_its_history_with_the_state_that_it_has(tmp_path):
    oldest(tmp_path / "m.db", JOB)
    migrated = open_database(
        tmp_path / "m.db", metadata=tables.metadata, migrations=migrations.MIGRATIONS, create=False
    )
    with migrated.read() as connection:
        found = connection.execute(tables.job_events.select()).one()
    assert found == (1, 1, 2, 3.0, "Failed", "no", None)
    migrated.close()


def test_progress_and_states_are_cheap_and_opening_too(ws, spec):
    for _ in range(200):
        ws.jobs.submit(spec())
    job = ws.jobs.submit(spec("one"))
    # Time of the processor: how long a sync takes is the disk's affair, and of whoever else uses it.
    assert best(100, lambda: ws.jobs.set_progress(job.name, Progress(completed=1))) < 0.005
    states = iter((JobStatus.PREPARING, JobStatus.RUNNING, JobStatus.FINALIZING, JobStatus.COMPLETED))
    assert best(4, lambda: ws.jobs.transition(job.name, next(states))) < 0.005
    assert best(5, lambda: Workspace.open(ws.root).close()) < 0.1


def best(times, act):
    def once():
        began = time.thread_time()
        act()
        return time.thread_time() - began

    return min(once() for _ in range(times))
