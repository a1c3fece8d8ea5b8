"""Wake-ups between processes, over a session of their own: LISTEN, and NOTIFY at most once in five milliseconds.

Where no such session can be had (behind a connection pooler), or none is wanted, nobody is heard: whoever listens
looks now and then anyway. What this process does wakes its own listeners in any case.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import asyncpg
import structlog

from taskyard.contracts.records import Topic
from taskyard.errors import TaskyardError
from taskyard.store.postgres.database import AWAY, Database

_CHANNEL = "taskyard"
_NOTIFY = "SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS t (topic)"
_ALIVE = "SELECT 1"
_PAUSE = 0.005
_PULSE = 5.0
_DOUBT = 0.25
_RECONNECT = (0.05, 2.0)
_GOODBYE = 5.0

Execute = Callable[..., Awaitable[Any]]

log = structlog.get_logger("taskyard.signals")


class Wakeups(NamedTuple):
    """Whether processes wake each other (`notify`), and where a session for that can be had ("": as for all else)."""

    notify: bool = True
    listen_url: str = ""


class Signals:
    """Who is to be woken here, and what the others are to be told."""

    def __init__(self, db: Database, wakeups: Wakeups) -> None:
        self._db = db
        self._wakeups = wakeups
        self._listeners: defaultdict[Topic, list[Callable[[], None]]] = defaultdict(list)
        self._untold: set[Topic] = set()
        self._stir = asyncio.Event()
        self._doubted = False
        self._warned = False
        self._stopping = False
        self._wait = _RECONNECT[0]
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen."""
        self._stopping = False
        self._task = asyncio.create_task(self._run(), name="taskyard-signals")

    async def stop(self) -> None:
        """Tell what is still untold, as far as the database lets us, and end."""
        task, self._task = self._task, None
        if task is None:
            return
        self._stopping = True
        self._stir.set()
        await asyncio.wait([task], timeout=_GOODBYE)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def listen(self, topic: Topic, callback: Callable[[], None]) -> Callable[[], None]:
        """Call `callback` on wake-ups for the topic; returns how to stop."""
        self._listeners[topic].append(callback)

        def stop() -> None:
            with contextlib.suppress(ValueError):
                self._listeners[topic].remove(callback)

        return stop

    def tell(self, *topics: Topic) -> None:
        """Wake our own listeners now, and everybody else's soon."""
        self._wake(topics)
        if self._wakeups.notify:
            self._untold.update(topics)
            self._stir.set()

    def doubt(self) -> None:
        """The database could not be reached; say so when it can be again."""
        self._doubted = True
        self._stir.set()

    @property
    def _deaf(self) -> bool:
        return not self._wakeups.notify or (self._db.pooled and not self._wakeups.listen_url)

    def _wake(self, topics: tuple[Topic, ...]) -> None:
        for topic in topics:
            for callback in tuple(self._listeners[topic]):
                callback()

    async def _run(self) -> None:
        if self._deaf and self._wakeups.notify:
            log.warning("a pooler passes no wake-ups on, so workers poll; TASKYARD_LISTEN_URL can name the database")
        while not (self._stopping and not self._untold):
            try:
                await self._serve()
            except (*AWAY, asyncpg.PostgresError, TaskyardError) as error:
                if self._stopping:
                    return
                if not self._warned:
                    self._warned = True
                    log.warning("wake-ups cannot be heard; it polls until they can", reason=str(error))
                await asyncio.sleep(self._wait)
                self._wait = min(self._wait * 2, _RECONNECT[1])

    async def _serve(self) -> None:
        """One connection's life."""
        if self._deaf:
            await self._speak(self._db.relaxed.fetch, heard=False)
            return
        connection = await self._db.connect_directly(self._wakeups.listen_url)
        try:
            connection.add_termination_listener(lambda _: self.doubt())
            await connection.add_listener(_CHANNEL, self._heard)

            async def execute(sql: str, *parameters: Any) -> None:
                await connection.execute(sql, *parameters, timeout=_PULSE)

            await self._speak(execute, heard=True)
        finally:
            connection.terminate()

    async def _speak(self, execute: Execute, *, heard: bool) -> None:
        """Tell the others what is to be told, and ourselves what became of the database, until the end."""
        await execute(_ALIVE)
        self._wait, self._warned = _RECONNECT[0], False
        self._wake(tuple(Topic))  # what was said while nobody listened
        while not (self._stopping and not self._untold):
            if not await self._stirred(_PULSE if heard else None) or self._doubted:
                await self._make_sure(execute)
            topics, self._untold = self._untold, set()
            if topics:
                await execute(_NOTIFY, _CHANNEL, sorted(topics))
            await asyncio.sleep(_PAUSE)

    async def _stirred(self, seconds: float | None) -> bool:
        """Wait for something to do; False when only time has passed."""
        try:
            async with asyncio.timeout(seconds):
                await self._stir.wait()
        except TimeoutError:
            return False
        self._stir.clear()
        return True

    async def _make_sure(self, execute: Execute) -> None:
        """Whether the database can be reached: raises, or wakes whoever waits for it."""
        if self._doubted and not self._stopping:
            await asyncio.sleep(_DOUBT)
        doubted, self._doubted = self._doubted, False
        await execute(_ALIVE)
        if doubted:
            self._wake((Topic.BACK,))

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        del channel
        ours = isinstance(connection, asyncpg.Connection) and connection.get_server_pid() == pid
        with contextlib.suppress(ValueError):
            if not ours:
                self._wake((Topic(str(payload)),))
