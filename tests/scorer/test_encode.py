"""The exact bytes of every form."""

from __future__ import annotations

import csv
import datetime as dt
import decimal
import enum
import io
import json
import math
import random
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmagic.scoring.child import arrow_forms
from batchmagic.scoring.child.encode import Encoder
from batchmagic.scoring.child.results import WrongResult, check
from batchmagic.scoring.child.table import tabulate
from batchmagic.scoring.columns import ColumnConflict

NO_FILES = ("/in/a.csv", "/in/b.csv") * 50


def encode(value, form: str = "csv", files=NO_FILES, root: str = "/in"):
    return Encoder(output_format=form, input_root=root).encode(check(value), files)


def rows(value, form: str = "csv") -> str:
    return encode(value, form).raw.decode()


def types(value, form: str = "csv") -> list[str]:
    return [kind for _, kind in encode(value, form).columns]


AWKWARD = ["plain", "a,b", 'say "hi"', "two\nlines", "cr\r", "", " padded ", "é☃", None, "007"]
AWKWARD_CSV = 'plain\n"a,b"\n"say ""hi"""\n"two\nlines"\n"cr\r"\n""\n padded \né☃\n""\n007\n'


@pytest.mark.parametrize(
    "value",
    [
        AWKWARD,
        tuple(AWKWARD),
        np.array(AWKWARD, dtype=object),
        pd.Series(AWKWARD),
        pd.Series(AWKWARD, dtype=object),
        (text for text in AWKWARD),
        iter(AWKWARD),
        pd.Index(AWKWARD),
        pa.array(AWKWARD),
        pa.table({"result": AWKWARD}),
        pa.record_batch({"result": AWKWARD}),
        pd.DataFrame({"result": AWKWARD}, index=[0] * len(AWKWARD)),
    ],
    ids=lambda value: type(value).__module__ + "." + type(value).__name__,
)
def test_text_is_the_same_whatever_it_comes_in(value):
    encoded = encode(value)
    assert encoded.raw.decode() == AWKWARD_CSV
    assert (encoded.columns, encoded.rows, encoded.encoding) == ([("result", "text")], 10, "csv")


def test_null_and_empty_text_differ_beside_another_column():
    frame = pd.DataFrame({"a": ["", None, "x"], "b": [1, 2, 3]})
    assert rows(frame) == '"",1\n,2\nx,3\n'


def test_every_kind_of_value_has_its_csv_its_json_and_its_type():
    class Colour(enum.Enum):
        RED = "red"

    zone = dt.timezone(dt.timedelta(hours=2))
    cases = [
        (True, "boolean", "True", "true"),
        (np.bool_(0), "boolean", "False", "false"),
        (7, "integer", "7", "7"),
        (np.uint8(7), "integer", "7", "7"),
        (2**63, "text", "9223372036854775808", '"9223372036854775808"'),
        (-(2**63), "integer", "-9223372036854775808", "-9223372036854775808"),
        (1.0, "double", "1.0", "1.0"),
        (1e22, "double", "1e+22", "1e+22"),
        (math.inf, "double", "inf", '"inf"'),
        (np.float32(0.1), "double", "0.1", "0.1"),
        (np.float64(0.1), "double", "0.1", "0.1"),
        (dt.date(2024, 1, 2), "timestamp", "2024-01-02", '"2024-01-02"'),
        (dt.datetime(2024, 1, 2, 3, 4, 5), "timestamp", "2024-01-02T03:04:05", '"2024-01-02T03:04:05"'),  # noqa: DTZ001
        (
            dt.datetime(2024, 1, 2, 3, tzinfo=zone),
            "timestamp",
            "2024-01-02T01:00:00+00:00",
            '"2024-01-02T01:00:00+00:00"',
        ),
        (pd.Timestamp("2024-01-02 03:04:05.000000006"), "timestamp", "2024-01-02T03:04:05.000000006", None),
        (np.datetime64("2024-01-02T03:04:05.5"), "timestamp", "2024-01-02T03:04:05.500000", None),
        ("text", "text", "text", '"text"'),
        (np.str_("text"), "text", "text", '"text"'),
        (Colour.RED, "text", "red", '"red"'),
        (Path("a/b"), "text", "a/b", '"a/b"'),
        (decimal.Decimal("1.10"), "text", "1.10", '"1.10"'),
        (dt.timedelta(hours=1), "text", "1:00:00", '"1:00:00"'),
        ([1, "b"], "json", '"[1,""b""]"', '[1,"b"]'),
        ((1, np.float64(2.5)), "json", '"[1,2.5]"', "[1,2.5]"),
        ({"k": [None, math.nan]}, "json", '"{""k"":[null,null]}"', '{"k":[null,null]}'),
        (np.array([[1, 2]]), "json", '"[[1,2]]"', "[[1,2]]"),
        (b"\x00\xff", "binary", "AP8=", '"AP8="'),
    ]
    for value, kind, text, in_json in cases:
        assert types([value]) == [kind], value
        assert rows([value]) == text + "\n", value
        if in_json is not None:
            assert rows([value], "jsonl") == '{"result":' + in_json + "}\n", value
    for value in (None, math.nan, pd.NA, pd.NaT, np.float64("nan"), np.datetime64("NaT")):
        assert (types([value]), rows([value]), rows([value], "jsonl")) == (
            ["null"],
            '""\n',
            '{"result":null}\n',
        )


