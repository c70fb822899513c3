"""One slot: it owns at most one scoring process, gives it leases and judges how each mini-batch ended."""

from __future__ import annotations

import os
import re
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from batchmagic.scoring.channel import Channel, Exited, TimedOut
from batchmagic.scoring.child.failure import retitled
from batchmagic.scoring.child.frames import Frame
from batchmagic.scoring.events import Attempt, Kind, Member
from batchmagic.scoring.wire import INIT_FAILED, RETURNED, STOPPED, LeaseReply, LeaseRequest

if TYPE_CHECKING:
    from collections.abc import Callable

# A lease whose mini-batches turn out slow is cut short, so that progress is seen and nothing waits behind it.
LEASE_BUDGET = 2.0
LEASE_BYTES = 8 * 1024 * 1024
DUMP_SECONDS = 0.5
_KILL_SECONDS = 10.0
_TAIL = 4096
_FRAME_LINE = re.compile(r'File "(?P<file>.+)", line (?P<line>\d+) in (?P<function>.+)')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8}))")


class RowSink(Protocol):
    """Where a slot puts the rows of a mini-batch."""

    def begin(self) -> None:
        """Begin the rows of one mini-batch."""

    def write(self, data: bytes | memoryview) -> None:
        """Add bytes."""

    def end(self) -> tuple[str, int, int, int]:
        """Return segment, offset, length, crc."""

    def take(self) -> tuple[bytes, ...]:
        """Return the rows of the lease that have to travel with the reply."""

    def sync(self) -> None:
        """Make it durable."""

    def close(self) -> None:
        """Close it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlotSpec:
    """What a slot needs to know of its job.

    Attributes
    ----------
    child
        The specification of its scoring process.
    timeout, init_timeout
        Seconds for one ``run()`` and for import and ``init()``.
    code_dir
        Folder of the script; a line in it is the user's.
    """

    index: int
    instance: str
    child: dict[str, Any]
    timeout: float
    init_timeout: float
    code_dir: str | None


class Slot:
    """One slot of one job on one instance. One thread uses it at a time.

    Parameters
    ----------
    spec
        What it runs.
    start_child
        Starts a scoring process.
    sink
        Takes the rows.
    """

    def __init__(
        self, spec: SlotSpec, start_child: Callable[[dict[str, Any]], Channel], sink: RowSink
    ) -> None:
        self.spec = spec
        self._start_child = start_child
        self._sink = sink
        self._channel: Channel | None = None
        self._stopped = False
        self._stderr_start = 0
        self._dump_start = 0

    def score(self, lease: LeaseRequest, mark_begun: Callable[[], None]) -> LeaseReply:
        """Return what became of a lease. Rows that it names are durable then."""
        if self._stopped:
            return LeaseReply(outcome=STOPPED)
        error = self._ensure_child()
        if error is not None:
            return LeaseReply(outcome=STOPPED if self._stopped else INIT_FAILED, error=error)
        attempts = self._run(lease, mark_begun)
        self._sink.sync()
        return LeaseReply(outcome=RETURNED, attempts=tuple(attempts), rows=self._sink.take())

    def stop(self) -> None:
        """End the scoring process at once; may be called from another thread while `score` runs."""
        self._stopped = True
        channel = self._channel
        if channel is not None:
            channel.order("kill")

    def close(self) -> None:
        """End the scoring process, after ``shutdown()`` if it is idle, and close what the slot has open."""
        channel, self._channel = self._channel, None
        if channel is not None:
            if not self._stopped and channel.send({"op": "shutdown"}):
                channel.wait_exit(time.monotonic() + DUMP_SECONDS)
            channel.close()
        self._sink.close()

    # --- the process

    def _ensure_child(self) -> dict[str, Any] | None:
        """Have a scoring process that has run ``init()``; return its error if it did not succeed."""
        if self._channel is not None:
            return None
        self._stderr_start = _size(Path(self.spec.child["stderr"]))
        self._dump_start = _size(Path(self.spec.child["dump_file"]))
        channel = self._start_child(self.spec.child)
        self._channel = channel
        if self._stopped:
            channel.order("kill")
        message = channel.receive(time.monotonic() + self.spec.init_timeout)
        if isinstance(message, Frame) and message.header.get("ok"):
            return None
        error = self._init_error(channel, message)
        self._drop_child()
        return error

    def _init_error(self, channel: Channel, message: Frame | Exited | TimedOut) -> dict[str, Any]:
        if isinstance(message, Frame):
            error: dict[str, Any] = message.header.get("error") or {
                "type": "Error",
                "message": "init() failed",
            }
            return error
        if isinstance(message, TimedOut):
            text = self._dump_and_kill(channel)
            reason = f"init() took longer than {self.spec.init_timeout:g} s"
            return {"type": "Timeout", "message": reason, "phase": "init", **self._stood_at(text)}
        return {**self._crash_error(message), "phase": "init"}

    def _drop_child(self) -> None:
        if self._channel is not None:
            self._channel.order("kill")
            self._channel.wait_exit(time.monotonic() + _KILL_SECONDS)
            self._channel.close()
            self._channel = None

    # --- mini-batches

    def _run(self, lease: LeaseRequest, mark_begun: Callable[[], None]) -> list[Attempt]:
        channel = self._channel
        assert channel is not None  # noqa: S101 -- _ensure_child has run
        members = [[m.mini_batch, m.part, files] for m, files in zip(lease.members, lease.files, strict=True)]
        mark_begun()
        channel.send({"op": "lease", "members": members, "budget": LEASE_BUDGET, "max_bytes": LEASE_BYTES})
        attempts: list[Attempt] = []
        begun = time.monotonic()
        started = time.time()
        while True:
            self._sink.begin()
            message = channel.receive(begun + self.spec.timeout, self._sink.write)
            if isinstance(message, Frame) and message.header["op"] == "end":
                return attempts
            member = lease.members[len(attempts)]
            attempt = self._attempt(member, message, started, time.monotonic() - begun)
            if attempt is None:
                return attempts
            attempts.append(attempt)
            if not isinstance(message, Frame):
                self._drop_child()
                return attempts
            begun = time.monotonic()
            started = time.time()

    def _attempt(
        self, member: Member, message: Frame | Exited | TimedOut, started: float, seconds: float
    ) -> Attempt | None:
        """Return how the attempt ended, None if the job was stopped meanwhile: then nobody is to blame."""
        if isinstance(message, Frame):
            return self._reported(member, message, started)
        if self._stopped:
            self._drop_child()
            return None
        if isinstance(message, TimedOut):
            return self._failed(member, Kind.TIMEOUT, self._timeout_error(), started, seconds)
        error = self._crash_error(message)
        kind = Kind.OUT_OF_MEMORY if error["type"] == "OutOfMemory" else Kind.CRASH
        return self._failed(member, kind, error, started, seconds)

    def _reported(self, member: Member, frame: Frame, started: float) -> Attempt:
        header = frame.header
        if header["status"] != "ok":
            attempt = self._failed(member, Kind.ERROR, header["error"], started, header.get("seconds", 0.0))
        else:
            attempt = Attempt(
                member=member,
                kind=Kind.OK,
                rows=header["rows"],
                items=header["items"],
                seconds=header["seconds"],
                nbytes=frame.raw_length,
                started=started,
                slot=self.spec.index,
                instance=self.spec.instance,
                max_rss=header.get("maxrss", 0) * 1024,
                encoding=header["encoding"],
                columns=tuple((name, kind) for name, kind in header["columns"]),
                place=self._sink.end() if frame.raw_length else None,
            )
        return attempt

    def _failed(
        self, member: Member, kind: Kind, error: dict[str, Any], started: float, seconds: float
    ) -> Attempt:
        return Attempt(
            member=member,
            kind=kind,
            seconds=seconds,
            started=started,
            slot=self.spec.index,
            instance=self.spec.instance,
            error=error,
        )

    # --- verdicts on a process that did not report

    def _timeout_error(self) -> dict[str, Any]:
        assert self._channel is not None  # noqa: S101 -- it was just read from
        text = self._dump_and_kill(self._channel)
        reason = f"run() took longer than {self.spec.timeout:g} s (retry_settings.timeout)"
        return {"type": "Timeout", "message": reason, "phase": "run", **self._stood_at(text)}

    @property
    def _titles(self) -> dict[str, str]:
        """What errors call the script, by its path, where that is not its path."""
        child = self.spec.child
        return {child["script"]: child["script_title"]} if child.get("script_title") else {}

    def _dump_and_kill(self, channel: Channel) -> str:
        """Return where the process stands; it is gone then. The dump works while C code holds the GIL."""
        dump = Path(self.spec.child["dump_file"])
        before = _size(dump)
        channel.order("dump")
        channel.wait_exit(time.monotonic() + DUMP_SECONDS)
        channel.order("kill")
        channel.wait_exit(time.monotonic() + _KILL_SECONDS)
        return _read_from(dump, before)

    def _stood_at(self, dump: str) -> dict[str, Any]:
        found = (_FRAME_LINE.search(line) for line in dump.splitlines())
        frames = [{**m.groupdict(), "file": _unescaped(m["file"])} for m in found if m]
        code = self.spec.code_dir
        mine = next((f for f in frames if code and f["file"].startswith(code)), frames[0] if frames else None)
        if mine is None:
            return {"traceback": dump or None, "frame": None}
        source = _source_line(mine["file"], int(mine["line"]))
        return {
            "traceback": "the script stood at (innermost call first):\n" + retitled(dump, self._titles),
            "frame": [
                self._titles.get(mine["file"], mine["file"]),
                int(mine["line"]),
                mine["function"],
                source,
            ],
        }

    def _crash_error(self, message: Exited | TimedOut) -> dict[str, Any]:
        status = message.status if isinstance(message, Exited) else None
        error = describe_death(status)
        tail = _read_from(Path(self.spec.child["stderr"]), self._stderr_start)[-_TAIL:].strip()
        dump = _read_from(Path(self.spec.child["dump_file"]), self._dump_start)
        # The dump is what Python wrote when the signal came; a script may have sent it to its own stderr.
        found = self._stood_at(dump if "File " in dump else tail)
        said = [part for part in (found["traceback"] if dump else None, retitled(tail, self._titles)) if part]
        return {**error, "phase": "run", "frame": found["frame"], "traceback": "\n".join(said) or None}


def describe_death(status: int | None) -> dict[str, str]:
    """Return type and message for a process that ended with the raw wait status."""
    if status is None:
        return {"type": "Crashed", "message": "the scoring process was lost together with its template"}
    if not os.WIFSIGNALED(status):
        code = os.WEXITSTATUS(status)
        return {
            "type": f"Exited({code})",
            "message": f"the scoring process ended by itself with exit code {code}",
        }
    number = os.WTERMSIG(status)
    name = signal.Signals(number).name if number in set(signal.Signals) else f"signal {number}"
    if number == signal.SIGKILL:
        message = "the scoring process was killed (SIGKILL), as the kernel does when memory runs out"
        return {"type": "OutOfMemory", "message": message}
    return {"type": f"Crashed({name})", "message": f"the scoring process crashed with {name}"}


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _read_from(path: Path, start: int) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(start, _size(path) - 16 * _TAIL))
            return file.read().decode("utf-8", "replace")
    except FileNotFoundError:
        return ""


def _unescaped(name: str) -> str:
    """Return a file's name from a dump, where what is not ASCII stands as an escape."""
    return _ESCAPE.sub(lambda found: chr(int(found[found.lastindex or 0], 16)), name)


def _source_line(file: str, line: int) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").splitlines()[line - 1].strip()
    except (OSError, IndexError):
        return ""
