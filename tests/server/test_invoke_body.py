"""The body of an invoke: every form that callers send, and for what is wrong its place and the next step."""

from __future__ import annotations

import contextlib
import copy
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from batchmagic.errors import InputError, UnknownField, UsageError, ValidationException
from batchmagic.server.invoke_body import read_invoke

SIGNATURE = "c2VjcmV0LXNpZ25hdHVyZQ"
X = {"x": {"path": "/data/in", "type": "uri_folder"}}


def of(properties, deployment=None):
    return read_invoke({"properties": properties}, deployment=deployment)


def with_input(**more):
    return {"inputData": {"x": {"jobInputType": "UriFolder", "uri": "/data/in"}}, **more}


FULL = {
    "properties": {
        "inputData": {"Patients": {"jobInputType": "UriFolder", "uri": "azureml:d:1", "mode": "ReadOnlyMount"}},
        "outputData": {"Score": {"jobOutputType": "UriFile", "uri": "/out/rows.csv", "mode": "Upload"}},
        "outputFileName": "rows.csv",
        "miniBatchSize": 20,
        "errorThreshold": -1,
        "retrySettings": {"maxRetries": 2, "timeout": "PT1M30S"},
        "compute": {
            "target": "azureml:quick", "instanceCount": 2, "instanceType": "S", "isLocal": True, "location": "here",
            "properties": {"a": 1},
        },
        "loggingLevel": "Debug",
        "maxConcurrencyPerInstance": 3,
        "partitionKeys": [],
        "name": "nightly",
        "description": "every night",
        "tags": {"Team": "blue", "n": 1},
        "properties": {"experimentName": "heart-risk", "Who": "me"},
        "status": "Running",
        "provisioningState": "InProgress",
        "output": {"datastoreId": "d", "path": "p"},
        "interactionEndpoints": {"Studio": {"endpoint": "e"}},
        "outputFormat": "parquet",
        "outputAction": "AppendRow",
        "isolateFailures": True,
        "failFast": False,
        "memoryPerSlot": "2GiB",
        "predictPer": "mini_batch",
        "environmentVariables": {"Mode": "fast", "N": 5},
        "recursive": True,
        "overwrite": True,
        "displayName": "Every night",
    },
    "id": "/x", "type": "t", "systemData": {},
}  # fmt: skip
MEANT = {
    "inputs": {"Patients": {"path": "azureml:d:1", "type": "uri_folder"}},
    "outputs": {"Score": {"path": "/out/rows.csv", "type": "uri_file"}},
    "params_override": [
        {
            "output_file_name": "rows.csv", "mini_batch_size": 20, "error_threshold": -1, "max_retries": 2, "timeout": 90,
            "compute": "azureml:quick", "instance_count": 2, "logging_level": "Debug", "max_concurrency_per_instance": 3,
            "output_format": "parquet", "output_action": "AppendRow", "isolate_failures": True, "fail_fast": False,
            "memory_per_slot": "2GiB", "predict_per": "mini_batch", "environment_variables": {"Mode": "fast", "N": 5},
        },
        {"properties": {"Who": "me"}},
    ],
    "deployment_name": "blue", "job_name": "nightly", "experiment_name": "heart-risk", "description": "every night",
    "display_name": "Every night", "tags": {"Team": "blue", "n": "1"}, "recursive": True, "overwrite": True,
}  # fmt: skip


def test_everything_at_once():
    assert read_invoke(FULL, deployment=" blue ") == MEANT


# Places whose keys are the caller's own words.
_FREE = {"inputData", "outputData", "tags", "environmentVariables"}


def respelled(value, draw, *, free=False, under=""):
    """Return the body with its keys in another spelling: every letter in any case, underscores anywhere."""
    if not isinstance(value, dict):
        return value
    return {
        key if free else spelling(key, draw): respelled(
            item, draw, free=key in _FREE or (under == "properties" and key == "properties"), under=key
        )
        for key, item in value.items()
    }


