"""`jobs.handle`: a job as an object, in a program, in an event loop and in a real kernel."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from typing import TYPE_CHECKING

import nbformat
import pytest
from nbclient import NotebookClient
from sdk_support import ERROR, run_job, script_deployment

from batchmagic import MLClient
from batchmagic.entities import BatchJob
from batchmagic.entities.status import JobStatus
from batchmagic.errors import JobCanceled, JobException, ResourceNotFoundError, StateError

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.sdk.job import Job
    from batchmagic.workspace import Workspace

NAME = "amber-falcon-3f9a"

SHORT_ERROR = [
    "\033[31mValueError\033[0m: could not convert string to float: 'n/a'",
    "  score.py, line 9, in run:   \033[1mpred = model.predict(df.astype(float))\033[0m",
    "  mini-batch 0, which begins with 0.csv",
    (
        f"Job {NAME} \033[31mFailed\033[0m after 0:02: 11 failed files are more than error_threshold=10 allows "
        "(3 of 5 mini-batches kept)."
    ),
    "  %batch job errors amber --full                       the tracebacks, grouped",
    "  %batch job logs amber                                what was logged",
    "  %batch job resume amber --set error_threshold=-1     go on from where it stopped",
]


@pytest.fixture
def job(client: MLClient, held: Workspace) -> Job:
    client.batch_endpoints.invoke("heart", input="./data", job_name=NAME)
    return client.jobs.handle("amber")


@pytest.fixture
def failed(job: Job, held: Workspace) -> Job:
    run_job(held, NAME, JobStatus.FAILED, failed=2)
    return job


# --- as an object


def test_what_it_says_is_as_it_is_now(job: Job, held: Workspace) -> None:
    assert (job.name, job.type, job.endpoint_name, job.deployment_name) == (
        NAME,
        "pipeline",
        "heart",
        "classifier",
    )
    assert job.id == f"azureml:jobs/{NAME}"
    assert (job.status, job.output, repr(job)) == ("Queued", None, f"Job({NAME}: Queued)")
    run_job(held, NAME, failed=1)
    assert (job.status, job.progress.files_failed) == ("Completed", 1)
    assert repr(job) == f"Job({NAME}: Completed · 1 file failed)"
    assert isinstance(job.snapshot, BatchJob)
    assert job.snapshot.name == NAME
    assert job.output == held.job_dir(NAME) / "outputs" / "score" / "predictions.csv"


def test_jobs_are_equal_by_workspace_and_name(client: MLClient, job: Job, tmp_path: Path) -> None:
    other = MLClient(client.session.read().root)
    assert other.jobs.handle(NAME) == job
    assert len({job, other.jobs.handle("amber")}) == 1
    client.batch_endpoints.invoke("heart", input="./data", job_name="blue-crow-1")
    assert client.jobs.handle("blue") != job
    assert job != NAME
    other.session.close()


def test_there_is_no_handle_of_what_is_not_there(client: MLClient, job: Job) -> None:
    with pytest.raises(ResourceNotFoundError, match="nothing-like-it"):
        client.jobs.handle("nothing-like-it")


def test_the_output_of_a_job_that_did_not_complete_is_not_what_lay_there_before(
    client: MLClient, held: Workspace, project: Path
) -> None:
    (project / "out").mkdir()
    (project / "out" / "predictions.csv").write_text("old\n")
    client.batch_endpoints.invoke(
        "heart", input="./data", outputs={"score": "./out"}, job_name="second", overwrite=True
    )
    job = client.jobs.handle("second")
    assert job.output is None
    run_job(held, "second")
    assert job.output == project / "out" / "predictions.csv"


def test_a_script_that_keeps_its_own_files_has_a_folder(client: MLClient, held: Workspace) -> None:
    client.batch_endpoints.invoke(
        "heart", input="./data", job_name="own", params_override=[{"output_action": "summary_only"}]
    )
    job = client.jobs.handle("own")
    assert job.output is None
    run_job(held, "own")
    assert job.output == held.job_dir("own") / "outputs" / "score"


def test_the_definition_has_no_secrets(client: MLClient, held: Workspace) -> None:
    deployment = script_deployment("secret", environment_variables={"TOKEN": "s3cr3t"}, mini_batch_size=2)
    client.batch_deployments.begin_create_or_update(deployment)
    client.batch_endpoints.invoke("heart", deployment_name="secret", input="./data", job_name="one")
    text = client.jobs.handle("one").definition
    assert "s3cr3t" not in text
    for line in ("deployment_name: secret", "mini_batch_size: 2", "TOKEN: null", "scoring_script: score.py"):
        assert line in text


# --- waiting


def test_wait_returns_the_job_and_calls_the_hook(job: Job, held: Workspace) -> None:
    ends: list[str] = []
    job.on_end = lambda: ends.append(str(job.status))
    with pytest.raises(TimeoutError, match="still Queued"):
        job.wait(timeout=0.05)
    assert ends == []
    thread = threading.Thread(target=run_job, args=(held, NAME))
    thread.start()
    assert job.wait(timeout=20) is job
    thread.join()
    assert job.result() is not None
    assert ends == ["Completed", "Completed"]


def test_a_failed_job_ends_a_wait_and_has_no_result(failed: Job) -> None:
    ends: list[int] = []
    failed.on_end = lambda: ends.append(1)
    assert failed.wait().status == "Failed"
    with pytest.raises(JobException, match="ValueError: could not convert"):
        failed.result()
    assert len(ends) == 2


def test_a_canceled_job_has_no_result(job: Job, held: Workspace) -> None:
    assert job.cancel() is job
    assert job.status == "Canceled"  # it had not begun
    with pytest.raises(JobCanceled):
        job.result()
    with pytest.raises(StateError):
        job.cancel()


def test_cancel_can_wait_for_the_end(job: Job, held: Workspace) -> None:
    held.jobs.transition(NAME, JobStatus.PREPARING)

    def host() -> None:
        while job.status != "CancelRequested":
            time.sleep(0.01)
        held.jobs.transition(NAME, JobStatus.CANCELED)

    thread = threading.Thread(target=host)
    thread.start()
    assert job.cancel(wait=True).status == "Canceled"
    thread.join()


def test_await_leaves_the_event_loop_free(job: Job, held: Workspace) -> None:
    async def both() -> tuple[Job, int]:
        waiting = asyncio.ensure_future(_awaited(job))
        turns = 0
        while not waiting.done():
            await asyncio.sleep(0.01)
            turns += 1
            if turns == 5:
                await asyncio.to_thread(run_job, held, NAME)
        return await waiting, turns

    ends: list[int] = []
    job.on_end = lambda: ends.append(1)
    found, turns = asyncio.run(both())
    assert found is job
    assert turns >= 5
    assert ends == [1]


def test_a_canceled_await_says_that_the_job_goes_on(
    client: MLClient, job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    client.session.tell = told.append
    # So long that a pause which held up the event loop would be noticed.
    monkeypatch.setattr("batchmagic.sdk.follow._QUICK", 3600.0)

    async def some_turns() -> None:
        waiting = asyncio.ensure_future(_awaited(job))
        for _ in range(50):
            await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    asyncio.run(some_turns())
    assert told[0] == f"Stopped waiting; job {NAME} goes on."
    assert job.status == "Queued"


async def _awaited(job: Job) -> Job:
    return await job


def test_several_jobs_are_awaited_together(client: MLClient, job: Job, held: Workspace) -> None:
    client.batch_endpoints.invoke("heart", input="./data", job_name="second")
    run_job(held, NAME)
    run_job(held, "second", JobStatus.FAILED, failed=2)

    async def all_of_them() -> list[Job]:
        return await asyncio.gather(_awaited(job), _awaited(client.jobs.handle("second")))

    assert [one.status for one in asyncio.run(all_of_them())] == ["Completed", "Failed"]


# --- looking into it


def test_errors(failed: Job) -> None:
    report = failed.errors()
    assert [(group.type, group.files) for group in report] == [("ValueError", 2)]
    assert len(report) == 1
    assert report.frame["example_file"].tolist() == ["0.csv"]
    short, full = repr(report), repr(failed.errors(full=True))
    assert "could not convert string to float: 'n/a'" in short
    assert "Traceback" not in short
    assert ERROR["traceback"].strip() in full
    html = failed.errors(full=True)._repr_mimebundle_()["text/html"]
    assert "<pre>Traceback (most recent call last):" in html
    assert "&#x27;n/a&#x27;" in html


def test_no_errors(job: Job) -> None:
    report = job.errors()
    assert (len(report), report.frame.empty, repr(report)) == (0, True, f"No errors · {NAME}")
    assert {"type", "message", "files", "traceback"} <= set(report.frame)


def test_logs(failed: Job, held: Workspace) -> None:
    assert failed.logs() == "overview\n"
    assert failed.logs("driver.txt") == "driver\n"
    long = held.job_dir(NAME) / "logs" / "sys" / "long.txt"
    long.write_text("".join(f"{n}\n" for n in range(10_000)) + "x" * 100_000 + "\n")
    log = failed.logs("long.txt")
    assert log == long.read_text()
    shown = repr(log).splitlines()
    assert len(shown) == 201
    assert (shown[0], shown[40]) == ("0", "… 9,801 lines are not shown; print() shows all …")
    assert len(shown[-1]) == 1001


def test_download(failed: Job, tmp_path: Path) -> None:
    (folder,) = failed.download(tmp_path / "here")
    assert (folder / "user" / "job_progress_overview.txt").read_text() == "overview\n"


def test_download_of_the_output(job: Job, held: Workspace, tmp_path: Path) -> None:
    run_job(held, NAME)
    (folder,) = job.download(tmp_path, "score")
    assert (folder / "predictions.csv").read_text().startswith("0.csv\n")


def test_resume_with_the_newest_version_takes_over_its_cell(
    client: MLClient, failed: Job, held: Workspace
) -> None:
    labelled = script_deployment(properties={"batchmagic.cell": "7"})
    client.batch_deployments.begin_create_or_update(labelled)
    assert failed.resume() is failed
    assert held.jobs.get(NAME).spec.script_title is None
    run = failed.snapshot.run
    held.jobs.transition(NAME, JobStatus.PREPARING)
    held.jobs.transition(NAME, JobStatus.FAILED)
    failed.resume(deployment_version="latest")
    assert (failed.snapshot.run, failed.status) == (run + 1, "Queued")
    assert held.jobs.get(NAME).spec.script_title == "cell [7]"


# --- as people see it


OPEN = """
from batchmagic import MLClient
client = MLClient({root!r})
client.session.command = "%batch"
job = client.jobs.handle("amber")
"""


def executed(root: Path, *cells: str) -> list[list[nbformat.NotebookNode]]:
    """Run the cells in a kernel of their own and return the outputs of each."""
    sources = [OPEN.format(root=str(root)), *cells]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60).execute()
    return [cell.outputs for cell in notebook.cells[1:]]


def test_a_kernel_shows_the_short_error_wherever_it_comes_from(failed: Job, held: Workspace) -> None:
    result, old_result, stream, in_function, awaited = executed(
        held.root,
        "job.result()",
        "client.jobs.result('amber')",
        "client.jobs.stream('amber')",
        "def scores():\n    return job.result()\nscores()",
        "(await job).status",
    )
    for outputs in (result, old_result, stream, in_function):
        (error,) = [output for output in outputs if output.output_type == "error"]
        assert error.ename == "JobException"
        assert error.traceback == SHORT_ERROR
        assert error.evalue.startswith("ValueError: could not convert")
    assert awaited[0].data["text/plain"] == "<JobStatus.FAILED: 'Failed'>"


def test_a_kernel_shows_a_job_its_errors_and_its_logs(failed: Job, held: Workspace) -> None:
    shown, errors, logs = [
        outputs[0].data for outputs in executed(held.root, "job", "job.errors()", "job.logs()")
    ]
    assert set(shown) == {"application/vnd.batchmagic.job.v1+json", "text/html", "text/plain"}
    document = shown["application/vnd.batchmagic.job.v1+json"]
    assert (document["name"], document["status"]) == (NAME, "Failed")
    assert set(errors) == {"application/vnd.batchmagic.errors.v1+json", "text/html", "text/plain"}
    assert errors["application/vnd.batchmagic.errors.v1+json"]["next"] == ["%batch job errors amber --full"]
    assert dict(logs) == {"text/plain": "overview"}


# Leaves a mark whenever the job is looked at.
MARKED = """
look = client.session.job
def looked(name):
    open({mark!r}, "w").close()
    return look(name)
