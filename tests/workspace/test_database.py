"""The database: made whole, judged before it is used, one writer, snapshots, migrations."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, func, insert, select

from batchmagic.errors import SchemaTooNew, StoreCorrupted, WorkspaceError
from batchmagic.workspace.database import open_database

metadata = MetaData()
items = Table("items", metadata, Column("id", Integer, primary_key=True), Column("word", Text))

OPEN = """
from pathlib import Path; from sqlalchemy import *; from batchmagic.workspace.database import open_database
metadata = MetaData(); items = Table("items", metadata, Column("id", Integer, primary_key=True), Column("word", Text))
"""


def opened(path, **options):
    return open_database(path, metadata=metadata, **{"create": True, **options})


def words(database):
    with database.read() as connection:
        return connection.execute(select(items.c.word).order_by(items.c.id)).scalars().all()


def add(database, word):
    with database.write() as connection:
        connection.execute(insert(items).values(word=word))


@pytest.fixture
def database(tmp_path):
    found = opened(tmp_path / "store.db")
    yield found
    found.close()


def pragma(database, name):
    with database.read() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_a_new_database_is_durable_private_and_in_wal(tmp_path):
    before = os.umask(0)
    try:
        database = opened(tmp_path / "store.db")
        add(database, "a")
    finally:
        os.umask(before)
    assert (pragma(database, "journal_mode"), pragma(database, "synchronous")) == ("wal", 2)
    assert pragma(database, "busy_timeout") == 30_000
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"store.db": 0o600, "store.db-wal": 0o600, "store.db-shm": 0o600}
    database.close()


def test_the_marker_of_the_workspace_chooses_the_rollback_journal(tmp_path):
    (tmp_path / "journal").write_text("delete\n")
    folder = tmp_path / "jobs" / "one"
    folder.mkdir(parents=True)
    database = opened(folder / "ledger.db")
    add(database, "a")
    assert pragma(database, "journal_mode") == "delete"
    assert words(database) == ["a"]
    assert [path.name for path in folder.iterdir()] == ["ledger.db"]
    database.close()


def test_what_is_not_there_is_not_made_unless_asked(tmp_path):
    for options in ({"create": False}, {"create": True, "readonly": True}):
        with pytest.raises(WorkspaceError, match=r"There is no database .*store\.db"):
            opened(tmp_path / "store.db", **options)
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_nothing(database):
    def fail():
        with database.write() as connection:
            connection.execute(insert(items).values(word="lost"))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    add(database, "kept")
    assert words(database) == ["kept"]


def test_reading_cannot_write_and_sees_one_state(database):
    add(database, "a")
    with database.read() as connection:
        assert connection.execute(select(func.count()).select_from(items)).scalar() == 1
        add(database, "b")
        assert connection.execute(select(func.count()).select_from(items)).scalar() == 1
        with pytest.raises(WorkspaceError, match="cannot be written"), database.read() as other:
            other.execute(insert(items).values(word="x"))
    assert words(database) == ["a", "b"]


def test_a_write_in_a_write_of_the_same_thread_is_an_error_and_no_deadlock(database):
    with database.write(), pytest.raises(RuntimeError, match="open already"), database.write():
        pass
    add(database, "still works")


def test_threads_and_processes_all_get_to_write(database, tmp_path, peers):
    others = [peers() for _ in range(2)]
    for other in others:
        other.ask(
            f"exec({OPEN!r}); db = open_database(Path({str(database.path)!r}), metadata=metadata, create=False)"
        )
        line = (
            "exec(\"for i in range(50):\\n with db.write() as c: c.execute(insert(items).values(word='p'))\")"
        )
        other.tell(line)

    def work():
        for _ in range(50):
            add(database, "t")

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [other.hear() for other in others] == ["None", "None"]
    assert sorted(words(database)) == ["p"] * 100 + ["t"] * 200


def test_readers_do_not_wait_for_a_writer_elsewhere(database, peer):
    add(database, "a")
    peer.ask(
        f"exec({OPEN!r}); db = open_database(Path({str(database.path)!r}), metadata=metadata, create=False)"
    )
    peer.ask("w = db.write(); c = w.__enter__(); c.execute(insert(items).values(word='b'))")
    assert words(database) == ["a"]
    peer.ask("w.__exit__(None, None, None)")
    assert words(database) == ["a", "b"]


def test_a_killed_writer_leaves_the_state_before_its_transaction(database, peer):
    peer.ask(
        f"exec({OPEN!r}); db = open_database(Path({str(database.path)!r}), metadata=metadata, create=False)"
    )
    peer.ask("w = db.write(); w.__enter__().execute(insert(items).values(word='lost'))")
    peer.end()
    add(database, "kept")
    assert words(database) == ["kept"]


def _cut(content):
    return content[: len(content) // 2]


def _flip(content):
    return content[:4096] + bytes(byte ^ 0x5A for byte in content[4096:8192]) + content[8192:]


def _foreign(_content, tmp):
    with sqlite3.connect(tmp) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    return tmp.read_bytes()


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _flip,
        lambda _c: b"",
        lambda _c: b"name,value\n1,2\n" * 100,
        lambda c: b"\0" * 100 + c[100:],
        _foreign,
    ],
    ids=["cut off", "flipped", "empty", "not a database", "no header", "of another program"],
)
@pytest.mark.parametrize("readonly", [False, True])
def test_a_damaged_file_is_named_and_keeps_every_byte(tmp_path, damage, readonly):
    path = tmp_path / "store.db"
    database = opened(path)
    for number in range(300):
        add(database, f"word {number}" * 20)
    database.close()
    content = path.read_bytes()
    damaged = damage(content, tmp_path / "theirs.db") if damage is _foreign else damage(content)
    path.write_bytes(damaged)
    with pytest.raises(StoreCorrupted, match=r"store\.db is damaged") as caught:
        opened(path, readonly=readonly)
    assert "backup" in caught.value.hint
    assert path.read_bytes() == damaged


def test_damage_beside_a_write_ahead_log_is_not_made_worse(tmp_path, peer):
    path, log = tmp_path / "store.db", tmp_path / "store.db-wal"
    database = opened(path)
    for number in range(300):
        add(database, f"word {number}" * 20)
    database.close()
    peer.ask(f"exec({OPEN!r}); db = open_database(Path({str(path)!r}), metadata=metadata, create=False)")
    peer.ask(
        "w = db.write(); w.__enter__().execute(insert(items).values(word='last')); w.__exit__(None, None, None)"
    )
    peer.end()  # killed, so what it wrote is in the log only
    content = path.read_bytes()  # a page that the log does not hold anew
    path.write_bytes(content[: 6 * 4096] + b"\xa5" * 4096 + content[7 * 4096 :])
    before = path.read_bytes(), log.read_bytes()
    assert before[1]
    with pytest.raises(StoreCorrupted):
        opened(path)
    assert (path.read_bytes(), log.read_bytes()) == before


def test_damage_that_shows_while_working_is_named_too(database, tmp_path):
    for number in range(500):
        add(database, f"word {number}" * 20)
    database.close()
    with database.read() as connection:
        connection.exec_driver_sql("SELECT 1")
        with database.path.open("r+b") as file:
            file.seek(4096)
            file.write(b"\xff" * 40_000)
    database.close()
    with pytest.raises(StoreCorrupted, match=r"store\.db"):
        words(database)


def test_readonly_neither_writes_nor_changes_a_byte(database):
    add(database, "a")
    database.close()
    content = database.path.read_bytes()
    reader = opened(database.path, create=False, readonly=True)
    assert words(reader) == ["a"]
    with pytest.raises(WorkspaceError, match="reading only"), reader.write():
        pass
    reader.close()
    assert database.path.read_bytes() == content


NEWER = (2, ["ALTER TABLE items ADD COLUMN extra TEXT"])


def test_a_schema_newer_by_additions_is_read_and_not_written(database):
    add(database, "a")
    database.close()
    opened(database.path, migrations=[NEWER]).close()
    old = opened(database.path)
    assert words(old) == ["a"]
    with pytest.raises(SchemaTooNew, match=r"schema 2; .* up to 1"), old.write():
        pass
    old.close()


def test_a_schema_of_another_generation_is_not_even_read(database):
    database.close()
    opened(database.path, migrations=[NEWER, (1000, [])]).close()
    with pytest.raises(SchemaTooNew, match="schema 1000"):
        opened(database.path)


def test_migrations_run_once_and_in_order(database):
    add(database, "a")
    database.close()
    ran = []
    steps = [
        NEWER,
        (3, [lambda connection: ran.append(connection.exec_driver_sql("SELECT extra FROM items").all())]),
        (4, ["UPDATE items SET extra = 'four'"]),
    ]
    for _ in range(2):
        migrated = opened(database.path, migrations=steps)
        with migrated.read() as connection:
            assert connection.exec_driver_sql("SELECT extra FROM items").scalars().all() == ["four"]
            assert connection.exec_driver_sql("PRAGMA user_version").scalar() == 4
        migrated.close()
    assert ran == [[(None,)]]


@pytest.mark.parametrize("last", range(3))
def test_a_kill_at_any_step_of_a_migration_leaves_the_old_schema(database, peer, last):
    database.close()
    steps = ["ALTER TABLE items ADD COLUMN one TEXT", "CREATE TABLE more (a)", "UPDATE items SET one = 'x'"]
    program = (
        f"exec({OPEN!r}); import os; steps = {steps!r}; steps.insert({last + 1}, lambda c: os._exit(9)); "
        f"open_database(Path({str(database.path)!r}), metadata=metadata, migrations=[(2, steps)], create=False)"
    )
    assert peer.ask(program) == ""
    reopened = opened(database.path)
    assert pragma(reopened, "user_version") == 1
    with reopened.read() as connection:
        assert len(connection.exec_driver_sql("PRAGMA table_info(items)").all()) == 2
        tables = (
            connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type = 'table'").scalars().all()
        )
    assert tables == ["items"]
    reopened.close()


def test_of_two_processes_that_migrate_at_once_one_does(database, peers):
    database.close()
    program = (
        f"exec({OPEN!r}); ran = []; steps = ['ALTER TABLE items ADD COLUMN extra TEXT', lambda c: ran.append(1)]; "
        f"db = open_database(Path({str(database.path)!r}), metadata=metadata, migrations=[(2, steps)], create=False); "
        "answer = len(ran)"
    )
    both = [peers(), peers()]
    for one in both:
        one.ask("import batchmagic.workspace.database")
    for one in both:
        one.tell(program)
    assert sorted(one.hear() for one in both) == ["0", "1"]


def test_of_many_processes_that_create_at_once_all_use_one_file(tmp_path, peers):
    all_ = [peers() for _ in range(3)]
    for round_ in range(3):
        path = tmp_path / str(round_) / "store.db"
        path.parent.mkdir()
        for number, one in enumerate(all_):
            one.tell(
                f"exec({OPEN!r}); db = open_database(Path({str(path)!r}), metadata=metadata, create=True); "
                f"w = db.write(); w.__enter__().execute(insert(items).values(word='{number}')); "
                "w.__exit__(None, None, None)"
            )
        assert [one.hear() for one in all_] == ["None"] * 3
        database = opened(path)
        assert sorted(words(database)) == ["0", "1", "2"]
        database.close()
        assert [found.name for found in path.parent.iterdir() if "new" in found.name] == []


def test_the_slower_of_two_that_create_does_not_replace_the_others_file(tmp_path, peer):
    path, gate = tmp_path / "store.db", tmp_path / "gate"
    os.mkfifo(gate)
    peer.ask(f"exec({OPEN!r}); import os; link = os.link")
    peer.ask(f"os.link = lambda *names: (open({str(gate)!r}).read(), link(*names))")
    peer.tell(
        f"db = open_database(Path({str(path)!r}), metadata=metadata, create=True); "
        "r = db.read(); answer = r.__enter__().execute(select(items.c.word)).scalars().all()"
    )
    with gate.open("w"):  # its file is ready and has no name yet
        database = opened(path)
        add(database, "first")
    assert peer.hear() == "['first']"
    assert words(database) == ["first"]
    database.close()
    peer.end()


def test_a_full_disk_says_so(database):
    def fill():
        with database.write() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 4")
            connection.execute(insert(items), [{"word": "x" * 4000}] * 50)

    with pytest.raises(WorkspaceError, match=r"store\.db cannot be read or written: the disk at /.* is full"):
        fill()
    database.close()
    add(database, "there is room again")
