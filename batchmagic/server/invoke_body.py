"""The body of an invoke, as Azure's callers write it, or have written it since 2020."""

from __future__ import annotations

import re
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter, ValidationError

from batchmagic.entities.deployment_settings import ModelBatchDeploymentSettings
from batchmagic.entities.fields import as_bool, compute_name
from batchmagic.entities.references import parse_reference
from batchmagic.errors import InputError, UsageError, ValidationException
from batchmagic.names import check_name, nearest
from batchmagic.server.loose import Given, loosely

if TYPE_CHECKING:
    from collections.abc import Mapping

# What an ARM resource has around its properties; nothing of it can be asked for.
_AROUND = ("properties", "id", "type", "systemData")
_READ_ONLY = ("status", "provisioningState", "output", "interactionEndpoints")
_SETTINGS = (
    "miniBatchSize", "errorThreshold", "loggingLevel", "maxConcurrencyPerInstance", "outputFileName", "outputAction",
    "outputFormat", "isolateFailures", "failFast", "noFailFast", "memoryPerSlot", "predictPer", "instanceCount",
    "maxRetries",
)  # fmt: skip
_PROPERTIES = (
    "inputData", "outputData", "dataset", "outputDataset", *_SETTINGS, "retrySettings", "timeout", "compute",
    "environmentVariables", "partitionKeys", "name", "displayName", "description", "tags", "properties",
    "experimentName", "recursive", "overwrite", *_READ_ONLY,
)  # fmt: skip
_TYPES = {
    "UriFolder": "uri_folder",
    "UriFile": "uri_file",
    "MLTable": "mltable",
    "CustomModel": "custom_model",
    "MLFlowModel": "mlflow_model",
    "TritonModel": "triton_model",
}
_COMPUTE = ("target", "instanceCount", "instanceType", "isLocal", "location", "properties")
_OLD_INPUTS = ("DataUrl", "DatasetVersion", "DatasetId")
_OLD_OUTPUT = (
    "datastoreId", "path", "datasetType", "type", "name", "description", "tags", "properties", "isAnonymous",
)  # fmt: skip
_OURS = re.compile(r"(batchmagic|mlflow)\.", re.IGNORECASE)
_OLD_DATA = re.compile(r"(/workspaces/[^/]+)/datasets/", re.IGNORECASE)
_EXAMPLE = 'Send {"properties": {"inputData": {"x": {"jobInputType": "UriFolder", "uri": …}}}}.'
_DURATION: TypeAdapter[timedelta] = TypeAdapter(timedelta)


def read_invoke(body: Mapping[str, Any], *, deployment: str | None) -> dict[str, Any]:
    """Return the arguments of `BatchEndpointOperations.invoke` that a request means.

    Every property is found in any letter case, with or without underscores. What Azure fills in itself is left out.

    Parameters
    ----------
    body
        ``{"properties": {…}}``, or the properties alone where they name an input.
    deployment
        The header ``azureml-model-deployment``.

    Raises
    ------
    UnknownField
        For a property that nothing here reads; the error names its place as it is written.
    ValidationException
        For a value of the wrong kind.
    InputError
        If there is not exactly one input, or it is a literal.
    """
    given = _properties(Given(place="", value=dict(body)))
    overrides = [part for part in (_overrides(given), _labels(given)) if part]
    found: dict[str, Any] = {"inputs": _inputs(given), "params_override": overrides}
    if deployment is not None and deployment.strip():
        name = Given(place="azureml-model-deployment", value=deployment.strip())
        found["deployment_name"] = name.checked(partial(check_name, "deployment"))
    if "outputData" in given:
        found["outputs"] = {key: _output(item) for key, item in given["outputData"].items().items()}
    if "name" in given:
        found["job_name"] = given["name"].checked(partial(check_name, "job"))
    for key, argument in (("displayName", "display_name"), ("description", "description")):
        if key in given:
            found[argument] = given[key].text()
    if "tags" in given:
        found["tags"] = _texts(given["tags"])
    for key in ("recursive", "overwrite"):
        if key in given:
            given[key].checked(partial(as_bool, field=key))
            found[key] = as_bool(given[key].value, key)
    experiment = _experiment(given)
    return {**found, "experiment_name": experiment} if experiment is not None else found


