"""Wake-ups between processes, over a connection of their own: LISTEN, and NOTIFY at most once in five milliseconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Awaitable, Callable

import asyncpg

from taskyard.contracts.records import Topic

_CHANNEL = "taskyard"
_NOTIFY = "SELECT pg_notify($1, topic) FROM unnest($2::text[]) AS t (topic)"
_PAUSE = 0.005
_PULSE = 5.0
_RECONNECT = (0.05, 2.0)
_GOODBYE = 5.0


class Signals:
    """Who is to be woken here, and what the others are to be told."""

    def __init__(self, connect: Callable[[], Awaitable[asyncpg.Connection]]) -> None:
        self._connect = connect
        self._listeners: defaultdict[Topic, list[Callable[[], None]]] = defaultdict(list)
        self._untold: set[Topic] = set()
        self._stir = asyncio.Event()
        self._stopping = False
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
        self._untold.update(topics)
        self._stir.set()

    def _wake(self, topics: tuple[Topic, ...]) -> None:
        for topic in topics:
            for callback in tuple(self._listeners[topic]):
                callback()

    async def _run(self) -> None:
        shortest, longest = _RECONNECT
        wait = shortest
        while not (self._stopping and not self._untold):
            try:
                await self._serve()
                wait = shortest
            except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
                if self._stopping:
                    return
                await asyncio.sleep(wait)
                wait = min(wait * 2, longest)

    async def _serve(self) -> None:
        """One connection's life."""
        connection = await self._connect()
        try:
            connection.add_termination_listener(lambda _: self._stir.set())
            await connection.add_listener(_CHANNEL, self._heard)
            self._wake(tuple(Topic))  # what was said while nobody listened
            while not connection.is_closed():
                await self._rest(connection)
                await self._notify(connection)
                if self._stopping and not self._untold:
                    return
                await asyncio.sleep(_PAUSE)
        finally:
            connection.terminate()

    async def _rest(self, connection: asyncpg.Connection) -> None:
        """Wait for something to tell; now and then see whether the connection still lives."""
        try:
            async with asyncio.timeout(_PULSE):
                await self._stir.wait()
        except TimeoutError:
            await connection.execute("SELECT 1", timeout=_PULSE)
        self._stir.clear()

    async def _notify(self, connection: asyncpg.Connection) -> None:
        topics, self._untold = self._untold, set()
        if topics and not connection.is_closed():
            await connection.execute(_NOTIFY, _CHANNEL, sorted(topics), timeout=_PULSE)

    def _heard(self, connection: object, pid: int, channel: str, payload: object) -> None:
        del channel
        ours = isinstance(connection, asyncpg.Connection) and connection.get_server_pid() == pid
        with contextlib.suppress(ValueError):
            if not ours:
                self._wake((Topic(str(payload)),))
