"""From pydantic's errors to ours: one clear sentence with field, value and next step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from pydantic_core import PydanticCustomError

from batchmagic.entities.yaml_source import refused
from batchmagic.errors import BatchMagicError, UnknownField, UsageError, ValidationException

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from pydantic import ValidationError

    from batchmagic.entities.yaml_source import Document
    from batchmagic.errors import DefinitionError

T = TypeVar("T")
Location = tuple[str | int, ...]

_OURS = "batchmagic"
_REASONS: dict[str, str] = {
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "dict_type": "must be a mapping",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "list_type": "must be a list",
    "model_attributes_type": "must be a mapping",
    "model_type": "must be a mapping",
    "string_too_short": "must not be empty",
    "string_type": "must be text",
}
_DRAWERS = frozenset({"settings", "resources", "retry_settings", "code_configuration"})
# A wrong value here may be a password; its name is enough.
_HIDDEN = frozenset({"environment_variables"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong, and where in the entity it stands."""

    location: Location
    error: UsageError
    at_key: bool = False


def carried(error: BatchMagicError, *, key: str | None = None) -> PydanticCustomError:
    """Return a pydantic error that brings `error` through pydantic unchanged, pointing at `key` if given."""
    return PydanticCustomError(_OURS, "{text}", {"text": str(error), "error": error, "key": key})


def wrong(reason: str, *, hint: str = "") -> PydanticCustomError:
    """Return a pydantic error that says `reason` of the field and the value at hand."""
    return PydanticCustomError("wrong", "{reason}", {"reason": reason, "hint": hint})


def carrying(check: Callable[[Any], T]) -> Callable[[Any], T]:
    """Return `check` as a pydantic validator: what it raises of ours arrives at the caller as it was raised."""

    def validator(value: Any) -> T:
        try:
            return check(value)
        except BatchMagicError as error:
            raise carried(error) from None

    return validator


def raise_first(error: ValidationError, *, owner: str, document: Document | None = None) -> NoReturn:
    """Raise the first problem of `error`; of a YAML document, the first one in the text, with line and column."""
    found = [_problem(line, owner) for line in error.errors(include_url=False)]
    if document is None:
        raise _with_others(found[0].error, [other.error.target or "" for other in found[1:]])
    found.sort(key=lambda problem: document.position(problem.location))
    first, others = found[0], [document.describe(other.location) for other in found[1:]]
    raise _with_others(placed(first, document), others)


def placed(problem: Problem, document: Document) -> DefinitionError:
    """Return the problem as an error that names line and column of the document."""
    key = _override(problem.location, document.overridden)
    if key is not None:
        return refused(problem.error.message, f"{document.name}, {key} as it is set", hint=problem.error.hint)
    place = document.position(problem.location, key=problem.at_key)
    return refused(problem.error.message, document.name, place, hint=problem.error.hint)


def _override(location: Location, keys: Iterable[str]) -> str | None:
    """Return the override that the value at `location` comes from, if it comes from one."""
    for key in keys:
        path = tuple(key.removeprefix("properties.batchmagic.").split("."))
        if location[: len(path)] == path or _bare(location) == _bare(path):
            return key
    return None


def _bare(location: Location) -> Location:
    """Return a place without the parts that a field may stand in or not."""
    return tuple(part for part in location if part not in _DRAWERS)


def _with_others(error: UsageError, others: list[str]) -> UsageError:
    named = list(dict.fromkeys(other for other in others if other))
    if named:
        error.hint = f"{error.hint} Also wrong: {', '.join(named[:5])}.".lstrip()
    return error


def _problem(line: Mapping[str, Any], owner: str) -> Problem:
    # The names of the branches of a union stand in angle brackets: they are ours, not the user's.
    location = tuple(part for part in line["loc"] if not str(part).startswith("<"))
    context = line.get("ctx") or {}
    if line["type"] == _OURS:
        key = context["key"]
        if key is None:
            return Problem(location=location, error=context["error"])
        error = context["error"]
        # What is wrong with an unknown field is its key, with any other its value.
        return Problem(location=(*location, key), error=error, at_key=isinstance(error, UnknownField))
    return Problem(location=location, error=_translated(line, location, context, owner))


def _translated(
    line: Mapping[str, Any], location: Location, context: Mapping[str, Any], owner: str
) -> UsageError:
    # `settings` is only a drawer: its fields are fields of the deployment as well.
    field = ".".join(str(part) for part in location if part != "settings") or owner
    if line["type"] == "missing":
        return ValidationException(f"{owner} needs {field}.", field=field, hint=f"Give {field}.")
    if line["type"] == "wrong":
        reason = context["reason"]
    else:
        reason = _REASONS.get(line["type"], line["msg"][:1].lower() + line["msg"][1:]).format(**context)
    value = "***" if _HIDDEN.intersection(location) else line["input"]
    return ValidationException(field=field, value=value, reason=reason, hint=context.get("hint", ""))
