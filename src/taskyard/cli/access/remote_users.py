"""The verbs of users over HTTP."""

from __future__ import annotations

from collections.abc import Sequence

from taskyard.cli.access.contract import Json, told_of
from taskyard.cli.access.remote_calls import RemoteCalls
from taskyard.client.talk import API, fetch, part
from taskyard.errors import NotFound


class RemoteUsers(RemoteCalls):
    """The verbs in the JSON of the answers as they are; see the contract."""

    async def users(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        return await self._get(f"{API}/users", {"limit": limit, "cursor": cursor})

    async def user(self, user: str) -> Json:
        """See the contract."""
        try:
            found: Json = await self._client.carry_out(fetch("GET", f"{API}/users/{part(user)}"))
        except NotFound:
            return {}
        return told_of(found)

    async def put_user(self, user: str, body: Json) -> None:
        """See the contract."""
        await self._client.carry_out(fetch("PUT", f"{API}/users/{part(user)}", body=body))

    async def give_password(self, user: str, password: str, scopes: Sequence[str] | None) -> None:
        """See the contract."""
        body = {"password": password} | ({} if scopes is None else {"scopes": list(scopes)})
        await self._client.carry_out(fetch("PUT", f"{API}/users/{part(user)}/password", body=body))

    async def take_password(self, user: str) -> None:
        """See the contract."""
        await self._client.carry_out(fetch("DELETE", f"{API}/users/{part(user)}/password"))
