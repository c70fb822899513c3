"""From spool and ledger to the output file."""

from __future__ import annotations

import json
import os

import pandas as pd
import pytest

from batchmagic import failpoints
from batchmagic.constants import OutputFormat
from batchmagic.entities.progress import Progress
from batchmagic.errors import Fenced
from batchmagic.scoring.assemble import SpoolDamaged, assemble
from batchmagic.scoring.segments import SegmentWriter
from batchmagic.scoring.spool import forget_earlier, spool_of
from batchmagic.workspace.ledger import Ledger
from batchmagic.workspace.ledger_entries import Commit, Failure


@pytest.fixture
def job(tmp_path):
    """Return a function that commits mini-batches ``(number, part, bytes, columns)`` in the order given."""
    spool_of(tmp_path).mkdir()
    ledger = Ledger.open(tmp_path)
    ledger.begin(epoch=1, run=1, mini_batches=10, files=10)

    def commit(*rows, encoding="csv"):
        writer = SegmentWriter(spool_of(tmp_path), "1-i0-0")
        commits = []
        for number, part, data, columns in rows:
            writer.begin()
            writer.write(data)
            place = writer.end()
            commits.append(
                Commit(
                    mini_batch=number,
                    part=part,
                    ok=True,
                    attempt=1,
                    files=1,
                    rows=data.count(b"\n"),
                    place=place,
                    encoding=encoding,
                    columns=tuple(columns),
                )
            )
        writer.sync()
        writer.close()
        ledger.commit(1, commits=commits, failures=[], progress=Progress())
        return ledger

    yield commit
    ledger.close()


A_INT, A_TEXT, B_TEXT = ("a", "integer"), ("a", "text"), ("b", "text")


def test_rows_stand_in_the_order_of_the_input_whatever_the_workers_did(job, tmp_path):
    ledger = job(
        (2, 0, b"2\n", [A_INT]), (0, 0, b"0\n", [A_INT]), (1, 2, b"1b\n", [A_TEXT]), (1, 1, b"1a\n", [A_TEXT])
    )
    columns = assemble(ledger, tmp_path, tmp_path / "out" / "p.csv", OutputFormat.CSV)
    assert (tmp_path / "out" / "p.csv").read_bytes() == b"a\n0\n1a\n1b\n2\n"
    assert columns == (A_TEXT,)


def test_csv_columns_are_put_in_their_places_and_empty_text_stays_apart_from_missing(job, tmp_path):
    ledger = job(
        (0, 0, b'1,"x,""y"\n2,""\n', [A_INT, B_TEXT]),
        (1, 0, b'"line\nbreak",\n,3\n', [B_TEXT, ("c", "integer")]),
    )
    assemble(ledger, tmp_path, tmp_path / "p.csv", OutputFormat.CSV)
    assert (tmp_path / "p.csv").read_bytes() == b'a,b,c\n1,"x,""y",\n2,"",\n,"line\nbreak",\n,,3\n'


def test_azure_rows_are_copied_as_they_are(job, tmp_path):
    ledger = job((1, 0, b"c d\n", []), (0, 0, b"a b\n", []), encoding="azure")
    assemble(ledger, tmp_path, tmp_path / "p.csv", OutputFormat.AZURE)
    assert (tmp_path / "p.csv").read_bytes() == b"a b\nc d\n"


def test_json_lines_have_every_column_and_one_type_each(job, tmp_path):
    ledger = job(
        (0, 0, b'{"a":1}\n', [A_INT]), (1, 0, b'{"a":"x","b":"y"}\n', [A_TEXT, B_TEXT]), encoding="jsonl"
    )
    assemble(ledger, tmp_path, tmp_path / "p.jsonl", OutputFormat.JSONL)
    rows = [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()]
    assert rows == [{"a": "1", "b": None}, {"a": "x", "b": "y"}]


def arrow(table):
    import pyarrow as pa  # noqa: PLC0415

    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def test_parquet_unites_types_and_fills_missing_columns(job, tmp_path):
    import pyarrow as pa  # noqa: PLC0415

    first = arrow(pa.table({"a": pa.array([1, 2], pa.int64())}))
    second = arrow(pa.table({"a": pa.array([0.5, None]), "b": ["x", "y"]}))
    job((0, 0, first, [A_INT]), encoding="arrow")
    ledger = job((1, 0, second, [("a", "double"), B_TEXT]), encoding="arrow")
    assemble(ledger, tmp_path, tmp_path / "p.parquet", OutputFormat.PARQUET)
    frame = pd.read_parquet(tmp_path / "p.parquet")
    assert frame["a"].tolist()[:3] == [1.0, 2.0, 0.5]
    assert frame["b"].tolist()[2:] == ["x", "y"]
    assert frame["b"].isna().tolist() == [True, True, False, False]


