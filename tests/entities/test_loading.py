"""YAML files to entities: both forms, every kind, paths, overrides, and errors that point at the place."""

from __future__ import annotations

import io
import os
import textwrap
from pathlib import Path

import pytest

from batchmagic import (
    load_batch_deployment,
    load_batch_endpoint,
    load_compute,
    load_data,
    load_environment,
    load_model,
)
from batchmagic.entities import AmlCompute, BatchDeployment, BatchEndpoint, Data, Environment, Model
from batchmagic.entities.load import load_any, load_documents, load_text
from batchmagic.entities.overrides import overridden
from batchmagic.errors import DefinitionError

NEW_FORM = """
$schema: https://azuremlschemas.azureedge.net/latest/modelBatchDeployment.schema.json
name: Mnist-Torch
description: A deployment
endpoint_name: mnist-batch
type: model
model:
  name: mnist
  version: 1.10
  path: model
code_configuration:
  code: code
  scoring_script: batch_driver.py
environment:
  name: env
  image: mcr.example/openmpi:latest
  conda_file: environment/conda.yaml
compute: azureml:batch-cluster
resources:
  instance_count: 2
settings:
  max_concurrency_per_instance: 2
  mini_batch_size: "10"
  output_action: append_row
  output_file_name: predictions.csv
  retry_settings:
    max_retries: 3
    timeout: 30
  error_threshold: -1
  logging_level: INFO
  environment_variables: {TOKEN: 007}
"""

FLAT_FORM = """
$schema: https://azuremlschemas.azureedge.net/latest/batchDeployment.schema.json
name: mnist-torch
description: A deployment
endpoint_name: mnist-batch
model: {name: mnist, version: '1.10', path: ./model}
code_configuration: {code: ./code, scoring_script: batch_driver.py}
environment: {name: env, image: 'mcr.example/openmpi:latest', conda_file: environment/conda.yaml}
compute: batch-cluster
resources: {instance_count: 2}
max_concurrency_per_instance: 2
mini_batch_size: 10
output_action: append_row
output_file_name: predictions.csv
retry_settings: {max_retries: 3, timeout: 30}
error_threshold: -1
logging_level: info
environment_variables: {TOKEN: '007'}
"""


