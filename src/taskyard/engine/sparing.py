"""Figures that cost: counted anew whenever they are asked for, but no more of the time goes into that than a share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")

_QUICK = 0.25
_SHARE = 0.05


class Sparing(Generic[T]):
    """What `count` gives; where that takes long, what it gave lately."""

    def __init__(self, count: Callable[[], Awaitable[T]]) -> None:
        self._count = count
        self._found: list[T] = []
        self._valid_until = 0.0
        self._counting = asyncio.Lock()

    async def get(self) -> T:
        """The figures."""
        async with self._counting:
            began = time.monotonic()
            if not self._found or began >= self._valid_until:
                self._found = [await self._count()]
                took = time.monotonic() - began
                self._valid_until = began + (took / _SHARE if took > _QUICK else 0)
            return self._found[0]
