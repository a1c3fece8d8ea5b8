"""Expressions over documents, and how much they may make of them."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.domain import expression
from taskyard.domain.expression import check_expression, evaluate


@pytest.mark.parametrize(
    ("text", "document"),
    [
        ("|".join(["[@,@]"] * 50), 1),
        ("|".join(["{a: @, b: @, c: @, d: [@, @, @, @]}"] * 50), 1),
        ("|".join(["[@,@][]"] * 200), [1]),
        ("|".join(["map(&[@,@], @)"] * 100), [1]),
        ("|".join(["join('', [@,@])"] * 100), "word"),
        ("|".join(["[@,@]"] * 10), "word" * 1_000_000),
        ("|".join(["`[1,2,3,4,5,6,7,8,9]`"] + ["[*].[`[1,2,3,4,5,6,7,8,9]`][][]"] * 100), None),
        ("|".join(["[@]"] * 90), 1),
    ],
)
def test_what_is_made_of_a_document_is_bounded(text: str, document: Any) -> None:
    with pytest.raises(ValueError, match=r"it makes more than|nests values deeper"):
        evaluate(text, document)


def test_what_is_found_in_a_document_is_not_bounded() -> None:
    large = {"rows": [[0, 0, 0, 0] for _ in range(400_000)]}
    assert evaluate("rows", large) is large["rows"]
    assert evaluate("rows[-1]", large) == [0, 0, 0, 0]
    assert len(evaluate("rows[*][0]", large)) == 400_000
    assert evaluate("length(rows)", large) == 400_000


@pytest.mark.parametrize(
    ("text", "document"),
    [
        (f"[*].not_null({','.join('a' * 1900)})", [{}] * 300_000),
        (f"not_null({','.join(['max(@)'] * 500)})", [1] * 400_000),
    ],
)
def test_what_is_done_with_a_document_is_bounded(text: str, document: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expression, "_MOST_STEPS", 100_000)
    with pytest.raises(ValueError, match=r"it takes more than \d+ steps"):
        evaluate(text, document)


@pytest.mark.parametrize("text", ["||".join("a" * 1900), "|".join("a" * 1900), "a" + "[]" * 1900, "!" * 3000 + "a"])
def test_what_nests_too_deeply_is_refused_when_it_is_checked(text: str) -> None:
    with pytest.raises(ValueError, match="recursion"):
        check_expression(text)
