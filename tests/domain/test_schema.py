from __future__ import annotations

import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.json import MAX_DETAILS
from taskyard.domain.schema import Validator, check_schema, compile_schema
from taskyard.errors import ValidationFailed

JSON: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-100, 100)
    | st.floats(-5, 5)
    | st.sampled_from(["", "a", "b/c", "2026-01-31"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c/~"]), inner, max_size=3),
    max_leaves=8,
)
TYPES = st.sampled_from(["string", "integer", "number", "boolean", "null", "array", "object"])
SCHEMAS: st.SearchStrategy[dict[str, Any]] = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES | st.lists(TYPES, min_size=1, unique=True),
            "enum": st.lists(JSON, max_size=3),
            "const": JSON,
            "minLength": st.integers(0, 3),
            "maximum": st.integers(-5, 5),
            "multipleOf": st.integers(1, 3),
            "format": st.sampled_from(["date", "uuid", "email", "upload"]),
            "pattern": st.sampled_from(["^a", "(x+)+$"]),
            "uniqueItems": st.booleans(),
            "required": st.lists(st.sampled_from(["a", "b"]), unique=True),
            "propertyNames": st.just({"maxLength": 1}),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner, max_size=2),
            "additionalProperties": inner | st.booleans(),
            "unevaluatedProperties": st.just(value=False),
            "unevaluatedItems": st.just(value=False),
            "items": inner | st.booleans(),
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "contains": inner,
            "anyOf": st.lists(inner, min_size=1, max_size=3),
            "oneOf": st.lists(inner, min_size=1, max_size=3),
            "allOf": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "if": inner,
            "then": inner,
            "else": inner,
        },
    ),
    max_leaves=6,
)


def findings(schema: dict[str, Any], value: Any, prefix: str = "") -> list[tuple[str, str, str]]:
    return [(each["path"], each["message"], each["keyword"]) for each in compile_schema(schema).errors(value, prefix)]


def refusal_of(schema: Any, prefix: str = "") -> tuple[str, str]:
    with pytest.raises(ValidationFailed) as caught:
        check_schema(schema, prefix)
    first = caught.value.details[0]
    return first["path"], first["message"]


@given(SCHEMAS, JSON)
def test_errors_are_found_exactly_when_a_value_does_not_fit(schema: dict[str, Any], value: Any) -> None:
    validator = compile_schema(schema)
    errors = validator.errors(value, "/input")
    assert bool(errors) != validator.is_valid(value)
    for error in errors:
        assert error["path"].startswith("/input")
        assert error["keyword"]
        assert len(error["message"]) < 900


def test_a_closed_object_names_each_missing_and_each_unknown_field() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {}, "b": {}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }
    assert sorted(findings(schema, {"b/x": 1, "c~": 2}, "/input")) == [
        ("/input/a", "is required", "required"),
        ("/input/b", "is required", "required"),
        ("/input/b~1x", "is not a known field", "additionalProperties"),
        ("/input/c~0", "is not a known field", "additionalProperties"),
    ]
    assert findings({"properties": {"o": {"unevaluatedProperties": False}}}, {"o": {"x": 1}}) == [
        ("/o/x", "is not a known field", "unevaluatedProperties")
    ]