@pytest.mark.parametrize("damage", ["flip", "remove"])
def test_damaged_rows_are_named_and_the_earlier_output_stays(job, tmp_path, damage):
    ledger = job((0, 0, b"0\n", [A_INT]), (1, 0, b"1\n", [A_INT]))
    (tmp_path / "p.csv").write_bytes(b"before")
    segment = next(spool_of(tmp_path).glob("*.seg"))
    if damage == "flip":
        segment.write_bytes(b"0\nX\n")
    else:
        segment.unlink()
    with pytest.raises(SpoolDamaged) as caught:
        assemble(ledger, tmp_path, tmp_path / "p.csv", OutputFormat.CSV)
    assert caught.value.keys == ([(1, 0)] if damage == "flip" else [(0, 0), (1, 0)])
    assert (tmp_path / "p.csv").read_bytes() == b"before"
    assert sorted(p.name for p in tmp_path.glob(".*")) == []


def test_a_segment_is_never_used_again(tmp_path):
    first, second = SegmentWriter(tmp_path, "1-i0-0"), SegmentWriter(tmp_path, "1-i0-0")
    names = []
    for writer in (first, second):
        writer.begin()
        writer.write(b"x")
        names.append(writer.end()[0])
        writer.close()
    assert names[0] != names[1]


def test_sync_brings_every_byte_to_the_disk(tmp_path, monkeypatch):
    synced = []
    real = os.fdatasync

    def noted(descriptor):
        real(descriptor)
        synced.append(os.fstat(descriptor).st_size)

    monkeypatch.setattr(os, "fdatasync", noted)
    writer = SegmentWriter(tmp_path, "1-i0-0")
    for length in (5, 0, 70_000):
        writer.begin()
        writer.write(b"x" * length)
        _, start, size, _ = writer.end()
        writer.sync()
        assert synced.pop() == start + size == sum((5, 0, 70_000)[: (5, 0, 70_000).index(length) + 1])
    writer.close()


def test_a_segment_that_was_cut_is_damaged_whatever_its_checksum(job, tmp_path):
    """The checksum of rows that are all gone is that of no rows."""
    ledger = job((0, 0, b"0\n", [A_INT]))
    with ledger._database.write() as connection:
        connection.exec_driver_sql("UPDATE commits SET crc = 0")
    os.truncate(next(spool_of(tmp_path).glob("*.seg")), 0)
    with pytest.raises(SpoolDamaged):
        assemble(ledger, tmp_path, tmp_path / "p.csv", OutputFormat.CSV)


def test_what_earlier_drivers_left_goes_but_for_what_the_ledger_names(job, tmp_path):
    ledger = job((0, 0, b"0\n", [A_INT]))
    spool = spool_of(tmp_path)
    named = {path.name for path in spool.glob("*.seg")}
    for name in ("1-i1-0-0.seg", "begun-1-7", "2-i0-0-0.seg", "begun-2-7"):
        (spool / name).touch()
    forget_earlier(tmp_path, 2, ledger.segments_in_use())
    assert {path.name for path in spool.iterdir()} == named | {"2-i0-0-0.seg", "begun-2-7"}


def test_what_is_not_committed_is_what_is_left(job):
    ledger = job((0, 0, b"\n", []), (1, 0, b"\n", []), (5, 0, b"\n", []))
    assert ledger.unfinished(10) == [(2, 5), (6, 10)]
    ledger.forget(1, [(1, 0)])
    assert ledger.unfinished(10) == [(1, 5), (6, 10)]


def test_files_of_a_mini_batch_that_is_not_whole_are_taken_back(job):
    ledger = job((3, 1, b"\n", []), (4, 1, b"\n", []), (4, 2, b"\n", []))
    ledger.forget_unfinished_parts(1, lambda _: 2)
    assert ledger.unfinished(6) == [(0, 4), (5, 6)]


