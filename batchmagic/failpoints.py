"""Named points at which tests make this program fail: killed, stopped, or told that the disk is full.

Normally a point is one look at a global. A process is armed by its environment: ``BATCHMAGIC_FAILPOINT`` is
``<point>[@<n>]=<action>``, or several of them separated by commas; the action happens at the n-th time that the
process comes to the point (the first by default):

``kill``, ``stop``
    The process gets SIGKILL or SIGSTOP.
``exit``
    It ends at once with exit code 9.
``raise:<errno>``
    The point raises that `OSError`, such as ``raise:ENOSPC``.
``sleep:<seconds>``
    It waits.

With ``BATCHMAGIC_FAILPOINT_ONCE`` only the process that creates the file of that name acts, so that the one which
is started in its place goes on. An action that ends with ``*3`` happens in three processes then, one after another;
the second creates ``<file>.2``, the third ``<file>.3``. Where the name has ``{point}`` in it, each point has its own.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import time
from dataclasses import dataclass

POINTS: dict[str, str] = {
    "submit.before_row": "the job's folder and secrets are there, its row is not",
    "submit.after_row": "the job is queued and no host was woken",
    "claim.before": "a host is about to claim its compute",
    "claim.after": "a host has the claim and has done nothing with it",
    "migration.step": "inside the transaction of a migration, before one of its steps",
    "migration.before_version": "all steps of a migration are done, the schema's number is not written",
    "plan.listed": "the input is listed, nothing is written",
    "plan.before_about": "the manifest is written, the file that makes it valid is not",
    "plan.after_about": "the manifest is valid, the ledger is not there",
    "ledger.begun": "the ledger knows the run, nothing is leased",
    "file.before_rename": "a small file is written under its temporary name",
    "lease.before_send": "a lease is decided and not sent",
    "lease.after_send": "a lease is with Dask",
    "lease.returned": "a lease has come back, nothing of it is recorded",
    "spool.before_open": "a worker is about to create a segment",
    "spool.mid_write": "a part of a lease's rows is in the segment",
    "spool.before_sync": "the rows are written and not synced",
    "spool.after_sync": "the rows are durable, the reply is not sent",
    "ledger.before_commit": "a group of attempts is gathered, its transaction has not begun",
    "ledger.mid_commit": "inside the transaction of a group",
    "ledger.after_commit": "a group is committed, neither shown nor logged",
    "end.finalizing": "the job is Finalizing, nothing is assembled",
    "assemble.mid_write": "a part of the output is under its temporary name",
    "assemble.before_rename": "the output is whole and synced under its temporary name",
    "assemble.after_rename": "the output has its name, the ledger does not know its columns",
    "end.before_spool": "the output is there, the spool is about to go",
    "end.before_result": "the spool is gone, the last logs are not written",
    "end.before_terminal": "all logs are written, the job is not in its terminal state",
    "end.after_terminal": "the job is in its terminal state, the driver has not ended",
    "resume.before_row": "a resume is checked and its secrets are stored, the new run is not queued",
}
"""Every point, and what is true there."""

VARIABLE = "BATCHMAGIC_FAILPOINT"
ONCE_VARIABLE = "BATCHMAGIC_FAILPOINT_ONCE"
EXIT_CODE = 9


@dataclass(slots=True)
class _Armed:
    left: int
    action: str
    times: int


def hit(point: str) -> None:
    """Do what this process is armed with for `point`; normally nothing.

    Raises
    ------
    OSError
        If the point is armed with ``raise``.
    """
    if _armed:
        _come_to(point)


def arm(specification: str | None = None) -> None:
    """Arm this process with `specification`, by default that of its environment; an empty one disarms it.

    Raises
    ------
    ValueError
        If the specification names no point, or no action.
    """
    text = os.environ.get(VARIABLE, "") if specification is None else specification
    armed = {}
    for part in filter(None, text.split(",")):
        where, _, action = part.partition("=")
        point, _, number = where.partition("@")
        verb, _, times = action.partition("*")
        if point not in POINTS or verb.partition(":")[0] not in {"kill", "stop", "exit", "raise", "sleep"}:
            raise ValueError(f"{VARIABLE}: {part!r} is no <point>[@<n>]=<action>.")
        armed[point] = _Armed(left=int(number or 1), action=verb, times=int(times or 1))
    _armed.clear()
    _armed.update(armed)


def _come_to(point: str) -> None:
    armed = _armed.get(point)
    if armed is None:
        return
    armed.left -= 1
    if armed.left == 0 and _is_ours(point, armed.times):
        _act(point, armed.action)


def _is_ours(point: str, times: int) -> bool:
    once = os.environ.get(ONCE_VARIABLE)
    if not once:
        return True
    once = once.replace("{point}", point)
    for file in (once, *(f"{once}.{number}" for number in range(2, times + 1))):
        with contextlib.suppress(FileExistsError):
            os.close(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
            return True
    return False


def _act(point: str, action: str) -> None:
    verb, _, argument = action.partition(":")
    if verb == "raise":
        number = getattr(errno, argument)
        raise OSError(number, f"{os.strerror(number)} (failpoint {point})")
    if verb == "sleep":
        time.sleep(float(argument))
    elif verb == "exit":
        os._exit(EXIT_CODE)
    else:
        os.kill(os.getpid(), signal.SIGKILL if verb == "kill" else signal.SIGSTOP)


_armed: dict[str, _Armed] = {}
arm()
