"""Servers as people start them: from a notebook that dies, on a terminal, in the background."""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import requests

sys.path.insert(0, str(Path(__file__).parents[1] / "main_job"))

from main_job_support import PLAIN, Lab, until
from page_support import block

from batchmagic.processes import python_command, python_environment
from batchmagic.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from batchmagic.workspace.servers import ServerRecord

__all__ = ["PLAIN", "Lab", "block", "python_command", "until"]

# A kernel with a cell that has run, and that then waits to be killed.
NOTEBOOK = """
import os, sys
os.umask(0)
from IPython.core.interactiveshell import InteractiveShell
from batchmagic import load_ipython_extension
shell = InteractiveShell.instance()
load_ipython_extension(shell)
for cell in sys.argv[1:]:
    result = shell.run_cell(cell)
    if result.error_in_exec:
        raise SystemExit(3)
print("the cells have run", flush=True)
sys.stdin.read()
"""
MARK = "the cells have run\n"


def environment(root: Path) -> dict[str, str]:
    """Return variables with which a process has this workspace, and no settings of Jupyter but the defaults."""
    kept = {key: value for key, value in python_environment().items() if not key.startswith("JUPYTER_")}
    return {**kept, "BATCHMAGIC_WORKSPACE": str(root), "JUPYTER_CONFIG_DIR": str(root.parent / "jupyter")}


def notebook_that_dies(root: Path, *cells: str) -> str:
    """Run cells, kill the process and all of its group as soon as they have run, and return what they have shown."""
    process = subprocess.Popen(
        [sys.executable, "-c", NOTEBOOK, *cells],
        env=environment(root),
        cwd=root.parent,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    shown = []
    with process:
        for line in process.stdout:
            shown.append(line)
            if line.endswith(MARK):
                os.killpg(process.pid, signal.SIGKILL)
                break
    text = "".join(shown)
    assert text.endswith(MARK), text
    return text


def command(root: Path, words: str, *, code: int = 0) -> str:
    """Run a command line and return what it printed."""
    done = subprocess.run(
        [*python_command("batchmagic"), *words.split()],
        env=environment(root),
        cwd=root.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def on_terminal(root: Path, words: str) -> AbstractContextManager[tuple[subprocess.Popen[str], ServerRecord]]:
    """Have ``batchmagic serve`` in the foreground: the process with its record, once it answers."""
    return started(root, [*python_command("batchmagic"), "serve", *words.split()])


@contextmanager
def started(root: Path, words: list[str]) -> Iterator[tuple[subprocess.Popen[str], ServerRecord]]:
    """Have a server of this workspace, the process with its record; at the end it is gone."""
    process = subprocess.Popen(
        words,
        env=environment(root),
        cwd=root.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )

    def found() -> ServerRecord | None:
        assert process.poll() is None, process.stderr.read()
        with Workspace.open(root) as ws:
            running = ws.servers.running()
        return next((one for one in running if one.identity.pid == process.pid), None)

    with process:
        try:
            yield process, until(found, of="a server")
        finally:
            process.kill()  # nothing is done where it has ended


def get(record: ServerRecord, path: str, token: str = "", **values: Any) -> requests.Response:
    """Send a request to a server as somebody who trusts its authority."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    trust = {"verify": record.authority} if record.authority else {}
    return requests.get(f"{record.url}/batchmagic/{path}", headers=headers, timeout=30, **trust, **values)


def socket_context(record: ServerRecord) -> ssl.SSLContext:
    """Return what trusts the server."""
    return ssl.create_default_context(cafile=record.authority)


def log_lines(text: str) -> list[dict[str, Any]]:
    """Return the lines of a log in JSON."""
    return [json.loads(line) for line in text.splitlines()]
