r"""Rows as bytes, in the form of the job's output. No form has a header here: the assembler writes one.

========= ==================================================================================
csv       comma, ``\n``, quotes where needed; null is empty, empty text is ``""``
jsonl     one object per row
parquet   an Arrow stream; rows as for jsonl where there is no pyarrow
azure     tables as pandas writes them with ``sep=" "``; list items one ``str(item)`` per line
========= ==================================================================================
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

from ..columns import AZURE, INTEGER, NULL, TEXT  # noqa: TID252 -- see values
from . import arrow_forms
from .table import FILE, Column, header, tabulate, unique_names
from .values import csv_fields, json_bytes, json_fields, to_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .results import Result

_ONE_LINE = str.maketrans({"\n": " ", "\r": " "})
_PLAIN = {str, int, float, bool, type(None)}


class Encoded(NamedTuple):
    """Encoded rows: `encoding` is csv, jsonl, arrow, azure or none."""

    encoding: str
    columns: list[tuple[str, str]]
    rows: int
    raw: bytes


class Encoder:
    """Encodes results for one job.

    Parameters
    ----------
    output_format
        ``azure``, ``csv``, ``jsonl`` or ``parquet``.
    summary_only
        True to keep nothing but the number of rows.
    input_root
        The folder that the column ``file`` is relative to.
    """

    def __init__(
        self, *, output_format: str, summary_only: bool = False, input_root: str | None = None
    ) -> None:
        self._summary_only = summary_only
        self._root = os.path.join(input_root, "") if input_root else None
        self._azure = output_format == "azure"
        forms: dict[str, Callable[[list[Column], int], tuple[str, bytes]]] = {
            "azure": csv_form,
            "csv": csv_form,
            "jsonl": jsonl_form,
            "parquet": parquet_form,
        }
        self._form = forms[output_format]

    def encode(self, result: Result, files: Sequence[str]) -> Encoded:
        """Return the rows of a mini-batch as bytes, with the names and types of their columns.

        Raises
        ------
        ColumnConflict
            If no type can hold a column's values.
        """
        if self._summary_only:
            return Encoded("none", [], result.rows, b"")
        if self._azure and result.files is None:
            return Encoded(AZURE, header(result), result.rows, azure_form(result))
        columns = tabulate(result)
        if self._azure:
            columns.insert(0, Column("row", INTEGER, _numbers_within(result.files or [])))
        of_rows = result.files if result.files is not None else files
        if (self._azure or all(c.name != FILE for c in columns)) and len(of_rows) == result.rows:
            columns.append(Column(FILE, TEXT if of_rows else NULL, [self._relative(f) for f in of_rows]))
        if self._azure:
            for column, name in zip(columns, unique_names([c.name for c in columns])):
                column.name = name
        encoding, raw = self._form(columns, result.rows)
        return Encoded(AZURE if self._azure else encoding, _header(columns), result.rows, raw)

    def _relative(self, file: str) -> str:
        if self._root is not None and file.startswith(self._root):
            file = file[len(self._root) :]
        else:
            file = os.path.basename(file)
        return file.replace(os.sep, "/")


def _header(columns: list[Column]) -> list[tuple[str, str]]:
    return [(column.name, column.kind) for column in columns]


def _numbers_within(files: list[str]) -> list[int]:
    """Return the number of each row within its file, from 0."""
    numbers: list[int] = []
    for i, file in enumerate(files):
        numbers.append(numbers[-1] + 1 if i and files[i - 1] == file else 0)
    return numbers


def csv_form(columns: list[Column], rows: int) -> tuple[str, bytes]:
    """Return the rows as CSV without a header."""
    if not rows or not columns:
        return "csv", b""
    fast = arrow_forms.csv_rows(columns, rows)
    if fast is not None:
        return "csv", fast
    fields = [csv_fields(column.kind, column.values) for column in columns]
    # An empty line would be no row to most readers.
    lines = [field or '""' for field in fields[0]] if len(fields) == 1 else map(",".join, zip(*fields))
    return "csv", to_bytes("\n".join(lines) + "\n")


def jsonl_form(columns: list[Column], rows: int) -> tuple[str, bytes]:
    """Return the rows as JSON objects, one a line."""
    if not rows:
        return "jsonl", b""
    members = []
    for column in columns:
        (name,) = json_fields(TEXT, [column.name])
        members.append([f"{name}:{value}" for value in json_fields(column.kind, column.values)])
    lines = map(",".join, zip(*members)) if members else [""] * rows
    return "jsonl", json_bytes("".join(["{" + line + "}\n" for line in lines]))


def parquet_form(columns: list[Column], rows: int) -> tuple[str, bytes]:
    """Return the rows as an Arrow stream, or as JSON objects where there is no pyarrow."""
    stream = arrow_forms.stream(columns)
    return jsonl_form(columns, rows) if stream is None else ("arrow", stream)


def azure_form(result: Result) -> bytes:
    """Return the rows as Azure writes them for a script."""
    value = result.value
    if result.kind in {"items", "array"} and set(map(type, value)) <= _PLAIN:
        return to_bytes("".join([str(item).translate(_ONE_LINE) + "\n" for item in value]))
    with _whole_arrays():
        if result.kind in {"items", "array"}:
            return to_bytes("".join([_azure_text(item).translate(_ONE_LINE) + "\n" for item in value]))
        if result.kind == "series":
            value = value.to_frame()
        elif result.kind == "arrow":
            value = value.to_pandas()
        return to_bytes(_plain_cells(value).to_csv(sep=" ", header=False, index=False))


def _whole_arrays() -> Any:
    """Have arrays written whole for a while: NumPy's text of a long one leaves out its middle."""
    numpy = sys.modules.get("numpy")
    return contextlib.nullcontext() if numpy is None else numpy.printoptions(threshold=sys.maxsize)


def _plain_cells(frame: Any) -> Any:
    """Return a table in which nested values hold Python's numbers; the names of its columns are lost."""
    frame = frame.set_axis(range(frame.shape[1]), axis=1)
    for i, kind in enumerate(frame.dtypes):
        if str(kind) == "object":
            frame[i] = frame[i].map(_without_numpy)
    return frame


def _azure_text(item: Any) -> str:
    return str(_without_numpy(item) if type(item) in {list, tuple, dict} else item)


def _without_numpy(item: Any) -> Any:
    """Return a container with Python's numbers for NumPy's, which would be written as ``np.float64(1.0)``."""
    numpy = sys.modules.get("numpy")
    if numpy is None:
        return item
    kind = type(item)
    if kind is dict:
        return {_without_numpy(k): _without_numpy(v) for k, v in item.items()}
    if kind is list or kind is tuple:
        return kind(map(_without_numpy, item))
    if not isinstance(item, numpy.generic) or item.dtype.kind not in "biufSU":
        return item
    # A narrow float by the digits that it has, not by those of the double nearest to it.
    return float(str(item)) if item.dtype.kind == "f" and item.dtype.itemsize < 8 else item.item()  # noqa: PLR2004
