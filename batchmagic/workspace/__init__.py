"""Where everything is kept: definitions, versions, jobs, claims and secrets, in SQLite and folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from batchmagic.workspace.workspace import Workspace

__all__ = ["Workspace"]


def __getattr__(name: str) -> Any:
    if name != "Workspace":
        raise AttributeError(f"module 'batchmagic.workspace' has no attribute {name!r}")
    # Brings SQLAlchemy, which a supervisor that only wants to know who it is does without.
    from batchmagic.workspace.workspace import Workspace  # noqa: PLC0415

    return Workspace