def spelling(key, draw):
    flips = draw(st.lists(st.sampled_from("luU"), min_size=len(key), max_size=len(key)))
    forms = {"l": str.lower, "u": str.upper, "U": lambda letter: f"_{letter}"}
    return "".join(forms[flip](letter) for flip, letter in zip(flips, key, strict=True))


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_letter_case_of_keys_means_nothing(data):
    assert read_invoke(respelled(FULL, data.draw), deployment="blue") == MEANT


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_the_letter_case_of_words_means_nothing(data):
    for word, kind in {
        "UriFolder": "uri_folder",
        "UriFile": "uri_file",
        "MLTable": "mltable",
        "MLFlowModel": "mlflow_model",
    }.items():
        found = of({"inputData": {"x": {"jobInputType": spelling(word, data.draw), "uri": "/a"}}})
        assert found["inputs"]["x"]["type"] == kind


FORMS = {
    "pascal case": {"properties": {"InputData": {"x": {"JobInputType": "UriFolder", "Uri": "/data/in"}}}},
    # As a web activity of a data factory sends it: everything in one object, numbers as text.
    "web activity": {
        "properties": {
            "InputData": {"x": {"JobInputType": "UriFolder", "Uri": "/data/in"}},
            "OutputData": {"y": {"JobOutputType": "UriFile", "Uri": "/out/predictions.csv"}},
        }
    },
    "without properties": {"inputData": {"x": {"jobInputType": "UriFolder", "uri": "/data/in"}}},
    "without properties, with others": {"InputData": {"x": {"jobInputType": "uri_folder", "uri": "/data/in"}}, "properties": {"a": "b"}},
    "nothing is null": {
        "properties": {
            "inputData": {"x": {"jobInputType": "UriFolder", "uri": "/data/in", "mode": None}},
            "outputData": None, "compute": None, "name": None, "tags": None, "retrySettings": {"timeout": None},
        }
    },
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_of_the_body(form):
    assert read_invoke(FORMS[form], deployment=None)["inputs"] == X


OLD = {
    "address": ({"dataInputType": "DataUrl", "Path": "https://good.example/in/"}, "https://good.example/in/"),
    "version": (
        {"DataInputType": "DatasetVersion", "datasetName": "d", "datasetVersion": "3"},
        "azureml:d:3",
    ),
    "number as a version": (
        {"dataInputType": "datasetversion", "datasetName": "d", "datasetVersion": 3},
        "azureml:d:3",
    ),
    "name": ({"dataInputType": "DatasetVersion", "datasetName": "d"}, "azureml:d"),
    "identifier": (
        {
            "dataInputType": "DatasetId",
            "datasetId": "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/datasets/d/versions/1",
        },
        "/subscriptions/s/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/data/d/versions/1",
    ),
    "without a word": ({"path": "/data/in"}, "/data/in"),
    "name without a word": ({"datasetName": "d", "datasetVersion": "1"}, "azureml:d:1"),
    "text": ("azureml:d:1", "azureml:d:1"),
}


@pytest.mark.parametrize("case", OLD)
def test_the_oldest_form_of_an_input(case):
    given, path = OLD[case]
    assert of({"dataset": given})["inputs"] == {"dataset": {"path": path}}


def test_the_oldest_form_of_an_output():
    old = {"datasetType": "Simple", "DatastoreId": "workspaceblobstore", "Path": "a/b", "isAnonymous": True}
    assert of(with_input(outputDataset=old))["params_override"] == [
        {"output_dataset": {"datastore_id": "workspaceblobstore", "path": "a/b"}}
    ]


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("PT30S", 30),
        ("PT5M", 300),
        ("P1D", 86400),
        ("P3D", 259200),
        ("pt30s", 30),
        ("00:05:00", 300),
        (30, 30),
        ("30", 30),
        (30.0, 30),
    ],
)
def test_a_timeout_is_a_duration(value, seconds):
    found = of(with_input(retrySettings={"timeout": value}))
    assert found["params_override"] == [{"timeout": seconds}]


