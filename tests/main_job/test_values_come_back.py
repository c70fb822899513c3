"""Values of every kind, files of any name: what a script returns is what is read back, in every form (F35, F36, F39)."""

from __future__ import annotations

import csv
import json
import math
import os

import pandas as pd
import pyarrow.parquet as pq
import pytest
from main_job_support import PLAIN

# What each mini-batch returns; read by the script and by the test alike.
VALUES = """
import datetime, math

BIG = "x" * 10_000_000
ROWS = {
    "awkward": {
        "text": ["a,b", 'say "hi"', "two\\nlines", "cr\\rlf\\r\\n", " padded ", "", None, "NaN", "None", "007", "\\u00e9\\u2603"],
        "double": [0.1, float("nan"), None, float("inf"), -0.0, 5e-324, 1e308, 1.0, 2.0, 1 / 3, -1.5],
        "whole": [0, -1, 2**63 - 1, -(2**63), None, 1, 2, 3, 4, 5, 6],
        "nested": [{"a": [1, {"b": None}]}, [], {}, [1, "x,y"], None, {"q": '"'}, [[]], {"n": "\\n"}, [0.5], {}, []],
        "good": [True, False] * 5 + [True],
    },
    "big": {"text": [BIG], "double": [1.0], "whole": [1], "nested": [{"k": "v" * 1000}], "good": [True]},
    "empty": {"text": [], "double": [], "whole": [], "nested": [], "good": []},
    "more": {"text": ["m"] * 500, "double": [0.5] * 500, "whole": list(range(500)), "nested": [[i] for i in range(500)],
             "good": [True] * 500},
    "mixed": {"text": [7, "seven"], "double": [1, 2.5], "whole": [1, 2], "nested": [[1], [2]], "good": [True, False]},
}
"""
SCRIPT = """
import os
import pandas as pd
from values import ROWS

def run(mini_batch):
    rows = ROWS[os.path.basename(mini_batch[0]).partition(".")[0][1:]]
    return pd.DataFrame({name: pd.Series(values, dtype=object) for name, values in rows.items()})
"""
ORDER = ("awkward", "big", "empty", "more", "mixed")


@pytest.fixture(scope="module")
def values(lab):
    """The deployment, its files in the order of `ORDER`, and the rows that must come back."""
    scope: dict = {}
    exec(VALUES, scope)
    lab.deploy("values", SCRIPT, siblings={"values.py": VALUES}, mini_batch_size=1)
    data = lab.data([f"{number}{name}.csv" for number, name in enumerate(ORDER)])
    rows = [
        dict(zip(scope["ROWS"][name], row, strict=True))
        for name in ORDER
        for row in zip(*scope["ROWS"][name].values(), strict=True)
    ]
    for row in rows:
        row["text"] = None if row["text"] is None else str(row["text"])
    return data, rows


def same(found, wanted):
    if found is EITHER:
        return found == wanted
    if wanted is None or (isinstance(wanted, float) and math.isnan(wanted)):
        return found is None or (isinstance(found, float) and math.isnan(found)) or found is pd.NA
    return found == wanted and (
        not isinstance(wanted, float) or math.copysign(1, found) == math.copysign(1, wanted)
    )


def check(found, wanted):
    assert len(found) == len(wanted)
    wrong = [
        (number, name, str(row.get(name))[:80], str(value)[:80])
        for number, (row, whole) in enumerate(zip(found, wanted, strict=True))
        for name, value in whole.items()
        if not same(row.get(name), value)
    ]
    assert wrong == []


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_every_kind_of_value(lab, values, form):
    data, rows = values
    record = lab.run("values", data, output_format=form, output_file_name=f"rows.{form}")
    assert (record.status, record.progress.rows) == ("Completed", len(rows)), record.status_detail
    path = lab.root / "jobs" / record.name / "outputs" / "score" / f"rows.{form}"
    check(independent(path, form), rows)
    frame = lab.client.jobs.result(record.name)
    columns = {name: frame[name].astype(object).tolist() for name in frame.columns}
    check([dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)], rows)


def independent(path, form):
    """Return the rows as somebody else's reader has them, who knows the types of the columns."""
    if form == "parquet":
        return [
            row | {"nested": row["nested"] and json.loads(row["nested"])}
            for row in pq.read_table(path).to_pylist()
        ]
    if form == "jsonl":
        with path.open(newline="\n") as file:
            rows = [json.loads(line) for line in file]
        # JSON has no infinity.
        return [row | {"double": row["double"] and float(row["double"])} for row in rows]
    csv.field_size_limit(100_000_000)
    with path.open(newline="") as file:
        return [_typed(row) for row in csv.DictReader(file)]


def _typed(row):
    # This reader cannot tell an empty field from one with empty text; ours can.
    readers = {"text": lambda text: text or EITHER, "double": float, "whole": int, "nested": json.loads}
    found = {name: read(row[name]) if row[name] or name == "text" else None for name, read in readers.items()}
    return found | {"good": row["good"] == "True"}


