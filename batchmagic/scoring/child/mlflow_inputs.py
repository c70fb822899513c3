"""An input file as what a model's signature asks for."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

from . import mlflow_columns, mlflow_tensors

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
        If the suffix is none that is known, and the model does not take any file as bytes.
    MisfitFile
        If the content cannot be what the signature asks for.
    """
    suffix = os.path.splitext(path)[1].lower()
    if suffix in _TABLES:
        return fit(_TABLES[suffix](path, schema), schema)
    if mlflow_columns.takes_bytes(schema):
        return _read_bytes(path, schema)
    if suffix in _IMAGES:
        return mlflow_tensors.of_image(_pixels(path, schema), schema)
    known = ", ".join(sorted([*_TABLES, *_IMAGES]))
    raise UnsupportedFile(
        f"File type {suffix.lstrip('.') or 'without a suffix'!r} is not supported by an MLflow model without a "
        f"scoring script ({os.path.basename(path)}). Supported: {known}."
    )


def fit(frame: Any, schema: Any) -> Any:
    """Return a table as the columns, the tensor or the tensors that the signature asks for."""
    if schema is None:
        return frame
    return (mlflow_tensors.of_table if schema.is_tensor_spec() else mlflow_columns.fit)(frame, schema)


def _read_text(separator: str) -> Callable[[str, Any], Any]:
    def read_text(path: str, schema: Any) -> Any:
        import pandas as pd

        options: dict[str, Any] = {"sep": separator, "low_memory": False}
        if mlflow_tensors.is_unnamed(schema):
            return pd.read_csv(path, header=_header_of(path, separator), **options)
        labels = None
        if schema is not None and not schema.has_input_names():
            labels = pd.read_csv(path, nrows=0, **options).columns
        kinds = mlflow_columns.kinds(schema, labels)
        # Text stays as it is written: 007 is no 7 where the signature says string.
        texts = {name: str for name, kind in kinds.items() if mlflow_columns.word(kind) == "string"}
        return pd.read_csv(path, dtype=texts, **options)

    return read_text


def _header_of(path: str, separator: str) -> int | None:
    """Return the line of the header: the first, or none where that is numbers with fractions, as NumPy saves them."""
    with open(path, encoding="utf-8-sig") as file:
        fields = file.readline().strip().split(separator)
    try:
        numbers = [float(field) for field in fields]
    except ValueError:
        return 0
    whole = all(field.strip().isdecimal() for field, _ in zip(fields, numbers))
    return 0 if whole else None


def _read_parquet(path: str, _schema: Any) -> Any:
    import pandas as pd

    return pd.read_parquet(path)


def _read_json(path: str, _schema: Any) -> Any:
    """Read JSON lines, a list of rows, or one object; nothing is guessed to be a date."""
    import pandas as pd

    with open(path, encoding="utf-8-sig") as file:
        text = file.read()
    try:
        whole = json.loads(text)
        records = whole if isinstance(whole, list) else [whole]
    except ValueError:
        records = [json.loads(line) for line in text.splitlines() if line.strip()]
    return pd.DataFrame(records)


_TABLES: dict[str, Callable[[str, Any], Any]] = {
    ".csv": _read_text(","),
    ".tsv": _read_text("\t"),
    ".parquet": _read_parquet,
    ".pqt": _read_parquet,
    ".jsonl": _read_json,
    ".json": _read_json,
}


def _read_bytes(path: str, schema: Any) -> Any:
    import pandas as pd

    with open(path, "rb") as file:
        content = file.read()
    return pd.DataFrame({schema.inputs[0].name or 0: [content]})


def _pixels(path: str, schema: Any) -> Any:
    """Return an image as an array of bytes or what its format has; a palette's numbers are no colours."""
    if schema is not None and not schema.is_tensor_spec():
        kinds = ", ".join(mlflow_columns.word(spec.type) or str(spec.type) for spec in schema.inputs)
        raise TypeError(
            "The model's signature takes no images: it must be a tensor, or exactly one column of type binary; "
            f"it has {kinds}."
        )
    import numpy as np
    from PIL import Image

    with Image.open(path) as image:
        if image.mode != "P":
            return np.asarray(image)
        return np.asarray(image.convert("RGBA" if "transparency" in image.info else "RGB"))
