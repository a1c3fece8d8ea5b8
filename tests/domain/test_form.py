from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.forms.fields import form_for, label_of
from taskyard.domain.json import dumps
from taskyard.domain.schema import compile_schema
from taskyard.errors import ValidationFailed


def field(schema: Any, **root: Any) -> dict[str, Any]:
    """The one field of an object whose property `a` is `schema`, without what every field has."""
    (only,) = form_for({"properties": {"a": schema}, **root})["fields"]
    return {key: value for key, value in only.items() if key not in ("key", "label", "required")}


def keys(form: dict[str, Any]) -> list[str]:
    return [each["key"] for each in form["fields"]]


def options(*values: Any) -> list[dict[str, Any]]:
    return [{"value": value, "label": str(value)} for value in values]


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"type": "string"}, {"type": "string", "widget": "text"}),
        ({"type": "string", "maxLength": 500}, {"type": "string", "widget": "textarea", "maxLength": 500}),
        ({"type": "string", "pattern": "^a"}, {"type": "string", "widget": "text", "pattern": "^a"}),
        ({"type": "string", "format": "date"}, {"type": "string", "widget": "date", "format": "date"}),
        ({"type": "string", "format": "date-time"}, {"type": "string", "widget": "datetime", "format": "date-time"}),
        ({"type": "string", "format": "upload"}, {"type": "string", "widget": "file", "format": "upload"}),
        ({"type": "string", "writeOnly": True}, {"type": "string", "widget": "password"}),
        ({"type": "integer", "minimum": 1}, {"type": "integer", "widget": "integer", "min": 1}),
        (
            {"type": "integer", "exclusiveMinimum": 1, "exclusiveMaximum": 9},
            {"type": "integer", "widget": "integer", "min": 2, "max": 8},
        ),
        (
            {"type": "number", "maximum": 2.5, "multipleOf": 0.5},
            {"type": "number", "widget": "number", "max": 2.5, "step": 0.5},
        ),
        ({"type": "boolean", "default": False}, {"type": "boolean", "widget": "checkbox", "default": False}),
        ({"enum": ["sql", 3]}, {"type": "any", "widget": "select", "options": options("sql", 3)}),
        ({"const": "x"}, {"type": "any", "widget": "select", "options": options("x"), "default": "x"}),
        (
            {"type": "array", "items": {"enum": ["a", "b"]}},
            {"type": "array", "widget": "multiselect", "options": options("a", "b"), "multiple": True},
        ),
        (
            {"type": "array", "items": {"type": "integer", "minimum": 0}, "maxItems": 3},
            {"type": "array", "widget": "integer", "multiple": True, "min": 0, "maxItems": 3},
        ),
        (
            {"type": "array", "items": {"type": "string", "format": "upload"}},
            {"type": "array", "widget": "file", "multiple": True},
        ),
        ({"type": "array", "items": {"type": "object"}}, {"type": "array", "widget": "json"}),
        ({"type": "array", "prefixItems": [{}]}, {"type": "array", "widget": "json"}),
        ({"type": "array"}, {"type": "array", "widget": "json"}),
        ({"type": "object"}, {"type": "object", "widget": "json"}),
        ({}, {"type": "any", "widget": "json"}),
        (True, {"type": "any", "widget": "json"}),
        ({"type": "string", "readOnly": True}, {"type": "string", "widget": "text", "readOnly": True}),
    ],
)
def test_each_schema_has_its_widget(schema: Any, expected: dict[str, Any]) -> None:
    assert field(schema) == expected


def test_a_field_has_a_label_a_key_and_says_whether_it_is_required() -> None:
    form = form_for({"properties": {"dry_run": {}, "b": {"title": "The B", "description": "Help."}}, "required": ["b"]})
    assert form == {
        "fields": [
            {"key": "dry_run", "label": "Dry run", "required": False, "type": "any", "widget": "json"},
            {"key": "b", "label": "The B", "required": True, "help": "Help.", "type": "any", "widget": "json"},
        ]
    }


@pytest.mark.parametrize(
    ("name", "label"),
    [
        ("dry_run", "Dry run"),
        ("dryRun", "Dry run"),
        ("page-size", "Page size"),
        ("theURL", "The URL"),
        ("_", ""),
        ("", ""),
    ],
)
def test_names_are_read_as_words(name: str, label: str) -> None:
    assert label_of(name) == label


def test_null_makes_a_field_nullable() -> None:
    nullable = {"type": "integer", "widget": "integer", "nullable": True}
    assert field({"type": ["integer", "null"]}) == nullable
    assert field({"anyOf": [{"type": "integer"}, {"type": "null"}]}) == nullable
    assert field({"enum": ["a", None]}) == {
        "type": "any",
        "widget": "select",
        "options": options("a"),
        "nullable": True,
    }