class Either:
    """Equal to nothing and to empty text."""

    def __eq__(self, other):
        return other in {None, ""}

    __hash__ = None


EITHER = Either()


# --- names

NAMES = [
    b"line\nbreak.csv",
    b"a,b.csv",
    b'"quoted".csv',
    b"'single'.csv",
    b" blanks .csv",
    b"-rf",
    b"--help",
    b"#comment",
    b"%percent%s",
    b"{brace}",
    b"back\\slash",
    b"tab\t.csv",
    "\U0001f600.csv".encode(),
    "caf\u00e9".encode(),  # one character
    "cafe\u0301".encode(),  # the same to look at, two characters
    b"\xff\xfe.csv",  # no text at all
    b"\xff\xfd.csv",
    b"x" * 255,
    b"NUL",
    b"con.csv",
]
PATHS = """
import os

def run(mini_batch):
    for path in mini_batch:
        if open(path, "rb").read() == b"bad":
            raise ValueError(f"no good: {path}")
    return [os.fsencode(os.path.basename(path)).hex() for path in mini_batch]
"""


@pytest.fixture(scope="module")
def named(lab):
    """A folder with a file of every name."""
    folder = lab.new_folder("names")
    folder.mkdir()
    for name in NAMES:
        (folder / os.fsdecode(name)).write_bytes(b"good")
    lab.deploy("paths", PATHS, retry_settings={"max_retries": 0, "timeout": 60})
    return folder


@pytest.mark.parametrize(("form", "size"), [("azure", 1), ("csv", 3), ("jsonl", 7), ("parquet", 20)])
def test_files_of_any_name(lab, named, form, size):
    record = lab.run("paths", named, output_format=form, mini_batch_size=size)
    assert (record.status, record.progress.rows) == ("Completed", len(NAMES)), record.status_detail
    frame = lab.client.jobs.result(record.name)
    assert [bytes.fromhex(text) for text in frame["result"]] == sorted(NAMES)
    if form != "azure":
        assert frame["file"].nunique() == len(NAMES), "two files share a name in the output"


def test_a_failure_of_a_file_of_any_name_is_told_by_its_name(lab, named, capfd):
    for name in NAMES[::2]:
        (named / os.fsdecode(name)).write_bytes(b"bad")
    try:
        record = lab.run("paths", named, mini_batch_size=1, error_threshold=-1)
    finally:
        for name in NAMES:
            (named / os.fsdecode(name)).write_bytes(b"good")
    failed = NAMES[::2]
    assert (record.status, record.progress.files_failed) == ("Completed", len(failed)), record.status_detail
    with (lab.logs(record.name) / "failed_files.csv").open(
        encoding="utf-8", errors="surrogateescape", newline=""
    ) as file:
        assert [os.fsencode(row["file"]) for row in csv.DictReader(file)] == sorted(failed)
    assert len(lab.attempts(record.name)) == len(NAMES)
    groups = lab.client.jobs.error_groups(record.name)
    assert sum(group.count for group in groups) == len(failed)
    lab.client.jobs.errors(record.name).to_string()
    from batchmagic.cli.main import main  # noqa: PLC0415

    assert main(["--workspace", str(lab.root), "job", "errors", record.name]) == 0
    assert main(["--workspace", str(lab.root), "job", "show", record.name]) == 0
    assert "no good" in capfd.readouterr().out
    # And as the error that ends a job.
    for name in NAMES:
        (named / os.fsdecode(name)).write_bytes(b"bad")
    try:
        record = lab.run("paths", named, mini_batch_size=1, error_threshold=0)
    finally:
        for name in NAMES:
            (named / os.fsdecode(name)).write_bytes(b"good")
    assert record.status == "Failed"
    assert record.error["type"] == "ValueError", record.error


def test_one_file(lab):
    lab.deploy("single", PLAIN)
    record = lab.run("single", lab.data(1) / "000.csv")
    lab.assert_sound(record, files=1)
    assert record.progress.files == 1


# --- how much may fail

FLAKY = """
import os

def run(mini_batch):
    name = os.path.basename(mini_batch[0])
    if name.startswith("bad"):
        raise ValueError(name)
    return [name]
"""


@pytest.mark.parametrize(("bad", "status"), [(1, "Completed"), (2, "Completed"), (3, "Failed")])
def test_a_file_that_fails_four_times_counts_once(lab, bad, status):
    """One less than the threshold, as many, one more; each of them is tried three times again."""
    lab.deploy("flaky", FLAKY, mini_batch_size=1, retry_settings={"max_retries": 3, "timeout": 60})
    files = [f"bad{n}.csv" for n in range(bad)] + [f"good{n}.csv" for n in range(8)]
    record = lab.run("flaky", files, error_threshold=2)
    assert (record.status, record.progress.files_failed) == (status, bad)
    tries = lab.failed_attempts(record.name)
    assert {number: tries.get(number, 0) for number in range(bad)} == dict.fromkeys(range(bad), 4)
    assert record.progress.retried == 3 * bad
    if status == "Completed":
        assert record.progress.rows == 8