WRONG = {
    "unknown, with the nearest": (with_input(miniBatchSise=3), "properties.miniBatchSise", "properties.miniBatchSize"),
    "unknown in an input": (
        {"InputData": {"x": {"Uri": "/a", "Url": "/b"}}}, "properties.InputData.x.Url", "properties.InputData.x.uri",
    ),
    "unknown in retries": (with_input(retrySettings={"maxRetrys": 1}), "properties.retrySettings.maxRetrys", "maxRetries"),
    "unknown in the compute": (with_input(compute={"name": "x"}), "properties.compute.name", "target"),
    "twice": (with_input(MiniBatchSize=1, miniBatchSize=2), "properties.miniBatchSize", "'MiniBatchSize' too"),
    "twice with an underscore": (with_input(mini_batch_size=1, miniBatchSize=1), "properties.miniBatchSize", "too"),
    "two timeouts": (with_input(timeout=5, retrySettings={"timeout": "PT6S"}), "properties.retrySettings.timeout", "twice"),
    "two experiments": (
        with_input(experimentName="a", properties={"ExperimentName": "b"}), "properties.experimentName", "twice",
    ),
    "number as text": (with_input(miniBatchSize="many"), "properties.miniBatchSize", "whole number"),
    "no number": (with_input(miniBatchSize=0), "properties.miniBatchSize", "at least 1"),
    "list for a number": (with_input(errorThreshold=[1]), "properties.errorThreshold", "whole number"),
    "infinite": (with_input(miniBatchSize=float("inf")), "properties.miniBatchSize", "whole number"),
    "true for a number": (with_input(miniBatchSize=True), "properties.miniBatchSize", "whole number"),
    "uri that is a number": ({"inputData": {"x": {"uri": 5}}}, "properties.inputData.x.uri", "must be text"),
    "uri that is nothing": ({"inputData": {"x": {"uri": ""}}}, "properties.inputData.x.uri", "refers to nothing"),
    "uri that is half a form": ({"inputData": {"x": {"uri": "azureml://x"}}}, "properties.inputData.x.uri", "azureml:NAME"),
    "no uri": ({"inputData": {"x": {"jobInputType": "UriFile"}}}, "properties.inputData.x.uri", "Give uri"),
    "input that is text": ({"inputData": {"x": "/a"}}, "properties.inputData.x", "must be an object"),
    "inputs that are a list": ({"inputData": []}, "properties.inputData", "must be an object"),
    "type of input": (
        {"inputData": {"x": {"jobInputType": "UriFoldr", "uri": "/a"}}}, "properties.inputData.x.jobInputType", "'UriFolder'",
    ),
    "value beside a type": (
        {"inputData": {"x": {"jobInputType": "UriFile", "uri": "/a", "value": 1}}}, "properties.inputData.x.value", "Literal",
    ),
    "type of output": (with_input(outputData={"y": {"jobOutputType": "Literal"}}), "properties.outputData.y.jobOutputType", "UriFile"),
    "old input without a path": ({"dataset": {"dataInputType": "DataUrl"}}, "properties.dataset.path", "Give path"),
    "old input without a kind": ({"dataset": {}}, "properties.dataset.dataInputType", "Give dataInputType"),
    "timeout": (with_input(retrySettings={"timeout": "soon"}), "properties.retrySettings.timeout", "PT300S"),
    "timeout of half a second": (with_input(retrySettings={"timeout": "PT0.5S"}), "properties.retrySettings.timeout", "whole seconds"),
    "timeout of a week": (with_input(retrySettings={"timeout": "P7D"}), "properties.retrySettings.timeout", "at most"),
    "negative timeout": (with_input(retrySettings={"timeout": "-PT5S"}), "properties.retrySettings.timeout", "at least 1"),
    "infinite timeout": (with_input(timeout=float("inf")), "properties.timeout", "no duration"),
    "partition keys": (with_input(partitionKeys=["a"]), "properties.partitionKeys", "made of files"),
    "logging level": (with_input(loggingLevel="Loud"), "properties.loggingLevel", "debug"),
    "file name": (with_input(outputFileName="../x"), "properties.outputFileName", "plain file name"),
    "job name": (with_input(name="../x"), "properties.name", "letters, digits"),
    "compute": (with_input(compute={"target": "../x"}), "properties.compute.target", "letters, digits"),
    "variable": (with_input(environmentVariables={"A": {"b": 1}}), "properties.environmentVariables.A", "must be text"),
    "tag": (with_input(tags={"a": []}), "properties.tags.a", "must be text"),
    "tags": (with_input(tags=[]), "properties.tags", "must be an object"),
    "flag": (with_input(recursive="perhaps"), "properties.recursive", "true or false"),
    "property of ours": (with_input(properties={"Batchmagic.started_by": "token:x"}), "properties.properties.Batchmagic.started_by", "server"),
    "run of another": (with_input(properties={"mlflow.run_id": "x"}), "properties.properties.mlflow.run_id", "server"),
    "properties that are a list": ([], "properties", "must be an object"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_as_it_was_written(case):
    properties, place, words = WRONG[case]
    with pytest.raises(ValidationException) as caught:
        of(properties)
    assert caught.value.target == place
    assert place in caught.value.message
    assert words in str(caught.value)


def test_a_property_beside_the_properties_is_told_where_it_belongs():
    with pytest.raises(UnknownField, match="no field 'miniBatchSize'"):
        read_invoke({"properties": with_input(), "miniBatchSize": 5}, deployment=None)
    with pytest.raises(ValidationException, match=r"properties\.name"):
        read_invoke({"properties": with_input(), "Name": "x"}, deployment=None)


def test_the_deployment_is_a_name():
    with pytest.raises(ValidationException) as caught:
        of(with_input(), deployment="../blue")
    assert caught.value.target == "azureml-model-deployment"
    assert "deployment_name" not in of(with_input(), deployment=" ")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "not 0"),
        ({"properties": {}}, "not 0"),
        ({"properties": {"inputData": {}}}, "not 0"),
        ({"properties": {"inputData": {"a": {"uri": "/a"}, "b": {"uri": "/b"}}}}, "not 2: a, b"),
        ({"properties": {"inputData": {"a": {"uri": "/a"}}, "dataset": {"path": "/b"}}}, "not 2: a, dataset"),
        ({"properties": {"inputData": {"n": {"JobInputType": "literal", "Value": 5}}}}, "is a Literal"),
        ({"properties": {"inputData": {"n": {"value": True}}}}, "is a Literal"),
    ],
)
def test_there_is_one_input_and_it_is_a_place(body, words):
    with pytest.raises(InputError, match=words) as caught:
        read_invoke(body, deployment=None)
    assert caught.value.target.startswith("properties.inputData")
    assert caught.value.hint