def test_alternatives_of_constants_are_a_choice_with_titles() -> None:
    choice = {"oneOf": [{"const": 1, "title": "One"}, {"const": 2}, {"const": None}]}
    assert field(choice) == {
        "type": "any",
        "widget": "select",
        "options": [{"value": 1, "label": "One"}, {"value": 2, "label": "2"}],
        "nullable": True,
    }


def test_a_number_that_may_be_text_is_text_and_other_unions_are_json() -> None:
    assert field({"anyOf": [{"type": "number"}, {"type": "string", "pattern": "^1"}]})["widget"] == "text"
    assert field({"anyOf": [{"type": "boolean"}, {"type": "string"}]}) == {"type": "any", "widget": "json"}


def test_references_and_all_of_are_resolved() -> None:
    shared = {"$defs": {"a/b": {"type": "string", "title": "Name", "description": "Help."}}}
    (only,) = form_for({"properties": {"first_name": {"$ref": "#/$defs/a~1b"}}, **shared})["fields"]
    assert (only["label"], only["help"], only["widget"]) == ("First name", "Help.", "text")
    assert field({"allOf": [{"type": "integer"}, {"minimum": 3}]})["min"] == 3
    assert field({"$ref": "#/$defs/nowhere"}) == {"type": "any", "widget": "json"}


def test_an_object_within_is_a_group() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
    assert field(inner)["fields"] == [{"key": "x", "label": "X", "required": True, "type": "string", "widget": "text"}]


def test_groups_end_where_a_form_would_get_too_deep() -> None:
    form = form_for({"type": "object", "properties": {"inner": {"$ref": "#"}}})
    widgets = []
    while "fields" in form:
        (form,) = form["fields"]
        widgets.append(form["widget"])
    assert widgets == ["group", "group", "group", "json"]


def test_references_that_go_in_circles_end() -> None:
    assert field({"$ref": "#/$defs/a"}, **{"$defs": {"a": {"$ref": "#/$defs/a"}}})["widget"] == "json"
    branching = {"$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}] * 9}}}
    assert field({"$ref": "#/$defs/a"}, **branching)["widget"] == "json"


def test_hints_come_from_the_schema_and_before_it_from_the_definition() -> None:
    schema = {
        "properties": {
            "a": {
                "type": "string",
                "description": "Plain.",
                "x-ui": {"widget": "textarea", "help": "Better.", "order": 2},
            },
            "b": {"type": "string", "x-ui": {"placeholder": "b…", "unit": "MB"}},
            "c": {"type": "object", "properties": {"d": {}, "e": {}}, "x-ui": {"order": 0}},
        }
    }
    form = form_for(schema, {"b": {"order": -1}, "a": {"label": "Text"}, "c": {"fields": {"e": {"order": 0}}}})
    assert keys(form) == ["b", "c", "a"]
    second, third, first = form["fields"][0], form["fields"][1], form["fields"][2]
    assert (first["label"], first["widget"], first["help"]) == ("Text", "textarea", "Better.")
    assert (second["placeholder"], second["unit"]) == ("b…", "MB")
    assert keys(third) == ["e", "d"]
    assert not any({"order", "x-ui"} & each.keys() for each in form["fields"])


def test_a_field_that_is_not_allowed_is_not_shown() -> None:
    assert keys(form_for({"properties": {"a": False, "b": True}})) == ["b"]


def test_a_schema_without_known_fields_is_one_field_for_the_whole_value() -> None:
    assert form_for({"type": "object", "additionalProperties": False}) == {"fields": []}
    (whole,) = form_for({"type": "string", "title": "Answer"})["fields"]
    assert (whole["key"], whole["label"], whole["widget"], whole["required"]) == ("", "Answer", "text", True)


KEYWORDS = st.sampled_from(["type", "enum", "const", "items", "anyOf", "oneOf", "allOf", "properties", "required"]) | (
    st.sampled_from(["$ref", "title", "maxLength", "minimum", "exclusiveMaximum", "prefixItems", "x-ui", "format"])
)
NODES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from(["string", "integer", "object", "array", "null", "#", "#/properties/a", 3, None, True, False]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(KEYWORDS, inner, max_size=4)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=12,
)


@given(st.dictionaries(KEYWORDS, NODES, max_size=5))
def test_every_schema_has_a_form(schema: dict[str, Any]) -> None:
    try:
        compile_schema(schema)
    except ValidationFailed:
        return
    dumps(form_for(schema))
