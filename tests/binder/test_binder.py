"""binder/: its steps, done as mybinder.org does them, give an environment in which the quickstart runs on one core."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import sys
import threading
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

import nbformat
import psutil
import pytest

from batchmagic.demo.folder import end_computes

ROOT = Path(__file__).resolve().parents[2]
BINDER = ROOT / "binder"
COPIED = ("batchmagic", "binder", "notebooks", "LICENSE", "README.md", "pyproject.toml", "requirements.lock")
LIMIT = 2 << 30
SAMPLE_SECONDS = 0.25


# --- the files


def test_it_has_only_files_that_repo2docker_reads():
    assert {path.name for path in BINDER.iterdir()} == {"postBuild", "requirements.txt", "runtime.txt"}


def test_a_step_that_fails_ends_the_build():
    first, *lines = (BINDER / "postBuild").read_text().splitlines()
    assert first == "#!/usr/bin/env bash"
    code = [line for line in lines if line and not line.startswith("#")]
    assert code[0] == "set -euo pipefail"
    assert (BINDER / "postBuild").stat().st_mode & stat.S_IXUSR


def test_every_requirement_is_locked():
    lock = {line.partition("==")[0] for line in (ROOT / "requirements.lock").read_text().splitlines()}
    lines = [
        line for line in (BINDER / "requirements.txt").read_text().splitlines() if not line.startswith("#")
    ]
    assert lines[0] == "-c ../requirements.lock"
    assert lines[-1] == "."
    assert set(lines[1:-1]) <= lock


def test_the_python_is_one_that_batchmagic_supports():
    assert (BINDER / "runtime.txt").read_text().strip() in {"python-3.11", "python-3.12"}


# --- the steps


class Binder:
    """A copy of the repository and an environment of its own, on one core and with Binder's variables."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.repository = folder, folder / "repository"
        self.repository.mkdir()
        for name in COPIED:
            source, target = ROOT / name, self.repository / name
            if source.is_dir():
                shutil.copytree(
                    source,
                    target,
                    ignore=shutil.ignore_patterns("__pycache__", ".batchmagic", "quickstart-work"),
                )
            else:
                shutil.copy2(source, target)
        (folder / "home").mkdir()
        # The caches of the installer are no part of the image.
        kept = {
            key: value
            for key, value in os.environ.items()
            if key.startswith(("PIP_", "SSL_", "UV_")) or key in {"LANG", "TMPDIR"}
        }
        self.variables = {
            **kept,
            "HOME": str(folder / "home"),
            "PATH": os.pathsep.join([str(folder / "env" / "bin"), os.environ["PATH"]]),
            "CPU_LIMIT": "1.0",
            "MEM_LIMIT": str(LIMIT),
        }

    def run(self, *command: str) -> str:
        """Run a command in the repository and return what it printed; it must succeed."""
        with self.process(*command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            text, _ = process.communicate()
        assert process.returncode == 0, text
        return text

    def process(self, *command: str, **options) -> subprocess.Popen:
        one_core = ["taskset", "--cpu-list", str(min(os.sched_getaffinity(0)))]
        return subprocess.Popen([*one_core, *command], cwd=self.repository, env=self.variables, **options)

    @contextmanager
    def lab(self):
        """JupyterLab as a visitor has it; yields when its server answers."""
        options = ["--no-browser", "--ip=127.0.0.1", "--port=0", "--allow-root"]
        log = self.folder / "lab.txt"
        with (
            log.open("w") as file,
            self.process("jupyter", "lab", *options, stdout=file, stderr=file) as server,
        ):
            try:
                until(lambda: "is running at" in log.read_text())
                yield
            finally:
                server.terminate()

    def processes(self) -> list[psutil.Process]:
        """All that live in the copy or in the environment, and their children."""
        found = {}
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if str(self.folder) in " ".join([*process.cmdline(), process.cwd()]):
                    found.update({p.pid: p for p in [process, *process.children(recursive=True)]})
        return list(found.values())

    def memory(self) -> int:
        """The bytes that all processes hold together; shared ones count once."""
        total = 0
        for process in self.processes():
            with suppress(psutil.Error, OSError):
                info = process.memory_full_info()
                total += getattr(info, "pss", info.rss)
        return total


class Sampler(threading.Thread):
    """Notes the most that `binder` held at any time until it is stopped."""

    def __init__(self, binder: Binder) -> None:
        super().__init__()
        self._binder, self._over = binder, threading.Event()
        self.samples: list[int] = []

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self.join()

    def run(self) -> None:
        while not self._over.wait(SAMPLE_SECONDS):
            self.samples.append(self._binder.memory())


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Binder is Linux, and so is taskset")
def test_the_steps_give_an_environment_that_runs_the_quickstart_on_one_core_within_2_gb(tmp_path):
    binder = Binder(tmp_path)
    named = (BINDER / "runtime.txt").read_text().strip().replace("-", "")
    python = shutil.which(named) or sys.executable
    subprocess.run([python, "-m", "venv", str(tmp_path / "env")], check=True)
    binder.run("pip", "install", "--quiet", "--disable-pip-version-check", "-r", "binder/requirements.txt")
    assert "No broken requirements found" in binder.run("./binder/postBuild")

    notebook = binder.repository / "notebooks" / "quickstart.ipynb"
    try:
        with binder.lab(), Sampler(binder) as sampler:
            binder.run("jupyter", "execute", "--inplace", str(notebook))
        (workspace,) = notebook.parent.glob(".batchmagic")
        overviews = [
            path.read_text() for path in workspace.glob("jobs/*/logs/user/job_progress_overview.txt")
        ]
    finally:
        end_computes(tmp_path)

    text = "".join(str(cell.get("outputs")) for cell in nbformat.read(notebook, as_version=4).cells)
    assert "of 400 predictions are right" in text
    assert len(overviews) == 2
    assert all(re.search(r"uses 1 slots?: 1 cores?, 2048 MiB of memory", overview) for overview in overviews)
    most = max(sampler.samples)
    print(f"at most {most >> 20} MiB, in {len(sampler.samples)} samples")
    assert 200 << 20 < most < LIMIT


def until(condition, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
