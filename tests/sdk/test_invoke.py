"""What an invoke freezes, and where it goes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest
from sdk_support import run_job, script_deployment

from batchmagic import Input, MLClient, Output
from batchmagic.entities import AmlCompute, BatchEndpoint, Data, Model
from batchmagic.errors import OutputExists, StateError, ValidationException
from batchmagic.sdk.invoke import prepare

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.workspace import Workspace


def test_a_job_is_queued_with_everything_frozen(project: Path, client: MLClient, held: Workspace) -> None:
    job = client.batch_endpoints.invoke(
        endpoint_name="heart",
        input=Input(type="uri_folder", path="./data"),
        outputs={"anything": Output(type="uri_file", path="./results/rows.jsonl")},
        params_override=[
            {"mini_batch_size": "2"},
            {"compute.instance_count": "2"},
            {"retry_settings.timeout": 7},
        ],
        job_name="my-job",
        experiment_name="trial",
    )
    assert (job.name, job.status, job.type) == ("my-job", "Queued", "pipeline")
    assert job.id
    spec = held.jobs.get("my-job").spec
    assert (spec.endpoint, spec.deployment, spec.deployment_version) == ("heart", "classifier", 1)
    assert (spec.settings.mini_batch_size, spec.settings.instance_count, spec.settings.timeout) == (2, 2, 7)
    assert spec.input_path == str(project / "data")
    assert spec.output_path == str(project / "results")
    assert spec.settings.output_file_name == "rows.jsonl"
    assert str(spec.settings.effective_format()) == "jsonl"
    assert spec.interpreter.executable == sys.executable
    assert (held.root / spec.code_dir / spec.scoring_script).is_file()
    assert spec.experiment_name == "trial"
    client.batch_deployments.begin_create_or_update(script_deployment(mini_batch_size=77))
    assert held.jobs.get("my-job").spec == spec


def test_the_same_input_by_its_names(project: Path, client: MLClient) -> None:
    data = client.data.create_or_update(Data(name="new-data", version="1", path="./data"))
    ws = client.session.read()
    given = [
        "./data",
        "data",
        str(project / "data"),
        (project / "data").as_uri(),
        project / "data",
        Input(path=project / "data"),
        Input(type="uri_folder", path="azureml:new-data:1"),
        Input(path="azureml:new-data@latest"),
        Input(path="new-data:1"),
        Input(path=data.id),
        data,
        {"type": "uri_folder", "path": "./data"},
    ]
    for one in given:
        assert prepare(ws, "heart", input=one).spec.input_path == str(project / "data"), one
        assert prepare(ws, "heart", inputs={"any": one}).spec.input_path == str(project / "data"), one


def test_a_file_is_an_input_too(project: Path, client: MLClient) -> None:
    spec = prepare(client.session.read(), "heart", input="./data/0.csv").spec
    assert (spec.input_path, spec.input_type) == (str(project / "data" / "0.csv"), "uri_file")


def test_nested_files_with_recursive(project: Path, client: MLClient) -> None:
    (project / "nested" / "inner").mkdir(parents=True)
    (project / "nested" / "inner" / "a.csv").write_text("1\n")
    assert prepare(client.session.read(), "heart", input="./nested", recursive=True).spec.recursive


def test_an_output_inside_the_input_is_refused_where_it_would_be_read(
    project: Path, client: MLClient
) -> None:
    ws, outputs = client.session.read(), {"score": Output(path="./data/results/")}
    assert prepare(ws, "heart", input="./data", outputs=outputs).spec.output_path
    with pytest.raises(ValidationException, match="lies in the input folder"):
        prepare(ws, "heart", input="./data", outputs=outputs, recursive=True)


def test_a_bare_word_is_an_asset_where_the_caller_says_so(project: Path, client: MLClient) -> None:
    (project / "other").mkdir()
    client.data.create_or_update(Data(name="other", path="./data"))
    spec = prepare(client.session.read(), "heart", input="other", bare="asset").spec
    assert spec.input_path == str(project / "data")


def test_datastore_and_output_of_a_job(project: Path, client: MLClient, held: Workspace) -> None:
    store = client.datastores.get_default()
    job = client.batch_endpoints.invoke(
        "heart",
        input="./data",
        params_override=[
            {"output_dataset.datastore_id": f"azureml:{store.id}"},
            {"output_dataset.path": "/heart/1/"},
            {"output_file_name": "p.csv"},
        ],
    )
    run_job(held, job.name)
    assert (held.root / "datastores" / store.name / "heart" / "1" / "p.csv").is_file()
    again = prepare(held, "heart", input=Input(path=f"azureml://datastores/{store.name}/paths/heart/1"))
    assert again.spec.input_path.endswith("heart/1")
    first = client.batch_endpoints.invoke("heart", input="./data")
    run_job(held, first.name)
    second = prepare(held, "heart", input=Input(path=f"azureml://jobs/{first.name}/outputs/score"))
    assert second.spec.input_path == f"jobs/{first.name}/outputs/score"


def test_the_default_deployment_is_taken(client: MLClient, held: Workspace) -> None:
    client.batch_deployments.begin_create_or_update(script_deployment("other"))
    endpoint = client.batch_endpoints.get("heart")
    endpoint.defaults.deployment_name = "other"
    client.batch_endpoints.begin_create_or_update(endpoint).result()
    assert client.batch_endpoints.invoke("heart", input="./data").deployment_name == "other"
    assert (
        client.batch_endpoints.invoke("heart", deployment_name="classifier", input="./data").deployment_name
        == "classifier"
    )


def test_values_of_variables_are_kept_apart(client: MLClient, held: Workspace) -> None:
    client.batch_deployments.begin_create_or_update(
        script_deployment(environment_variables={"A": "one", "B": "two"})
    )
    job = client.batch_endpoints.invoke(
        "heart", input="./data", params_override={"environment_variables.B": "s3cret"}
    )
    assert held.secrets.get(job.name) == {"A": "one", "B": "s3cret"}
    assert "s3cret" not in repr(held.jobs.get(job.name))
    database = b"".join(path.read_bytes() for path in held.root.glob("workspace.db*"))
    assert b"s3cret" not in database


def test_an_output_that_a_running_job_will_write(client: MLClient, held: Workspace) -> None:
    first = client.batch_endpoints.invoke("heart", input="./data", outputs={"score": "./out"})
    with pytest.raises(OutputExists, match=first.name):
        client.batch_endpoints.invoke("heart", input="./data", outputs={"score": "./out"}, overwrite=True)


def test_overwrite(project: Path, client: MLClient) -> None:
    (project / "out").mkdir()
    (project / "out" / "predictions.csv").write_text("old\n")
    prepared = prepare(client.session.read(), "heart", input="./data", outputs={"o": "./out"}, overwrite=True)
    assert prepared.spec.overwrite


def test_another_compute(client: MLClient) -> None:
    client.compute.begin_create_or_update(AmlCompute(name="aml-cluster", max_instances=4)).result()
    overrides = {"compute": "azureml:aml-cluster", "instance_count": 4}
    assert (
        prepare(client.session.read(), "heart", input="./data", params_override=overrides).spec.compute
        == "aml-cluster"
    )


def test_a_changed_script_is_a_new_version_and_an_unchanged_one_is_not(
    project: Path, client: MLClient
) -> None:
    ws = client.session.read()
    client.batch_deployments.begin_create_or_update(script_deployment())
    assert ws.deployments.get("heart", "classifier").version == 1
    (project / "code" / "score.py").write_text("def run(files):\n    return files\n")
    client.batch_deployments.begin_create_or_update(script_deployment())
    assert ws.deployments.get("heart", "classifier").version == 2


def test_a_fetched_deployment_keeps_its_code(project: Path, client: MLClient) -> None:
    ws = client.session.read()
    before = ws.deployments.get("heart", "classifier")
    (project / "code" / "score.py").unlink()
    fetched = client.batch_deployments.get("classifier", "heart")
    fetched.mini_batch_size = 3
    stored = client.batch_deployments.begin_create_or_update(fetched).result()
    after = ws.deployments.get("heart", "classifier")
    assert (stored.mini_batch_size, after.version, after.code_dir) == (3, 2, before.code_dir)


def test_the_callers_object_is_left_alone(client: MLClient) -> None:
    given = script_deployment("again")
    before = given.to_dict()
    client.batch_deployments.begin_create_or_update(given)
    assert given.to_dict() == before
    assert given.id is None


def test_models_are_pinned_to_a_version(project: Path, client: MLClient) -> None:
    (project / "weights.bin").write_bytes(b"1")
    model = client.models.create_or_update(Model(name="weights", path="./weights.bin"))
    for reference in (model, "azureml:weights@latest", "weights", "azureml:weights:1"):
        stored = client.batch_deployments.begin_create_or_update(script_deployment(model=reference)).result()
        assert stored.model == "azureml:weights:1"
    record = client.session.read().deployments.get("heart", "classifier")
    assert [path.name for path in (client.session.read().root / record.model_dir).iterdir()] == [
        "weights.bin"
    ]


def test_a_script_alone_takes_nothing_else_along(project: Path, client: MLClient) -> None:
    (project / "alone.py").write_text("def run(files):\n    return files\n")
    deployment = script_deployment("alone", code_path=None, scoring_script="alone.py")
    client.batch_deployments.begin_create_or_update(deployment)
    record = client.session.read().deployments.get("heart", "alone")
    assert [path.name for path in (client.session.read().root / record.code_dir).iterdir()] == ["alone.py"]


def test_generic_operations_find_their_place(project: Path, client: MLClient) -> None:
    assert client.begin_create_or_update(BatchEndpoint(name="other")).result().name == "other"
    assert client.create_or_update(Data(name="d", path="./data")).version == "1"
    assert client.begin_create_or_update(AmlCompute(name="cc")).result().max_instances == 4
    assert client.begin_create_or_update(script_deployment("third")).done()


def test_azures_four_are_labels(project: Path, client: MLClient) -> None:
    labelled = MLClient(object(), "sub", "group", "name")
    assert [endpoint.name for endpoint in labelled.batch_endpoints.list()] == ["heart"]
    assert labelled.workspace_name == "name"
    named = MLClient(project)
    assert [endpoint.name for endpoint in named.batch_endpoints.list()] == ["heart"]
    assert MLClient.from_config(credential=object()).workspaces.get("any").name == "any"
    for other in (labelled, named):
        other.session.close()


def test_deleting_what_has_jobs(client: MLClient, held: Workspace) -> None:
    job = client.batch_endpoints.invoke("heart", input="./data")
    client.batch_endpoints.begin_delete("heart").result()
    assert client.jobs.get(job.name).status == "Queued"
    with pytest.raises(StateError, match="only jobs that have ended"):
        client.jobs.delete(job.name)
