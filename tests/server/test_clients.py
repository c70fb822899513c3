"""A client of each kind starts a job on a real server, follows it to its end and reads what came out."""

from __future__ import annotations

import http.client
import json
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import requests
from azure_support import azure
from main_job_support import ENDPOINT, PATIENCE, PLAIN, Lab
from server_support import HOST, PREFIX, Server

from batchmagic.entities import BatchEndpoint, Data

if TYPE_CHECKING:
    from collections.abc import Iterator

HERE = Path(__file__).parent
ENDED = {"Completed", "Succeeded", "Failed", "Canceled"}
FILES = ["a.csv", "b.csv", "c.csv"]
ROWS = b"a.csv\nb.csv\nc.csv\n"
# Of another deployment, so that it can be told which one ran.
LOUD = PLAIN.replace("os.path.basename(path)", "os.path.basename(path).upper()")
PAUSE = 0.1


@dataclass(frozen=True, kw_only=True)
class Pipeline:
    """What somebody is told who shall start jobs: an address and a token."""

    lab: Lab
    uri: str
    token: str
    folder: str

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}

    def body(self, **more: Any) -> dict[str, Any]:
        """Return a body as most of Azure's samples have it."""
        given = {"rows": {"JobInputType": "UriFolder", "Uri": self.folder}}
        return {"properties": {"InputData": given, **more}}

    def poll(self, address: str) -> str:
        """Ask as a pipeline does, and return the status at the end."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            answer = requests.get(address, headers=self.headers, timeout=60)
            answer.raise_for_status()
            status: str = answer.json()["properties"]["status"]
            if status in ENDED:
                return status
            time.sleep(PAUSE)
        raise AssertionError(f"{address} does not end")

    def rows(self, job: str) -> bytes:
        """Return what came out."""
        answer = requests.get(f"{self.uri}/{job}/outputs/score", headers=self.headers, timeout=60)
        answer.raise_for_status()
        return answer.content


@pytest.fixture(scope="module")
def pipeline(module_workspace) -> Iterator[Pipeline]:
    lab = Lab(module_workspace)
    lab.deploy("plain", PLAIN)
    lab.deploy("loud", LOUD)
    endpoint = BatchEndpoint(name=ENDPOINT, defaults={"deployment_name": "plain"})
    lab.client.batch_endpoints.begin_create_or_update(endpoint).result()
    folder = lab.data(FILES)
    lab.client.data.create_or_update(Data(name="rows", version="7", type="uri_folder", path=str(folder)))
    token = lab.client.session.read().tokens.create("pipeline", scopes=["invoke"], endpoint=ENDPOINT)[1]
    with Server(lab.folder / "server", lab.root, roots=str(folder)) as server:
        uri = f"http://{HOST}:{server.port}{PREFIX}/endpoints/{ENDPOINT}/jobs"
        yield Pipeline(lab=lab, uri=uri, token=token, folder=str(folder))
    lab.close()


# In the steps of Azure's own sample for REST: the last part of `id` is what is polled.
SCRIPT = r"""
set -eu
response=$(curl -sS --fail-with-body --request POST "$SCORING_URI" \
  --header "Authorization: Bearer $SCORING_TOKEN" --header "Content-Type: application/json" \
  --data-raw "{\"properties\": {\"InputData\": {\"rows\": {\"JobInputType\": \"UriFolder\", \"Uri\": \"$INPUT\"}}}}")
