"""One slot: it owns at most one scoring process, gives it leases and judges how each mini-batch ended."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from batchmagic.errors import ComputeError, DiskError
from batchmagic.scoring.channel import Channel, Exited, TimedOut
from batchmagic.scoring.child.frames import Frame
from batchmagic.scoring.events import Attempt, Kind, Member
from batchmagic.scoring.process_end import ProcessEnd, is_lack_of_memory, tidy, with_files
from batchmagic.scoring.wire import INIT_FAILED, RETURNED, STOPPED, LeaseReply, LeaseRequest

if TYPE_CHECKING:
    from collections.abc import Callable

# A lease whose mini-batches turn out slow is cut short, so that progress is seen and nothing waits behind it.
LEASE_BUDGET = 2.0
LEASE_BYTES = 8 * 1024 * 1024
DUMP_SECONDS = 0.5
# By then the process has seen that the budget is used up, and begins no other mini-batch.
_CUT_SECONDS = LEASE_BUDGET + 0.5
_KILL_SECONDS = 3.0
_STARTED_SECONDS = 10.0
_STARTS = 3


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


@dataclass(slots=True)
class _Course:
    """A lease on its way through the scoring process: `left` are the members whose end is awaited."""

    left: list[tuple[Member, list[str]]]
    begun: float
    started: float
    cut_at: float
    attempts: list[Attempt] = field(default_factory=list)

    @property
    def next_cut(self) -> float | None:
        """When the lease is to be cut; None if nothing would be won by it."""
        # When all members have ended, nobody would come for the rest.
        return self.cut_at if self.left and (self.attempts or len(self.left) > 1) else None


class Home(Protocol):
    """What a slot asks of the instance that it belongs to."""

    def start_child(self, spec: dict[str, Any]) -> Channel:
        """Start a scoring process."""

    def clear(self, spec: dict[str, Any]) -> None:
        """Empty the folders in which a scoring process works."""

    def end_stopped_template(self) -> bool:
        """End the template if somebody has stopped it, and return whether that was so."""


class Slot:
    """One slot of one job on one instance. One thread uses it at a time.

    Parameters
    ----------
    spec
        What it runs.
    home
        The instance's job that it belongs to.
    sink
        Takes the rows.
    """

    def __init__(self, spec: SlotSpec, home: Home, sink: RowSink) -> None:
        self.spec = spec
        self._home = home
        self._sink = sink
        self._channel: Channel | None = None
        self._stopped = False
        self._end = ProcessEnd(spec.child, spec.code_dir)
        self._course: _Course | None = None
        self._too_big: tuple[int, int] | None = None

    def score(self, lease: LeaseRequest, mark_begun: Callable[[], None]) -> LeaseReply:
        """Return what became of a lease. Rows that it names are durable then.

        A lease with a member that takes long is cut: the reply is `carried`, and says what has ended before it;
        `resume` then awaits that member.

        Raises
        ------
        DiskError
            If the rows cannot be written; the mini-batches are not to blame, and nothing of the lease counts.
        """
        if self._stopped:
            return LeaseReply(outcome=STOPPED)
        error = self._ensure_child()
        if error is not None:
            return LeaseReply(outcome=STOPPED if self._stopped else INIT_FAILED, error=error)
        mark_begun()
        self._send(lease)
        return self._reply()

    def resume(self) -> LeaseReply:
        """Return what became of the member at which the last lease was cut.

        Raises
        ------
        DiskError
            As by `score`.
        """
        return LeaseReply(outcome=STOPPED) if self._stopped else self._reply()

    def abandon(self) -> None:
        """Forget the member at which the last lease was cut; its scoring process is gone then."""
        self._drop_child()

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

    @property
    def pid(self) -> int | None:
        """The scoring process, where there is one."""
        channel = self._channel
        return channel.pid if channel is not None else None

    def end_for_memory(self, pid: int, used: int, limit: int) -> None:
        """End the scoring process `pid`, which uses too much memory; called from another thread."""
        channel = self._channel
        if channel is None or channel.pid != pid or self._too_big is not None:
            return
        self._too_big = used, limit
        channel.order("dump")
        time.sleep(DUMP_SECONDS / 5)
        channel.order("kill")

    # --- the process

    def _ensure_child(self) -> dict[str, Any] | None:
        """Have a scoring process that has run ``init()``; return its error if it did not succeed."""
        if self._channel is not None:
            if not self._channel.has_ended():
                return None
            # It ended between two leases, with nobody's mini-batch.
            self._drop_child()
        for left in reversed(range(_STARTS)):
            try:
                message = self._start()
            except ComputeError:
                if not left:
                    raise
                continue
            if isinstance(message, Frame) and message.header.get("ok"):
                return None
            # Where the template was killed too, the script has nothing to do with it.
            if self._stopped or not left or getattr(message, "status", 0) is not None:
                break
            self._drop_child()
        error = self._init_error(message)
        self._drop_child()
        return error

    def _start(self) -> Frame | Exited | TimedOut:
        """Return the first word, or the end, of a new scoring process."""
        deadline = time.monotonic() + self.spec.init_timeout
        self._home.clear(self.spec.child)
        self._end.begin()
        self._too_big = None
        channel = self._channel = self._home.start_child(self.spec.child)
        if self._stopped:
            channel.order("kill")
        message = channel.receive(min(deadline, time.monotonic() + _STARTED_SECONDS))
        if isinstance(message, TimedOut) and channel.pid is None:
            self._home.end_stopped_template()
        return channel.receive(deadline) if isinstance(message, TimedOut) else message

    def _init_error(self, message: Frame | Exited | TimedOut) -> dict[str, Any]:
        if isinstance(message, Frame):
            told = message.header.get("error") or {"message": "init() failed", "phase": "init"}
            return tidy(told)
        if self._too_big is not None:
            return tidy(self._end.too_big("init", *self._too_big))
        if isinstance(message, TimedOut):
            self._dump_and_kill()
            reason = f"init() took longer than {self.spec.init_timeout:g} s"
            return tidy(self._end.timeout("init", reason))
        return tidy(self._end.death(message, "init"))

    def _drop_child(self) -> None:
        channel, self._course = self._channel, None
        if channel is not None:
            self._kill(channel)
            channel.close()
            self._channel = None

    def _kill(self, channel: Channel) -> None:
        channel.order("kill")
        if isinstance(channel.wait_exit(time.monotonic() + _KILL_SECONDS), TimedOut):
            # A template that somebody has stopped obeys nobody; its scoring processes end with it.
            self._home.end_stopped_template()

    def _dump_and_kill(self) -> None:
        """Have the process write where it stands, also while C code holds the GIL; it is gone then."""
        channel = self._channel
        if channel is not None:
            channel.order("dump")
            channel.wait_exit(time.monotonic() + DUMP_SECONDS)
            self._kill(channel)

    # --- mini-batches

    def _send(self, lease: LeaseRequest) -> None:
        channel = self._channel
        assert channel is not None  # noqa: S101 -- _ensure_child has run
        members = [[m.mini_batch, m.part, files] for m, files in zip(lease.members, lease.files, strict=True)]
        channel.send({"op": "lease", "members": members, "budget": LEASE_BUDGET, "max_bytes": LEASE_BYTES})
        now = time.monotonic()
        left = list(zip(lease.members, lease.files, strict=True))
        self._course = _Course(left=left, begun=now, started=time.time(), cut_at=now + _CUT_SECONDS)
        self._sink.begin()

    def _reply(self) -> LeaseReply:
        course = self._course
        assert course is not None  # noqa: S101 -- _send has run
        try:
            carried = self._run(course)
            self._sink.sync()
        except (DiskError, OSError):
            # It may be in the middle of a frame that nobody will read.
            self._drop_child()
            raise
        attempts, course.attempts = tuple(course.attempts), []
        if carried:
            # Its time goes on; those behind it are given back.
            del course.left[1:]
        return LeaseReply(outcome=RETURNED, attempts=attempts, carried=carried, rows=self._sink.take())

    def _run(self, course: _Course) -> bool:
        """Follow the lease to its end, or until it is to be cut: then return True."""
        channel = self._channel
        while channel is not None and self._channel is channel:
            deadline = course.begun + self.spec.timeout
            cut = course.next_cut
            message = channel.receive(deadline if cut is None else min(cut, deadline), self._sink.write)
            if isinstance(message, TimedOut) and time.monotonic() < deadline:
                if cut is not None and not self._stopped:
                    return True
                continue
            if isinstance(message, Frame) and message.header.get("op") == "end":
                break
            self._take(course, message)
        return False

    def _take(self, course: _Course, message: Frame | Exited | TimedOut) -> None:
        """Take down how a mini-batch ended; without a frame, or with one that says nothing, the process goes too."""
        if not course.left or (self._stopped and not isinstance(message, Frame)):
            # Nobody is to blame for what a stop has ended, nor is anybody left to blame.
            self._drop_child()
            return
        (member, files), *course.left = course.left
        told = self._reported(member, files, message, course.started) if isinstance(message, Frame) else None
        course.attempts.append(told or self._unreported(member, files, message, course))
        if told is None:
            self._drop_child()
        else:
            course.begun, course.started = time.monotonic(), time.time()
            self._sink.begin()

    def _reported(self, member: Member, files: list[str], frame: Frame, started: float) -> Attempt | None:
        """Return the attempt that a frame tells of; None if it is none of ours, be it by the script's doing."""
        header = frame.header
        try:
            seconds = float(header["seconds"])
            if header["status"] != "ok":
                return self._failed(member, files, tidy(header["error"]), started=started, seconds=seconds)
            return Attempt(
                member=member,
                kind=Kind.OK,
                rows=int(header["rows"]),
                items=int(header["items"]),
                seconds=seconds,
                nbytes=frame.raw_length,
                started=started,
                slot=self.spec.index,
                instance=self.spec.instance,
                max_rss=header.get("maxrss", 0) * 1024,
                encoding=str(header["encoding"]),
                columns=tuple((str(name), str(kind)) for name, kind in header["columns"]),
                place=self._sink.end() if frame.raw_length else None,
            )
        except (KeyError, TypeError, ValueError):
            return None

    def _unreported(
        self, member: Member, files: list[str], message: Frame | Exited | TimedOut, course: _Course
    ) -> Attempt:
        seconds = time.monotonic() - course.begun
        kind = Kind.CRASH
        if isinstance(message, Frame):
            text = "the scoring process sent what is no result; the script must not write to its connection"
            error: dict[str, Any] = {"type": "Garbled", "message": text}
        elif self._too_big is not None:
            error = self._end.too_big("run", *self._too_big)
        elif isinstance(message, TimedOut):
            self._dump_and_kill()
            reason = f"run() took longer than {self.spec.timeout:g} s (retry_settings.timeout)"
            kind, error = Kind.TIMEOUT, self._end.timeout("run", reason)
        else:
            error = self._end.death(message, "run")
        return self._failed(member, files, tidy(error), kind=kind, started=course.started, seconds=seconds)

    def _failed(
        self,
        member: Member,
        files: list[str],
        error: dict[str, Any],
        *,
        started: float,
        seconds: float,
        kind: Kind = Kind.ERROR,
    ) -> Attempt:
        if is_lack_of_memory(error):
            kind, error = Kind.OUT_OF_MEMORY, with_files(error, files)
        return Attempt(
            member=member,
            kind=kind,
            seconds=seconds,
            started=started,
            slot=self.spec.index,
            instance=self.spec.instance,
            error=error,
        )
