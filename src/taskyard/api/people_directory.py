"""The directory that Taskyard keeps: people, their groups and skills."""

from __future__ import annotations

from typing import Annotated, Any

from msgspec import Meta, field
from msgspec.structs import replace
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.json import detail, refusal
from taskyard.domain.people.assignment import Person
from taskyard.errors import NotFound

routes = Routes("People")


class PersonBody(schemas.Strict):
    """Somebody who does tasks; `maxOpen`: how many open ones at most, `away`: is given none."""

    name: Annotated[str, Meta(max_length=255)] = ""
    email: Annotated[str, Meta(max_length=320, pattern=r"^$|^[^@\s]+@[^@\s]+$")] = ""
    groups: Annotated[list[schemas.Name], Meta(max_length=200)] = field(default_factory=list)
    skills: Annotated[list[schemas.Name], Meta(max_length=200)] = field(default_factory=list)
    max_open: Annotated[int, Meta(ge=1)] | None = None
    away: bool = False


class PersonPage(schemas.Answer):
    """Some people, by id."""

    items: list[Person]
    next_cursor: str | None


class GroupAnswer(schemas.Answer):
    """A group and who is in it."""

    id: str
    members: list[Person]


PERSON = Shape[PersonBody](PersonBody)


@routes.add("GET /api/v1/users", query=schemas.PAGE_QUERY, answers={200: PersonPage})
async def list_people(call: Call) -> Response:
    """The people there are."""
    query = call.query(schemas.PAGE_QUERY)
    after = call.services.cursors.read_name("users", query.cursor)
    found = await call.engine.store.persons(query.limit + 1, after or "")
    end = found[query.limit - 1].id if len(found) > query.limit else None
    items: list[Any] = list(found[: query.limit])
    return answer_page(items, call.services.cursors.make("users", end))


@routes.add("GET /api/v1/users/{userId}", answers={200: Person})
async def read_person(call: Call) -> Response:
    """One person."""
    found = await call.engine.store.person(call.param("userId"))
    if found is None:
        raise NotFound(f"there is no user {call.param('userId')!r}")
    return answer(found)


@routes.add("PUT /api/v1/users/{userId}", body=PERSON, answers={200: Person, 201: Person})
async def put_person(call: Call) -> Response:
    """Enter or change a person."""
    body = await call.body(PERSON)
    id_ = call.param("userId")
    if not 0 < len(id_) <= 255:
        raise refusal([detail("/userId", "must have at most 255 characters", "maxLength")])
    person = Person(id_, body.name, body.email, tuple(body.groups), tuple(body.skills), body.max_open, body.away)
    is_new = await call.engine.store.person(id_) is None
    await call.engine.store.save_person(replace(person, groups=tuple(dict.fromkeys(person.groups))))
    call.audit("a person was entered", user=id_, groups=body.groups)
    return answer(person, 201 if is_new else 200)


@routes.add("DELETE /api/v1/users/{userId}", answers={204: None})
async def remove_person(call: Call) -> Response:
    """Forget a person; what is assigned to them stays so."""
    if not await call.engine.store.remove_person(call.param("userId")):
        raise NotFound(f"there is no user {call.param('userId')!r}")
    call.audit("a person was removed", user=call.param("userId"))
    return Response(status_code=204)


@routes.add("GET /api/v1/groups/{groupId}", answers={200: GroupAnswer})
async def read_group(call: Call) -> Response:
    """Who is in a group."""
    group = call.param("groupId")
    members = await call.engine.store.members(group)
    if not members:
        raise NotFound(f"nobody is in the group {group!r}")
    return answer({"id": group, "members": members})
