"""Scores sheets of handwritten digits, and says how sure the model is of each."""

from __future__ import annotations

import os
from typing import Any

import mlflow.sklearn
import pandas as pd
import sheets  # a module beside this one

model: Any = None


def init() -> None:
    """Load the model, once per scoring process."""
    global model
    model = mlflow.sklearn.load_model(os.path.join(os.environ["AZUREML_MODEL_DIR"], "model"))
    print("loaded", type(model).__name__)


def run(mini_batch: list[str]) -> pd.DataFrame:
    """Return one row per digit of these files."""
    return pd.concat([score(path) for path in mini_batch], ignore_index=True)


def score(path: str) -> pd.DataFrame:
    """Return the rows of one file."""
    chances = model.predict_proba(sheets.read(path))
    return pd.DataFrame(
        {
            "file": os.path.basename(path),
            "line": range(1, len(chances) + 1),
            "digit": model.classes_[chances.argmax(axis=1)],
            "confidence": chances.max(axis=1).round(3),
        }
    )
