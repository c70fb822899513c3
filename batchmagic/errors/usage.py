"""What was asked for cannot be done as asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.errors.base import BatchMagicError
from batchmagic.words import abridged, an, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable


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
