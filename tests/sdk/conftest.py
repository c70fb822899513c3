from __future__ import annotations

from sdk_support import client, held, project, state

__all__ = ["client", "held", "project", "state"]
