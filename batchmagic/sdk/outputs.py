"""The output of a job: where it goes, and whether something is there already."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batchmagic.constants import AssetTypes, BatchDeploymentOutputAction
from batchmagic.entities import Output
from batchmagic.entities.references import described, parse_reference, without_credentials
from batchmagic.errors import OutputExists, ValidationException
from batchmagic.sdk.access import Access, refused
from batchmagic.sdk.places import datastore_path
from batchmagic.workspace.datastores import store_path

if TYPE_CHECKING:
    from batchmagic.entities.references import Reference
    from batchmagic.entities.settings import Settings
    from batchmagic.workspace import Workspace


@dataclass(frozen=True, kw_only=True, slots=True)
class ResolvedOutput:
    """Where the rows go.

    Attributes
    ----------
    folder
        None: the job's own folder.
    file_name
        None: what the settings say.
    """

    folder: Path | None = None
    file_name: str | None = None


def resolve_output(
    ws: Workspace,
    outputs: Mapping[str, Any] | None,
    *,
    store: str | None = None,
    folder: str | None = None,
    access: Access | None = None,
) -> ResolvedOutput:
    """Return where the output goes.

    Parameters
    ----------
    outputs
        At most one; its key means nothing, as in Azure.
    store, folder
        The older form: a datastore and a path in it.
    access
        The limits of the caller; None: there are none.

    Raises
    ------
    ValidationException
        If there is more than one, or its place is not on this machine.
    NotDeclared
        If the caller has not been given it.
    """
    given = dict(outputs or {})
    if len(given) > 1:
        raise ValidationException(
            field="outputs",
            value=sorted(given),
            reason="are several; a batch deployment has one output",
            hint="Keep one.",
        )
    for value in given.values():
        return _of(ws, _as_output(value), access or Access.free())
    if store is not None or folder is not None:
        name = (store or "workspaceblobstore").removeprefix("azureml:").rstrip("/").rpartition("/")[2]
        return ResolvedOutput(folder=store_path(ws.root, name, folder))
    return ResolvedOutput()


def _as_output(given: Any) -> Output:
    if isinstance(given, Output):
        return given
    if isinstance(given, str | os.PathLike):
        return Output(path=os.fspath(given))
    if isinstance(given, Mapping):
        return Output(**given)
    return Output(path=getattr(given, "path", None), type=getattr(given, "type", None) or AssetTypes.URI_FILE)


def _of(ws: Workspace, output: Output, access: Access) -> ResolvedOutput:
    if output.path is None:
        return ResolvedOutput()
    text = str(output.path)
    path = _within_limits(ws, text, access) if access.is_limited else _anywhere(ws, text)
    # Azure wants uri_file even where a folder is meant, so the look of the path decides.
    is_folder = text.partition("?")[0].endswith("/") or os.path.isdir(path) or not path.suffix  # noqa: PTH112 - also of a name that is too long
    return (
        ResolvedOutput(folder=path) if is_folder else ResolvedOutput(folder=path.parent, file_name=path.name)
    )


def _anywhere(ws: Workspace, text: str) -> Path:
    reference = parse_reference(text, bare="path")
    if reference.kind == "path":
        return Path(os.path.abspath(Path(reference.path or "").expanduser()))  # noqa: PTH100
    return _named(ws, reference)


def _within_limits(ws: Workspace, text: str, access: Access) -> Path:
    if not text.isprintable():
        raise refused(text, "output")
    if access.mapped(text) is None:
        reference = parse_reference(text, bare="path")
        if reference.kind not in {"path", "uri"}:
            return _named(ws, reference).resolve()
    return access.output(text, ws.root).path


def _named(ws: Workspace, reference: Reference) -> Path:
    if reference.kind == "datastore":
        return datastore_path(ws, reference)
    raise ValidationException(
        field="outputs",
        value=without_credentials(reference.text),
        reason=described(reference),
        hint="Use a local path, or azureml://datastores/workspaceblobstore/paths/….",
    )


def check_output(
    folder: Path | None, settings: Settings, *, overwrite: bool, source: Path, recursive: bool = False
) -> None:
    """Pass when the job may write its output.

    Parameters
    ----------
    source, recursive
        The input, in which the output must not lie: the next job would read it.

    Raises
    ------
    OutputExists
        If there is one already and `overwrite` is not given.
    ValidationException
        If the place can be no folder, or must not be written.
    """
    if folder is None:
        return
    _check_length(folder, settings.output_file_name)
    existing = next(p for p in (folder, *folder.parents) if os.path.lexists(p))
    if not existing.exists():
        raise ValidationException(
            field="output", value=str(folder), reason=f"cannot be a folder: {existing} is a link to nothing"
        )
    if not existing.is_dir():
        raise ValidationException(
            field="output", value=str(folder), reason=f"cannot be a folder: {existing} is a file"
        )
    if not os.access(existing, os.W_OK | os.X_OK):
        raise ValidationException(
            field="output", value=str(folder), reason=f"cannot be written: {existing} is read-only"
        )
    if settings.output_action is not BatchDeploymentOutputAction.APPEND_ROW:
        return
    _refuse_input(folder, source, recursive=recursive)
    path = folder / settings.output_file_name
    if path.is_dir():
        raise ValidationException(
            field="output", value=str(path), reason="is a folder", hint="Choose another output_file_name."
        )
    # A link that leads nowhere is there too.
    if os.path.lexists(path) and not overwrite:
        raise OutputExists(path=str(path))


def _check_length(folder: Path, name: str) -> None:
    try:
        os.lstat(folder / name)
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            raise ValidationException(field="output", value=str(folder), reason="is too long") from None


def _refuse_input(folder: Path, source: Path, *, recursive: bool) -> None:
    place, given = folder.resolve(), source.resolve()
    if given.is_dir() and (place == given or (recursive and given in place.parents)):
        where = "is the input folder" if place == given else f"lies in the input folder {source}"
        raise ValidationException(
            field="output",
            value=str(folder),
            reason=f"{where}, so that the next job would read it",
            hint="Choose a folder beside it.",
        )
