"""The embedded store, put together."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from taskyard.contracts.clock import Clock, SystemClock
from taskyard.contracts.records import Topic
from taskyard.domain.ids import IdMaker
from taskyard.errors import ConfigurationError, Overloaded
from taskyard.store.sqlite.audit import Audit
from taskyard.store.sqlite.bus import Bus
from taskyard.store.sqlite.connections import Connections
from taskyard.store.sqlite.database import Database
from taskyard.store.sqlite.deliveries import Deliveries
from taskyard.store.sqlite.gating import Gating
from taskyard.store.sqlite.insight import Insight
from taskyard.store.sqlite.instances import Instances
from taskyard.store.sqlite.journal import Journal
from taskyard.store.sqlite.logins import Logins
from taskyard.store.sqlite.moves import Moves
from taskyard.store.sqlite.names import Names
from taskyard.store.sqlite.notices import Notices
from taskyard.store.sqlite.people import People
from taskyard.store.sqlite.queues import Queues
from taskyard.store.sqlite.reading import Reading
from taskyard.store.sqlite.schedules import Schedules
from taskyard.store.sqlite.submission import Submission
from taskyard.store.sqlite.subscriptions import Subscriptions
from taskyard.store.sqlite.upkeep import Upkeep
from taskyard.store.sqlite.vault import Vault
from taskyard.store.sqlite.views import Views
from taskyard.store.sqlite.watch import commits

_MIGRATIONS = files("taskyard.store.sqlite") / "migrations"


class SqliteStore(
    Names,
    Submission,
    Gating,
    Moves,
    Upkeep,
    Queues,
    Schedules,
    Instances,
    People,
    Logins,
    Notices,
    Reading,
    Insight,
    Journal,
    Vault,
    Views,
    Bus,
    Subscriptions,
    Deliveries,
    Audit,
    Connections,
):
    """Tasks in one SQLite file, which several processes may share; `path` may be `:memory:`.

    Made by another process's commit, wake-ups come from watching the file's change counter.
    """

    def __init__(self, path: str, clock: Clock | None = None) -> None:
        self.path = path
        self.clock = clock or SystemClock()
        self.db = Database(path)
        self.ids = IdMaker(0)
        self._listeners: defaultdict[Topic, list[Callable[[], None]]] = defaultdict(list)
        self._watcher: asyncio.Task[None] | None = None
        self._opened = False

    async def open(self) -> None:
        """See the contract. An in-memory store is migrated at once."""
        if self._opened:
            return
        _make_folder(self.path)
        self.db.start()
        self._opened = True
        try:
            if self.path == ":memory:":
                await self.migrate()
            await self.db.read(_check_migrated, self.path)
            self.ids = IdMaker(await self.db.write(_next_node))
        except BaseException:
            await self.close()
            raise
        if self.path != ":memory:":
            self._watcher = asyncio.create_task(self._watch(), name="taskyard-sqlite-watch")

    async def close(self) -> None:
        """See the contract."""
        if not self._opened:
            return
        self._opened = False
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.gather(self._watcher, return_exceptions=True)
            self._watcher = None
        await self.db.stop()

    async def migrate(self) -> list[str]:
        """See the contract."""
        _make_folder(self.path)
        if self._opened:
            return await self.db.write(_migrate)
        self.db.start()
        try:
            return await self.db.write(_migrate)
        finally:
            await self.db.stop()

    async def now(self) -> int:
        """See the contract."""
        return self.clock.now()

    async def try_writing(self) -> None:
        """See the contract."""
        await self.db.write(_try_writing)

    def listen(self, topic: Topic, callback: Callable[[], None]) -> Callable[[], None]:
        """See the contract."""
        self._listeners[topic].append(callback)
        return lambda: self._listeners[topic].remove(callback)

    def wake(self, *topics: Topic) -> None:
        """Wake this process's listeners."""
        for topic in topics:
            for callback in tuple(self._listeners[topic]):
                callback()

    async def _watch(self) -> None:
        """Wake everybody when another process has committed."""
        async for _ in commits(self.db):
            self.wake(*Topic)


def _make_folder(path: str) -> None:
    if path == ":memory:":
        return
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Overloaded(f"cannot make the folder of {path}: {error.strerror}", retry_after=1.0) from None


def _pending(connection: sqlite3.Connection) -> list[str]:
    connection.row_factory = None
    known = connection.execute("SELECT name FROM sqlite_master WHERE name = 'migration'").fetchone()
    done = {row[0] for row in connection.execute("SELECT name FROM migration")} if known else set()
    names = sorted(entry.name for entry in _MIGRATIONS.iterdir() if entry.name.endswith(".sql"))
    return [name for name in names if name not in done]


def _check_migrated(connection: sqlite3.Connection, path: str) -> None:
    pending = _pending(connection)
    if pending:
        raise ConfigurationError(f"{path} lacks the migrations {', '.join(pending)}; run `taskyard migrate`")


def _migrate(connection: sqlite3.Connection) -> list[str]:
    connection.execute(
        "CREATE TABLE IF NOT EXISTS migration (name TEXT PRIMARY KEY, at TEXT DEFAULT CURRENT_TIMESTAMP)"
    )
    pending = _pending(connection)
    for name in pending:
        for statement in _statements((_MIGRATIONS / name).read_text()):
            connection.execute(statement)
        connection.execute("INSERT INTO migration (name) VALUES (?)", (name,))
    return pending


def _statements(script: str) -> list[str]:
    """The script's statements; `executescript` would commit the transaction they share."""
    statements, current = [], ""
    for part in script.split(";"):
        current += part + ";"
        if sqlite3.complete_statement(current):
            statements.append(current)
            current = ""
    return [s for s in statements if s.strip(" \n;")]


def _try_writing(connection: sqlite3.Connection) -> None:
    """What needs room in the file; others see nothing of it."""
    connection.execute("INSERT INTO seen (key, at) VALUES (zeroblob(16384), 0)")
    connection.execute("DELETE FROM seen WHERE key = zeroblob(16384)")


def _next_node(connection: sqlite3.Connection) -> int:
    return int(connection.execute("UPDATE node SET next = next + 1 RETURNING next").fetchone()[0])
