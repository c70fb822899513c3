"""``doctor``: how a workspace, its environment and its session are, and what to do. It changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.sdk.doctor import (
    databases,
    folder,
    hosts,
    limits,
    packages,
    servers,
    session,
    sizes,
)
from batchmagic.sdk.doctor.finding import Finding, Patient, State, broken

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path
    from typing import Any

__all__ = ["Finding", "State", "document_of", "examine"]

_ABOUT_WORKSPACE: tuple[tuple[str, Callable[[Patient], Iterable[Finding]]], ...] = (
    ("Workspace", folder.findings),
    ("Ledgers", databases.ledger_findings),
    ("Hosts", hosts.findings),
    ("Servers", servers.findings),
    ("Sizes", sizes.findings),
)
_ABOUT_HERE: tuple[tuple[str, Callable[[Patient | None], Iterable[Finding]]], ...] = (
    ("Environment", packages.findings),
    ("What survives what", lambda _: session.findings()),
    ("Limits", lambda _: limits.findings()),
)


def examine(root: Path, *, command: str = "batchmagic", everything: bool = False) -> dict[str, list[Finding]]:
    """Return what there is to say of the workspace at `root` and of this process's surroundings, by subject.

    Parameters
    ----------
    root
        The folder of the workspace, whether or not there is one.
    everything
        Look at every ledger and every page, however long that takes; by default what 20 s allow.
    """
    place = folder.place(root, command=command)
    found: dict[str, list[Finding]] = {"Workspace": list(place)}
    patient = None
    if folder.is_there(root):
        contents, about = databases.open_contents(root, command=command)
        found["Workspace"] += about
        patient = Patient(root=root, contents=contents, command=command, everything=everything)
        for title, check in _ABOUT_WORKSPACE:
            found.setdefault(title, []).extend(_tried(title, check, patient))
    for title, check_here in _ABOUT_HERE:
        found[title] = _tried(title, check_here, patient)
    return found


def _tried(title: str, check: Callable[[Any], Iterable[Finding]], subject: Patient | None) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check(subject))
    except OSError as error:
        # What cannot be looked at is a finding too, and the others are told nevertheless.
        where = error.filename or title.lower()
        found.append(broken(title.lower(), f"{where} cannot be read: {error.strerror}", do=f"ls -la {where}"))
    return found


def document_of(root: Path, found: dict[str, list[Finding]]) -> dict[str, Any]:
    """Return the findings as a document."""
    everything = [finding for findings in found.values() for finding in findings]
    counts = {str(state): sum(f.state is state for f in everything) for state in State}
    worst = next((state for state in (State.BROKEN, State.LOOK) if counts[str(state)]), State.OK)
    return {
        "workspace": str(root),
        "state": str(worst),
        "counts": counts,
        "parts": [
            {
                "title": title,
                "findings": [
                    {"state": str(f.state), "subject": f.subject, "text": f.text, "do": f.do or None}
                    for f in findings
                ],
            }
            for title, findings in found.items()
            if findings
        ],
    }
