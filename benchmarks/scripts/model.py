"""Scores CSV files with an MLflow model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pandas as pd

model: Any = None


def init() -> None:
    """Load the model."""
    global model  # noqa: PLW0603 -- what init() makes, run() uses
    model = mlflow.pyfunc.load_model(str(Path(os.environ["AZUREML_MODEL_DIR"]) / "model"))


def run(mini_batch: list[str]) -> pd.DataFrame:
    """Return one row with a prediction per row of these files."""
    return pd.concat([_score(path) for path in mini_batch], ignore_index=True)


def _score(path: str) -> pd.DataFrame:
    frame = pd.read_csv(path)
    return pd.DataFrame({"file": Path(path).name, "prediction": model.predict(frame)})
