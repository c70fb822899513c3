"""Answers in Azure's form: what a job says of itself, and what an error tells nobody."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from limits_support import PREFIX, Place

from batchmagic.entities.status import JobStatus
from batchmagic.errors import BatchMagicError, NotDeclared, StoreCorrupted
from batchmagic.server.arm import error_json, job_json, job_list_json
from batchmagic.server.invoke_body import read_invoke
from batchmagic.server.without_places import without_places

ROOT = Path("/home/ann/project/.batchmagic")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    made = Place(tmp_path_factory.mktemp("answers").resolve())
    yield made
    made.client.session.close()


@pytest.fixture
def invoked(place):
    def invoke(**properties):
        given = {
            "inputData": {"x": {"jobInputType": "UriFolder", "uri": str(place.root / "data")}},
            **properties,
        }
        arguments = read_invoke({"properties": given}, deployment=None)
        job = place.client.batch_endpoints.invoke(
            "heart", **arguments, properties={"batchmagic.started_by": "token:ann"}, access=place.access()
        )
        return lambda: job_json(place.ws, place.ws.jobs.get(job.name))

    return invoke


def holds_null(value):
    items = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return value is None or any(map(holds_null, items))


def test_a_job_says_what_it_was_asked_for(place, invoked):
    asked = {
        "miniBatchSize": 2, "errorThreshold": 5, "retrySettings": {"maxRetries": 1, "timeout": "PT30S"},
        "outputFileName": "rows.csv", "loggingLevel": "Debug", "maxConcurrencyPerInstance": 2, "name": "nightly",
        "description": "every night", "tags": {"team": "blue"}, "displayName": "Every night",
        "properties": {"experimentName": "exp", "who": "me"},
    }  # fmt: skip
    job = invoked(**asked)()
    assert job["id"] == "/batchmagic/endpoints/heart/jobs/nightly"
    properties = job["properties"]
    assert {key: properties[key] for key in asked} == asked
    assert (properties["status"], properties["provisioningState"]) == ("Queued", "InProgress")
    assert properties["compute"]["target"] == "local"
    assert properties["inputData"]["input"] == {"jobInputType": "UriFolder", "uri": str(place.root / "data")}
    assert properties["interactionEndpoints"]["Studio"]["endpoint"] == job["id"]
    assert job["systemData"]["createdBy"] == "token:ann"
    assert job["systemData"]["createdByType"] == "Application"
    assert not holds_null(job)
    json.dumps(job)


def test_the_answer_may_be_sent_again_as_a_request(invoked):
    job = invoked(miniBatchSize=3)()
    del job["name"], job["properties"]["name"]
    for ours in ("statusDetail", "error", "deploymentName"):
        job["properties"].pop(ours, None)
    assert read_invoke(job, deployment=None)["params_override"][0]["mini_batch_size"] == 3


@pytest.mark.parametrize(
    ("given", "uri"),
    [
        (None, "azureml://jobs/{name}/outputs/score/paths/predictions.csv"),
        (
            "azureml://datastores/workspaceblobstore/paths/a/rows.csv",
            "azureml://datastores/workspaceblobstore/paths/a/rows.csv",
        ),
        (
            "azureml://datastores/workspaceblobstore/paths/b/",
            "azureml://datastores/workspaceblobstore/paths/b/predictions.csv",
        ),
        ("{out}/c/rows.csv", "azureml://jobs/{name}/outputs/score/paths/rows.csv"),
    ],
)
def test_an_output_is_named_as_the_next_invoke_can_name_it(place, invoked, given, uri):
    outputs = {"outputData": {"o": {"uri": given.format(out=place.folder / "out")}}} if given else {}
    job = invoked(**outputs)()
    assert job["properties"]["outputData"]["score"] == {
        "jobOutputType": "UriFile",
        "uri": uri.format(name=job["name"]),
    }


def test_an_address_is_shown_without_its_signature(invoked):
    job = invoked(inputData={"x": {"uri": f"{PREFIX}day/?sig=secret"}})()
    assert job["properties"]["inputData"]["input"]["uri"] == "https://good.example/in/day"
    assert "secret" not in json.dumps(job)


def test_how_a_job_ended_is_told_in_azures_words(place, invoked):
    for end, state in (
        (JobStatus.CANCELED, "Canceled"),
        (JobStatus.FAILED, "Failed"),
        (JobStatus.NOT_RESPONDING, "Failed"),
    ):
        shown = invoked()
        error = {
            "type": "ValueError",
            "message": f"no column in {place.folder}/x.csv?sig=abc",
            "traceback": "…",
        }
        place.ws.jobs.transition(shown()["name"], end, detail=f"see {place.ws.root}/jobs/x", error=error)
        properties = shown()["properties"]
        assert (properties["status"], properties["provisioningState"]) == (str(end), state)
        assert properties["statusDetail"] == "see jobs/x"
        assert properties["error"] == {"code": "ValueError", "message": "no column in …/x.csv?sig=********"}


def test_a_page_has_jobs_and_where_to_go_on():
    assert job_list_json([{"name": "a"}], next_link=None) == {"value": [{"name": "a"}], "nextLink": None}


def test_an_error_has_code_message_target_and_next_step():
    error = NotDeclared("input: '/etc/passwd' is no place.", target="input", hint="Register it.")
    assert error_json(error, request_id="r1", root=ROOT) == {
        "error": {
            "code": "not_declared",
            "message": "input: '…/passwd' is no place. Register it.",
            "target": "input",
            "details": [{"code": "hint", "message": "Register it."}],
            "requestId": "r1",
        }
    }


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"{ROOT}/jobs/nightly/ledger.db is damaged", "jobs/nightly/ledger.db is damaged"),
        (f"in {ROOT}.", "in the workspace."),
        (f"in '{ROOT}'", "in 'the workspace'"),
        (f"{ROOT}X/jobs", "…/jobs"),
        ("There is no file '/home/ann/my files/a.csv'.", "There is no file '…/a.csv'."),
        ('see "/home/ann/a.csv"', 'see "…/a.csv"'),
        ("(/home/ann/a.csv)", "(…/a.csv)"),
        ("at /home/ann/a.csv, line 5", "at …/a.csv, line 5"),
        ("path=/home/ann/a.csv", "path=…/a.csv"),
        ("/", "/"),
        ("/home", "…/home"),
        ("file:///home/ann/a.csv", "file:…/a.csv"),
        (
            f"Asked: sqlite:////mlflow.db; sqlite:///{ROOT}/mlflow/mlflow.db",
            "Asked: sqlite:…/mlflow.db; sqlite:mlflow/mlflow.db",
        ),
        (
            "https://host/a/b.csv and azureml://datastores/x/paths/y",
            "https://host/a/b.csv and azureml://datastores/x/paths/y",
        ),
        ("GET /batchmagic/endpoints/heart/jobs", "GET /batchmagic/endpoints/heart/jobs"),
        ("data/a.csv and/or ./b", "data/a.csv and/or ./b"),
        ("…/a.csv", "…/a.csv"),
        ("3/s, 1/2", "3/s, 1/2"),
    ],
)
def test_paths_of_this_machine_are_shortened(text, shown):
    assert without_places(text, ROOT) == shown


def test_no_error_tells_of_this_machine_or_of_credentials():
    errors = [
        StoreCorrupted(path=f"{ROOT}/workspace.db", reason="it is malformed"),
        BatchMagicError("https://u:p@host/x?sig=abc and ?sig=abc", hint="See /home/ann/.ssh/id."),
    ]
    for error in errors:
        text = json.dumps(error_json(error, request_id="r", root=ROOT), ensure_ascii=False)
        assert "/home" not in text
        assert "abc" not in text
        assert "u:p" not in text
