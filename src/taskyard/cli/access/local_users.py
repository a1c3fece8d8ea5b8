"""The verbs of users on the store itself."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from taskyard.app import App
from taskyard.cli.access.contract import Json, told_of
from taskyard.contracts.store import Store
from taskyard.engine.logins import give_password
from taskyard.errors import Conflict, NotFound


class LocalUsers:
    """The verbs on an open app; see the contract."""

    _app: App

    async def users(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        found = await self._store.persons(limit + 1, cursor or "")
        end = found[limit - 1].id if len(found) > limit else None
        return {"items": [dict(msgspec.to_builtins(person)) for person in found[:limit]], "nextCursor": end}

    async def user(self, user: str) -> Json:
        """See the contract."""
        found = await self._store.person(user)
        return {} if found is None else told_of(dict(msgspec.to_builtins(found)))

    async def put_user(self, user: str, body: Json) -> None:
        """See the contract."""
        from taskyard.api.people_directory import PERSON, person_of

        await self._store.save_person(person_of(user, PERSON.parse(body)))

    async def give_password(self, user: str, password: str, scopes: Sequence[str] | None) -> None:
        """See the contract."""
        await give_password(self._store, user, password, scopes)

    async def take_password(self, user: str) -> None:
        """See the contract."""
        if not await self._store.remove_login(user):
            raise NotFound(f"the user {user!r} has no password")

    @property
    def _store(self) -> Store:
        """The store. Raises Conflict where people are kept elsewhere."""
        if self._app.settings["TASKYARD_USER_SERVICE_URL"]:
            raise Conflict(
                "people are kept by the user service (TASKYARD_USER_SERVICE_URL); list and change them there"
            )
        return self._app.engine.store
