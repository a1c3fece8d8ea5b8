from __future__ import annotations

import dataclasses
import enum
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain import json
from taskyard.errors import Malformed, ValidationFailed

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
SCALARS = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT
VALUES: st.SearchStrategy[Any] = st.recursive(
    SCALARS | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = "red"


@dataclasses.dataclass
class Point:
    x: int
    y: float | None


def nested(depth: int) -> Any:
    value: Any = 1
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


def refused(error: ValidationFailed) -> list[tuple[str, str]]:
    return [(detail["path"], detail["keyword"]) for detail in error.details]


def refusal_of(door: Callable[[Any], Any], value: Any) -> Any:
    try:
        door(value)
    except ValidationFailed as error:
        return error.details
    return None


@given(VALUES)
def test_what_is_written_is_read_back(value: Any) -> None:
    assert json.loads(json.dumps(value)) == value
    assert json.loads(json.canonical(value)) == value
    json.check(value)


@given(st.dictionaries(TEXT, VALUES), st.randoms())
def test_canonical_bytes_do_not_depend_on_the_order_of_keys(value: dict[str, Any], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert json.canonical({key: value[key] for key in keys}) == json.canonical(value)


@given(st.binary() | st.text() | st.text('[]{}",:0123456789.eE+-\\u dfntrueals'))
def test_arbitrary_input_is_read_or_refused(data: bytes | str) -> None:
    try:
        value = json.loads(data)
    except (Malformed, ValidationFailed):
        return
    assert json.loads(json.dumps(value)) == value


@given(
    st.recursive(SCALARS | st.text() | st.floats() | st.integers(), st.lists) | st.dictionaries(st.text(), st.text())
)
def test_every_door_refuses_the_same_values(value: Any) -> None:
    refusals = [refusal_of(json.check, value), refusal_of(json.dumps, value), refusal_of(json.canonical, value)]
    assert refusals.count(refusals[0]) == 3
    if refusals[0] is None:
        assert json.loads(json.dumps(value)) == value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "NaN",
        "[Infinity]",
        "-Infinity",
        "[1]x",
        "01",
        "'a'",
        "[1,]",
        b"\xff",
        b'"\xff"',
        "\ufeff1",
        '"\t"',
        "+1",
    ],
)
def test_what_is_not_json_is_malformed(text: bytes | str) -> None:
    with pytest.raises(Malformed, match="not JSON"):
        json.loads(text)


@pytest.mark.parametrize(
    ("text", "path", "keyword"),
    [
        (r'{"a": ["x", "\u0000"]}', "/a/1", "text"),
        (r'{"a\u0000b": 1}', r"/a\u0000b", "text"),
        (r'{"a": "\ud800"}', "/a", "text"),
        (r'["\uDC00\uD800"]', "/0", "text"),
        (r'{"\ud800": 1}', "/\N{REPLACEMENT CHARACTER}", "text"),
        ('"\ud800"', "", "text"),
        ('{"a/b": {"c~d": 9223372036854775808}}', "/a~1b/c~0d", "integer"),
        ("-9223372036854775809", "", "integer"),
        ("[1, -9223372036854775809]", "/1", "integer"),
        (f"[{'9' * 5000}]", "/0", "integer"),
        ("[1e400]", "/0", "number"),
    ],
)
def test_json_that_may_not_enter_is_refused_with_its_place(text: str, path: str, keyword: str) -> None:
    with pytest.raises(ValidationFailed) as caught:
        json.loads(text)
    assert refused(caught.value) == [(path, keyword)]


@pytest.mark.parametrize(
    "text",
    [
        "9223372036854775807",
        "-9223372036854775808",
        '["9223372036854775808", "id 99999999999999999999"]',
        "1.12345678901234567890",
        r'"\\u0000"',
        r'"\ud83d\ude00"',
    ],
)
def test_what_only_looks_suspect_is_let_in(text: str) -> None:
    assert json.loads(text) == json.loads(text.encode())


def test_a_value_may_be_as_deep_as_the_limit_and_no_deeper() -> None:
    deepest = msgspec.json.encode(nested(json.MAX_DEPTH))
    assert json.loads(deepest) == nested(json.MAX_DEPTH)
    assert json.dumps(nested(json.MAX_DEPTH)) == deepest
    for door in (json.loads, json.dumps, json.check):
        value: Any = nested(json.MAX_DEPTH + 1)
        with pytest.raises(ValidationFailed, match="nested too deeply"):
            door(msgspec.json.encode(value) if door is json.loads else value)


