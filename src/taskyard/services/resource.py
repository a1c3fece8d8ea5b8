"""The resource service: what code of a definition may use up. While it is away the default allocations hold."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import msgspec
import structlog

from taskyard.domain.resources import ResourcePatch
from taskyard.errors import CallFailed, CircuitOpen, EgressRefused
from taskyard.services.service import Service

PATH: Final = "/api/resources/allocations"
_FRESH = 60.0
_AGAIN = 10.0

log = structlog.get_logger("taskyard.resources")


class ResourceService:
    """Asks `{"taskDefinitionId"}` and is answered the limits that hold for it, as `resources` of a definition."""

    def __init__(self, service: Service, now: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._now = now
        self._known: dict[str, tuple[ResourcePatch | None, float]] = {}

    async def allocate(self, definition: str) -> ResourcePatch | None:
        """What the service allocates; None where the default is to hold, as it does while the service is away."""
        patch, until = self._known.get(definition, (None, 0.0))
        if self._now() < until:
            return patch
        try:
            answer = await self._service.post(PATH, {"taskDefinitionId": definition})
            found = msgspec.json.decode(answer.content, type=ResourcePatch) if answer.status_code == 200 else None
        except (CallFailed, CircuitOpen, EgressRefused, msgspec.MsgspecError) as error:
            log.warning("the default resources hold", definition=definition, reason=str(error))
            self._known[definition] = (None, self._now() + _AGAIN)
            return None
        self._known[definition] = (found, self._now() + _FRESH)
        return found
