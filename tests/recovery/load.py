"""Clients that have tasks of several kinds run, without a pause, and ask again until they are heard."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from itertools import cycle
from typing import Any, NamedTuple

from taskyard.errors import Overloaded

EVERY = 0.08
"""Seconds between two tasks of one client."""

Submit = Callable[..., Awaitable[Any]]


class Kind(NamedTuple):
    """A definition, and how its tasks are asked for."""

    key: str
    delay: float | None = None


EVERYWHERE = (Kind("quick"), Kind("threaded"), Kind("flaky"), Kind("quick", delay=1.0), Kind("gated"), Kind("quick"))
"""What workers in any language can run."""
IN_PYTHON = (*EVERYWHERE, Kind("parent"), Kind("processed"))


class Load:
    """What was asked for and answered, by one number each."""

    def __init__(self) -> None:
        self.ids: dict[int, int] = {}
        self.refused = 0

    @contextlib.asynccontextmanager
    async def pouring(self, clients: list[list[Submit]], kinds: tuple[Kind, ...]) -> AsyncIterator[None]:
        """As long as the block lasts; what is under way when it ends is still asked for.

        Each client has several ways, and takes the next when it is refused.
        """
        stop = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for client, ways in enumerate(clients):
                group.create_task(self._pour(cycle(ways), client, kinds, stop))
            yield
            stop.set()

    async def _pour(self, ways: Iterator[Submit], client: int, kinds: tuple[Kind, ...], stop: asyncio.Event) -> None:
        loop = asyncio.get_running_loop()
        due = loop.time()
        for count, kind in enumerate(cycle(kinds)):
            if stop.is_set():
                return
            number = client * 1_000_000 + count
            self.ids[number] = await self._ask(ways, kind, number)
            due += EVERY
            await asyncio.sleep(max(0.0, due - loop.time()))

    async def _ask(self, ways: Iterator[Submit], kind: Kind, number: int) -> int:
        key = f"load-{number}"
        for submit in ways:
            try:
                return int((await submit(kind.key, {"number": number}, idempotency_key=key, delay=kind.delay)).id)
            except Overloaded:
                self.refused += 1
                await asyncio.sleep(0.1)
        raise AssertionError("the ways have no end")