@pytest.fixture
def write(tmp_path):
    def writer(text, name="definition.yml"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        return path

    return writer


def test_both_forms_of_a_deployment_load_to_the_same(write, tmp_path):
    new, flat = (
        load_batch_deployment(write(NEW_FORM)),
        load_batch_deployment(str(write(FLAT_FORM, "flat.yml"))),
    )
    assert new == flat
    assert (new.name, new.compute, new.instance_count, new.mini_batch_size) == (
        "mnist-torch",
        "batch-cluster",
        2,
        10,
    )
    assert new.environment_variables == {"TOKEN": "007"}
    assert new.model.version == "1.10"
    assert (new.model.path, new.code_path) == (str(tmp_path / "model"), str(tmp_path / "code"))
    assert new.environment.conda_file == str(tmp_path / "environment" / "conda.yaml")


@pytest.mark.parametrize(
    ("load", "text", "kind"),
    [
        (
            load_batch_endpoint,
            "name: abc\nauth_mode: aad_token\ndefaults: {deployment_name: blue}",
            BatchEndpoint,
        ),
        (load_batch_deployment, "name: abc\nendpoint_name: end", BatchDeployment),
        (load_compute, "name: cpu\ntype: amlcompute\nmax_instances: 3\ntier: low_priority", AmlCompute),
        (load_model, "name: m\ntype: mlflow_model\npath: ./m\nversion: 2", Model),
        (load_environment, "name: e\nimage: i\nconda_file: {dependencies: [python]}", Environment),
        (load_data, "name: d\ntype: uri_file\npath: https://host/x.csv", Data),
    ],
)
def test_every_kind_loads_and_its_export_loads_again_to_an_equal_one(load, text, kind, write, tmp_path):
    made = load(write(text))
    assert isinstance(made, kind)
    assert kind.from_dict(made.to_dict(reveal=True)) == made
    made.dump(tmp_path / "again.yml", reveal=True)
    assert load(tmp_path / "again.yml") == made
    assert load_any((tmp_path / "again.yml").read_text()) == made


def test_a_dump_has_absolute_paths_as_it_stands_elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    Model(name="m", path="./files").dump("elsewhere/m.yml")
    assert load_model("elsewhere/m.yml").path == str(tmp_path / "files")


def test_a_dump_goes_to_an_open_file_too():
    stream = io.StringIO()
    Data(name="d", path="/data").dump(stream)
    assert load_data(io.StringIO(stream.getvalue())) == Data(name="d", path="/data")


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("name: abc", BatchEndpoint),
        ("name: abc\ndefaults: {}", BatchEndpoint),
        ("name: abc\nmini_batch_size: 5", BatchDeployment),
        ("name: abc\nsettings: {}", BatchDeployment),
        ("name: abc\nendpoint_name: end\nenvironment: {image: i}", BatchDeployment),
        ("name: abc\nmin_instances: 0", AmlCompute),
        ("name: abc\ntype: amlcompute", AmlCompute),
        ("name: abc\npath: m\ntype: mlflow_model", Model),
        ("name: abc\npath: m\ntype: custom_model", Model),
        ("name: abc\npath: d\ntype: uri_folder", Data),
        ("name: abc\nconda_file: c.yml", Environment),
        ("kind: model\nname: abc\npath: x", Model),
        ("kind: Batch_Deployment\nname: abc", BatchDeployment),
        ("kind: data\npath: x", Data),
        ("$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\npath: x", Data),
        (
            "$schema: https://azuremlschemas.azureedge.net/latest/amlCompute.schema.json\nname: cpu",
            AmlCompute,
        ),
    ],
)
def test_the_kind_is_told_by_word_schema_or_shape(text, kind):
    assert type(load_any(text)) is kind


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name: abc\npath: x", "nothing tells what this defines"),
        ("kind: endpont\nname: abc", "Did you mean 'endpoint'"),
        ("$schema: https://x/latest/commandJob.schema.json\nname: abc", "no kind 'commandJob'"),
        ("- a\n- b", "a definition is a mapping"),
        ("just words", "a definition is a mapping"),
    ],
)
def test_a_kind_that_cannot_be_told_is_asked_for(text, words):
    with pytest.raises(DefinitionError, match=words):
        load_any(text)


def test_a_file_of_another_kind_is_refused(write):
    path = write("$schema: https://azuremlschemas.azureedge.net/latest/data.schema.json\npath: x\nname: abc")
    with pytest.raises(DefinitionError, match="'data', not of 'endpoint'"):
        load_batch_endpoint(path)


def test_several_documents_load_in_order(tmp_path):
    text = (
        "name: abc\n---\nname: blue\nendpoint_name: abc\ncode_path: code\n---\nname: cpu\ntype: amlcompute\n"
    )
    endpoint, deployment, compute = load_documents(text, tmp_path)
    assert (endpoint.name, deployment.name, compute.name) == ("abc", "blue", "cpu")
    assert deployment.code_path == str(tmp_path / "code")


def test_an_error_in_a_later_document_has_its_line():
    with pytest.raises(DefinitionError, match="line 4, column 18"):
        load_documents("name: abc\n---\nname: blue\nmini_batch_size: none\n")


