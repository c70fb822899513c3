"""The contents of several files in one ``predict``, and its rows back to their files (``predict_per: mini_batch``)."""

from __future__ import annotations

from typing import Any


def check(schema: Any) -> None:
    """Pass when the model takes any number of rows.

    Raises
    ------
    ValueError
        If its signature fixes that number.
    """
    if schema is None or not schema.is_tensor_spec():
        return
    for spec in schema.inputs:
        if spec.shape[0] != -1:
            shape = tuple(spec.shape)
            raise ValueError(
                "predict_per: mini_batch needs a model that takes any number of rows at once, and this one's "
                "signature asks for the shape {}. Use predict_per: file.".format(shape)
            )


def groups(contents: list[Any]) -> list[list[int]]:
    """Return which contents go together, by their places: tables of the same columns, arrays of the same shape."""
    found: dict[Any, list[int]] = {}
    for place, content in enumerate(contents):
        found.setdefault(_form(content), []).append(place)
    return list(found.values())


def joined(contents: list[Any]) -> Any:
    """Return contents of one form as one."""
    import numpy as np
    import pandas as pd

    first = contents[0]
    if len(contents) == 1:
        return first
    if isinstance(first, dict):
        return {name: np.concatenate([content[name] for content in contents]) for name in first}
    if isinstance(first, pd.DataFrame):
        return pd.concat(contents, ignore_index=True)
    return np.concatenate(contents)


def parted(predicted: Any, contents: list[Any]) -> list[Any]:
    """Return the rows of each content, of the rows that ``predict`` returned for all of them together.

    Raises
    ------
    ValueError
        If there are not as many as went in: then nobody knows whose they are.
    """
    if len(contents) == 1:
        return [predicted]
    counts = [_rows(content) for content in contents]
    if len(predicted) != sum(counts):
        raise ValueError(
            "predict() returned {} rows for the {} rows of {} files, so that they cannot be given back to their "
            "files. Use predict_per: file.".format(len(predicted), sum(counts), len(contents))
        )
    parts, begin = [], 0
    for count in counts:
        parts.append(predicted.iloc[begin : begin + count])
        begin += count
    return parts


def _form(content: Any) -> Any:
    if isinstance(content, dict):
        return tuple((name, _form(array)) for name, array in content.items())
    if hasattr(content, "columns"):
        # Types too: what is put together must not change what the model sees of each.
        return tuple((name, str(kind)) for name, kind in zip(content.columns, content.dtypes))
    return str(content.dtype), content.shape[1:]


def _rows(content: Any) -> int:
    return len(next(iter(content.values()))) if isinstance(content, dict) else len(content)
