"""The real ``azure-ai-ml`` as a caller: what it sends is understood, and it understands what it is answered."""

from __future__ import annotations

from pathlib import Path

import pytest
from azure_support import azure
from limits_support import Place
from recorded_invokes_words import FILE, FOLDER

from batchmagic.errors import InputError, NotAuthenticated, ResourceNotFoundError, UnknownField
from batchmagic.server.arm import error_json, job_json
from batchmagic.server.invoke_body import read_invoke

_PROGRAM = """
import sys
sys.path.insert(0, given["here"])
import recorded_invokes
result = {"sent": recorded_invokes.record(), "read": recorded_invokes.read(given)}
"""
ERRORS = [
    NotAuthenticated(),
    ResourceNotFoundError(kind="endpoint", name="hart"),
    UnknownField(field="x", owner="y"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("azure").resolve())
    yield made
    made.client.session.close()


@pytest.fixture(scope="module")
def azures(place):
    job = place.client.batch_endpoints.invoke("heart", input=str(place.root / "data"), job_name="nightly")
    answers = {error.status: error_json(error, request_id="r", root=place.folder) for error in ERRORS}
    job = job_json(place.ws, place.ws.jobs.get(job.name))
    return azure(_PROGRAM, here=str(Path(__file__).parent), job=job, errors=answers)


def understood(azures, label):
    sent = azures["sent"][label]
    return read_invoke(sent["body"], deployment=sent["headers"].get("azureml-model-deployment"))


IN = {"path": FOLDER, "type": "uri_folder"}
MEANT = {
    "folder": {"inputs": {"UriFolder": IN}},
    "file": {"inputs": {"UriFile": {"path": FILE, "type": "uri_file"}}},
    "web": {"inputs": {"UriFolder": {**IN, "path": "https://good.example/in/day/?sv=2024&sig=abc"}}},
    "inputs": {"inputs": {"patients": IN}},
    "mltable": {"inputs": {"t": {**IN, "type": "mltable"}}},
    "outputs": {
        "inputs": {"x": IN},
        "outputs": {"score": {"path": FOLDER.replace("/in/", "/out/rows.csv"), "type": "uri_file"}},
    },
    "overrides": {
        "inputs": {"UriFolder": IN},
        "params_override": [
            {"instance_count": 3, "mini_batch_size": 20, "error_threshold": 5, "output_file_name": "p.csv", "max_retries": 1,
             "timeout": 30}
        ],
    },
    "target": {"inputs": {"UriFolder": IN}},
    "old output": {
        "inputs": {"UriFolder": IN},
        "outputs": {"output_name": {"path": FOLDER.replace("/in/", "/out"), "type": "uri_file"}},
    },
    "old input": {"inputs": {"dataset": {"path": FOLDER}}},
    "names": {"inputs": {"UriFolder": IN}, "experiment_name": "exp", "job_name": "nightly"},
    "deployment": {"inputs": {"UriFolder": IN}, "deployment_name": "blue"},
}  # fmt: skip


@pytest.mark.parametrize("label", MEANT)
def test_what_it_sends_means_what_its_caller_meant(azures, label):
    assert understood(azures, label) == {"params_override": [], **MEANT[label]}


@pytest.mark.parametrize(
    ("label", "words"), [("two inputs", "exactly one input, not 2: a, b"), ("literal", "is a Literal")]
)
def test_what_cannot_be_scored_is_refused_for_the_right_reason(azures, label, words):
    with pytest.raises(InputError, match=words):
        understood(azures, label)


def test_every_request_has_a_key_by_which_it_is_known_again(azures):
    keys = [sent["headers"]["repeatability_request-id"] for sent in azures["sent"].values()]
    assert len(set(keys)) == len(keys) == len(MEANT) + 2


def test_it_reads_our_job_as_its_own(azures):
    job = azures["read"]["job"]
    assert (job["name"], job["status"], job["id"].rpartition("/")[2]) == ("nightly", "Queued", "nightly")
    assert job["type"].endswith("/jobs")


def test_it_reads_our_errors_as_its_own(azures):
    found = azures["read"]["errors"]
    assert [found[str(error.status)][0] for error in ERRORS] == [
        "ClientAuthenticationError",
        "ResourceNotFoundError",
        "HttpResponseError",
    ]
    assert "has no field 'x'" in found["422"][1]
