"""What the tests of the workspace share: a second process, and a look at files."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

import batchmagic
from batchmagic.entities.job_spec import Interpreter

PYTHON = Interpreter(executable=sys.executable, version="3.11", prefix=sys.prefix)


class Peer:
    """A second process that runs lines of Python and answers each with what they set `answer` to."""

    _LOOP = """
import gc, sys
import batchmagic.workspace
scope = {}
for line in sys.stdin:
    if line == "forget\\n":
        scope.clear()
        gc.collect()
        continue
    scope["answer"] = None
    try:
        exec(line, scope)
        reply = scope["answer"]
    except BaseException as error:
        reply = f"{type(error).__name__}: {error}"
    print(str(reply).replace("\\n", " "), flush=True)
"""

    def __init__(self) -> None:
        environment = {**os.environ, "PYTHONPATH": str(Path(batchmagic.__file__).parents[1])}
        self.process = subprocess.Popen(
            [sys.executable, "-c", self._LOOP],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )

    def tell(self, line: str) -> None:
        """Have a line run; `hear` must follow."""
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Return the answer to the last line; empty if the process has died of it."""
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.hear()

    def forget(self) -> bool:
        """Drop all that the process holds, for the next test; false if it is dead."""
        try:
            self.process.stdin.write("forget\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError):
            return False
        return self.ask("answer = 'ready'") == "ready"

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()
        with contextlib.suppress(BrokenPipeError):  # what it did not read any more
            self.process.stdin.close()


def tree(root: Path) -> dict[str, bytes]:
    """Return every file below `root` with its content."""
    return {
        str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()
    }
