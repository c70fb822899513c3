"""MLflow models without a script: several files in one ``predict``, parameters, what ``predict`` may return."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import owner as driver
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from owner import Frame, Process

# Says what it was given: the rows of one call, and the parameters.
LOADER = """
import json, os
import numpy as np
import pandas as pd

class Model:
    def predict(self, data, params=None):
        array = next(iter(data.values())) if isinstance(data, dict) else data
        form = os.environ.get("FORM", "rows")
        if form == "sparse":
            from scipy.sparse import csr_matrix
            return csr_matrix(np.eye(len(array)))
        if form == "generator":
            return (f"row {i}" for i in range(len(array)))
        if form == "few":
            return ["one"]
        if form == "text":
            return "one"
        if form == "number":
            return np.float64(2.5)
        if form == "fail" and len(array) > 1:
            raise ArithmeticError("too many")
        said = {"rows": len(array), **(params or {})}
        return [json.dumps(said)] * len(array)

def _load_pyfunc(path):
    return Model()
"""
FLAVOUR = "flavors:\n  python_function:\n    code: code\n    data: data\n    loader_module: said_by_{}\n"
PARAMS = """
  params: '[{"name": "top", "default": 3, "shape": null, "type": "long"},
    {"name": "mood", "default": "calm", "shape": null, "type": "string"}]'
