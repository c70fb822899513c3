"""The output in every form, with the types of its columns."""

from __future__ import annotations

import json

import pandas as pd
import pyarrow.parquet as pq
import pytest

from batchmagic.errors import StateError

# Codes that look like numbers, whole numbers in one mini-batch and fractions in the next, a gap, a late column.
TABLE = """
import os
import pandas as pd

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    first = name == "000.csv"
    frame = pd.DataFrame({
        "code": ["007", "a b"] if first else ["0", None],
        "amount": [1, 2] if first else [0.5, 1e20],
        "whole": pd.array([3, 2**53 + 1] if first else [None, 4], dtype="Int64"),
        "good": [True, False],
    })
    if not first:
        frame["late"] = ["x,y", 'say "no"']
    return frame
"""

# pandas turns a column of whole numbers with a gap into fractions.
WIDE = """
import os
import pandas as pd

def run(mini_batch):
    first = os.path.basename(mini_batch[0]) == "000.csv"
    moment = "2024-05-06T07:08:09.123456789" if first else "2024-05-06"
    return pd.DataFrame({"id": [2**62 + 1, 3] if first else [None, 4], "at": pd.to_datetime([moment] * 2)})
"""

ITEMS = """
def run(mini_batch):
    return ["007", "12"]
"""

CLASHING = """
import os

def run(mini_batch):
    return [b"\\x00" if os.path.basename(mini_batch[0]) == "001.csv" else "text"]
"""

TYPES = {"code": "text", "amount": "double", "whole": "integer", "good": "boolean", "late": "text"}
FIRST = [("007", 1.0, 3, True, None), ("a b", 2.0, 2**53 + 1, False, None)]
SECOND = [("0", 0.5, None, True, "x,y"), (None, 1e20, 4, False, 'say "no"')]


@pytest.fixture(scope="module")
def table(lab):
    """Two mini-batches; the same deployment serves every form."""
    return lab.deploy("table", TABLE, mini_batch_size=1, max_concurrency_per_instance=1)


def same(frame: pd.DataFrame) -> None:
    """Check the rows that `jobs.result` returns: values and types, whatever the form was."""
    assert list(frame.columns) == list(TYPES)
    assert {name: str(frame[name].dtype) for name in ("amount", "good")} == {
        "amount": "float64",
        "good": "bool",
    }
    assert pd.api.types.is_string_dtype(frame["code"])
    rows = [tuple(None if pd.isna(v) else v for v in row) for row in frame.itertuples(index=False)]
    assert rows == FIRST + SECOND
    assert isinstance(frame["whole"].iloc[1].item() if hasattr(frame["whole"].iloc[1], "item") else 0, int)


def test_csv(lab, table):
    record = lab.run(table, 2, output_format="csv")
    assert lab.output(record.name).decode() == (
        "code,amount,whole,good,late\n"
        "007,1,3,True,\n"
        "a b,2,9007199254740993,False,\n"
        '0,0.5,,True,"x,y"\n'
        ',1e+20,4,False,"say ""no"""\n'
    )
    same(lab.client.jobs.result(record.name))


def test_jsonl(lab, table):
    record = lab.run(table, 2, output_file_name="rows.jsonl")
    rows = [json.loads(line) for line in lab.lines(record.name)]
    assert [tuple(row.get(name) for name in TYPES) for row in rows] == FIRST + SECOND
    same(lab.client.jobs.result(record.name))


def test_parquet(lab, table):
    record = lab.run(table, 2, output_file_name="rows.parquet")
    path = lab.root / "jobs" / record.name / "outputs" / "score" / "rows.parquet"
    found = pq.read_table(path)
    types = {field.name: str(field.type) for field in found.schema}
    assert types == {"code": "string", "amount": "double", "whole": "int64", "good": "bool", "late": "string"}
    assert [tuple(row.values()) for row in found.to_pylist()] == FIRST + SECOND
    same(lab.client.jobs.result(record.name))


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_wide_numbers_beside_fractions_become_fractions(lab, form):
    lab.deploy("wide", WIDE, mini_batch_size=1)
    record = lab.run("wide", 2, output_format=form)
    assert record.status == "Completed", record.status_detail
    frame = lab.client.jobs.result(record.name)
    assert frame["id"].tolist()[:2] == [float(2**62 + 1), 3.0]
    assert (
        frame["at"].dt.strftime("%Y-%m-%dT%H:%M:%S").tolist()
        == ["2024-05-06T07:08:09"] * 2 + ["2024-05-06T00:00:00"] * 2
    )


def test_azure_is_what_a_csv_means_when_nothing_is_said(lab, table):
    record = lab.run(table, 2)
    assert lab.lines(record.name) == [
        "007 1 3 True",
        '"a b" 2 9007199254740993 False',
        "0 0.5  True x,y",
        ' 1e+20 4 False "say ""no"""',
    ]


def test_summary_only_counts_and_keeps_nothing(lab, table):
    record = lab.run(table, 2, output_action="summary_only")
    assert (record.status, record.progress.rows) == ("Completed", 4)
    assert [p for p in (lab.root / "jobs" / record.name / "outputs").rglob("*") if p.is_file()] == []
    with pytest.raises(StateError, match="kept no rows"):
        lab.client.jobs.result(record.name)


@pytest.mark.parametrize("form", ["azure", "csv", "jsonl", "parquet"])
def test_text_stays_text(lab, form):
    lab.deploy("items", ITEMS, mini_batch_size=1)
    record = lab.run("items", 1, output_format=form)
    frame = lab.client.jobs.result(record.name)
    assert frame["result"].tolist() == ["007", "12"]


def test_columns_that_do_not_fit_fail_their_mini_batch_by_name(lab):
    lab.deploy("clashing", CLASHING, mini_batch_size=1, max_concurrency_per_instance=1)
    record = lab.run("clashing", 3, output_format="csv", max_retries=0)
    assert (record.status, record.progress.files_failed) == ("Completed", 1)
    assert lab.failed_attempts(record.name) == {1: 1}
    assert "'result'" in lab.log(record.name, "failed_files.csv")


def test_an_output_that_exists_is_replaced_only_when_asked(lab):
    lab.deploy("items", ITEMS, mini_batch_size=1)
    target = lab.new_folder("out")
    target.mkdir()
    (target / "predictions.csv").write_text("mine\n")
    data = lab.data(1)
    invoke = lab.client.batch_endpoints.invoke
    job = invoke(
        "batch", deployment_name="items", input=str(data), outputs={"score": f"{target}/"}, overwrite=True
    )
    assert lab.ended(job.name).status == "Completed"
    assert (target / "predictions.csv").read_text() == "007\n12\n"
    assert [p.name for p in target.iterdir()] == ["predictions.csv"]