@pytest.mark.parametrize(
    ("text", "line", "column", "words"),
    [
        ("name: abc\nmini_batch_sise: 3\nendpoint_name: end", 2, 1, "Did you mean 'mini_batch_size'"),
        ("name: abc\nsettings:\n  mini_batch_sise: 3", 3, 3, "Did you mean 'mini_batch_size'"),
        ("name: abc\nsettings:\n  retry_settings: {timout: 3}", 3, 20, "Did you mean 'timeout'"),
        ("name: abc\nendpoint_name: end\nmini_batch_size: many", 3, 18, "must be a whole number"),
        ("name: abc\nsettings:\n  retry_settings:\n    timeout: 0", 4, 14, "must be at least 1"),
        ("name: abc\nendpoint_name: end\ntimeout: 0", 3, 10, "must be at least 1"),
        (
            "name: abc\nendpoint_name: end\ncode_configuration:\n  scoring_script: ../x.py",
            4,
            19,
            "leaves its folder",
        ),
        ("name: abc\nendpoint_name: end\nscoring_script: ../x.py", 3, 17, "leaves its folder"),
        ("endpoint_name: end\nname: a/b", 2, 7, "cannot be the name of a deployment"),
        ("endpoint_name: end", 1, 1, "BatchDeployment needs name"),
        (
            "name: abc\nendpoint_name: end\nproperties:\n  batchmagic.output_format: xls",
            4,
            29,
            "is not one of",
        ),
        (
            "name: abc\nendpoint_name: end\nproperties:\n  batchmagic.output_fmt: xls",
            4,
            3,
            "batchmagic.output_format",
        ),
        ("name: abc\nendpoint_name: end\nmodel:\n  pth: x", 4, 3, "Did you mean 'path'"),
        ("name: abc\nendpoint_name: end\nmodel:\n  path: x\n  type: keras", 5, 9, "is not one of"),
        ("name: abc\nendpoint_name: end\nmodel: azureml:a/b", 3, 8, "has a slash"),
        ("name: abc\nendpoint_name: end\ntags: [a]", 3, 7, "must be a mapping"),
        ("name: abc\nendpoint_name: end\ntags: {a: [b]}", 3, 11, "must be text"),
        (
            "name: abc\nsettings: {instance_count: 2}\nresources: {instance_count: 3}",
            2,
            28,
            "Can't set instance_count",
        ),
        ("name: abc\nmin_instances: 5\nmax_instances: 2", 2, 16, "is more than max_instances"),
        ("name: abc\ndefaults: {deployment: x}", 2, 12, "Did you mean 'deployment_name'"),
        ("name: e\nimage: i\nchannels: [a]", 3, 11, "belongs into the conda file"),
    ],
)
def test_an_error_has_line_and_column_and_the_next_step(text, line, column, words):
    with pytest.raises(DefinitionError) as caught:
        load_any(text, name="my.yml")
    assert words in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column), str(caught.value)


def test_the_first_error_in_the_text_is_shown_and_the_others_are_named():
    with pytest.raises(DefinitionError, match=r"line 2, column 16.*Also wrong: mini_batch_size \(line 3\)"):
        load_any("endpoint_name: end\noutput_format: xls\nmini_batch_size: 0\nname: abc")


@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda path: None, "there is no such file"),
        (lambda path: path.mkdir(), "this is a folder"),
        (lambda path: path.write_bytes(b"name: abc\n\xff"), "line 2, column 1: this is not UTF-8"),
        (lambda path: path.write_bytes(b"# " + b"x" * 2**20), "larger than 1 MiB"),
        (lambda path: path.write_bytes(b"\xff" + b"x" * 2**20), "larger than 1 MiB"),
        (os.mkfifo, "there is no such file"),
    ],
)
def test_a_source_that_cannot_be_read_is_named(prepare, words, tmp_path):
    path = tmp_path / "x.yml"
    prepare(path)
    with pytest.raises(DefinitionError, match=words) as caught:
        load_batch_endpoint(path)
    assert str(path) in str(caught.value)


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "x.yml").write_bytes(b"\xef\xbb\xbfname: abc")
    assert load_batch_endpoint(tmp_path / "x.yml").name == "abc"


