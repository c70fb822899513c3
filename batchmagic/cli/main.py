"""The entry point: words in, exit code out. Nothing heavy is imported before a command is known."""

from __future__ import annotations

import importlib
import os
import sys
from typing import TYPE_CHECKING

from batchmagic.cli.context import CANCELED, COMPLETED, FAILED, INTERRUPTED, TIMED_OUT, USAGE, Context
from batchmagic.cli.grammar import Parser, build_parser
from batchmagic.cli.nouns import NOUNS
from batchmagic.cli.options import SHARED
from batchmagic.errors import BatchMagicError, JobCanceled, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

PROG = "batchmagic"
_DESCRIPTION = (
    "Batch endpoints on this machine: deploy a model, score a folder of files with it, get one output."
)
_EPILOG = """\
Example:
  batchmagic deploy heart/classifier --model ./model
  batchmagic invoke heart --input ./patients --output ./scores

`batchmagic NOUN VERB --help` explains a verb. Exit codes: 0 completed, 1 failed, 2 wrong usage, 3 canceled,
4 completed with failed files (with --strict)."""


# The first that fits decides.
_ENDS: tuple[tuple[type[BaseException], int], ...] = (
    (TimeoutError, TIMED_OUT),
    (UsageError, USAGE),
    (JobCanceled, CANCELED),
    (BatchMagicError, FAILED),
)


def main(words: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code."""
    try:
        code = run(sys.argv[1:] if words is None else words)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough; what is still buffered must not complain at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return COMPLETED
    except KeyboardInterrupt:
        return INTERRUPTED
    except (BatchMagicError, OSError) as error:
        _report(error)
        return next((number for kind, number in _ENDS if isinstance(error, kind)), FAILED)
    return code


def run(words: Sequence[str]) -> int:
    """Run the command that the words make, and return its exit code."""
    parser = parser_of()
    arguments = parser.parse_args(words)
    verb = getattr(arguments, "verb", None)
    if verb is None:
        getattr(arguments, "noun_parser", parser).print_help()
        return COMPLETED
    code = _handler(verb.handler)(Context(arguments))
    return COMPLETED if code is None else code


def parser_of() -> Parser:
    """Return the parser of the command line."""
    return build_parser(NOUNS, prog=PROG, description=_DESCRIPTION, epilog=_EPILOG, shared=SHARED)


def _handler(where: str) -> Callable[[Context], int | None]:
    module, _, function = where.partition(":")
    handler: Callable[[Context], int | None] = getattr(
        importlib.import_module(f"batchmagic.cli.commands.{module}"), function
    )
    return handler


def _report(error: BatchMagicError | OSError) -> None:
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
