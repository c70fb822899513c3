"""An output file as a DataFrame, with the column names and types that the job stored."""

from __future__ import annotations

import ast
import base64
import json
from typing import TYPE_CHECKING, Any

from batchmagic.constants import OutputFormat
from batchmagic.errors import StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    import pyarrow as pa

    from batchmagic.entities.job_spec import JobSpec

Columns = tuple[tuple[str, str], ...]

_TRUE, _FALSE = ("True", "true"), ("False", "false")
_INT64 = 2**63
_BLOCK = 1 << 20


def read_rows(path: Path, spec: JobSpec, columns: Columns) -> pd.DataFrame:
    """Return the rows in `path`, with the names and types in `columns`."""
    form = spec.settings.effective_format()
    if form is OutputFormat.PARQUET:
        return _read_parquet(path, columns)
    if form is OutputFormat.JSONL:
        return _read_jsonl(path, columns)
    if form is OutputFormat.AZURE and _is_lines(spec, columns):
        return _read_lines(path, columns)
    separator = " " if form is OutputFormat.AZURE and spec.scoring_script else ","
    return _read_delimited(path, columns, separator=separator, header=form is OutputFormat.CSV)


def is_quoted(spec: JobSpec, columns: Columns) -> bool:
    """Return whether a line's end between quotes is part of a row, in a file of text."""
    form = spec.settings.effective_format()
    return form is OutputFormat.CSV or (form is OutputFormat.AZURE and not _is_lines(spec, columns))


def _is_lines(spec: JobSpec, columns: Columns) -> bool:
    """Tell whether each line is the text of one list item, which nothing quotes."""
    return spec.scoring_script is not None and [name for name, _ in columns] == ["result"]


def _read_lines(path: Path, columns: Columns) -> pd.DataFrame:
    ((_, kind),) = columns
    with path.open(encoding="utf-8", newline="\n") as file:
        lines = [line.removesuffix("\n") for line in file]
    if kind == "text":
        return _frame(columns, [lines])
    return _frame(columns, [[None if line == "None" else _value(kind, line) for line in lines]])


def _read_delimited(path: Path, columns: Columns, *, separator: str, header: bool) -> pd.DataFrame:
    import pyarrow as pa  # noqa: PLC0415

    kinds = [kind for _, kind in columns]
    if not kinds or not path.stat().st_size:
        return _frame(columns, [[] for _ in columns])
    try:
        table = _csv(path, kinds, separator=separator, header=header)
    except pa.ArrowInvalid:
        # Something that no machine type reads: the slow road keeps it whole.
        table = _as_text(path, kinds, separator=separator, header=header)
    return from_arrow(table, columns)


def _as_text(path: Path, kinds: Sequence[str], *, separator: str, header: bool) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415

    try:
        return _csv(path, ["text"] * len(kinds), separator=separator, header=header)
    except pa.ArrowInvalid as error:
        raise StateError(
            f"The rows in {str(path)!r} have different numbers of columns.",
            target="output",
            hint="Ask for output_format csv, jsonl or parquet, which bring them to the same columns.",
        ) from error


def _csv(path: Path, kinds: Sequence[str], *, separator: str, header: bool) -> pa.Table:
    import pyarrow as pa  # noqa: PLC0415

    try:
        return _csv_in_blocks(path, kinds, separator=separator, header=header, block=_BLOCK)
    except pa.ArrowInvalid as error:
        if "straddl" not in str(error):
            raise
    # A row longer than Arrow's blocks: all of it is one, up to what Arrow counts to.
    whole = min(path.stat().st_size + 1, (1 << 31) - 1)
    return _csv_in_blocks(path, kinds, separator=separator, header=header, block=whole)


