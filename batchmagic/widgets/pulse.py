"""The one thread of a kernel that keeps all its live views moving."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from batchmagic.widgets.budget import Budget

if TYPE_CHECKING:
    from batchmagic.sdk.session import Session
    from batchmagic.sdk.watch import Watch
    from batchmagic.widgets.view import View

_BEAT, _SOONEST = 0.2, 0.02
_WAKE_SECONDS = 5.0


class Pulse:
    """Feeds views from the store, the most outdated first, as long as any of them moves.

    It prints nothing and displays nothing new: what a thread prints lands in whichever cell runs.

    Attributes
    ----------
    budget
        What all views may send together.
    """

    def __init__(self) -> None:
        self.budget = Budget()
        self._views: list[View] = []
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._thread: threading.Thread | None = None
        self._woken = 0.0

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def follow(self, view: View) -> None:
        """Keep the view moving until its jobs have ended and the page knows."""
        with self._lock:
            if view.finished:
                return
            if view not in self._views:
                self._views.append(view)
            if not self.alive:
                self._woken = time.monotonic()  # whoever shows a job has just seen to its host
                self._thread = threading.Thread(target=self._run, name="batchmagic-pulse", daemon=True)
                self._thread.start()
        self._news.set()

    def _run(self) -> None:
        while views := self._moving():
            self._news.wait(self._beat(views))
            self._news.clear()

    def _moving(self) -> list[View]:
        with self._lock:
            self._views = [view for view in self._views if not view.finished]
            if not self._views:
                self._thread = None
            return list(self._views)

    def _beat(self, views: list[View]) -> float:
        """Read for all views, send what is due, and return the seconds until the next beat."""
        now = time.monotonic()
        if now - self._woken >= _WAKE_SECONDS:
            self._woken = now
            self._wake(views)
        due = []
        for view in views:
            try:
                with view.lock:
                    if not view.rests:
                        view.look(now)
                    due += [(level, at, id(outlet), outlet, view) for level, at, outlet in view.due(now)]
            except Exception as error:  # noqa: BLE001 -- the view tells it, the others go on
                view.fail(error)
        for _, _, _, outlet, view in sorted(due, key=lambda item: item[:3]):
            if self.budget.pause() > 0:
                return max(_SOONEST, min(_BEAT, self.budget.pause()))
            try:
                with view.lock:
                    if not view.folded:
                        outlet.offer(self.budget, final=view.rests)
            except Exception as error:  # noqa: BLE001 -- as above
                view.fail(error)
        return _BEAT

    def _wake(self, views: list[View]) -> None:
        """See to it that jobs whose compute lost its host get one."""
        watches: dict[Session, list[Watch]] = {}
        for view in views:
            for watch in view.watches:
                if not watch.rests:
                    watches.setdefault(watch.session, []).append(watch)
        for session, own in watches.items():
            try:
                session.look_after([watch.record for watch in own])
                warning = ""
            except Exception as error:  # noqa: BLE001 -- the views tell it, and go on: another may start the host
                warning = f"The compute's host could not be started: {error}"
            for watch in own:
                watch.warning = warning


PULSE = Pulse()
"""Of this kernel."""
