"""The grammar of what other programs reach: ``serve`` and ``token``."""

from __future__ import annotations

from batchmagic.grammar.model import BOTH, Noun, Option, Verb

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


def _flag(name: str, about: str, *, cli_only: bool = False) -> Option:
    return Option(
        flags=(name,), takes="flag", default=False, help=about, faces=("cli",) if cli_only else BOTH
    )


def _folder(name: str, about: str) -> Option:
    return Option(flags=(name,), metavar="DIR", completes="path", repeat=True, help=about)


SERVE = Verb(
    name="serve",
    help="answer other programs over HTTPS; in a notebook by a process that outlives it",
    handler="serve:serve",
    example="serve --port 8443 --root ./patients",
    options=(
        Option(
            flags=("--host",),
            metavar="ADDRESS",
            default="localhost",
            help="where to listen (localhost); 0.0.0.0 for all that reach this machine",
        ),
        Option(
            flags=("--port",), takes="int", metavar="N", default=8443, help="(8443); 0 for any that is free"
        ),
        _folder("--root", "a folder that callers may name as input, and in definitions; may be repeated"),
        _folder("--output-root", "a folder that callers may name as output; may be repeated"),
        Option(
            flags=("--url-prefix",),
            metavar="URL=DIR",
            repeat=True,
            help="the beginning of URLs that callers may name, and the folder (a mount) that stands for it",
        ),
        _flag("--allow-manage", "let tokens with `manage` change definitions: whoever defines code runs it"),
        Option(
            flags=("--public-url",),
            metavar="URL",
            help="the address that callers use, where a proxy is in between",
        ),
        Option(
            flags=("--certfile",),
            metavar="FILE",
            completes="path",
            help="the certificate, PEM; without it one is made in the workspace",
        ),
        Option(
            flags=("--keyfile",),
            metavar="FILE",
            completes="path",
            help="its private key, PEM; without it the certificate's file has it too",
        ),
        _flag("--http", "plain HTTP, on the loopback only"),
        Option(
            flags=("--log-format",),
            metavar="text|json",
            choices=("text", "json"),
            default="text",
            help="the form of log lines (text)",
        ),
        _flag("--background", "in a process of its own, as a notebook does", cli_only=True),
        _flag("--status", "say which servers run; exit code 1 when none does"),
        _flag("--stop", "let the server finish what is under way, and end it"),
    ),
)
