"""Calls of the HTTP interface, in the JSON of the answers as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from taskyard.cli.access.contract import Json
from taskyard.client import AsyncTaskyardClient
from taskyard.client.talk import fetch


class RemoteCalls:
    """What the verbs over HTTP are made of."""

    def __init__(self, client: AsyncTaskyardClient) -> None:
        self._client = client

    async def _get(self, path: str, query: Mapping[str, Any] | None = None) -> Json:
        answer: Json = await self._client.carry_out(fetch("GET", path, query=query))
        return answer

    async def _post(self, path: str, body: Json) -> Json:
        answer: Json = await self._client.carry_out(fetch("POST", path, body=body))
        return answer
