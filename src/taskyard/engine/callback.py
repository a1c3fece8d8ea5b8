"""Callbacks at the door: where a task's `callbackUrl` may lead."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from taskyard.contracts.store import Store

CheckUrl = Callable[[str, str], Awaitable[str]]
"""`await check_url(url, path)` raises a ValidationFailed, naming `path`, for an address that may not be reached."""


class Callbacks:
    """Lets in tasks that have one. The first makes the store look out for the ends of such tasks from then on."""

    def __init__(self, store: Store, check_url: CheckUrl | None) -> None:
        self._store = store
        self._check_url = check_url
        self._announced = False

    async def admit(self, url: str, path: str) -> None:
        """Take a URL. Raises ValidationFailed for one that may not be reached."""
        if self._check_url is not None:
            await self._check_url(url, path)
        if not self._announced:
            await self._store.want_callbacks()
            self._announced = True