"""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[driver.Owner]:
    with driver.owner(tmp_path_factory.mktemp("template")) as made:
        made.prepare("mlflow.pyfunc", "pandas", "pyarrow.csv")
        yield made


@pytest.fixture
def started(template: driver.Owner, tmp_path: Path) -> Callable[..., Process]:
    """Start a process of a model with the signature that is given as the texts of an MLmodel file."""

    def start(signature: str = "", **spec: Any) -> Process:
        folder = tmp_path / "model"
        name = f"said_by_{len(list(tmp_path.iterdir()))}"
        (folder / "code").mkdir(parents=True)
        (folder / "data").mkdir()
        (folder / "code" / f"{name}.py").write_text(LOADER)
        about = FLAVOUR.format(name.removeprefix("said_by_"))
        (folder / "MLmodel").write_text(about + (f"signature:\n{signature}" if signature else ""))
        given = {"output_format": "jsonl", "input_root": str(tmp_path / "in"), **spec}
        return template.start(mlflow_model=str(folder), **given)

    return start


@pytest.fixture
def tables(tmp_path: Path) -> list[str]:
    """Two tables of the same columns, one with others between them, and one of other types."""
    texts = ["x,y\n1,2\n3,4\n", "x,z\n1,2\n", "x,y\n5,6\n", "x,y\n1,text\n"]
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / f"{n}.csv" for n in range(len(texts))]
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text)
    return [str(path) for path in paths]


def ready(process: Process) -> Process:
    header = process.header()
    assert header["ok"], header
    return process


def said(frame: Frame) -> list[tuple[str, Any]]:
    assert frame.header["status"] == "ok", frame.header
    rows = [json.loads(line) for line in frame.raw.splitlines()]
    return [(row["file"], json.loads(row["prediction"])) for row in rows]


def counts(frame: Frame) -> list[tuple[str, int]]:
    return [(file, what["rows"]) for file, what in said(frame)]


def test_a_file_is_predicted_alone_unless_asked_otherwise(started, tables):
    process = ready(started())
    assert counts(process.one(*tables)) == [
        ("0.csv", 2), ("0.csv", 2), ("1.csv", 1), ("2.csv", 1), ("3.csv", 1),
    ]  # fmt: skip


def test_tables_of_the_same_columns_go_together_and_rows_come_back_to_their_files(started, tables):
    process = ready(started(predict_per="mini_batch"))
    frame = process.one(*tables)
    assert counts(frame) == [("0.csv", 3), ("0.csv", 3), ("1.csv", 1), ("2.csv", 3), ("3.csv", 1)]
    assert frame.header["items"] == 4


def test_the_signature_makes_columns_alike(started, tmp_path):
    (tmp_path / "in").mkdir()
    paths = [tmp_path / "in" / "a.csv", tmp_path / "in" / "b.jsonl"]
    paths[0].write_text("x\n1\n")
    paths[1].write_text('{"x": 0.5}\n')
    signature = """  inputs: '[{"type": "double", "name": "x"}]'\n"""
    process = ready(started(signature, predict_per="mini_batch"))
    assert counts(process.one(*map(str, paths))) == [("a.csv", 2), ("b.jsonl", 2)]


def test_images_of_one_size_are_stacked(started, tmp_path):
    (tmp_path / "in").mkdir()
    sizes = {"a.png": (3, 2), "b.png": (4, 4), "c.png": (3, 2)}
    for name, size in sizes.items():
        Image.new("RGB", size).save(tmp_path / "in" / name)
    tensor = '{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [-1, -1, -1, 3]}}'
    process = ready(started(f"  inputs: '[{tensor}]'\n", predict_per="mini_batch"))
    files = [str(tmp_path / "in" / name) for name in sizes]
    assert counts(process.one(*files)) == [("a.png", 2), ("b.png", 1), ("c.png", 2)]


def test_named_tensors_are_stacked_each(started, tables):
    tensor = '{{"name": "{}", "type": "tensor", "tensor-spec": {{"dtype": "int64", "shape": [-1]}}}}'
    both = f"{tensor.format('x')}, {tensor.format('y')}"
    process = ready(started(f"  inputs: '[{both}]'\n", predict_per="mini_batch"))
    assert counts(process.one(tables[0], tables[2])) == [("0.csv", 3), ("0.csv", 3), ("2.csv", 3)]


def test_a_model_that_takes_a_fixed_number_of_rows_is_refused(started):
    tensor = '{"type": "tensor", "tensor-spec": {"dtype": "uint8", "shape": [1, 2, 3]}}'
    header = started(f"  inputs: '[{tensor}]'\n", predict_per="mini_batch").header()
    assert (header["ok"], header["error"]["phase"]) == (False, "init")
    assert "predict_per: mini_batch needs a model" in header["error"]["message"]


def test_fewer_predictions_than_rows_cannot_be_given_back(started, tables):
    process = ready(started(predict_per="mini_batch", env={"FORM": "few"}))
    error = process.one(tables[0], tables[2]).header["error"]
    assert "1 rows for the 3 rows of 2 files" in error["message"]
    assert process.one(tables[0]).header["rows"] == 1


def test_an_error_names_the_file_where_it_is_known(started, tables):
    process = ready(started(predict_per="mini_batch", env={"FORM": "fail"}))
    broken = tables[1].replace("1.csv", "broken.parquet")
    Path(broken).write_bytes(b"no table")
    assert process.one(tables[2], broken).header["error"]["file"] == broken
    assert process.one(tables[0], tables[1]).header["error"]["file"] == tables[0]
    assert "file" not in process.one(tables[0], tables[2]).header["error"]


def test_parameters_have_their_defaults_or_what_the_variable_says(started, tables, tmp_path):
    plain = ready(started('  inputs: \'[{"type": "long", "name": "x"}]\'' + PARAMS))
    assert said(plain.one(tables[2])) == [("2.csv", {"rows": 1, "top": 3, "mood": "calm"})]


def test_parameters_that_are_given(started, tables):
    given = {"BATCHMAGIC_PREDICT_PARAMS": '{"mood": "wild"}'}
    signature = '  inputs: \'[{"type": "long", "name": "x"}]\'' + PARAMS
    process = ready(started(signature, env=given))
    assert said(process.one(tables[2])) == [("2.csv", {"rows": 1, "top": 3, "mood": "wild"})]


@pytest.mark.parametrize(
    ("signature", "text", "words"),
    [
        (
            True,
            '{"tip": 1}',
            "names 'tip', which is no parameter in the model's signature; it has: top, mood",
        ),
        (False, '{"top": 1}', "it has: none"),
        (True, "[1]", "is no JSON object"),
        (True, "top=1", "is no JSON (Expecting value"),
    ],
)
def test_parameters_that_mean_nothing_are_refused_at_the_start(started, signature, text, words):
    header = started(
        '  inputs: \'[{"type": "long", "name": "x"}]\'' + PARAMS if signature else "",
        env={"BATCHMAGIC_PREDICT_PARAMS": text},
    ).header()
    assert (header["ok"], header["error"]["phase"]) == (False, "init")
    assert words in header["error"]["message"]


@pytest.mark.parametrize(
    ("form", "rows"),
    [
        ("generator", [{"prediction": "row 0"}, {"prediction": "row 1"}]),
        ("text", [{"prediction": "one"}]),
        ("number", [{"prediction": 2.5}]),
        ("sparse", [{"prediction_0": 1.0, "prediction_1": 0.0}, {"prediction_0": 0.0, "prediction_1": 1.0}]),
    ],
)
def test_what_predict_may_return_besides(started, tables, form, rows):
    process = ready(started(env={"FORM": form}))
    lines = [json.loads(line) for line in process.one(tables[0]).raw.splitlines()]
    assert lines == [{**row, "file": "0.csv"} for row in rows]
