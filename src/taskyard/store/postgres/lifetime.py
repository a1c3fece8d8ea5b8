"""The store's own life: opening, migrating, closing, and the time."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import asyncpg

from taskyard.contracts.records import Topic
from taskyard.domain.ids import IdMaker
from taskyard.errors import ConfigurationError
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.carrier import IDENTITY
from taskyard.store.postgres.database import answering
from taskyard.store.postgres.partitions import make_first
from taskyard.store.postgres.statements import fill

_MIGRATIONS = files("taskyard.store.postgres") / "migrations"
_MIGRATION_LOCK = 0x7461736B79617264  # "taskyard"
_TIME_HOLDS = 10.0

_NOW = fill("SELECT @now")
_NODE = "SELECT nextval('taskyard.node')"
_OWN = "int8send(txid_current())"  # with the same key one would wait for another
_INSERT_TRIAL = f"INSERT INTO taskyard.seen (key, at) VALUES ({_OWN}, 0)"
_DELETE_TRIAL = f"DELETE FROM taskyard.seen WHERE key = {_OWN}"
_MIGRATED = "SELECT to_regclass('taskyard.migration') IS NOT NULL"
_APPLIED = "SELECT name FROM taskyard.migration"
_PREPARE = (
    "CREATE SCHEMA IF NOT EXISTS taskyard",
    "CREATE TABLE IF NOT EXISTS taskyard.migration (name text PRIMARY KEY, applied_at timestamptz DEFAULT now())",
)


class Lifetime(Base):
    """The facet of the same name."""

    _opened = False

    async def open(self) -> None:
        """See the contract."""
        if self._opened:
            return
        await self.db.open()
        self._opened = True
        try:
            await self._check_migrated()
            self.ids = IdMaker(await self.db.durable.value(_NODE))
            self.identity = await self.db.relaxed.value(IDENTITY)
            self.clock.tell(await self.db.relaxed.value(_NOW, self.clock.moment))
        except BaseException:
            await self.close()
            raise
        self.signals.start()

    async def close(self) -> None:
        """See the contract."""
        if self._opened:
            self._opened = False
            await self.finish()
            await self.signals.stop()
            await self.db.close()

    async def migrate(self) -> list[str]:
        """See the contract."""
        with answering():
            connection = await self.db.connect()
            try:
                async with connection.transaction():
                    applied = await _migrate(connection)
                    await make_first(connection, await connection.fetchval(_NOW, None))
                    return applied
            finally:
                await connection.close()

    async def now(self) -> int:
        """See the contract. The database is asked now and then; in between its time is counted on."""
        if self.clock.age > _TIME_HOLDS:
            self.identity = await self.db.relaxed.value(IDENTITY)
            self.clock.tell(await self.db.relaxed.value(_NOW, self.clock.moment))
        return self.clock.now()

    async def try_writing(self) -> None:
        """See the contract."""
        async with self.db.relaxed.transaction() as connection:
            await connection.execute(_INSERT_TRIAL)
            await connection.execute(_DELETE_TRIAL)

    def listen(self, topic: Topic, callback: Callable[[], None]) -> Callable[[], None]:
        """See the contract."""
        return self.signals.listen(topic, callback)

    async def _check_migrated(self) -> None:
        migrated = await self.db.relaxed.value(_MIGRATED)
        applied = {row[0] for row in await self.db.relaxed.fetch(_APPLIED)} if migrated else set()
        pending = [name for name in _names() if name not in applied]
        if pending:
            raise ConfigurationError(f"the database lacks the migrations {', '.join(pending)}; run `taskyard migrate`")


def _names() -> list[str]:
    return sorted(entry.name for entry in _MIGRATIONS.iterdir() if entry.name.endswith(".sql"))


async def _migrate(connection: asyncpg.Connection) -> list[str]:
    """Within a transaction: whoever comes second waits, and finds everything done."""
    await connection.execute("SET LOCAL lock_timeout = 0")
    await connection.execute("SET LOCAL statement_timeout = 0")
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _MIGRATION_LOCK)
    for text in _PREPARE:
        await connection.execute(text)
    applied = {row[0] for row in await connection.fetch(_APPLIED)}
    pending = [name for name in _names() if name not in applied]
    for name in pending:
        await connection.execute((_MIGRATIONS / name).read_text(encoding="utf-8"))
        await connection.execute("INSERT INTO taskyard.migration (name) VALUES ($1)", name)
    return pending
