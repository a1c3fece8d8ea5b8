"""The OpenAPI document, told from what the routes declare of themselves."""

from __future__ import annotations

import re
from typing import Any

from taskyard.api.access import SERVICE, Access
from taskyard.api.asyncapi import add_events
from taskyard.api.errors import STATUS, ErrorAnswer
from taskyard.api.routing import SOCKET, Operation
from taskyard.api.shapes import JsonObject, document_of

_JSON = "application/json"
_PARAMETER = re.compile(r"{(\w+)}")
_TEXTS = {
    200: "Done.", 201: "Created.", 202: "Taken; it goes on.", 204: "Done; there is nothing to say.",
    303: "Look there.", 400: "It cannot be read.", 401: "No valid credential.", 403: "A scope is missing.",
    404: "There is no such thing.", 409: "It has changed, or its state does not allow this.",
    413: "The body is too large.", 422: "Something in it does not fit.", 429: "Too many requests.",
    500: "A failure of the server.", 502: "Another system failed, or cannot be reached.",
    503: "Not now; come back as Retry-After says.",
}  # fmt: skip


def make_document(operations: list[Operation], version: str) -> JsonObject:
    """The document for these operations."""
    components: JsonObject = {}
    document_of(ErrorAnswer, components)
    add_events(components)
    paths: JsonObject = {}
    for operation in operations:
        if operation.method != SOCKET:
            item = paths.setdefault(operation.path, {})
            item[operation.method.lower()] = _operation(operation, components)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Taskyard",
            "version": version,
            "description": "Tasks: requested, queued, executed, followed. "
            "Live progress is served over the WebSocket /ws/task/{runId}?after=, with &batch=true in large frames.",
        },
        "paths": paths,
        "components": {
            "schemas": dict(sorted(components.items())),
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "A signed token or an API token."},
                "session": {"type": "apiKey", "in": "cookie", "name": "taskyard_session"},
            },
        },
    }


def _operation(operation: Operation, components: JsonObject) -> JsonObject:
    access = operation.access
    document: JsonObject = {
        "operationId": _operation_id(operation),
        "tags": [operation.tag],
        "summary": operation.summary,
        "description": _who(access),
        "parameters": [*_path_parameters(operation.path), *_query_parameters(operation)],
        "responses": _responses(operation, components),
        "security": _security(access),
    }
    if operation.body is not None:
        schema = operation.body.document(components)
        content = {operation.media: {"schema": schema}}
        document["requestBody"] = {"required": not operation.body_optional, "content": content}
    return document


def _operation_id(operation: Operation) -> str:
    words = re.findall(r"[A-Za-z0-9]+", operation.path) or ["root"]
    return operation.method.lower() + "".join(word[:1].upper() + word[1:] for word in words)


def _who(access: Access) -> str:
    if access.own:
        return "Needs `x-api-key` and `x-api-secret` of a client app."
    if access.public:
        return "Open to everybody."
    scopes = " or ".join(f"`{scope}`" for scope in access.any_of) or "no scope"
    return f"Needs {scopes}{f' and `{SERVICE}`' if access.service else ''}."


def _security(access: Access) -> list[JsonObject]:
    if access.public:
        return []
    return [{"bearer": []}] if access.service else [{"bearer": []}, {"session": []}]


def _path_parameters(path: str) -> list[JsonObject]:
    return [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
        for name in _PARAMETER.findall(path)
    ]


def _query_parameters(operation: Operation) -> list[JsonObject]:
    if operation.query is None:
        return []
    return [_query_parameter(name, schema) for name, schema in operation.query.fields.items()]


def _query_parameter(name: str, schema: JsonObject) -> JsonObject:
    """A parameter that may be left out; it is never null."""
    forms = [form for form in schema.get("anyOf", [schema]) if form.get("type") != "null"]
    parameter: JsonObject = {"name": name, "in": "query", "required": False, "schema": forms[0]}
    if forms[0].get("type") == "array":
        parameter |= {"style": "form", "explode": False}
    return parameter


def _responses(operation: Operation, components: JsonObject) -> JsonObject:
    responses: JsonObject = {}
    for status, type_ in operation.answers.items():
        responses[str(status)] = {"description": _TEXTS[status], **_content(type_, components)}
    error = {_JSON: {"schema": {"$ref": "#/components/schemas/ErrorAnswer"}}}
    for status in sorted(_error_statuses(operation)):
        responses.setdefault(str(status), {"description": _TEXTS[status], "content": error})
    return responses


def _error_statuses(operation: Operation) -> set[int]:
    found = set(STATUS.values()) - {401, 404, 409, 413, 422}
    if not operation.access.public or operation.access.own:
        found.add(401)
    if "{" in operation.path or operation.body is not None:
        found.add(404)
    if operation.body is not None:
        found |= {413, 422}
    if operation.query is not None:
        found.add(422)
    if operation.method != "GET" or "{" in operation.path:
        found.add(409)
    return found


def _content(type_: Any, components: JsonObject) -> JsonObject:
    """An answer's content: none, JSON of a type, or one by media type."""
    if type_ is None:
        return {}
    by_media = type_ if isinstance(type_, dict) else {_JSON: type_}
    content = {
        media: each if isinstance(each, dict) else {"schema": document_of(each, components)}
        for media, each in by_media.items()
    }
    return {"content": content}
