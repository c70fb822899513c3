"""A supervisor whose workspace is moved away: it starts no host in the old place, and makes nothing there."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from batchmagic.host.supervisor import MOVED
from batchmagic.processes import python_command, python_environment

# Notes that it was started, then waits for its end.
HOST = (
    "import os, sys, time\nopen(sys.argv[1], 'a').write(f'{os.getpid()}\\n')\nwhile True: time.sleep(0.05)\n"
)


@pytest.mark.parametrize("way", ["moved", "replaced"])
def test_it_leaves_with_a_code_of_its_own(tmp_path, way):
    workspace, starts = tmp_path / "workspace", tmp_path / "starts"
    workspace.mkdir()
    command = [sys.executable, "-c", HOST, str(starts)]
    supervisor = subprocess.Popen(
        python_command(
            "batchmagic.host.supervisor",
            f"--workspace={workspace}",
            "--compute=local",
            f"--command={json.dumps(command)}",
        ),
        env=python_environment(),
        cwd="/",
    )
    try:
        deadline = time.monotonic() + 60
        while not (starts.exists() and starts.read_text().endswith("\n")):
            assert time.monotonic() < deadline, "the host was not started"
            time.sleep(0.02)
        workspace.rename(tmp_path / "away")
        if way == "replaced":
            (workspace / "compute" / "local").mkdir(parents=True)
        (host,) = map(int, starts.read_text().split())
        os.kill(host, signal.SIGKILL)
        assert supervisor.wait(60) == MOVED
    finally:
        supervisor.kill()
        supervisor.wait()
    assert starts.read_text().split() == [str(host)]
    assert [path.name for path in workspace.rglob("*")] == (["compute", "local"] if way == "replaced" else [])
