"""A disk that is full for real, under a whole job: it fails in clear words, and goes on once there is room."""

from __future__ import annotations

import pytest
import small_disk

pytestmark = pytest.mark.timeout(300)  # a busy machine is no finding


@pytest.mark.parametrize(
    "moment",
    [
        "while_rows_are_written",
        "to_the_last_byte",
        pytest.param("while_the_output_is_assembled", marks=pytest.mark.nightly),
    ],
)
def test_the_job_fails_in_clear_words_and_goes_on_once_there_is_room(moment, tmp_path, tally):
    seen = small_disk.run("disk_jobs", moment, mib=48, folder=tmp_path)
    disk = str(tmp_path / "disk")
    assert seen["status"] == "Failed"
    assert f"the disk at {disk} is full" in seen["detail"], seen["detail"]
    assert f"{disk}/workspace/" in seen["detail"]
    assert "prune" in seen["detail"]
    assert "then resume" in seen["detail"]
    assert seen["error"]["type"] == "DiskError"
    assert seen["failed"] == seen["attempts"] == 0, "the disk was blamed on mini-batches"
    assert seen["same_host"], "the host did not survive it"
    assert seen["redone"] == [], "what was committed was scored again"
    if moment != "while_the_output_is_assembled":
        assert seen["kept"] < 40
    assert seen["left"] == []
    tally.trial(bad=bool(seen["problems"]))
    assert seen["problems"] == []


@pytest.mark.slow
def test_an_invoke_is_refused_and_leaves_nothing(tmp_path):
    seen = small_disk.run("disk_jobs", "before_anything", mib=48, folder=tmp_path)
    assert f"the disk at {tmp_path / 'disk'} is full" in seen["said"]
    assert seen["jobs"] == []
    assert seen["problems"] == []
    assert seen["left"] == []


@pytest.mark.nightly
def test_a_disk_that_can_only_be_read_is_told_so(tmp_path):
    seen = small_disk.run("disk_jobs", "read_only", mib=48, folder=tmp_path)
    for what, (code, out, error) in seen["said"].items():
        assert code != 0, (what, out)
        assert "workspace.db" in error
        assert f"the disk at {tmp_path / 'disk'} is read-only" in error, (what, error)
        assert "Traceback" not in error
    assert seen["left"] == []
