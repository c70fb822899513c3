"""The schema: what migrations lead to is what a new workspace has; and the store is quick enough."""

from __future__ import annotations

import time

from sqlalchemy import MetaData

from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.workspace import Workspace, migrations, tables
from batchmagic.workspace.database import open_database


def schema(database):
    with database.read() as connection:
        rows = connection.exec_driver_sql(
            "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'sqlite%'"
        )
        return sorted(map(tuple, rows))


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
    if numbers:  # the oldest schema is built from the steps alone once there are any
        migrated = open_database(
            tmp_path / "m.db", metadata=MetaData(), migrations=migrations.MIGRATIONS, create=True
        )
        assert schema(migrated) == schema(ws.database)
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
