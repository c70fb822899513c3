"""What an export is to Azure: each definition loads in its real package, and the script calls `az` in an order that works."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from azure_support import azure_loads
from export_support import SECRET, client_in, define, definitions, kind_of, read, run_script, shell_check

from batchmagic.entities import BatchDeployment, Environment
from batchmagic.sdk.export.packages import IMAGE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchmagic.sdk.export import Exported

VALUES = {"FULL_TOKEN": "a=b c", "FULL_PATH": "/there"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("azure")


@pytest.fixture(scope="module")
def made(folder: Path) -> Iterator[Exported]:
    client = client_in(folder / "workspace")
    define(client, folder / "project")
    yield client.batch_endpoints.export("heart", folder / "out")
    client.session.close()


@pytest.fixture(scope="module")
def script(made: Exported, folder: Path) -> tuple[int, str, list[dict[str, Any]]]:
    return run_script(made.folder, folder / "shell", **VALUES)


@pytest.fixture(scope="module")
def in_azure(made: Exported, script, folder: Path) -> dict[str, Any]:
    """Everything that these tests ask Azure's package to load, by label."""
    files = {name: (kind_of(name), str(path), []) for name, path in definitions(made.folder).items()}
    for number, call in enumerate(script[2]):
        place = made.folder / call["file"] if call["file"] else folder / "shell" / "endpoint.txt"
        if not call["file"]:
            place.write_text(call["text"])
        words = call["words"]
        changes = [dict([words[i + 1].split("=", 1)]) for i, word in enumerate(words) if word == "--set"]
        files[f"call {number}"] = (words[0].removeprefix("batch-"), str(place), changes)
    entity = BatchDeployment.from_dict(
        {
            **read(made.folder / "deployments" / "full" / "deployment.yml"),
            "model": {"path": "/models/m", "name": "m"},
            "environment": {"image": "i", "conda_file": {"dependencies": ["python"]}},
        }
    )
    entity.dump(folder / "dumped.yml")
    files["dumped"] = ("new_deployment", str(folder / "dumped.yml"), [])
    return azure_loads(files)


def test_every_definition_loads_in_azures_package(made: Exported, in_azure) -> None:
    names = set(definitions(made.folder))
    assert {kind_of(name) for name in names} == {"endpoint", "deployment", "compute", "model", "environment"}
    assert [f"{name}: {in_azure[name]}" for name in names if isinstance(in_azure[name], str)] == []


def test_the_form_with_settings_loads_in_azures_package_too(in_azure) -> None:
    found = in_azure["dumped"]
    assert found["settings"]["mini_batch_size"] == 7
    assert found["properties"]["batchmagic.fail_fast"] == "false"


def test_effective_values_are_written_for_what_nobody_gave(in_azure) -> None:
    plain = in_azure["deployments/plain/deployment.yml"]
    assert plain["retry_settings"] == {"max_retries": 3, "timeout": 300}
    assert (plain["mini_batch_size"], plain["error_threshold"], plain["logging_level"]) == (10, -1, "info")
    assert (plain["output_action"], plain["output_file_name"]) == ("append_row", "predictions.csv")
    assert plain["resources"]["instance_count"] == 1
    assert 1 <= plain["max_concurrency_per_instance"] <= 4
    assert plain["compute"] == "azureml:batch-cluster"


def test_what_was_given_is_written_and_our_own_settings_are_properties(in_azure) -> None:
    full = in_azure["deployments/full/deployment.yml"]
    assert full["retry_settings"] == {"max_retries": 1, "timeout": 99}
    assert (full["mini_batch_size"], full["max_concurrency_per_instance"]) == (7, 3)
    assert (full["output_file_name"], full["logging_level"], full["compute"]) == (
        "rows.jsonl",
        "debug",
        "azureml:night",
    )
    assert (full["description"], full["tags"], full["resources"]["instance_count"]) == (
        "all of it",
        {"m": "n"},
        2,
    )
    assert full["environment"] == "azureml:env:1"
    assert full["model"] == "azureml:risk:1"
    assert full["properties"] == {
        "o": "p",
        "batchmagic.output_format": "jsonl",
        "batchmagic.isolate_failures": "true",
        "batchmagic.fail_fast": "false",
        "batchmagic.memory_per_slot": "2000000000",
        "batchmagic.defaults": "output_action=append_row",
    }


