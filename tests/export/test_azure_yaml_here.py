"""What Azure prints of its entities loads here as it is pasted, and its `file:` form of an environment too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from azure_support import azure

from batchmagic import (
    load_batch_deployment,
    load_batch_endpoint,
    load_compute,
    load_data,
    load_environment,
    load_model,
)
from batchmagic.entities.yaml_source import write_yaml
from batchmagic.errors import DefinitionError

if TYPE_CHECKING:
    from pathlib import Path

ARM = "/subscriptions/S/resourceGroups/R/providers/Microsoft.MachineLearningServices/workspaces/W"

# What the service answers, as the package's own classes, and what the package makes of that for `az … show`.
SHOWN = """
from types import SimpleNamespace as N
from azure.ai.ml.entities import (
    AmlCompute, BatchDeployment, BatchEndpoint, BatchRetrySettings, CodeConfiguration, Data, Environment, Model,
    ResourceConfiguration,
)

arm = given["arm"]
inner = N(
    model=N(asset_id=arm + "/models/heart/versions/3"), properties={"x": "y"}, code_configuration=None, description="d",
    environment_id=arm + "/environments/e/versions/1", output_file_name="predictions.csv", output_action="AppendRow",
    error_threshold=-1, retry_settings=None, logging_level="Info", mini_batch_size=10, compute=arm + "/computes/cpu",
    resources=None, environment_variables={"A": "b"}, max_concurrency_per_instance=1, provisioning_state="Succeeded",
)
deployment = BatchDeployment._from_rest_object(
    N(id=arm + "/batchEndpoints/heart/deployments/classifier", name="classifier", tags={"a": "b"}, system_data=None,
      properties=inner)
)
deployment.code_configuration = CodeConfiguration(code=arm + "/codes/abc/versions/1", scoring_script="score.py")
deployment.retry_settings = BatchRetrySettings(max_retries=3, timeout=30)
deployment.resources = ResourceConfiguration(instance_count=2)
inner = N(
    properties={"a": "b"}, auth_mode="AADToken", description="d", defaults=N(deployment_name="classifier"),
    provisioning_state="Succeeded", scoring_uri="https://heart.westeurope.inference.ml.azure.com/jobs", swagger_uri=None,
)
endpoint = BatchEndpoint._from_rest_object(
    N(id=arm + "/batchEndpoints/heart", name="heart", tags={}, location="westeurope", properties=inner)
)
store = "azureml://subscriptions/S/resourcegroups/R/workspaces/W/datastores/workspaceblobstore/paths/x"
shown = {
    "deployment": deployment,
    "endpoint": endpoint,
    "model": Model(name="heart", version="3", path=store, type="mlflow_model", id="azureml:" + arm + "/models/heart/versions/3"),
    "environment": Environment(name="e", version="1", image="i", conda_file={"dependencies": ["python"]}),
    "data": Data(name="p", version="1", path=store, type="uri_folder"),
    "compute": AmlCompute(name="cpu", size="STANDARD_DS3_V2", max_instances=2, tier="low_priority"),
}
result = {kind: entity._to_dict() for kind, entity in shown.items()}
"""
# What the command line adds, and what the service has written that no class here shows.
ADDED = {
    "id": f"{ARM}/whatever",
    "resourceGroup": "R",
    "creation_context": {
        "created_at": "2026-01-01T00:00:00+00:00",
        "created_by": "me",
        "created_by_type": "User",
    },
    "provisioning_state": "Succeeded",
}
MORE = {
    "compute": {"provisioning_errors": None, "created_on": "2026-01-01"},
    "model": {"latest_version": "3", "job_name": "j"},
}


@pytest.fixture(scope="module")
def shown() -> dict[str, Any]:
    return azure(SHOWN, arm=ARM)


LOADERS = {
    "deployment": load_batch_deployment,
    "endpoint": load_batch_endpoint,
    "model": load_model,
    "environment": load_environment,
    "data": load_data,
    "compute": load_compute,
}


@pytest.mark.parametrize("written", [json.dumps, write_yaml], ids=["json", "yaml"])
@pytest.mark.parametrize("kind", LOADERS)
def test_what_az_shows_loads(kind: str, written, shown, tmp_path: Path) -> None:
    path = tmp_path / "shown.yml"
    path.write_text(written({**shown[kind], **ADDED, **MORE.get(kind, {})}))
    entity = LOADERS[kind](path)
    assert entity.name == shown[kind]["name"]
    assert entity.id is None


def test_a_deployment_that_az_shows_means_what_it_meant(shown, tmp_path: Path) -> None:
    path = tmp_path / "shown.yml"
    path.write_text(json.dumps({**shown["deployment"], **ADDED}))
    entity = load_batch_deployment(path)
    assert (entity.endpoint_name, entity.name, entity.compute) == ("heart", "classifier", "cpu")
    assert (entity.instance_count, entity.retry_settings.timeout, entity.logging_level) == (2, 30, "info")
    assert (entity.output_action, entity.environment_variables) == ("append_row", {"A": "b"})


def test_a_file_in_the_place_of_an_environment(tmp_path: Path) -> None:
    """Azure's loader takes `environment: file:…`; what is wrong in that file is told with its place there."""
    (tmp_path / "inner").mkdir()
    (tmp_path / "inner" / "env.yml").write_text("name: e\nimage: i\nconda_file: conda.yml\n")
    (tmp_path / "d.yml").write_text("name: abc\nendpoint_name: end\nenvironment: file:inner/env.yml\n")
    environment = load_batch_deployment(tmp_path / "d.yml").environment
    assert (environment.name, environment.conda_file) == ("e", str(tmp_path / "inner" / "conda.yml"))
    (tmp_path / "inner" / "env.yml").write_text("name: e\nimag: i\n")
    with pytest.raises(DefinitionError, match=r"env.yml, line 2, column 1.*Did you mean 'image'"):
        load_batch_deployment(tmp_path / "d.yml")
    (tmp_path / "d.yml").write_text("name: abc\nendpoint_name: end\nenvironment: file:nowhere.yml\n")
    with pytest.raises(DefinitionError, match=r"d.yml, line 3, column 14: there is no file"):
        load_batch_deployment(tmp_path / "d.yml")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("environment: ./env.yml", "line 3, column 14: environment: './env.yml' is a path"),
        ("environment: https://h/e", "is on the web (https://)"),
        ("model: https://h/m", "line 3, column 8: model: 'https://h/m' is on the web (https://)"),
        ("model: azureml://data/d/versions/1", "is data. Download it"),
        ("compute: https://h/c", "line 3, column 10"),
    ],
)
def test_a_reference_that_means_nothing_is_told_with_its_place(text: str, words: str, tmp_path: Path) -> None:
    (tmp_path / "d.yml").write_text(f"name: abc\nendpoint_name: end\n{text}\n")
    with pytest.raises(DefinitionError) as caught:
        load_batch_deployment(tmp_path / "d.yml")
    assert words in str(caught.value)
