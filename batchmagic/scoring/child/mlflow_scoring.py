"""Scoring with an MLflow model and no script: one ``predict`` per file, or per mini-batch where that is asked for."""

from __future__ import annotations

import json
import os
from typing import Any

from . import mlflow_together
from .mlflow_inputs import read
from .mlflow_outputs import as_frame
from .results import Result

#: The variable that holds values for the parameters of the model's signature, as a JSON object.
PARAMS = "BATCHMAGIC_PREDICT_PARAMS"


class MlflowEntry:
    """An MLflow model in the place of a scoring script."""

    run_function = None

    def __init__(self, spec: dict[str, Any]) -> None:
        self._path: str = spec["mlflow_model"]
        self._together = spec.get("predict_per") == "mini_batch"
        self.roots = (self._path,)
        self.titles: dict[str, str] = {}
        self._model: Any = None
        self._schema: Any = None
        self._params: dict[str, Any] = {}
        #: The file that is being scored, which an error then names.
        self.file: str | None = None

    def load(self) -> None:
        """Import MLflow."""
        import mlflow.pyfunc  # noqa: F401 -- imported here so that a failure is one of the import

    def init(self) -> None:
        """Load the model.

        Raises
        ------
        ValueError
            If the model cannot take what the deployment gives it.
        """
        import mlflow.pyfunc

        self._model = mlflow.pyfunc.load_model(self._path)
        self._schema = self._model.metadata.get_input_schema()
        self._params = given_params(os.environ.get(PARAMS), self._model.metadata.get_params_schema())
        if self._together:
            mlflow_together.check(self._schema)

    def run(self, files: list[str], mini_batch: int) -> Result:  # noqa: ARG002 -- a script may ask for its number
        """Return the predictions for every file of a mini-batch, in order."""
        import pandas as pd

        frames = self._predicted_together(files) if self._together else self._predicted_alone(files)
        self.file = None
        names = [file for file, frame in zip(files, frames) for _ in range(len(frame))]
        whole = frames[0] if len(frames) == 1 else pd.concat(frames, ignore_index=True)
        return Result("frame", whole, len(whole), names)

    def _predicted_alone(self, files: list[str]) -> list[Any]:
        frames = []
        for file in files:
            self.file = file
            frames.append(self._predict(read(file, self._schema)))
        return frames

    def _predicted_together(self, files: list[str]) -> list[Any]:
        contents = []
        for file in files:
            self.file = file
            contents.append(read(file, self._schema))
        frames: dict[int, Any] = {}
        for places in mlflow_together.groups(contents):
            # Of several files nobody knows which one an error is about.
            self.file = files[places[0]] if len(places) == 1 else None
            group = [contents[place] for place in places]
            predicted = self._predict(mlflow_together.joined(group))
            frames.update(zip(places, mlflow_together.parted(predicted, group)))
        return [frames[place] for place in range(len(files))]

    def _predict(self, content: Any) -> Any:
        more = {"params": dict(self._params)} if self._params else {}
        return as_frame(self._model.predict(content, **more))

    def items(self, result: Result, files: list[str]) -> int:  # noqa: ARG002 -- a script's counts rows
        """Return how many items count as succeeded: every file, as a failing one fails the mini-batch."""
        return len(files)

    def shutdown(self) -> None:
        """Do nothing: a model has no such function."""


def given_params(text: str | None, schema: Any) -> dict[str, Any]:
    """Return the parameters for every ``predict``; what is not given has the default of the signature.

    Raises
    ------
    ValueError
        If the text is no JSON object, or names what is no parameter of the model.
    """
    if not text:
        return {}
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ValueError("{} is no JSON ({})".format(PARAMS, error)) from error
    if not isinstance(given, dict):
        raise ValueError('{} is no JSON object such as {{"temperature": 0.5}}'.format(PARAMS))  # noqa: TRY004 -- a value
    known = [param.name for param in schema.params] if schema is not None else []
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(
            "{} names {!r}, which is no parameter in the model's signature; it has: {}".format(
                PARAMS, unknown[0], ", ".join(known) or "none"
            )
        )
    return given
