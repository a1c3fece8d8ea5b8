"""The AsyncAPI 3 document: every event that goes and that is understood when it comes, told from their types."""

from __future__ import annotations

from typing import Any

import msgspec

from taskyard.api.schemas import Envelope
from taskyard.api.shapes import JsonObject, document_of
from taskyard.domain import incoming
from taskyard.domain.event import NAMES
from taskyard.domain.event_data import DATA
from taskyard.engine.request import TaskRequest


class Response(msgspec.Struct, rename="camel", omit_defaults=True):
    """An answer to a task that waits, named by `taskId` or `correlationId`: an output or an error."""

    task_id: str | None = None
    correlation_id: str | None = None
    output: Any = None
    error: Any = None


class Shutdown(msgspec.Struct):
    """Nothing more has to be said."""


class MaintenanceMode(msgspec.Struct):
    """Whether there is to be maintenance."""

    enabled: bool


class AnyEvent(msgspec.Struct, rename="camel", omit_defaults=True):
    """An event that a mapping or a trigger names; each that declares it gets `payload`."""

    key: str
    payload: Any
    id: str = ""
    source: str = ""
    description: str = ""
    timestamp: str | int | float | None = None


_UNDERSTOOD: dict[str, type[msgspec.Struct]] = {
    incoming.TASK_REQUESTED: TaskRequest,
    incoming.RESPONSE_RECEIVED: Response,
    incoming.METHOD_EXECUTED: Response,
    incoming.METHOD_FAILED: Response,
    incoming.SHUTDOWN_REQUESTED: Shutdown,
    incoming.MAINTENANCE_MODE: MaintenanceMode,
}


def add_events(components: JsonObject) -> dict[str, str]:
    """The published events, each as `Task…Event`: the envelope with its own type and data. Their names by key."""
    envelope = document_of(Envelope, components)
    names = {}
    for type_, data in DATA.items():
        own = {"type": {"const": NAMES[type_].type}, "data": document_of(data, components)}
        name = names[NAMES[type_].key] = f"Task{type_.name.title()}Event"
        components[name] = {
            "description": f"Published as `{NAMES[type_].key}`.",
            "allOf": [envelope, {"type": "object", "properties": own}],
        }
    return names


def make_messages(version: str) -> JsonObject:
    """The document."""
    schemas: JsonObject = {}
    published = {key: (name, {"$ref": f"#/components/schemas/{name}"}) for key, name in add_events(schemas).items()}
    understood = {key: (_name(key), _envelope(key, type_, schemas)) for key, type_ in _UNDERSTOOD.items()}
    understood["any other key"] = ("AnyEvent", document_of(AnyEvent, schemas))
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Taskyard", "version": version, "description": "Events of tasks, and events for tasks."},
        "defaultContentType": "application/json",
        "channels": {
            "published": _channel("What happens to tasks, in order for each, at least once.", published),
            "understood": _channel("What Taskyard takes, each once however often it comes.", understood),
        },
        "operations": {
            "publish": {"action": "send", "channel": {"$ref": "#/channels/published"}},
            "take": {"action": "receive", "channel": {"$ref": "#/channels/understood"}},
        },
        "components": {
            "messages": {
                name: {"name": key, "payload": payload}
                for key, (name, payload) in sorted({**published, **understood}.items())
            },
            "schemas": dict(sorted(schemas.items())),
        },
    }


def _channel(description: str, messages: dict[str, tuple[str, JsonObject]]) -> JsonObject:
    references = {name: {"$ref": f"#/components/messages/{name}"} for name, _ in messages.values()}
    return {"address": None, "description": description, "messages": references}


def _name(key: str) -> str:
    return "".join(part.title() for part in key.replace(".", "_").split("_"))


def _envelope(key: str, type_: type[msgspec.Struct], schemas: JsonObject) -> JsonObject:
    return {
        "type": "object",
        "properties": {
            "type": {"const": key},
            "id": {"type": "string", "maxLength": 255},
            "timestamp": {"type": ["string", "number", "null"]},
            "data": document_of(type_, schemas),
            "metadata": {"type": "object", "properties": {"correlationId": {"type": "string"}}},
        },
        "required": ["type", "data"],
    }
