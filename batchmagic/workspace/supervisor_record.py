"""What a supervisor leaves on record: who it is, and when it last started a host. Standard library only.

The time is that of the system's monotonic clock, which all processes of a boot share and nobody can set.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from batchmagic.workspace import identity as identities
from batchmagic.workspace.identity import ProcessIdentity

if TYPE_CHECKING:
    from pathlib import Path

NAME = "supervisor.json"
_EARLIER = 4
STARTING_SECONDS = 5.0
"""For how long a supervisor that lives is trusted to be bringing its host up; after that another may try."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SupervisorRecord:
    """The supervisor of a compute, as it stands in the compute's folder.

    Attributes
    ----------
    started
        When it started its host, by the monotonic clock of its boot; None when that host has left.
    earlier
        Supervisors that lived when it took their place on record; one of them has the compute if it has not.
    """

    identity: ProcessIdentity
    started: float | None
    earlier: tuple[ProcessIdentity, ...] = ()

    @property
    def is_starting(self) -> bool:
        """Whether it has started a host a moment ago, and lives."""
        # First the process: the clock of another boot says nothing.
        if self.started is None or not identities.alive(self.identity):
            return False
        return 0 <= time.monotonic() - self.started < STARTING_SECONDS


def read(folder: Path) -> SupervisorRecord | None:
    """Return what is on record in a compute's folder; None when there is nothing that can be read."""
    try:
        found: dict[str, Any] = json.loads((folder / NAME).read_text(encoding="utf-8"))
        return SupervisorRecord(
            identity=ProcessIdentity(**found["identity"]),
            started=found["started"],
            earlier=tuple(ProcessIdentity(**one) for one in found["earlier"]),
        )
    except (OSError, ValueError, TypeError, KeyError):
        return None


def write(folder: Path, pid: int, *, leaving: bool = False) -> None:
    """Put the process `pid` of this machine on record as the supervisor that starts its host now, or had one.

    Raises
    ------
    ProcessLookupError
        If there is no such process.
    """
    me, found = identities.of_process(pid), read(folder)
    before = () if found is None else (found.identity, *found.earlier)
    living = tuple(one for one in before if one != me and identities.alive(one))
    started = None if leaving else time.monotonic()
    _store(folder, SupervisorRecord(identity=me, started=started, earlier=living[:_EARLIER]))


def give_back(folder: Path) -> None:
    """Take this process off the record, for the supervisor whose host has the compute."""
    found = read(folder)
    if found is None or found.identity != identities.current():
        return
    living = tuple(one for one in found.earlier if identities.alive(one))
    if living:
        _store(folder, SupervisorRecord(identity=living[0], started=found.started, earlier=living[1:]))


def _store(folder: Path, record: SupervisorRecord) -> None:
    content = json.dumps(asdict(record))
    # Each writer has a name of its own, and of one process id there is one process at a time.
    new = folder / f".{NAME}.{os.getpid()}"
    try:
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            file.write(content)
        new.replace(folder / NAME)
    finally:
        new.unlink(missing_ok=True)