@pytest.mark.parametrize(
    ("schema", "value", "path", "message"),
    [
        ({"type": "integer"}, "1", "", "must be an integer"),
        ({"type": ["string", "null"]}, 1, "", "must be a string or null"),
        ({"enum": ["sql", "tar"]}, "zip", "", 'must be "sql" or "tar"'),
        ({"enum": list(range(50))}, 99, "", "must be one of 50 values such as 0, 1, 2"),
        ({"enum": []}, 1, "", "must be nothing"),
        ({"const": 4}, 5, "", "must be 4"),
        ({"const": "x" * 500}, 5, "", 'must be "' + "x" * 58 + "…"),
        ({"minLength": 1}, "", "", "must not be empty"),
        ({"maxLength": 1}, "ab", "", "must have at most 1 character"),
        ({"minItems": 2}, [1], "", "must have at least 2 items"),
        ({"maxProperties": 1}, {"a": 1, "b": 2}, "", "must have at most 1 field"),
        ({"minimum": 1}, 0, "", "must be 1 or more"),
        ({"exclusiveMaximum": 1.5}, 2, "", "must be less than 1.5"),
        ({"multipleOf": 2}, 3, "", "must be a multiple of 2"),
        ({"pattern": "^a+$"}, "b", "", "does not match the pattern ^a+$"),
        ({"pattern": "^https?://"}, "ftp://a", "", "must begin with http:// or https://"),
        ({"format": "email"}, "x", "", "must be an e-mail address"),
        ({"format": "ipv4"}, "x", "", "must be a valid ipv4"),
        ({"uniqueItems": True}, [1, 1], "", "holds the same item twice"),
        ({"properties": {"g": False}}, {"g": 1}, "/g", "is not allowed"),
        ({"not": {}}, 1, "", "has a value that is ruled out"),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "/ab", "has a name that must have at most 1 character"),
        ({"prefixItems": [{}], "unevaluatedItems": False}, [1, 2], "", "holds items that are not allowed"),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "/b", "is required"),
        ({"oneOf": [{"type": "integer"}, {"minimum": 1}]}, 2, "", "fits more than one of the forms it may have"),
        ({"anyOf": [{"type": "string"}, {"type": "null"}]}, 1, "", "must be a string or null"),
        ({"anyOf": [{"type": "string", "minLength": 2}, {"type": "null"}]}, "a", "", "must have at least 2 characters"),
        ({"anyOf": [{"required": ["a"]}, {"required": ["b"]}]}, {}, "", "fits none of the forms it may have"),
    ],
)
def test_messages_are_plain_english(schema: dict[str, Any], value: Any, path: str, message: str) -> None:
    assert [(where, words) for where, words, _ in findings(schema, value)] == [(path, message)]


def test_of_discriminated_alternatives_only_the_meant_one_is_explained() -> None:
    def form(kind: str, size: str) -> dict[str, Any]:
        return {"type": "object", "properties": {"kind": {"const": kind}, "size": {"type": size}}}

    schema = {"oneOf": [form("disk", "integer"), form("name", "string"), {"type": "null"}]}
    assert findings(schema, {"kind": "disk", "size": "big"}) == [("/size", "must be an integer", "type")]


def test_check_raises_with_all_findings() -> None:
    validator = compile_schema({"items": {"type": "string"}})
    validator.check(["a"])
    with pytest.raises(ValidationFailed, match=r"^/input/0 must be a string \(and 1 more\)\.$") as caught:
        validator.check([1, "a", 2], "/input")
    assert [detail["path"] for detail in caught.value.details] == ["/input/0", "/input/2"]


@pytest.mark.parametrize("value", [{"a": "\ud800"}, {"a": object()}])
def test_a_value_that_is_not_json_is_refused(value: Any) -> None:
    with pytest.raises(ValidationFailed, match=r"^/a "):
        compile_schema({"properties": {"a": {"pattern": "^a"}}}).check(value)


def test_the_findings_are_bounded_and_a_large_value_gives_its_first() -> None:
    schema = {"items": {"type": "string"}}
    assert len(findings(schema, [0] * 1_000)) == MAX_DETAILS
    assert len(findings(schema, [0] * 100_000)) == 1
    assert findings({}, [0] * 100_000) == []


def test_equal_schemas_are_compiled_once() -> None:
    assert compile_schema({"type": "string", "minLength": 9}) is compile_schema({"minLength": 9, "type": "string"})


def test_a_validator_serves_every_thread() -> None:
    validator = compile_schema({"type": "string"})
    seen: list[bool] = []
    thread = threading.Thread(target=lambda: seen.append(validator.is_valid("a")))
    thread.start()
    thread.join()
    assert seen == [True]
    assert isinstance(validator, Validator)


@pytest.mark.parametrize(
    ("schema", "path", "message"),
    [
        ([], "", "must be an object"),
        ("{}", "", "must be an object"),
        ({"type": "text"}, "/type", 'must be "array", "boolean", "integer", "null", "number", "object" or "string"'),
        ({"properties": {"a": {"minLength": -1}}}, "/properties/a/minLength", "must be 0 or more"),
        ({"properties": {"a": object()}}, "/properties/a", "is not JSON but of type object"),
        ({"minimum": float("nan")}, "/minimum", "is not a finite number"),
        ({"$schema": "http://127.0.0.1:9/s"}, "/$schema", "must name a known draft or something inside this schema"),
    ],
)
def test_a_schema_that_is_none_is_refused_with_the_place(schema: Any, path: str, message: str) -> None:
    assert refusal_of(schema, "/inputSchema") == ("/inputSchema" + path, message)


