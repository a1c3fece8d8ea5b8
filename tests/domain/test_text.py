"""Text of others: colours stay, all other control sequences go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.text import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x00\x01\x1b[31mred\x1b[0m\x00b", "a\x1b[31mred\x1b[0mb"),
        ("\x1b]0;owned\x07 trace", " trace"),
        ("\x00\x1b", ""),
        ("tab\tline\n\u202egnp.exe", "tab\tline\ngnp.exe"),
    ],
)
def test_only_colours_stay(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text(st.sampled_from("a\x00\x1b[31m\x9b;\u202e\t\n")))
def test_what_is_printable_stays_as_it_is(text: str) -> None:
    shown = printable(text)
    assert "\x00" not in shown
    assert "\u202e" not in shown
    assert shown.count("\x1b") == shown.count("\x1b[")
