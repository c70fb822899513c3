"""The input of a job: which one was given, where it is, and whether there is anything to score."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from batchmagic.constants import AssetTypes
from batchmagic.entities import Data, Input
from batchmagic.entities.references import Reference, described, parse_reference, without_credentials
from batchmagic.entities.transfer import LITERALS
from batchmagic.errors import InputError, ResourceNotFoundError, ValidationException
from batchmagic.sdk.places import datastore_path, job_output_path

if TYPE_CHECKING:
    from batchmagic.workspace import Workspace

Bare = Literal["asset", "path"]

_TYPES = (AssetTypes.URI_FOLDER, AssetTypes.URI_FILE)


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedInput:
    """An input that exists and has at least one file.

    Attributes
    ----------
    reference
        As the user named it, without credentials.
    """

    path: Path
    type: str
    reference: str


def choose_input(single: Any, several: Mapping[str, Any] | None) -> Input:
    """Return the one input that was given, as `input` or in `inputs`.

    Raises
    ------
    InputError
        If there is none, or more than one.
    """
    if single is None:
        given = dict(several or {})
        if len(given) != 1:
            names = f": {', '.join(given)}" if given else ""
            raise InputError(
                f"A batch deployment takes exactly one input, not {len(given)}{names}.",
                target="input",
                hint='Pass input=Input(type="uri_folder", path=…).',
            )
        (single,) = given.values()
    return _as_input(single)


def _as_input(given: Any) -> Input:
    if isinstance(given, Input):
        return given
    if isinstance(given, str | os.PathLike):
        return Input(path=os.fspath(given))
    if isinstance(given, Mapping):
        return Input(**given)
    if isinstance(given, Data):
        return Input(path=given.id or given.path, type=given.type)
    if hasattr(given, "path") and hasattr(given, "type"):  # Azure's own Input or Data
        return Input(path=getattr(given, "id", None) or given.path, type=given.type)
    raise ValidationException(
        field="input", value=given, reason="is not an input", hint='Pass Input(type="uri_folder", path=…).'
    )


def resolve_input(ws: Workspace, given: Input, *, recursive: bool, bare: Bare = "path") -> ResolvedInput:
    """Return where the input is.

    Parameters
    ----------
    bare
        What a lone word is: a path as in Azure's SDK, or an asset as on the command line.

    Raises
    ------
    InputError
        If it does not exist, is of another type than it says, or has no file.
    """
    if given.type in LITERALS:
        raise InputError(
            f"An input of type {given.type!r} cannot be scored: a model deployment reads files.",
            target="input.type",
            hint='Pass Input(type="uri_folder", path=…).',
        )
    if given.path is None:
        raise InputError(
            "The input has no path.", target="input.path", hint='Pass Input(type="uri_folder", path=…).'
        )
    text = str(given.path)
    path, declared = _locate(ws, parse_reference(text, bare=bare))
    explicit = given.type if "type" in given.model_fields_set else None
    kind = _check_type(path, text, explicit or declared)
    _check_files(path, text, recursive=recursive)
    return ResolvedInput(path=path, type=kind, reference=without_credentials(text))


def _locate(ws: Workspace, reference: Reference) -> tuple[Path, str | None]:
    """Return the path, and the type that an asset says it has."""
    match reference.kind:
        case "path":
            return _here(reference.path or ""), None
        case "asset":
            return _asset(ws, reference)
        case "datastore":
            return datastore_path(ws, reference), None
        case "job":
            return job_output_path(ws, reference), None
        case _:
            raise InputError(
                f"The input {without_credentials(reference.text)!r} {described(reference)}.",
                target="input",
                hint="Copy it to a folder first and pass that.",
            )


def _here(text: str) -> Path:
    # Absolute but not resolved: the names that the script sees are those that the user wrote.
    return Path(os.path.abspath(Path(text).expanduser()))  # noqa: PTH100


def _asset(ws: Workspace, reference: Reference) -> tuple[Path, str | None]:
    if reference.registry is not None or reference.asset_type not in {None, "data"}:
        raise InputError(
            f"The input {reference.text!r} {described(reference)}.",
            target="input",
            hint="Use a path, or azureml:NAME:VERSION of registered data.",
        )
    name = reference.name or ""
    try:
        data = ws.assets.record("data", name, version=reference.version, label=reference.label)
    except ResourceNotFoundError as error:
        if Path(name).exists():
            raise ResourceNotFoundError(
                error.message, kind="data", hint=f"For the path of that name write './{name}'."
            ) from error
        raise
    path = str(data.body["path"])
    inner = parse_reference(path, bare="path")
    if inner.kind == "asset":
        raise InputError(f"The data asset {name!r} refers to another asset, {path!r}.", target="input")
    return _locate(ws, inner)[0], data.type


def _check_type(path: Path, text: str, kind: str | None) -> str:
    shown = without_credentials(text)
    if not path.exists():
        what = "file" if kind == AssetTypes.URI_FILE else "folder" if kind else "file or folder"
        seen = "" if str(path) == text else f" ({path})"
        raise InputError(f"There is no {what} {shown!r}{seen}.", target="input", hint=_neighbour(path))
    actual = AssetTypes.URI_FOLDER if path.is_dir() else AssetTypes.URI_FILE
    if kind is not None and kind not in _TYPES:
        raise InputError(
            f"An input of type {kind!r} cannot be scored.", target="input.type", hint=f"Use {actual!s}."
        )
    if kind is not None and kind != actual:
        is_a = "folder" if path.is_dir() else "file"
        raise InputError(
            f"The input {shown!r} is a {is_a}, and its type says {kind}.",
            target="input.type",
            hint=f"Use type={str(actual)!r}.",
        )
    return str(actual)


def _neighbour(path: Path) -> str:
    from batchmagic.names import nearest  # noqa: PLC0415 - only for a message

    if not path.parent.is_dir():
        return ""
    near = nearest(path.name, [entry.name for entry in path.parent.iterdir()])
    return f"Did you mean {near!r}?" if near else ""


def _check_files(path: Path, text: str, *, recursive: bool) -> None:
    try:
        if path.is_file():
            with path.open("rb"):
                return
        nested = first_file(path, recursive=True)
    except OSError as error:
        raise InputError(f"The input {text!r} cannot be read: {error.strerror}.", target="input") from error
    if nested is None:
        raise InputError(f"The input folder {text!r} is empty.", target="input")
    if not recursive and first_file(path, recursive=False) is None:
        raise InputError(
            f"The input folder {text!r} has files only in nested folders, such as {nested!r}.",
            target="input",
            hint="Pass --recursive to score them.",
        )


def first_file(folder: Path, *, recursive: bool, prefix: str = "") -> str | None:
    """Return some file of the folder, looking no further than needed; links to folders are not entered."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if not entry.is_dir():
                return prefix + entry.name
            if not entry.is_symlink():
                folders.append(entry.name)
    for name in folders if recursive else ():
        found = first_file(folder / name, recursive=True, prefix=f"{prefix}{name}/")
        if found:
            return found
    return None


def count_files(path: Path, *, recursive: bool) -> int:
    """Return how many files there are to score."""
    if path.is_file():
        return 1
    total = 0
    with os.scandir(path) as entries:
        for entry in entries:
            if not entry.is_dir():
                total += 1
            elif recursive and not entry.is_symlink():
                total += count_files(path / entry.name, recursive=True)
    return total
