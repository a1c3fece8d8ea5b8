"""Whether a caller who stays connected may still be served: asked again every few seconds."""

from __future__ import annotations

import asyncio

from taskyard.api.auth import credential_of
from taskyard.api.call import Call
from taskyard.api.visibility import see
from taskyard.errors import Forbidden, NotFound, Overloaded, Unauthorized

CHECK_EVERY = 4.0
"""Seconds; a revoked credential is noticed within them."""


class Standing:
    """The right of a call to go on, and to see `task_id` if it is about one."""

    def __init__(self, call: Call, task_id: int | None = None) -> None:
        self._call = call
        self._task_id = task_id
        self._loop = asyncio.get_running_loop()
        self._checked_at = self._loop.time()

    async def holds(self) -> bool:
        """Whether it still holds; False also once the server is to stop. Asks seldom enough to be called often."""
        if self._call.services.closing.is_set():
            return False
        if self._loop.time() - self._checked_at < CHECK_EVERY:
            return True
        self._checked_at = self._loop.time()
        return await self._ask()

    async def until_lost(self) -> None:
        """Return when it no longer holds."""
        while True:
            await asyncio.sleep(CHECK_EVERY)
            if not await self._ask():
                return

    async def _ask(self) -> bool:
        call = self._call
        try:
            caller = await call.services.identify(credential_of(call.scope))
            call.access.check(caller)
            if self._task_id is not None:
                await see(call.engine, caller, self._task_id)
        except (Unauthorized, Forbidden, NotFound):
            return False
        except Overloaded:
            return True  # nobody can be asked now; that is no refusal
        return True
