"""Definitions made from an API's own description."""

from typing import Any

import pytest

from taskyard.domain.openapi import definitions_of
from taskyard.engine.define import parse_definition
from taskyard.errors import ValidationFailed

PETS: dict[str, Any] = {
    "openapi": "3.0.3",
    "paths": {
        "/pets/{pet-id}": {
            "parameters": [{"name": "pet-id", "in": "path", "required": True, "schema": {"type": "integer"}}],
            "get": {
                "operationId": "showPet",
                "summary": "One pet",
                "tags": ["pets"],
                "parameters": [
                    {"$ref": "#/components/parameters/Limit"},
                    {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                ],
            },
        },
        "/pets": {
            "post": {
                "requestBody": {
                    "required": True,
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}},
                }
            }
        },
    },
    "components": {
        "parameters": {
            "Limit": {
                "name": "limit",
                "in": "query",
                "schema": {"type": "integer", "minimum": 0, "exclusiveMinimum": True},
            }
        },
        "schemas": {
            "Pet": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "nullable": True, "example": "Rex"},
                    "example": {"type": "string"},
                    "parent": {"$ref": "#/components/schemas/Pet"},
                },
            }
        },
    },
}


def test_each_operation_is_a_definition_that_can_be_stored() -> None:
    show, create = definitions_of(PETS, "petstore", "pets")
    for made in (show, create):
        parse_definition(made)
    assert show["key"] == "pets.showPet"
    assert show["implementation"]["operation"] == {
        "method": "GET",
        "path": '/pets/{"pet-id"}',
        "query": {"limit": "{limit}"},
        "headers": {"X-Trace": '{"X-Trace"}'},
    }
    assert show["inputSchema"]["properties"]["limit"] == {"type": "integer", "exclusiveMinimum": 0}
    assert create["key"] == "pets.post-pets"
    assert create["implementation"]["request"] == "input.body"
    assert create["inputSchema"]["required"] == ["body"]
    assert create["inputSchema"]["$defs"]["Pet"]["properties"] == {
        "name": {"type": ["string", "null"]},
        "example": {"type": "string"},
        "parent": {"$ref": "#/$defs/Pet"},
    }


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "no document of OpenAPI 3"),
        ({"swagger": "2.0"}, "no document of OpenAPI 3"),
        ({"openapi": "3.1.0", "paths": {"/a": {"get": {"parameters": [{"$ref": "other.yaml#/x"}]}}}}, "outside itself"),
        ({"openapi": "3.1.0", "paths": {"/a": {"get": {"parameters": [{"$ref": "#/nowhere"}]}}}}, "not built as"),
        ({"openapi": "3.1.0", "paths": {"/a": {"get": {"parameters": ["x"]}}}}, "not built as"),
        ({"openapi": "3.1.0", "paths": {"/a": 1}}, "not built as"),
        ({"openapi": "3.1.0", "paths": {"/a": {"post": {"requestBody": {"content": {"a/b": {}}}}}}}, "by hand"),
    ],
)
def test_what_cannot_be_made_is_told(document: Any, told: str) -> None:
    with pytest.raises(ValidationFailed, match=told):
        definitions_of(document, "x", "x")
