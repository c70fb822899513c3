"""Jobs as a caller sees them: waiting, streaming, results, logs, downloads, resumes."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sdk_support import run_job, script_deployment

from batchmagic.entities.job_spec import REDO_FAILED
from batchmagic.entities.status import JobStatus
from batchmagic.errors import (
    JobCanceled,
    JobException,
    ResourceNotFoundError,
    StateError,
    UnknownField,
    UsageError,
    ValidationException,
)

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic import MLClient
    from batchmagic.workspace import Workspace


@pytest.fixture
def job(client: MLClient, held: Workspace) -> str:
    return client.batch_endpoints.invoke("heart", input="./data", job_name="amber-falcon-3f9a").name


def test_parent_and_child(client: MLClient, held: Workspace, job: str) -> None:
    (child,) = client.jobs.list(parent_job_name=job)
    assert child.parent_job_name == job
    assert child.name != job
    assert client.jobs.get(child.name).parent_job_name == job
    assert client.jobs.get("amber").name == job
    run_job(held, job)
    context = client.jobs.list(parent_job_name=job)[0].creation_context
    assert (context.last_modified_at - context.created_at).total_seconds() >= 0


def test_lists(client: MLClient, held: Workspace, job: str) -> None:
    client.batch_deployments.begin_create_or_update(script_deployment("other"))
    second = client.batch_endpoints.invoke("heart", deployment_name="other", input="./data").name
    assert [j.name for j in client.jobs.list()] == [second, job]
    assert [j.name for j in client.jobs.list(max_results=1)] == [second]
    assert [j.name for j in client.batch_endpoints.list_jobs("heart")] == [second, job]
    assert [j.name for j in client.batch_deployments.list_jobs("heart", name="classifier")] == [job]


def test_wait_returns_when_the_job_ends(client: MLClient, held: Workspace, job: str) -> None:
    with pytest.raises(TimeoutError, match="still Queued"):
        client.jobs.wait(job, timeout=0.05)
    thread = threading.Thread(target=run_job, args=(held, job))
    thread.start()
    ended = client.jobs.wait(job, timeout=20)
    thread.join()
    assert ended.status == "Completed"
    assert client.jobs.progress(job).rows == 5


def test_stream_ends_with_a_summary(
    client: MLClient, held: Workspace, job: str, capsys: pytest.CaptureFixture[str]
) -> None:
    thread = threading.Thread(target=run_job, args=(held, job), kwargs={"failed": 1})
    thread.start()
    client.jobs.stream(job)
    thread.join()
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"RunId: {job}"
    summary = lines[lines.index("Execution Summary") :]
    assert "Status: Completed · 1 file failed" in summary
    assert "Mini-batches: 4 of 5 succeeded" in summary
    assert summary[-1].startswith("Output: ")
    assert any("5/5 mini-batches" in line for line in lines)


def test_stream_of_a_failed_job_raises_the_scripts_error(client: MLClient, held: Workspace, job: str) -> None:
    run_job(held, job, JobStatus.FAILED, failed=2)
    with pytest.raises(JobException) as caught:
        client.jobs.stream(job)
    lines = str(caught.value).splitlines()
    assert lines[0] == "ValueError: could not convert string to float: 'n/a'"
    assert lines[1] == "  score.py, line 9, in run:   pred = model.predict(df.astype(float))"
    assert lines[2] == "  mini-batch 0, which begins with 0.csv"
    assert lines[3] == (
        f"Job {job} Failed after 0:02: 11 failed files are more than error_threshold=10 allows (3 of 5 mini-batches kept)."
    )
    assert len(lines) <= 8
    with pytest.raises(JobException, match="could not convert"):
        client.jobs.result(job)


def test_a_hosts_failure_is_not_blamed_on_the_script(client: MLClient, held: Workspace, job: str) -> None:
    error = {"type": "HostDied", "message": "…", "phase": "host"}
    held.jobs.transition(job, JobStatus.NOT_RESPONDING, detail="the compute host died too often", error=error)
    with pytest.raises(JobException) as caught:
        client.jobs.stream(job)
    assert str(caught.value).startswith(f"Job {job} NotResponding: the compute host died too often.")


def test_errors(client: MLClient, held: Workspace, job: str) -> None:
    assert client.jobs.errors(job).empty
    run_job(held, job, failed=2)
    (row,) = client.jobs.errors(job).to_dict("records")
    assert (row["type"], row["count"], row["files"], row["example_file"], row["line"]) == (
        "ValueError",
        2,
        2,
        "0.csv",
        9,
    )
    assert row["traceback"].startswith("Traceback")


def test_a_canceled_job_has_no_result(client: MLClient, held: Workspace, job: str) -> None:
    poller = client.jobs.begin_cancel(job)
    poller.result(timeout=5)
    assert (poller.done(), poller.status()) == (True, "Succeeded")
    assert client.jobs.get(job).status == "Canceled"
    with pytest.raises(JobCanceled):
        client.jobs.result(job)
    with pytest.raises(StateError, match="nothing to cancel"):
        client.jobs.begin_cancel(job)


def test_cancel_of_a_running_job_ends_with_it(client: MLClient, held: Workspace, job: str) -> None:
    held.jobs.transition(job, JobStatus.PREPARING)
    poller = client.jobs.begin_cancel(job)
    assert not poller.done()
    with pytest.raises(TimeoutError):
        poller.result(timeout=0.01)
    held.jobs.transition(job, JobStatus.CANCELED)
    assert poller.result(timeout=5) is None


@pytest.mark.parametrize("child", [False, True])
def test_download(project: Path, client: MLClient, held: Workspace, job: str, *, child: bool) -> None:
    name = client.jobs.list(parent_job_name=job)[0].name if child else job
    with pytest.raises(JobException, match=r"state Queued.*Canceled, Completed, Failed"):
        client.jobs.download(name, output_name="score")
    run_job(held, job)
    client.jobs.download(name=name, download_path=".", output_name="score")
    assert (project / "named-outputs" / "score" / "predictions.csv").read_text().splitlines()[0] == "0.csv"
    assert not (project / "artifacts").exists()
    client.jobs.download(name, download_path="elsewhere")
    assert (project / "elsewhere" / "artifacts" / "logs" / "user" / "job_progress_overview.txt").is_file()
    client.jobs.download(name, download_path="both", all=True)
    assert {path.name for path in (project / "both").iterdir()} == {"named-outputs", "artifacts"}
    with pytest.raises(ResourceNotFoundError, match="score"):
        client.jobs.download(name, output_name="scores")


def test_download_takes_only_the_jobs_own_file(project: Path, client: MLClient, held: Workspace) -> None:
    (project / "out").mkdir()
    (project / "out" / "private.txt").write_text("not the job's")
    job = client.batch_endpoints.invoke("heart", input="./data", outputs={"score": "./out"}).name
    run_job(held, job)
    client.jobs.download(job, output_name="score")
    assert [path.name for path in (project / "named-outputs" / "score").iterdir()] == ["predictions.csv"]


def test_a_job_without_output_says_so(client: MLClient, held: Workspace, job: str) -> None:
    run_job(held, job, JobStatus.FAILED, failed=5)
    with pytest.raises(ResourceNotFoundError, match="left no output"):
        client.jobs.download(job, output_name="score")


def test_summary_only_keeps_no_rows(client: MLClient, held: Workspace) -> None:
    job = client.batch_endpoints.invoke(
        "heart", input="./data", params_override={"output_action": "summary_only"}
    ).name
    run_job(held, job)
    with pytest.raises(StateError, match="kept no rows"):
        client.jobs.result(job)


def test_logs(client: MLClient, held: Workspace, job: str) -> None:
    with pytest.raises(ResourceNotFoundError, match="no log yet"):
        client.jobs.logs(job)
    run_job(held, job)
    user = held.job_dir(job) / "logs" / "user"
    assert client.jobs.logs(job) == "overview\n"
    (user / "job_result.txt").write_text("result\n")
    assert client.jobs.logs(job) == "result\n"
    (user / "job_error.txt").write_text("")
    assert client.jobs.logs(job) == "result\n"
    (user / "job_error.txt").write_text("error\n")
    assert client.jobs.logs(job) == "error\n"
    for end in ("driver.txt", "sys/driver.txt", "logs/sys/driver.txt", "driver"):
        assert client.jobs.logs(job, end) == "driver\n"
    with pytest.raises(UsageError, match=r"fits 4 logs.*user/job_error\.txt"):
        client.jobs.logs(job, ".txt")
    for bad in ("../ledger.db", "/etc/passwd", "nothing.txt"):
        with pytest.raises(ResourceNotFoundError):
            client.jobs.logs(job, bad)


def test_delete(client: MLClient, held: Workspace, job: str) -> None:
    run_job(held, job)
    client.jobs.delete(job)
    assert not held.job_dir(job).exists()
    with pytest.raises(ResourceNotFoundError):
        client.jobs.get(job)


def test_resume_of_a_failed_job(client: MLClient, held: Workspace, job: str) -> None:
    with pytest.raises(StateError, match="goes on by itself"):
        client.jobs.resume(job)
    run_job(held, job, JobStatus.FAILED, failed=2)
    resumed = client.jobs.resume(job, params_override={"error_threshold": "-1", "retry_settings.timeout": 9})
    assert (resumed.status, resumed.run) == ("Queued", 2)
    settings = held.jobs.get(job).spec.settings
    assert (settings.error_threshold, settings.timeout, settings.mini_batch_size) == (-1, 9, 10)
    assert REDO_FAILED not in held.jobs.get(job).properties


def test_resume_with_another_version_of_the_deployment(
    project: Path, client: MLClient, held: Workspace, job: str
) -> None:
    run_job(held, job, JobStatus.FAILED, failed=2)
    (project / "code" / "score.py").write_text("def run(files):\n    return files\n")
    client.batch_deployments.begin_create_or_update(script_deployment(environment_variables={"KEY": "new"}))
    client.jobs.resume(job, redo_failed=True, deployment_version="latest")
    record = held.jobs.get(job)
    assert record.spec.deployment_version == 2
    assert record.spec.code_dir == held.deployments.get("heart", "classifier").code_dir
    assert record.spec.settings.environment_variables == ("KEY",)
    assert held.secrets.get(job) == {"KEY": "new"}
    assert record.properties[REDO_FAILED] == "2"


def test_resume_that_means_nothing(client: MLClient, held: Workspace, job: str) -> None:
    run_job(held, job, JobStatus.FAILED, failed=2)
    for change, kind in (
        ({"mini_batch_size": 3}, ValidationException),
        ({"output_format": "csv"}, ValidationException),
        ({"nonsense": 1}, UnknownField),
        ({"instance_count": 9}, ValidationException),
    ):
        with pytest.raises(kind):
            client.jobs.resume(job, params_override=change)
    with pytest.raises(ValidationException):
        client.jobs.resume(job, deployment_version="newest")
    with pytest.raises(ResourceNotFoundError):
        client.jobs.resume(job, deployment_version=7)
    assert held.jobs.get(job).status == "Failed"


def test_resume_of_a_completed_job(client: MLClient, held: Workspace, job: str) -> None:
    run_job(held, job)
    with pytest.raises(StateError, match="nothing is left"):
        client.jobs.resume(job, redo_failed=True)


def test_resume_of_a_completed_job_with_failed_files(client: MLClient, held: Workspace, job: str) -> None:
    run_job(held, job, failed=1)
    with pytest.raises(StateError, match="--redo-failed"):
        client.jobs.resume(job)
    assert client.jobs.resume(job, redo_failed=True).run == 2
