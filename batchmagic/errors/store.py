"""The workspace cannot be used, or is not ours to change."""

from __future__ import annotations

from batchmagic.errors.base import BatchMagicError


class WorkspaceError(BatchMagicError):
    """The workspace cannot be used."""

    code = "workspace"


class WorkspaceNotPrivate(WorkspaceError):
    """The workspace folder belongs to another user or can be written by others."""

    code = "workspace_not_private"
    status = 403


class StoreCorrupted(WorkspaceError):
    """A database of the workspace is damaged."""

    code = "store_corrupted"
    way_out = (
        "Nothing was changed. Restore it from a copy that `batchmagic backup` made, "
        "or move the file away to begin anew."
    )

    def __init__(self, *, path: str, reason: str) -> None:
        self.path, self.reason = path, reason
        super().__init__(f"{path} is damaged ({reason}).", target="workspace")


class JobCorrupted(StoreCorrupted):
    """A file that a job needs to go on is damaged or gone."""

    code = "job_corrupted"
    way_out = (
        "Nothing was changed. Restore the job's folder from a copy that `batchmagic backup` made, "
        "or delete the job and invoke again."
    )


class StoreBusy(WorkspaceError):
    """A database of the workspace is locked by another process for too long."""

    code = "store_busy"
    status = 503


class SchemaTooNew(WorkspaceError):
    """A newer batchmagic wrote this workspace."""

    code = "schema_too_new"
    status = 409
    way_out = "Upgrade batchmagic, or use another workspace."

    def __init__(self, *, path: str, found: int, supported: int) -> None:
        message = f"{path} has schema {found}; this batchmagic writes schemas up to {supported}."
        super().__init__(message, target="workspace")


class WorkspaceMoved(WorkspaceError):
    """The workspace was moved, removed or replaced while it was in use."""

    code = "workspace_moved"
    status = 409
    way_out = (
        "Nothing is written there. Open the workspace where it is now (a notebook: restart its kernel there)."
    )

    def __init__(self, *, path: str) -> None:
        message = (
            f"{path} is not the file any more that was opened: its folder was moved, removed or replaced."
        )
        super().__init__(message, target="workspace")


class DiskError(WorkspaceError):
    """A disk cannot be used; `path` is what was to be read or written."""

    code = "disk"
    status = 507

    def __init__(self, message: str, *, path: str, hint: str = "") -> None:
        self.path = path
        super().__init__(message, target="disk", hint=hint)

    def told(self) -> dict[str, str]:
        """Return what makes it anew in another process."""
        return {"message": self.message, "path": self.path, "hint": self.hint}


class ClaimError(BatchMagicError):
    """Ownership of a compute or job is not ours."""

    code = "claim"
    status = 409


class ClaimHeld(ClaimError):
    """Another live process owns this."""

    code = "claim_held"


class Fenced(ClaimError):
    """Another process took over; this one must not write any more."""

    code = "fenced"