@pytest.mark.parametrize(
    ("values", "kind", "text"),
    [
        ([1, 2.5, None], "double", '1.0\n2.5\n""\n'),
        ([1, "a", True, 2.5], "text", "1\na\nTrue\n2.5\n"),
        ([True, 1], "text", "True\n1\n"),
        ([dt.date(2024, 1, 2), 1.5], "text", "2024-01-02\n1.5\n"),
        ([{"a": 1}, "b", None], "json", '"{""a"":1}"\n"""b"""\n""\n'),
        ([2**70, 1], "text", "1180591620717411303424\n1\n"),
        ([], "null", ""),
    ],
)
def test_mixed_values_of_a_column_are_brought_to_one_type(values, kind, text):
    assert types(values) == [kind]
    assert rows(values) == text


def test_bytes_beside_text_fail_by_name():
    with pytest.raises(ColumnConflict, match="'result'"):
        encode([b"x", "y"])


def test_a_frame_of_many_types():
    frame = pd.DataFrame(
        {
            "i": np.array([1, 2], dtype="int32"),
            "f": np.array([0.1, np.nan], dtype="float32"),
            "b": [True, False],
            "t": pd.to_datetime(["2024-01-02", None]),
            "c": pd.Categorical(["x", "y"]),
            "n": pd.array([1, None], dtype="Int64"),
            "s": pd.array(["a", None], dtype="string"),
            "m": [1, "x"],
            "u": np.array([2**64 - 1, 0], dtype="uint64"),
            "e": [None, None],
        }
    )
    encoded = encode(frame)
    assert encoded.raw.decode() == (
        "1,0.1,True,2024-01-02T00:00:00,x,1,a,1,18446744073709551615,\n2,,False,,y,,,x,0,\n"
    )
    assert [kind for _, kind in encoded.columns] == [
        "integer", "double", "boolean", "timestamp", "text", "integer", "text", "text", "text", "null",
    ]  # fmt: skip
    first, second = (json.loads(line) for line in rows(frame, "jsonl").splitlines())
    assert first == {
        "i": 1, "f": 0.1, "b": True, "t": "2024-01-02T00:00:00", "c": "x", "n": 1, "s": "a", "m": "1",
        "u": "18446744073709551615", "e": None,
    }  # fmt: skip
    assert second["f"] is None
    assert second["m"] == "x"


