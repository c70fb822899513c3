"""The rules that all tests stand under, themselves tested: what is left running, and what is skipped in CI."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

RULES = Path(__file__).parent.parent / "conftest.py"

LEAVES_ONE = """
import subprocess

def test_it(workspace_folder):
    workspace_folder.root.mkdir()
    process = subprocess.Popen(["sleep", "600"], cwd=workspace_folder.root)
    print("left", process.pid)
    process.returncode = 0  # nobody waits for it
"""
LEAVES_NONE = "def test_it(workspace_folder):\n    workspace_folder.root.mkdir()\n"
SKIPS = "import pytest\n\ndef test_it():\n    pytest.skip({reason!r})\n"
SKIPS_ALL = "import pytest\n\npytest.skip({reason!r}, allow_module_level=True)\n"


def run_tests(folder: Path, source: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a test file under the shared conftest.py and return how that ended."""
    (folder / "conftest.py").write_text(RULES.read_text())
    (folder / "test_it.py").write_text(source)
    environment = {name: value for name, value in os.environ.items() if name != "CI"} | variables
    environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-rA",
        "-p",
        "no:cacheprovider",
        "--rootdir",
        str(folder),
        str(folder),
    ]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_process_that_is_left_fails_the_test_and_is_ended(tmp_path):
    source = LEAVES_ONE + "\nimport conftest\nconftest._STOP_SECONDS = 1\n"
    done = run_tests(tmp_path, source)
    assert done.returncode == 1, done.stdout
    assert "sleep 600" in done.stdout
    pid = next(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("left "))
    assert not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def test_a_clean_workspace_passes(tmp_path):
    assert run_tests(tmp_path, LEAVES_NONE).returncode == 0


@pytest.mark.parametrize("source", [SKIPS, SKIPS_ALL])
def test_a_missing_optional_part_is_a_failure_in_ci_only(tmp_path, source):
    optional = source.format(reason="optional: no browser here")
    here, ci = run_tests(tmp_path, optional), run_tests(tmp_path, optional, CI="true")
    assert "1 skipped" in here.stdout
    assert ci.returncode != 0
    assert "skipped in CI: optional: no browser here" in ci.stdout


def test_other_skips_stay_skips_in_ci(tmp_path):
    done = run_tests(tmp_path, SKIPS.format(reason="needs Linux"), CI="true")
    assert done.returncode == 0
    assert "1 skipped" in done.stdout
