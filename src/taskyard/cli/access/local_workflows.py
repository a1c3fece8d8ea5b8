"""Workflows, on the store itself."""

from __future__ import annotations

from typing import Any

import msgspec

from taskyard.app import App
from taskyard.cli.access.contract import Json
from taskyard.engine.orchestrator import Orchestrator, named
from taskyard.engine.request import parse_request
from taskyard.security.caller import LOCAL


class LocalWorkflows:
    """The verbs on an open app; see the contract."""

    _app: App

    async def workflows(self, engine: str) -> list[Json]:
        """See the contract."""
        return [_plain(each) for each in await self._at(engine).workflows()]

    async def workflow(self, key: str, engine: str) -> Json:
        """See the contract."""
        return _plain(await self._at(engine).workflow(key))

    async def deploy_workflow(self, source: str, engine: str) -> Json:
        """See the contract."""
        return _plain(await self._at(engine).deploy(source, {}))

    async def start_workflow(self, key: str, body: Json, engine: str) -> Json:
        """See the contract."""
        from taskyard.api.workflows import instance_json

        request = parse_request({**body, "taskDefinitionId": key})
        return instance_json(await self._at(engine).start(request, LOCAL))

    def _at(self, engine: str) -> Orchestrator:
        return named(self._app.orchestrators, engine)


def _plain(value: Any) -> Json:
    return dict(msgspec.to_builtins(value))
