"""What travels between the driver and an instance: one frame each way per lease, JSON and raw bytes.

No object of the user's and no pickle is in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from batchmagic.errors import ProtocolError
from batchmagic.scoring.child import frames
from batchmagic.scoring.child.frames import pack
from batchmagic.scoring.events import Attempt, Kind, Member

RETURNED = "returned"
INIT_FAILED = "init_failed"
UNKNOWN_JOB = "unknown_job"
STOPPED = "stopped"
DISK_FAILED = "disk_failed"
BROKEN = "broken"


def unpack(frame: bytes) -> tuple[dict[str, Any], bytes]:
    """Return header and raw bytes of a frame that travelled as one piece.

    Raises
    ------
    ProtocolError
        If it is no frame.
    """
    try:
        return frames.unpack(frame)
    except frames.FrameError as error:
        raise ProtocolError(f"A frame of {len(frame)} bytes cannot be read: {error}.") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseRequest:
    """A lease as an instance gets it.

    Attributes
    ----------
    job
        Key of the job's run on that instance.
    slots
        Slots that the job may use there.
    files
        Absolute paths of each member's files.
    begun
        Whether to leave a mark in the spool when the lone member is handed to ``run()``.
    """

    job: str
    number: int
    slots: int
    members: tuple[Member, ...]
    files: tuple[list[str], ...]
    begun: bool = False

    def pack(self) -> bytes:
        """Return the frame."""
        members = [
            [m.mini_batch, m.part, m.attempt, files]
            for m, files in zip(self.members, self.files, strict=True)
        ]
        header = {
            "job": self.job,
            "number": self.number,
            "slots": self.slots,
            "members": members,
            "begun": self.begun,
        }
        return pack(header)

    @classmethod
    def unpack(cls, frame: bytes) -> LeaseRequest:
        """Return the request that `pack` wrote."""
        header, _ = unpack(frame)
        members = header.pop("members")
        return cls(
            members=tuple(Member(m[0], m[1], m[2]) for m in members),
            files=tuple(m[3] for m in members),
            **header,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseReply:
    """What became of a lease.

    Attributes
    ----------
    outcome
        ``returned``, ``init_failed``, ``unknown_job``, ``stopped`` or ``disk_failed``.
    attempts
        For the first members, in order; the others were not begun.
    carried
        Whether the member after these is still being scored, and to be asked for again; those behind it were
        not begun.
    rows
        Their bytes, where the instance does not share the job's folder.
    logs
        ``(file, text)`` that an instance without the folder has to add to the job's files.
    """

    outcome: str
    attempts: tuple[Attempt, ...] = ()
    carried: bool = False
    rows: tuple[bytes, ...] = ()
    error: dict[str, Any] | None = None
    logs: tuple[tuple[str, bytes], ...] = ()

    def pack(self) -> bytes:
        """Return the frame."""
        schemas: dict[tuple[str, Any], int] = {}
        ok, failed = [], []
        for k, a in enumerate(self.attempts):
            if a.kind is not Kind.OK:
                failed.append([k, a.kind, a.seconds, a.started, a.max_rss, a.error])
                continue
            schema = schemas.setdefault((a.encoding, a.columns), len(schemas))
            ok.append([k, a.rows, a.items, a.seconds, a.nbytes, a.started, a.max_rss, schema, a.place])
        first = self.attempts[0] if self.attempts else None
        header = {
            "outcome": self.outcome,
            "carried": self.carried,
            "error": self.error,
            "slot": first.slot if first else 0,
            "instance": first.instance if first else "",
            "schemas": list(schemas),
            "ok": ok,
            "failed": failed,
            "sizes": [len(r) for r in self.rows],
            "logs": [[name, len(text)] for name, text in self.logs],
        }
        return pack(header, b"".join([*self.rows, *(text for _, text in self.logs)]))

    @classmethod
    def unpack(cls, frame: bytes, members: tuple[Member, ...]) -> LeaseReply:
        """Return the reply to a lease of `members`.

        Raises
        ------
        ProtocolError
            If it is no such reply.
        """
        header, raw = unpack(frame)
        try:
            attempts = _attempts(header, members)
            rows, logs = _split(raw, header["sizes"], header["logs"])
            return cls(
                outcome=header["outcome"],
                carried=header["carried"],
                error=header["error"],
                attempts=attempts,
                rows=rows,
                logs=logs,
            )
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise ProtocolError(f"An instance's reply cannot be read: {error!r}.") from error


def _attempts(header: dict[str, Any], members: tuple[Member, ...]) -> tuple[Attempt, ...]:
    place = {"slot": header["slot"], "instance": header["instance"]}
    schemas = [(encoding, tuple((n, t) for n, t in columns)) for encoding, columns in header["schemas"]]
    found: dict[int, Attempt] = {}
    for k, rows, items, seconds, nbytes, started, max_rss, schema, where in header["ok"]:
        encoding, columns = schemas[schema]
        found[k] = Attempt(
            member=members[k],
            kind=Kind.OK,
            rows=rows,
            items=items,
            seconds=seconds,
            nbytes=nbytes,
            started=started,
            max_rss=max_rss,
            encoding=encoding,
            columns=columns,
            place=tuple(where) if where else None,
            **place,
        )
    for k, kind, seconds, started, max_rss, error in header["failed"]:
        found[k] = Attempt(
            member=members[k],
            kind=Kind(kind),
            seconds=seconds,
            started=started,
            max_rss=max_rss,
            error=error,
            **place,
        )
    return tuple(found[k] for k in range(len(found)))


def _split(
    raw: bytes, sizes: list[int], logs: list[tuple[str, int]]
) -> tuple[tuple[bytes, ...], tuple[tuple[str, bytes], ...]]:
    rows, texts, at = [], [], 0
    for size in sizes:
        rows.append(raw[at : at + size])
        at += size
    for name, size in logs:
        texts.append((name, raw[at : at + size]))
        at += size
    return tuple(rows), tuple(texts)
