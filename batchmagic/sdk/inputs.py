"""The input of a job: which one was given, where it is, and whether there is anything to score."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from batchmagic.constants import AssetTypes
from batchmagic.entities import Data, Input
from batchmagic.entities.references import Reference, described, parse_reference, without_credentials
from batchmagic.entities.transfer import LITERALS
from batchmagic.errors import InputError, ResourceNotFoundError, ValidationException
from batchmagic.sdk.access import Access, refused
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
    within
        The folder that links in it must not leave; None: they may lead anywhere.
    """

    path: Path
    type: str
    reference: str
    within: Path | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class _Found:
    """Where a reference leads; `type` is that of a data asset."""

    path: Path
    reference: str
    type: str | None = None
    within: Path | None = None


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


def resolve_input(
    ws: Workspace, given: Input, *, recursive: bool, bare: Bare = "path", access: Access | None = None
) -> ResolvedInput:
    """Return where the input is.

    Parameters
    ----------
    bare
        What a lone word is: a path as in Azure's SDK, or an asset as on the command line.
    access
        The limits of the caller; None: there are none.

    Raises
    ------
    InputError
        If it does not exist, is of another type than it says, or has no file.
    NotDeclared
        If the caller has not been given it.
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
    access = access or Access.free()
    found = _within_limits(ws, text, access) if access.is_limited else _anywhere(ws, text, bare)
    explicit = given.type if "type" in given.model_fields_set else None
    _refuse_workspace(ws, found, text, recursive=recursive)
    kind = _check_type(found, explicit or found.type)
    _check_files(found.path, found.reference, recursive=recursive)
    return ResolvedInput(path=found.path, type=kind, reference=found.reference, within=found.within)


def _anywhere(ws: Workspace, text: str, bare: Bare) -> _Found:
    reference = parse_reference(text, bare=bare)
    if reference.kind == "asset":
        return _asset(ws, reference, Access.free())
    if reference.kind == "path":
        # Absolute but not resolved: the names that the script sees are those that the user wrote.
        path = Path(os.path.abspath(Path(reference.path or "").expanduser()))  # noqa: PTH100
        return _Found(path=path, reference=without_credentials(text))
    return _named(ws, reference, Access.free())


def _within_limits(ws: Workspace, text: str, access: Access) -> _Found:
    """Return what a caller from outside has been given; a lone word, and whatever is not understood, is a path."""
    if not text.isprintable():
        raise refused(text, "input")
    if access.mapped(text) is None:
        reference = parse_reference(text, bare="path")
        if reference.kind == "asset":
            return _asset(ws, reference, access)
        if reference.kind not in {"path", "uri"}:
            return _named(ws, reference, access)
    place = access.input(text, ws.root)
    return _Found(path=place.path, reference=place.reference, within=place.within)


def _named(ws: Workspace, reference: Reference, access: Access) -> _Found:
    """Return what a datastore or a job has under a name."""
    shown = without_credentials(reference.text)
    match reference.kind:
        case "datastore":
            path = base = datastore_path(ws, reference)
        case "job":
            path = base = job_output_path(ws, reference, access)
        case _:
            raise InputError(
                f"The input {shown!r} {described(reference)}.",
                target="input",
                hint="Copy it to a folder first and pass that.",
            )
    if not access.is_limited:
        return _Found(path=path, reference=shown)
    base = base.resolve()
    return _Found(path=base, reference=shown, within=base if base.is_dir() else base.parent)


def _asset(ws: Workspace, reference: Reference, access: Access) -> _Found:
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
        raise _unknown_data(error, name, access) from error
    path = str(data.body["path"])
    inner = parse_reference(path, bare="path")
    if inner.kind == "asset":
        raise InputError(f"The data asset {name!r} refers to another asset, {path!r}.", target="input")
    found = _of_data(ws, path, inner, access)
    return replace(found, type=data.type, reference=without_credentials(reference.text))


def _of_data(ws: Workspace, path: str, inner: Reference, access: Access) -> _Found:
    """Return where registered data is: whoever registered it has given it to every caller."""
    if inner.kind == "path" and access.is_limited:
        place = Path(inner.path or "").resolve()
        return _Found(path=place, reference=path, within=place if place.is_dir() else place.parent)
    if access.is_limited and access.mapped(path) is not None:
        return _within_limits(ws, path, access)
    return (
        _anywhere(ws, path, "path")
        if inner.kind == "path"
        else _named(ws, inner, replace(access, endpoint=None))
    )


def _unknown_data(error: ResourceNotFoundError, name: str, access: Access) -> ResourceNotFoundError:
    if access.endpoint is not None:
        # What else is registered is none of this caller's business.
        return ResourceNotFoundError(error.message, kind="data", hint="Check its name and version.")
    if not access.is_limited and Path(name).exists():
        hint = f"For the path of that name write './{name}'."
        return ResourceNotFoundError(error.message, kind="data", hint=hint)
    return error


def _refuse_workspace(ws: Workspace, found: _Found, text: str, *, recursive: bool) -> None:
    if found.within is not None and recursive and ws.root.resolve().is_relative_to(found.path):
        raise refused(text, "input")


def _check_type(found: _Found, kind: str | None) -> str:
    path, shown = found.path, found.reference
    if not _exists(path):
        what = "file" if kind == AssetTypes.URI_FILE else "folder" if kind else "file or folder"
        seen = "" if str(path) == shown or found.within else f" ({path})"
        hint = "" if found.within else _neighbour(path)
        raise InputError(f"There is no {what} {shown!r}{seen}.", target="input", hint=hint)
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


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for any file
        return False


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
