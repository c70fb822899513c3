"""The verbs that read and write whole sets of definitions as files."""

from __future__ import annotations

from batchmagic.grammar.model import Option, Verb
from batchmagic.grammar.options import ENDPOINT, SET

APPLY = Verb(
    name="apply",
    help="create or update everything that a file of YAML documents defines",
    handler="apply:apply",
    example="apply --file everything.yml",
    body="yaml",
    cell="""apply
kind: endpoint
name: heart
---
kind: data
name: patients
path: ./patients""",
    options=(
        Option(
            flags=("--file", "-f"),
            metavar="FILE",
            completes="path",
            help="YAML documents, told apart by $schema or `kind:` (`-`: standard input)",
        ),
        Option(
            flags=SET.flags,
            metavar="KIND.KEY=VALUE",
            repeat=True,
            several=True,
            help="set a field of every document of that kind (deployment.mini_batch_size=5); more may follow",
        ),
    ),
)
EXPORT = Verb(
    name="export",
    help="write an endpoint with its deployments into a folder, as YAML, code, models and a script of `az ml` calls",
    handler="export:export",
    example="export heart ./heart-for-azure",
    options=(
        ENDPOINT,
        Option(flags=("DIR",), completes="path", help="the folder; it is made, or must be empty"),
        Option(
            flags=("--overwrite",),
            takes="flag",
            default=False,
            help="replace what an earlier export wrote there; other files stay",
        ),
        Option(
            flags=("--no-model-files",),
            takes="not",
            default=True,
            help="leave the files of the models out",
        ),
    ),
)
