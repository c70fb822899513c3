"""Models from MLflow stores and into them: real stores, a real model, MLflow's settings untouched."""

from __future__ import annotations

import os
import pickle
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from workspace_support import tree

import batchmagic
from batchmagic.entities import Model
from batchmagic.errors import NotDeclared, ResourceNotFoundError, ValidationException
from batchmagic.sdk.access import Access
from batchmagic.sdk.declared import check_fetched
from batchmagic.workspace import mlflow_stores
from batchmagic.workspace.models import register_model, resolve_model

pytestmark = [
    # MLflow's own imports warn about other packages.
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """Where the template of an empty store is kept: building one takes seconds, so once for all tests."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(autouse=True)
def _quiet(cache, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("MLFLOW_REGISTRY_URI", raising=False)
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)


@pytest.fixture
def mlflow_folder(tmp_path):
    """An MLflow model, as far as a registry looks into one."""
    folder = tmp_path / "mlflow-model"
    folder.mkdir()
    (folder / "MLmodel").write_text("flavors:\n  python_function:\n    loader_module: mlflow.sklearn\n")
    (folder / "model.pkl").write_bytes(pickle.dumps([1, 2]))
    return folder


@pytest.fixture
def store():
    """A function that makes an empty MLflow store at a path and gives its client."""

    def make(file):
        uri = f"sqlite:///{file}"
        return mlflow_stores.client_of(mlflow_stores.MlflowStore(tracking_uri=uri, registry_uri=uri))

    return make


def own(ws):
    return mlflow_stores.client_of(mlflow_stores.known_stores(ws.root)[-1])


def files_of(ws, found):
    return tree(ws.root / found.directory)


def test_a_registered_model_is_found_by_all_its_names(ws, model_folder):
    register_model(ws, Model(name="heart", path=model_folder))
    (model_folder / "weights.bin").write_bytes(b"2")
    register_model(ws, Model(name="heart", path=model_folder))
    for text, version in (
        ("azureml:heart:1", "1"),
        ("azureml:heart@latest", "2"),
        ("heart", "2"),
        ("heart:1", "1"),
    ):
        found = resolve_model(ws, text)
        assert (found.name, found.version, found.type) == ("heart", version, "custom_model")
    assert resolve_model(ws, Model(name="heart", version="1")).version == "1"
    assert resolve_model(ws, Model(path="azureml:heart:1")).version == "1"
    with pytest.raises(ResourceNotFoundError, match="no model 'hart'"):
        resolve_model(ws, "hart")
    with pytest.raises(ValidationException, match="is data"):
        resolve_model(ws, "azureml://data/heart/versions/1")


def test_a_path_is_registered_once_by_its_content(ws, model_folder, monkeypatch):
    monkeypatch.chdir(model_folder.parent)
    one, two = resolve_model(ws, "./model"), resolve_model(ws, str(model_folder))
    assert (one.name, one.version) == (two.name, two.version)
    assert list(files_of(ws, one)) == ["model/weights.bin"]
    assert ws.assets.list("model") == []
    named = resolve_model(ws, Model(name="heart", path=model_folder))
    assert (named.name, named.version) == ("heart", "1")
    assert resolve_model(ws, Model(name="heart", path=model_folder)).version == "1"
    assert register_model(ws, Model(name="heart", path=model_folder)).version == "2"


def test_custom_models_need_no_mlflow(ws, model_folder):
    program = (
        "import sys; from batchmagic.workspace import Workspace; from batchmagic.workspace.models import resolve_model; "
        f"ws = Workspace.open({str(ws.root)!r}); resolve_model(ws, {str(model_folder)!r}); "
        "print(sorted({'mlflow', 'pandas', 'dask', 'IPython', 'tornado'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(batchmagic.__file__).parents[1])}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True
    )
    assert done.stdout == "[]\n"


def test_an_output_that_a_job_wrote_elsewhere_is_a_model_too(ws, spec, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "model.bin").write_bytes(b"x")
    ws.jobs.submit(spec("one", output_path=str(tmp_path / "there")))
    found = resolve_model(ws, "azureml://jobs/one/outputs/score/paths/model.bin")
    assert files_of(ws, found) == {"model.bin": b"x"}


def test_an_output_of_a_job_is_a_model(ws, spec):
    job = ws.jobs.submit(spec("one"))
    (job.folder / "outputs" / "score").mkdir(parents=True)
    (job.folder / "outputs" / "score" / "model.bin").write_bytes(b"x")
    found = resolve_model(ws, "azureml://jobs/one/outputs/score/paths/model.bin")
    assert files_of(ws, found) == {"model.bin": b"x"}
    assert resolve_model(ws, "azureml://jobs/one/outputs/default/paths/model.bin").name == found.name
    with pytest.raises(ValidationException, match="leaves its folder"):
        resolve_model(ws, "azureml://jobs/one/outputs/score/paths/../../../../workspace.db")


def test_what_is_nowhere_and_what_cannot_be_fetched_is_said(ws, tmp_path):
    with pytest.raises(ValidationException, match="does not exist"):
        resolve_model(ws, str(tmp_path / "absent"))
    with pytest.raises(ValidationException, match="is on the web") as caught:
        resolve_model(ws, "https://h/model?sig=c4n4ry")
    assert "c4n4ry" not in str(caught.value)
    with pytest.raises(ResourceNotFoundError, match=r"No MLflow store has 'models:/none/1'.*there is none"):
        resolve_model(ws, "models:/none/1")
    assert not (ws.root / "mlflow").exists()
    assert list(Path.cwd().iterdir()) == []


def test_an_mlflow_model_is_registered_in_the_workspaces_store_too(ws, mlflow_folder):
    found = register_model(ws, Model(name="heart", type="mlflow_model", path=mlflow_folder))
    assert (found.version, found.mlflow_uri, found.warnings) == ("1", "models:/heart/1", ())
    version = own(ws).get_model_version("heart", "1")
    assert version.source == (ws.root / found.directory / "mlflow-model").as_uri()
    assert version.tags == {"batchmagic.version": "1"}
    assert (
        resolve_model(ws, Model(name="heart", type="mlflow_model", path=mlflow_folder)).mlflow_uri
        == "models:/heart/1"
    )
    assert len(own(ws).search_model_versions("name = 'heart'")) == 1
    assert list(Path.cwd().iterdir()) == []
    assert (ws.root / "mlflow" / "mlflow.db").stat().st_mode & 0o777 == 0o600


def test_what_a_kernel_set_comes_before_the_environment_before_here_before_our_own(
    ws, mlflow_folder, tmp_path, store, monkeypatch
):
    import mlflow  # noqa: PLC0415 - slow

    places = [tmp_path / f"{name}.db" for name in ("kernel", "environment")] + [Path.cwd() / "mlflow.db"]
    clients = [store(place) for place in places]
    uris = [f"sqlite:///{place}" for place in places]
    before = mlflow.tracking._tracking_service.utils._tracking_uri

    def order():
        return [known.tracking_uri for known in mlflow_stores.known_stores(ws.root)][:-1]

    def publish(name):
        assert register_model(ws, Model(name=name, type="mlflow_model", path=mlflow_folder)).warnings == ()
        return [bool(client.search_registered_models(f"name = '{name}'")) for client in clients]

    assert order() == uris[2:]
    assert publish("one") == [False, False, True]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uris[1])
    assert order() == uris[1:]
    assert publish("two") == [False, True, False]
    monkeypatch.setattr("mlflow.tracking._tracking_service.utils._tracking_uri", uris[0])
    assert order() == uris
    assert publish("three") == [True, False, False]
    assert mlflow.get_tracking_uri() == uris[0]
    assert os.environ["MLFLOW_TRACKING_URI"] == uris[1]
    monkeypatch.undo()
    assert mlflow.tracking._tracking_service.utils._tracking_uri == before


def test_models_of_a_registry_by_version_alias_and_latest(ws, tmp_path, store, monkeypatch):
    first, second = store(tmp_path / "empty.db"), store(Path("mlflow.db").absolute())
    monkeypatch.setenv(
        "MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'empty.db'}"
    )  # it does not know the model
    second.create_registered_model("heart")
    for number in (1, 2, 3):
        folder = tmp_path / f"v{number}"
        folder.mkdir()
        (folder / "MLmodel").write_text(f"flavors: {{}}\nnumber: {number}\n")
        second.create_model_version("heart", folder.as_uri())
    second.set_registered_model_alias("heart", "champion", "2")

    def number(text):
        found = resolve_model(ws, text)
        assert (found.name, found.type) == ("heart", "mlflow_model")
        content = files_of(ws, found)
        assert list(content) == ["model/MLmodel"]
        return content["model/MLmodel"].decode()[-2], found.version

    assert number("models:/heart/1") == ("1", "1")
    assert number("models:/heart@champion") == ("2", "2")
    assert number("models:/heart/latest") == ("3", "3")
    assert number("models:/heart/3") == ("3", "3")
    assert number("models:/heart") == ("3", "3")
    shutil.rmtree(tmp_path / "v1")
    assert number("azureml:heart:1") == ("1", "1")
    with pytest.raises(ResourceNotFoundError, match=r"models:/heart/9.*empty\.db.*mlflow\.db"):
        resolve_model(ws, "models:/heart/9")
    with pytest.raises(ResourceNotFoundError, match="its files are gone"):
        resolve_model(ws, "models:/heart/1")
    named = register_model(ws, Model(name="mine", path="models:/heart@champion"))
    assert (named.name, named.version, named.type) == ("mine", "1", "mlflow_model")
    assert first.search_registered_models() == []


def test_models_of_a_run_both_logged_and_as_plain_artifacts(ws, tmp_path, mlflow_folder, store, monkeypatch):
    import mlflow  # noqa: PLC0415 - slow

    client = store(tmp_path / "runs.db")
    uri = f"sqlite:///{tmp_path / 'runs.db'}"
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    experiment = client.create_experiment("e", artifact_location=(tmp_path / "artifacts").as_uri())
    run = client.create_run(experiment)
    client.log_artifacts(run.info.run_id, str(mlflow_folder), "plain/model")
    found = resolve_model(ws, f"runs:/{run.info.run_id}/plain/model")
    assert found.type == "mlflow_model"
    assert sorted(files_of(ws, found)) == ["model/MLmodel", "model/model.pkl"]
    # Azure's words for the same.
    same = resolve_model(ws, f"azureml://jobs/{run.info.run_id}/outputs/artifacts/paths/plain/model")
    assert (same.type, files_of(ws, same)) == ("mlflow_model", files_of(ws, found))

    class Model_(mlflow.pyfunc.PythonModel):  # noqa: N801
        def predict(self, model_input: list[str]) -> list[str]:
            return model_input

    with mlflow.start_run(run_id=run.info.run_id):
        logged = mlflow.pyfunc.log_model(
            name="classifier", python_model=Model_(), pip_requirements=["mlflow"]
        )
    found = resolve_model(ws, f"runs:/{run.info.run_id}/classifier")
    assert next(iter(files_of(ws, found))).startswith("classifier/")
    assert resolve_model(ws, f"models:/{logged.model_id}").type == "mlflow_model"
    # What MLflow loads is what was snapshotted.
    loaded = mlflow.pyfunc.load_model(str(ws.root / found.directory / "classifier"))
    assert loaded.predict(["a"]) == ["a"]
    for wrong in (
        f"runs:/{run.info.run_id}/nothing",
        "runs:/0123456789abcdef/model",
        f"runs:/{run.info.run_id}/../x",
        f"runs:/{run.info.run_id}/%2e%2e/%2e%2e",
        f"runs:/{run.info.run_id}/plain/..%2f..%2f..",
    ):
        with pytest.raises(ResourceNotFoundError, match="No MLflow store"):
            resolve_model(ws, wrong)


def test_a_limited_caller_gets_what_mlflow_keeps_in_declared_places(
    ws, tmp_path, mlflow_folder, store, monkeypatch
):
    inside, outside = tmp_path / "declared", tmp_path / "foreign"
    client = store(tmp_path / "mlflow.db")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    for place, name in ((inside, "inside"), (outside, "outside")):
        shutil.copytree(mlflow_folder, place / "model")
        client.create_registered_model(name)
        client.create_model_version(name, (place / "model").as_uri(), await_creation_for=0)
    client.create_registered_model("far")
    client.create_model_version("far", "http://169.254.169.254/latest", await_creation_for=0)
    check = check_fetched(ws, Access(roots=[inside]))
    assert resolve_model(ws, "models:/inside/1", check=check).type == "mlflow_model"
    for name in ("outside", "far"):
        with pytest.raises(NotDeclared) as caught:
            resolve_model(ws, f"models:/{name}/1", check=check)
        assert str(outside) not in str(caught.value)
        assert "169.254" not in str(caught.value)
    assert {found.name for found in ws.assets.records("model", archived=None)} == {"inside"}


def test_a_server_that_does_not_answer_is_a_warning_after_two_seconds(ws, mlflow_folder, monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://me:c4n4ry@127.0.0.1:{deaf.getsockname()[1]}")
        began = time.monotonic()
        found = register_model(ws, Model(name="heart", type="mlflow_model", path=mlflow_folder))
        assert 1.9 < time.monotonic() - began < 10
        assert found.version == "1"
        assert found.mlflow_uri is None
        (warning,) = found.warnings
        assert "was not registered in MLflow" in warning
        assert "c4n4ry" not in warning
        began = time.monotonic()
        with pytest.raises(ResourceNotFoundError, match="no answer within 2 s"):
            resolve_model(ws, "models:/heart/1")
        assert 1.9 < time.monotonic() - began < 10
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    again = resolve_model(ws, Model(name="heart", type="mlflow_model", path=mlflow_folder))
    assert (again.version, again.mlflow_uri, again.warnings) == ("1", "models:/heart/1", ())


def test_a_file_store_is_used_when_mlflow_allows_it(ws, mlflow_folder, monkeypatch):
    (Path("mlruns") / "0").mkdir(parents=True)
    (Path("mlruns") / "0" / "meta.yaml").write_text(
        "artifact_location: x\nexperiment_id: '0'\nname: Default\nlifecycle_stage: active\n"
    )
    refused = register_model(ws, Model(name="heart", type="mlflow_model", path=mlflow_folder))
    assert refused.version == "1"
    assert "MLFLOW_ALLOW_FILE_STORE" in refused.warnings[0]
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    found = resolve_model(ws, Model(name="heart", type="mlflow_model", path=mlflow_folder))
    assert (found.version, found.mlflow_uri, found.warnings) == ("1", "models:/heart/1", ())
    assert (Path("mlruns") / "models" / "heart" / "version-1").is_dir()
    assert resolve_model(ws, "models:/heart/1").type == "mlflow_model"


def test_the_first_use_is_paid_once(tmp_path, cache, store):
    store(tmp_path / "one.db")
    (template,) = cache.joinpath("batchmagic").iterdir()
    made = template.stat().st_mtime_ns
    began = time.process_time()
    client = store(tmp_path / "two.db")
    assert time.process_time() - began < 1.5  # building one takes MLflow several
    assert template.stat().st_mtime_ns == made
    client.create_registered_model("x")
    assert store(tmp_path / "three.db").search_registered_models() == []
    place = client.get_experiment("0").artifact_location
    assert place == (Path.cwd() / "mlruns").as_uri() + "/0"
    with sqlite3.connect(tmp_path / "two.db") as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()


def test_two_at_once_publish_two_versions(ws, mlflow_folder):
    results = []

    def register():
        results.append(register_model(ws, Model(name="heart", type="mlflow_model", path=mlflow_folder)))

    own(ws)
    threads = [threading.Thread(target=register) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found.version for found in results) == ["1", "2", "3"]
    assert [found.warnings for found in results] == [()] * 3
    assert len({found.mlflow_uri for found in results}) == 3


def test_the_same_files_under_another_name_are_another_model_without_a_name(ws, tmp_path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "weights.bin").write_bytes(b"1")
    one, two, again = (resolve_model(ws, str(tmp_path / name)) for name in ("one", "two", "one"))
    assert (one.name, one.version) == (again.name, again.version)
    assert one.name != two.name
    assert files_of(ws, two) == {"two/weights.bin": b"1"}
