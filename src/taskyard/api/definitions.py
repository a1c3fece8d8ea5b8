"""Task definitions and their versions."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.forms import ShownForm
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.forms.start import show_start
from taskyard.domain.task import iso
from taskyard.engine.define import define, get_definition, list_definitions, list_versions, parse_definition, retire
from taskyard.errors import NotFound

routes = Routes("Definitions")

DEFINITION = Shape[Definition](Definition, optional={"key", "taskType"})
"""The body; its key is the address's, its type follows from the implementation."""


@routes.add("GET /api/v1/definitions", query=schemas.DEFINITION_QUERY, answers={200: schemas.DefinitionPage})
async def read_definitions(call: Call) -> Response:
    """The definitions that may be run, by key."""
    query, cursors = call.query(schemas.DEFINITION_QUERY), call.services.cursors
    after = cursors.read_name("definitions", query.cursor) or ""
    found = [kind for kind in await list_definitions(call.engine) if _fits(kind.definition, query)]
    left = [kind for kind in found if kind.definition.key > after]
    page = left[: query.limit]
    end = page[-1].definition.key if len(left) > len(page) else None
    return answer_page([definition_json(kind) for kind in page], cursors.make("definitions", end))


@routes.add("GET /api/v1/definitions/{key}", answers={200: schemas.DefinitionVersion})
async def read_definition(call: Call) -> Response:
    """A definition's current version."""
    return answer(definition_json(await get_definition(call.engine, call.param("key"))))


@routes.add(
    "PUT /api/v1/definitions/{key}",
    body=DEFINITION,
    answers={200: schemas.DefinitionVersion, 201: schemas.DefinitionVersion},
)
async def put_definition(call: Call) -> Response:
    """Store a definition; changed content is a new version."""
    key = call.param("key")
    definition = parse_definition(await call.json(), key)
    is_new = not await _is_current(call, key)
    kind = (await define(call.engine, [definition]))[0]
    call.audit("definition stored", key=key, version=kind.version)
    return answer(definition_json(kind), 201 if is_new else 200)


@routes.add("DELETE /api/v1/definitions/{key}", answers={204: None})
async def retire_definition(call: Call) -> Response:
    """Take a definition out of use; its tasks go on."""
    key = call.param("key")
    await retire(call.engine, key)
    call.audit("definition retired", key=key)
    return Response(status_code=204)


@routes.add("GET /api/v1/definitions/{key}/form", answers={200: ShownForm})
async def read_form(call: Call) -> Response:
    """The form that asks for a task's input, made from the schema of the current version and its components."""
    return answer(show_start((await get_definition(call.engine, call.param("key"))).definition))


@routes.add("GET /api/v1/definitions/{key}/versions", query=schemas.PAGE_QUERY, answers={200: schemas.DefinitionPage})
async def read_versions(call: Call) -> Response:
    """A definition's versions, newest first."""
    kinds = await list_versions(call.engine, call.param("key"))
    query, cursors, name = call.query(schemas.PAGE_QUERY), call.services.cursors, call.scope["path"]
    before = cursors.read_number(name, query.cursor)
    left = [kind for kind in kinds if before is None or kind.number < before]
    page = left[: query.limit]
    end = page[-1].number if len(left) > len(page) else None
    return answer_page([definition_json(kind) for kind in page], cursors.make(name, end))


def _fits(definition: Definition, query: schemas.DefinitionQuery) -> bool:
    return (
        query.category in (None, definition.category)
        and (query.tag is None or query.tag in definition.tags)
        and (query.q or "").lower() in f"{definition.key}\n{definition.title}".lower()
    )


def definition_json(kind: Kind) -> dict[str, Any]:
    """A stored version as the contract's JSON, every field of it."""
    fields = msgspec.structs.fields(Definition)
    return {
        **{field.encode_name: getattr(kind.definition, field.name) for field in fields},
        "version": kind.version,
        "number": kind.number,
        "createdAt": iso(kind.created_at or None),
        "retired": kind.retired,
    }


async def _is_current(call: Call, key: str) -> bool:
    try:
        await get_definition(call.engine, key)
    except NotFound:
        return False
    return True
