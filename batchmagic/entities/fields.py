"""The types of the entities' fields: what each one takes, and what it is turned into."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from enum import Enum
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, WithJsonSchema

from batchmagic.constants import BatchDeploymentOutputAction, OutputFormat, PredictPer
from batchmagic.entities.problems import carrying, wrong
from batchmagic.entities.references import described, parse_reference, without_credentials
from batchmagic.entities.yaml_source import source_text
from batchmagic.errors import UnsafePath, ValidationException
from batchmagic.names import check_name, nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_BYTES = re.compile(r"([0-9]{1,18}(?:\.[0-9]+)?)\s*([kmgtp]?i?)b?", re.IGNORECASE)
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4, "p": 5}
_MAX_FILE_NAME = 255
# Azure's largest timeout: three days.
MAX_TIMEOUT = 259_200
_BOOL = TypeAdapter(bool)


def as_text(value: Any) -> Any:
    """Return text for text, paths, enumeration members and numbers; anything else as it is."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return source_text(value)
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    return value


def as_integer(value: Any) -> int:
    """Return the whole number that `value` is or spells ("20")."""
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and math.isfinite(value) and value.is_integer():
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    raise wrong("must be a whole number")


def as_bool(value: Any, field: str) -> bool:
    """Return the truth that `value` is or spells."""
    try:
        return _BOOL.validate_python(value)
    except ValidationError:
        raise ValidationException(field=field, value=value, reason="must be true or false") from None


def as_bytes(value: Any) -> int:
    """Return a size in bytes from a number or from text such as ``2GiB`` or ``500 MB``."""
    found = _BYTES.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        if isinstance(value, int) and not isinstance(value, bool):
            return int(value)
        raise wrong("must be a size in bytes, such as 500MB or 2GiB")
    unit = found[2].lower()
    base = 1024 if unit.endswith("i") else 1000
    return int(float(found[1]) * base ** _POWERS[unit.removesuffix("i")])


def squeezed(word: object) -> str:
    """Return a word without case, dashes and underscores: ``AppendRow`` is ``append_row``."""
    text = word.value if isinstance(word, Enum) else word
    return re.sub(r"[-_\s]", "", str(text)).lower()


def one_of(words: Iterable[str]) -> Callable[[Any], Any]:
    """Return a validator that finds a word among `words`, in any letter case, ``append_row`` and ``AppendRow`` alike."""
    known = {squeezed(word): word for word in words}

    def find(value: Any) -> Any:
        found = known.get(squeezed(value)) if isinstance(value, str) else None
        if found is None:
            near = nearest(str(value), [str(word) for word in known.values()])
            hint = f"Did you mean {near!r}?" if near else ""
            raise wrong(f"is not one of {', '.join(str(word) for word in known.values())}", hint=hint)
        return found

    return find


def named(kind: str, *, lower: bool = False) -> Callable[[Any], Any]:
    """Return a validator for names of that kind, by the one rule of `batchmagic.names`."""

    def check(value: Any) -> Any:
        # Checked as it is written: there are letters whose small form is one of ASCII's, and that are none of it.
        name = check_name(kind, value)
        return name.lower() if lower else name

    return carrying(check)


def compute_name(value: Any) -> Any:
    """Return the bare name of a compute that is named bare, as ``azureml:NAME``, by its ARM id, or by itself."""
    value = getattr(value, "name", value)
    if isinstance(value, str):
        value = value.removeprefix("azureml:")
        if value.startswith("/") and "/computes/" in value:
            value = value.rpartition("/computes/")[2]
    return check_name("compute", value)


def _version(value: Any) -> Any:
    text = as_text(value)
    try:
        return check_name("version", text)
    except ValidationException:
        raise ValidationException(
            field="version",
            value=value,
            reason="is not a version",
            hint="Use 1 to 255 letters, digits, dashes, dots and underscores, beginning with a letter or digit.",
        ) from None


def _file_name(value: Any) -> Any:
    if not isinstance(value, str):
        raise wrong("must be text")
    bad = {"/", "\\"}.intersection(value) or any(not char.isprintable() for char in value)
    if bad or value in {"", ".", ".."} or len(value.encode(errors="replace")) > _MAX_FILE_NAME:
        raise wrong("is not a plain file name", hint="Use a name without folders, such as predictions.csv.")
    return value


