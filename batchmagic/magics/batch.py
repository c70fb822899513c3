"""The magic: a line or cell to a verb, and what came of it to the cell."""

from __future__ import annotations

import functools
import keyword
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from IPython.core.completer import (
    CompletionContext,
    SimpleCompletion,
    SimpleMatcherResult,
    context_matcher,
)
from IPython.core.error import UsageError as PlainUsageError
from IPython.core.magic import Magics, line_cell_magic, magics_class, needs_local_scope, no_var_expand
from traitlets import Bool, Enum, Unicode
from traitlets.config import Configurable

from batchmagic.errors import BatchMagicError, JobException, UsageError
from batchmagic.grammar.model import Verb
from batchmagic.grammar.nouns import NOUNS
from batchmagic.grammar.options import SHARED_MAGIC
from batchmagic.grammar.parser import Parser, build_parser
from batchmagic.magics.cells import body_of, cell_of, with_verb
from batchmagic.magics.completion import completions
from batchmagic.magics.expressions import Names
from batchmagic.magics.face import AUTO, MODES, NotebookFace
from batchmagic.magics.help import document
from batchmagic.magics.lexer import split
from batchmagic.magics.silence import Silence
from batchmagic.verbs.context import Context
from batchmagic.verbs.handlers import handler_of

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from batchmagic.magics.cells import Cell
    from batchmagic.sdk.client import MLClient
    from batchmagic.verbs.outcome import Outcome

_OVERVIEW = Verb(name="", help="", handler="overview:overview", example="")


@functools.cache
def parser() -> Parser:
    """Return the parser of the magics."""
    from batchmagic.magics.help import DESCRIPTION, EPILOG  # noqa: PLC0415

    return build_parser(
        NOUNS, prog="%batch", description=DESCRIPTION, epilog=EPILOG, shared=SHARED_MAGIC, face="magic"
    )