def _properties(body: Given) -> dict[str, Given]:
    """Return the properties of the request, from where they stand."""
    top = {loosely(key): item for key, item in body.value.items()}
    inner = top.get("properties")
    wrapped = {loosely(key) for key in inner} if isinstance(inner, dict) else set()
    if {"inputdata", "dataset"} & top.keys() and not {"inputdata", "dataset"} & wrapped:
        return body.fields((*_PROPERTIES, "id", "type", "systemData"))
    if "name" in top:
        raise ValidationException(
            field="name", value=top["name"], reason="is no property", hint="Write it as properties.name."
        )
    around = body.fields(_AROUND)
    return around["properties"].fields(_PROPERTIES) if "properties" in around else {}


# --- inputs and outputs


def _inputs(given: Mapping[str, Given]) -> dict[str, dict[str, str]]:
    found = {}
    if "inputData" in given:
        found = {key: _input(item) for key, item in given["inputData"].items().items()}
    if "dataset" in given:
        found["dataset"] = _old_input(given["dataset"])
    if len(found) != 1:
        names = f": {', '.join(found)}" if found else ""
        place = given["inputData"].place if "inputData" in given else "properties.inputData"
        raise InputError(
            f"A batch deployment takes exactly one input, not {len(found)}{names}.",
            target=place,
            hint=_EXAMPLE,
        )
    return found


def _input(item: Given) -> dict[str, str]:
    fields = item.fields(("jobInputType", "uri", "mode", "description", "value"))
    literal = "jobInputType" in fields and loosely(str(fields["jobInputType"].value)) == "literal"
    if literal or ("value" in fields and "jobInputType" not in fields):
        raise InputError(
            f"{item.place} is a Literal: a model deployment reads files, and no values.",
            target=item.place,
            hint="Send the uri of a file or folder, with the jobInputType UriFile or UriFolder.",
        )
    if "value" in fields:
        raise fields["value"].wrong("belongs to a Literal", hint="Leave it out.")
    if "uri" not in fields:
        raise _missing(item, "uri")
    return {"path": _reference(fields["uri"]), **_typed(fields, "jobInputType")}


def _output(item: Given) -> dict[str, str]:
    fields = item.fields(("jobOutputType", "uri", "mode", "description"))
    place = {"path": _reference(fields["uri"])} if "uri" in fields else {}
    return {**place, **_typed(fields, "jobOutputType")}


def _typed(fields: Mapping[str, Given], key: str) -> dict[str, str]:
    for name in ("mode", "description"):
        if name in fields:
            fields[name].text()
    return {"type": _TYPES[_word(fields[key], tuple(_TYPES))]} if key in fields else {}


def _old_input(item: Given) -> dict[str, str]:
    """Return the input of the first form, which has only one, without a name."""
    if isinstance(item.value, str):
        return {"path": _reference(item)}
    known = ("dataInputType", "path", "datasetName", "datasetVersion", "datasetId")
    fields = item.fields(known)
    if "dataInputType" in fields:
        kind = _word(fields["dataInputType"], _OLD_INPUTS)
    else:
        kind = next(
            (k for k, key in zip(_OLD_INPUTS, known[1:3] + known[4:], strict=True) if key in fields), ""
        )
    needed = {"DataUrl": "path", "DatasetVersion": "datasetName", "DatasetId": "datasetId"}.get(kind)
    if needed is None or needed not in fields:
        raise _missing(item, needed or "dataInputType")
    if kind != "DatasetVersion":
        now = _OLD_DATA.sub(r"\1/data/", fields[needed].text())
        return {"path": _reference(Given(place=fields[needed].place, value=now))}
    version = fields.get("datasetVersion")
    text = fields[needed].text() if version is None else f"{fields[needed].text()}:{version.value}"
    return {"path": _reference(Given(place=fields[needed].place, value=f"azureml:{text}"))}


def _reference(given: Given) -> str:
    text = given.text()
    try:
        parse_reference(text, bare="path")
    except UsageError as error:
        raise given.wrong("refers to nothing that is known here", hint=error.hint) from None
    return text


# --- settings