class TestPaths:
    """Relative paths are seen from the file."""

    @pytest.mark.parametrize(
        ("given", "kept"),
        [
            ("./m", "{}/m"),
            ("m", "{}/m"),
            ("m.pkl", "{}/m.pkl"),
            ("sub/../m", "{}/m"),
            ("/abs/m", "/abs/m"),
            ("file:///abs/m%20x", "/abs/m x"),
            ("https://host/m", "https://host/m"),
            ("azureml:m:1", "azureml:m:1"),
            ("models:/m/1", "models:/m/1"),
            ("runs:/abc/model", "runs:/abc/model"),
            ("azureml://datastores/d/paths/m", "azureml://datastores/d/paths/m"),
        ],
    )
    def test_of_a_model(self, given, kept, write, tmp_path):
        assert load_model(write(f"name: m\npath: '{given}'")).path == kept.format(tmp_path)

    def test_home_is_expanded(self, write, monkeypatch):
        monkeypatch.setenv("HOME", "/home/someone")
        assert load_data(write("name: d\npath: ~/data")).path == "/home/someone/data"

    @pytest.mark.parametrize(
        ("given", "kept"), [("./m", "{}/m"), ("heart", "heart"), ("azureml:heart:1", "azureml:heart:1")]
    )
    def test_of_a_deployments_model(self, given, kept, write, tmp_path):
        made = load_batch_deployment(write(f"name: abc\nmodel: {given}"))
        assert made.model == kept.format(tmp_path)

    def test_of_a_build_context(self, write, tmp_path):
        made = load_environment(write("name: e\nbuild: {path: docker, dockerfile_path: Dockerfile}"))
        assert (made.build.path, made.build.dockerfile_path) == (str(tmp_path / "docker"), "Dockerfile")

    def test_from_another_origin(self, write, tmp_path):
        path = write("name: m\npath: ./m")
        (tmp_path / "sub").mkdir()
        assert load_model(path, relative_origin=str(tmp_path / "sub")).path == str(tmp_path / "sub" / "m")
        assert load_model(path, relative_origin=str(tmp_path / "sub" / "x.yml")).path == str(
            tmp_path / "sub" / "m"
        )

    def test_of_an_open_file(self, write, tmp_path):
        with write("name: m\npath: ./m").open() as file:
            assert load_model(file).path == str(tmp_path / "m")

    def test_of_a_text_without_a_file(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        assert load_model(io.StringIO("name: m\npath: ./m")).path == str(Path.cwd() / "m")
        assert load_text(Model, "name: m\npath: ./m").path == str(Path.cwd() / "m")


class TestOverrides:
    """`params_override` replaces values of the file."""

    @pytest.mark.parametrize(
        ("key", "value", "read"),
        [
            ("name", "other", lambda d: d.name),
            ("endpoint_name", "other", lambda d: d.endpoint_name),
            ("mini_batch_size", 7, lambda d: d.mini_batch_size),
            ("settings.mini_batch_size", 7, lambda d: d.mini_batch_size),
            ("settings.retry_settings.timeout", 7, lambda d: d.retry_settings.timeout),
            ("retry_settings.timeout", 7, lambda d: d.retry_settings.timeout),
            ("timeout", 7, lambda d: d.retry_settings.timeout),
            ("instance_count", 7, lambda d: d.instance_count),
            ("resources.instance_count", 7, lambda d: d.instance_count),
            ("tags.team", "x", lambda d: d.tags["team"]),
            ("model", "azureml:m:2", lambda d: d.model),
            ("settings.environment_variables.TOKEN", "9", lambda d: d.environment_variables["TOKEN"]),
            ("properties.batchmagic.output_format", "csv", lambda d: d.output_format),
        ],
    )
    @pytest.mark.parametrize("form", [NEW_FORM, FLAT_FORM], ids=["new", "flat"])
    def test_wherever_the_value_stands(self, form, key, value, read):
        if form is FLAT_FORM and key.startswith("settings.environment_variables"):
            key = key.removeprefix("settings.")
        assert read(load_text(BatchDeployment, form, params_override=[{key: value}])) == value

    def test_the_later_one_wins(self):
        made = load_batch_endpoint(
            io.StringIO("name: abc"), params_override=[{"name": "xyz"}, {"name": "uvw"}]
        )
        assert made.name == "uvw"

    def test_a_setting_among_the_properties_too(self):
        text = "name: abc\nproperties: {batchmagic.output_format: jsonl}"
        made = load_text(BatchDeployment, text, params_override=[{"output_format": "parquet"}])
        assert made.output_format == "parquet"

    def test_the_original_stays_as_it_was(self):
        values = {"name": "abc", "settings": {"timeout": 1}}
        assert overridden(values, [{"settings.timeout": 2}])["settings"] == {"timeout": 2}
        assert values == {"name": "abc", "settings": {"timeout": 1}}

    def test_an_unknown_one_is_refused(self):
        with pytest.raises(DefinitionError, match="Did you mean 'mini_batch_size'"):
            load_text(BatchDeployment, "name: abc", params_override=[{"settings.mini_batch_sise": 1}])
