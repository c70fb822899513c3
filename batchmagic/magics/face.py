"""The face of a notebook, and of IPython on a terminal: what a verb says and shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic import widgets
from batchmagic.magics.card import Card
from batchmagic.sdk import follow

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from batchmagic.sdk.session import Session
    from batchmagic.widgets.live import CellViews, Shown
    from batchmagic.workspace.job_records import JobRecord

AUTO, WIDGETS, HTML, TEXT = MODES = ("auto", "widgets", "html", "text")


class NotebookFace:
    """A notebook's cells, or the prompts of a terminal's IPython.

    Attributes
    ----------
    mode
        How jobs are shown: ``widgets``, ``html``, ``text``, or ``auto``: the best that works here.
    last_job
        The job that this session invoked last.
    has_shown
        Whether the verb that runs has shown its job already.
    """

    command = "%batch"
    keeps_output = True

    def __init__(self, shell: InteractiveShell) -> None:
        self._shell = shell
        self.mode = AUTO
        self.last_job: str | None = None
        self.has_shown = False
        self._views: CellViews | None = None
        self._live: dict[str, Shown | Card] = {}

    @property
    def in_notebook(self) -> bool:
        """Whether a kernel runs this, and not a terminal."""
        return hasattr(self._shell, "kernel")

    def new_cell(self) -> None:
        """Forget which views the last cell has: the next one gets its own."""
        self._views = None

    def end_cell(self) -> None:
        """Leave in the cell what it has shown, whole."""
        if self._views is not None:
            self._views.settle()

    def waits(self, *, wait: bool | None, no_wait: bool) -> bool:
        """Tell that an invoke returns at once unless told to wait."""
        return bool(wait) and not no_wait

    def note(self, text: str) -> None:
        """Print the text."""
        print(text)

    def started(self, session: Session, record: JobRecord, *, waits: bool) -> None:
        """Show a job that goes on by itself."""
        if not waits:
            self._show(session, record.name)

    def follow(self, session: Session, name: str, *, timeout: float | None = None) -> JobRecord:
        """Show the job's progress until it ends, and return it."""
        if not self.in_notebook:
            return self._follow_on_terminal(session, name, timeout)
        self._show(session, name)
        try:
            with follow.interruptible(session, name):
                return self._wait(session, name, timeout)
        finally:
            # However the wait came to its end, what stays in the notebook is how the job stood then.
            self.settle(name)

    def stream(self, session: Session, name: str) -> JobRecord:
        """Show the job's progress until it ends, and return it."""
        return self.follow(session, name)

    def settle(self, name: str) -> None:
        """Bring the job's live view to where the job is now."""
        view = self._live.get(name)
        if view is not None:
            view.flush()

    def _wait(self, session: Session, name: str, timeout: float | None) -> JobRecord:
        card = self._live.get(name)
        if not isinstance(card, Card):
            return follow.wait(session, name, timeout=timeout)
        for _ in follow.snapshots(session, name, timeout=timeout):
            card.refresh()
        return session.job(name)

    def _follow_on_terminal(self, session: Session, name: str, timeout: float | None) -> JobRecord:
        from batchmagic.cli.progress import follow_job  # noqa: PLC0415 - brings rich

        with follow.interruptible(session, name):
            return follow_job(session, name, timeout=timeout)

    def _show(self, session: Session, name: str) -> None:
        mode = self._best()
        if mode == TEXT:
            return
        self.has_shown = True
        if mode == WIDGETS:
            self._live[name] = self._views_of_cell().show(session, name)
        else:
            self._live[name] = Card(session, name)

    def _best(self) -> str:
        if self.mode != AUTO:
            return self.mode
        if not self.in_notebook:
            return TEXT
        return WIDGETS if widgets.available() else HTML

    def _views_of_cell(self) -> CellViews:
        if self._views is None:
            from batchmagic.widgets.live import CellViews  # noqa: PLC0415 - brings ipywidgets

            self._views = CellViews()
        return self._views
