"""The words of the command line: help for each, and one clear line for a wrong one."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest

from batchmagic.cli.main import main, parser_of
from batchmagic.grammar.model import Noun, Verb
from batchmagic.grammar.nouns import NOUNS
from batchmagic.verbs.handlers import handler_of


def every_verb() -> list[tuple[list[str], Verb]]:
    found = []
    for entry in NOUNS:
        if isinstance(entry, Noun):
            found += [([entry.name, verb.name], verb) for verb in entry.verbs]
        else:
            found.append(([entry.name], entry))
    return found


@pytest.mark.parametrize(
    ("words", "verb"), every_verb(), ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_every_verb(words: list[str], verb: Verb, capsys: pytest.CaptureFixture[str]) -> None:
    """Has help with an example that parses, options that are explained, and a function behind it."""
    with pytest.raises(SystemExit) as left:
        main([*words, "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    assert f"batchmagic {verb.example}" in text
    assert shlex.split(verb.example)[: len(words)] == words
    assert parser_of().parse_args(shlex.split(verb.example)).verb is verb
    assert all(option.help for option in verb.options)
    assert callable(handler_of(verb))


@pytest.mark.parametrize("words", [[], ["job"], ["compute"]])
def test_no_verb_prints_help(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out.startswith("usage: batchmagic")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("jobb list", "Did you mean 'job'?"),
        ("job lst", "Did you mean 'list'?"),
        ("invoke heart --input x --outputt y", "Did you mean '--output'?"),
        ("invoke heart --inputt x", "Did you mean '--input'?"),
        ("invoke heart", "--input"),
        ("job show", "required: J"),
        ("job list --format xml", "table, json, yaml"),
        ("job list --max-results many", "whole number"),
        ("job list a b", "unknown argument 'b'"),
        ("deploy heart --model x", "ENDPOINT/DEPLOYMENT"),
        ("deploy a/b/c --model x", "ENDPOINT/DEPLOYMENT"),
        ("deploy heart/abc --output-format xls", "--output-format cannot be 'xls'"),
        ("invoke heart --input x --wait --no-wait", "exclude"),
        ("prune --older-than soon", "no age"),
    ],
)
def test_a_wrong_word_is_one_line(words: str, told: str, project, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert told in err
    assert not (project / ".batchmagic").exists()


@pytest.mark.parametrize("words", [["--format", "json", "job", "list"], ["job", "list", "--format", "json"]])
def test_shared_options_stand_before_and_after(
    words: list[str], project, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(words) == 0
    assert capsys.readouterr().out == "[]\n"


def test_help_is_light() -> None:
    """What is heavy is imported by the verbs that need it."""
    heavy = ("pandas", "dask", "distributed", "mlflow", "sqlalchemy", "pyarrow", "pydantic", "rich", "numpy")
    program = (
        "import sys, contextlib\n"
        "from batchmagic.cli.main import main\n"
        "with contextlib.suppress(SystemExit):\n    main(['job', 'list', '--help'])\n"
        f"print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_python_m_works() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "batchmagic", "--help"], capture_output=True, text=True, check=True
    )
    assert "NOUN" in done.stdout
