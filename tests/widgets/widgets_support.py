"""A real kernel to listen to, and jobs that stand where the test puts them."""

from __future__ import annotations

import json
import queue
import sqlite3
import time
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import KernelManager

from batchmagic import MLClient
from batchmagic.entities import BatchDeployment, BatchEndpoint
from batchmagic.entities.progress import Progress
from batchmagic.entities.status import JobStatus
from batchmagic.workspace.launch import host_claim
from batchmagic.workspace.ledger import Commit, Failure, Ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from typing import Self

PATIENCE = 30.0
JOB = "application/vnd.batchmagic.job.v1+json"
JOBS = "application/vnd.batchmagic.job-list.v1+json"
WIDGET = "application/vnd.jupyter.widget-view+json"
COUNTED = {"comm_msg", "update_display_data"}

SCRIPT = """
import os

def run(mini_batch):
    return [os.path.basename(path) for path in mini_batch]
"""
ERROR = {
    "type": "ValueError",
    "message": "could not convert string to float: 'n/a'",
    "traceback": "Traceback (most recent call last):\n  in <run>\nValueError: could not convert <b>\n",
    "frame": ["/somewhere/score.py", 9, "run", "    pred = model.predict(df.astype(float))"],
    "phase": "run",
}

Message = dict[str, Any]


class Page:
    """What a page would show that has read these messages: values of widgets by their model, and twins."""

    def __init__(self) -> None:
        self.models: dict[str, dict[str, Any]] = {}
        self.outputs: dict[str, dict[str, Any]] = {}
        self.messages: list[Message] = []

    def read(self, message: Message) -> None:
        """Take a message in."""
        self.messages.append(message)
        kind, content = message["msg_type"], message["content"]
        if kind == "comm_open":
            self.models[content["comm_id"]] = dict(content["data"]["state"])
        elif kind == "comm_msg" and content["data"].get("method") == "update":
            self.models[content["comm_id"]].update(content["data"]["state"])
        elif kind in {"display_data", "update_display_data"}:
            self.outputs[content["transient"]["display_id"]] = content["data"]

    def view(self, view: str) -> View:
        """Return what the page shows of a live view."""
        return View(self, view)


class View:
    """One live view as the page shows it."""

    def __init__(self, page: Page, view: str) -> None:
        self._page = page
        self.id = view

    @property
    def root(self) -> dict[str, Any]:
        """The state of the widget that is displayed."""
        shown = self._page.outputs[f"bm-{self.id}"][WIDGET]["model_id"]
        return self._page.models[shown]

    def child(self, *path: int) -> dict[str, Any]:
        """The state of a widget below."""
        state = self.root
        for index in path:
            state = self._page.models[state["children"][index].removeprefix("IPY_MODEL_")]
        return state

    def model(self, *path: int) -> str:
        """The model of a widget below."""
        parent = self.child(*path[:-1]) if path[:-1] else self.root
        return str(parent["children"][path[-1]].removeprefix("IPY_MODEL_"))

    @property
    def main(self) -> str:
        """The HTML of the part that changes."""
        return str(self.child(1)["value"])

    @property
    def twin(self) -> dict[str, Any]:
        """The twin as it is stored now."""
        return self._page.outputs[f"bm-twin-{self.id}"]

    def pane(self, number: int) -> str:
        """The HTML of a tab."""
        state = self.child(3, number)
        if "children" in state:
            state = self.child(3, number, 1)
        return str(state["value"])