def _csv_in_blocks(path: Path, kinds: Sequence[str], *, separator: str, header: bool, block: int) -> pa.Table:
    from pyarrow import csv  # noqa: PLC0415

    names = [f"f{i}" for i in range(len(kinds))]
    return csv.read_csv(
        path,
        read_options=csv.ReadOptions(column_names=names, skip_rows_after_names=int(header), block_size=block),
        parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
        convert_options=csv.ConvertOptions(
            column_types=dict(zip(names, map(_arrow_type, kinds), strict=True)),
            null_values=[""],
            true_values=list(_TRUE),
            false_values=list(_FALSE),
            # An empty field is null; two quotes are an empty text.
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        ),
    )


def _read_jsonl(path: Path, columns: Columns) -> pd.DataFrame:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    values = [[row.get(name) for row in rows] for name, _ in columns]
    decoded = [
        [_value(kind, v) if kind == "binary" and v is not None else v for v in column]
        for column, (_, kind) in zip(values, columns, strict=True)
    ]
    return _frame(columns, decoded)


def _read_parquet(path: Path, columns: Columns) -> pd.DataFrame:
    from pyarrow import parquet  # noqa: PLC0415

    with parquet.ParquetFile(path) as file:
        return from_arrow(file.read(), columns)


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415

    return {"boolean": pa.bool_(), "integer": pa.int64(), "double": pa.float64()}.get(kind, pa.string())


def from_arrow(table: pa.Table, columns: Columns) -> pd.DataFrame:
    """Return the table's columns, by place, as the types that the job stored."""
    import pyarrow as pa  # noqa: PLC0415

    values: list[Any] = []
    for i, (_, kind) in enumerate(columns):
        column = table.column(i)
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if is_text and kind not in {"text", "null", "timestamp"}:
            # A quoted nothing stands for null where a lone column would leave an empty line.
            values.append([_value(kind, text) if text else None for text in column.to_pylist()])
        elif column.null_count and kind in {"integer", "boolean"}:
            values.append(column.to_pylist())
        else:
            values.append(column.to_pandas())
    return _frame(columns, values)


def _frame(columns: Columns, values: Sequence[Any]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    # By place: two columns may have the same name.
    series = {i: _series(v, kind) for i, (v, (_, kind)) in enumerate(zip(values, columns, strict=True))}
    frame = pd.DataFrame(series)
    frame.columns = pd.Index([name for name, _ in columns], dtype=object if not columns else None)
    return frame


def _series(values: Any, kind: str) -> pd.Series[Any]:
    import pandas as pd  # noqa: PLC0415

    if kind == "timestamp":
        return _timestamps(values)
    series = pd.Series(values, dtype=None if hasattr(values, "dtype") else object)
    return series.astype(_pandas_type(kind, series))


def _timestamps(values: Any) -> pd.Series[Any]:
    import pandas as pd  # noqa: PLC0415

    try:
        return pd.Series(pd.to_datetime(values, format="ISO8601"))
    except ValueError:
        # Times with a zone beside times without one: they have no type in common.
        return pd.Series(values, dtype=object)


def _pandas_type(kind: str, series: pd.Series[Any]) -> Any:
    if kind == "integer":
        wide = series.dtype == object and any(
            isinstance(v, int) and not -_INT64 <= v < _INT64 for v in series
        )
        return object if wide else "Int64" if series.isna().any() else "int64"
    if kind == "boolean":
        return "boolean" if series.isna().any() else "bool"
    return {"double": "float64", "text": "str"}.get(kind, object)


def _value(kind: str, text: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {
        "boolean": lambda t: t in _TRUE,
        "integer": int,
        "double": float,
        "json": _nested,
        "binary": _bytes,
    }
    return readers.get(kind, str)(text)


def _nested(text: str) -> Any:
    """Return nested data: as JSON, as Python writes it (Azure's form), else the text itself."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        return list(found) if isinstance(found, tuple) else found
    return text


def _bytes(text: str) -> Any:
    if text.startswith(("b'", 'b"')):
        return ast.literal_eval(text)
    return base64.b64decode(text)
