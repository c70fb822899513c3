"""Files as what a model's signature asks for: what is converted, what is left to MLflow, what is refused."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from mlflow.exceptions import MlflowException
from mlflow.models import validate_schema
from mlflow.types import DataType
from mlflow.types.schema import Array, ColSpec, Map, Object, Property, Schema, TensorSpec
from PIL import Image

from batchmagic.scoring.child.mlflow_columns import MisfitFile
from batchmagic.scoring.child.mlflow_inputs import UnsupportedFile, read

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore")


def column(kind: Any, name: str | None = "x", **more: Any) -> Schema:
    return Schema([ColSpec(kind, name, **more)])


def tensor(kind: str, *shape: int, name: str | None = None) -> Schema:
    return Schema([TensorSpec(np.dtype(kind), shape, name)])


@pytest.fixture
def content(tmp_path: Path):
    """Write a file, read it for the signature, and let MLflow judge what it gets."""

    def get(schema: Schema | None, name: str, what: Any) -> Any:
        path = tmp_path / name
        if isinstance(what, pd.DataFrame):
            what.to_parquet(path)
        elif isinstance(what, Image.Image):
            what.save(path)
        elif isinstance(what, bytes):
            path.write_bytes(what)
        else:
            path.write_text(what, encoding="utf-8")
        found = read(str(path), schema)
        if schema is not None:
            validate_schema(found, schema)
        return found

    return get


NS = "datetime64[ns]"


@pytest.mark.parametrize(
    ("kind", "text", "dtype", "values"),
    [
        ("double", "1\n2", "float64", [1.0, 2.0]),
        ("float", "1\n2.5", "float32", [1.0, 2.5]),
        ("integer", "1\n2", "int32", [1, 2]),
        ("integer", "1.0\n2.0", "int32", [1, 2]),
        ("long", "1.0\n2.0", "int64", [1, 2]),
        ("boolean", "1\n0", "bool", [True, False]),
        ("boolean", "true\nFalse", "bool", [True, False]),
        ("string", "007\n1e3", "str", ["007", "1e3"]),
        ("datetime", "2024-01-02\n2024-01-03T04:05:06", NS, ["2024-01-02", "2024-01-03T04:05:06"]),
        (
            "datetime",
            "2024-01-02T01:00:00+01:00\n2024-01-03T04:05:06Z",
            NS,
            ["2024-01-02", "2024-01-03T04:05:06"],
        ),
        ("datetime", "01/02/2024", NS, ["2024-01-02"]),
        ("binary", "AAE=", "object", [b"\x00\x01"]),
        (Array(DataType.double), '"[1, 2]"', "object", [[1.0, 2.0]]),
    ],
)
def test_a_column_of_text_gets_the_type_of_the_signature(content, kind, text, dtype, values):
    for schema in (column(kind), column(kind, None)):
        found = content(schema, "a.csv", f"x\n{text}\n")
        assert str(found["x"].dtype) == dtype
        wanted = [pd.Timestamp(v) for v in values] if dtype == NS else values
        assert found["x"].tolist() == wanted
        assert [type(v) for v in found["x"].tolist()] == [type(v) for v in wanted]


@pytest.mark.parametrize(
    ("kind", "values", "dtype"),
    [
        ("double", pd.array([1, None], dtype="Int64"), "float64"),
        ("double", [decimal.Decimal("1.5"), None], "float64"),
        ("long", np.array([1, 2], dtype="uint64"), "int64"),
        ("long", np.array([1, 2], dtype="int32"), "int64"),
        ("datetime", [dt.date(2024, 1, 2), None], NS),
        ("datetime", pd.to_datetime(["2024-01-02T02:00:00+02:00"]), NS),
        ("binary", [b"\x00", b"\x01"], "object"),
        (Array(DataType.double), [[1, 2], [3, 4]], "object"),
    ],
)
def test_a_column_of_a_parquet_file_fits_too(content, kind, values, dtype):
    found = content(column(kind), "a.parquet", pd.DataFrame({"x": values}))
    assert str(found["x"].dtype) == dtype


def test_gaps_stay_gaps(content):
    gaps = "x,y\n,1\n,2\n"
    assert content(column("double"), "a.csv", gaps)["x"].isna().all()
    assert content(column("datetime"), "a.csv", gaps)["x"].isna().all()
    assert content(column("boolean"), "a.csv", gaps)["x"].tolist() == [None, None]
    assert content(column("string", required=False), "a.csv", gaps)["x"].isna().all()
    assert content(column("double"), "a.csv", "x,y\n1,1\n,2\n")["x"].tolist()[0] == 1.0
    assert content(column("double"), "a.csv", "x\n").to_dict("list") == {"x": []}


def test_an_optional_column_may_be_absent_and_others_are_let_through(content):
    schema = Schema([ColSpec("double", "x"), ColSpec("string", "o", required=False)])
    assert content(schema, "a.csv", "more,x\n1,2\n").to_dict("list") == {"more": [1], "x": [2.0]}


@pytest.mark.parametrize(
    ("kind", "text", "words"),
    [
        ("long", "x,y\n1,1\n,2\n", "missing values"),
        ("long", "x\n1.5\n", "Can not safely convert float64 to int64"),
        ("integer", "x\n3000000000\n", "Can not safely convert int64 to int32"),
        ("datetime", "x\n1\n", "Can not safely convert int64"),
        ("boolean", "x\n2\n", "Can not safely convert int64 to bool"),
        ("double", "y\n1\n", "missing inputs"),
    ],
)
def test_what_would_lose_something_is_left_for_mlflow_to_refuse(content, kind, text, words):
    with pytest.raises(MlflowException, match=words):
        content(column(kind), "a.csv", text)


def test_bytes_in_text_are_base64_or_refused(content):
    with pytest.raises(MisfitFile, match="must be base64"):
        content(column("binary"), "a.jsonl", '{"x": "hello"}\n')


@pytest.mark.parametrize(
    ("kind", "line", "value"),
    [
        (Array(DataType.double), "[1, 2]", [1.0, 2.0]),
        (Array(DataType.long), "[1, 2]", [1, 2]),
        (Array(Array(DataType.double)), "[[1], [2, 3]]", [[1.0], [2.0, 3.0]]),
        (
            Object([Property("a", DataType.double), Property("b", DataType.string)]),
            '{"a": 1, "b": "t"}',
            {"a": 1.0, "b": "t"},
        ),
        (Map(DataType.double), '{"k": 1}', {"k": 1.0}),
    ],
)
def test_whole_numbers_are_widened_inside_nested_columns_too(content, kind, line, value):
    (found,) = content(column(kind), "a.jsonl", f'{{"x": {line}}}\n')["x"].tolist()
    # By their texts: 1 and 1.0 are equal.
    assert json.dumps(found) == json.dumps(value)


def test_narrow_numbers_inside_nested_columns(content):
    (found,) = content(column(Array(DataType.float)), "a.jsonl", '{"x": [1, 2.5]}\n')["x"].tolist()
    assert (found.dtype, found.tolist()) == (np.dtype("float32"), [1.0, 2.5])


# --- tensors


@pytest.mark.parametrize(
    ("schema", "name", "text", "shape", "first"),
    [
        (tensor("float64", -1, 2), "a.csv", "a,b\n1,2\n3,4\n5,6\n", (3, 2), 1.0),
        (tensor("float32", -1, 2), "a.tsv", "0\t1\n1\t2\n", (1, 2), 1.0),
        (tensor("float64", -1, 2), "a.csv", "1.5e0,2\n3,4\n", (2, 2), 1.5),
        (tensor("int64", -1), "a.csv", "a\n7\n8\n", (2,), 7),
        (tensor("float64", -1, 2, 2), "a.csv", "a,b,c,d\n1,2,3,4\n", (1, 2, 2), 1.0),
        (tensor("float64", -1, 2, 2), "a.json", "[[[1,2],[3,4]],[[5,6],[7,8]]]", (2, 2, 2), 1.0),
        (tensor("str", -1), "a.csv", "a\nx\ny\n", (2,), "x"),
    ],
)
def test_a_table_becomes_the_unnamed_tensor(content, schema, name, text, shape, first):  # noqa: PLR0917
    found = content(schema, name, text)
    assert (found.shape, found.ravel()[0]) == (shape, first)


def test_named_tensors_are_columns_of_their_names(content):
    specs = [TensorSpec(np.dtype("int64"), (-1,), "a"), TensorSpec(np.dtype("float32"), (-1, 2), "b")]
    found = content(Schema(specs), "a.jsonl", '{"a": 1, "b": [1, 2]}\n{"a": 2, "b": [3, 4]}\n')
    assert {name: (str(array.dtype), array.shape) for name, array in found.items()} == {
        "a": ("int64", (2,)),
        "b": ("float32", (2, 2)),
    }
    nested = pd.DataFrame({"pixels": [[[1], [2]], [[3], [4]]]})
    assert content(tensor("float32", -1, 2, 1, name="pixels"), "a.pqt", nested)["pixels"].shape == (2, 2, 1)


def test_a_table_is_the_only_tensor_also_where_that_has_a_name(content):
    found = content(tensor("float32", -1, 2, name="input_1"), "a.csv", "a,b\n1,2\n3,4\n")
    assert found["input_1"].tolist() == [[1.0, 2.0], [3.0, 4.0]]


def test_a_table_of_another_shape_is_refused_with_both(content):
    with pytest.raises(MisfitFile, match=r"the table has the shape \(2, 3\).* tensor \(-1, 2\)"):
        content(tensor("float64", -1, 2), "a.csv", "a,b,c\n1,2,3\n4,5,6\n")
    with pytest.raises(MisfitFile, match=r"the table has the shape \(1, 2\).* tensor \(2, 2\)"):
        content(tensor("float64", 2, 2), "a.csv", "a,b\n1,2\n")


# --- images

WIDE = Image.frombytes("RGB", (3, 2), bytes(range(18)))


@pytest.mark.parametrize(
    ("schema", "image", "shape"),
    [
        (None, WIDE, (1, 2, 3, 3)),
        (tensor("float32", -1, 2, 3, 3), WIDE, (1, 2, 3, 3)),
        (tensor("uint8", -1, -1, -1, 3), WIDE, (1, 2, 3, 3)),
        (tensor("uint8", 1, 2, 3, 3), WIDE, (1, 2, 3, 3)),
        (tensor("uint8", -1, 2, 3, 1), WIDE.convert("L"), (1, 2, 3, 1)),
        (tensor("uint8", -1, 6), WIDE.convert("L"), (1, 6)),
        (tensor("uint8", -1, 2, 3, 3), WIDE.convert("P"), (1, 2, 3, 3)),
        (tensor("object", -1), WIDE, (1,)),
    ],
)
def test_an_image_becomes_a_batch_of_one(content, schema, image, shape):
    found = content(schema, "a.png", image)
    assert found.shape == shape
    assert found.dtype == (np.dtype("uint8") if schema is None else schema.inputs[0].type)


def test_an_image_in_a_named_tensor(content):
    found = content(tensor("uint8", -1, 2, 3, 3, name="image"), "a.PNG", WIDE)
    assert found["image"].ravel().tolist() == list(range(18))


@pytest.mark.parametrize(
    ("schema", "image"),
    [
        (tensor("uint8", -1, 2, 3, 3), WIDE.convert("RGBA")),
        (tensor("uint8", -1, 3, 2, 3), WIDE),
        (tensor("uint8", -1, 1, 3, 3), WIDE),
        (tensor("uint8", -1, 3, 2, 3), WIDE.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    ],
)
def test_an_image_of_another_shape_is_never_cut_up(content, schema, image):
    with pytest.raises(MisfitFile, match="the image has the shape"):
        content(schema, "a.png", image)


def test_an_image_is_not_several_tensors(content):
    specs = [TensorSpec(np.dtype("uint8"), (-1, 2, 3, 3), name) for name in ("left", "right")]
    with pytest.raises(MisfitFile, match="several: left, right"):
        content(Schema(specs), "a.png", WIDE)


def test_any_file_can_be_bytes(content):
    for schema in (column("binary"), column("binary", None)):
        assert content(schema, "a.wav", b"RIFF").iloc[0, 0] == b"RIFF"
        assert content(schema, "a.png", WIDE).iloc[0, 0].startswith(b"\x89PNG")
    with pytest.raises(UnsupportedFile, match=r"'avro' is not supported.*\(a\.avro\)"):
        content(column("double"), "a.avro", b"")


@pytest.mark.parametrize("text", ['{"x": 1}', '[{"x": 1}]', '{"x": 1}\n\n', '\ufeff{"x": 1}\n'])
def test_one_row_of_json_in_any_spelling(content, text):
    assert content(column("double"), "a.json", text).to_dict("list") == {"x": [1.0]}
