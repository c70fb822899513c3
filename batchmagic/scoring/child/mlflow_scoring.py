"""Scoring with an MLflow model and no script: one ``predict`` per file."""

from __future__ import annotations

from typing import Any

from .mlflow_inputs import read
from .results import Result

PREDICTION = "prediction"


class MlflowEntry:
    """An MLflow model in the place of a scoring script."""

    run_function = None

    def __init__(self, spec: dict[str, Any]) -> None:
        self._path: str = spec["mlflow_model"]
        self.roots = (self._path,)
        self.titles: dict[str, str] = {}
        self._model: Any = None
        self._schema: Any = None
        #: The file that is being scored, which an error then names.
        self.file: str | None = None

    def load(self) -> None:
        """Import MLflow."""
        import mlflow.pyfunc  # noqa: F401 -- imported here so that a failure is one of the import

    def init(self) -> None:
        """Load the model."""
        import mlflow.pyfunc

        self._model = mlflow.pyfunc.load_model(self._path)
        self._schema = self._model.metadata.get_input_schema()

    def run(self, files: list[str]) -> Result:
        """Return the predictions for every file of a mini-batch, in order."""
        import pandas as pd

        frames, names = [], []
        for file in files:
            self.file = file
            frame = as_frame(self._model.predict(read(file, self._schema)))
            frames.append(frame)
            names += [file] * len(frame)
        self.file = None
        whole = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        return Result("frame", whole, len(whole), names)

    def items(self, result: Result, files: list[str]) -> int:  # noqa: ARG002 -- a script's counts rows
        """Return how many items count as succeeded: every file, as a failing one fails the mini-batch."""
        return len(files)

    def shutdown(self) -> None:
        """Do nothing: a model has no such function."""


def as_frame(prediction: Any) -> Any:
    """Return what ``predict`` returned as a table; values without a name are ``prediction``.

    Raises
    ------
    TypeError
        If it returned nothing.
    """
    import numpy as np
    import pandas as pd

    if prediction is None:
        raise TypeError("predict() returned None.")
    if hasattr(prediction, "toarray"):
        prediction = prediction.toarray()
    if isinstance(prediction, pd.DataFrame):
        return prediction.reset_index(drop=True)
    if isinstance(prediction, pd.Series):
        name = PREDICTION if prediction.name is None else prediction.name
        return prediction.reset_index(drop=True).to_frame(name)
    if isinstance(prediction, np.ndarray):
        return _from_array(prediction)
    if isinstance(prediction, dict):
        return _from_dict(prediction)
    if isinstance(prediction, (list, tuple)):
        return pd.DataFrame({PREDICTION: _column(list(prediction))})
    return pd.DataFrame({PREDICTION: [prediction]})


def _from_array(array: Any) -> Any:
    import pandas as pd

    if array.ndim == 2 and array.shape[1] > 1:  # noqa: PLR2004
        return pd.DataFrame(array, columns=[f"{PREDICTION}_{i}" for i in range(array.shape[1])])
    if array.ndim == 2:  # noqa: PLR2004
        array = array[:, 0]
    if array.ndim <= 1:
        return pd.DataFrame({PREDICTION: array.reshape(-1)})
    return pd.DataFrame({PREDICTION: _column(list(array))})


def _from_dict(outputs: dict[Any, Any]) -> Any:
    """Return named outputs as columns: a row per element if all have as many, else a single row."""
    import pandas as pd

    lists = {name: _elements(value) for name, value in outputs.items()}
    lengths = {None if value is None else len(value) for value in lists.values()}
    if len(lengths) == 1 and None not in lengths:
        return pd.DataFrame({name: _column(value) for name, value in lists.items()})
    return pd.DataFrame({name: _column([value]) for name, value in outputs.items()})


def _elements(value: Any) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(value, (list, tuple, pd.Series)):
        return list(value)
    if isinstance(value, np.ndarray) and value.ndim:
        return value if value.ndim == 1 else list(value)
    return None


def _column(values: Any) -> Any:
    """Return values as a column in which nested ones stay whole."""
    import numpy as np
    import pandas as pd

    if isinstance(values, list) and any(isinstance(v, (list, tuple, dict, np.ndarray)) for v in values):
        column = np.empty(len(values), dtype=object)
        for i, value in enumerate(values):
            column[i] = value
        return pd.Series(column, dtype=object)
    return values
