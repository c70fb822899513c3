"""Where everything is kept: definitions, versions, jobs, claims and secrets, in SQLite and folders."""

from batchmagic.workspace.workspace import Workspace

__all__ = ["Workspace"]
