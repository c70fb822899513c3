"""The schema of ``workspace.db``.

Names are compared without regard to case, because folders are named after them and some disks do so.
Values of variables and credentials have no column: they are in the secrets folder. Times are seconds
since 1970, for people to read; order comes from sequence numbers.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData()


def _name(column: str, *, primary_key: bool = False, nullable: bool = False) -> Column[str]:
    return Column(column, String(collation="NOCASE"), primary_key=primary_key, nullable=nullable)


endpoints = Table(
    "endpoints",
    metadata,
    _name("name", primary_key=True),
    Column("body", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("modified_at", Float, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    _name("endpoint"),
    _name("name"),
    Column("version", Integer, nullable=False),
    Column("created_at", Float, nullable=False),
    PrimaryKeyConstraint("endpoint", "name"),
    ForeignKeyConstraint(["endpoint"], ["endpoints.name"], ondelete="CASCADE"),
)

deployment_versions = Table(
    "deployment_versions",
    metadata,
    _name("endpoint"),
    _name("name"),
    Column("version", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    Column("interpreter", JSON, nullable=False),
    Column("code_dir", Text),
    Column("model_name", Text),
    Column("model_version", Text),
    Column("model_type", Text),
    Column("model_dir", Text),
    Column("variables", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    PrimaryKeyConstraint("endpoint", "name", "version"),
    ForeignKeyConstraint(
        ["endpoint", "name"], ["deployments.endpoint", "deployments.name"], ondelete="CASCADE"
    ),
)

computes = Table(
    "computes",
    metadata,
    _name("name", primary_key=True),
    Column("body", JSON, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("modified_at", Float, nullable=False),
)

assets = Table(
    "assets",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    _name("name"),
    _name("version"),
    Column("body", JSON, nullable=False),
    Column("directory", Text),
    Column("digest", Text),
    Column("bytes", Integer, nullable=False, server_default="0"),
    Column("mlflow_uri", Text),
    Column("archived", Boolean, nullable=False, server_default="0"),
    Column("anonymous", Boolean, nullable=False, server_default="0"),
    Column("created_at", Float, nullable=False),
    Column("modified_at", Float, nullable=False),
    Index("assets_by_name", "kind", "name", "version", unique=True),
    sqlite_autoincrement=True,
)

# Numbers that were given out are not given out again after a deletion.
counters = Table(
    "counters",
    metadata,
    Column("kind", Text, nullable=False),
    _name("name"),
    Column("last", Integer, nullable=False),
    PrimaryKeyConstraint("kind", "name"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("seq", Integer, primary_key=True),
    _name("name"),
    Column("run", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("status_detail", Text, nullable=False),
    _name("endpoint"),
    _name("deployment"),
    _name("compute"),
    Column("spec", JSON, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("code_dir", Text),
    Column("model_dir", Text),
    Column("display_name", Text),
    Column("error", JSON(none_as_null=True)),
    Column("idempotency_key", Text, unique=True),
    Column("request", Text, nullable=False),
    Column("created_at", Float, nullable=False),
    Column("started_at", Float),
    Column("ended_at", Float),
    Column("labels", JSON(none_as_null=True)),
    Column("archived", Boolean, nullable=False, server_default="0"),
    Index("jobs_by_name", "name", unique=True),
    Index("jobs_by_compute", "compute", "status"),
    Index("jobs_by_endpoint", "endpoint", "deployment"),
    Index("jobs_by_status", "status"),
    sqlite_autoincrement=True,
)

job_events = Table(
    "job_events",
    metadata,
    Column("seq", Integer, primary_key=True),
    Column("job", Integer, nullable=False),
    Column("run", Integer, nullable=False),
    Column("at", Float, nullable=False),
    Column("status", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Column("epoch", Integer),
    Index("job_events_by_job", "job", "seq"),
    sqlite_autoincrement=True,
)

claims = Table(
    "claims",
    metadata,
    Column("resource", Text, primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("counter", Integer, nullable=False),
    Column("host", Text, nullable=False),
    Column("boot_id", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("start_time", Text, nullable=False),
    Column("acquired_at", Float, nullable=False),
    Column("place", Text),
)

# Of a token's text only what cannot be turned back; a name is free again once its token was revoked.
tokens = Table(
    "tokens",
    metadata,
    Column("id", Text, primary_key=True),
    _name("name"),
    Column("digest", Text, nullable=False),
    Column("scopes", JSON, nullable=False),
    _name("endpoint", nullable=True),
    Column("created_at", Float, nullable=False),
    Column("expires_at", Float),
    Column("last_used_at", Float),
    Column("revoked_at", Float),
    Index("tokens_by_name", "name", unique=True, sqlite_where=text("revoked_at IS NULL")),
)
