"""A job as a front end sees it: a snapshot, read from the workspace."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO, Any, ClassVar
from urllib.parse import unquote, urlsplit

from pydantic import Field

from batchmagic.entities.base import CreationContext, Entity
from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus


class BatchJob(Entity):
    """A batch job as it was when it was read; ask again for news.

    Attributes
    ----------
    status
        A `JobStatus`, which equals Azure's word for it.
    status_detail
        The status in words: what it waits for, what it does, why it failed.
    error
        What went wrong: ``{"code", "message", …}``; None if nothing did.
    parent_job_name
        Of the child ``batchscoring``; None for the job that an invoke returned.
    run
        1, and one more with each resume.
    """

    shown_as: ClassVar[str] = "job"

    name: str
    id: str | None = None
    display_name: str | None = None
    description: str | None = None
    type: str = "pipeline"
    status: JobStatus = JobStatus.QUEUED
    status_detail: str = ""
    endpoint_name: str | None = None
    deployment_name: str | None = None
    deployment_version: int | None = None
    compute: str | None = None
    experiment_name: str | None = None
    run: int = 1
    creation_context: CreationContext = Field(default_factory=CreationContext)
    progress: Progress = Field(default_factory=Progress)
    error: dict[str, Any] | None = None
    parent_job_name: str | None = None
    inputs: dict[str, Any] = Field(default_factory=dict)
    outputs: dict[str, Any] = Field(default_factory=dict)
    tags: dict[str, str] = Field(default_factory=dict)
    properties: dict[str, str] = Field(default_factory=dict)
    services: dict[str, Any] = Field(default_factory=dict)

    @property
    def base_path(self) -> str:
        """The working directory."""
        return str(Path.cwd())

    @property
    def studio_url(self) -> str | None:
        """Where the job can be looked at: its folder, as a ``file:`` address."""
        studio = self.services.get("Studio") or {}
        return studio.get("endpoint")

    @property
    def log_files(self) -> dict[str, str]:
        """The job's logs: path inside the job's folder to address."""
        if self.studio_url is None:
            return {}
        folder = Path(unquote(urlsplit(self.studio_url).path))
        found = sorted(path for path in (folder / "logs").rglob("*") if path.is_file())
        return {path.relative_to(folder).as_posix(): path.as_uri() for path in found}

    def dump(self, dest: str | os.PathLike[str] | IO[str]) -> None:
        """Write what is known of the job as YAML."""
        if isinstance(dest, str | os.PathLike):
            Path(dest).write_text(str(self), encoding="utf-8")
        else:
            dest.write(str(self))

    def _shape(self, values: dict[str, Any]) -> dict[str, Any]:
        context = values["creation_context"].items()
        return {**values, "creation_context": {key: value for key, value in context if value is not None}}


# Azure's name of the general kind; here is but one.
Job = BatchJob
