"""What is written and never read again is left out of what is told, wherever its schema stands."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.domain.forms.secrets import with_secrets, without_secrets

PASSWORD = {"type": "string", "writeOnly": True}
USER = {"type": "object", "properties": {"name": {"type": "string"}, "password": PASSWORD}}
GIVEN = {"name": "ann", "password": "hunter2"}
TOLD = {"name": "ann"}


@pytest.mark.parametrize(
    ("schema", "value", "told"),
    [
        (USER, GIVEN, TOLD),
        ({"$ref": "#/$defs/user", "$defs": {"user": USER}}, GIVEN, TOLD),
        ({"$ref": "#user", "$defs": {"user": {"$anchor": "user", **USER}}}, GIVEN, None),
        ({"anyOf": [{"type": "null"}, USER]}, GIVEN, TOLD),
        ({"allOf": [{"if": True, "then": USER}]}, GIVEN, TOLD),
        ({"type": "array", "items": USER}, [GIVEN, {}], [TOLD, {}]),
        ({"prefixItems": [PASSWORD], "items": USER}, ["hunter2", GIVEN], [None, TOLD]),
        ({"additionalProperties": PASSWORD, "properties": {"name": {}}}, GIVEN, TOLD),
        ({"properties": {"in": {"properties": {"writeOnly": {"const": True}}}}}, {"in": GIVEN}, {"in": GIVEN}),
        ({"items": [PASSWORD], "additionalItems": USER}, ["hunter2", GIVEN], [None, TOLD]),
        (PASSWORD, "hunter2", None),
        (None, GIVEN, GIVEN),
        (USER, "no object", "no object"),
    ],
)
def test_secrets_are_left_out(schema: dict[str, Any] | None, value: Any, told: Any) -> None:
    assert without_secrets(schema, value) == told


def test_a_schema_that_refers_to_itself_ends() -> None:
    schema = {"properties": {"password": PASSWORD, "in": {"$ref": "#"}}, "anyOf": [{"$ref": "#"}]}
    assert without_secrets(schema, {"password": "a", "in": {"password": "b", "c": 1}}) == {"in": {"c": 1}}


def test_what_comes_back_without_its_secrets_has_those_it_had() -> None:
    schema = {"properties": {"users": {"items": USER}, "password": PASSWORD}}
    former = {"users": [GIVEN], "password": "hunter1"}
    assert with_secrets(schema, without_secrets(schema, former), former) == former
    assert with_secrets(schema, {"users": [], "password": "new"}, former) == {"users": [], "password": "new"}
    assert with_secrets(None, {}, former) == {}