def test_names_of_columns_are_text_and_unlike_each_other():
    frame = pd.DataFrame([[1, 2, 3, 4, 5, 6]], columns=["a", "a", 0, None, ("x", "y"), "a.1"])
    assert [name for name, _ in encode(frame).columns] == ["a", "a.1", "0", "column_3", "x_y", "a.1.1"]
    multi = pd.DataFrame([[1, 2]], columns=pd.MultiIndex.from_tuples([("a", "b"), ("a", "")]))
    assert [name for name, _ in encode(multi).columns] == ["a_b", "a"]
    assert [name for name, _ in encode(pd.Series([1], name="score")).columns] == ["score"]


def test_the_index_is_dropped_and_filtered_frames_keep_their_order():
    frame = pd.DataFrame({"a": [1, 2, 3]}, index=["x", "x", "x"])[::-1]
    assert rows(frame) == "3\n2\n1\n"


def test_the_file_is_a_column_where_each_file_has_a_row():
    files = ["/in/sub/a,b.csv", '/in/"q".csv', "/elsewhere/c.csv"]
    encoded = encode([1, 2, 3], files=files)
    assert encoded.raw.decode() == '1,"sub/a,b.csv"\n2,"""q"".csv"\n3,c.csv\n'
    assert encoded.columns == [("result", "integer"), ("file", "text")]
    assert encode([1, 2], files=files).columns == [("result", "integer")]
    named = encode(pd.DataFrame({"file": ["mine"] * 3}), files=files)
    assert (named.raw, named.columns) == (b"mine\nmine\nmine\n", [("file", "text")])
    assert encode([1, 2, 3], "azure", files=files).raw == b"1\n2\n3\n"
    assert json.loads(encode([1, 2, 3], "jsonl", files=files).raw.splitlines()[0])["file"] == "sub/a,b.csv"


def test_file_names_that_are_no_text_stay_apart():
    files = ["/in/\udcff.csv", "/in/\udcfe.csv"]
    for form in ("csv", "jsonl"):
        lines = encode(["a", "b"], form, files=files).raw.decode().splitlines()
        assert len(lines) == len(set(lines)) == 2
    table = pa.ipc.open_stream(encode(["a", "b"], "parquet", files=files).raw).read_all()
    assert table.column("file").to_pylist() == ["\\udcff.csv", "\\udcfe.csv"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (["a b", "two\nlines", 1, None, {"k": 1}], "a b\ntwo lines\n1\nNone\n{'k': 1}\n"),
        ([[1.0, np.float64(179.26986541167267)]], "[1.0, 179.26986541167267]\n"),
        ([{"a": np.int64(1), "b": (np.float32(0.5),)}], "{'a': 1, 'b': (0.5,)}\n"),
        (np.array([1.5, 2.0]), "1.5\n2.0\n"),
        (np.array([[1, 2], [3, 4]]), "[1 2]\n[3 4]\n"),
        (pd.DataFrame({"a": ["x y", 'q"', "l\nm"], "b": [1, 2.5, None]}), '"x y" 1.0\n"q""" 2.5\n"l\nm" \n'),
        (pd.Series(["x y", "z"]), '"x y"\nz\n'),
        (pa.table({"a": [1, 2], "b": ["x", None]}), "1 x\n2 \n"),
        ([], ""),
    ],
)
def test_azures_form(value, text):
    encoded = encode(value, "azure")
    assert encoded.raw.decode() == text
    assert encoded.encoding == "azure"


def test_azures_form_holds_anything_below_anything():
    encoded = encode([b"x", "y", {"k": 1}], "azure")
    assert (encoded.raw, encoded.columns) == (b"b'x'\ny\n{'k': 1}\n", [("result", "text")])
    mixed = encode(pd.DataFrame({"a": [b"x", "y"], "b": [1, 2]}), "azure")
    assert (mixed.raw, mixed.columns) == (b"b'x' 1\ny 2\n", [("a", "text"), ("b", "integer")])