class Kernel:
    """A kernel as a front end has it."""

    def __init__(self, folder: Path) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._folder = folder
        self.page = Page()

    def __enter__(self) -> Self:
        self._manager.start_kernel(cwd=str(self._folder))
        self._client = self._manager.client()
        self._client.start_channels()
        self._client.wait_for_ready(timeout=60)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def start(self, code: str) -> str:
        """Send a cell, and return its request."""
        return str(self._client.execute(code))

    def run(self, code: str) -> str:
        """Run a cell to its end and return what it printed."""
        before = len(self.page.messages)
        request = self.start(code)
        self.hear(lambda: self._is_idle(request, before), of=f"the end of {code!r}")
        mine = [m for m in self.page.messages[before:] if m["parent_header"].get("msg_id") == request]
        for message in mine:
            assert message["msg_type"] != "error", "\n".join(message["content"]["traceback"])
        return "".join(m["content"]["text"] for m in mine if m["msg_type"] == "stream").strip()

    def show(self, *names: str) -> View:
        """Show jobs in a cell of their own, and return the view."""
        quoted = ", ".join(map(repr, names))
        return self.page.view(self.run(f"shown = show({quoted}); print(shown.view_id)"))

    def hear(self, what: Callable[[], Any], *, of: str = "", seconds: float = PATIENCE) -> None:
        """Read messages until it is true."""
        deadline = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < deadline, f"not within {seconds:g} s: {of or what}"
            try:
                self.page.read(self._client.get_iopub_msg(timeout=0.1))
            except queue.Empty:
                continue

    def hear_for(self, seconds: float) -> list[Message]:
        """Read the messages of so many seconds and return them."""
        before = len(self.page.messages)
        end = time.monotonic() + seconds
        self.hear(lambda: time.monotonic() >= end, seconds=seconds + PATIENCE)
        return self.page.messages[before:]

    def hear_all(self) -> None:
        """Read until no view moves any more, and all that was sent."""
        until(lambda: self.run("print(PULSE.alive)") == "False", of="the rest of all views")

    def drop_views(self) -> None:
        """Leave all views as they are; the next test has the budget for itself."""
        self.run("PULSE._views.clear()")
        self.hear_all()

    def interrupt(self) -> None:
        """Interrupt the cell that runs."""
        self._manager.interrupt_kernel()

    def subshell(self) -> str:
        """Have the kernel handle messages beside the cell that runs, and return where."""
        request = self._client.session.msg("create_subshell_request", {})
        self._client.control_channel.send(request)
        reply = self._client.get_control_msg(timeout=PATIENCE)
        return str(reply["content"]["subshell_id"])

    def tell(self, model: str, data: dict[str, Any], *, subshell: str | None = None) -> None:
        """Send a widget a message of the page."""
        message = self._client.session.msg("comm_msg", {"comm_id": model, "data": data})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self._client.shell_channel.send(message)

    def click(self, model: str, *, subshell: str | None = None) -> None:
        """Press a button."""
        self.tell(model, {"method": "custom", "content": {"event": "click"}}, subshell=subshell)

    def select(self, model: str, number: int) -> None:
        """Choose a tab."""
        self.tell(model, {"method": "update", "state": {"selected_index": number}, "buffer_paths": []})

    def _is_idle(self, request: str, before: int) -> bool:
        return any(
            m["msg_type"] == "status"
            and m["content"]["execution_state"] == "idle"
            and m["parent_header"].get("msg_id") == request
            for m in self.page.messages[before:]
        )


