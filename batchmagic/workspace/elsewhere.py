"""The owner of a compute on another machine, watched by processes that look once and end, such as commands."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

from batchmagic.workspace import identity
from batchmagic.workspace.claims import SILENCE_SECONDS
from batchmagic.workspace.folders import write_private

if TYPE_CHECKING:
    from pathlib import Path

    from batchmagic.workspace.claims import Holder

_NAME = "owner-elsewhere.json"


def is_silent(folder: Path, holder: Holder) -> bool:
    """Return whether processes of this machine have seen the owner show no life for long enough.

    Parameters
    ----------
    folder
        The compute's folder, in which the next process finds what this one has seen.
    """
    # The clock is that of this boot; what another machine has noted counts for nothing here.
    boot = identity.current().boot_id
    seen = [boot, *holder.beat]
    now = time.monotonic()
    try:
        *noted, since = json.loads((folder / _NAME).read_text(encoding="ascii"))
        if noted == seen and now - float(since) >= 0:
            return now - float(since) >= SILENCE_SECONDS
    except (OSError, ValueError, TypeError):
        pass  # nobody has looked yet
    write_private(folder / _NAME, json.dumps([*seen, now]).encode("ascii"))
    return False
