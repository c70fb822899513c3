from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "sdk"))

from sdk_support import client, held, project, state

__all__ = ["client", "held", "project", "state"]
