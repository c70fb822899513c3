"""An input file as what a model's signature asks for."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_IMAGES = (".png", ".jpg", ".jpeg", ".tiff", ".tif", ".bmp", ".gif")


class UnsupportedFile(ValueError):
    """A file of a kind that an MLflow model without a script cannot be given."""


def read(path: str, schema: Any) -> Any:
    """Return the content of a file, ready for ``predict``.

    Parameters
    ----------
    path
        The file; its suffix says what it is.
    schema
        The model's input schema; None if it has no signature.

    Raises
    ------
    UnsupportedFile
        If the suffix is none that is known.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _IMAGES:
        return _read_image(path, schema)
    if suffix not in _TABLES:
        known = ", ".join(sorted([*_TABLES, *_IMAGES]))
        raise UnsupportedFile(
            f"File type {suffix.lstrip('.') or 'without a suffix'!r} is not supported by an MLflow model without a "
            f"scoring script ({os.path.basename(path)}). Supported: {known}."
        )
    return fit(_TABLES[suffix](path, schema), schema)


def _read_text(separator: str) -> Callable[[str, Any], Any]:
    def read_text(path: str, schema: Any) -> Any:
        import pandas as pd

        # Text stays as it is written: 007 is no 7 where the signature says string.
        texts = {name: str for name, kind in _column_types(schema).items() if kind == "string"}
        return pd.read_csv(path, sep=separator, dtype=texts, low_memory=False)

    return read_text


def _read_parquet(path: str, _schema: Any) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _read_json(path: str, _schema: Any) -> Any:
    """Read JSON lines, a list of objects, or one object; nothing is guessed to be a date."""
    import pandas as pd

    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    try:
        whole = json.loads(text)
        records = whole if isinstance(whole, list) else [whole]
    except ValueError:
        records = [json.loads(line) for line in text.splitlines() if line.strip()]
    return pd.DataFrame.from_records(records)


_TABLES: dict[str, Callable[[str, Any], Any]] = {
    ".csv": _read_text(","),
    ".tsv": _read_text("\t"),
    ".parquet": _read_parquet,
    ".pqt": _read_parquet,
    ".jsonl": _read_json,
    ".json": _read_json,
}


def _column_types(schema: Any) -> dict[str, str]:
    """Return the MLflow types of named scalar columns."""
    if schema is None or schema.is_tensor_spec() or not schema.has_input_names():
        return {}
    return {spec.name: getattr(spec.type, "name", "") for spec in schema.inputs}


def fit(frame: Any, schema: Any) -> Any:
    """Return a table with the number types that the signature asks for, where nothing is lost by it.

    Text formats know one kind of whole number and one of fraction, and MLflow refuses to convert between
    widths; only what is safe is done here, all else is left for MLflow to judge.
    """
    if schema is None:
        return frame
    if schema.is_tensor_spec():
        return _fit_tensor(frame, schema)
    changed = {}
    for name, kind in _column_types(schema).items():
        if name in frame.columns:
            target = _safe_type(frame[name], kind)
            if target is not None:
                changed[name] = target
    return frame.astype(changed) if changed else frame


def _safe_type(series: Any, kind: str) -> str | None:
    have = getattr(series.dtype, "kind", "O")
    if kind == "double" and have in "iu":
        return "float64"
    if kind == "float" and have in "iuf":
        return "float32"
    if kind == "integer" and have in "iu" and _fits_int32(series):
        return "int32"
    return "datetime64[ns]" if kind == "datetime" and have != "M" else None


def _fits_int32(series: Any) -> bool:
    return bool(len(series) and series.min() >= -(1 << 31) and series.max() < 1 << 31)


def _fit_tensor(frame: Any, schema: Any) -> Any:
    if schema.has_input_names():
        return {
            spec.name: frame[spec.name].to_numpy().astype(spec.type)
            for spec in schema.inputs
            if spec.name in frame
        }
    spec = schema.inputs[0]
    return frame.to_numpy().astype(spec.type).reshape(spec.shape)


def _read_image(path: str, schema: Any) -> Any:
    import numpy as np

    if schema is not None and not schema.is_tensor_spec():
        return _image_bytes(path, schema)
    from PIL import Image

    with Image.open(path) as image:
        pixels = np.asarray(image)
    if schema is None:
        return pixels[np.newaxis].astype(np.uint8)
    spec = schema.inputs[0]
    if tuple(spec.shape) == (-1,):
        array = np.empty(1, dtype=object)
        array[0] = pixels
    else:
        array = pixels.astype(spec.type).reshape(spec.shape)
    return {spec.name: array} if spec.name else array


def _image_bytes(path: str, schema: Any) -> Any:
    import pandas as pd

    kinds = [getattr(spec.type, "name", "") for spec in schema.inputs]
    if kinds != ["binary"]:
        raise TypeError(
            "The model's signature takes no images: it must be a tensor, or exactly one column of type binary; "
            f"it has {', '.join(kinds)}."
        )
    with open(path, "rb") as file:
        content = file.read()
    return pd.DataFrame({schema.inputs[0].name or 0: [content]})
