"""The user service of a platform: who there is, and in which groups. What it has said holds on while it is away."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from taskyard.domain.people.assignment import Person
from taskyard.errors import CallFailed, CircuitOpen, EgressRefused
from taskyard.services.service import Service

if TYPE_CHECKING:
    import httpx

_FRESH: Final = 60.0
_AGAIN: Final = 10.0
_PATIENCE: Final = 1.0
_MOST_REMEMBERED: Final = 10_000

log = structlog.get_logger("taskyard.users")

V = TypeVar("V")


class _User(msgspec.Struct, rename="camel"):
    """Somebody as the service tells of them; what it tells besides means nothing here."""

    id: str
    name: str = ""
    email: str = ""
    groups: list[str] = []
    skills: list[str] = []
    max_open: int | None = None
    away: bool = False

    def person(self) -> Person:
        """The person as everybody here knows them."""
        return Person(self.id, self.name, self.email, tuple(self.groups), tuple(self.skills), self.max_open, self.away)


class _Members(msgspec.Struct):
    members: list[_User]


class _Kept(NamedTuple):
    """What was said, if anything was, and until when (seconds) it is not asked for again."""

    value: Any
    is_known: bool
    until: float


class _Memory(Generic[V]):
    """What was said under each name. What is old is given at once, and asked for again beside."""

    def __init__(
        self, ask: Callable[[str], Awaitable[V]], nothing: V, now: Callable[[], float], patience: float | None
    ) -> None:
        self._ask = ask
        self._nothing = nothing
        self._now = now
        self._patience = patience
        self._kept: dict[str, _Kept] = {}
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def get(self, name: str) -> V:
        """What the service says, or has said; nothing where it never could, or takes too long to say it."""
        kept = self._kept.get(name)
        if kept is None or self._now() >= kept.until:
            asking = self._asking.get(name)
            if asking is None:
                asking = self._asking[name] = asyncio.create_task(self._learn(name), name="taskyard-users")
            if kept is None or not kept.is_known:
                _, slow = await asyncio.wait({asking}, timeout=self._patience)
                if slow:  # whoever asks next need not wait as well
                    self._keep(name, _Kept(self._nothing, False, self._now() + _AGAIN))
                kept = self._kept.get(name)
        found: V = self._nothing if kept is None else kept.value
        return found

    async def _learn(self, name: str) -> None:
        try:
            value = await self._ask(name)
        except (CallFailed, CircuitOpen, EgressRefused) as error:
            kept = self._kept.get(name, _Kept(self._nothing, False, 0.0))
            holds = "what it said before" if kept.is_known else "the default rules"
            log.warning("the user service is away", asked_for=name, reason=error.message, holds=holds)
            self._keep(name, kept._replace(until=self._now() + _AGAIN))
        else:
            self._keep(name, _Kept(value, True, self._now() + _FRESH))
        finally:
            del self._asking[name]

    def _keep(self, name: str, kept: _Kept) -> None:
        """Remember it, and forget what was learnt longest ago where that is too much."""
        self._kept.pop(name, None)
        self._kept[name] = kept
        if len(self._kept) > _MOST_REMEMBERED:
            del self._kept[next(iter(self._kept))]


class UserDirectory:
    """Asks `GET /api/users/{id}`, answered `{id, name, email, groups, skills, maxOpen, away}`, and
    `GET /api/groups/{id}/members`, answered `{members: [...]}` of the same; 404 means that there is none.

    `now` gives seconds. What it has said is fresh for a minute; while it is away that holds on. Where it had said
    nothing, and for `patience` seconds (None: as long as it is asked) says nothing, a group has nobody, so that the
    assignment's fallback decides.
    """

    def __init__(
        self, service: Service, now: Callable[[], float] = time.monotonic, patience: float | None = _PATIENCE
    ) -> None:
        self._service = service
        self._people: _Memory[Person | None] = _Memory(self._person, None, now, patience)
        self._groups: _Memory[list[Person]] = _Memory(self._members, [], now, patience)

    async def members(self, group: str) -> list[Person]:
        """See the contract."""
        return await self._groups.get(group)

    async def person(self, person_id: str) -> Person | None:
        """See the contract."""
        return await self._people.get(person_id)

    async def _person(self, person_id: str) -> Person | None:
        answer = await self._service.get(f"/api/users/{quote(person_id, safe='')}")
        return None if answer.status_code == 404 else _read(answer, _User).person()

    async def _members(self, group: str) -> list[Person]:
        answer = await self._service.get(f"/api/groups/{quote(group, safe='')}/members")
        found = [] if answer.status_code == 404 else _read(answer, _Members).members
        return sorted((each.person() for each in found), key=lambda person: person.id)


def _read(answer: httpx.Response, type_: type[V]) -> V:
    if answer.status_code != 200:
        raise CallFailed(f"the user service answered {answer.status_code}", reason="status", retryable=False)
    try:
        return msgspec.json.decode(answer.content, type=type_)
    except msgspec.MsgspecError as error:
        raise CallFailed(f"the user service's answer cannot be read: {error}", reason="body", retryable=False) from None
