"""Tokens by which places know tasks again."""

from __future__ import annotations

import pytest

from taskyard.domain.token import Token, read_token, token_of


@pytest.mark.parametrize("token", [Token(0, 0), Token(7, 0), Token((1 << 63) - 1, 12)])
def test_a_token_is_read_as_it_was_told(token: Token) -> None:
    assert read_token(token_of(*token)) == token


@pytest.mark.parametrize("number", ["9223372036854775808", "9999999999999999999", "1" * 5_000, "01", "-1", "a"])
def test_one_of_no_task_is_none(number: str) -> None:
    assert read_token(f"taskyard-{number}") is None