client.session.job = looked
"""

STOPPED = """Stopped waiting; job amber-falcon-3f9a goes on.
  %batch job stream amber     follow it again
  %batch job cancel amber     end it
"""


@pytest.mark.parametrize("wait", ["job.wait()", "job.result()", "await job"])
def test_an_interrupt_leaves_the_job_running_and_says_so(
    job: Job, held: Workspace, tmp_path: Path, wait: str
) -> None:
    mark = tmp_path / "looked"
    sources = [OPEN.format(root=str(held.root)), MARKED.format(mark=str(mark)), wait, "job.status.value"]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    client = NotebookClient(notebook, kernel_name="python3", allow_errors=True, timeout=60)
    tasks = []

    async def interrupt() -> None:
        while not mark.exists():  # noqa: ASYNC110 - it is another process that makes it
            await asyncio.sleep(0.02)
        await client.km.interrupt_kernel()

    async def begun(cell: nbformat.NotebookNode, cell_index: int) -> None:
        if sources[cell_index] == wait:
            tasks.append(asyncio.ensure_future(interrupt()))

    client.on_cell_execute = begun
    client.execute()
    *_, waited, after = notebook.cells
    assert "".join(output.text for output in waited.outputs if output.output_type == "stream") == STOPPED
    (error,) = [output for output in waited.outputs if output.output_type == "error"]
    if wait != "await job":
        assert error.traceback == ["\033[31mKeyboardInterrupt\033[0m"]
    assert after.outputs[0].data["text/plain"] == "'Queued'"


def test_an_interrupted_program_says_so(job: Job, held: Workspace, tmp_path: Path) -> None:
    mark = tmp_path / "looked"
    source = f"{OPEN.format(root=str(held.root))}{MARKED.format(mark=str(mark))}job.wait()"
    command = [sys.executable, "-c", source]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        while not mark.exists():
            assert process.poll() is None
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        said, error = process.communicate(timeout=30)
    assert said == STOPPED
    assert error.splitlines()[-1].endswith("Interrupted")
    assert job.status == "Queued"


def test_ipython_in_a_terminal_shows_the_short_error(failed: Job, held: Workspace) -> None:
    source = f"{OPEN.format(root=str(held.root))}\njob.result()"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "-c", source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "\n".join(SHORT_ERROR) in done.stdout
