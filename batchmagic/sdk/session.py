"""The workspace behind a client: found when it is first needed, made only by what writes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batchmagic.errors import ResourceNotFoundError, UsageError
from batchmagic.sdk.failure import short_name
from batchmagic.words import short_path

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

    from batchmagic.workspace import Workspace
    from batchmagic.workspace.job_records import JobRecord
    from batchmagic.workspace.ledger_errors import ErrorGroup


class Session:
    """One client's workspace.

    Attributes
    ----------
    tell
        Called with a line that a person must know: where a workspace was made, what did not work and is no failure.
    command
        What the reader types before the verbs: ``batchmagic`` in a shell, ``%batch`` in a notebook.
    """

    def __init__(self, path: str | os.PathLike[str] | None = None) -> None:
        self._path = None if path is None else Path(path)
        self._workspace: Workspace | None = None
        self.tell: Callable[[str], object] = print
        self.command = "batchmagic"

    def peek(self) -> Workspace | None:
        """Return the workspace if there is one."""
        try:
            return self.read()
        except ResourceNotFoundError:
            return None

    def place(self) -> Path:
        """Return where the workspace is, or would be; it is not opened."""
        if self._workspace is not None:
            return self._workspace.root
        from batchmagic.workspace import locate  # noqa: PLC0415 - most commands open it anyway

        return locate.locate(self._path)

    def read(self) -> Workspace:
        """Return the workspace.

        Raises
        ------
        ResourceNotFoundError
            If there is none.
        """
        if self._workspace is None:
            from batchmagic.workspace import locate  # noqa: PLC0415 - most commands open it anyway

            root = locate.locate(self._path)
            if not locate.exists(root):
                raise locate.missing(root)
            from batchmagic.workspace import Workspace  # noqa: PLC0415 - brings SQLAlchemy

            self._workspace = Workspace.open(root)
        return self._workspace

    def write(self) -> Workspace:
        """Return the workspace, which is made if there is none."""
        if self._workspace is None:
            from batchmagic.workspace import Workspace  # noqa: PLC0415

            self._workspace = Workspace.find(self._path, create=True)
            if self._workspace.created:
                self.tell(f"Made the workspace {short_path(str(self._workspace.root))}")
                for line in self._workspace.warnings:
                    self.tell(line)
        return self._workspace

    def close(self) -> None:
        """Close the workspace's database."""
        if self._workspace is not None:
            self._workspace.close()
            self._workspace = None

    # --- jobs

    def job(self, name: str) -> JobRecord:
        """Return the job of that name, child's name or unambiguous prefix."""
        return self.read().jobs.get(name)

    def newest_job(self) -> JobRecord | None:
        """Return the job that was invoked last, if there is any."""
        ws = self.peek()
        found = ws.jobs.list(limit=1) if ws else []
        return found[0] if found else None

    def wake(self, compute: str) -> None:
        """See to it that the compute has a host."""
        from batchmagic.workspace.launch import ensure_host  # noqa: PLC0415

        ensure_host(self.read(), compute)

    def look_after(self, records: list[JobRecord]) -> None:
        """Start the hosts of unfinished jobs again, where they are gone."""
        for compute in {r.spec.compute for r in records if not r.status.is_terminal}:
            self.wake(compute)

    def error_groups(self, name: str) -> list[ErrorGroup]:
        """Return the errors of the scoring script, grouped, the commonest first."""
        from batchmagic.workspace.ledger import Ledger  # noqa: PLC0415

        ws = self.read()
        try:
            ledger = Ledger.open(ws.job_dir(ws.jobs.get(name).name), readonly=True)
        except FileNotFoundError:
            return []
        try:
            return ledger.error_groups()
        finally:
            ledger.close()

    def short_name(self, name: str) -> str:
        """Return the beginning of a job's name that fits no other job and is pleasant to type."""
        word = short_name(name)
        if word == name:
            return name
        try:
            return word if self.job(word).name == name else name
        except UsageError:
            return name
