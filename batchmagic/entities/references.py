"""The ways of naming things: assets, paths, URIs, MLflow models, datastores, job outputs."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Literal
from urllib.parse import unquote, urlsplit, urlunsplit

from batchmagic.errors import InvalidName, ValidationException
from batchmagic.names import check_name

Kind = Literal["asset", "path", "uri", "mlflow", "datastore", "job"]

_PLACES = {
    "http": "on the web", "https": "on the web", "ftp": "on the web",
    "wasb": "in Azure Blob Storage", "wasbs": "in Azure Blob Storage",
    "abfs": "in Azure Data Lake Storage", "abfss": "in Azure Data Lake Storage", "adl": "in Azure Data Lake Storage",
    "s3": "in Amazon S3", "gs": "in Google Cloud Storage", "dbfs": "in Databricks", "hdfs": "in HDFS",
}  # fmt: skip
_ASSETS = {
    "models": "a model",
    "environments": "an environment",
    "data": "data",
    "codes": "a code asset of a workspace in Azure",
    "computes": "a compute",
    "components": "a component",
}
_LONGEST_NAME, _LONGEST_PATH = 255, 4096
_FORMS = "azureml:NAME:VERSION, azureml:NAME@LABEL, models:/NAME/VERSION, a path, or a URI"
_URI = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]+://")
_WORD = re.compile(r"[a-zA-Z0-9][-_a-zA-Z0-9]*")
_LABEL = re.compile(r"[a-zA-Z][-_a-zA-Z0-9]*")
_KINDS = r"models|environments|data|codes|computes|components"
_TAIL = rf"(?P<type>{_KINDS})/(?P<name>[^/]+)(?:/(?:versions/(?P<version>[^/]+)|(?:versions/)?labels/(?P<label>[^/]+)))?/?"
_ARM_START = r"/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.MachineLearningServices/workspaces/[^/]+/"
_ARM_ASSET = re.compile(_ARM_START + _TAIL, re.IGNORECASE)
_ARM_DATASTORE = re.compile(
    _ARM_START + r"datastores/(?P<store>[^/]+)(?:/paths/(?P<path>.*))?", re.IGNORECASE
)
_AZUREML_ASSET = re.compile(
    r"azureml://(?:registries/(?P<registry>[^/]+)/"
    r"|(?:locations/[^/]+|subscriptions/[^/]+/resource[gG]roups/[^/]+(?:/providers/[^/]+)?)/workspaces/[^/]+/)?"
    + _TAIL
)
_AZUREML_STORE = re.compile(
    r"azureml://(?:subscriptions/[^/]+/resource[gG]roups/[^/]+/(?:providers/[^/]+/)?workspaces/[^/]+/)?"
    r"datastores/(?P<store>[^/]+)(?:/paths/(?P<path>.*))?"
)
_AZUREML_JOB = re.compile(r"azureml://jobs/(?P<job>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths/(?P<path>.*))?")
_MODELS = re.compile(r"models:/+(?P<name>[^/@]+)(?:/(?P<version>[^/@]+)|@(?P<label>[^/@]+))?")
_RUNS = re.compile(r"runs:/+(?P<job>[^/]+)(?:/(?P<path>.*))?")


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A parsed reference.

    Attributes
    ----------
    kind
        ``asset``, ``path``, ``uri``, ``mlflow`` (``models:/`` and ``runs:/``), ``datastore`` or ``job``.
    text
        As it was written.
    name, version, label
        Of an asset or a registered MLflow model; neither version nor label means the latest.
    asset_type
        ``models``, ``data``, …, where the reference says so.
    registry
        The registry of an ``azureml://registries`` reference.
    store
        The datastore of a ``datastore`` reference.
    job, output
        The job (or MLflow run) and its output of a ``job`` or ``runs:/`` reference.
    path
        The local path of a ``path``; the path inside a datastore, job output or run.
    """

    kind: Kind
    text: str
    name: str | None = None
    version: str | None = None
    label: str | None = None
    asset_type: str | None = None
    registry: str | None = None
    store: str | None = None
    job: str | None = None
    output: str | None = None
    path: str | None = None


def parse_reference(text: str, *, bare: Literal["asset", "path"] = "asset") -> Reference:
    """Return what `text` refers to, by its form alone: nothing is looked up.

    Parameters
    ----------
    text
        Any form that Azure or MLflow has, with or without ``azureml:`` where Azure allows both.
    bare
        What a lone word such as ``heart`` is: an asset, or a path seen from here. A slash or a dot makes it
        a path in any case.

    Raises
    ------
    ValidationException
        If it has the beginning of a form and not the rest.
    """
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ValidationException(
            field="reference", value=text, reason="refers to nothing", hint=f"Use {_FORMS}."
        )
    if text.startswith(("models:/", "runs:/")):
        return _mlflow(text)
    if text.startswith("azureml://"):
        return _azureml_uri(text)
    inner = text.removeprefix("azureml:")
    if inner.lower().startswith("/subscriptions/"):
        return _arm(text, inner)
    if inner != text:
        return _asset(text, inner)
    return _plain(text, bare)


def described(reference: Reference) -> str:
    """Return in words what a reference refers to where that is of no use: it ``is in Amazon S3 (s3://)``, ``is a path``."""
    scheme = reference.text.partition("://")[0].lower()
    if reference.kind == "uri":
        return f"is {_PLACES.get(scheme, 'somewhere else')} ({scheme}://), not on this machine"
    if reference.registry is not None:
        return f"is in the registry {reference.registry!r}, not on this machine"
    if reference.kind == "asset":
        return f"is {_ASSETS.get(reference.asset_type or '', 'a registered asset')}"
    return {
        "path": "is a path",
        "mlflow": "is a model of MLflow",
        "datastore": "is in a datastore",
        "job": "is an output of a job",
    }[reference.kind]


