"""Typed variables and times as Camunda 7 writes them."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.camunda import moment, plain, typed, value_of, variables_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", max_size=3), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


@given(JSON)
def test_every_value_comes_back_as_it_was(value: Any) -> None:
    assert plain(typed(value)) == value


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (None, "Null"),
        (True, "Boolean"),
        (7, "Integer"),
        (2**40, "Long"),
        (0.5, "Double"),
        ("x", "String"),
        ([1], "Json"),
    ],
)
def test_types_are_camundas(value: Any, type_: str) -> None:
    assert typed(value)["type"] == type_


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ({"value": 5}, 5),
        ({"value": "5", "type": "Integer"}, 5),
        ({"value": "{}", "type": "String"}, "{}"),
        ({"value": '{"a": 1}', "type": "json"}, {"a": 1}),
        ({"value": "[1]", "type": "Object", "valueInfo": {"serializationDataFormat": "application/json"}}, [1]),
        ({"value": "aGk=", "type": "Bytes"}, "aGk="),
        ({"value": "2026-01-01T00:00:00.000+0000", "type": "Date"}, "2026-01-01T00:00:00.000+0000"),
        ({}, None),
    ],
)
def test_what_workers_send_is_read(variable: Any, value: Any) -> None:
    assert plain(variable) == value


@pytest.mark.parametrize(
    "variable",
    [5, "x", {"value": "{", "type": "Json"}, {"value": "x", "type": "Long"}, {"value": "*", "type": "Bytes"}],
)
def test_what_cannot_be_read_is_told_with_its_name(variable: Any) -> None:
    with pytest.raises(ValueError, match="'amount'"):
        value_of({"amount": variable})


def test_a_value_that_is_no_object_has_a_name() -> None:
    assert variables_of([1], "input") == {"input": typed([1])}
    assert variables_of(None, "input") == {}
    assert moment(1_893_456_000_123_000) == "2030-01-01T00:00:00.123+0000"
    assert moment(None) is None