@magics_class
class BatchMagic(Magics, Configurable):
    """``%batch`` and ``%%batch``, with the settings that ``%config BatchMagic`` changes."""

    display = Enum(
        MODES,
        default_value=AUTO,
        help="How jobs are shown: widgets, html, text, or auto (the best that works here).",
    ).tag(config=True)
    wait = Bool(False, help="Whether %batch invoke waits for the end of its job.").tag(config=True)  # noqa: FBT003
    workspace = Unicode("", help="The workspace to use; without it the nearest one.").tag(config=True)

    def __init__(self, shell: InteractiveShell) -> None:
        Configurable.__init__(self, config=shell.config)
        Magics.__init__(self, shell=shell)
        self._shell = shell
        self.face = NotebookFace(shell)
        self.silence = Silence(shell)
        self._clients: dict[tuple[str, ...], MLClient] = {}
        self.matcher = self._matcher()

    @property
    def client(self) -> MLClient:
        """The client of the workspace that is the right one from where the kernel is now."""
        from batchmagic.sdk.client import MLClient  # noqa: PLC0415 - loading the extension does without

        place = (self.workspace, os.environ.get("BATCHMAGIC_WORKSPACE", ""), os.getcwd())  # noqa: PTH109
        client = self._clients.get(place)
        if client is None:
            client = self._clients[place] = MLClient(self.workspace) if self.workspace else MLClient()
            client.session.command = self.face.command
            client.session.tell = self.face.note
        return client

    def new_cell(self, *_: Any) -> None:
        """Begin a cell: it has views of its own, and shows what it is given."""
        self.face.new_cell()
        self.silence.forget()

    def end_cell(self, *_: Any) -> None:
        """End a cell."""
        self.face.end_cell()

    @no_var_expand
    @needs_local_scope
    @line_cell_magic
    def batch(self, line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        """Do what a line or a cell says; what ``%batch?`` shows in place of this is made of the grammar."""
        names = Names(notebook=self._shell.user_ns, local=local_ns or {})
        # Not `execution_count`: newer IPythons count on before the cell runs.
        number = self._shell.displayhook.prompt_count
        source = cell_of(line, cell, number=number, source=self._source())
        self.face.has_shown = False
        self.face.mode = os.environ.get("BATCHMAGIC_DISPLAY") or self.display
        try:
            return self._act(source, names)
        except JobException:
            raise
        except BatchMagicError as error:
            # IPython prints exactly this class in one line, and stops a run of all cells.
            raise PlainUsageError(" ".join(str(error).split())) from None

    def _act(self, cell: Cell, names: Names) -> Any:
        words = split(cell.line, names.text)
        if cell.body is not None:
            words = with_verb(words, NOUNS)
        arguments = self._parsed(words)
        if arguments is None:
            return None
        verb: Verb = getattr(arguments, "verb", _OVERVIEW)
        variable = _variable(getattr(arguments, "out", None))
        context = Context(
            arguments=arguments,
            client=self.client,
            face=self.face,
            body=body_of(cell, verb, names),
            cell=cell.number if cell.body is not None else None,
        )
        if verb.name == "invoke" and arguments.wait is None:
            arguments.wait = self.wait and not arguments.no_wait
        return self._present(handler_of(verb)(context), variable)

    def _parsed(self, words: list[str]) -> Any:
        try:
            arguments = parser().parse_args(words)
        except SystemExit:
            return None  # argparse has printed help
        if getattr(arguments, "verb", None) is None and words:
            getattr(arguments, "noun_parser", parser()).print_help()
            return None
        return arguments

    def _present(self, outcome: Outcome, variable: str | None) -> Any:
        value = outcome.value
        self._settle_later(value)
        if variable is not None:
            self._shell.push({variable: value})  # type: ignore[no-untyped-call]
        if outcome.error is not None:
            raise outcome.error
        if value is None:
            _print(outcome)
        elif self.face.has_shown or (outcome.text and not outcome.shows_itself):
            if outcome.text and not self.face.has_shown:
                print(outcome.text)
            self.silence.keep(value)
        return None if variable is not None else value

    def _settle_later(self, value: Any) -> None:
        from batchmagic.sdk.job import Job  # noqa: PLC0415 - loading the extension does without

        if isinstance(value, Job):
            value.on_end = functools.partial(self.face.settle, value.name)

    def _matcher(self) -> Any:
        @context_matcher(identifier="batchmagic")  # type: ignore[untyped-decorator]  # IPython's has no types
        def match(context: CompletionContext) -> SimpleMatcherResult:
            lines = context.full_text.split("\n")[: context.cursor_line + 1]
            before = "\n".join([*lines[:-1], lines[-1][: context.cursor_position]])
            if "%batch" not in before:
                return {"completions": []}
            found = completions(before, NOUNS, SHARED_MAGIC, self.client.session)
            if found is None:
                return {"completions": []}
            fragment, words = found
            return {
                "completions": [SimpleCompletion(word, type="param") for word in words],
                "matched_fragment": fragment,
                "suppress": True,
                "ordered": True,
            }

        return match

    def _source(self) -> str:
        parent = self._shell.get_parent() if hasattr(self._shell, "get_parent") else None
        content = parent.get("content", {}) if isinstance(parent, dict) else {}
        return str(content.get("code", ""))


BatchMagic.batch.__doc__ = document(NOUNS, SHARED_MAGIC)


def _variable(name: str | None) -> str | None:
    if name is not None and (not name.isidentifier() or keyword.iskeyword(name)):
        raise UsageError(f"-o: {name!r} cannot be the name of a variable.")
    return name


def _print(outcome: Outcome) -> None:
    from batchmagic.twins import block, table  # noqa: PLC0415 - loading the extension does without

    if outcome.text:
        print(outcome.text)
        return
    shown = outcome.data() if outcome.rows is None else outcome.rows
    lines = block(shown) if isinstance(shown, Mapping) else table(shown)
    print("\n".join(lines) if lines else outcome.nothing)
