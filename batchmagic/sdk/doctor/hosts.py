"""Who serves which compute, and whether somebody should and does not."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import batchmagic
from batchmagic.entities.status import TERMINAL
from batchmagic.sdk.doctor.finding import Finding, look, ok
from batchmagic.words import counted
from batchmagic.workspace import identity as identities
from batchmagic.workspace.identity import ProcessIdentity
from batchmagic.workspace.launch import host_claim
from batchmagic.workspace.store_file import place_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from typing import Any

    from batchmagic.sdk.doctor.finding import Patient

_LOG_BYTES = 1 << 20
_SERVES = re.compile(r"batchmagic (\S+) serves \S+ with claim (\d+)")


def findings(patient: Patient) -> Iterator[Finding]:
    """Yield who has which claim, dead or alive, and which unfinished jobs nobody sees to."""
    if patient.contents is None:
        return
    waiting: dict[str, int] = {}
    for job in patient.contents.jobs:
        if job.status not in TERMINAL:
            waiting[job.compute] = waiting.get(job.compute, 0) + 1
    held = {row["resource"]: row for row in patient.contents.claims}
    known = {host_claim(compute): compute for compute in waiting}
    for resource in sorted({*held, *known}):
        compute = resource.removeprefix("compute/")
        yield _of_compute(patient, compute, held.get(resource), waiting.get(compute, 0))
    if not held and not waiting:
        yield ok("hosts", "none runs, and no job waits for one")


def _of_compute(patient: Patient, compute: str, row: Mapping[str, Any] | None, jobs: int) -> Finding:
    subject = f"compute {compute}"
    unfinished = f"{counted(jobs, 'job')} not finished"
    wake = f"{patient.command} job list"
    if row is None:
        return look(subject, f"nobody serves it, and {unfinished}; whoever lists jobs starts a host", do=wake)
    owner = ProcessIdentity(**{key: row[key] for key in ("host", "boot_id", "pid", "start_time")})
    alive = identities.alive(owner)
    machine = owner.host.partition("/")[0]
    if alive is None:
        return ok(
            subject, f"process {owner.pid} on {machine} has it, which cannot be seen from here; {unfinished}"
        )
    if alive and _is_elsewhere(patient.root, row):
        text = f"process {owner.pid} serves another folder, of which this is a copy; {unfinished}"
        return look(subject, text, do=wake) if jobs else ok(subject, text)
    if not alive:
        text = f"its last host, process {owner.pid}, is dead; {unfinished}"
        return look(subject, text, do=wake) if jobs else ok(subject, text)
    version = _version(patient.root / "compute" / compute / "host.log", row["epoch"])
    if version not in {None, batchmagic.__version__}:
        return look(
            subject,
            f"process {owner.pid} serves it with batchmagic {version}, and this is {batchmagic.__version__}; it leaves "
            "when it is idle",
            do=f"kill -TERM {owner.pid}",
        )
    return ok(subject, f"process {owner.pid} serves it; {unfinished}")


def _is_elsewhere(root: Path, row: Mapping[str, Any]) -> bool:
    here = place_of(root)
    return row.get("place") is not None and here is not None and row["place"] != "{}:{}".format(*here)


def _version(log: Path, epoch: int) -> str | None:
    """Return which batchmagic the host with that claim runs, as it has written into its log."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return None
    found = [version for version, number in _SERVES.findall(text) if int(number) == epoch]
    return found[-1] if found else None