def test_without_rows_there_is_no_name_of_a_file(in_azure) -> None:
    assert "output_file_name" not in in_azure["deployments/quiet/deployment.yml"]


def test_values_of_variables_are_in_no_file(made: Exported) -> None:
    texts = [path.read_bytes() for path in made.folder.rglob("*") if path.is_file()]
    assert len(texts) > 10
    assert not any(SECRET.encode() in text for text in texts)
    assert read(made.folder / "deployments" / "full" / "deployment.yml")["environment_variables"] == {
        "TOKEN": None,
        "PATH": None,
    }


def test_a_script_without_an_environment_gets_one_from_its_python(made: Exported) -> None:
    reference = read(made.folder / "deployments" / "plain" / "deployment.yml")["environment"]
    _, name, version = reference.split(":")
    environment = read(made.folder / "environments" / name / version / "environment.yml")
    assert (environment["name"], environment["version"]) == (name, version) == ("heart-python", version)
    python, _, packages = environment["conda_file"]["dependencies"]
    assert environment["image"] == IMAGE
    assert python == f"python={sys.version_info.major}.{sys.version_info.minor}"
    assert packages == {
        "pip": [f"PyYAML=={yaml.__version__}", "azureml-core", "azureml-dataset-runtime[fuse]"]
    }


def test_the_script_calls_az_in_an_order_that_works(made: Exported, script, in_azure) -> None:
    shell_check(made.folder / "deploy.sh")
    code, said, calls = script
    assert code == 0, said
    words = [call["words"] for call in calls]
    assert [word[:2] for word in words] == [
        ["compute", "create"],
        ["compute", "create"],
        ["model", "create"],
        ["environment", "create"],
        ["environment", "create"],
        ["environment", "create"],
        ["batch-endpoint", "create"],
        *[["batch-deployment", "create"]] * 3,
    ]
    assert [in_azure[f"call {i}"] for i in range(len(calls)) if isinstance(in_azure[f"call {i}"], str)] == []
    assert [word for word in words if "--set-default" in word] == [words[7]]
    assert "batch-endpoint invoke --name heart" in said


def test_the_endpoint_is_made_without_the_default_that_is_not_there_yet(script, in_azure) -> None:
    (number,) = [i for i, call in enumerate(script[2]) if call["words"][0] == "batch-endpoint"]
    endpoint = in_azure[f"call {number}"]
    assert not endpoint.get("defaults")
    assert (endpoint["description"], endpoint["tags"], endpoint["properties"]) == (
        "defaults: of hearts",
        {"a": "1"},
        {"b": "2"},
    )
    assert in_azure["endpoint.yml"]["defaults"] == {"deployment_name": "full"}


def test_the_script_hands_the_values_of_variables_to_azure(script, in_azure) -> None:
    (number,) = [i for i, call in enumerate(script[2]) if "--set-default" in call["words"]]
    assert in_azure[f"call {number}"]["environment_variables"] == {"TOKEN": "a=b c", "PATH": "/there"}


def test_the_script_asks_for_the_values_before_it_does_anything(made: Exported, tmp_path: Path) -> None:
    code, said, calls = run_script(made.folder, tmp_path / "shell", FULL_PATH="/there")
    assert (code, calls) == (1, [])
    assert "FULL_TOKEN: is not set: the value of TOKEN for the deployment full" in said


@pytest.mark.parametrize(
    "words",
    [
        "`plain` has no environment, and Azure needs one",
        "Not installed here, so not in it: google_is_not_here",
        "`full` sets memory_per_slot, which Azure does not have",
        "The compute `local` goes out as the cluster `batch-cluster`",
        "The environment `env` does not name azureml-dataset-runtime[fuse]",
        "The values of PATH, TOKEN of `full` were not written",
    ],
)
def test_the_page_says_what_azure_lacks(words: str, made: Exported) -> None:
    assert any(words in note for note in made.notes), made.notes
    assert words in (made.folder / "README.md").read_text()


def test_an_environment_needs_an_image_in_azure_and_keeps_its_properties_as_tags(made: Exported) -> None:
    path = made.folder / "environments" / "env" / "1" / "environment.yml"
    values = read(path)
    assert values["image"] == IMAGE
    assert values["tags"]["batchmagic.properties.k"] == "l"
    assert "properties" not in values
    assert Environment.from_dict(values).properties == {"k": "l"}
