"""The settings of the server, to be looked at."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes

routes = Routes("Operations")


class SettingAnswer(schemas.Answer):
    """A setting; of a secret it is only told that it is set. `source`: `environment`, a file's name, `default`."""

    name: str
    value: Any
    source: str
    help: str


class SettingList(schemas.Answer):
    """All settings, in the order of their documentation, and the version that they are those of."""

    items: list[SettingAnswer]
    version: str


@routes.add("GET /api/v1/settings", answers={200: SettingList})
async def read_settings(call: Call) -> Response:
    """How the server is set up."""
    return answer({"items": call.services.settings(), "version": call.services.version})
