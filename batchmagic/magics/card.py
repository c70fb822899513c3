"""A job as HTML in the cell that shows it, for front ends without widgets."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from batchmagic.sdk.job import Job

if TYPE_CHECKING:
    from batchmagic.sdk.session import Session

_PAUSE = 1.0


class Card:
    """A job's card; it is as the job was when it was last brought up to date."""

    def __init__(self, session: Session, name: str) -> None:
        from IPython.display import display  # noqa: PLC0415 - the package does without IPython

        self._job = Job(session, name)
        self._handle: Any = display(self._job, display_id=True)  # type: ignore[no-untyped-call]
        self._shown_at = time.monotonic()

    def refresh(self) -> None:
        """Bring it to how the job stands now, unless that has just been done."""
        if time.monotonic() - self._shown_at >= _PAUSE:
            self.flush()

    def flush(self) -> None:
        """Bring it to how the job stands now."""
        self._handle.update(self._job)
        self._shown_at = time.monotonic()
