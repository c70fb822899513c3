"""Entities and lists of them as a notebook's kernel shows them."""

from __future__ import annotations

import copy
import json
import pickle
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from IPython.core.formatters import DisplayFormatter
from twin_support import Page

from batchmagic.entities import (
    AmlCompute,
    BatchDeployment,
    BatchEndpoint,
    BatchJob,
    CreationContext,
    Data,
    Environment,
    Input,
    Listing,
    Model,
    Origin,
    stamp,
)
from batchmagic.entities.documents import document_of, job_steps
from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus

SECRET = "hunter2"
SAS = f"https://store.example/box/patients?sv=2024&sig={SECRET}"
LOGIN = f"https://me:{SECRET}@store.example/patients"
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def shown(value: object) -> dict[str, Any]:
    """Return what a kernel sends of a value that a cell ends with."""
    return DisplayFormatter(active_types=["text/plain", "text/html"]).format(value)[0]


def deployment() -> BatchDeployment:
    return BatchDeployment(
        name="xgb",
        endpoint_name="heart",
        model=Model(path=LOGIN, type="mlflow_model"),
        environment=Environment(image="base", description=f"from {SAS}"),
        code_path="./code",
        scoring_script="score.py",
        compute="local",
        mini_batch_size=7,
        environment_variables={"API_TOKEN": SECRET},
        description=f"see {LOGIN}",
    )


def job(**values: Any) -> BatchJob:
    context = CreationContext(created_at=NOON, last_modified_at=NOON)
    defaults = {
        "name": "amber-falcon-3f9a",
        "status": JobStatus.COMPLETED,
        "endpoint_name": "heart",
        "deployment_name": "xgb",
        "creation_context": context,
        "inputs": {"input": {"type": "uri_folder", "path": SAS}},
        "outputs": {"score": {"type": "uri_folder", "path": str(Path.cwd() / "out")}},
        "progress": Progress(mini_batches=5, completed=5, rows=50, seconds=2.0),
    }
    return BatchJob(**{**defaults, **values})


ENTITIES = {
    "endpoint": lambda: BatchEndpoint(
        name="heart", description=f"see {LOGIN}", defaults={"deployment_name": "xgb"}
    ),
    "deployment": deployment,
    "compute": lambda: AmlCompute(name="slurm-cpu", max_instances=40),
    "model": lambda: Model(name="heart-model", version="3", path=LOGIN, tags={"from": SAS}),
    "data": lambda: Data(name="patients", version="1", path=SAS),
    "environment": lambda: Environment(
        name="env", version="2", conda_file={"dependencies": [f"pip @ {LOGIN}"]}
    ),
    "job": job,
}


@pytest.mark.parametrize("kind", ENTITIES)
def test_an_entity_shows_itself(kind: str) -> None:
    entity = ENTITIES[kind]()
    made = shown(entity)
    mime = f"application/vnd.batchmagic.{kind}.v1+json"
    assert set(made) == {mime, "text/html", "text/plain"}
    assert made[mime]["kind"] == kind
    assert made[mime]["name"] == entity.name
    assert entity.name in Page(made["text/html"]).text
    assert entity.name in made["text/plain"].split("\n")[0]
    assert SECRET not in json.dumps(made)
    assert SECRET not in json.dumps(document_of(entity))
    assert len(json.dumps(made[mime])) < 10_000
    assert max(map(len, made["text/plain"].split("\n"))) <= 120


@pytest.mark.parametrize("kind", ENTITIES)
def test_a_list_of_entities_shows_itself(kind: str) -> None:
    made = shown(Listing([ENTITIES[kind]()] * 3, kind=kind))
    mime = f"application/vnd.batchmagic.{kind}-list.v1+json"
    assert set(made) == {mime, "text/html", "text/plain"}
    assert made[mime]["total"] == len(made[mime]["items"]) == 3
    assert made["text/plain"].split("\n")[0].split()[0] in {"NAME", "ENDPOINT"}
    assert SECRET not in json.dumps(made)


def test_a_part_of_an_entity_is_shown_plainly() -> None:
    assert set(shown(Input(path="x"))) == {"text/plain"}
    assert set(shown(deployment().settings)) == {"text/plain"}


