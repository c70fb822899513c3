"""Rows come back with the names and types that were stored, from every form of output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from batchmagic.constants import OutputFormat
from batchmagic.entities.job_spec import Interpreter, JobSpec
from batchmagic.entities.settings import Settings
from batchmagic.errors import StateError
from batchmagic.scoring.child.encode import Encoder
from batchmagic.scoring.child.results import check
from batchmagic.scoring.writers import writer_for
from batchmagic.sdk.rows import read_rows

if TYPE_CHECKING:
    from pathlib import Path


def spec_of(form: str, *, script: str | None = "score.py") -> JobSpec:
    return JobSpec(
        name="j",
        endpoint="heart",
        deployment="d",
        deployment_version=1,
        compute="local",
        settings=Settings(output_format=OutputFormat(form)),
        interpreter=Interpreter(executable=sys.executable, version="3", prefix=""),
        input_path="/in",
        input_type="uri_folder",
        input_reference="in",
        scoring_script=script,
    )


def through(tmp_path: Path, form: str, returned: object) -> pd.DataFrame:
    """Encode what a script returned, write the output with it, and read that back."""
    encoded = Encoder(output_format=form).encode(check(returned), ["/in/a", "/in/b", "/in/c", "/in/d"])
    columns = tuple((name, kind) for name, kind in encoded.columns)
    path = tmp_path / "output"
    with path.open("wb") as file:
        writer = writer_for(OutputFormat(form), file, columns)
        writer.add(encoded.raw, encoded.encoding, columns)
        writer.close()
    return read_rows(path, spec_of(form), columns)


TABLE = pd.DataFrame(
    {
        "code": ["007", "", 'a "quoted", word', "two\nlines"],
        "count": [1, 2, 3, 2**53 + 1],
        "gaps": pd.array([1, None, 3, 2**53 + 1], dtype="Int64"),
        "share": [0.1, float("nan"), float("inf"), -2.5e-300],
        "yes": [True, False, True, True],
        "when": pd.to_datetime(
            ["2026-01-02", "2026-01-02 03:04:05.678901", None, "2000-01-01"], format="ISO8601"
        ),
    }
)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "azure"])
def test_a_table_comes_back_as_it_was(tmp_path: Path, form: str) -> None:
    found = through(tmp_path, form, TABLE)
    assert list(found.columns[:6]) == list(TABLE.columns)
    # Azure's form writes a missing text and an empty one alike.
    assert list(found["code"].fillna("") if form == "azure" else found["code"]) == list(TABLE["code"])
    assert found["code"].dtype == "str"
    assert found["count"].dtype == "int64"
    assert list(found["count"]) == list(TABLE["count"])
    assert found["gaps"].dtype == "Int64"
    assert list(found["gaps"].dropna()) == [1, 3, 2**53 + 1]
    assert found["share"].isna().tolist() == [False, True, False, False]
    assert found["share"].dropna().tolist() == [0.1, float("inf"), -2.5e-300]
    assert found["yes"].dtype == "bool"
    assert found["when"].isna().tolist() == [False, False, True, False]
    assert found["when"].iloc[1] == TABLE["when"].iloc[1]


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_a_missing_text_is_not_an_empty_one(tmp_path: Path, form: str) -> None:
    found = through(tmp_path, form, pd.DataFrame({"a": ["", None, "x", "y"], "b": [1, 2, 3, 4]}))
    assert found["a"].isna().tolist() == [False, True, False, False]
    assert found["a"].iloc[0] == ""


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "azure"])
@pytest.mark.parametrize(
    "items",
    [
        ["007", "8", "a b", 'say "x"'],
        [1, 2, 3, 4],
        [0.5, 1.5, 2.0, 3.0],
        [True, False, True, False],
        [[1.0, 2.5], [3.0, 4.0], [], [5.0]],
        [{"a": 1}, {"b": [2, "x"]}, {}, {"c": "it's"}],
        [1, None, 3, 4],
    ],
    ids=["text", "integers", "doubles", "booleans", "lists", "dictionaries", "gap"],
)
def test_list_items_become_the_column_result(tmp_path: Path, form: str, items: list[object]) -> None:
    found = through(tmp_path, form, items)["result"]
    assert [None if value is pd.NA else value for value in found] == items


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_bytes_come_back(tmp_path: Path, form: str) -> None:
    assert list(through(tmp_path, form, [b"\x00a", b"", b"b", b"c"])["result"]) in (
        [b"\x00a", b"", b"b", b"c"],
        [b"\x00a", None, b"b", b"c"],  # CSV has no empty bytes
    )


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet", "azure"])
def test_no_rows(tmp_path: Path, form: str) -> None:
    assert len(through(tmp_path, form, [])) == 0


def test_azures_form_of_an_mlflow_model_has_commas(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text('0,1.5,"a, b.csv"\n1,2.5,c.csv\n')
    columns = (("row", "integer"), ("prediction", "double"), ("file", "text"))
    found = read_rows(path, spec_of("azure", script=None), columns)
    assert found.to_dict("list") == {"row": [0, 1], "prediction": [1.5, 2.5], "file": ["a, b.csv", "c.csv"]}


def test_columns_that_differ_from_row_to_row_are_told(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("1 2\n3\n")
    with pytest.raises(StateError, match="different numbers of columns"):
        read_rows(path, spec_of("azure"), (("a", "integer"), ("b", "integer")))


def test_two_columns_of_one_name(tmp_path: Path) -> None:
    path = tmp_path / "predictions.csv"
    path.write_text("a,a\n1,x\n")
    found = read_rows(path, spec_of("csv"), (("a", "integer"), ("a", "text")))
    assert list(found.columns) == ["a", "a"]
    assert found.iloc[0].tolist() == [1, "x"]