def _inner_path(value: Any) -> Any:
    text = as_text(value)
    if isinstance(text, str) and (
        text.startswith(("/", "~")) or ".." in re.split(r"[/\\]", text) or "\0" in text
    ):
        raise UnsafePath(path=text)
    if isinstance(text, str) and any(
        len(part.encode(errors="replace")) > _MAX_FILE_NAME for part in text.split("/")
    ):
        raise wrong("is too long for a path")
    return text


def _scalar_map(value: Any) -> Any:
    if not isinstance(value, dict):
        return {} if value is None else value
    return {as_text(key): as_text(item) for key, item in value.items()}


def _variables(value: Any) -> Any:
    result = _scalar_map(value)
    if isinstance(result, dict):
        for key, item in result.items():
            if not isinstance(key, str) or not key or "=" in key or "\0" in key or (item and "\0" in item):
                raise wrong("is not a name that an environment variable can have")
    return result


def _reference(text: str) -> str:
    parse_reference(text)
    return text


def reference_to(kind: str, *ways: str, hint: str) -> Callable[[Any], Any]:
    """Return a validator for references to assets of that kind, and for references of the kinds `ways`."""

    def check(text: str) -> str:
        reference = parse_reference(text)
        if reference.kind in ways or (
            reference.kind == "asset" and reference.asset_type in {None, f"{kind}s"}
        ):
            return text
        raise ValidationException(
            field=kind, value=without_credentials(text), reason=described(reference), hint=hint
        )

    return carrying(check)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int | float):
        return int(value) if isinstance(value, int) else float(value)
    raise wrong("holds something other than text, numbers, lists and mappings")


def _conda_file(value: Any) -> Any:
    text = as_text(value)
    if text is None or (isinstance(text, str) and text):
        return text
    if isinstance(text, Mapping) and text:
        return _plain(text)
    raise wrong("is neither the path of a conda file nor its content")


def _map_schema(*types: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": {"type": list(types)}}


Text = Annotated[str, BeforeValidator(as_text)]
# Any reference, of which paths are one form; a form that is begun and not ended is refused at once.
PathText = Annotated[str, Field(min_length=1), BeforeValidator(as_text), AfterValidator(carrying(_reference))]
# Constraints come before the conversion: JSON Schema then knows them.
Count = Annotated[int, Field(ge=1), BeforeValidator(as_integer)]
Amount = Annotated[int, Field(ge=0), BeforeValidator(as_integer)]
Threshold = Annotated[int, Field(ge=-1), BeforeValidator(as_integer)]
Seconds = Annotated[int, Field(ge=1, le=MAX_TIMEOUT), BeforeValidator(as_integer)]
Bytes = Annotated[int, Field(ge=1), BeforeValidator(as_bytes)]
TextMap = Annotated[
    dict[str, str], BeforeValidator(_scalar_map), WithJsonSchema(_map_schema("string", "number", "boolean"))
]
# None: the variable is set, its value is kept apart.
Variables = Annotated[
    dict[str, str | None],
    BeforeValidator(_variables),
    WithJsonSchema(_map_schema("string", "number", "boolean", "null")),
]
CondaFile = Annotated[
    Any,
    BeforeValidator(_conda_file),
    WithJsonSchema({"anyOf": [{"type": "string"}, {"type": "object"}, {"type": "null"}]}),
]
AnyMap = Annotated[dict[str, Any], AfterValidator(_plain), WithJsonSchema({"type": "object"})]

EndpointName = Annotated[str, BeforeValidator(named("endpoint", lower=True))]
DeploymentName = Annotated[str, BeforeValidator(named("deployment", lower=True))]
ComputeName = Annotated[str, BeforeValidator(carrying(compute_name))]
Version = Annotated[str, BeforeValidator(carrying(_version)), WithJsonSchema({"type": ["string", "number"]})]
FileName = Annotated[str, BeforeValidator(_file_name)]
InnerPath = Annotated[str, BeforeValidator(carrying(_inner_path))]

OutputAction = Annotated[BatchDeploymentOutputAction, BeforeValidator(one_of(BatchDeploymentOutputAction))]
Format = Annotated[OutputFormat, BeforeValidator(one_of(OutputFormat))]
Per = Annotated[PredictPer, BeforeValidator(one_of(PredictPer))]
LoggingLevel = Annotated[
    Literal["debug", "info", "warning"], BeforeValidator(one_of(("debug", "info", "warning")))
]