def test_a_deployment_shows_what_is_in_force_and_no_value_of_a_variable() -> None:
    stored = deployment()
    identifier = "azureml:endpoints/heart/deployments/xgb/3"
    stamp(stored, Origin(id=identifier, creation_context=CreationContext(created_at=NOON)))
    document = document_of(stored)
    assert document["version"] == 3
    assert document["environment_variables"] == {"API_TOKEN": "(set)"}
    assert document["settings"]["mini_batch_size"] == 7
    assert document["settings"]["output_format"] == "azure"
    assert document["settings"]["timeout"] == 300
    assert json.loads(json.dumps(document)) == document
    assert "mini_batch_size: 7" in shown(stored)["text/plain"]


def test_paths_are_as_seen_from_here_or_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("HOME", str(tmp_path))
    for path, short in (
        (tmp_path / "work" / "data", "data"),
        (tmp_path / "other" / "data", "~/other/data"),
        (Path("/opt/data"), "/opt/data"),
    ):
        assert document_of(Data(name="d", path=str(path)))["path"] == short


def test_a_job_that_was_read_is_shown_as_it_was() -> None:
    document = document_of(job(error={"type": "ValueError", "message": "x", "traceback": "Traceback …"}))
    assert document["error"] == {"type": "ValueError", "message": "x"}
    assert document["output"] == "out"
    assert document["ended_at"] == NOON.isoformat()
    assert document["next"] == ["%batch job result amber-falcon-3f9a"]
    assert "5 of 5 mini-batches · 50 rows → out" in shown(job())["text/plain"]


@pytest.mark.parametrize(
    ("status", "given", "steps"),
    [
        ("Running", {}, ["cancel a"]),
        ("Queued", {}, ["cancel a"]),
        ("CancelRequested", {}, []),
        ("Completed", {}, ["result a"]),
        ("Completed", {"errors": True}, ["result a"]),
        ("Completed", {"keeps_rows": False}, ["download a"]),
        ("Completed", {"failed": True}, ["errors a", "resume a --redo-failed"]),
        ("Failed", {"failed": True}, ["errors a", "resume a"]),
        ("Failed", {}, ["logs a", "resume a"]),
        ("Canceled", {}, ["resume a"]),
        ("NotResponding", {}, ["logs a", "resume a"]),
    ],
)
def test_the_next_steps_fit_the_state(status: str, given: dict[str, Any], steps: list[str]) -> None:
    found = job_steps(JobStatus(status), "", **{"failed": False, "name": "a", **given})
    assert found == [f"%batch job {step}" for step in steps]


def test_a_job_over_its_threshold_goes_on_with_another() -> None:
    detail = "11 failed files are more than error_threshold=10 allows"
    found = job_steps(JobStatus.FAILED, detail, failed=True, name="a", command="batchmagic")
    assert found == ["batchmagic job errors a", "batchmagic job resume a --set error_threshold=-1"]


def test_a_listing_is_a_list() -> None:
    items = [BatchEndpoint(name=f"endpoint-{n}") for n in range(3)]
    listing = Listing(items, kind="endpoint", nothing="None.")
    assert listing == items
    assert isinstance(listing, list)
    assert [*listing, 1] == [*items, 1]
    assert listing[1] is items[1]
    assert listing[-1] is items[2]
    assert listing[:2] == items[:2]
    assert shown(listing[:2])["text/plain"].count("endpoint-") == 2
    assert json.dumps(Listing([1, 2], kind="job")) == "[1, 2]"
    assert repr(Listing([1], kind="job")) == "[1]"
    for again in (copy.copy(listing), pickle.loads(pickle.dumps(listing))):
        assert again == listing
        assert again.kind == "endpoint"
    listing.sort(key=lambda e: e.name, reverse=True)
    assert listing[0].name == "endpoint-2"


def test_an_empty_listing_says_so() -> None:
    empty: Listing[BatchEndpoint] = Listing([], kind="endpoint", nothing="No endpoints yet.")
    assert not empty
    assert shown(empty)["text/plain"] == "No endpoints yet."


def test_ten_thousand_jobs_are_quick_to_show() -> None:
    one = job()
    listing = Listing([one] * 10_000, kind="job")
    began = time.perf_counter()
    made = shown(listing)
    assert time.perf_counter() - began < 2
    assert made["text/plain"].endswith("and 9,900 more")
    assert made["application/vnd.batchmagic.job-list.v1+json"]["total"] == 10_000
