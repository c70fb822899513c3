"""The first rows of a result, however large it is."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from batchmagic.errors import StateError
from batchmagic.sdk.preview import preview

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
