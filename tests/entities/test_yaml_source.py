"""YAML text to data: what is read, where it stood, and what is refused before it can do harm."""

from __future__ import annotations

import math
import time

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from batchmagic.entities.yaml_source import (
    MAX_ALIASES,
    MAX_BYTES,
    MAX_DEPTH,
    read_document,
    read_documents,
    read_scalar,
    source_text,
    write_yaml,
)
from batchmagic.errors import DefinitionError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("12", 12),
        ("-3", -3),
        ("0x1F", 31),
        ("0o17", 15),
        ("010", 10),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("-.inf", -math.inf),
        ("2024-01-01", "2024-01-01"),
        ("'12'", "12"),
        ("azureml:heart@latest", "azureml:heart@latest"),
        ("[1, [a, {b: c}]]", [1, ["a", {"b": "c"}]]),
        ("!!str 12", "12"),
    ],
)
def test_values_are_those_of_yaml_1_2(text, value):
    assert read_document(f"k: {text}").data == {"k": value}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("20", 20), ("-1", -1), ("1.5", 1.5), ("true", True), ("null", None), ("~", None), ("'20'", "20"), ('"a b"', "a b"),
        ("[1, a]", [1, "a"]), ("{a: 1}", {"a": 1}), ("", ""), ("yes", "yes"), ("12:30", "12:30"), ("a: b", "a: b"),
        ("[x", "[x"), ("*x", "*x"), ("#x", "#x"), ("azureml:heart@latest", "azureml:heart@latest"), ("9" * 5000, "9" * 5000),
    ],
)  # fmt: skip
def test_a_lone_value_is_what_it_is_in_yaml_or_its_text(text, value):
    assert read_scalar(text) == value


def test_not_a_number_is_read():
    assert math.isnan(read_document("k: .NaN").data["k"])


@pytest.mark.parametrize("text", ["1.10", "007", "1e3", "0x1F", "+5"])
def test_a_number_remembers_how_it_was_written(text):
    assert source_text(read_document(f"k: {text}").data["k"]) == text


def test_keys_are_the_text_that_stands_there():
    assert read_document("1: a\nyes: b\n1.0: c").data == {"1": "a", "yes": "b", "1.0": "c"}


def test_aliases_and_merges_are_followed():
    text = "base: &b {x: 1, y: 2}\nmore: &m {y: 9, z: 3}\nnew: {<<: [*b, *m], x: 5}\nsame: *b"
    data = read_document(text).data
    assert data["new"] == {"x": 5, "y": 2, "z": 3}
    assert data["same"] == {"x": 1, "y": 2}


def test_places_are_known_by_path():
    document = read_document("a: 1\nb:\n  - x\n  - c:   [1,\n      2]\n")
    assert document.position(("a",)) == (1, 4)
    assert document.position(("a",), key=True) == (1, 1)
    assert document.position(("b", 1, "c", 1)) == (5, 7)
    assert document.position(("b", 1, "c"), key=True) == (4, 5)


def test_a_place_that_is_not_there_is_looked_for_by_its_name_and_then_around_it():
    document = read_document("name: x\nproperties:\n  batchmagic.timeout: 5\n")
    assert document.position(("settings", "timeout")) == (3, 23)
    assert document.position(("properties", "other")) == (3, 3)
    assert document.position(("nothing",)) == (1, 1)


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ("a: 1\nb: 2\na: 3", 3, 1, "the key 'a' stands here twice"),
        ("a: {x: 1, x: 2}", 1, 11, "twice"),
        ("a: !!python/object/apply:os.system [ls]", 1, 4, "is not allowed"),
        ("a: !mine 5", 1, 4, "is not allowed"),
        ("a: !!binary aGk=", 1, 4, "is not allowed"),
        ("a: !!set {x, y}", 1, 4, "is not allowed"),
        ("a: &a [*a]", 1, 4, "contains itself"),
        ("a: *b", 1, 4, "undefined alias"),
        ("a: [1, 2", 2, 1, "expected"),
        ("a: b: c", 1, 5, "not allowed"),
        ("\ta: 1", 1, 1, "cannot start any token"),
        ("? [a]\n: b", 1, 3, "a key must be text"),
        ("a: &a {x: 1}\n<<: *a\n<<: *a", 3, 1, "the key '<<' stands here twice"),
        ("<<: 5", 1, 5, "<< takes a mapping"),
        ("a: x\nb: \x00", 2, 4, "a character that YAML does not allow"),
        ("a: \ud800", 1, 4, "a character that YAML does not allow"),
        ("a: " + "9" * 5000, 1, 4, "is not a number that can be read"),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(text, line, column, reason):
    with pytest.raises(DefinitionError) as caught:
        read_documents(text, name="f.yml")
    assert reason in str(caught.value)
    assert (caught.value.line, caught.value.column) == (line, column)
    assert str(caught.value).startswith(f"f.yml, line {line}, column {column}: ")


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
        "[" * 500_000,
        "{a: " * 200_000,
        "- " * 100_000 + "a",
        "a: &a x\nb: [" + ", ".join(["*a"] * (MAX_ALIASES + 1)) + "]",
        "a: " + "x" * MAX_BYTES,
        "a0: &a0 ["
        + "x," * 10
        + "]\n"
        + "".join(f"a{i}: &a{i} [" + f"*a{i - 1}," * 10 + "]\n" for i in range(1, 10)),
    ],
    ids=["levels", "brackets", "braces", "dashes", "aliases", "size", "laughs"],
)
def test_what_would_do_harm_is_refused_quickly(text):
    started = time.monotonic()
    with pytest.raises(DefinitionError):
        read_documents(text)
    assert time.monotonic() - started < 10


def test_the_limits_themselves_are_allowed():
    levels = MAX_DEPTH - 1
    read_document("a: " + "[" * levels + "]" * levels)
    read_document("a: &a x\nb: [" + ", ".join(["*a"] * MAX_ALIASES) + "]")


def test_several_documents_come_in_order_without_the_empty_ones():
    assert [d.data for d in read_documents("---\na: 1\n---\n---\nb: 2\n...\n")] == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize(
    ("text", "reason"),
    [("", "nothing in it"), ("# only words", "nothing in it"), ("a: 1\n---\nb: 2", "2 documents")],
)
def test_one_document_is_one(text, reason):
    with pytest.raises(DefinitionError, match=reason):
        read_document(text)


WORDS = st.text(max_size=20).filter(
    lambda text: all(ord(char) < 0xD800 or ord(char) > 0xDFFF for char in text)
)
AWKWARD = st.sampled_from(
    ["1e3", "0o7", "yes", "true", "~", "", "1:30", "<<", "=", "007", "- a", "a: b", "#", "é", "\x85", "\n"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False) | WORDS | AWKWARD,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(WORDS | AWKWARD, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(WORDS | AWKWARD, VALUES, min_size=1, max_size=5))
def test_what_is_written_reads_back_here_and_elsewhere(data):
    text = write_yaml(data)
    assert read_document(text).data == data
    assert yaml.safe_load(text) == data
