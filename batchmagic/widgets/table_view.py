"""The live view of several jobs: one table, and a way to cancel any of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import ipywidgets as w

from batchmagic import twins
from batchmagic.errors import BatchMagicError
from batchmagic.sdk.jobs import JobOperations
from batchmagic.twins import job_words as say
from batchmagic.twins.look import esc
from batchmagic.widgets.outlet import FIRST, Outlet
from batchmagic.widgets.pulse import PULSE
from batchmagic.widgets.style import style
from batchmagic.widgets.view import MAIN_SECONDS, View, over, tell, trouble
from batchmagic.words import clock, counted, left_text, rate_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchmagic.sdk.watch import Watch

_ALL = "all jobs"
_MOST = 50
_LARGE = 12


class TableView(View):
    """The live view of several jobs.

    Parameters
    ----------
    replaced
        Views in whose place it is shown.
    """

    def __init__(self, watches: list[Watch], *, replaced: Sequence[View] = ()) -> None:
        super().__init__(watches)
        self._replaced = [view.id for view in replaced]
        self._left = [view.fold() for view in replaced]
        self._note = ""

    def add(self, watch: Watch) -> None:
        """Take in another job."""
        with self.lock:
            self.watches.append(watch)
            for _, outlet in self.news():
                outlet.settled = False
            self._choices.at = float("-inf")

    # --- what it says

    def main(self) -> str:
        """Return the table."""
        # Those that move come first where there are too many to show.
        shown = sorted(self.watches, key=lambda watch: watch.rests)[:_MOST]
        rows = "".join(_row(watch) for watch in self.watches if watch in shown)
        more = len(self.watches) - len(shown)
        note = f'<div class="bm-line bm-dim">and {esc(counted(more, "more job"))}</div>' if more else ""
        return over(
            f'<table class="bm-table bm-jobs">{_HEAD}<tbody>{rows}</tbody></table>{note}{trouble(self._note)}',
            is_over=self.rests,
        )

    def document(self) -> tuple[str, dict[str, Any]]:
        """Return the list of the jobs' documents."""
        items = [watch.document for watch in self.watches]
        return "job-list", {"kind": "job-list", "items": items, "total": len(items)}

    # --- the page

    def root(self) -> w.Widget:
        """Return the widgets, which show the jobs as they are now."""
        main = w.HTML(self.main())
        layout = main.layout  # one for all: each would be a message of its own
        styles = w.HTML(
            style(self.id, replaced=self._replaced),
            layout=layout,
            style=main.style,
            _dom_classes=("bm-styles",),
        )
        self._choice = w.Dropdown(options=self._options(), layout=layout)
        button = w.Button(description="Cancel", layout=layout, _dom_classes=("bm-cancel",))
        button.on_click(self._cancel)
        self.outlet(main, pause=MAIN_SECONDS if len(self.watches) < _LARGE else 2 * MAIN_SECONDS)
        self._choices = Outlet(
            self._options, lambda v: tell(self._choice, options=v), pause=MAIN_SECONDS, shown=self._options()
        )
        row = w.HBox([self._choice, button], layout=layout, _dom_classes=("bm-choice",))
        classes = ("bm", "bm-card", "bm-live", f"bm-live-{self.id}")
        return w.VBox([styles, main, row], layout=layout, _dom_classes=classes)

    def _options(self) -> tuple[str, ...]:
        return (_ALL, *(watch.record.name for watch in self.watches))

    def news(self) -> Iterator[tuple[int, Outlet]]:
        """Yield all that could have changed, and what is left of the views in whose place it is."""
        yield from super().news()
        yield FIRST, self._choices
        for outlet in self._left:
            yield FIRST, outlet

    def _lasting(self) -> list[Outlet]:
        return [*super()._lasting(), *self._left]

    # --- what a person does

    def _cancel(self, _button: w.Button) -> None:
        chosen = self._choice.value
        problems = []
        for watch in self.watches:
            if not watch.rests and chosen in {_ALL, watch.record.name}:
                try:
                    JobOperations(watch.session).begin_cancel(watch.record.name)
                except BatchMagicError as error:
                    problems.append(str(error))
        self._note = " ".join(problems)
        PULSE.follow(self)


_HEAD = (
    "<thead><tr><th>job</th><th>status</th><th>endpoint</th><th></th>"
    '<th class="bm-n">mini-batches</th><th class="bm-n">rows</th><th class="bm-n">failed</th>'
    '<th class="bm-n">left</th></tr></thead>'
)


def _row(watch: Watch) -> str:
    document = watch.document
    progress = say.progress_of(document)
    total, done = progress["mini_batches"], progress["completed"] + progress["failed"]
    status = f'<span class="bm-{say.tint(document)} bm-state">● {esc(say.headline(document))}</span>'
    files_failed, rows = progress["files_failed"], progress["rows"]
    failed = f'<span class="bm-err">{files_failed:,}</span>' if files_failed else ""
    problem = watch.trouble or watch.warning
    told = f'<tr><td colspan="8">{trouble(problem)}</td></tr>' if problem else ""
    return (
        f'<tr><td class="bm-w"><b>{esc(document["name"])}</b></td><td class="bm-w">{status}</td>'
        f'<td class="bm-w">{esc(say.where(document).replace(" / ", "/"))}</td><td>{twins.job_bar(document)}</td>'
        f'<td class="bm-n">{f"{done:,} / {total:,}" if total else ""}</td>'
        f'<td class="bm-n">{f"{rows:,}" if total else ""}</td>'
        f'<td class="bm-n">{failed}</td><td class="bm-n">{esc(_left(document))}</td></tr>{told}'
    )


def _left(document: dict[str, Any]) -> str:
    if say.has_ended(document):
        seconds = say.progress_of(document)["seconds"]
        return f"took {clock(seconds)}" if seconds else ""
    pace = document.get("pace") or {}
    if pace.get("left") is not None:
        return left_text(pace["left"])
    return rate_text(pace["now"]) if pace.get("now") else ""
