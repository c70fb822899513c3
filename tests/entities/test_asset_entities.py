"""Models, environments, data, computes, inputs and outputs: what they take and what they refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from batchmagic.constants import AssetTypes
from batchmagic.entities import AmlCompute, BuildContext, Data, Environment, Input, Model, Output
from batchmagic.errors import InvalidName, UnknownField, ValidationException


def test_a_compute_is_made_as_azures_examples_make_it():
    made = AmlCompute(
        name="aml-cluster", type="amlcompute", size="STANDARD_DS11_V2", min_instances=0, max_instances=4,
        idle_time_before_scale_down=120, tier="Dedicated",
    )  # fmt: skip
    assert (made.type, made.tier, made.max_instances, made.idle_time_before_scale_down) == (
        "amlcompute",
        "dedicated",
        4,
        120,
    )


def test_a_computes_defaults_are_azures():
    made = AmlCompute(name="cpu", tier="LowPriority", type="AmlCompute")
    assert (made.min_instances, made.max_instances, made.idle_time_before_scale_down) == (0, 4, 120)
    assert made.tier == "low_priority"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"min_instances": -1}, "min_instances: -1 must be at least 0"),
        ({"max_instances": 0}, "max_instances: 0 must be at least 1"),
        ({"idle_time_before_scale_down": -1}, "must be at least 0"),
        ({"min_instances": 5, "max_instances": 2}, "min_instances: 5 is more than max_instances, 2"),
        ({"type": "kubernetes"}, "is not one of amlcompute"),
        ({"tier": "cheap"}, "is not one of dedicated, low_priority"),
        ({"network_settings": 5}, "network_settings: 5 must be a mapping"),
    ],
)
def test_a_compute_that_cannot_be_is_refused(values, words):
    with pytest.raises(ValidationException) as caught:
        AmlCompute(name="cpu", **values)
    assert words in str(caught.value)


def test_a_refused_change_of_a_compute_changes_nothing():
    made = AmlCompute(name="cpu", max_instances=2)
    with pytest.raises(ValidationException, match="Raise max_instances first"):
        made.min_instances = 3
    assert made.min_instances == 0


@pytest.mark.parametrize("name", ["a", "x" * 33, "under_score", "a/b", ""])
def test_a_computes_name_follows_its_rule(name):
    with pytest.raises(InvalidName):
        AmlCompute(name=name)


@pytest.mark.parametrize("kind", ["mlflow_model", "MLFLOW_MODEL", "MLFlowModel", AssetTypes.MLFLOW_MODEL])
def test_a_models_type_is_taken_in_any_case(kind):
    assert Model(name="m", path="./m", type=kind).type == "mlflow_model"


@pytest.mark.parametrize(("given", "kept"), [(1, "1"), ("2", "2"), (1.5, "1.5"), ("v2-rc.1", "v2-rc.1")])
def test_a_version_is_text(given, kept):
    assert Model(name="m", version=given).version == kept


@pytest.mark.parametrize("version", ["", "..", "a/b", "-1", " ", "x" * 256])
def test_a_version_that_could_be_no_folder_is_refused(version):
    with pytest.raises(ValidationException, match="is not a version"):
        Data(name="d", path="p", version=version)


@pytest.mark.parametrize("name", ["a/b", "..", "", "-x", "a\0b"])
@pytest.mark.parametrize("make", [Model, Environment, lambda name: Data(name=name, path="p")])
def test_an_assets_name_that_could_be_no_folder_is_refused(make, name):
    with pytest.raises(InvalidName):
        make(name=name)


def test_paths_may_be_path_objects():
    assert Model(path=Path("a/b")).path == "a/b"
    assert Input(path=Path("/data")).path == "/data"


@pytest.mark.parametrize("path", ["", "azureml:a/b", "models:/", "azureml://datastores"])
def test_a_path_that_refers_to_nothing_is_refused(path):
    with pytest.raises(ValidationException):
        Model(path=path)


def test_data_needs_a_path():
    with pytest.raises(ValidationException, match="Data needs path"):
        Data(name="d")


@pytest.mark.parametrize("kind", ["uri_file", "uri_folder", "UriFolder", AssetTypes.URI_FILE])
def test_data_is_a_file_or_a_folder(kind):
    assert Data(name="d", path="p", type=kind).type in {"uri_file", "uri_folder"}


def test_an_environment_takes_a_conda_file_or_its_content():
    assert Environment(conda_file=Path("conda.yml")).conda_file == "conda.yml"
    content = {"name": "x", "dependencies": ["python=3.11", {"pip": ["mlflow"]}]}
    assert Environment(conda_file=content, image="i").to_dict() == {"image": "i", "conda_file": content}


@pytest.mark.parametrize("value", [{}, "", ["python"], {"a": object()}])
def test_a_conda_file_that_is_neither_is_refused(value):
    with pytest.raises(ValidationException, match="conda_file"):
        Environment(conda_file=value)


def test_image_and_build_exclude_each_other():
    with pytest.raises(ValidationException, match="exclude each other"):
        Environment(image="i", build=BuildContext(path="."))
    made = Environment(build={"path": ".", "dockerfile_path": "Dockerfile"})
    assert made.build == BuildContext(path=".", dockerfile_path="Dockerfile")
    with pytest.raises(ValidationException, match="exclude each other"):
        made.image = "i"
    assert made.image is None


@pytest.mark.parametrize("key", ["channels", "dependencies"])
def test_conda_keys_at_the_top_are_sent_to_the_conda_file(key):
    with pytest.raises(ValidationException, match="conda_file"):
        Environment(**{key: []})


def test_an_input_knows_whether_its_type_was_given():
    assert Input(path="./data").type == "uri_folder"
    assert not Input(path="./data").type_given
    assert Input(type=AssetTypes.URI_FOLDER, path="./data").type_given


def test_inputs_may_be_literals_and_outputs_may_not():
    assert Input(type="string", default="x").default == "x"
    with pytest.raises(ValidationException, match="is not one of"):
        Output(type="string")


@pytest.mark.parametrize(
    ("kind", "wrong", "near"),
    [
        (Input, "pth", "path"),
        (Output, "tpe", "type"),
        (Model, "flavours", "flavors"),
        (AmlCompute, "min_instance", "min_instances"),
    ],
)
def test_an_unknown_keyword_is_answered_with_the_nearest(kind, wrong, near):
    with pytest.raises(UnknownField, match=f"Did you mean '{near}'"):
        kind(**{wrong: 1})


def test_credentials_in_a_uri_are_not_shown():
    shown = repr(Data(name="d", path="https://me:pa55@host/x?sig=s1gn"))
    assert "host/x" in shown
    assert "pa55" not in shown
    assert "s1gn" not in shown


def test_entities_have_no_hash_as_they_change():
    with pytest.raises(TypeError):
        hash(Model(name="m"))
