"""What ``predict`` returned, as a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

PREDICTION = "prediction"


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
    if isinstance(prediction, dict):
        return _from_dict(prediction)
    if isinstance(prediction, (list, tuple, Iterator)):
        return pd.DataFrame({PREDICTION: _column(list(prediction))})
    if hasattr(prediction, "__array__") and np.ndim(prediction):
        return _from_array(np.asarray(prediction))
    return pd.DataFrame({PREDICTION: _column([prediction])})


def _from_array(array: Any) -> Any:
    import pandas as pd

    if array.ndim == 2 and array.shape[1] > 1:  # noqa: PLR2004
        return pd.DataFrame(array, columns=[f"{PREDICTION}_{i}" for i in range(array.shape[1])])
    if array.ndim == 2:  # noqa: PLR2004
        array = array.reshape(-1)
    if array.ndim <= 1:
        return pd.DataFrame({PREDICTION: array})
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
