"""Runs tests against a copy of the package, each time in a fresh fork of one process that has imported the rest.

Reads ``{"tests": […]}`` lines and answers each with ``{"code": …, "output": …}``; the arguments are the folder of the
copy and the project's. Without the fork most of the time would go into importing what the mutants have nothing to do
with.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from pathlib import Path

import hypothesis.stateful
import pandas as pd
import psutil
import pyarrow.parquet
import pydantic
import pytest
import sqlalchemy.dialects.sqlite

LOADED = (hypothesis, pd, psutil, pyarrow, pydantic, sqlalchemy)
_ODD_COPY = 90


def main() -> None:
    copy, project = sys.argv[1:]
    os.chdir(project)
    sys.path.insert(0, copy)
    sys.dont_write_bytecode = True  # a changed file must not leave its code behind
    os.environ |= {"PYTHONPATH": copy, "PYTHONDONTWRITEBYTECODE": "1"}
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(json.loads(line)["tests"], copy)), flush=True)


def run(tests: list[str], copy: str) -> dict[str, object]:
    with tempfile.TemporaryFile() as output:
        pid = os.fork()
        if pid == 0:
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            os._exit(tried(tests, copy))
        _, status = os.waitpid(pid, 0)
        output.seek(0)
        return {"code": os.waitstatus_to_exitcode(status), "output": output.read().decode(errors="replace")}


def tried(tests: list[str], copy: str) -> int:
    # What is imported already cannot tell why an assert failed; nobody asks.
    quiet = ["-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning"]
    flags = [*quiet, "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", "--timeout=100", "--no-summary"]
    code = int(pytest.main([*flags, *tests]))
    sys.stdout.flush()
    found = Path(sys.modules["batchmagic"].__file__ or "")
    return code if found.is_relative_to(copy) else _ODD_COPY


if __name__ == "__main__":
    main()
