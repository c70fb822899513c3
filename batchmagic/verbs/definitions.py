"""From the words of a command to definitions: targets, settings, variables, YAML files."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from batchmagic.errors import UsageError, ValidationException
from batchmagic.grammar.options import SETTINGS
from batchmagic.sdk.overrides import split_assignments

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from batchmagic.entities import Resource
    from batchmagic.verbs.context import Context

R = TypeVar("R", bound="Resource")

_STDIN = "-"
_TYPED = frozenset({"jsonl", "ndjson", "parquet", "pqt"})


def split_target(text: str) -> tuple[str, str]:
    """Return endpoint and deployment of ``ENDPOINT/DEPLOYMENT``.

    Raises
    ------
    UsageError
        If it is anything else.
    """
    parts = text.split("/")
    if len(parts) != 2 or not all(parts):  # noqa: PLR2004
        raise UsageError(f"{text!r} is not ENDPOINT/DEPLOYMENT.", hint="Write for example heart/classifier.")
    return parts[0].lower(), parts[1].lower()


def split_optional_target(text: str) -> tuple[str, str | None]:
    """Return endpoint and deployment of ``ENDPOINT[/DEPLOYMENT]``."""
    return split_target(text) if "/" in text else (text.lower(), None)


def assignments(context: Context) -> dict[str, Any]:
    """Return what ``--set`` says."""
    return split_assignments(context.given("set") or [])


def settings_given(context: Context) -> dict[str, Any]:
    """Return the settings that options give, by their dotted keys."""
    given: dict[str, Any] = {}
    for option in SETTINGS:
        value = context.given(option.dest)
        if option.setting and value is not None:
            given[option.setting] = value
    variables = variables_given(context)
    if variables:
        given["environment_variables"] = variables
    return given


def variables_given(context: Context) -> dict[str, str]:
    """Return what ``--env`` says; a name alone has the value that it has here.

    Raises
    ------
    ValidationException
        If it has none here.
    """
    found = {}
    for text in context.given("env") or []:
        name, equals, value = text.partition("=")
        if not equals:
            if name not in os.environ:
                raise ValidationException(
                    field="--env", value=name, reason="has no value here", hint=f"Write {name}=VALUE."
                )
            value = os.environ[name]
        found[name] = value
    return found


def deployment_values(context: Context, *, plain: bool = False) -> dict[str, Any]:
    """Return the fields of a deployment that options give.

    Parameters
    ----------
    plain
        Only what was given: a definition from a file says the rest.
    """
    values: dict[str, Any] = {}
    for name in ("model", "environment", "compute", "description"):
        if context.given(name) is not None:
            values[name] = context.given(name)
    if context.body is None or plain:
        values |= _code(context.given("code"), context.given("scoring_script"))
    settings = settings_given(context)
    if not plain and "output_format" not in settings and _wants_csv(settings):
        settings["output_format"] = "csv"
    for key, value in settings.items():
        outer, _, inner = key.partition(".")
        if inner:
            values.setdefault(outer, {})[inner] = value
        else:
            values[key] = value
    return values


def _wants_csv(settings: Mapping[str, Any]) -> bool:
    """Tell whether a person who says nothing about the form gets a file with a header."""
    extension = str(settings.get("output_file_name", "")).rpartition(".")[2].lower()
    return extension not in _TYPED and settings.get("output_action") != "summary_only"


def _code(folder: str | None, script: str | None) -> dict[str, Any]:
    if folder is None and script is None:
        return {}
    if folder is None and script is not None:
        # A script without its folder is snapshotted alone.
        path = Path(script).expanduser().absolute()
        return {"code_configuration": {"code": str(path), "scoring_script": path.name}}
    inner = script
    if script is not None and folder is not None:
        # Both as seen from here, as a shell completes them, or the script as seen from the folder.
        base, path = Path(folder).expanduser().absolute(), Path(script).expanduser().absolute()
        if not (base / script).is_file() and path.is_file() and path.is_relative_to(base):
            inner = path.relative_to(base).as_posix()
    return {"code_configuration": {"code": folder, "scoring_script": inner}}


@dataclass(frozen=True, kw_only=True, slots=True)
class DefinitionText:
    """The YAML text of a definition.

    Attributes
    ----------
    name
        What errors call it.
    origin
        The folder that its relative paths are seen from.
    values
        What the placeholders in it stand for.
    """

    text: str
    name: str
    origin: Path
    values: Mapping[str, Callable[[], Any]] = field(default_factory=dict)


def definition_text(context: Context) -> DefinitionText | None:
    """Return the definition that comes with the words: the cell's body, ``--file``, or standard input.

    Raises
    ------
    UsageError
        If it is given twice.
    """
    from batchmagic.entities.load import read_source  # noqa: PLC0415

    file, body = context.given("file"), context.body
    if body is not None:
        if file is not None:
            raise UsageError("The cell and --file both define it.", hint="Leave one of them out.")
        return DefinitionText(text=body.text, name=body.name, origin=Path.cwd(), values=body.values)
    if file is None:
        return None
    if file == _STDIN:
        return DefinitionText(text=sys.stdin.read(), name="<stdin>", origin=Path.cwd())
    text, name = read_source(file)
    return DefinitionText(text=text, name=name, origin=Path(file).expanduser().absolute().parent)


def read_definition(kind: type[R], source: DefinitionText, overrides: Mapping[str, Any]) -> R:
    """Return the entity of that kind which a text defines, with `overrides` in place of its values."""
    from batchmagic.entities.load import load_text  # noqa: PLC0415

    return load_text(
        kind,
        source.text,
        origin=source.origin,
        name=source.name,
        params_override=[overrides] if overrides else None,
        values=source.values,
    )


def simple_values(context: Context, *names: str) -> dict[str, Any]:
    """Return the options of these names that were given."""
    return {name: context.given(name) for name in names if context.given(name) is not None}


def entity_given(context: Context, kind: type[R], values: dict[str, Any]) -> R:
    """Return the entity that a cell or ``--file`` defines with `values` on top, or that `values` define alone."""
    values = {**values, **assignments(context)}
    source = definition_text(context)
    if source is not None:
        return read_definition(kind, source, values)
    from batchmagic.entities.overrides import overridden  # noqa: PLC0415

    entity = kind.from_dict(overridden({}, [values]))
    entity.resolve_paths(Path.cwd())
    return entity


def name_and_version(context: Context) -> tuple[str, str | None, str | None]:
    """Return name, version and label of ``NAME``, ``NAME:VERSION`` or ``NAME@LABEL``, or of ``--version``."""
    from batchmagic.entities.references import parse_reference  # noqa: PLC0415

    text = context.arguments.name
    reference = parse_reference(text)
    if reference.kind != "asset" or reference.name is None:
        raise UsageError(f"{text!r} is not NAME or NAME:VERSION.")
    return reference.name, context.given("version") or reference.version, reference.label