def test_an_empty_list_below_the_limit_counts() -> None:
    assert json.loads("[[]]", max_depth=2) == [[]]
    with pytest.raises(ValidationFailed):
        json.loads("[[]]", max_depth=1)


def test_many_brackets_need_not_be_deep() -> None:
    text = b"[" + b",".join([b'{"a":["[["]}'] * 100) + b"]"
    assert len(json.loads(text)) == 100


@pytest.mark.parametrize("depth", [2_000, 200_000])
def test_nesting_beyond_the_stack_is_refused(depth: int) -> None:
    with pytest.raises(ValidationFailed, match="nested too deeply"):
        json.loads(b"[" * depth + b"]" * depth)


def test_the_findings_of_one_value_are_bounded() -> None:
    with pytest.raises(ValidationFailed, match=r"and 99 more") as caught:
        json.check(["\0"] * 500)
    assert len(caught.value.details) == json.MAX_DETAILS


def test_plain_python_values_are_written() -> None:
    value = {
        "at": datetime(2026, 1, 31, tzinfo=UTC),
        "id": UUID(int=1),
        "price": Decimal("1.10"),
        "colour": Colour.RED,
        "point": Point(1, None),
        "set": {1},
        "raw": msgspec.Raw(b'{"x":null}'),
        1: "key",
    }
    assert json.loads(json.dumps(value)) == {
        "at": "2026-01-31T00:00:00Z",
        "id": "00000000-0000-0000-0000-000000000001",
        "price": "1.10",
        "colour": "red",
        "point": {"x": 1, "y": None},
        "set": [1],
        "raw": {"x": None},
        "1": "key",
    }


@pytest.mark.parametrize(
    ("value", "path", "keyword"),
    [
        ({"a": math.nan}, "/a", "number"),
        ([math.inf], "/0", "number"),
        (Point(1, -math.inf), "/y", "number"),
        ({"a": [object()]}, "/a/0", "type"),
        ({"a": {(1,): 2}}, "/a/(1,)", "type"),
        ({"a": "\ud800"}, "/a", "text"),
        ({"a": Point(2**63, None)}, "/a/x", "integer"),
        ({"at": datetime(2026, 1, 31, tzinfo=UTC), "b": 1j}, "/b", "type"),
    ],
)
def test_what_is_not_json_is_not_written(value: Any, path: str, keyword: str) -> None:
    for write in (json.dumps, json.canonical):
        with pytest.raises(ValidationFailed) as caught:
            write(value)
        assert refused(caught.value) == [(path, keyword)]


def test_a_value_that_holds_itself_is_not_written() -> None:
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValidationFailed, match="nested too deeply"):
        json.dumps(loop)


def test_tuples_are_surveyed_as_lists_are() -> None:
    assert json.dumps({"a": (1, None, 1e308)}) == b'{"a":[1,null,1e308]}'
    with pytest.raises(ValidationFailed, match="not a finite number") as refused:
        json.dumps({"a": (1, (math.nan,))})
    assert refused.value.details[0]["path"] == "/a/1/0"


def test_a_parsed_value_must_be_made_of_json_types() -> None:
    with pytest.raises(ValidationFailed) as caught:
        json.check({"at": datetime(2026, 1, 31, tzinfo=UTC), 2: (1,)})
    assert refused(caught.value) == [("/at", "type"), ("/2", "type"), ("/2", "type")]


@given(st.lists(st.text(max_size=3)))
def test_pointers_name_one_place(steps: list[str]) -> None:
    written = json.pointer(steps)
    read = [step.replace("~1", "/").replace("~0", "~") for step in written.split("/")[1:]]
    assert read == steps


def test_digests_tell_apart_where_the_parts_end() -> None:
    assert json.digest(b"ab", b"c") != json.digest(b"a", b"bc")
    assert json.digest(b"ab") == json.digest(b"ab")
    assert len(json.digest()) == 32


@given(VALUES)
def test_flat_values_hold_no_containers(value: Any) -> None:
    assert json.is_flat(value) == (not re.search(rb"[\[{].*[\[{]", re.sub(rb'"(\\.|[^"\\])*"', b"", json.dumps(value))))
