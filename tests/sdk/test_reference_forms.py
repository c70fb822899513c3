"""Every form of a reference that Azure has, at every place where one can stand: what it means, or why it means nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sdk_support import SCRIPT, run_job, script_deployment

from batchmagic import MLClient
from batchmagic.entities import AmlCompute, BatchEndpoint, Data, Environment, Input, Model, Output
from batchmagic.errors import UsageError
from batchmagic.workspace.launch import host_claim

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchmagic.workspace import Workspace

ARM = "/subscriptions/S/resourceGroups/R/providers/Microsoft.MachineLearningServices/workspaces/W"
LONG = "azureml://subscriptions/S/resourcegroups/R/workspaces/W"
STORE = "datastores/workspaceblobstore/paths"
FAR = {
    "https://host/x": "is on the web (https://), not on this machine",
    "http://host/x": "is on the web (http://), not on this machine",
    "wasbs://box@account.blob.core.windows.net/x": "is in Azure Blob Storage (wasbs://)",
    "abfss://box@account.dfs.core.windows.net/x": "is in Azure Data Lake Storage (abfss://)",
    "s3://bucket/x": "is in Amazon S3 (s3://)",
}


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A working directory for all tests here, with code and data."""
    folder = tmp_path_factory.mktemp("forms")
    for inner in ("code", "data", "m"):
        (folder / inner).mkdir()
    (folder / "code" / "score.py").write_text(SCRIPT)
    (folder / "m" / "a.csv").write_text("1\n")
    for number in range(5):
        (folder / "data" / f"{number}.csv").write_text("a,b\n1,2\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("HOME", str(folder))
        patch.delenv("BATCHMAGIC_WORKSPACE", raising=False)
        yield folder


@pytest.fixture(scope="module")
def client(project: Path) -> Iterator[MLClient]:
    """A client of a workspace with something of every kind to refer to; `before` is a job that has ended."""
    found = MLClient()
    found.session.tell = lambda line: None
    held = found.session.write()
    # This process serves the compute: no host is started for it.
    for compute in ("local", "cpu"):
        held.claims.acquire(host_claim(compute))
    found.batch_endpoints.begin_create_or_update(BatchEndpoint(name="heart")).result()
    found.batch_deployments.begin_create_or_update(script_deployment()).result()
    found.compute.begin_create_or_update(AmlCompute(name="cpu"))
    found.models.create_or_update(Model(name="risk", path="code"))
    found.environments.create_or_update(Environment(name="env", image="i"))
    found.data.create_or_update(Data(name="patients", path="data"))
    found.data.create_or_update(Data(name="far", path="https://host/x?sig=secret"))
    store = held.root / "datastores" / "workspaceblobstore" / "in"
    store.mkdir(parents=True)
    (store / "a.csv").write_text("1\n")
    found.batch_endpoints.invoke("heart", input="./data", job_name="before")
    run_job(held, "before")
    yield found
    found.session.close()


@pytest.fixture(scope="module")
def ws(client: MLClient) -> Workspace:
    return client.session.write()


def everywhere(kind: str, name: str, version: str) -> list[str]:
    """Return the ways to name an asset of the workspace."""
    return [
        f"azureml:{name}:{version}",
        f"{name}:{version}",
        f"azureml:{name}@latest",
        f"{name}@latest",
        f"azureml:{name}",
        f"{ARM}/{kind}/{name}/versions/{version}",
        f"azureml:{ARM}/{kind}/{name}/versions/{version}",
        f"azureml://{kind}/{name}/versions/{version}",
        f"azureml://{kind}/{name}/labels/latest",
        f"azureml://locations/L/workspaces/W/{kind}/{name}/versions/{version}",
        f"{LONG}/{kind}/{name}/versions/{version}",
    ]


# --- what each means


MODELS = {
    **dict.fromkeys([*everywhere("models", "risk", "1"), "risk"], "azureml:risk:1"),
    **dict.fromkeys(
        ["./m", "m/", f"azureml://{STORE}/in", f"{LONG}/{STORE}/in", f"{ARM}/{STORE}/in", "azureml://jobs/before/outputs/score"],
        None,
    ),
}  # fmt: skip


@pytest.mark.parametrize("form", MODELS)
def test_a_model(form: str, ws: Workspace, client: MLClient) -> None:
    made = client.batch_deployments.begin_create_or_update(script_deployment(model=form)).result()
    meant = MODELS[form]
    assert made.model == meant if meant else str(made.model).startswith("azureml:")
    assert (ws.root / str(ws.deployments.get("heart", "classifier").model_dir)).is_dir()


@pytest.mark.parametrize(
    "form", ["./m", f"azureml://{STORE}/in", "azureml://jobs/before/outputs/score", "azureml:risk:1"]
)
def test_the_path_of_a_model(form: str, ws: Workspace, client: MLClient) -> None:
    assert client.models.create_or_update(Model(name="other", path=form)).name == "other"


@pytest.mark.parametrize("form", [*everywhere("environments", "env", "1"), "env"])
def test_an_environment_is_the_version_of_the_day_it_was_deployed(
    form: str, ws: Workspace, client: MLClient
) -> None:
    made = client.batch_deployments.begin_create_or_update(script_deployment(environment=form)).result()
    assert made.environment == "azureml:env:1"


@pytest.mark.parametrize(
    "form", ["azureml://registries/R/environments/E/versions/1", "azureml://registries/R/environments/E/labels/latest"]
)  # fmt: skip
def test_an_environment_of_a_registry_is_recorded(form: str, ws: Workspace, client: MLClient) -> None:
    made = client.batch_deployments.begin_create_or_update(script_deployment(environment=form)).result()
    assert made.environment == form


@pytest.mark.parametrize(
    ("form", "name"),
    [
        ("azureml:cpu", "cpu"), ("cpu", "cpu"), ("local", "local"), ("azureml:local", "local"),
        (f"{ARM}/computes/cpu", "cpu"), (f"azureml:{ARM}/computes/cpu", "cpu"),
    ],
)  # fmt: skip
def test_a_compute(form: str, name: str, ws: Workspace, client: MLClient) -> None:
    made = client.batch_deployments.begin_create_or_update(script_deployment(compute=form)).result()
    assert made.compute == name


INPUTS = {
    **dict.fromkeys(everywhere("data", "patients", "1"), "data"),
    **dict.fromkeys(["./data", "data", "data/"], "data"),
    **dict.fromkeys([f"azureml://{STORE}/in/", f"{LONG}/{STORE}/in", f"{ARM}/{STORE}/in"], ".batchmagic/datastores/workspaceblobstore/in"),
    **dict.fromkeys(["azureml://jobs/before/outputs/score", "azureml://jobs/before/outputs/default/paths/"], ".batchmagic/jobs/before/outputs/score"),
    "azureml://jobs/before/outputs/score/paths/predictions.csv": ".batchmagic/jobs/before/outputs/score/predictions.csv",
}  # fmt: skip


@pytest.mark.parametrize("form", INPUTS)
def test_an_input(form: str, ws: Workspace, client: MLClient, project: Path) -> None:
    job = client.batch_endpoints.invoke("heart", input=Input(path=form))
    assert ws.root / ws.jobs.get(job.name).spec.input_path == project / INPUTS[form]


@pytest.mark.parametrize("form", ["./data", "data", f"azureml://{STORE}/in", f"{LONG}/{STORE}/in"])
def test_the_path_of_data(form: str, ws: Workspace, client: MLClient) -> None:
    client.data.create_or_update(Data(name="other", path=form))
    job = client.batch_endpoints.invoke("heart", input=Input(path="azureml:other:1"))
    assert ws.jobs.get(job.name).spec.input_path.endswith(("data", "workspaceblobstore/in"))


@pytest.mark.parametrize(
    ("form", "folder"),
    [
        ("./out/", "out"),
        (f"azureml://{STORE}/new1/", ".batchmagic/datastores/workspaceblobstore/new1"),
        (f"{LONG}/{STORE}/new2/", ".batchmagic/datastores/workspaceblobstore/new2"),
        (f"{ARM}/{STORE}/new3/", ".batchmagic/datastores/workspaceblobstore/new3"),
    ],
)
def test_an_output(form: str, folder: str, ws: Workspace, client: MLClient, project: Path) -> None:
    job = client.batch_endpoints.invoke("heart", input="./data", outputs={"score": Output(path=form)})
    assert ws.root / str(ws.jobs.get(job.name).spec.output_path) == project / folder


# --- what each cannot mean


REFUSED = {
    "model": {
        **FAR,
        "azureml://registries/R/models/risk/versions/1": "is in the registry 'R', not on this machine",
        "azureml://registries/R/models/risk/labels/latest": "is in the registry 'R'",
        "azureml://data/patients/versions/1": "is data.",
        f"{ARM}/environments/env/versions/1": "is an environment",
        "azureml://datastores/other/paths/x": "no datastore 'other'",
        "azureml://jobs/nix/outputs/score": "no job 'nix'",
        "azureml://nonsense": "is not an azureml:// URI",
    },
    "environment": {
        **FAR,
        "./env.yml": "is a path. Name a registered one, define it in place, or write `file:environment.yml`",
        "models:/risk/1": "is a model of MLflow",
        "azureml://models/risk/versions/1": "is a model",
        f"azureml://{STORE}/in": "is in a datastore",
        "azureml://jobs/before/outputs/score": "is an output of a job",
    },
    "compute": {
        "https://host/x": "cannot be the name of a compute",
        f"{ARM}/models/risk/versions/1": "cannot be the name of a compute",
        "azureml:nix": "no compute 'nix'",
    },
    "code_path": {
        f"{ARM}/codes/abc/versions/1": "is a code asset",
        "https://host/x": "is on the web (https://)",
    },
    "input": {
        **FAR,
        "azureml://registries/R/data/patients/versions/1": "is in the registry 'R', not on this machine",
        "azureml://models/risk/versions/1": "is a model",
        "models:/risk/1": "is a model of MLflow",
        "runs:/0123/model": "is a model of MLflow",
        "azureml://datastores/other/paths/x": "no datastore 'other'",
        "azureml://jobs/before/outputs/other": "no output 'other'",
        "azureml:nix:1": "no data 'nix'",
        "azureml:patients@best": "no label of data patients 'best'",
        "azureml:far:1": "is on the web (https://)",
    },
    "output": {
        **FAR,
        "azureml:patients:1": "is a registered asset",
        "azureml://jobs/before/outputs/score": "is an output of a job",
        "azureml://datastores/other/paths/x": "no datastore 'other'",
        "models:/risk/1": "is a model of MLflow",
    },
}


@pytest.mark.parametrize(("place", "form"), [(place, form) for place in REFUSED for form in REFUSED[place]])
def test_a_form_that_cannot_mean_anything_says_why(
    place: str, form: str, ws: Workspace, client: MLClient
) -> None:
    before = len(ws.jobs.list()), ws.deployments.get("heart", "classifier").version
    invoke = client.batch_endpoints.invoke
    acts = {
        "input": lambda: invoke("heart", input=Input(path=form)),
        "output": lambda: invoke("heart", input="./data", outputs={"score": Output(path=form)}),
    }
    deploy = client.batch_deployments.begin_create_or_update
    with pytest.raises(UsageError) as caught:
        acts.get(place, lambda: deploy(script_deployment(**{place: form})))()
    assert REFUSED[place][form] in str(caught.value)
    assert "secret" not in str(caught.value)
    assert (len(ws.jobs.list()), ws.deployments.get("heart", "classifier").version) == before


@pytest.mark.parametrize("form", [*FAR, "azureml://registries/R/models/risk/versions/1"])
def test_a_model_cannot_be_registered_from_far_away(form: str, ws: Workspace, client: MLClient) -> None:
    with pytest.raises(UsageError, match=r"is (in|on) "):
        client.models.create_or_update(Model(name="other", path=form))
