"""The one argparse tree that is made of the grammar; argparse only takes words apart."""

from __future__ import annotations

import argparse
import re
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NoReturn

from batchmagic.errors import UsageError
from batchmagic.grammar.model import Face, Noun, Option, Verb
from batchmagic.names import nearest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence


_ASSIGNMENT = re.compile(r"[A-Za-z_$][\w.$-]*=")


class Parser(argparse.ArgumentParser):
    """An argparse parser that reports in one line, with the nearest right word.

    Attributes
    ----------
    verb
        The verb whose words it takes apart, in the parser of one.
    known
        The options that the verb takes here.
    """

    verb: Verb | None = None
    known: Sequence[Option] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Take the words apart; of a verb, all of them must be known.

        Raises
        ------
        UsageError
            With the option that was probably meant. It comes before the report that something is missing,
            which a misspelt option causes as well.
        """
        words = list(args or ())
        if self.verb is not None:
            words = _one_flag_each(words, [flag for o in self.known if o.several for flag in o.flags])
            self._refuse_unknown(
                self.verb, [word for word in words if word.startswith("--") and word != "--"]
            )
        found, extra = super().parse_known_args(words, namespace)
        if extra:
            name = self.verb.name if self.verb else self.prog
            raise UsageError(
                f"{name}: unknown {'option' if extra[0].startswith('-') else 'argument'} {extra[0]!r}."
            )
        return found, extra

    def _refuse_unknown(self, verb: Verb, given: Iterable[str]) -> None:
        known = [flag for option in self.known for flag in option.flags if flag.startswith("--")]
        for word in given:
            flag = word.split("=", maxsplit=1)[0]
            if flag not in {*known, "--help"}:
                near = nearest(flag, known)
                hint = f"Did you mean {near!r}?" if near else f"See `{self.prog} --help`."
                raise UsageError(f"{verb.name}: unknown option {flag!r}.", hint=hint)

    def error(self, message: str) -> NoReturn:
        """Raise `message` as a `UsageError`."""
        hint = f"See `{self.prog} --help`."
        if self.verb is not None and "required" in message:
            hint = f"For example: {self.prog.split()[0]} {self.verb.example}"
        raise UsageError(message[:1].upper() + message[1:].rstrip(".") + ".", hint=hint)

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        known = [str(choice) for choice in action.choices]
        near = nearest(str(value), known)
        what = action.metavar if isinstance(action.metavar, str) and not action.option_strings else ""
        name = "/".join(action.option_strings) or what or action.dest
        hint = f"Did you mean {near!r}?" if near else f"Known: {', '.join(known)}."
        if name in {"NOUN", "VERB"}:
            noun = self.prog.partition(" ")[2]
            raise UsageError(
                f"{noun} has no verb {value!r}." if noun else f"There is no {value!r}.", hint=hint
            )
        raise UsageError(f"{name} cannot be {str(value)!r}.", hint=hint)


def _one_flag_each(words: Sequence[str], flags: Sequence[str]) -> list[str]:
    """Return the words with the flag again before each KEY=VALUE that follows ``--set KEY=VALUE``."""
    found: list[str] = []
    flag = ""
    for before, word in pairwise(["", *words]):
        if before in flags:
            flag = before
        elif word.partition("=")[0] in flags:
            flag = word.partition("=")[0]
        elif flag and _ASSIGNMENT.match(word):
            found.append(flag)
        else:
            flag = ""
        found.append(word)
    return found


_TYPES: dict[str, Callable[[str], Any]] = {"str": str, "int": int, "float": float}


def _whole(text: str) -> int:
    return int(text.replace("_", ""))


_whole.__name__ = "whole number"
_TYPES["int"] = _whole


def _add(parser: argparse.ArgumentParser, option: Option) -> None:
    kept: dict[str, Any] = {"help": option.help}
    if not option.is_positional:
        kept |= {"dest": option.dest, "default": option.default, "required": option.required}
    if option.takes in {"flag", "not"}:
        parser.add_argument(
            *option.flags, action="store_true" if option.takes == "flag" else "store_false", **kept
        )
        return
    kept |= {"type": _TYPES[option.takes], "metavar": option.metavar, "choices": option.choices or None}
    if option.repeat:
        kept |= {"action": "append", "default": None}
    if option.is_positional:
        kept |= {"nargs": "?"} if option.optional else {}
        kept.pop("action", None)
        kept["metavar"] = option.metavar or option.flags[0]
        parser.add_argument(option.dest, **kept)
        return
    parser.add_argument(*option.flags, **kept)


def _leaf(parent: Any, verb: Verb, shared: Sequence[Option], prog: str, face: Face) -> None:
    parser: Parser = parent.add_parser(
        verb.name,
        help=verb.help,
        description=_sentence(verb.help),
        epilog=_examples(verb, prog, face),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    options = verb.options_of(face)
    for option in options:
        _add(parser, option)
    if shared:
        group = parser.add_argument_group("always")
        for option in shared:
            # The default stays with the root, so that the option counts before the noun and after the verb.
            group.add_argument(
                *option.flags,
                dest=option.dest,
                metavar=option.metavar,
                choices=option.choices or None,
                default=argparse.SUPPRESS,
                help=option.help,
            )
    parser.verb, parser.known = verb, (*options, *shared)
    parser.set_defaults(verb=verb)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}."


def _examples(verb: Verb, prog: str, face: Face) -> str:
    text = f"Example:\n  {prog} {verb.example}"
    if face == "magic" and verb.cell:
        cell = f"%{prog} {verb.cell}".replace("\n", "\n  ")
        text += f"\n\nA cell:\n  {cell}"
    return text


def build_parser(
    nouns: Sequence[Noun | Verb],
    *,
    prog: str,
    description: str,
    face: Face,
    shared: Sequence[Option] = (),
    epilog: str = "",
) -> Parser:
    """Return the parser of the whole grammar as one face has it.

    Parameters
    ----------
    nouns
        Nouns with their verbs, and verbs that stand alone (``deploy``, ``invoke``).
    shared
        Options that every verb takes.
    """
    root = Parser(
        prog=prog,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    for option in shared:
        _add(root, option)
    parent = root.add_subparsers(metavar="NOUN", title="what there is", dest="noun", parser_class=Parser)
    for entry in nouns:
        if isinstance(entry, Verb):
            _leaf(parent, entry, shared, prog, face)
            continue
        noun = parent.add_parser(
            entry.name,
            help=entry.help,
            description=_sentence(entry.help),
            epilog=_examples(entry.verbs[0], prog, face),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )
        noun.set_defaults(noun_parser=noun)
        verbs = noun.add_subparsers(metavar="VERB", title="verbs", parser_class=Parser)
        for verb in entry.verbs:
            _leaf(verbs, verb, shared, prog, face)
    return root
