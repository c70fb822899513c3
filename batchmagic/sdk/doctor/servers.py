"""Which servers run for the workspace, how long their certificates are good, and texts of tokens that lie around."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import batchmagic
from batchmagic.sdk.doctor.finding import Finding, broken, look, ok
from batchmagic.words import counted, date_text
from batchmagic.workspace import identity as identities
from batchmagic.workspace.servers import ALONE, ServerStore

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.sdk.doctor.finding import Patient
    from batchmagic.workspace.servers import ServerRecord

_SOON = timedelta(days=30)


def findings(patient: Patient) -> Iterator[Finding]:
    """Yield how each server is; records are only read."""
    records = ServerStore(patient.root).known()
    for record in records:
        yield _of_server(patient, record)
    if not records:
        yield ok(
            "server", f"none runs, so that endpoints have no address; `{patient.command} serve` starts one"
        )
    texts = sorted((patient.root / "tokens").glob("*.txt"))
    if texts:
        yield look(
            "tokens",
            f"{counted(len(texts), 'text')} of tokens: give them to their callers and remove the files",
            do=f"ls {patient.root / 'tokens'}",
        )


def _of_server(patient: Patient, record: ServerRecord) -> Finding:
    subject = f"server {record.identity.pid}"
    again = f"{patient.command} serve --stop, then {patient.command} serve"
    alive = identities.alive(record.identity)
    if alive is False:
        return ok(subject, "was killed; whoever looks at an endpoint next tidies up after it")
    if alive is None:
        return ok(subject, f"runs, or ran, on {record.machine}, which cannot be seen from here")
    text = f"{record.address}, {_secured(record)}"
    left = _left(record)
    if left is not None and left < timedelta(0):
        return broken(subject, f"{text}, which is over: callers refuse it", do=again)
    if left is not None and left < _SOON:
        return look(subject, f"{text}; one of its own is renewed when it starts", do=again)
    if record.version != batchmagic.__version__:
        return look(
            subject, f"{text}; it is batchmagic {record.version}, this is {batchmagic.__version__}", do=again
        )
    return ok(subject, text)


def _secured(record: ServerRecord) -> str:
    if record.expires_at:
        return f"with a certificate until {date_text(datetime.fromisoformat(record.expires_at))}"
    if record.kind != ALONE:
        return "part of a Jupyter server"
    return "plain HTTP, on this machine only"


def _left(record: ServerRecord) -> timedelta | None:
    return None if not record.expires_at else datetime.fromisoformat(record.expires_at) - datetime.now(UTC)
