"""What people write on a job, and which jobs and assets a list shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sdk_support import run_job

from batchmagic.constants import ListViewType
from batchmagic.entities import Model
from batchmagic.errors import ResourceNotFoundError, StateError, ValidationException

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic import MLClient
    from batchmagic.workspace import Workspace


@pytest.fixture
def job(client: MLClient, held: Workspace) -> str:
    return client.batch_endpoints.invoke("heart", input="./data", job_name="amber-falcon-3f9a").name


def test_what_is_written_on_a_job_is_added_to_what_stands_there(client: MLClient, job: str) -> None:
    client.jobs.update(job, display_name="Tuesday", tags={"day": "2"}, properties={"who": "me"})
    changed = client.jobs.update(job, description="the second", tags={"week": "47"})
    assert (changed.display_name, changed.description) == ("Tuesday", "the second")
    assert changed.tags == {"day": "2", "week": "47"}
    assert changed.properties["who"] == "me"
    assert client.jobs.get(job) == changed
    (child,) = client.jobs.list(parent_job_name=job)
    assert child.tags == changed.tags


def test_a_label_changes_nothing_of_what_the_job_does(client: MLClient, held: Workspace, job: str) -> None:
    before = held.jobs.get(job).spec
    client.jobs.update(job, properties={"who": "me"})
    run_job(held, job)
    assert held.jobs.get(job).spec == before
    assert client.jobs.get(job).properties["who"] == "me"


def test_an_archived_job_is_in_no_list_but_is_there(client: MLClient, held: Workspace, job: str) -> None:
    other = client.batch_endpoints.invoke("heart", input="./data").name
    client.jobs.archive(job)
    assert [j.name for j in client.jobs.list()] == [other]
    assert [j.name for j in client.jobs.list(list_view_type=ListViewType.ALL)] == [other, job]
    assert [j.name for j in client.jobs.list(list_view_type="archived_only")] == [job]
    assert client.jobs.get(job).name == job
    run_job(held, job)
    client.jobs.restore(job)
    assert [j.name for j in client.jobs.list()] == [other, job]
    with pytest.raises(ValidationException, match=r"list_view_type: 'some' .*ActiveOnly"):
        client.jobs.list(list_view_type="some")


def test_archived_versions_are_listed_when_they_are_asked_for(client: MLClient, project: Path) -> None:
    for text in "ab":
        (project / "model.bin").write_text(text)
        client.models.create_or_update(Model(name="heart", path="model.bin", stage=f"stage {text}"))
    client.models.archive("heart", "2")
    assert [m.version for m in client.models.list("heart")] == ["1"]
    assert [m.version for m in client.models.list("heart", list_view_type=ListViewType.ARCHIVED_ONLY)] == [
        "2"
    ]
    assert [m.version for m in client.models.list("heart", list_view_type=ListViewType.ALL)] == ["2", "1"]
    assert [m.version for m in client.models.list("heart", "stage a")] == ["1"]
    assert client.models.list("heart", "stage b") == []


def test_a_job_can_be_deleted_once_it_has_ended(client: MLClient, held: Workspace, job: str) -> None:
    with pytest.raises(StateError):
        client.jobs.begin_delete(job)
    run_job(held, job)
    assert client.jobs.begin_delete(job).result() is None
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get(job)


def test_a_job_tells_where_it_can_be_looked_at(
    client: MLClient, held: Workspace, job: str, tmp_path: Path
) -> None:
    run_job(held, job)
    found = client.jobs.get(job)
    assert found.studio_url == held.job_dir(job).as_uri()
    assert client.jobs.show_services(job)["Studio"]["endpoint"] == found.studio_url
    assert found.log_files["logs/sys/driver.txt"] == (held.job_dir(job) / "logs/sys/driver.txt").as_uri()
    found.dump(tmp_path / "job.yml")
    assert f"name: {job}" in (tmp_path / "job.yml").read_text()
