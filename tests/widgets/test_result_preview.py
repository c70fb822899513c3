"""The first rows of a result, however large it is."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from batchmagic.errors import StateError, ValidationException
from batchmagic.sdk.preview import preview, row_page

COLUMNS = (("result", "text"),)


def completed(bench, text):
    name = bench.running(mini_batches=2)
    bench.complete(name, text, COLUMNS)
    return bench.ws.jobs.get(name)


def test_a_small_file_is_read_whole(bench):
    found = preview(bench.ws, completed(bench, "a\nb\nc\n"), rows=2)
    assert found["result"].tolist() == ["a", "b"]


def test_of_a_large_file_only_the_beginning_is_read(bench):
    record = completed(bench, "".join(f"row {n}\n" for n in range(500_000)))
    path = bench.ws.job_dir(record.name) / "outputs" / "score" / "predictions.csv"
    with path.open("ab") as file:
        file.write(b"\xff\xfe broken, but far away\n")
    found = preview(bench.ws, record, rows=3)
    assert found["result"].tolist() == ["row 0", "row 1", "row 2"]


def test_a_row_that_is_larger_than_that_is_refused(bench):
    with pytest.raises(StateError, match="too long"):
        preview(bench.ws, completed(bench, "x" * 2_000_000), rows=3)


def test_of_a_large_parquet_file_only_the_first_rows_are_read(bench):
    job = bench.client.batch_endpoints.invoke(
        "heart",
        input=str(bench.root.parent / "data"),
        params_override={"output_file_name": "rows.parquet"},
    )
    bench.begin(job.name)
    bench.complete(job.name, "", (("n", "integer"),))
    path = bench.ws.job_dir(job.name) / "outputs" / "score" / "rows.parquet"
    parquet.write_table(pa.table({"n": range(500_000)}), path)
    found = preview(bench.ws, bench.ws.jobs.get(job.name), rows=3)
    pd.testing.assert_frame_equal(found, pd.DataFrame({"n": [0, 1, 2]}))


# --- pages


def output_of(bench, name, content, columns):
    """Return a completed job with this output, and the path of it."""
    job = bench.client.batch_endpoints.invoke(
        "heart",
        input=str(bench.root.parent / "data"),
        params_override={
            "output_file_name": name,
            **({"output_format": "csv"} if name == "rows.csv" else {}),
        },
    )
    bench.begin(job.name)
    bench.complete(job.name, "", columns)
    path = bench.ws.job_dir(job.name) / "outputs" / "score" / name
    if isinstance(content, pa.Table):
        parquet.write_table(content, path, row_group_size=7)
    else:
        path.write_bytes(content)
    return bench.ws.jobs.get(job.name), path


def pages_of(bench, record, path, top):
    rows, start, count = [], 0, 0
    while start is not None:
        with path.open("rb") as file:
            page = row_page(bench.ws, record, file, top=top, start=start)
        assert len(page.rows) <= top
        assert page.next is None or (len(page.rows) == top and page.next > start)
        rows, start, count = rows + page.rows, page.next, count + 1
    return rows, count


TYPED = (("n", "integer"), ("said", "text"))
SAID = ["plain", 'with "quotes"', "over\ntwo lines", "", "é, ü", "\u202eback", "<b>"]
ROWS = [[n, SAID[n % len(SAID)]] for n in range(50)]


def quoted(text):
    return '"' + text.replace('"', '""') + '"'


FORMS = {
    "rows.csv": ("n,said\n" + "".join(f"{n},{quoted(said)}\n" for n, said in ROWS)).encode(),
    "rows.jsonl": "".join(json.dumps({"n": n, "said": said}) + "\n" for n, said in ROWS).encode(),
    "rows.parquet": pa.table({"n": [n for n, _ in ROWS], "said": [said for _, said in ROWS]}),
    # Azure's form of a frame: spaces, no header.
    "rows.txt": "".join(f"{n} {quoted(said)}\n" for n, said in ROWS).encode(),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("top", [3, 50, 1000])
def test_page_by_page_all_rows_come_once_in_every_form(bench, name, top):
    record, path = output_of(bench, name, FORMS[name], TYPED)
    rows, count = pages_of(bench, record, path, top)
    assert rows == ROWS
    assert count == -(-len(ROWS) // top)


def test_lines_of_a_list_are_paged_as_they_are(bench):
    said = [f'row "{n}' for n in range(10)]
    record, path = output_of(bench, "rows.txt", "".join(f"{text}\n" for text in said).encode(), COLUMNS)
    assert pages_of(bench, record, path, 3) == ([[text] for text in said], 4)


def test_a_page_of_a_large_file_reads_little_of_it(bench, monkeypatch):
    # A file with a hole of a terabyte before its last rows.
    record, path = output_of(bench, "rows.txt", b"first\n", COLUMNS)
    with path.open("r+b") as file:
        file.seek(1 << 40)
        file.write(b"\nlast but one\nlast\n")
    with path.open("rb") as file:
        assert row_page(bench.ws, record, file, top=1, start=0).rows == [["first"]]
        page = row_page(bench.ws, record, file, top=5, start=(1 << 40) + 1)
    assert (page.rows, page.next) == ([["last but one"], ["last"]], None)


def test_cells_become_values_of_json(bench):
    table = pa.table(
        {
            "number": [1.5, float("nan"), float("inf")],
            "bytes": [b"\x00\xff", None, b""],
            "list": [[1, 2], None, []],
            "time": [datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC), None, None],
            "whole": [(1 << 60) + 1, None, 2],
        }
    )
    columns = (
        ("number", "double"),
        ("bytes", "binary"),
        ("list", "json"),
        ("time", "timestamp"),
        ("whole", "integer"),
    )
    record, path = output_of(bench, "rows.parquet", table, columns)
    rows, _ = pages_of(bench, record, path, 10)
    assert json.loads(json.dumps(rows, allow_nan=False)) == rows
    assert rows[0][0] == 1.5
    assert rows[0][2:4] == [[1, 2], "2026-01-02 03:04:05+00:00"]
    assert rows[0][4] == (1 << 60) + 1
    assert rows[1] == [None, None, None, None, None]
    assert rows[2][0] == "inf"


@pytest.mark.parametrize("name", FORMS)
def test_a_page_from_nowhere_is_refused_or_empty(bench, name):
    record, path = output_of(bench, name, FORMS[name], TYPED)
    for start in (3, 1_000_000):
        with path.open("rb") as file:
            try:
                page = row_page(bench.ws, record, file, top=5, start=start)
            except (StateError, ValidationException):
                continue
            assert start == 3 or not page.rows or name == "rows.parquet"
