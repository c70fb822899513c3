"""What kind of session this is, and what becomes of a running job when a part of it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic import surroundings
from batchmagic.sdk.doctor.finding import Finding, look, ok

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchmagic.surroundings import Layer

_EVERYWHERE = frozenset({"kernel", "server", "suspend", "boot"})
"""These are so on every machine: nobody has to look."""


def findings(found: tuple[Layer, ...] | None = None) -> Iterator[Finding]:
    """Yield what this process lives in, then what each event does to a job that runs."""
    around = surroundings.layers() if found is None else found
    inside = ", ".join(layer.what for layer in around) or "a machine: no container, hub, scheduler or login"
    yield ok("this session", inside)
    for layer in surroundings.fates(around):
        if layer.survives:
            text = "a running job goes on"
            yield ok(layer.end, f"{text}: {layer.advice}" if layer.advice else text)
        elif layer.kind in _EVERYWHERE:
            yield ok(layer.end, f"a running job ends; {layer.advice}")
        else:
            yield look(layer.end, f"a running job ends with it; {layer.advice}", do=layer.command)
