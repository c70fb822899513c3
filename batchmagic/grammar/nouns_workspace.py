"""The grammar of the workspace itself: ``prune``, ``backup``, ``azure``, ``doctor`` and ``workspace``."""

from __future__ import annotations

from batchmagic.grammar.model import Noun, Option, Verb

PRUNE = Verb(
    name="prune",
    help="remove old jobs that have ended",
    handler="workspace:prune",
    example="prune --older-than 30d --keep 10 --dry-run",
    options=(
        Option(
            flags=("--older-than",),
            metavar="AGE",
            default="30d",
            help="that ended longer ago than this (30d)",
        ),
        Option(
            flags=("--keep",), takes="int", metavar="N", default=0, help="but leave the newest N alone (0)"
        ),
        Option(flags=("--dry-run",), takes="flag", default=False, help="only say what would go"),
    ),
)
WORKSPACE = Verb(
    name="workspace",
    help="show the workspace and what it holds",
    handler="workspace:show",
    example="workspace",
)

BACKUP = Verb(
    name="backup",
    help="copy the workspace, without secrets, into one archive while jobs run",
    handler="workspace:backup",
    example="backup ../night.tar.gz",
    options=(
        Option(
            flags=("FILE",),
            completes="path",
            help="the archive: .tar, or .tar.gz for a compressed one; unpack it with tar -xf into a new folder",
        ),
        Option(
            flags=("--overwrite",),
            takes="flag",
            default=False,
            help="replace a file of that name, at the end",
        ),
    ),
)
DOCTOR = Verb(
    name="doctor",
    help="look at workspace, ledgers, environment, session and sizes, and say what to do; it changes nothing",
    handler="doctor:doctor",
    example="doctor",
    options=(
        Option(
            flags=("--all",),
            takes="flag",
            default=False,
            help="every ledger and every page of it, however long that takes",
        ),
    ),
)

AZURE = Noun(
    name="azure",
    help="what `import azure.ai.ml` means in this kernel",
    verbs=(
        Verb(
            name="on",
            help="let `import azure.ai.ml` and `azure.identity` mean batchmagic, so that Azure's notebooks run here",
            handler="azure:on",
            example="azure on",
        ),
        Verb(
            name="off",
            help="let them mean Azure's own packages again, where those are installed",
            handler="azure:off",
            example="azure off",
        ),
    ),
)
