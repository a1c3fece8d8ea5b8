"""Texts with expressions in them."""

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.template import fill, parse_template


def test_what_is_found_stands_in_the_text() -> None:
    template = parse_template("/shops/{shop.id}/orders/{items[0].sku}")
    assert template.text({"shop": {"id": 3}, "items": [{"sku": "a"}]}) == "/shops/3/orders/a"


def test_a_text_that_is_one_expression_is_what_that_finds() -> None:
    assert fill({"a": "{x}", "b": ["{y}!"], "c": 1}, {"x": [1, None], "y": "z"}) == {
        "a": [1, None],
        "b": ["z!"],
        "c": 1,
    }
    assert fill("{nothing}", {}) is None


def test_what_is_put_in_is_not_read_again() -> None:
    assert fill("-{x}-", {"x": "{y}", "y": "secret"}) == "-{y}-"


@given(st.text(max_size=40))
def test_doubled_braces_stand_for_themselves(text: str) -> None:
    assert parse_template(text.replace("{", "{{").replace("}", "}}")).text({}) == text


@pytest.mark.parametrize("text", ["{", "a}b", "{a{b}", "{}", "{a.}", "{nothing(a)}"])
def test_what_is_no_template_is_told(text: str) -> None:
    with pytest.raises(ValueError):
        parse_template(text)


@given(st.text(max_size=60), st.recursive(st.none() | st.text(max_size=5), lambda s: st.lists(s, max_size=3)))
def test_any_text_is_a_template_or_refused(text: str, document: Any) -> None:
    with contextlib.suppress(ValueError):
        parse_template(text).value(document)


def test_nothing_where_text_is_needed_is_refused() -> None:
    with pytest.raises(ValueError, match="has nothing under 'a'"):
        parse_template("/{a}").text({})
