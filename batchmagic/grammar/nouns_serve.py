"""The grammar of what other programs reach: ``token``."""

from __future__ import annotations

from batchmagic.grammar.model import Noun, Option, Verb

_NAME = Option(flags=("NAME",), help="the token's name; the audit log and the jobs that it starts carry it")

TOKEN = Noun(
    name="token",
    help="tokens: what other programs show when they come in over HTTPS",
    verbs=(
        Verb(
            name="create",
            help="make a token; its text is given once and kept nowhere",
            handler="token:create",
            example="token create nightly --scope invoke --endpoint heart",
            options=(
                _NAME,
                Option(
                    flags=("--scope",),
                    metavar="invoke|read|manage",
                    choices=("invoke", "read", "manage"),
                    repeat=True,
                    help=(
                        "what it allows (invoke): start jobs and follow those that it started; read everything; "
                        "or manage, which can define code and so equals a shell"
                    ),
                ),
                Option(
                    flags=("--endpoint",),
                    metavar="NAME",
                    completes="endpoint",
                    help="the one endpoint that it is good for (all)",
                ),
                Option(
                    flags=("--expires",),
                    metavar="AGE|never",
                    help="how long it is good: 30d, 12h (never; 90d with manage)",
                ),
                Option(
                    flags=("--to",),
                    metavar="FILE",
                    completes="path",
                    help="write its text to this new file, mode 0600, and show it nowhere",
                ),
            ),
        ),
        Verb(
            name="list",
            help="list tokens, without their texts; revoked ones too",
            handler="token:list_",
            example="token list",
        ),
        Verb(
            name="revoke",
            help="make a token good for nothing, at once",
            handler="token:revoke",
            example="token revoke nightly",
            options=(Option(flags=("NAME",), completes="token", help="the token's name"),),
        ),
    ),
)
