"""What all live views have in common: jobs that they watch, and outlets that bring news to the page."""

from __future__ import annotations

import secrets
import threading
import time
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from batchmagic import twins
from batchmagic.twins.look import esc
from batchmagic.widgets import kernel
from batchmagic.widgets.outlet import FIRST, IN_TURN, Outlet
from batchmagic.widgets.style import folded

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ipywidgets import Widget

    from batchmagic.sdk.watch import Watch
    from batchmagic.widgets.budget import Budget

MAIN_SECONDS, PANE_SECONDS, TWIN_SECONDS = 0.5, 1.0, 10.0
_LOOK_SECONDS = 0.4
WIDGET = "application/vnd.jupyter.widget-view+json"


def tell(widget: Widget, **values: Any) -> None:
    """Bring values to the page in one message, also those that it should have already."""
    if all(getattr(widget, name) == value for name, value in values.items()):
        widget.send_state(list(values))
        return
    with widget.hold_sync():
        for name, value in values.items():
            setattr(widget, name, value)


def over(inner: str, *, is_over: bool) -> str:
    """Return the changing part of a view; once it is over, the styles take its buttons away."""
    return f'<div class="bm-over">{inner}</div>' if is_over else f"<div>{inner}</div>"


def trouble(text: str) -> str:
    """Return what went wrong with a view."""
    return f'<div class="bm-trouble bm-err">{esc(text)}</div>' if text else ""


class View(ABC):
    """A live view in a cell.

    Parameters
    ----------
    watches
        Its jobs.

    Attributes
    ----------
    id
        In the class names of the view and of its twin.
    lock
        Held by whoever reads for the view or sends for it.
    folded
        Whether another view shows its jobs.
    """

    def __init__(self, watches: list[Watch]) -> None:
        self.id = secrets.token_hex(4)
        self.lock = threading.RLock()
        self.watches = watches
        self.folded = False
        self._looked = time.monotonic()
        self._broken = False

    # --- what a kind of view says

    @abstractmethod
    def main(self) -> str:
        """Return the changing part of the view."""

    @abstractmethod
    def document(self) -> tuple[str, dict[str, Any]]:
        """Return kind and document of the twin."""

    @abstractmethod
    def root(self) -> Widget:
        """Return the widget that is displayed."""

    def news(self) -> Iterator[tuple[int, Outlet]]:
        """Yield what could have changed: how urgent it is, and where it goes."""
        yield FIRST if self.rests else IN_TURN, self._main
        yield IN_TURN, self._twin

    # --- the page

    def display(self) -> None:
        """Show the view and its twin, both as their jobs are now, in the cell that runs."""
        root, bundle = self.root(), self.bundle()
        kernel.answer_at_once(root)
        spec = {"version_major": 2, "version_minor": 0, "model_id": root.model_id}
        kernel.show({WIDGET: spec, "text/plain": ""}, display_id=f"bm-{self.id}")
        kernel.show(bundle, display_id=self._twin_id)
        self._twin = Outlet(self.bundle, self._show_twin, pause=TWIN_SECONDS, shown=bundle)
        for _, outlet in self.news():
            # What was made now is final where nothing moves.
            outlet.settled = self.rests

    def outlet(self, widget: Widget, *, pause: float = MAIN_SECONDS) -> Outlet:
        """Return the outlet of the changing part, which `widget` shows."""
        self._main = Outlet(
            self.main, lambda value: tell(widget, value=value), pause=pause, shown=widget.value
        )
        return self._main

    def bundle(self) -> dict[str, Any]:
        """Return the twin."""
        if self.folded:
            return {"text/html": folded(self.id), "text/plain": ""}
        kind, document = self.document()
        return twins.bundle(kind, document, view=self.id)

    def fold(self) -> Outlet:
        """Leave the jobs to another view, and return what is left to be told to the page."""
        with self.lock:
            self.folded = True
            for watch in self.watches:
                watch.close()
            self._twin.settled, self._twin.at = False, float("-inf")
            return self._twin

    @property
    def _twin_id(self) -> str:
        return f"bm-twin-{self.id}"

    def _show_twin(self, bundle: dict[str, Any]) -> None:
        kernel.show(bundle, display_id=self._twin_id, update=True)

    # --- time

    @property
    def rests(self) -> bool:
        """Whether none of its jobs will change any more."""
        return all(watch.rests for watch in self.watches)

    @property
    def finished(self) -> bool:
        """Whether the page knows all that there will be."""
        if self._broken or self.folded:
            return True
        return self.rests and all(outlet.settled for _, outlet in self.news())

    def look(self, now: float) -> None:
        """Read the jobs again if it is time to."""
        if now - self._looked >= _LOOK_SECONDS and not self.folded:
            self._looked = now
            for watch in self.watches:
                watch.look(now)

    def due(self, now: float) -> list[tuple[int, float, Outlet]]:
        """Return the outlets that it is time for: how urgent, since when, and which."""
        final = self.rests
        return [(level, o.at, o) for level, o in self.news() if o.due(now, final=final)]

    def flush(self, budget: Budget) -> None:
        """Bring the view and the twin to how the jobs stand now, as messages of the cell that runs."""
        with self.lock:
            self._looked = float("-inf")
            self.look(time.monotonic())
            for outlet in self._lasting():
                outlet.insist(budget, final=self.rests, again=True)

    def _lasting(self) -> list[Outlet]:
        """Return the outlets whose last value a notebook keeps."""
        return [self._main, self._twin]

    def fail(self, error: Exception) -> None:
        """Stop, and say why; a view that cannot even say that is left alone."""
        self._broken = any(watch.stopped for watch in self.watches)
        for watch in self.watches:
            watch.stop(f"This view has stopped: {type(error).__name__}: {error}")
