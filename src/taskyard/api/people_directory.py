"""The directory: people, their groups and skills, as they are kept here or by the platform's user service."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta, field
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.domain.json import detail, refusal
from taskyard.domain.people.assignment import Person
from taskyard.engine.logins import give_password
from taskyard.errors import Conflict, NotFound
from taskyard.security.passwords import LONGEST, SHORTEST

routes = Routes("People")


class PersonBody(schemas.Strict):
    """Somebody who does tasks; `maxOpen`: how many open ones at most, `away`: is given none."""

    name: Annotated[str, Meta(max_length=255)] = ""
    email: Annotated[str, Meta(max_length=320, pattern=r"^$|^[^@\s]+@[^@\s]+$")] = ""
    groups: Annotated[list[schemas.Name], Meta(max_length=200)] = field(default_factory=list)
    skills: Annotated[list[schemas.Name], Meta(max_length=200)] = field(default_factory=list)
    max_open: Annotated[int, Meta(ge=1)] | None = None
    away: bool = False


class Password(schemas.Strict):
    """A password to log in with, and what who does may do then; without `scopes` what they could before, at first
    `tasks:manual`.
    """

    password: Annotated[str, Meta(min_length=SHORTEST, max_length=LONGEST)]
    scopes: Annotated[list[schemas.Name], Meta(max_length=20)] | msgspec.UnsetType = msgspec.UNSET


class LoginTold(schemas.Answer):
    """What somebody may do who logs in with a password that is kept here."""

    scopes: list[str]


class PersonTold(Person, frozen=True):
    """A person; for admins with what they may do by their password, if they have one."""

    login: LoginTold | None = None


class PersonPage(schemas.Answer):
    """Some people, by id."""

    items: list[Person]
    next_cursor: str | None


class GroupAnswer(schemas.Answer):
    """A group and who is in it."""

    id: str
    members: list[Person]


PERSON = Shape[PersonBody](PersonBody)
PASSWORD = Shape[Password](Password)


@routes.add("GET /api/v1/users", query=schemas.PAGE_QUERY, answers={200: PersonPage})
async def list_people(call: Call) -> Response:
    """The people there are."""
    _check_kept_here(call)
    query = call.query(schemas.PAGE_QUERY)
    after = call.services.cursors.read_name("users", query.cursor)
    found = await call.engine.store.persons(query.limit + 1, after or "")
    end = found[query.limit - 1].id if len(found) > query.limit else None
    items: list[Any] = list(found[: query.limit])
    return answer_page(items, call.services.cursors.make("users", end))


@routes.add("GET /api/v1/users/{userId}", answers={200: PersonTold})
async def read_person(call: Call) -> Response:
    """One person."""
    found = await call.services.directory.person(call.param("userId"))
    if found is None:
        raise NotFound(f"there is no user {call.param('userId')!r}")
    login = await call.engine.store.login(found.id) if call.caller.is_admin else None
    told = None if login is None else LoginTold(list(login.scopes))
    return answer(PersonTold(**msgspec.structs.asdict(found), login=told))


@routes.add("PUT /api/v1/users/{userId}", body=PERSON, answers={200: Person, 201: Person})
async def put_person(call: Call) -> Response:
    """Enter or change a person."""
    _check_kept_here(call)
    body = await call.body(PERSON)
    person = person_of(call.param("userId"), body)
    is_new = await call.engine.store.person(person.id) is None
    await call.engine.store.save_person(person)
    call.audit("a person was entered", user=person.id, groups=body.groups)
    return answer(person, 201 if is_new else 200)


@routes.add("DELETE /api/v1/users/{userId}", answers={204: None})
async def remove_person(call: Call) -> Response:
    """Forget a person; what is assigned to them stays so."""
    _check_kept_here(call)
    if not await call.engine.store.remove_person(call.param("userId")):
        raise NotFound(f"there is no user {call.param('userId')!r}")
    call.audit("a person was removed", user=call.param("userId"))
    return Response(status_code=204)


@routes.add("PUT /api/v1/users/{userId}/password", body=PASSWORD, answers={204: None})
async def put_password(call: Call) -> Response:
    """Give a person a password to log in with; sessions by a former one end."""
    _check_kept_here(call)
    body = await call.body(PASSWORD)
    scopes = None if body.scopes is msgspec.UNSET else body.scopes
    given = await give_password(call.engine.store, call.param("userId"), body.password, scopes)
    call.audit("a password was given", user=call.param("userId"), scopes=given)
    return Response(status_code=204)


@routes.add("DELETE /api/v1/users/{userId}/password", answers={204: None})
async def remove_password(call: Call) -> Response:
    """Have a person log in with a password no longer; their sessions by it end."""
    _check_kept_here(call)
    if not await call.engine.store.remove_login(call.param("userId")):
        raise NotFound(f"the user {call.param('userId')!r} has no password")
    call.audit("a password was taken away", user=call.param("userId"))
    return Response(status_code=204)


@routes.add("GET /api/v1/groups/{groupId}", answers={200: GroupAnswer})
async def read_group(call: Call) -> Response:
    """Who is in a group."""
    group = call.param("groupId")
    members = await call.services.directory.members(group)
    if not members:
        raise NotFound(f"nobody is in the group {group!r}")
    return answer({"id": group, "members": members})


def person_of(id_: str, body: PersonBody) -> Person:
    """The person that a body describes. Raises ValidationFailed for an id that is too long."""
    if not 0 < len(id_) <= 255:
        raise refusal([detail("/userId", "must have at most 255 characters", "maxLength")])
    groups = tuple(dict.fromkeys(body.groups))
    return Person(id_, body.name, body.email, groups, tuple(body.skills), body.max_open, body.away)


def _check_kept_here(call: Call) -> None:
    """Raises Conflict where they are listed and changed at the user service."""
    if call.services.people_elsewhere:
        raise Conflict("people are kept by the user service (TASKYARD_USER_SERVICE_URL); list and change them there")