SIGNED = f"https://good.example/in/?sv=2024&sig={SIGNATURE}"
LEAKS = [
    {"inputData": {"x": {"uri": SIGNED, "url": 1}}},
    {"inputData": {"x": {"jobInputType": SIGNED, "uri": "/a"}}},
    {"inputData": {"x": {"jobInputType": "Literal", "uri": SIGNED}}},
    {"inputData": {"x": {"uri": f"{SIGNED}\0"}}},
    {"inputData": {"x": {"uri": [SIGNED]}}},
    {"inputData": {"x": {"uri": f"azureml://{SIGNED}"}}},
    {"inputData": {SIGNED: {"uri": 5}}},
    {"inputData": {"x": SIGNED}},
    {"inputData": SIGNED},
    {SIGNED: 1},
    with_input(miniBatchSize=SIGNED),
    with_input(miniBatchSize=f"good.example/in?sig={SIGNATURE}"),
    with_input(name=SIGNED),
    with_input(outputFileName=SIGNED),
    with_input(compute={"target": SIGNED}),
    with_input(retrySettings={"timeout": SIGNED}),
    with_input(partitionKeys=[SIGNED]),
    with_input(environmentVariables={"A": [SIGNATURE]}),
    with_input(environmentVariables={"A=": SIGNATURE}),
    with_input(environmentVariables=SIGNED),
    with_input(loggingLevel=SIGNED),
    with_input(properties={"batchmagic.x": SIGNED}),
]


@pytest.mark.parametrize("properties", LEAKS)
def test_no_signature_is_in_an_error(properties):
    with pytest.raises(UsageError) as caught:
        of(properties)
    assert SIGNATURE not in f"{caught.value} {caught.value!r} {json.dumps(vars(caught.value), default=str)}"


_SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=8), inner, max_size=2),
)
_PLACES = [
    path for key, item in FULL["properties"].items() for path in ([(key,)] + [(key, inner) for inner in item] if isinstance(item, dict) else [(key,)])
]  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(_PLACES), _VALUES)
def test_any_value_anywhere_is_taken_or_refused(path, value):
    body = copy.deepcopy(FULL)
    *way, last = ("properties", *path)
    holder = body
    for key in way:
        holder = holder[key]
    holder[last] = value
    with contextlib.suppress(UsageError):  # and nothing else
        assert isinstance(read_invoke(body, deployment=None), dict)
