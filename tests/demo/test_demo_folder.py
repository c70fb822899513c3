"""The folder of the demo begins anew, and is never one that holds anything else."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from batchmagic.demo.folder import MARK, WORKSPACE, make_anew
from batchmagic.demo.main import main
from batchmagic.errors import UsageError


def test_what_an_earlier_demo_left_is_gone_read_only_snapshots_too(tmp_path):
    folder = tmp_path / "demo-output"
    make_anew(folder)
    snapshot = folder / "assets" / "model"
    snapshot.mkdir(parents=True)
    (snapshot / "weights").touch(mode=0o400)
    snapshot.chmod(0o500)

    make_anew(folder)

    assert sorted(path.name for path in folder.iterdir()) == [".gitignore", MARK]


@pytest.mark.parametrize("there", ["a file of the user's", "a folder of the user's"])
def test_what_is_not_the_demos_is_left_alone(tmp_path, there, capsys):
    folder = tmp_path / "work"
    if there.startswith("a file"):
        folder.write_text("mine")
    else:
        folder.mkdir()
        (folder / "thesis.tex").write_text("mine")

    with pytest.raises(UsageError, match="not the demo's"):
        make_anew(folder)

    assert main(["--folder", str(folder)]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    kept = folder if folder.is_file() else folder / "thesis.tex"
    assert kept.read_text() == "mine"


def test_an_empty_folder_is_taken(tmp_path):
    make_anew(tmp_path)
    assert (tmp_path / MARK).is_file()


def test_the_marker_of_a_process_that_is_gone_or_another_ones_is_no_hindrance(tmp_path):
    folder = tmp_path / "demo-output"
    make_anew(folder)
    record = folder / ".batchmagic" / "compute" / "demo" / "supervisor.json"
    for pid in ("999999999", "1", "", '"no number"'):
        record.parent.mkdir(parents=True)
        record.write_text(f'{{"identity": {{"pid": {pid}}}}}')
        make_anew(folder)
        assert not record.exists()


def test_a_compute_that_still_runs_there_is_ended_first(tmp_path):
    folder = tmp_path / "demo-output"
    make_anew(folder)
    workspace = folder / WORKSPACE
    record = workspace / "compute" / "demo" / "supervisor.json"
    record.parent.mkdir(parents=True)
    program = "import signal; print('here', flush=True); signal.pause()"
    waits = [sys.executable, "-c", program, f"--workspace={workspace}"]
    with subprocess.Popen(waits, stdout=subprocess.PIPE, text=True) as supervisor:
        # Until its program runs, a new process has no command line to be known by.
        assert supervisor.stdout.readline() == "here\n"
        record.write_text(f'{{"identity": {{"pid": {supervisor.pid}}}}}')
        try:
            make_anew(folder)
            assert not psutil.pid_exists(supervisor.pid)
        finally:
            supervisor.kill()
