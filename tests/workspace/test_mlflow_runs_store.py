"""Which store a job's MLflow run goes to, and that nothing but the job's secrets holds what gets in there."""

from __future__ import annotations

import pytest

from batchmagic.entities.job_spec import JobSpec
from batchmagic.workspace.mlflow_runs import (
    OWN,
    SWITCH,
    access_of,
    choose_store,
    script_variables,
    store_of,
)
from batchmagic.workspace.mlflow_stores import own_store


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
    """No store but the workspace's own, and a person who wants runs."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    monkeypatch.setenv(SWITCH, "on")
    for name in ("MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    return here


def spec_with(store):
    values = {"mini_batch_size": 1, "output_action": "append_row"}
    interpreter = {"executable": "/python", "version": "3.11", "prefix": "/"}
    return JobSpec.from_json(
        {
            "name": "one",
            "endpoint": "heart",
            "deployment": "dep",
            "deployment_version": 1,
            "compute": "local",
            "settings": values,
            "interpreter": interpreter,
            "input_path": "/data",
            "input_type": "uri_folder",
            "input_reference": "/data",
            **({} if store is None else {"mlflow_store": store}),
        }
    )


def test_a_job_from_before_has_no_run(tmp_path):
    assert store_of(tmp_path, spec_with(None), {}) is None


def test_off_means_no_run(monkeypatch, tmp_path):
    monkeypatch.setenv(SWITCH, "off")
    assert choose_store(tmp_path) is None


def test_the_workspaces_own_store_moves_along(tmp_path, surroundings):
    chosen = choose_store(tmp_path / "workspace")
    assert (chosen.uri, chosen.folder, chosen.secrets) == (OWN, str(surroundings), {})
    moved = tmp_path / "moved"
    assert store_of(moved, spec_with(OWN), {}) == own_store(moved)


def test_the_store_here_comes_before_the_workspaces_own(tmp_path, surroundings):
    (surroundings / "mlflow.db").touch()
    assert choose_store(tmp_path).uri == f"sqlite:///{surroundings}/mlflow.db"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("sqlite:///my.db", "sqlite:///{here}/my.db"),
        ("sqlite:////srv/my.db?timeout=5", "sqlite:////srv/my.db?timeout=5"),
        ("mlruns", "file://{here}/mlruns"),
        ("file:///srv/mlruns", "file:///srv/mlruns"),
        ("https://tracking.example", "https://tracking.example"),
        ("databricks://profile", "databricks://profile"),
    ],
)
def test_what_is_named_means_the_same_from_everywhere(monkeypatch, tmp_path, surroundings, given, kept):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", given)
    chosen = choose_store(tmp_path)
    assert chosen.uri == kept.format(here=surroundings)
    assert chosen.secrets == {}
    assert store_of(tmp_path, spec_with(chosen.uri), {}).tracking_uri == chosen.uri


def test_credentials_are_secrets_of_the_job_and_no_variables_of_its_script(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://kate:sesame@tracking.example/store")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    chosen = choose_store(tmp_path)
    assert chosen.uri == "https://********@tracking.example/store"
    assert "sesame" not in chosen.folder + chosen.uri
    secrets = {"SPICE": "cinnamon", **chosen.secrets}
    assert script_variables(secrets) == {"SPICE": "cinnamon"}
    assert access_of(secrets) == {"MLFLOW_TRACKING_TOKEN": "t0ken"}
    found = store_of(tmp_path, spec_with(chosen.uri), secrets)
    assert found.tracking_uri == "https://kate:sesame@tracking.example/store"


def test_a_store_of_files_needs_no_credentials(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///my.db")
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "t0ken")
    assert choose_store(tmp_path).secrets == {}
