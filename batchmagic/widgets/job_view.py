"""The live view of one job: how it stands, a button to cancel it, and tabs to look into it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import ipywidgets as w

from batchmagic import twins
from batchmagic.errors import BatchMagicError
from batchmagic.sdk.jobs import JobOperations
from batchmagic.twins import job_words as say
from batchmagic.twins.job import next_line
from batchmagic.twins.look import code, esc
from batchmagic.widgets import panes
from batchmagic.widgets.outlet import FIRST, IN_TURN, LAST, Outlet
from batchmagic.widgets.pulse import PULSE
from batchmagic.widgets.style import style
from batchmagic.widgets.view import PANE_SECONDS, View, over, tell, trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from batchmagic.sdk.watch import Watch

_PROGRESS, _ERRORS, _RESULT, _LOGS, _DEFINITION = range(5)


class JobView(View):
    """The live view of one job."""

    def __init__(self, watch: Watch) -> None:
        super().__init__([watch])
        self._watch = watch
        self._pressed = False
        self._seen = _PROGRESS
        self._result: tuple[int, str] | None = None

    # --- what it says

    def main(self) -> str:
        """Return head, bar and figures, and at the end what came of it."""
        document = self._watch.document
        figures = f'<div class="bm-figures">{twins.job_facts(document)}</div>'
        parts = [twins.job_head(document), twins.job_bar(document), figures]
        if say.has_ended(document):
            parts += [_outcome(document), next_line(document)]
        elif say.progress_of(document)["mini_batches"] and (detail := say.detail_text(document)):
            parts.append(f'<div class="bm-line bm-dim">{esc(detail)}</div>')
        parts.append(trouble(self._watch.trouble or self._watch.warning))
        return over("".join(parts), is_over=self.rests)

    def document(self) -> tuple[str, dict[str, Any]]:
        """Return the job's document."""
        return "job", self._watch.document

    def _button(self) -> tuple[str, bool]:
        pressed = self._pressed or self._watch.record.status == "CancelRequested"
        return ("Canceling…", True) if pressed else ("Cancel", False)

    def _titles(self) -> tuple[str, ...]:
        kinds = len(self._watch.groups)
        return ("Progress", f"Errors {kinds}" if kinds else "Errors", "Result", "Logs", "Definition")

    def _pane(self, number: int) -> str:
        try:
            return self._panes_made[number]()
        except Exception as error:  # noqa: BLE001 -- a file that cannot be read must not end the view
            return f'<div class="bm-pane bm-err">{esc(f"{type(error).__name__}: {error}")}</div>'

    @property
    def _panes_made(self) -> tuple[Callable[[], str], ...]:
        watch = self._watch
        return (
            lambda: panes.progress(watch),
            lambda: panes.errors(watch.groups, watch.record),
            self._result_pane,
            lambda: panes.log(watch.record.folder, self._file.value),
            lambda: panes.definition(watch.record),
        )

    def _result_pane(self) -> str:
        wanted = self._seen == _RESULT
        run = self._watch.record.run
        if self._result is not None and self._result[0] == run:
            return self._result[1]
        shown = panes.result(self._watch, wanted=wanted)
        if wanted and self.rests:
            self._result = (run, shown)
        return shown

    # --- the page

    def root(self) -> w.Widget:
        """Return the widgets, which show the job as it is now."""
        main = w.HTML(self.main())
        layout = main.layout  # one for all: each would be a message of its own
        html = functools.partial(w.HTML, layout=layout, style=main.style)
        label, disabled = self._button()
        button = w.Button(description=label, disabled=disabled, layout=layout, _dom_classes=("bm-cancel",))
        button.on_click(self._cancel)
        self._file = w.Dropdown(options=panes.LOGS, layout=layout)
        shown = [html(self._pane(number)) for number in range(_LOGS)]
        shown.append(html(self._pane(_LOGS), _dom_classes=("bm-tail",)))
        shown.append(html(self._pane(_DEFINITION)))
        logs = w.VBox([self._file, shown[_LOGS]], layout=layout, _dom_classes=("bm-logs",))
        children = [*shown[:_LOGS], logs, shown[_DEFINITION]]
        self._tab = w.Tab(children, titles=self._titles(), selected_index=_PROGRESS, layout=layout)
        self._tab.observe(self._selected, "selected_index")
        self._file.observe(self._selected, "value")
        self._connect(main, button, shown)
        styles = html(style(self.id), _dom_classes=("bm-styles",))
        classes = ("bm", "bm-card", "bm-live", f"bm-live-{self.id}")
        return w.VBox([styles, main, button, self._tab], layout=layout, _dom_classes=classes)

    def _connect(self, main: w.HTML, button: w.Button, shown: list[w.HTML]) -> None:
        self.outlet(main)
        self._buttons = Outlet(
            self._button,
            lambda v: tell(button, description=v[0], disabled=v[1]),
            pause=0.0,
            shown=(button.description, button.disabled),
        )
        tab = self._tab
        self._heads = Outlet(
            self._titles, lambda v: tell(tab, titles=v), pause=PANE_SECONDS, shown=tuple(tab.titles)
        )
        self._contents = [
            Outlet(
                functools.partial(self._pane, number),
                functools.partial(_tell_value, widget),
                pause=PANE_SECONDS,
                shown=widget.value,
            )
            for number, widget in enumerate(shown)
        ]

    def news(self) -> Iterator[tuple[int, Outlet]]:
        """Yield all that could have changed; of the tabs only the one that is seen, until the end."""
        yield from super().news()
        if not self.rests:
            yield FIRST, self._buttons
        yield IN_TURN, self._heads
        for number, outlet in enumerate(self._contents):
            if number == self._seen:
                yield IN_TURN, outlet
            elif self.rests:
                yield LAST, outlet

    # --- what a person does; called in whichever thread the front end's message arrives

    def _cancel(self, _button: w.Button) -> None:
        session, name = self._watch.session, self._watch.record.name
        self._pressed = True
        try:
            JobOperations(session).begin_cancel(name)
        except BatchMagicError as error:
            self._pressed, self._watch.warning = False, str(error)
        with self.lock:
            self._buttons.insist(PULSE.budget, final=False)
        PULSE.follow(self)

    def _selected(self, _change: object) -> None:
        with self.lock:
            self._seen = self._tab.selected_index or _PROGRESS
            self._contents[self._seen].insist(PULSE.budget, final=self.rests)


def _tell_value(widget: w.HTML, value: str) -> None:
    tell(widget, value=value)


def _outcome(document: dict[str, Any]) -> str:
    """Return what a person wants to know of a job that has ended: where the rows are, or why there are none."""
    status = document.get("status")
    if status == "Completed":
        name = say.output_name(document)
        return f'<div class="bm-line bm-dim">→ {code(name)}</div>' if name else ""
    if status == "Canceled":
        return ""
    errors = document.get("errors") or ()
    error = say.error_text(document.get("error") or (errors[0] if errors else {}))
    detail = say.detail_text(document)
    shown = f'<div class="bm-line"><code class="bm-err">{esc(error)}</code></div>' if error else ""
    if detail and detail not in error and say.progress_of(document)["mini_batches"]:
        shown += f'<div class="bm-line">{esc(detail)}</div>'
    return shown
