"""A job's rows as a DataFrame: names and types are those that were stored with the job, whatever the file's form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.constants import BatchDeploymentOutputAction, OutputFormat
from batchmagic.entities.status import JobStatus
from batchmagic.errors import JobCanceled, StateError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    import pyarrow as pa

    from batchmagic.entities.job_spec import JobSpec
    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord

Columns = tuple[tuple[str, str], ...]

_TRUE, _FALSE = ("True", "true"), ("False", "false")


def output_folder(ws: Workspace, record: JobRecord) -> Path:
    """Return the folder that the output ``score`` is in."""
    return (
        Path(record.spec.output_path)
        if record.spec.output_path
        else ws.job_dir(record.name) / "outputs" / "score"
    )


def output_file(ws: Workspace, record: JobRecord) -> Path | None:
    """Return the file that gets the rows; None where the job keeps none."""
    if record.spec.settings.output_action is not BatchDeploymentOutputAction.APPEND_ROW:
        return None
    return output_folder(ws, record) / record.spec.settings.output_file_name


def read_result(ws: Workspace, record: JobRecord) -> pd.DataFrame:
    """Return the rows of a job that has completed.

    Raises
    ------
    StateError
        If the job has not completed, keeps no rows, or its output has been moved away.
    """
    if record.status is JobStatus.CANCELED:
        raise JobCanceled(f"Job {record.name} was canceled; it has no result.", target=record.name)
    if record.status is not JobStatus.COMPLETED:
        raise StateError(f"Job {record.name} is {record.status}; it has no result.", target=record.name)
    path = output_file(ws, record)
    if path is None:
        raise StateError(
            f"Job {record.name} ran with output_action summary_only and kept no rows.",
            hint=f"What the script wrote itself is in {output_folder(ws, record)}.",
        )
    if not path.exists():
        raise StateError(
            f"The output {str(path)!r} of job {record.name} is not there any more.", target="output"
        )
    return read_rows(path, record.spec, stored_columns(ws, record.name))


def stored_columns(ws: Workspace, name: str) -> Columns:
    """Return names and types of the job's rows, as they were unified over all mini-batches."""
    from batchmagic.workspace.ledger import Ledger  # noqa: PLC0415 - brings SQLAlchemy

    ledger = Ledger.open(ws.job_dir(name), readonly=True)
    try:
        return tuple((str(column), str(kind)) for column, kind in ledger.columns())
    finally:
        ledger.close()


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


def _is_lines(spec: JobSpec, columns: Columns) -> bool:
    """Tell whether each line is the text of one list item, which nothing quotes."""
    return spec.scoring_script is not None and [name for name, _ in columns] == ["result"]


def _read_lines(path: Path, columns: Columns) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    with path.open(encoding="utf-8", newline="\n") as file:
        lines = [line.removesuffix("\n") for line in file]
    name, kind = columns[0]
    return pd.DataFrame({name: _series([_from_text(kind, line) for line in lines], kind)})


def _read_delimited(path: Path, columns: Columns, *, separator: str, header: bool) -> pd.DataFrame:
    import pyarrow as pa  # noqa: PLC0415
    from pyarrow import csv  # noqa: PLC0415

    names = [f"f{i}" for i in range(len(columns))]
    if not names or not path.stat().st_size:
        return _frame(columns, [[] for _ in columns])

    def load(kinds: Sequence[str]) -> pa.Table:
        return csv.read_csv(
            path,
            read_options=csv.ReadOptions(column_names=names, skip_rows_after_names=int(header)),
            parse_options=csv.ParseOptions(delimiter=separator, newlines_in_values=True),
            convert_options=csv.ConvertOptions(
                column_types={n: _arrow_type(k) for n, k in zip(names, kinds, strict=True)},
                null_values=[""],
                true_values=list(_TRUE),
                false_values=list(_FALSE),
                # An empty field is null; two quotes are an empty text.
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
            ),
        )

    kinds = [kind for _, kind in columns]
    try:
        table = load(kinds)
    except pa.ArrowInvalid:
        # A number that no machine type holds: the slow road keeps it whole.
        table = load(["text"] * len(columns))
        return _frame(columns, [
            [None if v is None else _from_text(kind, v) for v in table.column(i).to_pylist()]
            for i, kind in enumerate(kinds)
        ])  # fmt: skip
    return _from_arrow(table, columns)


def _read_jsonl(path: Path, columns: Columns) -> pd.DataFrame:
    with path.open(encoding="utf-8") as file:
        rows = [json.loads(line) for line in file if line.strip()]
    return _frame(columns, [[row.get(name) for row in rows] for name, _ in columns])


def _read_parquet(path: Path, columns: Columns) -> pd.DataFrame:
    from pyarrow import parquet  # noqa: PLC0415

    with parquet.ParquetFile(path) as file:
        return _from_arrow(file.read(), columns)


def _arrow_type(kind: str) -> pa.DataType:
    import pyarrow as pa  # noqa: PLC0415

    return {"boolean": pa.bool_(), "integer": pa.int64(), "double": pa.float64()}.get(kind, pa.string())


def _from_arrow(table: pa.Table, columns: Columns) -> pd.DataFrame:
    """Return the table's columns, by place, as the types that the job stored."""
    import pyarrow as pa  # noqa: PLC0415

    values: list[Any] = []
    for i, (_, kind) in enumerate(columns):
        column = table.column(i)
        plain = not column.null_count or kind not in {"integer", "boolean"}
        is_text = pa.types.is_string(column.type) or pa.types.is_large_string(column.type)
        if (is_text and kind not in {"text", "null"}) or not plain:
            values.append([_from_text(kind, v) if isinstance(v, str) else v for v in column.to_pylist()])
        else:
            values.append(column.to_pandas())
    return _frame(columns, values)


def _frame(columns: Columns, values: Sequence[Any]) -> pd.DataFrame:
    import pandas as pd  # noqa: PLC0415

    # By place: two columns may have the same name.
    frame = pd.DataFrame(
        {i: _series(v, kind) for i, (v, (_, kind)) in enumerate(zip(values, columns, strict=True))}
    )
    frame.columns = pd.Index([name for name, _ in columns], dtype=object if not columns else None)
    return frame


def _series(values: Any, kind: str) -> pd.Series[Any]:
    import pandas as pd  # noqa: PLC0415

    if kind == "timestamp":
        return pd.Series(pd.to_datetime(values, format="ISO8601"))
    series = pd.Series(values, dtype=None if hasattr(values, "dtype") else object)
    has_null = bool(series.isna().any()) if kind in {"integer", "boolean", "double", "text"} else False
    return series.astype(_pandas_type(kind, series, has_null=has_null))


def _pandas_type(kind: str, series: pd.Series[Any], *, has_null: bool) -> Any:
    if kind == "integer":
        if any(
            isinstance(v, int) and not -(2**63) <= v < 2**63
            for v in (series if series.dtype == object else ())
        ):
            return object
        return "Int64" if has_null else "int64"
    if kind == "boolean":
        return "boolean" if has_null else "bool"
    return {"double": "float64", "text": "str"}.get(kind, object)


def _from_text(kind: str, text: str) -> Any:
    readers: dict[str, Callable[[str], Any]] = {
        "boolean": lambda t: t in _TRUE,
        "integer": int,
        "double": float,
        "json": json.loads,
    }
    return readers.get(kind, str)(text)


def iter_lines(path: Path, limit: int) -> Iterator[str]:
    """Yield the first lines of a text file."""
    with path.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file):
            if number >= limit:
                return
            yield line.rstrip("\n")
