"""What the real ``azure-ai-ml`` sends for an invoke, recorded where it would leave the machine, and what it reads of answers."""

from __future__ import annotations

import io
import json
import warnings
from time import time

import requests
from azure.ai.ml import Input, MLClient, Output
from azure.core.credentials import AccessToken
from azure.core.pipeline.transport import RequestsTransport
from recorded_invokes_words import FILE, FOLDER
from requests.adapters import BaseAdapter

warnings.simplefilter("ignore")

HOST = "https://batch.example/jobs"
ANSWER = {"id": "/x/jobs/blue-fox-0001", "name": "blue-fox-0001", "properties": {"status": "Queued"}}
ENDPOINT = {
    "id": "/e",
    "name": "heart",
    "location": "here",
    "properties": {"scoringUri": HOST, "authMode": "AADToken"},
}


class Recorder(BaseAdapter):
    """In the place of the network: answers for the endpoint, and keeps what is posted to it."""

    def __init__(self, answer=None, status=201):
        super().__init__()
        self.sent = []
        self._answer, self._status = answer or ANSWER, status

    def close(self):
        """Nothing is open."""

    def send(self, request, **options):
        """Answer as the service would."""
        place = request.url.partition("?")[0]
        if place == HOST:
            headers = {key.lower(): value for key, value in request.headers.items()}
            self.sent.append({"body": json.loads(request.body), "headers": headers})
            return answer(request, self._answer, self._status)
        if place.endswith("/batchEndpoints/heart/deployments"):
            return answer(request, {"value": [{"name": "blue", "location": "here", "properties": {}}]})
        if place.endswith("/batchEndpoints/heart"):
            return answer(request, ENDPOINT)
        raise AssertionError(f"asked for {request.method} {request.url}")


def answer(request, body, status=200):
    found = requests.Response()
    found.status_code, found.url, found.request, found.reason = status, request.url, request, "as it is"
    found.headers["Content-Type"] = "application/json"
    found.raw = io.BytesIO(json.dumps(body).encode())
    return found


class Credential:
    """A credential that is good for nothing."""

    def get_token(self, *scopes, **options):
        return AccessToken("none", int(time()) + 3600)


def client(recorder):
    session = requests.Session()
    session.mount("https://", recorder)
    transport = RequestsTransport(session=session, session_owner=False)
    return MLClient(Credential(), "s", "g", "w", transport=transport, enable_telemetry=False)


OUT = Output(type="uri_file", path="azureml://datastores/workspaceblobstore/paths/out/rows.csv")
INVOKES = {
    "folder": {"input": Input(type="uri_folder", path=FOLDER)},
    "file": {"input": Input(type="uri_file", path=FILE)},
    "web": {"input": Input(type="uri_folder", path="https://good.example/in/day/?sv=2024&sig=abc")},
    "inputs": {"inputs": {"patients": Input(type="uri_folder", path=FOLDER)}},
    "two inputs": {"inputs": {"a": Input(type="uri_folder", path=FOLDER), "b": Input(type="uri_file", path=FILE)}},
    "literal": {"inputs": {"n": Input(type="integer", default=5)}},
    "mltable": {"inputs": {"t": Input(type="mltable", path=FOLDER)}},
    "outputs": {"inputs": {"x": Input(type="uri_folder", path=FOLDER)}, "outputs": {"score": OUT}},
    "overrides": {
        "input": Input(type="uri_folder", path=FOLDER),
        "params_override": [
            {"compute.instance_count": 3}, {"mini_batch_size": 20}, {"error_threshold": 5}, {"output_file_name": "p.csv"},
            {"retry_settings.max_retries": 1, "retry_settings.timeout": 30},
        ],
    },
    "target": {"input": Input(type="uri_folder", path=FOLDER), "params_override": [{"compute": {"target": "local"}}]},
    "old output": {
        "input": Input(type="uri_folder", path=FOLDER),
        "params_override": [{"output_dataset.datastore_id": "azureml:workspaceblobstore", "output_dataset.path": "out"}],
    },
    "old input": {"params_override": [{"dataset": FOLDER}]},
    "names": {"input": Input(type="uri_folder", path=FOLDER), "experiment_name": "exp", "job_name": "nightly"},
    # The last one: the package goes on sending the header with whatever it invokes after that.
    "deployment": {"input": Input(type="uri_folder", path=FOLDER), "deployment_name": "blue"},
}  # fmt: skip


def record():
    found = {}
    for label, arguments in INVOKES.items():
        recorder = Recorder()
        client(recorder).batch_endpoints.invoke("heart", **arguments)
        (found[label],) = recorder.sent
    return found


def read(given):
    """Return what the package makes of our answers: of an invoke's, and of errors."""
    job = client(Recorder(given["job"])).batch_endpoints.invoke("heart", **INVOKES["folder"])
    errors = {}
    for status, body in given["errors"].items():
        try:
            client(Recorder(body, int(status))).batch_endpoints.invoke("heart", **INVOKES["folder"])
        except Exception as error:  # noqa: BLE001 - which one it is, is what is asked
            errors[status] = [type(error).__name__, str(error)]
    return {"job": job._to_dict(), "errors": errors}