def _overrides(given: Mapping[str, Given]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key in (*_SETTINGS, "timeout"):
        if key in given:
            _set(found, key, given[key])
    if "retrySettings" in given:
        for key, item in given["retrySettings"].fields(("maxRetries", "timeout")).items():
            _set(found, key, item)
    if "compute" in given:
        _add_compute(found, given["compute"])
    if "environmentVariables" in given:
        found["environment_variables"] = _variables(given["environmentVariables"])
    if "outputDataset" in given:
        fields = given["outputDataset"].fields(_OLD_OUTPUT)
        old = {snake(key): fields[key].text() for key in ("datastoreId", "path") if key in fields}
        found["output_dataset"] = old
    if given.get("partitionKeys") and given["partitionKeys"].value != []:
        raise given["partitionKeys"].wrong(
            "cannot be used: mini-batches are made of files", hint="Leave it out, or send []."
        )
    return found


def snake(key: str) -> str:
    """Return ``miniBatchSize`` as ``mini_batch_size``."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "_", key).lower()


def _set(into: dict[str, Any], key: str, given: Given) -> None:
    name = snake(key)
    if name in into and into[name] != given.value:
        raise given.wrong("stands there twice, with different values", hint="Give one of them.")
    if key == "timeout":
        given = Given(place=given.place, value=_seconds(given))
    into[name] = given.checked(lambda value: ModelBatchDeploymentSettings.from_dict({name: value}))


def _seconds(given: Given) -> int:
    """Return a duration (``PT5M``, ``00:05:00``, or a number of seconds) in seconds."""
    value = given.value.upper() if isinstance(given.value, str) else given.value
    if isinstance(value, str) and value.isascii() and value.isdecimal():
        value = int(value[:9])
    try:
        span = _DURATION.validate_python(value)
    except ValidationError:
        raise given.wrong("is no duration", hint="Write it like PT300S, or as a number of seconds.") from None
    if span % timedelta(seconds=1) or isinstance(given.value, bool):
        raise given.wrong("is no number of whole seconds", hint="Write it like PT300S.")
    return int(span.total_seconds())


def _add_compute(into: dict[str, Any], given: Given) -> None:
    if isinstance(given.value, str):
        into["compute"] = given.checked(compute_name)
        return
    fields = given.fields(_COMPUTE)
    if "target" in fields and fields["target"].text():
        into["compute"] = fields["target"].checked(compute_name)
    if "instanceCount" in fields:
        _set(into, "instanceCount", fields["instanceCount"])


def _variables(given: Given) -> dict[str, str]:
    for item in given.items().values():
        if not isinstance(item.value, str | int | float):
            raise Given(place=item.place, value="***").wrong("must be text")
    hidden = Given(place=given.place, value={key: item.value for key, item in given.items().items()})
    found: dict[str, str] = hidden.checked(
        lambda value: ModelBatchDeploymentSettings.from_dict({"environment_variables": value})
    )
    return found


# --- labels


def _experiment(given: Mapping[str, Given]) -> str | None:
    """Return the MLflow experiment, which Azure's callers name among the properties that they attach to the job."""
    found = [item for key, item in _attached(given).items() if _is_experiment(key)]
    found += [given["experimentName"]] if "experimentName" in given else []
    if len({item.text() for item in found}) > 1:
        raise found[-1].wrong("stands there twice, with different values", hint="Give one of them.")
    return found[0].text() if found else None


def _labels(given: Mapping[str, Given]) -> dict[str, Any]:
    """Return the properties that the caller attaches to the job."""
    kept = {key: item for key, item in _attached(given).items() if not _is_experiment(key)}
    for key, item in kept.items():
        if _OURS.match(key):
            raise item.wrong("is a property that only the server sets", hint="Use another name.")
    return {"properties": {key: _text_of(item) for key, item in kept.items()}} if kept else {}


def _attached(given: Mapping[str, Given]) -> dict[str, Given]:
    return given["properties"].items() if "properties" in given else {}


def _is_experiment(key: str) -> bool:
    return loosely(key) == "experimentname"


def _texts(given: Given) -> dict[str, str]:
    return {key: _text_of(item) for key, item in given.items().items()}


def _text_of(item: Given) -> str:
    if isinstance(item.value, bool):
        return str(item.value).lower()
    if not isinstance(item.value, str | int | float):
        raise item.wrong("must be text")
    return str(item.value)


def _word(given: Given, known: tuple[str, ...]) -> str:
    """Return the word of `known` that is given in any letter case, with or without underscores."""
    found = {loosely(word): word for word in known}.get(loosely(given.text()))
    if found is None:
        near = nearest(given.text(), known)
        raise given.wrong(
            f"is not one of {', '.join(known)}",
            hint=f"Did you mean {near!r}?" if near else "Use one of them.",
        )
    return found


def _missing(item: Given, name: str) -> ValidationException:
    return ValidationException(
        f"{item.place}.{name} is missing.", field=f"{item.place}.{name}", hint=f"Give {name}."
    )