def until(what: Callable[[], Any], *, of: str = "", seconds: float = PATIENCE) -> Any:
    """Return the first true value of `what`."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {of or what}"
        time.sleep(0.02)
    return found


def most_in_a_second(messages: Sequence[Message]) -> int:
    """Return how many updates the kernel sent at most within any second."""
    times = sorted(m["header"]["date"].timestamp() for m in messages if m["msg_type"] in COUNTED)
    return max((sum(1 for t in times if start <= t < start + 1) for start in times), default=0)


def size(messages: Sequence[Message]) -> int:
    """Return the bytes of the contents of messages."""
    return sum(len(json.dumps(m["content"])) for m in messages)


class Bench:
    """A workspace in which this process plays the host: jobs stand where the test puts them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        folder = root.parent
        (folder / "code").mkdir(parents=True)
        (folder / "data").mkdir()
        (folder / "code" / "score.py").write_text(SCRIPT)
        for number in range(4):
            (folder / "data" / f"{number:03d}.csv").write_text("a,b\n1,2\n")
        self.client = MLClient(root)
        self.client.session.tell = lambda line: None
        self.client.batch_endpoints.begin_create_or_update(BatchEndpoint(name="heart")).result()
        deployment = BatchDeployment(
            name="classifier",
            endpoint_name="heart",
            code_path=str(folder / "code"),
            scoring_script="score.py",
            mini_batch_size=1,
            environment_variables={"PASSWORD": "geheim-4711"},
        )
        self.client.batch_deployments.begin_create_or_update(deployment).result()
        self.ws = self.client.session.write()
        self.ws.claims.acquire(host_claim("local"))

    def queued(self) -> str:
        """Return the name of a new job."""
        data = str(self.root.parent / "data")
        return str(self.client.batch_endpoints.invoke("heart", input=data).name)

    def running(self, mini_batches: int = 100, **counters: Any) -> str:
        """Return the name of a new job that runs, with its ledger."""
        name = self.queued()
        self.begin(name, mini_batches, **counters)
        return name

    def begin(self, name: str, mini_batches: int = 100, **counters: Any) -> None:
        """Have the job run."""
        self.ws.jobs.transition(name, JobStatus.PREPARING)
        self.ws.jobs.transition(name, JobStatus.RUNNING)
        run = self.ws.jobs.get(name).run
        ledger = Ledger.open(self.ws.job_dir(name))
        ledger.begin(epoch=run, run=run, mini_batches=mini_batches, files=mini_batches)
        ledger.close()
        self.ws.jobs.set_progress(name, Progress(mini_batches=mini_batches, files=mini_batches, **counters))

    def advance(self, name: str, done: int, *, seconds: float = 0.0, **counters: Any) -> None:
        """Have so many mini-batches of the job done."""
        before = self.ws.jobs.get(name).progress
        values = {
            "completed": done,
            "rows": 10 * done,
            "seconds": seconds or before.seconds + 0.5,
            **counters,
        }
        self.ws.jobs.set_progress(name, replace(before, **values))

    def commit(self, name: str, *, ok: int, failed: int) -> None:
        """Write attempts into the job's ledger: the good ones first, in slots in turn."""
        now = time.time()
        places = [
            {"instance": "i0", "slot": i % 2, "started": now - 5 + i * 0.1, "seconds": 0.09}
            for i in range(ok + failed)
        ]
        commits = [
            Commit(mini_batch=i, part=0, ok=i < ok, attempt=1, files=1, rows=int(i < ok), **place)
            for i, place in enumerate(places)
        ]
        failures = [
            Failure(
                mini_batch=i, part=0, attempt=1, kind="error", final=True, error=ERROR, files=1,
                file=f"{i:03d}.csv", **places[i],
            )
            for i in range(ok, ok + failed)
        ]  # fmt: skip
        progress = replace(
            self.ws.jobs.get(name).progress, completed=ok, failed=failed, files_failed=failed, rows=ok
        )
        ledger = Ledger.open(self.ws.job_dir(name))
        ledger.begin(epoch=1, run=1, mini_batches=progress.mini_batches, files=progress.files)
        ledger.commit(1, commits=commits, failures=failures, progress=progress)
        ledger.close()
        self.ws.jobs.set_progress(name, progress)

    def complete(
        self, name: str, text: str = "000.csv\n001.csv\n", columns: Any = (("result", "text"),)
    ) -> None:
        """Have the job completed, with an output."""
        record = self.ws.jobs.transition(name, JobStatus.FINALIZING)
        output = self.ws.job_dir(name) / "outputs" / "score"
        output.mkdir(parents=True)
        (output / record.spec.settings.output_file_name).write_text(text)
        ledger = Ledger.open(self.ws.job_dir(name))
        ledger.set_columns(record.run, columns)
        ledger.close()
        self.ws.jobs.transition(name, JobStatus.COMPLETED)

    def end(self, name: str) -> None:
        """Have the job failed, or canceled where somebody has asked for that."""
        asked = self.ws.jobs.get(name).status is JobStatus.CANCEL_REQUESTED
        end = JobStatus.CANCELED if asked else JobStatus.FAILED
        self.ws.jobs.transition(name, end, detail="the test ended it")

    def end_all(self) -> None:
        """Have every job ended."""
        for record in self.ws.jobs.list():
            if not record.status.is_terminal:
                self.end(record.name)

    def forget(self, name: str) -> None:
        """Take the job's row away, as a deletion between two looks does."""
        with closing(sqlite3.connect(self.root / "workspace.db", timeout=30)) as connection, connection:
            connection.execute("delete from jobs where name = ?", (name,))

    def close(self) -> None:
        """Close the database."""
        self.client.session.close()
