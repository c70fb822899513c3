"""A kernel beside a job that looks at it, is killed, and looks again."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING, Self

from jupyter_client.manager import KernelManager

if TYPE_CHECKING:
    from pathlib import Path

_PATIENCE = 60.0
_JOB = "application/vnd.batchmagic.job.v1+json"


class KernelBeside:
    """A kernel of the workspace's project."""

    def __init__(self, root: Path) -> None:
        self._folder = root.parent
        self._environment = {**os.environ, "BATCHMAGIC_WORKSPACE": str(root)}

    def __enter__(self) -> Self:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=str(self._folder), env=self._environment)
        self._connect()
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)
        self._manager.cleanup_resources()

    def _connect(self) -> None:
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=_PATIENCE)

    def killed_and_asked_again(self, job: str) -> tuple[int, float]:
        """Kill the kernel while it shows the job and start another; return what that one shows, and how soon."""
        self.shown(job)
        os.kill(self._manager.provisioner.pid, signal.SIGKILL)
        self._client.stop_channels()
        self._manager.restart_kernel(now=True)
        self._connect()
        began = time.monotonic()
        shown = self.shown(job)
        return shown, time.monotonic() - began

    def shown(self, job: str) -> int:
        """Return how many mini-batches the kernel shows as done."""
        found: list[int] = []

        def note(message: dict) -> None:
            document = message["content"].get("data", {}).get(_JOB)
            if document:
                found.append(document["progress"]["completed"])

        code = f"%load_ext batchmagic\n%batch job show {job}"
        reply = self._client.execute_interactive(code, timeout=_PATIENCE, output_hook=note)
        assert reply["content"]["status"] == "ok", reply["content"]
        return found[-1]
