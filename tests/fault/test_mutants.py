"""Each mutant must be noticed: what the other tests would miss, nobody would."""

from __future__ import annotations

import compileall
import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mutants import MUTANTS, NIGHTLY

import batchmagic

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mutant import Mutant

PROJECT = Path(__file__).parents[2]
TESTS_FAILED = 1


class Workshop:
    """A copy of the package, in which one mutant at a time is tried."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "batchmagic"
        shutil.copytree(
            Path(batchmagic.__file__).parent, self.package, ignore=shutil.ignore_patterns("__pycache__")
        )
        compileall.compile_dir(self.package, quiet=1, workers=1)
        self._process = subprocess.Popen(
            [sys.executable, Path(__file__).with_name("mutant_runner.py"), folder, PROJECT],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={k: v for k, v in os.environ.items() if not k.startswith(("PYTEST_", "BATCHMAGIC_"))},
            start_new_session=True,
        )
        assert self._process.stdout.readline() == "ready\n"

    def run(self, tests: tuple[str, ...]) -> tuple[int, str]:
        self._process.stdin.write(json.dumps({"tests": tests}) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline())
        return answer["code"], answer["output"]

    def run_mutant(self, mutant: Mutant) -> tuple[int, str]:
        path = self.package / mutant.file
        text, times = path.read_text(encoding="utf-8"), path.stat()
        path.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
        Path(importlib.util.cache_from_source(str(path))).unlink(missing_ok=True)
        try:
            return self.run(mutant.tests)
        finally:
            path.write_text(text, encoding="utf-8")
            os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            # A test of a mutant that never ends; it is one group with the runner.
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        self._process.stdout.close()


@pytest.fixture(scope="module")
def workshop(tmp_path_factory) -> Iterator[Workshop]:
    shop = Workshop(tmp_path_factory.mktemp("mutants"))
    yield shop
    shop.close()


def test_the_names_are_different():
    names = {mutant.name for mutant in MUTANTS}
    assert len(names) == len(MUTANTS)
    assert names > NIGHTLY


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda m: m.name)
def test_a_mutant_is_not_stale(mutant):
    text = (Path(batchmagic.__file__).parent / mutant.file).read_text(encoding="utf-8")
    assert text.count(mutant.old) == 1, f"batchmagic/{mutant.file} has this {text.count(mutant.old)} times"


def test_without_a_mutant_the_tests_pass(workshop, tier):
    tests = {test for mutant in MUTANTS if tier == "nightly" or not mutant.nightly for test in mutant.tests}
    code, output = workshop.run(tuple(sorted(tests)))
    assert code == 0, output[-3000:]


@pytest.mark.parametrize(
    "mutant",
    [
        pytest.param(m, marks=[pytest.mark.nightly, pytest.mark.timeout(600)] if m.nightly else [], id=m.name)
        for m in MUTANTS
    ],
)
def test_a_mutant_is_noticed(mutant, workshop, tally):
    code, output = workshop.run_mutant(mutant)
    tally.mutant(mutant.name, killed=code == TESTS_FAILED)
    assert code == TESTS_FAILED, f"{mutant.name} lives, so that {mutant.why}\n{output[-3000:]}"
