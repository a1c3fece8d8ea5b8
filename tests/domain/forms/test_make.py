"""What a form is made of, and what is refused because it makes no sense."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.forms.make import Source, make_form
from taskyard.errors import ValidationFailed

OPEN = {"type": "object", "properties": {"ok": {"type": "boolean"}, "note": {"type": "string"}}, "required": ["ok"]}


def component(*fields: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"componentId": "main", "fields": list(fields), **more}


def refused(source: Source) -> list[tuple[str, str]]:
    """The places of what is wrong, with the keyword."""
    with pytest.raises(ValidationFailed) as caught:
        make_form(source)
    return [(each["path"], each["keyword"]) for each in caught.value.details]


def test_components_alone_give_a_schema_that_is_closed() -> None:
    fields: list[dict[str, Any]] = [
        {"fieldKey": "amount", "type": "number", "required": True},
        {"fieldKey": "kind", "type": "select", "options": ["a", {"value": 2, "label": "Two"}]},
        {"fieldKey": "tags", "type": "multiselect", "options": ["x", "y"]},
        {"fieldKey": "files", "type": "file", "multiple": True, "accept": [".pdf"], "maxSize": 10},
    ]
    form = make_form(Source(None, components=[component(*fields)]))
    assert form.schema == {
        "type": "object",
        "properties": {
            "amount": {"type": "number"},
            "kind": {"enum": ["a", 2]},
            "tags": {"type": "array", "items": {"enum": ["x", "y"]}, "uniqueItems": True},
            "files": {"type": "array", "items": {"type": "string", "format": "upload"}},
        },
        "required": ["amount"],
        "additionalProperties": False,
    }
    shown = {field["key"]: field for field in form.fields}
    assert [field["widget"] for field in form.fields] == ["number", "select", "multiselect", "file"]
    assert shown["kind"]["options"] == [{"value": "a", "label": "a"}, {"value": 2, "label": "Two"}]
    assert (shown["files"]["multiple"], shown["files"]["accept"]) == (True, [".pdf"])
    assert form.limits["files"] == ((".pdf",), 10)


def test_components_choose_and_dress_the_fields_of_a_schema() -> None:
    layout = {"columns": 2, "order": ["note", "ok"], "sections": [{"title": "Why", "fields": ["note"]}]}
    fields = [{"fieldKey": "ok", "type": "boolean", "label": "Agreed?"}, {"fieldKey": "note", "type": "textarea"}]
    form = make_form(Source(OPEN, components=[component(*fields, layout=layout)]))
    assert form.schema == OPEN
    assert [(field["key"], field["label"], field["widget"]) for field in form.fields] == [
        ("note", "Note", "textarea"), ("ok", "Agreed?", "checkbox"),
    ]  # fmt: skip
    why = {"title": "Why", "description": "", "columns": None, "fields": ["note"]}
    assert form.layout == {"columns": 2, "sections": [why]}


def test_hints_in_the_schema_and_beside_it_do_the_same() -> None:
    rules = [{"type": "regex", "value": "^[a-z]+$"}]
    hints = {"visibleIf": {"ok": False}, "section": "Reasons", "rules": rules}
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}, "why": {"type": "string", "x-ui": hints}}}
    beside = {"why": hints}
    bare = {"type": "object", "properties": {"ok": {"type": "boolean"}, "why": {"type": "string"}}}
    one, other = make_form(Source(schema)), make_form(Source(bare, beside))
    assert (one.fields, one.conditions, one.layout) == (other.fields, other.conditions, other.layout)
    assert one.checks.keys() == other.checks.keys() == {"why"}


def test_parts_stand_in_the_order_of_their_priority() -> None:
    parts = [
        {"componentId": "last", "componentType": "Display", "displayTemplate": "b", "priority": 5},
        {"componentId": "first", "componentType": "Display", "displayTemplate": "a"},
    ]
    assert [part.component_id for part, _ in make_form(Source(OPEN, components=parts)).parts] == ["first", "last"]


FIELD = {"fieldKey": "ok", "type": "boolean"}
AT = "/uiComponents/0"
NONSENSE: list[tuple[dict[str, Any], str, str]] = [
    (component(FIELD, {"fieldKey": "else"}), f"{AT}/fields/1/fieldKey", "fieldKey"),
    (component(FIELD, FIELD), f"{AT}/fields/1/fieldKey", "uniqueItems"),
    (component({"fieldKey": "note"}), "/uiComponents", "required"),
    (component(FIELD | {"visibleIf": {"nowhere": 1}}), f"{AT}/fields/0/visibleIf", "visibleIf"),
    (component(FIELD | {"visibleIf": {"ok": True}}), f"{AT}/fields/0/visibleIf", "visibleIf"),
    (component(FIELD, condition={"input.(": 1}), f"{AT}/condition", "visibleIf"),
    (component(FIELD | {"visibleIf": {"note": {"like": 1}}}), f"{AT}/fields/0/visibleIf", "visibleIf"),
    (component(FIELD | {"defaultFrom": "input."}), f"{AT}/fields/0/defaultFrom", "defaultFrom"),
    (component(FIELD | {"defaultFrom": "nothing(@)"}), f"{AT}/fields/0/defaultFrom", "defaultFrom"),
    (component(FIELD | {"maxSize": 5}), f"{AT}/fields/0/maxSize", "maxSize"),
    (component(FIELD | {"options": [1]}), f"{AT}/fields/0/options", "options"),
    (component(FIELD, layout={"order": ["x"]}), f"{AT}/layout/order/0", "fieldKey"),
    (component(FIELD, layout={"sections": [{"title": "S", "fields": ["x"]}]}),
     f"{AT}/layout/sections/0/fields/0", "fieldKey"),
    (component(FIELD, actions=[{"actionKey": "a", "label": "A"}] * 2), f"{AT}/actions/1/actionKey", "uniqueItems"),
    (component(FIELD, displayTemplate="{% if x %}"), f"{AT}/displayTemplate", "displayTemplate"),
    (component(FIELD, displayTemplate="{{ input. }}"), f"{AT}/displayTemplate", "displayTemplate"),
    (component(FIELD, displayTemplate="{{ input.a"), f"{AT}/displayTemplate", "displayTemplate"),
    (component(FIELD, componentType="Display"), f"{AT}/displayTemplate", "required"),
    (component(FIELD, componentType="Window"), f"{AT}/componentType", "enum"),
    (component(FIELD, colour="red"), f"{AT}/colour", "additionalProperties"),
]  # fmt: skip


@pytest.mark.parametrize(("given_", "place", "keyword"), NONSENSE)
def test_nonsense_is_refused_with_its_place(given_: dict[str, Any], place: str, keyword: str) -> None:
    assert (place, keyword) in refused(Source(OPEN, components=[given_]))


RULES: list[tuple[dict[str, Any], str]] = [
    ({"type": "regex", "value": "("}, "/value"), ({"type": "regex", "value": "(?=a)"}, "/value"),
    ({"type": "regex", "value": 5}, "/value"), ({"type": "range", "value": {"min": 5, "max": 1}}, "/value"),
    ({"type": "range", "value": {"least": 1}}, "/value"), ({"type": "range", "value": {"min": "x"}}, "/value"),
    ({"type": "set", "value": []}, "/value"), ({"type": "crossField", "value": {"op": "~", "field": "ok"}}, "/value"),
    ({"type": "crossField", "value": {"op": "<", "field": "none"}}, "/value"),
    ({"type": "expression", "value": "value >"}, "/value"), ({"type": "function", "value": "x"}, "/type"),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "place"), RULES)
def test_a_rule_that_cannot_be_asked_is_refused(rule: dict[str, Any], place: str) -> None:
    at = f"{AT}/fields/0/validationRules/0{place}"
    assert at in [
        path for path, _ in refused(Source(OPEN, components=[component(FIELD | {"validationRules": [rule]})]))
    ]
    hints = {"ok": {"rules": [rule]}}
    assert f"/uiSchema/ok/rules/0{place}" in [path for path, _ in refused(Source(OPEN, hints))]


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong = component(FIELD | {"visibleIf": {"x": 1}, "defaultFrom": "(", "maxSize": 1}, displayTemplate="{{")
    assert len(refused(Source(OPEN, components=[wrong]))) == 4


def test_fields_that_wait_for_each_other_are_refused() -> None:
    hints = {"ok": {"visibleIf": {"note": "x"}}, "note": {"visibleIf": {"ok": True}}}
    assert [keyword for _, keyword in refused(Source(OPEN, hints))] == ["visibleIf"]


@pytest.mark.parametrize("hint", [{"visibleIf": {"ok": True}}, {"accept": [".pdf"]}, {"maxSize": 9}])
def test_what_only_the_form_can_have_is_refused_within_a_group(hint: dict[str, Any]) -> None:
    inner = {"type": "string", "format": "upload", "x-ui": hint}
    schema = {"type": "object", "properties": {"who": {"type": "object", "properties": {"name": inner}}}}
    assert refused(Source(schema)) == [("/outputSchema/properties/who", "x-ui")]


SCALARS = st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab1 é", max_size=4)
JSON = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab1 é", max_size=5), inner, max_size=3),
)
RULE = st.fixed_dictionaries(
    {"type": st.sampled_from(["regex", "range", "set", "crossField", "expression"]), "value": JSON}
)
HINTS = {
    "type": st.sampled_from(["text", "file", "select", "json", "boolean", "none"]),
    "visibleIf": st.dictionaries(st.sampled_from(["ok", "note", "input.a", "input.("]), JSON, max_size=2),
    "validationRules": st.lists(RULE, max_size=2),
    "defaultFrom": st.text("input.()[]@ '", max_size=8),
    "default": JSON,
    "options": JSON,
}
FIELDS = st.lists(st.fixed_dictionaries({"fieldKey": st.sampled_from(["ok", "note", "x"])}, optional=HINTS), max_size=3)
PARTS = st.fixed_dictionaries(
    {"componentId": st.just("a")},
    optional={
        "fields": FIELDS, "displayTemplate": st.text("{}%a. ", max_size=12), "condition": JSON,
        "priority": st.integers(-3, 3),
    },
)  # fmt: skip


@given(st.lists(PARTS | JSON, max_size=2), st.sampled_from([None, OPEN]))
def test_whatever_is_written_is_taken_or_refused_with_its_place(components: list[Any], schema: Any) -> None:
    told: list[dict[str, str]] = []
    try:
        make_form(Source(schema, components=components))
    except ValidationFailed as error:
        told = error.details
    assert all(each["path"].startswith("/uiComponents") for each in told)
