"""A line of a magic taken apart."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchmagic.errors import UsageError
from batchmagic.magics.expressions import Names, with_placeholders
from batchmagic.magics.lexer import split

NAMES = Names(
    notebook={"path": 'my data/it\'s "here"', "n": 3, "day": "05", "d": {"a": {"b": "x y"}}, "nothing": None}
)


def words(line: str) -> list[str]:
    return split(line, NAMES.text)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("invoke heart --input ./data", ["invoke", "heart", "--input", "./data"]),
        ("", []),
        ("   # only words about it", []),
        ("invoke heart # a comment 'with an open quote", ["invoke", "heart"]),
        ("invoke heart --input data#1 a#b", ["invoke", "heart", "--input", "data#1", "a#b"]),
        ("--set 'a b'=c x\\ y", ["--set", "a b=c", "x y"]),
        ('"a \\" b" "\\n" \'\\n\'', ['a " b', "\\n", "\\n"]),
        ("'' \"\"", ["", ""]),
        ("--input {{ path }}", ["--input", 'my data/it\'s "here"']),
        ("--input data/{{ day }}/x --n={{n}}", ["--input", "data/05/x", "--n=3"]),
        ("'{{ day }} x' \"{{ day }}\"", ["05 x", "05"]),
        ("{{ d['a']['b'] }}", ["x y"]),
        ("{{ {'k': {'v': 'a }} b'}}['k']['v'] }}", ["a }} b"]),
        ("{{ '# no comment' }}", ["# no comment"]),
        ("${{ parent.inputs.x }}", ["${{", "parent.inputs.x", "}}"]),
        ("a{b}c {x}", ["a{b}c", "{x}"]),
    ],
)
def test_words(line: str, found: list[str]) -> None:
    assert words(line) == found


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("--input 'data", "A ' is not closed"),
        ('--input "data', 'A " is not closed'),
        ("--input {{ path", "'{{' without '}}'"),
        ("--input {{ pth }}", "{{ pth }}: NameError: name 'pth' is not defined."),
        ("--input {{ 1 + }}", "{{ 1 + }}: SyntaxError"),
        ("--input {{ nothing }}", "{{ nothing }} is None."),
        ("--input {{ d['z'] }}", "KeyError"),
    ],
)
def test_what_is_no_line(line: str, told: str) -> None:
    with pytest.raises(UsageError) as error:
        words(line)
    assert told in str(error.value)


@given(st.lists(st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1)))
def test_quoting_as_a_shell_does_it_comes_back(given_words: list[str]) -> None:
    line = shlex.join(given_words)
    if "{{" not in line:
        assert split(line, NAMES.text) == given_words


@given(st.text(st.characters(blacklist_categories=("Cs",))))
def test_a_value_is_one_word_whatever_it_holds(value: str) -> None:
    names = Names(notebook={"v": value})
    assert split("--a {{ v }} x{{ v }}y", names.text) == ["--a", value, f"x{value}y"]


def test_names_of_the_function_come_before_those_of_the_notebook() -> None:
    names = Names(notebook={"x": "outer", "y": "kept"}, local={"x": "inner"})
    assert split("{{ x }} {{ [y for _ in x][0] }}", names.text) == ["inner", "kept"]


def test_placeholders_are_worth_their_value_only_when_asked() -> None:
    seen: list[int] = []
    names = Names(notebook={"f": lambda: seen.append(1) or 7})
    text, values = with_placeholders("a: {{ f() }}\n# {{ f() }}\nb: ${{ left.alone }}\n", names)
    assert "{{ f() }}" not in text
    assert "${{ left.alone }}" in text
    assert seen == []
    first = next(iter(values.values()))
    assert (first(), first(), seen) == (7, 7, [1])
