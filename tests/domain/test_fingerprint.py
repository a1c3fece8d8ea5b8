"""Failures of one cause have one fingerprint."""

import pytest

from taskyard.domain.fingerprint import fingerprint, normalised


def test_numbers_ids_and_quoted_words_make_no_difference() -> None:
    message = "timeout after 30.5 s for 'ada' (0f8fad5b-d9cb-469f-a165-70867728950e)"
    assert normalised(message) == "timeout after # s for … (#)"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("port 1", "port 20,000"),
        ('no "orders"', 'no "customers"'),
        ("it's 3 o'clock", "it's 4 o'clock"),
        ("at 12:30:01", "at 12:30:02"),
        ("x" * 2000 + "1", "x" * 2000 + "y"),
    ],
)
def test_messages_that_differ_in_details_are_one(one: str, other: str) -> None:
    assert fingerprint("a", "X", one) == fingerprint("a", "X", other)


def test_what_stands_far_from_its_quote_is_not_looked_for() -> None:
    far = '"' + "x" * 201 + '"'
    assert normalised(far) == far


def test_definition_code_and_words_tell_causes_apart() -> None:
    causes = [
        ("a", "X", "port 1"),
        ("b", "X", "port 1"),
        ("a", "Y", "port 1"),
        ("a", "X", "host 1"),
        ("aX", "", "port 1"),
    ]
    assert len({fingerprint(*cause) for cause in causes}) == len(causes)


@pytest.mark.parametrize("message", ["", "\ud800", '"', "'" * 5000, "“" * 5000, "0" * 100_000])
def test_any_message_has_one(message: str) -> None:
    assert len(fingerprint("a", "X", message)) == 16
