"""A disk of a few MiB that nobody else sees, and what runs on it.

`run` starts this file in user and mount namespaces of its own, where it may mount; there it mounts a tmpfs and calls a
function of a test module, whose answer it prints. Without such namespaces there is no way to fill a disk for real.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def run(module: str, function: str, *arguments: object, mib: int, folder: Path) -> dict:
    """Return what ``module.function(disk, *arguments)`` returns, where `disk` is a folder on a new disk."""
    namespaces = ["unshare", "--user", "--map-root-user", "--mount"]
    if subprocess.run([*namespaces, "true"], check=False, capture_output=True).returncode:
        pytest.skip("optional: a kernel that gives users namespaces of their own")
    place = folder / "disk"
    place.mkdir()
    call = json.dumps([module, function, str(place), mib, arguments])
    paths = os.pathsep.join([str(FOLDER), str(FOLDER.parent / "main_job"), str(FOLDER.parent)])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([paths, os.environ.get("PYTHONPATH", "")])}
    done = subprocess.run(
        [*namespaces, sys.executable, __file__, call],
        check=False,
        capture_output=True,
        text=True,
        env=environment,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return json.loads(done.stdout.splitlines()[-1])


def fill(disk: Path, *, left: int = 0) -> Path:
    """Return a file that takes all of the disk but `left` bytes."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        chunk = bytes(1 << 16)
        while chunk:
            try:
                file.write(chunk)
            except OSError:
                chunk = chunk[: len(chunk) // 2]
    os.truncate(filler, max(0, filler.stat().st_size - left))
    return filler


def _main(call: str) -> None:
    module, function, place, mib, arguments = json.loads(call)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={mib}m", "tmpfs", place], check=True)
    answer = getattr(importlib.import_module(module), function)(Path(place), *arguments)
    print(json.dumps(answer))


if __name__ == "__main__":
    _main(sys.argv[1])
