"""The tables of a job's ledger."""

from __future__ import annotations

from sqlalchemy import Column, Float, ForeignKey, Index, Integer, MetaData, String, Table

metadata = MetaData()

# One row: whose writes are accepted.
fence = Table(
    "fence",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("run", Integer, nullable=False),
)

# One row: the counters that belong to the commits below, changed in the same transaction.
progress = Table(
    "progress",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mini_batches", Integer, nullable=False),
    Column("files", Integer, nullable=False),
    Column("completed", Integer, nullable=False, default=0),
    Column("failed", Integer, nullable=False, default=0),
    Column("retried", Integer, nullable=False, default=0),
    Column("files_failed", Integer, nullable=False, default=0),
    Column("rows", Integer, nullable=False, default=0),
    Column("seconds", Float, nullable=False, default=0.0),
)

segments = Table(
    "segments",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", String, nullable=False, unique=True),
)

row_schemas = Table(
    "row_schemas",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("encoding", String, nullable=False),
    Column("columns", String, nullable=False),  # JSON: [[name, type], …]
)

# Names and types of the output's columns, in order; there once the output is.
output_columns = Table(
    "output_columns",
    metadata,
    Column("position", Integer, primary_key=True),
    Column("name", String, nullable=False),
    Column("type", String, nullable=False),
)

# One row for each mini-batch (or, with isolate_failures, each of its files) that has reached its end.
commits = Table(
    "commits",
    metadata,
    Column("mini_batch", Integer, primary_key=True),
    Column("part", Integer, primary_key=True),
    Column("ok", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("files", Integer, nullable=False),
    Column("rows", Integer, nullable=False),
    Column("items", Integer, nullable=False),
    Column("segment", Integer, ForeignKey("segments.id")),
    Column("offset", Integer),
    Column("length", Integer),
    Column("crc", Integer),
    Column("row_schema", Integer, ForeignKey("row_schemas.id")),
    Column("instance", String, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("started", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    sqlite_with_rowid=False,
)

error_groups = Table(
    "error_groups",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", String, nullable=False, unique=True),
    Column("type", String, nullable=False),
    Column("message", String, nullable=False),
    Column("phase", String, nullable=False),
    Column("file", String),
    Column("line", Integer),
    Column("function", String),
    Column("source", String),
    Column("attempts", Integer, nullable=False),
    Column("files", Integer, nullable=False),
    Column("example_file", String),
    Column("example_mini_batch", Integer),
)

tracebacks = Table(
    "tracebacks",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("error_group", Integer, ForeignKey("error_groups.id"), nullable=False),
    Column("mini_batch", Integer),
    Column("attempt", Integer),
    Column("file", String),
    Column("text", String, nullable=False),
)

# One row for each attempt that did not succeed.
failures = Table(
    "failures",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("mini_batch", Integer, nullable=False),
    Column("part", Integer, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("kind", String, nullable=False),
    Column("final", Integer, nullable=False),
    Column("error_group", Integer, ForeignKey("error_groups.id"), nullable=False),
    Column("message", String, nullable=False),
    Column("instance", String, nullable=False),
    Column("slot", Integer, nullable=False),
    Column("started", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    Index("failures_of", "mini_batch", "part"),
)
