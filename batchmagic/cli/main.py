"""The entry point: words in, exit code out. Nothing heavy is imported before a command is known."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from batchmagic.errors import BatchMagicError, JobCanceled, JobException, UsageError
from batchmagic.grammar.nouns import NOUNS
from batchmagic.grammar.options import SHARED_CLI
from batchmagic.grammar.parser import Parser, build_parser

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

PROG = "batchmagic"
COMPLETED, FAILED, USAGE, CANCELED = 0, 1, 2, 3
TIMED_OUT, INTERRUPTED = 124, 130  # as `timeout` and shells have them
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
    except JobException as error:
        from batchmagic.cli.face import print_failure  # noqa: PLC0415 - most commands end otherwise

        print_failure(str(error).splitlines())
        return CANCELED if isinstance(error, JobCanceled) else FAILED
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
    return _act(arguments)


def parser_of() -> Parser:
    """Return the parser of the command line."""
    return build_parser(
        NOUNS, prog=PROG, description=_DESCRIPTION, epilog=_EPILOG, shared=SHARED_CLI, face="cli"
    )


def _act(arguments: argparse.Namespace) -> int:
    # Not before a verb is known, so that help comes at once.
    from batchmagic.cli.face import TerminalFace, present  # noqa: PLC0415
    from batchmagic.cli.render import note  # noqa: PLC0415
    from batchmagic.sdk.client import MLClient  # noqa: PLC0415
    from batchmagic.verbs.context import Context  # noqa: PLC0415
    from batchmagic.verbs.handlers import handler_of  # noqa: PLC0415

    client = MLClient(arguments.workspace) if arguments.workspace else MLClient()
    client.session.tell = note
    outcome = handler_of(arguments.verb)(Context(arguments=arguments, client=client, face=TerminalFace()))
    present(outcome, arguments.format)
    return outcome.code


def _report(error: BatchMagicError | OSError) -> None:
    message = str(error)
    if isinstance(error, OSError) and error.strerror:
        message = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