@pytest.mark.parametrize(
    "target", ["http://127.0.0.1:9/x", "https://127.0.0.1:9/x", "file:///etc/hostname", "other.json", "#/$defs/none"]
)
def test_references_do_not_leave_the_schema(target: str) -> None:
    path, message = refusal_of({"properties": {"a": {"$ref": target}}})
    assert path == "/properties/a/$ref"
    assert "inside this schema" in message


@pytest.mark.parametrize("pattern", ["(?=a)b", r"(a)\1", "(a{100}){100}{100}", "["])
def test_only_patterns_of_the_linear_engine_are_taken(pattern: str) -> None:
    path, message = refusal_of({"items": {"pattern": pattern}})
    assert path == "/items/pattern"
    assert "regular expression" in message


def test_a_hostile_text_costs_a_pattern_linear_time() -> None:
    assert findings({"pattern": "^(a+)+$"}, "a" * 50_000 + "b")


def doubling(levels: int) -> dict[str, Any]:
    chain = {f"a{level}": {"allOf": [{"$ref": f"#/$defs/a{level + 1}"}] * 2} for level in range(levels)}
    return {"$ref": "#/$defs/a0", "$defs": chain | {f"a{levels}": {"type": "integer"}}}


def test_schemas_that_multiply_by_reference_are_refused() -> None:
    check_schema(doubling(5))
    assert refusal_of(doubling(60))[1].startswith("refers to itself so often")
    anchored = {"$defs": {f"a{n}": {"$anchor": f"a{n}", "allOf": [{"$ref": f"#a{n + 1}"}] * 2} for n in range(60)}}
    anchored["$defs"]["a60"] = {"$anchor": "a60"}
    assert refusal_of(anchored)[1].startswith("refers to itself so often")


def test_long_chains_of_references_are_refused() -> None:
    chain: dict[str, Any] = {f"a{level}": {"$ref": f"#/$defs/a{level + 1}"} for level in range(5_000)}
    assert refusal_of({"$defs": chain | {"a5000": {}}})[1].startswith("refers to itself so often")


def test_recursive_schemas_are_welcome() -> None:
    tree = {
        "type": "object",
        "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}},
        "additionalProperties": False,
    }
    assert findings(tree, {"left": {"right": {"left": 3}}}) == [("/left/right/left", "must be an object", "type")]


def test_a_schema_may_name_an_older_draft() -> None:
    draft_7 = {"$schema": "http://json-schema.org/draft-07/schema#", "items": [{"type": "string"}]}
    assert findings(draft_7, [1, 1]) == [("/0", "must be a string", "type")]


FILE = {"type": "string", "format": "upload"}


def test_uploads_are_found_wherever_the_schema_wants_them() -> None:
    schema = {
        "properties": {
            "one": {"$ref": "#/$defs/file"},
            "some": {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/file"}, {"type": "null"}]}},
            "text": {"type": "string"},
            "either": {"oneOf": [{"properties": {"a": FILE}}, {"required": ["b"]}]},
        },
        "$defs": {"file": FILE},
    }
    validator = compile_schema(schema)
    value = {"one": "a", "some": ["b", None, "c"], "text": "d", "either": {"a": "e"}}
    validator.check(value)
    assert validator.takes_uploads
    assert validator.upload_ids(value) == {"a", "b", "c", "e"}
    validator.check_uploads(value, {"a", "b", "c", "e"})
    with pytest.raises(ValidationFailed) as refused:
        validator.check_uploads(value, {"b", "e"}, "/input")
    found = [(each["path"], each["message"]) for each in refused.value.details]
    wanted = "must be the uploadId of a file that you have uploaded"
    assert sorted(found) == [("/input/one", wanted), ("/input/some/2", wanted)]


def test_a_schema_without_files_takes_none() -> None:
    assert not compile_schema({"format": "date"}).takes_uploads
