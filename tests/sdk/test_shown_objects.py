"""What the workspace's own objects are when a notebook shows them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from IPython.core.formatters import DisplayFormatter
from sdk_support import run_job

from batchmagic.entities import Listing
from batchmagic.entities.status import JobStatus
from batchmagic.sdk.job_document import job_document
from batchmagic.sdk.pace import Pace
from batchmagic.twins import bundle
from batchmagic.workspace.ledger_errors import ErrorGroup

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic import MLClient
    from batchmagic.workspace import Workspace

NAME = "amber-falcon-3f9a"


@pytest.fixture
def job(client: MLClient, held: Workspace) -> str:
    return client.batch_endpoints.invoke("heart", input="./data", job_name=NAME).name


def document(client: MLClient, ws: Workspace, **values: Any) -> dict[str, Any]:
    groups = client.jobs.error_groups(NAME)
    found = job_document(ws, client.session.job(NAME), **{"groups": groups, **values})
    assert json.loads(json.dumps(found)) == found
    assert len(json.dumps(found, ensure_ascii=False).encode()) < 10_000
    return found


def test_a_queued_job(client: MLClient, held: Workspace, job: str) -> None:
    found = document(client, held)
    assert (found["status"], found["short_name"]) == ("Queued", "amber")
    assert found["next"] == ["%batch job cancel amber"]
    assert found["input"] == "./data"
    assert found["output"] == f".batchmagic/jobs/{NAME}/outputs/score/predictions.csv"
    assert found["pace"] is found["started_at"] is found["ended_at"] is None
    client.session.command = "batchmagic"
    assert document(client, held, session=client.session)["next"] == ["batchmagic job cancel amber"]


def test_a_running_job_has_a_pace(client: MLClient, held: Workspace, job: str) -> None:
    run_job(held, job, None)
    found = document(client, held, pace=Pace(now=2.0, mean=1.5, left=3.0), rates=[n / 3 for n in range(200)])
    assert found["pace"] == {"now": 2.0, "mean": 1.5, "left": 3.0}
    assert len(found["rates"]) == 60
    assert found["rates"][-1] == 66.333
    assert found["started_at"] >= found["created_at"]


def test_a_job_with_failed_files(client: MLClient, held: Workspace, job: str) -> None:
    run_job(held, job, failed=2)
    found = document(client, held)
    assert found["next"] == ["%batch job errors amber", "%batch job resume amber --redo-failed"]
    assert found["error_kinds"] == 1
    (error,) = found["errors"]
    assert (error["type"], error["files"], error["file"], error["mini_batch"]) == (
        "ValueError",
        2,
        "0.csv",
        0,
    )
    assert error["frame"]["source"] == "pred = model.predict(df.astype(float))"
    assert "Traceback" not in json.dumps(found)
    assert found["ended_at"] is not None


def test_a_failed_job_says_why(client: MLClient, held: Workspace, job: str) -> None:
    run_job(held, job, JobStatus.FAILED, failed=2)
    found = document(client, held)
    assert found["error"] == {"type": "ValueError", "message": "could not convert string to float: 'n/a'"}
    assert found["next"][-1] == "%batch job resume amber --set error_threshold=-1"


def test_many_long_errors_with_secrets_stay_small_and_silent(
    client: MLClient, held: Workspace, job: str
) -> None:
    group = ErrorGroup(
        type="HTTPError",
        message="https://me:hunter2@h.example/x?sig=hunter2 " + "é" * 4000,
        phase="run",
        count=3,
        files=1,
        frame=("/code/score.py", 9, "run", "y" * 3000),
        example_file="z" * 255,
        example_mini_batch=1,
        tracebacks=("Traceback hunter2",),
    )
    found = document(client, held, groups=[group] * 40)
    assert len(found["errors"]) == 5
    assert found["error_kinds"] == 40
    assert "hunter2" not in json.dumps(found)


def test_a_name_that_fits_two_jobs_is_not_shortened(client: MLClient, held: Workspace, job: str) -> None:
    client.batch_endpoints.invoke("heart", input="./data", job_name="amber-owl-0000")
    assert document(client, held)["short_name"] == NAME


def test_every_list_of_the_client_shows_itself(client: MLClient, held: Workspace, job: str) -> None:
    lists = {
        "endpoint": client.batch_endpoints.list(),
        "deployment": client.batch_deployments.list("heart"),
        "compute": client.compute.list(),
        "model": client.models.list(),
        "data": client.data.list(),
        "environment": client.environments.list(),
        "job": client.jobs.list(),
    }
    for found in (client.batch_endpoints.list_jobs("heart"), client.batch_deployments.list_jobs("heart")):
        assert found == lists["job"]
        assert isinstance(found, Listing)
    for kind, found in lists.items():
        made = DisplayFormatter(active_types=["text/plain"]).format(found)[0]
        assert made[f"application/vnd.batchmagic.{kind}-list.v1+json"]["total"] == len(found)
    assert NAME in bundle("job-list", lists["job"].document())["text/plain"]
    assert (
        DisplayFormatter(active_types=["text/plain"]).format(lists["model"])[0]["text/plain"]
        == "No models yet."
    )


def test_a_list_without_a_workspace_says_what_is_missing(project: Path) -> None:
    from batchmagic import MLClient  # noqa: PLC0415

    client = MLClient()
    assert client.jobs.list() == client.batch_endpoints.list() == client.compute.list() == []
    assert client.jobs.list().nothing == "No jobs yet."
    assert not (project / ".batchmagic").exists()
