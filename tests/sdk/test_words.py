"""Progress and failures in words."""

from __future__ import annotations

import pytest
from sdk_support import ERROR

from batchmagic.entities.progress import Progress
from batchmagic.entities.settings import Settings
from batchmagic.entities.status import JobStatus
from batchmagic.sdk.failure import cause_of, failure_lines, short_name
from batchmagic.sdk.pace import Meter, Pace, headline, progress_line
from batchmagic.words import clock, counted, rate_text
from batchmagic.workspace.ledger_errors import ErrorGroup

GROUP = ErrorGroup(
    type="ValueError",
    message="could not convert string to float: 'x'",
    phase="run",
    count=5,
    files=5,
    frame=("/code/score.py", 9, "run", "    pred = 1"),
    example_file="patients/patients-0107.csv",
    example_mini_batch=106,
    tracebacks=("Traceback …",),
)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00"), (19.4, "0:19"), (59.6, "1:00"), (3723, "1:02:03")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_counts() -> None:
    assert [counted(n, "mini-batch") for n in (0, 1, 1200)] == [
        "0 mini-batches",
        "1 mini-batch",
        "1,200 mini-batches",
    ]
    assert counted(1, "file") == "1 file"


@pytest.mark.parametrize(
    ("rate", "text"), [(1234.5, "1,234/s"), (38.2, "38/s"), (3.25, "3.2/s"), (0.041, "0.041/s")]
)
def test_rates(rate: float, text: str) -> None:
    assert rate_text(rate) == text


def test_the_meter_looks_at_the_last_seconds() -> None:
    meter = Meter()
    pace = Pace()
    for second in range(30):
        # Starts after ten seconds with one a second, and later does four a second.
        done = max(0, second - 10) if second < 16 else 5 + 4 * (second - 15)
        pace = meter.observe(Progress(mini_batches=1000, completed=done, seconds=second), float(second))
    assert pace.now == pytest.approx(4.0)
    assert pace.left == pytest.approx((1000 - 61) / 4)
    assert pace.mean == pytest.approx(61 / 29)


def test_the_meter_leaves_starting_up_out() -> None:
    meter = Meter()
    for second in range(100):
        meter.observe(Progress(mini_batches=10, seconds=second), float(second))
    assert meter.observe(Progress(mini_batches=10, completed=2, seconds=100), 100.0).now == pytest.approx(2.0)


def test_a_standing_job_has_an_estimate_by_its_mean() -> None:
    meter = Meter()
    for second in range(20):
        pace = meter.observe(Progress(mini_batches=10, completed=5, seconds=10), float(second))
    assert (pace.now, pace.left) == (0.0, 10.0)


def test_progress_line() -> None:
    progress = Progress(mini_batches=2000, completed=1228, failed=16, files_failed=16, retried=3, rows=12440)
    pace = Pace(now=38.2, left=19.0)
    line = progress_line(JobStatus.RUNNING, "", progress, pace)
    assert (
        line
        == "Running · 1,244/2,000 mini-batches · 12,440 rows · 38/s · 0:19 left · 3 retried · 16 files failed"
    )
    line = progress_line(JobStatus.QUEUED, "place 2: waits for 1 instance", Progress(), Pace())
    assert line == "Queued · place 2: waits for 1 instance"


def test_completed_with_failed_files_says_so() -> None:
    assert headline(JobStatus.COMPLETED, Progress(files_failed=16)) == "Completed · 16 files failed"
    assert headline(JobStatus.COMPLETED, Progress()) == "Completed"
    assert headline(JobStatus.FAILED, Progress(files_failed=16)) == "Failed"


def test_message_and_file_belong_together() -> None:
    cause = cause_of(ERROR, [GROUP])
    assert (cause.message, cause.file, cause.mini_batch) == (GROUP.message, GROUP.example_file, 106)
    own = {**ERROR, "file": "b.csv", "mini_batch": 7, "instance": "i0", "slot": 1}
    cause = cause_of(own, [GROUP])
    assert (cause.message, cause.file, cause.place) == (ERROR["message"], "b.csv", "instance 0, slot 1")
    assert cause_of(ERROR, []).file == ""
    assert cause_of(None, []) is None


class Spec:
    """As much of a job's specification."""

    settings = Settings(mini_batch_size=1)


class Ended:
    """As much of a job's record as the words are made of."""

    name = "amber-falcon-3f9a"
    spec = Spec()
    status = JobStatus.FAILED
    status_detail = "none of the first 10 mini-batches succeeded"
    progress = Progress(mini_batches=2000, failed=10, seconds=8)
    error = {**ERROR, "message": "a\nmessage " + "that is long " * 50}  # noqa: RUF012


def test_a_failure_has_at_most_eight_lines_of_bounded_length() -> None:
    lines = failure_lines(Ended(), [])
    assert len(lines) <= 8
    assert all(len(line) <= 200 and "\n" not in line for line in lines)
    assert lines[0].startswith("ValueError: a message that is long")
    assert lines[-1].split() == [
        "batchmagic",
        "job",
        "resume",
        "amber-falcon-3f9a",
        "--redo-failed",
        "go",
        "on,",
        "and",
        "try",
        "again",
        "what",
        "failed",
    ]


def test_what_to_type_next_uses_the_readers_words() -> None:
    lines = failure_lines(Ended(), [GROUP], command="%batch", name="amber")
    assert "  %batch job errors amber --full" in lines[-3]
    assert lines[2] == "  file patients-0107.csv, mini-batch 106"


def test_short_names() -> None:
    assert short_name("amber-falcon-3f9a") == "amber"
    assert short_name("batchjob-0c1f") == "batchjob-0c1f"
    assert short_name("my-job") == "my-job"
