"""A database from the first release is opened by several processes at once, or goes forward under one that has it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from workspace_support import tree

from batchmagic.errors import SchemaTooNew
from batchmagic.workspace.migrations import MIGRATIONS
from batchmagic.workspace.store_file import APPLICATION_ID

NEWEST = MIGRATIONS[-1][0]


def test_of_several_that_bring_it_up_to_date_at_once_all_go_on(ws, tmp_path, peers):
    folder = tmp_path / "old"
    folder.mkdir(mode=0o700)
    with closing(sqlite3.connect(folder / "workspace.db")) as connection:
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.executescript((Path(__file__).parent / "schema_1.sql").read_text())
    all_ = [peers() for _ in range(3)]
    for one in all_:
        one.ask("from batchmagic.workspace import Workspace")
    for one in all_:
        one.tell(
            f"w = Workspace.open({str(folder)!r}); c = w.claims.acquire('x', force=True); "
            "answer = (len(w.jobs.list()), c.epoch)"
        )
    assert sorted(one.hear() for one in all_) == ["(0, 1)", "(0, 2)", "(0, 3)"]
    with closing(sqlite3.connect(folder / "workspace.db")) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (NEWEST,)
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    with ws.database.read() as connection:
        assert names == set(connection.exec_driver_sql("SELECT name FROM sqlite_master").scalars())


def test_who_has_it_open_while_it_goes_forward_reads_on_and_writes_no_more(ws, spec):
    job = ws.jobs.submit(spec())
    with closing(sqlite3.connect(ws.root / "workspace.db")) as connection:
        connection.execute("CREATE TABLE of_tomorrow (a)")
        connection.execute(f"PRAGMA user_version = {NEWEST + 1}")
    assert ws.jobs.get(job.name) == job
    before = tree(ws.root / "jobs"), ws.jobs.list()
    for write in (lambda: ws.jobs.submit(spec()), lambda: ws.jobs.request_cancel(job.name)):
        with pytest.raises(SchemaTooNew, match=f"schema {NEWEST + 1}; .* up to {NEWEST}"):
            write()
    assert (tree(ws.root / "jobs"), ws.jobs.list()) == before
