"""MLflow models without a script: the same values as `load_model(...).predict(...)`."""

from __future__ import annotations

import io
import json
import shutil
from typing import TYPE_CHECKING

import mlflow
import numpy as np
import owner as driver
import pandas as pd
import pytest
from mlflow.models import Model, ModelSignature
from mlflow.models import infer_signature as signature_of
from mlflow.types.schema import ColSpec, Schema, TensorSpec
from PIL import Image
from sklearn.linear_model import LogisticRegression

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = pytest.mark.filterwarnings("ignore")

PYTHON_MODEL = """
import mlflow.pyfunc, os, numpy as np, pandas as pd
class Model(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        x = model_input["x"].to_numpy()
        if (x < 0).any():
            raise ArithmeticError("negative x")
        return {
            "ndarray": lambda: x * 0.1,
            "matrix": lambda: np.stack([x * 0.1, x * 0.2], axis=1),
            "column": lambda: (x * 0.1).reshape(-1, 1),
            "list": lambda: [f"label, {v}" for v in x],
            "series": lambda: pd.Series(x * 0.1, index=x, name="score"),
            "frame": lambda: pd.DataFrame({"p": x * 0.1, "text": model_input["name"].tolist()}, index=x),
            "dict": lambda: {"p": x * 0.1, "labels": [str(v) for v in x]},
            "records": lambda: [{"p": float(v)} for v in x],
            "scalars": lambda: {"n": len(x), "all": list(x)},
        }[os.environ["FORM"]]()
mlflow.models.set_model(Model())
"""


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model that returns any form, and others with signatures."""
    folder = tmp_path_factory.mktemp("models")
    pins = {"pip_requirements": ["mlflow"]}
    source = folder / "forms.py"
    source.write_text(PYTHON_MODEL, encoding="utf-8")
    mlflow.pyfunc.save_model(folder / "forms", python_model=str(source), **pins)
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=200), "b": rng.normal(size=200), "name": ["007"] * 200})
    fitted = LogisticRegression().fit(frame[["a", "b"]], frame["a"] > frame["b"])
    mlflow.sklearn.save_model(
        fitted,
        folder / "sklearn",
        signature=signature_of(frame[["a", "b"]], fitted.predict(frame[["a", "b"]])),
        pyfunc_predict_fn="predict",
        serialization_format="cloudpickle",
        **pins,
    )
    echo = folder / "echo.py"
    echo.write_text(
        "import json, mlflow.pyfunc, numpy as np, pandas as pd\n"
        "class Model(mlflow.pyfunc.PythonModel):\n"
        "    def predict(self, context, model_input, params=None):\n"
        "        if isinstance(model_input, dict):\n"
        "            model_input = next(iter(model_input.values()))\n"
        "        if isinstance(model_input, np.ndarray):\n"
        "            return [f'{model_input.dtype} {model_input.shape} {model_input.sum()}'\n"
        "                    if model_input.dtype != object else f'object {model_input[0].shape}']\n"
        "        return [json.dumps({c: f'{model_input[c].iloc[i]} {type(model_input[c].iloc[i]).__name__}'\n"
        "                            for c in model_input}) for i in range(len(model_input))]\n"
        "mlflow.models.set_model(Model())\n",
        encoding="utf-8",
    )
    columns = [
        ("double", "d"),
        ("float", "f"),
        ("integer", "i"),
        ("long", "l"),
        ("string", "s"),
        ("datetime", "t"),
    ]
    signatures = {
        "typed": Schema([ColSpec(kind, name) for kind, name in columns]),
        "pixels": Schema([TensorSpec(np.dtype("float32"), (-1, 2, 3, 3))]),
        "objects": Schema([TensorSpec(np.dtype("object"), (-1,))]),
        "bytes": Schema([ColSpec("binary", "image")]),
        "matrix_in": Schema([TensorSpec(np.dtype("float64"), (-1, 2))]),
    }
    mlflow.pyfunc.save_model(folder / "untyped", python_model=str(echo), **pins)
    for name, schema in signatures.items():
        shutil.copytree(folder / "untyped", folder / name)
        model = Model.load(str(folder / name))
        model.signature = ModelSignature(schema)
        model.save(str(folder / name / "MLmodel"))
    return folder


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[driver.Owner]:
    """A template with MLflow and scikit-learn imported."""
    with driver.owner(tmp_path_factory.mktemp("template")) as made:
        imports = made.prepare("mlflow.pyfunc", "pandas", "pyarrow.csv", "sklearn.linear_model")["imports"]
        assert all(isinstance(seconds, float) for seconds in imports.values()), imports
        yield made


@pytest.fixture
def inputs(tmp_path: Path) -> list[str]:
    files = []
    for n in range(3):
        path = tmp_path / "in" / f"part {n}.csv"
        path.parent.mkdir(exist_ok=True)
        pd.DataFrame({"x": np.arange(n + 2) + 10 * n, "name": ["a,b", 'q"'] + ["z"] * n}).to_csv(
            path, index=False
        )
        files.append(str(path))
    return files


@pytest.fixture
def score(template: driver.Owner, models: Path, tmp_path: Path) -> Callable[..., driver.Frame]:
    def run(model: str, files: list[str], output_format: str = "csv", form: str = "") -> driver.Frame:
        process = template.ready(
            mlflow_model=str(models / model),
            output_format=output_format,
            input_root=str(tmp_path / "in"),
            env={"FORM": form},
        )
        frame = process.one(*files)
        assert process.shutdown() == 0
        return frame

    return run


@pytest.fixture
def expected(models: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], object]:
    def predict(form: str, file: str) -> object:
        monkeypatch.setenv("FORM", form)
        return mlflow.pyfunc.load_model(str(models / "forms")).predict(pd.read_csv(file))

    return predict


def table(frame: driver.Frame) -> pd.DataFrame:
    assert frame.header["status"] == "ok", frame.header
    names = [name for name, _ in frame.header["columns"]]
    return pd.read_csv(
        io.BytesIO(frame.raw), names=names, float_precision="round_trip", keep_default_na=False
    )


@pytest.mark.parametrize("form", ["ndarray", "column", "list", "series", "matrix", "frame", "dict"])
def test_predictions_are_those_of_the_model(score, expected, inputs: list[str], form: str):
    frame = score("forms", inputs, form=form)
    found = table(frame)
    assert frame.header["items"] == 3
    assert found["file"].tolist() == ["part 0.csv"] * 2 + ["part 1.csv"] * 3 + ["part 2.csv"] * 4
    for file, rows in found.groupby("file"):
        wanted = expected(form, next(i for i in inputs if i.endswith(str(file))))
        if form in {"ndarray", "column", "list", "series"}:
            name = "score" if form == "series" else "prediction"
            assert rows[name].tolist() == np.ravel(wanted).tolist()
            assert list(rows.columns) == [name, "file"]
        elif form == "matrix":
            assert rows[["prediction_0", "prediction_1"]].to_numpy().tolist() == wanted.tolist()
        elif form == "frame":
            assert rows[["p", "text"]].to_numpy().tolist() == wanted.to_numpy().tolist()
        else:
            assert rows["p"].tolist() == wanted["p"].tolist()
            assert rows["labels"].astype(str).tolist() == wanted["labels"]


def test_nested_predictions_stay_whole(score, expected, inputs: list[str]):
    records = [json.loads(line) for line in score("forms", inputs[:1], "jsonl", "records").raw.splitlines()]
    assert records == [{"prediction": p, "file": "part 0.csv"} for p in expected("records", inputs[0])]
    (whole,) = (json.loads(line) for line in score("forms", inputs[:1], "jsonl", "scalars").raw.splitlines())
    assert whole == {"n": 2, "all": [0, 1], "file": "part 0.csv"}


def test_azures_form_numbers_the_rows_of_each_file(score, inputs: list[str]):
    frame = score("forms", inputs[:2], "azure", "list")
    assert frame.raw.decode() == (
        '0,"label, 0",part 0.csv\n1,"label, 1",part 0.csv\n'
        '0,"label, 10",part 1.csv\n1,"label, 11",part 1.csv\n2,"label, 12",part 1.csv\n'
    )
    assert frame.header["encoding"] == "azure"
    assert [name for name, _ in frame.header["columns"]] == ["row", "prediction", "file"]


def test_a_scikit_learn_model_gets_doubles_from_whole_numbers(score, models: Path, tmp_path: Path):
    path = tmp_path / "in" / "ints.csv"
    path.parent.mkdir()
    data = pd.DataFrame({"a": [1, 2, 3], "b": [3, 2, 1]})
    data.to_csv(path, index=False)
    wanted = mlflow.pyfunc.load_model(str(models / "sklearn")).predict(data.astype(float))
    assert table(score("sklearn", [str(path)]))["prediction"].tolist() == wanted.tolist()
    for suffix, write in {
        ".parquet": data.to_parquet,
        ".pqt": data.to_parquet,
        ".jsonl": lambda p: data.to_json(p, orient="records", lines=True),
        ".json": lambda p: data.to_json(p, orient="records"),
        ".tsv": lambda p: data.to_csv(p, sep="\t", index=False),
    }.items():
        other = path.with_suffix(suffix)
        write(other)
        assert table(score("sklearn", [str(other)]))["prediction"].tolist() == wanted.tolist(), suffix


def test_columns_get_the_types_of_the_signature(score, tmp_path: Path):
    path = tmp_path / "in" / "typed.csv"
    path.parent.mkdir()
    path.write_text("d,f,i,l,s,t\n1,2,3,4,007,2024-01-02\n")
    (row,) = (json.loads(line) for line in score("typed", [str(path)], "jsonl").raw.splitlines())
    assert json.loads(row["prediction"]) == {
        "d": "1.0 float64",
        "f": "2.0 float32",
        "i": "3 int32",
        "l": "4 int64",
        "s": "007 str",
        "t": "2024-01-02 00:00:00 Timestamp",
    }


def test_images_are_what_the_signature_asks_for(score, tmp_path: Path):
    path = tmp_path / "in" / "picture.png"
    path.parent.mkdir()
    Image.fromarray(np.arange(18, dtype="uint8").reshape(2, 3, 3)).save(path)

    def seen(model: str) -> str:
        (line,) = score(model, [str(path)], "azure").raw.decode().splitlines()
        return line

    assert seen("untyped") == '0,"uint8 (1, 2, 3, 3) 153",picture.png'
    assert seen("pixels") == '0,"float32 (1, 2, 3, 3) 153.0",picture.png'
    assert seen("objects") == '0,"object (2, 3, 3)",picture.png'
    assert "PNG" in seen("bytes")
    error = score("typed", [str(path)]).header["error"]
    assert error["type"] == "TypeError"
    assert "takes no images" in error["message"]


def test_a_table_becomes_a_tensor_where_the_signature_asks(score, tmp_path: Path):
    path = tmp_path / "in" / "m.csv"
    path.parent.mkdir()
    path.write_text("a,b\n1,2\n3,4\n5,6\n")
    assert score("matrix_in", [str(path)], "azure").raw == b'0,"float64 (3, 2) 21.0",m.csv\n'


def test_an_unknown_suffix_says_what_is_supported(score, tmp_path: Path):
    path = tmp_path / "in" / "x.avro"
    path.parent.mkdir()
    path.write_text("")
    error = score("forms", [str(path)]).header["error"]
    assert "File type 'avro' is not supported" in error["message"]
    assert ".csv" in error["message"]


def test_the_models_own_line_is_named_when_it_fails(
    template, models: Path, tmp_path: Path, inputs: list[str]
):
    bad = tmp_path / "bad.csv"
    bad.write_text("x,name\n-1,a\n")
    process = template.ready(mlflow_model=str(models / "forms"), env={"FORM": "ndarray"})
    failed, fine = process.score([inputs[0], str(bad)], [inputs[0]])
    error = failed.header["error"]
    assert (error["type"], error["message"], error["phase"]) == ("ArithmeticError", "negative x", "run")
    assert error["frame"][2:] == ["predict", 'raise ArithmeticError("negative x")']
    assert error["file"] == str(bad)
    assert fine.header["status"] == "ok"


def test_a_model_that_is_none_is_an_error_of_init(template, tmp_path: Path):
    process = template.start(mlflow_model=str(tmp_path / "nowhere"))
    header = process.header()
    assert (header["ok"], header["error"]["phase"]) == (False, "init")
    assert "nowhere" in header["error"]["message"]


def test_the_old_name_of_the_loader_works_in_this_mlflow(template, models: Path, inputs: list[str]):
    script = (
        "import mlflow, pandas as pd\n"
        f"def init(): global model; model = mlflow.pyfunc.load({str(models / 'forms')!r})\n"
        "def run(mb): return [float(v) for f in mb for v in model.predict(pd.read_csv(f))]\n"
    )
    process = template.ready(script, env={"FORM": "ndarray"})
    assert process.one(inputs[0]).raw.startswith(b"0.0")
    assert process.text("stdout").count("load_model is called in its place") == 1


@pytest.mark.timeout(300)
def test_two_hundred_processes_from_one_template(template, tmp_path: Path):
    path = tmp_path / "in.csv"
    path.write_text("a,b\n1,2\n2,1\n")
    script = (
        "import mlflow.pyfunc, pandas as pd\n"
        "from sklearn.linear_model import LogisticRegression\n"
        "def init(): global model; model = LogisticRegression().fit([[1.0, 2.0], [2.0, 1.0]], [False, True])\n"
        "def run(mb): return list(model.predict(pd.read_csv(mb[0]).to_numpy(float)))\n"
    )
    code = tmp_path / "score.py"
    code.write_text(script)
    for _ in range(50):
        processes = [template.start(code) for _ in range(4)]
        for process in processes:
            assert process.header()["ok"]
            assert process.one(str(path)).raw == b"False\nTrue\n"
        for process in processes:
            assert process.shutdown() == 0
            process.close()
