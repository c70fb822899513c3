"""What an export is here: it loads to equal entities, and deployed from it the same job gives the same bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from export_support import client_in, define, definitions, read, write_code
from main_job_support import Lab

from batchmagic import (
    load_batch_deployment,
    load_batch_endpoint,
    load_compute,
    load_environment,
    load_model,
)
from batchmagic.entities import BatchDeployment
from batchmagic.entities.load import load_any, load_text
from batchmagic.entities.unset import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchmagic import MLClient


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLClient]:
    folder = tmp_path_factory.mktemp("stored")
    found = client_in(folder / "workspace")
    define(found, folder / "project")
    yield found
    found.session.close()


@pytest.fixture(scope="module")
def out(client: MLClient, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return client.batch_endpoints.export("heart", tmp_path_factory.mktemp("to") / "out").folder


@pytest.mark.parametrize("name", ["plain", "full", "quiet"])
def test_a_deployment_loads_to_an_equal_one(name: str, client: MLClient, out: Path) -> None:
    stored = client.batch_deployments.get(name, "heart")
    loaded = load_batch_deployment(out / "deployments" / name / "deployment.yml")
    assert loaded.code_path == str(out / "deployments" / name / "code")
    loaded.code_path = stored.code_path
    assert loaded == stored
    assert loaded.effective_settings() == stored.effective_settings()


def test_everything_else_loads_to_equal_ones(client: MLClient, out: Path) -> None:
    assert load_batch_endpoint(out / "endpoint.yml") == client.batch_endpoints.get("heart")
    for name, file in (("local", "batch-cluster"), ("night", "night")):
        assert load_compute(out / "computes" / file / "compute.yml") == client.compute.get(name)
    assert load_environment(
        out / "environments" / "env" / "1" / "environment.yml"
    ) == client.environments.get("env")
    stored, loaded = client.models.get("risk"), load_model(out / "models" / "risk" / "1" / "model.yml")
    assert loaded.path == str(out / "models" / "risk" / "1" / "files" / "model")
    loaded.path = stored.path
    assert loaded == stored


def test_the_kind_of_every_definition_can_be_told(out: Path) -> None:
    for path in definitions(out).values():
        assert type(load_any(path.read_text(), path.parent)).__name__.lower().endswith(path.stem)


@pytest.mark.parametrize(
    ("change", "read_back", "value"),
    [
        ({"mini_batch_size": 4}, "mini_batch_size", 4),
        ({"retry_settings": {"max_retries": 3, "timeout": 30}}, "timeout", 30),
        ({"error_threshold": 0}, "error_threshold", 0),
        ({"compute": "azureml:gpu"}, "compute", "gpu"),
        ({"environment": "azureml:other:1"}, "environment", "azureml:other:1"),
        ({"resources": {"instance_count": 2}}, "instance_count", 2),
        ({}, "error_threshold", None),
        ({}, "max_concurrency_per_instance", None),
        ({}, "timeout", None),
        ({}, "environment", None),
        ({}, "compute", "local"),
    ],
)
def test_a_value_that_was_changed_after_the_export_is_one_that_was_given(
    change: dict[str, Any], read_back: str, value: Any, out: Path
) -> None:
    values = {**read(out / "deployments" / "plain" / "deployment.yml"), **change}
    found = BatchDeployment.from_dict(values)
    holder = found.retry_settings if read_back == "timeout" else found
    assert getattr(holder, read_back) == value
    assert DEFAULTS not in found.properties


@pytest.mark.parametrize(
    ("key", "read_back", "value"),
    [
        ("error_threshold", "error_threshold", -1),
        ("settings.error_threshold", "error_threshold", -1),
        ("compute", "compute", "batch-cluster"),
        ("resources.instance_count", "instance_count", 1),
    ],
)
def test_a_value_that_is_set_is_given_even_if_the_export_wrote_the_same(
    key: str, read_back: str, value: Any, out: Path
) -> None:
    text = (out / "deployments" / "plain" / "deployment.yml").read_text()
    found = load_text(BatchDeployment, text, params_override=[{key: value}])
    assert getattr(found, read_back) == value


def test_what_azure_shows_of_it_means_the_same(out: Path, client: MLClient) -> None:
    """Azure gives whole ids in the place of names, and its own letter case."""
    arm = "azureml:/subscriptions/S/resourceGroups/R/providers/Microsoft.MachineLearningServices/workspaces/W"
    values = read(out / "deployments" / "plain" / "deployment.yml")
    _, name, version = values["environment"].split(":")
    shown = {
        **values,
        "environment": f"{arm}/environments/{name}/versions/{version}",
        "compute": f"{arm}/computes/batch-cluster",
        "logging_level": "Info",
        "output_action": "AppendRow",
    }
    found, stored = BatchDeployment.from_dict(shown), client.batch_deployments.get("plain", "heart")
    assert found.environment is None
    assert found.compute == "local"
    assert found.settings == stored.settings


def test_a_job_of_what_was_exported_gives_the_same_bytes(
    tmp_path: Path, workspace_folder: Any, module_workspace: Any
) -> None:
    first, second = Lab(workspace_folder), Lab(module_workspace)
    code = write_code(tmp_path / "code")
    deployment = BatchDeployment(
        name="names", endpoint_name="batch", code_path=str(code), scoring_script="score.py", compute="quick"
    )
    first.client.batch_deployments.begin_create_or_update(deployment)
    data = first.data(5)
    name = first.run("names", data).name
    out = first.client.batch_endpoints.export("batch", tmp_path / "out").folder
    exported = [load_any(path.read_text(), path.parent) for path in definitions(out).values()]
    for kind in ("AmlCompute", "Environment", "BatchEndpoint", "BatchDeployment"):
        for entity in exported:
            if type(entity).__name__ == kind:
                second.client.create_or_update(entity)
    again = second.run("names", data).name
    assert second.output(again) == first.output(name)
    snapshots = [
        lab.client.session.read().deployments.get("batch", "names").code_dir for lab in (first, second)
    ]
    assert snapshots[0] == snapshots[1]
    first.close()
    second.close()