def test_azures_form_leaves_nothing_of_a_long_array_out():
    array = np.arange(1500)
    assert len(rows([array], "azure").split()) == 1501
    assert len(rows([{"embedding": array}], "azure").split(",")) == 1500
    assert len(rows(pd.DataFrame({"embedding": [array]}), "azure").split()) == 1501
    assert "..." in str(array), "what the script prints itself is its own"


def test_azures_form_has_plain_numbers_inside_nested_values():
    nested = [[np.float64(1.5), (np.int64(2),)], {"k": np.float32(0.1)}]
    assert rows(nested, "azure") == "[1.5, (2,)]\n{'k': 0.1}\n"
    frame = pd.DataFrame([nested, nested], columns=["a", "a"], index=[0, 0])
    assert rows(frame, "azure") == '"[1.5, (2,)]" "{\'k\': 0.1}"\n' * 2
    assert list(frame.columns) == ["a", "a"]


def test_views_of_a_dict_are_rows():
    scores = {"a": 1, "b": 2}
    for view, text in ((scores.values(), "1\n2\n"), (scores.keys(), "a\nb\n")):
        assert rows(view) == text


def test_azures_form_is_what_its_users_read_back():
    frame = pd.DataFrame(
        {"a": ["x y", "z"], "b": [1.5, 2.0], "when": pd.to_datetime(["2024-01-01", "2024-01-02"])}
    )
    back = pd.read_csv(io.BytesIO(encode(frame, "azure").raw), header=None, sep=" ")
    assert back[0].tolist() == ["x y", "z"]
    assert back[1].tolist() == [1.5, 2.0]


def test_parquet_is_an_arrow_stream_with_the_types():
    frame = pd.DataFrame(
        {"i": [1, 2], "d": [1.5, None], "b": [True, False], "s": ["x", None], "j": [[1], {"a": 2}], "y": [b"1", None],
         "t": [dt.datetime(2024, 1, 2, tzinfo=dt.timezone.utc), None], "e": [None, None], "day": [dt.date(2024, 1, 2), None]}  # noqa: UP017
    )  # fmt: skip
    encoded = encode(frame, "parquet")
    table = pa.ipc.open_stream(encoded.raw).read_all()
    assert encoded.encoding == "arrow"
    assert [str(f.type) for f in table.schema] == [
        "int64", "double", "bool", "string", "string", "binary", "timestamp[us]", "null", "timestamp[us]",
    ]  # fmt: skip
    assert table.to_pylist()[0] == {
        "i": 1, "d": 1.5, "b": True, "s": "x", "j": "[1]", "y": b"1", "t": dt.datetime(2024, 1, 2), "e": None,  # noqa: DTZ001
        "day": dt.datetime(2024, 1, 2),  # noqa: DTZ001
    }  # fmt: skip
    assert table.to_pylist()[1]["d"] is None
    assert table.column("d").null_count == 1


def test_parquet_without_pyarrow_is_json():
    code = (
        "import sys; sys.modules['pyarrow'] = None\n"
        "from batchmagic.scoring.child.encode import Encoder\n"
        "from batchmagic.scoring.child.results import check\n"
        "print(Encoder(output_format='parquet').encode(check([1, 2]), []))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, cwd=Path(__file__).parents[2]
    )
    assert b"encoding='jsonl'" in done.stdout
    assert rb'{"result":1}\n{"result":2}\n' in done.stdout


@pytest.mark.parametrize("value", [np.array(3), None, "x", {"a": 1}, {1, 2}, 5, np.float64(1), b"", type])
def test_what_has_no_rows_is_refused(value):
    with pytest.raises(WrongResult, match="The actual type of output is"):
        check(value)


def both_ways(monkeypatch, frame) -> tuple[bytes, bytes]:
    monkeypatch.setattr(arrow_forms, "_WORTH_IT", 0)
    fast = arrow_forms.csv_rows(_columns(frame), len(frame))
    assert fast is not None, "the fast path was not taken"
    monkeypatch.setattr(arrow_forms, "_WORTH_IT", math.inf)
    return fast, encode(frame).raw