job_id=$(echo "$response" | jq -r '.id')
job_id_suffix=${job_id##*/}
status=""
while [ "$status" != Completed ] && [ "$status" != Succeeded ] && [ "$status" != Failed ] && [ "$status" != Canceled ]; do
  sleep 0.2
  response=$(curl -sS --fail-with-body "$SCORING_URI/$job_id_suffix" --header "Authorization: Bearer $SCORING_TOKEN")
  status=$(echo "$response" | jq -r '.properties.status')
done
echo "$status"
curl -sS --fail-with-body "$SCORING_URI/$job_id_suffix/outputs/score" --header "Authorization: Bearer $SCORING_TOKEN"
"""


def test_a_shell_script(pipeline):
    if not (shutil.which("curl") and shutil.which("jq")):
        pytest.skip("optional: curl and jq are not installed")
    given = {"SCORING_URI": pipeline.uri, "SCORING_TOKEN": pipeline.token, "INPUT": "azureml:rows@latest"}
    done = subprocess.run(
        ["bash", "-c", SCRIPT],
        env={"PATH": "/usr/local/bin:/usr/bin:/bin", **given},
        capture_output=True,
        check=False,
        timeout=PATIENCE,
    )
    assert done.stdout == b"Completed\n" + ROWS, done.stderr


def test_python_requests(pipeline):
    headers = {**pipeline.headers, "azureml-model-deployment": "loud"}
    answer = requests.post(pipeline.uri, json=pipeline.body(), headers=headers, timeout=60)
    assert answer.status_code == 201
    job = answer.json()["id"].rpartition("/")[2]
    assert requests.compat.urljoin(pipeline.uri, answer.headers["Location"]) == f"{pipeline.uri}/{job}"
    assert pipeline.poll(f"{pipeline.uri}/{job}") == "Completed"
    assert pipeline.rows(job) == ROWS.upper()


def test_a_web_activity_of_data_factory(pipeline):
    """It asks before it sends a body (`Expect`), has no header for a deployment, and an `Until` on the status."""
    output = "azureml://datastores/workspaceblobstore/paths/nightly/predictions.csv"
    body = pipeline.body(OutputData={"predictions": {"JobOutputType": "UriFile", "Uri": output}})
    text = json.dumps(body).encode()
    connection = http.client.HTTPConnection(requests.compat.urlparse(pipeline.uri).netloc, timeout=60)
    connection.putrequest("POST", requests.compat.urlparse(pipeline.uri).path)
    for name, value in {**pipeline.headers, "Content-Length": len(text), "Expect": "100-continue"}.items():
        connection.putheader(name, value)
    connection.endheaders()
    connection.sock.settimeout(60)
    assert connection.sock.recv(1000).startswith(b"HTTP/1.1 100")
    connection.send(text)
    answer = connection.getresponse()
    job = json.loads(answer.read())
    connection.close()
    assert answer.status == 201
    assert pipeline.poll(f"{pipeline.uri}/{job['id'].rpartition('/')[2]}") == "Completed"
    assert pipeline.rows(job["name"]) == ROWS
    written = pipeline.lab.root / "datastores" / "workspaceblobstore" / "nightly" / "predictions.csv"
    assert written.read_bytes() == ROWS


def test_a_client_of_dotnet(pipeline):
    """Every letter that can be large is, and the body comes in pieces of which nobody has said how many there are."""
    given = {"Rows": {"JobInputType": "UriFolder", "Uri": "azureml:rows:7"}}
    body = json.dumps({"Properties": {"InputData": given, "MiniBatchSize": 2}}).encode()
    pieces = iter([body[:20], body[20:]])
    headers = {**pipeline.headers, "Content-Type": "application/json; charset=utf-8"}
    answer = requests.post(pipeline.uri, data=pieces, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    job = answer.json()["name"]
    assert pipeline.poll(f"{pipeline.uri}/{job}") == "Completed"
    assert pipeline.rows(job) == ROWS
    assert pipeline.lab.job(job).progress.mini_batches == 2


def test_operators_of_airflow(pipeline):
    """`HttpOperator` hands the `id` on, below the connection's host; `HttpSensor` asks there until a check passes."""
    session = requests.Session()
    host = "{0.scheme}://{0.netloc}".format(requests.compat.urlparse(pipeline.uri))

    def run(method: str, endpoint: str, data: str | None = None) -> requests.Response:
        request = requests.Request(method, host + endpoint, data=data, headers=pipeline.headers)
        answer = session.send(session.prepare_request(request), timeout=60, allow_redirects=True)
        answer.raise_for_status()
        return answer

    started = run("POST", requests.compat.urlparse(pipeline.uri).path, json.dumps(pipeline.body()))
    where = started.json()["id"]
    deadline = time.monotonic() + PATIENCE
    while run("GET", where).json()["properties"]["status"] != "Completed":
        assert time.monotonic() < deadline
        time.sleep(PAUSE)
    assert run("GET", f"{where}/outputs/score").content == ROWS


def test_a_body_from_2021(pipeline):
    body = {"properties": {"dataset": {"dataInputType": "DataUrl", "Path": pipeline.folder}}}
    answer = requests.post(pipeline.uri, json=body, headers=pipeline.headers, timeout=60)
    assert answer.status_code == 201, answer.text
    assert pipeline.poll(f"{pipeline.uri}/{answer.json()['name']}") == "Completed"
    assert pipeline.rows(answer.json()["name"]) == ROWS


# The endpoint is asked for in the cloud, where there is none; what it says is the address of the real server.
AZURE = """
import sys
sys.path.insert(0, given["here"])
import recorded_invokes as record
from azure.ai.ml import Input
from azure.core.credentials import AccessToken

record.ENDPOINT["properties"]["scoringUri"] = given["uri"]
record.Credential.get_token = lambda self, *scopes, **options: AccessToken(given["token"], 1 << 40)
client = record.client(record.Recorder())
job = client.batch_endpoints.invoke(
    "heart",
    deployment_name="blue",
    input=Input(type="uri_folder", path="azureml://datastores/workspaceblobstore/paths/in/"),
    params_override=[{"mini_batch_size": 2}, {"output_file_name": "scores.csv"}],
    experiment_name="nightly",
)
result = [type(job).__module__, type(job).__name__, job.name, job.status, job.id]
"""


@pytest.mark.slow
def test_the_real_package_of_azure(pipeline):
    folder = pipeline.lab.root / "datastores" / "workspaceblobstore" / "in"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text("a,b\n1,2\n")
    pipeline.lab.deploy("blue", LOUD)
    found = azure(AZURE, here=str(HERE), uri=pipeline.uri, token=pipeline.token)
    home, kind, job, status, identifier = found
    assert (home.partition(".")[0], kind, status) == ("azure", "BatchJob", "Queued")
    assert identifier.endswith(f"/jobs/{job}")
    assert pipeline.poll(f"{pipeline.uri}/{job}") == "Completed"
    record = pipeline.lab.job(job)
    assert (record.spec.deployment, record.spec.experiment, record.progress.mini_batches) == (
        "blue",
        "nightly",
        2,
    )
    assert pipeline.rows(job) == ROWS.upper()
    assert (record.folder / "outputs" / "score" / "scores.csv").read_bytes() == ROWS.upper()
