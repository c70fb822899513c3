"""Jobs and what they freeze: statuses, settings, specifications, snapshots."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from batchmagic.constants import OutputFormat, PredictPer
from batchmagic.entities import BatchJob, CreationContext
from batchmagic.entities.job_spec import Interpreter, JobSpec
from batchmagic.entities.progress import Progress
from batchmagic.entities.settings import Settings
from batchmagic.entities.status import TERMINAL, TRANSITIONS, JobStatus, sources_of
from batchmagic.errors import ValidationException


def test_every_state_is_in_the_table_and_can_be_reached():
    assert set(TRANSITIONS) == set(JobStatus)
    for status in JobStatus:
        assert sources_of(status), status


def test_out_of_a_terminal_state_leads_only_a_new_run():
    for status in JobStatus:
        assert status.is_terminal == (TRANSITIONS[status] == {JobStatus.QUEUED})
        assert status.is_terminal == (status in TERMINAL)


def test_a_job_that_is_cancelled_cannot_be_completed():
    assert JobStatus.CANCEL_REQUESTED not in sources_of(JobStatus.COMPLETED)


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("predictions.csv", OutputFormat.AZURE),
        ("x.txt", OutputFormat.AZURE),
        ("x", OutputFormat.AZURE),
        ("x.JSONL", OutputFormat.JSONL),
        ("x.ndjson", OutputFormat.JSONL),
        ("x.parquet", OutputFormat.PARQUET),
        ("x.pqt", OutputFormat.PARQUET),
    ],
)
def test_the_form_of_an_output_follows_its_name(name, form):
    assert Settings(output_file_name=name).effective_format() == form
    assert (
        Settings(output_file_name=name, output_format=OutputFormat.CSV).effective_format() == OutputFormat.CSV
    )


def test_a_specification_survives_being_stored():
    spec = JobSpec(
        name="j", endpoint="e", deployment="d", deployment_version=2, compute="local",
        settings=Settings(output_format=OutputFormat.CSV, environment_variables=("A",), predict_per=PredictPer.FILE),
        interpreter=Interpreter(executable="/usr/bin/python3", version="3.11.7", prefix="/usr"),
        input_path="/data", input_type="uri_folder", input_reference="azureml:d:1",
    )  # fmt: skip
    assert JobSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec
    stored_by_an_older_version = {
        key: value for key, value in spec.to_json().items() if key != "script_title"
    }
    assert JobSpec.from_json(stored_by_an_older_version) == spec
    assert JobSpec.from_json({**spec.to_json(), "from_the_future": 1}) == spec


def test_settings_of_another_version_keep_what_is_known():
    stored = {**Settings(timeout=3).to_json(), "from_the_future": 1}
    assert Settings.from_json(stored) == Settings(timeout=3)


def test_a_job_shows_azures_words_and_subtractable_times():
    now = datetime.now(UTC)
    job = BatchJob(
        name="batchjob-1", status="Completed", endpoint_name="e", progress=Progress(mini_batches=4, completed=4),
        creation_context=CreationContext(created_at=now, last_modified_at=now + timedelta(seconds=5)),
    )  # fmt: skip
    assert job.status == "Completed" == JobStatus.COMPLETED
    assert (job.creation_context.last_modified_at - job.creation_context.created_at).total_seconds() == 5
    assert json.loads(json.dumps(job.to_dict()))["progress"]["completed"] == 4
    assert BatchJob.from_dict(job.to_dict()) == job
    assert BatchJob(name="j").to_dict()["creation_context"] == {}


def test_a_status_that_there_is_not_is_refused():
    with pytest.raises(ValidationException, match="status"):
        BatchJob(name="j", status="Done")
