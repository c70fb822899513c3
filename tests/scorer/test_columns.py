from __future__ import annotations

import itertools
import pickle

import pytest

from batchmagic.scoring.columns import TYPES, ColumnConflict, unify, unify_columns


@pytest.mark.parametrize(
    ("a", "b", "both"),
    [
        ("integer", "integer", "integer"),
        ("null", "json", "json"),
        ("integer", "double", "double"),
        ("boolean", "integer", "text"),
        ("timestamp", "double", "text"),
        ("text", "boolean", "text"),
        ("binary", "null", "binary"),
    ],
)
def test_two_types_become_the_narrowest_that_holds_both(a, b, both):
    assert unify(a, b) == unify(b, a) == both


@pytest.mark.parametrize(("a", "b"), [("json", "text"), ("binary", "integer"), ("json", "binary")])
def test_bytes_and_nested_data_go_with_nothing_else(a, b):
    with pytest.raises(ColumnConflict) as caught:
        unify(a, b, name="x")
    assert (caught.value.name, caught.value.a, caught.value.b) == ("x", a, b)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)


def test_the_order_of_mini_batches_does_not_matter():
    plain = [t for t in TYPES if t not in {"json", "binary"}]
    for a, b, c in itertools.product(plain, repeat=3):
        if {a, b, c} >= {"integer", "double"}:
            continue
        assert unify(unify(a, b), c) == unify(a, unify(b, c))


def test_columns_are_kept_in_the_order_in_which_they_were_first_seen():
    merged = unify_columns([("b", "null"), ("a", "integer")], [("c", "text"), ("a", "double"), ("b", "text")])
    assert merged == [("b", "text"), ("a", "double"), ("c", "text")]


def test_a_conflict_names_the_column():
    with pytest.raises(ColumnConflict, match="column 'a' is json in some rows and text in others"):
        unify_columns([("a", "json")], [("a", "text")])


def test_rows_in_azures_form_have_no_types_to_disagree_about():
    merged = unify_columns(
        [("a", "json"), ("b", "integer")], [("a", "text"), ("b", "double")], encoding="azure"
    )
    assert merged == [("a", "text"), ("b", "double")]
    assert unify_columns(merged, [("a", "binary")], encoding="azure") == merged
