"""Live views: shown in the cell that runs, and moving until their jobs have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchmagic.sdk.watch import Watch
from batchmagic.widgets.job_view import JobView
from batchmagic.widgets.pulse import PULSE
from batchmagic.widgets.table_view import TableView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchmagic.sdk.session import Session
    from batchmagic.widgets.view import View

SEVERAL = 3
"""Jobs of one cell that have a view of their own; of more, all share a table."""


class Shown:
    """A view that is shown.

    Attributes
    ----------
    view
        The view, which may come to be another one that shows more jobs.
    """

    def __init__(self, session: Session, view: View) -> None:
        self._session = session
        self.view = view

    @property
    def view_id(self) -> str:
        """The name of the view: its widgets have the class ``bm-live-<name>``, its twin ``bm-twin-<name>``."""
        return self.view.id

    @property
    def names(self) -> tuple[str, ...]:
        """The jobs that it shows."""
        return tuple(watch.record.name for watch in self.view.watches)

    def flush(self) -> None:
        """Bring the view and the twin to how the jobs stand now, as messages of the cell that runs.

        It takes about a second when much has been sent just before.
        """
        self.view.flush(PULSE.budget)
        PULSE.follow(self.view)

    def add(self, name: str) -> None:
        """Show another job in this view, which is a table from then on, in the cell that runs.

        Raises
        ------
        ResourceNotFoundError
            If there is no such job.
        """
        if isinstance(self.view, TableView):
            self.view.add(Watch(self._session, name))
            PULSE.follow(self.view)
        else:
            self.view = _table(self._session, [*self.names, name], replaced=[self.view])


class CellViews:
    """The live views of one cell: a few jobs have their own, and when there are more all share one table."""

    def __init__(self) -> None:
        self._shown: list[Shown] = []

    def show(self, session: Session, name: str) -> Shown:
        """Show the job in the cell that runs."""
        few = len(self._shown) < SEVERAL
        shown = show(session, [name]) if few else self._in_table(session, name)
        self._shown.append(shown)
        return shown

    def settle(self) -> None:
        """Bring a table that jobs were added to up to date, so that what stays of the cell has all of them."""
        if len(self._shown) > SEVERAL:
            self._shown[0].flush()

    def _in_table(self, session: Session, name: str) -> Shown:
        # All handles of a table are of the same view.
        first = self._shown[0]
        if len(self._shown) > SEVERAL:
            first.add(name)
            return Shown(session, first.view)
        names = [known for shown in self._shown for known in shown.names]
        view = _table(session, [*names, name], replaced=[shown.view for shown in self._shown])
        for shown in self._shown:
            shown.view = view
        return Shown(session, view)


def show(session: Session, names: Sequence[str]) -> Shown:
    """Show the jobs in the cell that runs, as they are now, and keep them moving until they have ended.

    One job has its figures, tabs and a button to cancel it; several share a table.

    Raises
    ------
    ResourceNotFoundError
        If there is no such job, or no workspace.
    """
    if len(names) == 1:
        return Shown(session, _display(JobView(Watch(session, names[0]))))
    return Shown(session, _table(session, names))


def _table(session: Session, names: Sequence[str], *, replaced: Sequence[View] = ()) -> View:
    return _display(TableView([Watch(session, name) for name in names], replaced=replaced))


def _display(view: View) -> View:
    view.display()
    PULSE.follow(view)
    return view
