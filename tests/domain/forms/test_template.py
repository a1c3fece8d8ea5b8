"""Display templates."""

import time
from typing import Any

import pytest

from taskyard.domain.forms.template import MAX_TEXT, check_template, fill


def test_what_is_found_stands_where_it_was_asked_for() -> None:
    assert fill("{{ a }} and {{ b }}{{ none }}.", {"a": "one", "b": [2]}) == "one and [2]."


def test_nothing_is_looked_for_beyond_the_limit() -> None:
    found: dict[str, Any] = {"much": "x" * (MAX_TEXT - 1), "one": 1}
    with pytest.raises(ValueError, match="length"):
        fill("{{ much }}{{ length(one) }}", found)
    assert fill("{{ much }}..{{ length(one) }}", found) == found["much"] + "."


def test_many_beginnings_without_an_end_are_refused_at_once() -> None:
    began = time.process_time()
    with pytest.raises(ValueError, match="belongs to no expression"):
        check_template("{{" * 10_000)
    assert time.process_time() - began < 1
