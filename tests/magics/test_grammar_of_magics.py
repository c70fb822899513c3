"""One grammar makes the magics, the command line, help and the reference page."""

from __future__ import annotations

import importlib.util
import shlex
from pathlib import Path

import pytest

from batchmagic.cli.main import parser_of
from batchmagic.errors import UsageError
from batchmagic.grammar.model import Noun, Verb
from batchmagic.grammar.nouns import NOUNS
from batchmagic.magics.batch import BatchMagic, parser
from batchmagic.magics.cells import with_verb
from batchmagic.verbs.handlers import handler_of

ROOT = Path(__file__).parents[2]


def every_verb() -> list[tuple[str, Verb]]:
    found = []
    for entry in NOUNS:
        if isinstance(entry, Noun):
            found += [(f"{entry.name} {verb.name}", verb) for verb in entry.verbs]
        else:
            found.append((entry.name, entry))
    return found


VERBS = every_verb()


def written() -> str:
    spec = importlib.util.spec_from_file_location("write_reference", ROOT / "docs" / "write_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.reference()


def test_the_reference_page_is_what_the_grammar_says() -> None:
    assert (ROOT / "docs" / "reference.md").read_text() == written(), "run `make reference`"


@pytest.mark.parametrize(("words", "verb"), VERBS, ids=[words for words, _ in VERBS])
def test_every_verb(words: str, verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    """Is in the page, in `%batch?` and in the magics' parser, with help, an example and a function."""
    page = written()
    assert f"%batch {verb.example}" in page
    assert f"%batch {verb.example}" in BatchMagic.batch.__doc__
    assert verb.help in BatchMagic.batch.__doc__
    for option in verb.options:
        assert option.help.replace("|", "\\|") in page
    assert parser().parse_args(shlex.split(verb.example)).verb is verb
    assert callable(handler_of(verb))
    with pytest.raises(SystemExit):
        parser().parse_args([*words.split(), "--help"])
    shown = capsys.readouterr().out
    assert f"%batch {verb.example}" in shown
    for option in verb.options_of("magic"):
        assert (option.metavar if option.is_positional and option.metavar else option.flags[0]) in shown


@pytest.mark.parametrize(("words", "verb"), [v for v in VERBS if v[1].body], ids=lambda v: str(v)[:30])
def test_every_cell(words: str, verb: Verb) -> None:
    line = verb.cell.split("\n", maxsplit=1)[0]
    assert parser().parse_args(with_verb(shlex.split(line), NOUNS)).verb is verb
    assert f"%%batch {verb.cell}" in written()


def test_both_faces_have_the_same_verbs_and_differ_only_where_it_is_said() -> None:
    for words, verb in VERBS:
        for face, tree in (("magic", parser()), ("cli", parser_of())):
            known = tree.parse_args(shlex.split(verb.example))
            for option in verb.options:
                assert hasattr(known, option.dest) == (face in option.faces), (words, option.flags, face)


@pytest.mark.parametrize("tree", [parser, parser_of], ids=["magic", "cli"])
@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("deployment create --set a=1 b.c=2 d=x=y --timeout 3", ["a=1", "b.c=2", "d=x=y"]),
        ("deployment create --set a=1 --set b=2 c=3 heart/classifier", ["a=1", "b=2", "c=3"]),
        ("deployment update --set=a=1 b=2 heart/classifier", ["a=1", "b=2"]),
        ("invoke heart --input year=2024 --set a=1", ["a=1"]),
    ],
)
def test_several_values_follow_one_flag_as_in_azures_command_line(tree, words: str, found: list[str]) -> None:
    assert tree().parse_args(words.split()).set == found


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("jobb list", "Did you mean 'job'?"),
        ("job shw amber", "Did you mean 'show'?"),
        ("invoke heart --inptu x", "Did you mean '--input'?"),
        ("job list --format json", "unknown option '--format'"),
        ("invoke heart --input x --strict", "unknown option '--strict'"),
        ("endpoint", None),
    ],
)
def test_a_wrong_word(words: str, told: str | None) -> None:
    if told is None:
        assert getattr(parser().parse_args(words.split()), "verb", None) is None
        return
    with pytest.raises(UsageError) as error:
        parser().parse_args(words.split())
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("words", "whole"),
    [
        ("endpoint", "endpoint create"),
        ("endpoint heart", "endpoint create heart"),
        ("endpoint create heart", "endpoint create heart"),
        ("endpoint list", "endpoint list"),
        ("deployment heart/a --set x=1", "deployment create heart/a --set x=1"),
        ("deploy heart/a", "deploy heart/a"),
        ("job list", "job list"),
        ("job", "job"),
        ("", ""),
    ],
)
def test_a_cell_of_a_noun_creates(words: str, whole: str) -> None:
    assert with_verb(words.split(), NOUNS) == whole.split()
