"""OpenAPI: definitions made from the operations of an API, for a REST connection (OpenAPI 3.0 and 3.1).

<https://spec.openapis.org/oas/v3.1.1.html>
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from taskyard.domain.json import detail, refusal
from taskyard.errors import ValidationFailed

_METHODS = ("get", "post", "put", "patch", "delete")
_ENCODINGS = {
    "application/json": "json", "application/x-www-form-urlencoded": "form", "multipart/form-data": "multipart",
}  # fmt: skip
_UNFIT = re.compile(r"[^A-Za-z0-9]+")
_IDENTIFIER = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PLACE = re.compile(r"\{([^{}]*)\}")
_LONGEST_KEY = 128
_REFERENCE = "#/components/schemas/"
_DEEPEST = 64


def definitions_of(document: Any, connection_id: str, prefix: str) -> list[dict[str, Any]]:
    """A definition for each operation, its key beginning with `prefix` and a dot.

    Raises ValidationFailed for a document that is no OpenAPI 3, or refers to something outside itself.
    """
    if not isinstance(document, dict) or not str(document.get("openapi", "")).startswith("3."):
        raise refusal([detail("/openapi", "must be 3.x: this is no document of OpenAPI 3", "const")])
    try:
        return [_definition(document, connection_id, prefix, *operation) for operation in _operations(document)]
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        message = f"the document is not built as OpenAPI says: {type(error).__name__} {error}"
        raise ValidationFailed(message) from None


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, dict[str, Any], list[dict[str, Any]]]]:
    """Path, method, operation, and all its parameters."""
    for path, item in (document.get("paths") or {}).items():
        for method in _METHODS:
            if method in item:
                operation = item[method]
                named = {}
                for each in [*item.get("parameters", []), *operation.get("parameters", [])]:
                    parameter = _followed(document, each)
                    named[parameter["name"], parameter["in"]] = parameter
                yield path, method, operation, list(named.values())


def _definition(
    document: Mapping[str, Any], connection_id: str, prefix: str, path: str, method: str, operation: dict[str, Any],
    parameters: list[dict[str, Any]],
) -> dict[str, Any]:  # fmt: skip
    name = _UNFIT.sub("-", str(operation.get("operationId") or f"{method} {path}")).strip("-")
    made: dict[str, Any] = {"method": method.upper(), "path": _PLACE.sub(lambda found: _expression(found[1]), path)}
    properties: dict[str, Any] = {}
    required = []
    for each in parameters:
        if each["in"] not in ("path", "query", "header"):
            continue
        properties[each["name"]] = each.get("schema") or {"type": "string"}
        if each.get("required"):
            required.append(each["name"])
        if each["in"] != "path":
            place = made.setdefault("query" if each["in"] == "query" else "headers", {})
            place[each["name"]] = _expression(each["name"])
    implementation = {"kind": "integration", "connectionId": connection_id, "operation": made}
    body = _followed(document, operation.get("requestBody") or {})
    media = next((each for each in _ENCODINGS if each in (body.get("content") or {})), None)
    if media is not None:
        properties["body"] = body["content"][media].get("schema") or {}
        made["encoding"] = _ENCODINGS[media]
        implementation["request"] = "input.body"
        if body.get("required"):
            required.append("body")
    elif body:
        raise ValidationFailed(
            f"{method.upper()} {path}: none of its bodies is JSON or a form, so it must be written by hand"
        )
    schema = {"type": "object", "properties": properties, "additionalProperties": False}
    if required:
        schema["required"] = required
    return {
        "key": f"{prefix}.{name}"[:_LONGEST_KEY],
        "title": str(operation.get("summary") or name)[:200],
        "description": str(operation.get("description") or ""),
        "tags": [str(tag) for tag in operation.get("tags", [])],
        "implementation": implementation,
        "inputSchema": _bundled(document, schema),
    }


def _expression(name: str) -> str:
    return f"{{{name}}}" if _IDENTIFIER.fullmatch(name) else f'{{"{name}"}}'


def _followed(document: Mapping[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    for _ in range(_DEEPEST):
        if "$ref" not in node:
            return node
        node = _pointed(document, str(node["$ref"]))
    raise ValidationFailed("a reference of the document leads in a circle")


def _pointed(document: Mapping[str, Any], reference: str) -> dict[str, Any]:
    if not reference.startswith("#/"):
        raise ValidationFailed(f"the document refers to {reference!r} outside itself; bundle it into one first")
    node: Any = document
    for step in reference[2:].split("/"):
        node = node[step.replace("~1", "/").replace("~0", "~")]
    return dict(node)


def _bundled(document: Mapping[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with what it refers to inside, in the words of JSON Schema."""
    needed: dict[str, Any] = {}
    made: dict[str, Any] = _plain(schema, document, needed)
    return {**made, "$defs": needed} if needed else made


def _plain(node: Any, document: Mapping[str, Any], needed: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_plain(item, document, needed) for item in node]
    if not isinstance(node, dict):
        return node
    if isinstance(node.get("$ref"), str):
        reference = node["$ref"]
        name = _UNFIT.sub("_", reference.removeprefix(_REFERENCE))
        if name not in needed:
            needed[name] = {}
            needed[name] = _plain(_pointed(document, reference), document, needed)
        return {"$ref": f"#/$defs/{name}"}
    made = {
        name: {each: _plain(inner, document, needed) for each, inner in item.items()}
        if name == "properties" and isinstance(item, dict)
        else _plain(item, document, needed)
        for name, item in node.items()
        if name not in _OURS_ALONE
    }
    for bound, limit in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(made.get(bound), bool) and made.pop(bound) and limit in made:  # as OpenAPI 3.0 has it
            made[bound] = made.pop(limit)
    if node.get("nullable") is True and isinstance(made.get("type"), str):
        made["type"] = [made["type"], "null"]
    if made.get("format") == "binary":
        made = {"type": "object", "properties": {"file": {"type": "string", "format": "upload"}}, "required": ["file"]}
    return made


_OURS_ALONE = frozenset({"nullable", "discriminator", "xml", "externalDocs", "example", "readOnly", "writeOnly"})
