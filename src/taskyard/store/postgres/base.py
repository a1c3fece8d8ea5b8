"""What the facets of the PostgreSQL store share."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Coroutine
from contextlib import suppress
from typing import Any
from weakref import WeakValueDictionary

from taskyard.contracts.records import Topic
from taskyard.domain.ids import IdMaker
from taskyard.errors import Overloaded
from taskyard.store.postgres.admission import admit
from taskyard.store.postgres.clock import StoreClock
from taskyard.store.postgres.database import Database
from taskyard.store.postgres.signals import Signals, Wakeups

_PATIENCE = 5.0


class Base:
    """The connections, the time, the wake-ups and what goes on in the background."""

    def __init__(self, url: str, clock: StoreClock, wakeups: Wakeups) -> None:
        self.db = Database(url, on_away=lambda: self.signals.doubt())
        self.clock = clock
        self.signals = Signals(self.db, wakeups)
        self.ids = IdMaker(0)
        self.identity = ""
        self.takers: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: set[asyncio.Task[None]] = set()

    def new_ids(self, count: int) -> list[int]:
        """See the contract."""
        return self.ids.take(count, self.clock.now())

    def wake(self, *topics: Topic) -> None:
        """Wake whoever listens for these topics, here and elsewhere."""
        self.signals.tell(*topics)

    async def admit(self, keys: Collection[str] | None) -> None:
        """Let in whom these limits can take now; where the database is away, the next `tidy` does it.

        A limit that has just had several slots freed is named as often.
        """
        if keys:
            with suppress(Overloaded):
                if await admit(self.db.relaxed, keys, self.clock.moment):
                    self.wake(Topic.READY)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Let something go on in the background; `finish` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for what goes on in the background, but not for long."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_PATIENCE)
        for task in self._tasks:
            task.cancel()
