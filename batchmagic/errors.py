"""All exceptions of batchmagic.

::

    BatchMagicError
    ├── UsageError                      what was asked for cannot be done as asked
    │   ├── ValidationException         a value that a field cannot take
    │   │   ├── UnknownField
    │   │   ├── InvalidName
    │   │   └── UnsafePath
    │   ├── DefinitionError             YAML that does not load, with line and column
    │   ├── ScriptError                 a scoring script that cannot be deployed
    │   ├── InputError                  an input that is missing, empty or of the wrong kind
    │   ├── ResourceNotFoundError
    │   ├── ResourceExistsError
    │   ├── OutputExists
    │   ├── NotSupported                a part of Azure's package that means nothing here
    │   │   ├── AttributeNotSupported
    │   │   └── ModuleNotSupported
    │   ├── StateError                  the object's state does not allow it
    │   └── InterpreterMissing          a deployment's interpreter has vanished
    ├── JobException                    the job failed
    │   └── JobCanceled
    ├── WorkspaceError
    │   ├── WorkspaceNotPrivate
    │   ├── StoreCorrupted
    │   │   └── JobCorrupted            the same of one job's files
    │   ├── StoreBusy
    │   ├── SchemaTooNew
    │   ├── WorkspaceMoved              its folder was moved, removed or replaced while it was in use
    │   └── DiskError                   a disk is full, read-only, broken or closed to us
    ├── ClaimError
    │   ├── ClaimHeld                   another live process owns it
    │   └── Fenced                      ownership was taken over by another
    └── EngineError
        ├── ProtocolError               a frame that is none of ours
        ├── ComputeError                the cluster did not start or was lost
        └── PackagesChanged             an instance runs other packages than its host

The docstring of a class is its default message. Every class has a stable `code`, the HTTP `status`
that fits it, and a `hint`: what to do next. Exceptions survive pickling.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchmagic.words import abridged, an, suggestion

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable


def _rebuild(cls: type[BatchMagicError], state: dict[str, Any]) -> BatchMagicError:
    error = cls.__new__(cls)
    Exception.__init__(error, state["message"])
    error.__dict__.update(state)
    return error


class BatchMagicError(Exception):
    """Something went wrong in batchmagic."""

    code = "error"
    status = 500
    way_out = ""  # what to do next, where nothing better can be said

    def __init__(self, message: str | None = None, *, target: str | None = None, hint: str = "") -> None:
        self.message = message or " ".join((type(self).__doc__ or "").split("\n\n")[0].split())
        self.target = target
        self.hint = hint or self.way_out
        super().__init__(self.message)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".rstrip()

    def __reduce__(
        self,
    ) -> tuple[Callable[..., BatchMagicError], tuple[type[BatchMagicError], dict[str, Any]]]:
        return _rebuild, (type(self), self.__dict__)


class UsageError(BatchMagicError):
    """What was asked for cannot be done as asked."""

    code = "usage"
    status = 400


class ValidationException(UsageError):
    """A field has a value that it cannot take."""

    code = "invalid_value"
    status = 422

    def __init__(
        self,
        message: str | None = None,
        *,
        field: str = "",
        value: object = None,
        reason: str = "",
        hint: str = "",
    ) -> None:
        self.field = field
        self.value = value
        super().__init__(message or f"{field}: {abridged(repr(value))} {reason}.", target=field, hint=hint)


class UnknownField(ValidationException):
    """A field is not known."""

    code = "unknown_field"

    def __init__(self, *, field: str, owner: str, known: Iterable[str] = ()) -> None:
        super().__init__(f"{owner} has no field {field!r}.", field=field, hint=suggestion(field, known))


class InvalidName(ValidationException):
    """A name does not follow the rule for its kind."""

    code = "invalid_name"

    def __init__(self, *, kind: str, name: object, rule: str) -> None:
        super().__init__(
            field="name",
            value=name,
            reason=f"cannot be the name of {an(kind)}",
            hint=f"Use {rule}.",
        )


class UnsafePath(ValidationException):
    """A path leaves the folder that it must stay in."""

    code = "unsafe_path"

    def __init__(self, *, path: str) -> None:
        super().__init__(
            field="path", value=path, reason="leaves its folder", hint="Use a relative path without '..'."
        )


class DefinitionError(UsageError):
    """A YAML definition cannot be loaded."""

    code = "invalid_definition"
    status = 422

    def __init__(
        self,
        reason: str,
        *,
        source: str = "<yaml>",
        line: int | None = None,
        column: int | None = None,
        hint: str = "",
    ) -> None:
        self.source, self.line, self.column = source, line, column
        where = source if line is None else f"{source}, line {line}, column {column}"
        super().__init__(f"{where}: {reason}", target=source, hint=hint)


class ScriptError(UsageError):
    """The scoring script cannot be deployed."""

    code = "invalid_script"
    status = 422


class InputError(UsageError):
    """The input is missing, empty or of the wrong kind."""

    code = "invalid_input"


class ResourceNotFoundError(UsageError):
    """What was named does not exist."""

    code = "not_found"
    status = 404

    def __init__(
        self,
        message: str | None = None,
        *,
        kind: str = "",
        name: object = "",
        known: Iterable[str] = (),
        hint: str = "",
    ) -> None:
        message = message or f"There is no {kind} {str(name)!r}."
        super().__init__(message, target=kind, hint=hint or suggestion(name, known))


class ResourceExistsError(UsageError):
    """What was to be made exists already."""

    code = "already_exists"
    status = 409


class OutputExists(UsageError):
    """The output exists already."""

    code = "output_exists"
    status = 409
    way_out = "Choose another output_file_name or output path, or pass --overwrite."

    def __init__(self, *, path: str) -> None:
        super().__init__(f"The output {path!r} exists already.", target="output")


class NotSupported(UsageError):
    """A part of Azure's package means nothing here."""

    code = "not_supported"

    def __init__(self, *, name: str, reason: str, hint: str = "") -> None:
        super().__init__(f"{name} is not part of batchmagic: {reason}.", target=name, hint=hint)


class AttributeNotSupported(NotSupported, AttributeError):
    """An attribute of Azure's package means nothing here."""


class ModuleNotSupported(NotSupported, ModuleNotFoundError):
    """A module of Azure's package, or a name in one, means nothing here."""


class StateError(UsageError):
    """The object is in a state that does not allow this."""

    code = "wrong_state"
    status = 409


class InterpreterMissing(UsageError):
    """The interpreter that the deployment was made with has vanished."""

    code = "interpreter_missing"
    status = 409
    way_out = "Deploy again from where it shall run; a job of it resumes with --deployment-version latest."

    def __init__(self, *, executable: str) -> None:
        message = f"The deployment's interpreter {executable!r} does not exist any more."
        super().__init__(message, target="interpreter")


class JobException(BatchMagicError):
    """The job failed."""

    code = "job_failed"
    status = 409

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows in the place of a traceback: the message, which says it all, in colours."""
        from batchmagic.failure_lines import coloured  # noqa: PLC0415 - only what is displayed needs it

        return coloured(str(self), type(self).__name__)


class JobCanceled(JobException):
    """The job was canceled."""

    code = "job_canceled"


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


class EngineError(BatchMagicError):
    """The engine failed."""

    code = "engine"


class ProtocolError(EngineError):
    """A frame arrived that is none of ours."""

    code = "protocol"


class ComputeError(EngineError):
    """The cluster of a compute did not start or was lost."""

    code = "compute"


class PackagesChanged(EngineError):
    """An instance runs other packages than its host, because they were changed under it."""

    code = "packages_changed"