def relocated(text: str, base: Path) -> str:
    """Return a relative local path made absolute, seen from `base`; any other reference as it is.

    Only for fields that hold paths: a lone word is a path here.
    """
    reference = parse_reference(text, bare="path")
    if reference.kind != "path" or reference.path is None:
        return text
    path = Path(reference.path).expanduser()
    # Not resolved: a symbolic link stays what the user wrote, only `.` and `..` at its front go.
    return str(path if path.is_absolute() else Path(_normal(str(base / path))))


def without_credentials(text: str) -> str:
    """Return a URI without user, password and query (which may hold a signature); other text as it is."""
    if "://" not in text:
        return text
    try:
        parts = urlsplit(text)
    except ValueError:
        return f"{text.partition('://')[0]}://***"
    host = parts.netloc.rpartition("@")[2]
    # In wasbs://container@account the part before the @ is the container.
    if parts.scheme in {"wasb", "wasbs", "abfs", "abfss", "adl"}:
        host = parts.netloc
    return urlunsplit((parts.scheme, host, parts.path, "***" if parts.query else "", ""))


def _normal(path: str) -> str:
    return os.path.normpath(path)  # pathlib has no lexical normalisation


def _wrong(text: str, reason: str) -> ValidationException:
    return ValidationException(
        field="reference", value=without_credentials(text), reason=reason, hint=f"Use {_FORMS}."
    )


def _mlflow(text: str) -> Reference:
    found = _MODELS.fullmatch(text) or _RUNS.fullmatch(text)
    if found is None:
        raise _wrong(text, "is not a model of MLflow")
    return Reference(kind="mlflow", text=text, **_named(found))


def _azureml_uri(text: str) -> Reference:
    if found := _AZUREML_STORE.fullmatch(text):
        return Reference(kind="datastore", text=text, **_named(found))
    if found := _AZUREML_JOB.fullmatch(text):
        return Reference(kind="job", text=text, **_named(found))
    if found := _AZUREML_ASSET.fullmatch(text):
        return _checked(text, _named(found))
    raise _wrong(text, "is not an azureml:// URI that means an asset, a datastore path or a job's output")


def _arm(text: str, inner: str) -> Reference:
    if found := _ARM_DATASTORE.fullmatch(inner):
        return Reference(kind="datastore", text=text, **_named(found))
    if found := _ARM_ASSET.fullmatch(inner):
        return _checked(text, _named(found))
    raise _wrong(text, "is not a resource of Azure Machine Learning that has a meaning here")


def _named(found: re.Match[str]) -> dict[str, str | None]:
    values = dict(found.groupdict())
    if "type" in values:
        values["asset_type"] = (values.pop("type") or "").lower() or None
    return values


def _asset(text: str, inner: str) -> Reference:
    if "/" in inner or "\\" in inner:
        raise _wrong(text, "has a slash after azureml:")
    # A label is tried before a version, and split off at the last @.
    name, mark, label = inner.rpartition("@")
    if mark:
        return _checked(text, {"name": name, "label": label})
    name, mark, version = inner.partition(":")
    return _checked(text, {"name": name, "version": version if mark else None})


def _checked(text: str, values: dict[str, str | None]) -> Reference:
    for part in ("name", "version", "label"):
        value = values.get(part)
        if value is None:
            continue
        try:
            # A version may hold colons; nothing else is let through that could become a path.
            check_name(part, value.replace(":", "-") if part == "version" else value)
        except InvalidName:
            raise _wrong(text, f"has the {part} {value!r}, which no asset can have") from None
    return Reference(kind="asset", text=text, **values)


def _plain(text: str, bare: str) -> Reference:
    if text.lower().startswith("file:/"):
        return _local(text, _decoded(text))
    if _URI.match(text):
        return Reference(kind="uri", text=text)
    is_path = "/" in text or "\\" in text or text.startswith("~") or PureWindowsPath(text).drive
    named = None if is_path else _named_plainly(text, bare)
    return named or _local(text, text)


def _local(text: str, path: str) -> Reference:
    try:
        sizes = [len(os.fsencode(part)) for part in path.split("/")]
    except UnicodeEncodeError:
        raise _wrong(text, "holds what no file's name can hold") from None
    if max(sizes) > _LONGEST_NAME or sum(sizes) + len(sizes) > _LONGEST_PATH:
        raise _wrong(text, "is too long for a path")
    return Reference(kind="path", text=text, path=path)


def _decoded(uri: str) -> str:
    try:
        path = unquote(urlsplit(uri).path)
    except ValueError:
        raise _wrong(uri, "is no address of a file") from None
    if "\0" in path:
        raise _wrong(uri, "is no address of a file")
    return path


def _named_plainly(text: str, bare: str) -> Reference | None:
    name, mark, label = text.rpartition("@")
    if mark and _LABEL.fullmatch(label) and _is_name(name):
        return Reference(kind="asset", text=text, name=name, label=label)
    name, mark, version = text.partition(":")
    if mark and version and _is_name(name):
        return _checked(text, {"name": name, "version": version})
    if bare == "asset" and _WORD.fullmatch(text):
        return Reference(kind="asset", text=text, name=text)
    return None


def _is_name(text: str) -> bool:
    try:
        check_name("asset", text)
    except InvalidName:
        return False
    return True