def test_with_one_file_s_rows_the_whole_mini_batch_is_taken_back(job):
    """Otherwise the files that are left would make it count as done, and the lost rows would never be scored."""
    ledger = job((3, 1, b"\n", []), (3, 2, b"\n", []), (4, 0, b"\n", []))
    ledger.forget(1, [(3, 2)])
    assert ledger.unfinished(6) == [(0, 4), (5, 6)]


def test_one_good_file_is_a_success(job):
    ledger = job()
    assert not ledger.any_success()
    bad = Commit(mini_batch=0, part=1, ok=False, attempt=1, files=1)
    ledger.commit(1, commits=[bad], failures=[], progress=Progress())
    assert not ledger.any_success()
    good = Commit(mini_batch=0, part=2, ok=True, attempt=1, files=1)
    ledger.commit(1, commits=[good], failures=[], progress=Progress())
    assert ledger.any_success()
    assert ledger.recount().completed == 0


def test_an_earlier_claim_cannot_write_any_more(job):
    ledger = job((0, 0, b"\n", []))
    ledger.begin(epoch=2, run=1, mini_batches=10, files=10)
    with pytest.raises(Fenced):
        job((1, 0, b"\n", []))
    assert ledger.unfinished(2) == [(1, 2)]


def test_a_commit_is_all_or_nothing(job, tmp_path):
    ledger = job((0, 0, b"a\n", []))
    twin = Commit(mini_batch=0, part=0, ok=True, attempt=2, files=1)
    other = Commit(mini_batch=1, part=0, ok=True, attempt=1, files=1)
    with pytest.raises(Exception, match="UNIQUE"):
        ledger.commit(1, commits=[other, twin], failures=[], progress=Progress(completed=9))
    assert (ledger.unfinished(2), ledger.progress().completed) == ([(1, 2)], 0)


def test_a_commit_that_fails_in_its_middle_leaves_nothing(job):
    ledger = job((0, 0, b"a\n", []))
    commits = [Commit(mini_batch=1, part=0, ok=False, attempt=1, files=1)]
    failpoints.arm("ledger.mid_commit=raise:EIO")
    try:
        with pytest.raises(OSError, match=r"ledger\.mid_commit"):
            ledger.commit(1, commits=commits, failures=[failure(1)], progress=Progress(completed=7))
    finally:
        failpoints.arm("")
    assert ledger.unfinished(3) == [(1, 3)]
    assert (ledger.progress().completed, list(ledger.iter_failures()), ledger.error_groups()) == (0, [], [])
    ledger.commit(1, commits=commits, failures=[failure(1)], progress=Progress(completed=7))
    assert (ledger.progress().completed, len(list(ledger.iter_failures()))) == (7, 1)


def failure(number, message="bad", line=9, *, final=True, kind="ValueError"):
    error = {
        "type": kind,
        "message": message,
        "traceback": f"Traceback {number}",
        "frame": ["score.py", line, "run", "x = float(y)"],
        "phase": "run",
    }
    return Failure(
        mini_batch=number,
        part=0,
        attempt=1,
        kind="error",
        final=final,
        error=error,
        files=2,
        file=f"f{number}",
    )


def test_errors_are_grouped_by_type_and_line(job):
    ledger = job()
    failures = [failure(i, f"bad {i}") for i in range(13)] + [
        failure(20, line=8, kind="KeyError", final=False)
    ]
    ledger.commit(1, commits=[], failures=failures, progress=Progress())
    first, second = ledger.error_groups()
    assert (first.type, first.count, first.files, first.example_file) == ("ValueError", 13, 26, "f0")
    assert len(first.tracebacks) == 10
    assert (second.type, second.count, second.files) == ("KeyError", 1, 0)


def test_at_most_a_hundred_groups_are_kept_and_the_rest_is_counted(job):
    ledger = job()
    ledger.commit(1, commits=[], failures=[failure(i, line=i) for i in range(150)], progress=Progress())
    groups = ledger.error_groups()
    assert len(groups) == 101
    assert sum(g.count for g in groups) == 150


def test_recount_agrees_with_what_was_committed(job):
    ledger = job((0, 0, b"a\nb\n", []), (1, 1, b"c\n", []))
    failed = Commit(mini_batch=1, part=2, ok=False, attempt=1, files=1)
    ledger.commit(1, commits=[failed], failures=[], progress=Progress())
    counted = ledger.recount()
    assert (counted.completed, counted.failed, counted.rows, counted.files_failed) == (1, 1, 3, 1)
