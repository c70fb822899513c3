"""YAML files and texts to entities: Azure's loaders, and those for cells and ``apply``."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import IO, Any, TypeVar

from batchmagic.entities.assets import Data, Environment, Model
from batchmagic.entities.base import Resource
from batchmagic.entities.compute import AmlCompute
from batchmagic.entities.deployment import BatchDeployment
from batchmagic.entities.endpoint import BatchEndpoint
from batchmagic.entities.invocation import Invocation
from batchmagic.entities.kinds import KINDS, kind_of, mapping_of, said_kind
from batchmagic.entities.overrides import overridden
from batchmagic.entities.references import relocated
from batchmagic.entities.yaml_source import MAX_BYTES, Document, read_document, read_documents, refused

R = TypeVar("R", bound=Resource)
Source = str | os.PathLike[str] | IO[str]
_FILE = "file:"
_YAML = (".yml", ".yaml")
Overrides = Iterable[Mapping[str, Any]] | None


def load_batch_endpoint(
    source: Source, *, relative_origin: str | None = None, params_override: Overrides = None
) -> BatchEndpoint:
    """Return the endpoint that a YAML file defines.

    Parameters
    ----------
    source
        A path, or an open text file.
    relative_origin
        The folder (or a file in it) that relative paths are seen from; by default that of `source`.
    params_override
        Mappings with dotted keys that replace values of the file.

    Raises
    ------
    DefinitionError
        With line and column.
    """
    return _load(BatchEndpoint, source, relative_origin, params_override)


def load_batch_deployment(
    source: Source, *, relative_origin: str | None = None, params_override: Overrides = None
) -> BatchDeployment:
    """Return the deployment that a YAML file defines, flat or with ``settings:``; see `load_batch_endpoint`."""
    return _load(BatchDeployment, source, relative_origin, params_override)


def load_compute(
    source: Source, *, relative_origin: str | None = None, params_override: Overrides = None
) -> AmlCompute:
    """Return the compute that a YAML file defines; see `load_batch_endpoint`."""
    return _load(AmlCompute, source, relative_origin, params_override)


def load_model(
    source: Source, *, relative_origin: str | None = None, params_override: Overrides = None
) -> Model:
    """Return the model that a YAML file defines; see `load_batch_endpoint`."""
    return _load(Model, source, relative_origin, params_override)


def load_environment(
    source: Source, *, relative_origin: str | None = None, params_override: Overrides = None
) -> Environment:
    """Return the environment that a YAML file defines; see `load_batch_endpoint`."""
    return _load(Environment, source, relative_origin, params_override)


def load_data(
    source: Source, *, relative_origin: str | None = None, params_override: Overrides = None
) -> Data:
    """Return the data asset that a YAML file defines; see `load_batch_endpoint`."""
    return _load(Data, source, relative_origin, params_override)


def load_text(
    kind: type[R],
    text: str,
    *,
    origin: Path | None = None,
    name: str = "<yaml>",
    params_override: Overrides = None,
    values: Mapping[str, Callable[[], Any]] | None = None,
) -> R:
    """Return the entity of a known kind that `text` defines.

    Parameters
    ----------
    kind
        The class of the entity.
    origin
        The folder that relative paths are seen from; by default the working directory.
    name
        What errors call the text.
    values
        Placeholders in the text, see `read_documents`.
    """
    document = read_document(text, name=name, values=values)
    return _entity(kind, document, origin or Path.cwd(), params_override)


def load_invocation(
    text: str, *, origin: Path, name: str = "<yaml>", params_override: Overrides = None
) -> Invocation:
    """Return the invoke that `text` describes; see `load_text`."""
    document = read_document(text, name=name)
    mapping_of(document)
    overrides = list(params_override or ())
    keys = tuple(str(key) for mapping in overrides for key in mapping)
    found = Invocation.from_dict(
        overridden(document.data, overrides), source=replace(document, overridden=keys)
    )
    found.resolve_paths(origin)
    return found


def load_any(source_text: str, origin: Path | None = None, *, name: str = "<yaml>") -> Resource:
    """Return the entity that a text defines; its kind is told by ``$schema``, ``kind:`` or its shape."""
    return _of_any_kind(read_document(source_text, name=name), origin or Path.cwd())


def load_documents(
    source_text: str,
    origin: Path | None = None,
    *,
    name: str = "<yaml>",
    values: Mapping[str, Callable[[], Any]] | None = None,
    overrides: Mapping[str, Mapping[str, Any]] | None = None,
) -> list[Resource]:
    """Return the entities of all documents of a text, in their order; an error in one of them spoils all.

    Parameters
    ----------
    overrides
        For each kind, the dotted keys that replace values of every document of that kind.

    Raises
    ------
    DefinitionError
        With line and column; also for overrides of a kind that no document is of.
    """
    documents = [(kind_of(d), d) for d in read_documents(source_text, name=name, values=values)]
    changes = overrides or {}
    for kind in changes.keys() - {kind for kind, _ in documents}:
        raise refused(f"no document defines a {kind}, of which fields are set", name)
    return [
        _entity(KINDS[kind], document, origin or Path.cwd(), [changes.get(kind, {})])
        for kind, document in documents
    ]


def read_source(source: Source) -> tuple[str, str]:
    """Return the text of a path or an open file, and what errors call it."""
    if isinstance(source, str | os.PathLike):
        path = Path(source).expanduser()
        return text_of(path), str(path)
    text = source.read(MAX_BYTES + 1)
    name = getattr(source, "name", None)
    return text, name if isinstance(name, str) else "<yaml>"


def _load(kind: type[R], source: Source, relative_origin: str | None, params_override: Overrides) -> R:
    text, name = read_source(source)
    origin = _origin(source, relative_origin)
    return load_text(kind, text, origin=origin, name=name, params_override=params_override)


def _origin(source: Source, relative_origin: str | None) -> Path:
    given: object = relative_origin
    if given is None:
        given = source if isinstance(source, str | os.PathLike) else getattr(source, "name", None)
    if not isinstance(given, str | os.PathLike):
        return Path.cwd()
    path = Path(given).expanduser().absolute()
    return path if path.is_dir() else path.parent


def _entity(kind: type[R], document: Document, origin: Path, params_override: Overrides = None) -> R:
    mapping_of(document)
    said = said_kind(document)
    if said is not None and KINDS[said] is not kind:
        wanted = next(word for word, known in KINDS.items() if known is kind)
        raise document.error(f"this defines a kind of {said!r}, not of {wanted!r}")
    overrides = list(params_override or ())
    values = overridden(document.data, overrides)
    keys = tuple(str(key) for mapping in overrides for key in mapping)
    source = replace(document, overridden=keys)
    if kind is BatchDeployment:
        values = _with_files(values, source, origin)
    entity = kind.from_dict(values, source=source)
    entity.resolve_paths(origin)
    return entity


def _with_files(values: dict[str, Any], document: Document, origin: Path) -> dict[str, Any]:
    """Return the values of a deployment with what `file:PATH` defines in the place of that."""
    found: dict[str, Any] = {}
    for key, kind in (("model", Model), ("environment", Environment)):
        text = values.get(key)
        inner = text.removeprefix(_FILE) if isinstance(text, str) and text.startswith(_FILE) else ""
        if inner.endswith(_YAML) and not inner.startswith("//"):
            path = Path(relocated(inner, origin))
            if not path.is_file():
                raise document.error(f"there is no file {str(path)!r}", at=(key,))
            found[key] = _load(kind, path, None, None)
    return {**values, **found}


def _of_any_kind(document: Document, origin: Path) -> Resource:
    return _entity(KINDS[kind_of(document)], document, origin)


def text_of(path: Path) -> str:
    """Return the text of a YAML file; of one that is too large as much as tells that it is.

    Raises
    ------
    DefinitionError
        If there is no file, or no text in UTF-8 in it.
    """
    return _decoded(_bytes_of(path), str(path))


def _bytes_of(path: Path) -> bytes:
    if not path.is_file():
        reason = "this is a folder" if path.is_dir() else "there is no such file"
        raise refused(reason, str(path), hint="Give the path of a YAML file.")
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        raise refused(f"it cannot be read: {error.strerror}", str(path)) from error


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(content) > MAX_BYTES:
            raise refused("the definition is larger than 1 MiB", name) from None
        line = content.count(b"\n", 0, error.start) + 1
        column = error.start - content.rfind(b"\n", 0, error.start)
        raise refused("this is not UTF-8 text", name, (line, column)) from None