def _columns(frame):
    return tabulate(check(frame))


def test_pyarrow_writes_the_same_bytes_for_any_number(monkeypatch):
    rng = random.Random(7)
    values = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        1e10,
        1e-4,
        9.9999e-5,
        1e16,
        5e-324,
        math.inf,
        -math.inf,
        math.nan,
        0.1,
        1 / 3,
    ]
    for _ in range(50_000):
        values += [
            rng.uniform(-1e6, 1e6),
            10 ** rng.uniform(-8, 20),
            float(rng.randrange(10 ** rng.randrange(1, 18))),
        ]
        values.append(struct.unpack(">d", struct.pack(">Q", rng.getrandbits(64)))[0])
    doubles = np.array(values)
    with np.errstate(all="ignore"):
        frame = pd.DataFrame({"d": doubles, "i": np.arange(len(doubles)), "f": doubles.astype("float32")})
    fast, slow = both_ways(monkeypatch, frame)
    assert fast == slow


TEXTS = st.one_of(st.none(), st.text(alphabet=' ,"\n\r\taé☃\x00', max_size=6), st.text(max_size=6))


@given(
    st.lists(
        st.tuples(TEXTS, st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans()),
        min_size=1,
        max_size=20,
    )
)
def test_pyarrow_writes_the_same_bytes_for_any_row_and_they_read_back(data):
    frame = pd.DataFrame(data, columns=["s", "d", "i", "b"])
    frame["i"] = frame["i"].astype("int64")
    with pytest.MonkeyPatch.context() as patch:
        fast, slow = both_ways(patch, frame)
    assert fast == slow
    back = list(csv.reader(io.StringIO(slow.decode(), newline="")))
    assert len(back) == len(data)
    for (text, double, integer, boolean), row in zip(data, back, strict=True):
        assert row[0] == ("" if text is None else text)
        assert math.isnan(double) or float(row[1]) == double
        assert (int(row[2]), row[3]) == (integer, str(boolean))


def test_tables_of_arrow_and_slices_of_them_are_written_alike(monkeypatch):
    table = pa.table(
        {
            "s": pa.chunked_array([["a", "b,c"], ["", None, "z"]]),
            "d": pa.array([1.0, None, math.nan, 2.5, 1e20]),
            "i": pa.array([1, 2, None, 4, 5], pa.int16()),
            "dict": pa.array(["x", "y", "x", None, "x"]).dictionary_encode(),
            "t": pa.array([dt.datetime(2024, 1, 2, 3)] * 5, pa.timestamp("ns")),  # noqa: DTZ001
            "l": pa.array([[1], [], None, [2, 3], [4]]),
        }
    )
    expected = (
        'a,1.0,1,x,2024-01-02T03:00:00,[1]\n"b,c",,2,y,2024-01-02T03:00:00,[]\n"",,,x,2024-01-02T03:00:00,\n'
        ',2.5,4,,2024-01-02T03:00:00,"[2,3]"\nz,1e+20,5,x,2024-01-02T03:00:00,[4]\n'
    )
    fast, slow = both_ways(monkeypatch, table)
    assert slow.decode() == expected
    assert fast == slow
    fast, slow = both_ways(monkeypatch, table.slice(1, 3))
    assert slow.decode() == "".join(expected.splitlines(keepends=True)[1:4])
    assert fast == slow


def test_a_big_frame_takes_the_fast_path_and_an_empty_one_has_no_bytes():
    big = pd.DataFrame({"a": np.arange(5000), "b": np.linspace(0, 1, 5000)})
    assert arrow_forms.csv_rows(_columns(big), 5000) is not None
    assert rows(big) == big.to_csv(header=False, index=False)
    for form in ("csv", "jsonl", "azure"):
        assert encode(big[:0], form, files=[]).raw == b""
    assert encode(big[:0], "parquet", files=[]).rows == 0
