"""Models of scikit-learn: a saved one in three cells, and those of an MLflow registry."""

from __future__ import annotations

import pytest
from story_support import Notebook

TRAIN = """
import mlflow
import pandas as pd
from sklearn.linear_model import LinearRegression

mlflow.set_tracking_uri("sqlite:///tracking.db")

def fitted(slope):
    x = pd.DataFrame({"x": [0.0, 1.0, 2.0]})
    return LinearRegression().fit(x, slope * x.x)

kept = {"pip_requirements": [], "serialization_format": "pickle"}
"""
SAVE = 'mlflow.sklearn.save_model(fitted(2), "model", **kept)'
REGISTER = """
for slope in (10, 20, 30):
    mlflow.sklearn.log_model(fitted(slope), name="line", registered_model_name="line", **kept)
mlflow.MlflowClient().set_registered_model_alias("line", "champion", "2")
"""


@pytest.fixture(scope="module")
def notebook(project, tmp_path_factory):
    """A notebook that has a saved model, and three versions of another one in a registry."""
    data = project / "data"
    data.mkdir()
    for number in range(3):
        (data / f"{number}.csv").write_text(f"x\n{number}\n{number + 0.5}\n")
    cache = tmp_path_factory.mktemp("cache")
    with Notebook(project, XDG_CACHE_HOME=str(cache), MLFLOW_DISABLE_TELEMETRY="true") as found:
        found.run(TRAIN)
        found.run(SAVE)
        found.run(REGISTER)
        yield found


def predictions(notebook, job="job"):
    return [round(value, 6) for value in notebook.value(f"{job}.result().iloc[:, 0].tolist()")]


def test_from_a_saved_model_to_predictions_in_three_cells(notebook):
    notebook.run("%load_ext batchmagic\n%batch model create doubling --path ./model")
    notebook.run("%batch deploy doubling/first --model doubling\njob = %batch invoke doubling --input ./data")
    notebook.run("frame = job.result()")
    assert predictions(notebook) == [0, 1, 2, 3, 4, 5]
    assert notebook.value("frame.file.tolist()") == ["0.csv", "0.csv", "1.csv", "1.csv", "2.csv", "2.csv"]
    # It is a model of MLflow's too, in the store that the notebook uses.
    assert notebook.value("mlflow.MlflowClient().get_model_version('doubling', '1').name") == "doubling"


def test_models_of_a_registry_by_version_and_by_alias(notebook):
    notebook.run("%load_ext batchmagic")
    notebook.run("%batch deploy lines/one --model models:/line/1")
    notebook.run("%batch deploy lines/champion --model models:/line@champion")
    notebook.run(
        "one = %batch invoke lines/one --input ./data\nbest = %batch invoke lines/champion --input ./data"
    )
    assert predictions(notebook, "one") == [0, 5, 10, 15, 20, 25]
    assert predictions(notebook, "best") == [0, 10, 20, 30, 40, 50]
    wrong = notebook.stop("%batch deploy lines/none --model models:/line/9").complaint
    assert wrong.count("\n") == 1
    assert "models:/line/9" in wrong
    assert notebook.value("mlflow.get_tracking_uri()") == "sqlite:///tracking.db"
