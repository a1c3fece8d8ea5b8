"""What a form says of what was sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from taskyard.domain.forms.form import Form
from taskyard.domain.forms.judge import File, judge, judge_ahead, judge_files, judge_outcome
from taskyard.domain.forms.make import Source, make_form
from taskyard.domain.forms.show import input_fields, show

ABOUT: dict[str, Any] = {"input": {"amount": 700, "code": "AB"}, "workflow": {}, "task": {"taskId": "1"}}


def form(*fields: dict[str, Any], **more: Any) -> Form:
    return make_form(Source(None, components=[{"componentId": "main", "fields": list(fields), **more}]))


def wrong(one: Form, output: Any) -> dict[str, str]:
    return {each["path"]: each["keyword"] for each in judge(one, output, ABOUT, "/output")}


DECISION = form(
    {"fieldKey": "ok", "type": "boolean", "required": True},
    {"fieldKey": "why", "type": "textarea", "required": True, "visibleIf": {"ok": False}},
    {"fieldKey": "second", "required": True, "visibleIf": {"input.amount": {"min": 1000}}},
    actions=[
        {"actionKey": "approve", "label": "Approve", "style": "primary", "visibleIf": {"ok": True}},
        {"actionKey": "decline", "label": "Decline", "style": "danger", "visibleIf": {"ok": False}},
        {"actionKey": "refuse", "label": "Not mine", "verb": "reject"},
    ],
)


def test_what_is_shown_decides_what_is_required_and_what_is_taken() -> None:
    assert wrong(DECISION, {"ok": True}) == {}
    assert wrong(DECISION, {"ok": False}) == {"/output/why": "required"}
    assert wrong(DECISION, {"ok": False, "why": "too dear"}) == {}
    assert wrong(DECISION, {"ok": True, "why": "too dear"}) == {"/output/why": "visibleIf"}
    assert wrong(DECISION, {"ok": True, "why": ""}) == {}
    assert wrong(DECISION, {"ok": True, "second": "eve"}) == {"/output/second": "visibleIf"}
    about = ABOUT | {"input": {"amount": 1000}}
    assert [each["path"] for each in judge(DECISION, {"ok": True}, about, "/output")] == ["/output/second"]


def test_all_errors_are_told_at_once_with_their_places() -> None:
    one = form(
        {"fieldKey": "a", "type": "integer", "required": True},
        {"fieldKey": "b", "validationRules": [{"type": "regex", "value": "^x", "errorMessage": "must begin with x"}]},
        {"fieldKey": "c", "type": "date"},
    )
    assert wrong(one, {"b": "y", "c": "soon", "d": 1}) == {
        "/output/a": "required", "/output/b": "regex", "/output/c": "format", "/output/d": "additionalProperties",
    }  # fmt: skip
    assert wrong(one, None) == {"/output": "type"}


@pytest.mark.parametrize(
    ("field", "good", "bad"),
    [
        ({"validationRules": [{"type": "regex", "value": "^[A-Z]{2}$"}]}, "AB", "ab"),
        ({"validationRules": [{"type": "range", "value": {"min": 2, "max": 3}}]}, "abc", "abcd"),
        ({"type": "number", "validationRules": [{"type": "range", "value": {"min": 2}}]}, 2.0, 1.9),
        ({"type": "date", "validationRules": [{"type": "range", "value": {"max": "2026-12-31"}}]},
         "2026-12-31", "2027-01-01"),
        ({"type": "integer", "validationRules": [{"type": "set", "value": [1, 3]}]}, 3, 2),
        ({"multiple": True, "validationRules": [{"type": "set", "value": ["a"]}]}, ["a"], ["a", "b"]),
        ({"validationRules": [{"type": "crossField", "value": {"op": "!=", "field": "other"}}]}, "y", "x"),
        ({"validationRules": [{"type": "expression", "value": "value == input.code"}]}, "AB", "AC"),
        ({"validationRules": [{"type": "expression", "value": "length(value) > `1`"}]}, "AC", "A"),
        ({"type": "json", "validationRules": [{"type": "expression", "value": "length(value) > `1`"}]}, [1, 2], 7),
    ],
)  # fmt: skip
def test_rules(field: dict[str, Any], good: Any, bad: Any) -> None:
    one = form({"fieldKey": "value", **field}, {"fieldKey": "other"})
    assert wrong(one, {"value": good, "other": "x"}) == {}
    assert list(wrong(one, {"value": bad, "other": "x"})) == ["/output/value"]
    assert wrong(one, {"other": "x"}) == {}


@pytest.mark.parametrize(
    ("op", "earlier", "later"),
    [("<=", "2026-01-31", "2026-02-01"), ("<", 9, 10), ("<", "2026-01-01T10:00:00+02:00", "2026-01-01T09:00:00Z")],
)
def test_fields_are_compared_as_what_they_are(op: str, earlier: Any, later: Any) -> None:
    rule = {"type": "crossField", "value": {"op": op, "field": "to"}, "errorMessage": "must come first"}
    one = form({"fieldKey": "since", "type": "json", "validationRules": [rule]}, {"fieldKey": "to", "type": "json"})
    assert wrong(one, {"since": earlier, "to": later}) == {}
    assert judge(one, {"since": later, "to": earlier}, ABOUT, "/output")[0]["message"] == "must come first"
    assert wrong(one, {"since": later}) == {}
    assert wrong(one, {"since": {}, "to": later}) == {}  # nothing is given
    assert list(wrong(one, {"since": True, "to": later})) == ["/output/since"]


def test_an_outcome_is_one_that_is_offered() -> None:
    def said(outcome: str | None, **output: Any) -> list[str]:
        return [each["message"] for each in judge_outcome(DECISION, outcome, output, ABOUT)]

    assert said("approve", ok=True) == said(None, ok=True) == []
    assert said("decline", ok=True) == ["must be approve"]
    assert said("refuse", ok=True) == ["must be approve"]
    assert said("approve") == ["is not offered with what is given"]
    assert judge_outcome(form({"fieldKey": "a"}), "anything", {}, ABOUT) == []


def test_files_are_what_their_fields_take() -> None:
    one = form(
        {"fieldKey": "bill", "type": "file", "accept": ["application/pdf", ".txt"], "maxSize": 10},
        {"fieldKey": "photos", "type": "file", "multiple": True, "accept": ["image/*"]},
    )
    files = {
        "pdf": File("a.pdf", "application/pdf", 10), "big": File("b.pdf", "application/pdf", 11),
        "png": File("c.PNG", "image/png", 99), "txt": File("d.TXT", "application/octet-stream", 1),
    }  # fmt: skip

    def said(**output: Any) -> list[str]:
        return [each["path"] for each in judge_files(one, output, files, "/output")]

    assert said(bill="pdf", photos=["png"]) == said(bill="txt") == said(photos=None) == []
    assert said(bill="big", photos=["png", "pdf"]) == ["/output/bill", "/output/photos/1"]


def test_hidden_requirements_of_a_schema_are_dropped_in_all_of_it() -> None:
    schema = {
        "type": "object",
        "properties": {"ok": {"type": "boolean"}, "why": {"type": "string", "x-ui": {"visibleIf": {"ok": False}}}},
        "required": ["ok"],
        "allOf": [{"required": ["why"]}],
    }
    one = make_form(Source(schema))
    assert wrong(one, {"ok": True}) == {}
    assert wrong(one, {"ok": False}) == {"/output/why": "required"}


SCALARS = st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=4)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
)
BUSY = form(
    {"fieldKey": "a", "type": "json", "validationRules": [{"type": "crossField", "value": {"op": "<", "field": "b"}}]},
    {"fieldKey": "b", "type": "json", "visibleIf": {"a": {"min": 1}}, "validationRules": [
        {"type": "range", "value": {"min": 1}}, {"type": "set", "value": [1, "x"]}, {"type": "regex", "value": "x"}]},
    {"fieldKey": "c", "type": "json", "validationRules": [{"type": "expression", "value": "sum(value) > output.a"}]},
)  # fmt: skip


@given(JSON | st.fixed_dictionaries({}, optional={"a": JSON, "b": JSON, "c": JSON}))
def test_whatever_is_sent_is_judged(output: Any) -> None:
    assert all(each["path"].startswith("/output") for each in judge(BUSY, output, ABOUT, "/output"))


AHEAD = form(
    {"fieldKey": "a", "type": "number", "validationRules": [{"type": "range", "value": {"min": 1}}]},
    {"fieldKey": "b", "visibleIf": {"a": {"min": 5}}, "required": True},
    {"fieldKey": "c", "required": True, "visibleIf": {"input.amount": {"min": 1000}, "a": {"min": 5}}},
    {"fieldKey": "d", "validationRules": [{"type": "expression", "value": "value == input.code"}]},
    {"fieldKey": "e", "validationRules": [{"type": "expression", "value": "length(value) > `1`"}]},
)


def test_before_there_is_a_task_what_it_does_not_decide_is_judged() -> None:
    def ahead(**output: Any) -> dict[str, str]:
        return {each["path"]: each["keyword"] for each in judge_ahead(AHEAD, output, "/output")}

    assert ahead(a=1) == ahead(a=5, b="x") == ahead(a=5, b="x", c="y", d="Z", e="EE") == {}
    assert ahead(a=0, e="E") == {"/output/a": "range", "/output/e": "expression"}
    assert ahead(a=5) == {"/output/b": "required"}
    assert ahead(a=1, b="x", c="y") == {"/output/b": "visibleIf", "/output/c": "visibleIf"}


@given(
    st.fixed_dictionaries(
        {}, optional={"a": st.floats(0, 9), **dict.fromkeys("bcde", st.sampled_from(["", "A", "AB"]))}
    ),
    st.integers(990, 1010),
    st.sampled_from(["AB", "A"]),
)
def test_what_is_wrong_before_there_is_a_task_is_wrong_with_each(output: Any, amount: int, code: str) -> None:
    about = {"input": {"amount": amount, "code": code}}
    found = {each["path"] for each in judge(AHEAD, output, about, "/output")}
    assert {each["path"] for each in judge_ahead(AHEAD, output, "/output")} <= found


class TestShow:
    def test_what_the_task_decides_is_decided(self) -> None:
        shown = show(DECISION, ABOUT)
        assert [field["key"] for field in shown["fields"]] == ["ok", "why"]
        assert shown["fields"][1]["visibleIf"] == [{"field": "ok", "in": [False]}]
        later = show(DECISION, ABOUT | {"input": {"amount": 2000}})
        assert later["fields"][2]["key"] == "second"
        assert "visibleIf" not in later["fields"][2]
        assert [action["key"] for action in shown["actions"]] == ["approve", "decline", "refuse"]

    def test_defaults_and_texts_are_found_in_the_task(self) -> None:
        one = form(
            {"fieldKey": "code", "defaultFrom": "input.code", "default": "none"},
            {"fieldKey": "name", "defaultFrom": "input.name", "default": "nobody"},
            displayTemplate="Pay {{ input.amount }} to {{ input.name }}{{ input.lines }}?",
        )
        shown = show(one, ABOUT)
        assert [field["default"] for field in shown["fields"]] == ["AB", "nobody"]
        assert (shown["parts"][0]["text"], shown["problems"]) == ("Pay 700 to ?", [])

    def test_what_fails_is_told_and_the_form_is_there_all_the_same(self) -> None:
        one = form(
            {"fieldKey": "code", "defaultFrom": "join('', input.amount)"},
            displayTemplate="{{ join('', input.amount) }}",
        )
        shown = show(one, ABOUT)
        assert [field["key"] for field in shown["fields"]] == ["code"]
        assert shown["parts"][0]["text"] is None
        assert [problem["path"] for problem in shown["problems"]] == ["/code", "/main"]
        assert judge(one, {"code": "x"}, ABOUT, "/output") == []

    def test_a_text_is_data_and_never_a_template_again(self) -> None:
        one = form(displayTemplate="{{ input.name }}")
        about = ABOUT | {"input": {"name": "{{ task.taskId }}<script>"}}
        assert show(one, about)["parts"][0]["text"] == "{{ task.taskId }}<script>"

    def test_the_input_is_shown_with_its_schema_or_without(self) -> None:
        schema = {"type": "object", "properties": {"n": {"type": "integer", "title": "Number"}}, "required": ["n"]}
        (field,) = input_fields(schema, {"n": {"help": "how many"}}, {"n": 1})
        assert (field["label"], field["help"], field["readOnly"], field["required"]) == (
            "Number",
            "how many",
            True,
            False,
        )
        told = [(field["key"], field["widget"]) for field in input_fields(None, None, {"a": "x", "b": True, "c": [1]})]
        assert told == [("a", "text"), ("b", "checkbox"), ("c", "json")]
        assert [field["key"] for field in input_fields(None, None, "text")] == [""]
        assert input_fields(None, None, None) == []

    def test_sections_without_a_shown_field_are_left_out(self) -> None:
        section = {"title": "More", "fields": ["b"], "visibleIf": {"input.amount": {"min": 1000}}}
        one = form({"fieldKey": "a"}, {"fieldKey": "b"}, layout={"sections": [section]})
        assert show(one, ABOUT)["layout"]["sections"] == []
        assert len(show(one, ABOUT | {"input": {"amount": 1000}})["layout"]["sections"]) == 1
