"""The partitions of what every task adds to: by the task's id, and so by the time it was made.

All tables of a span of time are made together and go together. What no span holds is in the default partitions:
tasks made while nobody looked ahead, and the few that outlived their span (see `compaction`).
"""

from __future__ import annotations

import asyncio
import functools
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Final, NamedTuple, TypeVar

import asyncpg

from taskyard.domain.ids import floor_id, made_at
from taskyard.errors import Overloaded
from taskyard.store.postgres.database import Pool

T = TypeVar("T")

TABLES: Final = {
    "task": "id",
    "attempt": "task_id",
    "tag": "task_id",
    "note": "task_id",
    "line": "task_id",
    "progress": "task_id",
}
"""The partitioned tables, each with the column that has the task's id."""

DEFAULT: Final = "_default"
"""What follows the parents' names in those of the default partitions."""

HOUR_US: Final = 3_600_000_000
_STORAGE: Final = {"progress": "WITH (fillfactor = 70)"}
_PARTS_OF_RETENTION = 6
_FIRST_WIDTH = 120
_KEPT = "kept"
_STAMP = "%Y%m%d%H"

_WAIT_MS = 50
_HOLD_MS = 2000
_TRIES = 30
_PAUSE = 0.5

_LAST_ELSEWHERE = "SELECT coalesce(max(id), 0) FROM taskyard.task_default"
_NAMES = "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'taskyard.task'::regclass"
_LEFT_OVER = (
    "SELECT format('DROP TABLE taskyard.%I', c.relname) FROM pg_class c "
    "WHERE c.relnamespace = 'taskyard'::regnamespace AND c.relkind = 'r' AND NOT c.relispartition "
    r"AND c.relname ~ '_\d{10}_\d{10}_(kept)?[0-9a-f]+$'"
)


class Span(NamedTuple):
    """The tasks made from one hour on and before another, counted since the epoch, and the tables they are in.

    Tables are told apart by their `token`. Those that are `kept` were made of others by compaction: they hold what had
    not ended when its time was over.
    """

    begin: int
    end: int
    token: str = ""
    kept: bool = False

    @property
    def low(self) -> int:
        """The smallest id in it."""
        return floor_id(self.begin * HOUR_US)

    @property
    def high(self) -> int:
        """The smallest id behind it."""
        return floor_id(self.end * HOUR_US)

    @property
    def suffix(self) -> str:
        """What follows the parents' names in those of its tables."""
        return f"_{_stamp(self.begin)}_{_stamp(self.end)}_{_KEPT if self.kept else ''}{self.token}"

    @classmethod
    def named(cls, table: str) -> Span | None:
        """The span of a partition of `task`; None for the default one."""
        if table.endswith(DEFAULT):
            return None
        begin, end, token = table.rsplit("_", 3)[1:]
        return cls(_hour(begin), _hour(end), token.removeprefix(_KEPT), token.startswith(_KEPT))


async def spans(connection: Pool | asyncpg.Connection) -> list[Span]:
    """The spans that have partitions, oldest first."""
    found = [Span.named(row[0]) for row in await connection.fetch(_NAMES)]
    return sorted(span for span in found if span is not None)


def width_for(retention_us: int) -> int:
    """How many hours of tasks go together: a sixth of how long they are kept, as each partition costs each claim."""
    return max(1, retention_us // HOUR_US // _PARTS_OF_RETENTION)


async def look_ahead(pool: Pool, now: int, width: int) -> list[Span]:
    """Make the spans that tasks will soon need; those that are new."""
    made = []
    hour = now // HOUR_US
    end = max((span.end for span in await spans(pool)), default=0)
    free = made_at(await pool.value(_LAST_ELSEWHERE)) // HOUR_US + 1
    while end <= hour + width:
        begin = max(end, hour + 1, free)
        end = begin + width
        made.append(await patiently(functools.partial(_make, pool, begin, end)))
    return made


async def make_first(connection: asyncpg.Connection, now: int) -> None:
    """Make the span of the present, as long as there is none and no task yet."""
    if not await spans(connection) and await connection.fetchval("SELECT NOT EXISTS (SELECT FROM taskyard.task)"):
        hour = now // HOUR_US
        await attach(connection, await create(connection, hour, hour + _FIRST_WIDTH))


async def sweep_up(pool: Pool) -> None:
    """Drop what a crash has left of tables that are no partitions."""
    for row in await pool.fetch(_LEFT_OVER):
        await pool.fetch(row[0])


async def create(connection: asyncpg.Connection, begin: int, end: int, *, kept: bool = False) -> Span:
    """Make tables for a span, which are no partitions yet."""
    span = Span(begin, end, secrets.token_hex(3), kept)
    for table, key in TABLES.items():
        within = f"CHECK ({key} >= {span.low} AND {key} < {span.high})"  # spares attaching a look at all rows
        await connection.execute(
            f"CREATE TABLE taskyard.{table}{span.suffix} "
            f"(LIKE taskyard.{table} INCLUDING ALL, CONSTRAINT within {within}) {_STORAGE.get(table, '')}"
        )
    return span


async def attach(connection: asyncpg.Connection, span: Span) -> None:
    """Make partitions of such tables."""
    values = f"FOR VALUES FROM ({span.low}) TO ({span.high})"
    for table in TABLES:
        await connection.execute(
            f"ALTER TABLE taskyard.{table} ATTACH PARTITION taskyard.{table}{span.suffix} {values}"
        )


async def detach(connection: asyncpg.Connection, span: Span) -> None:
    """Make plain tables of a span's partitions, for `sweep_up` to drop."""
    for table in TABLES:
        await connection.execute(f"ALTER TABLE taskyard.{table} DETACH PARTITION taskyard.{table}{span.suffix}")


@asynccontextmanager
async def locked(
    pool: Pool, suffixes: Iterable[str], mode: str = "ACCESS EXCLUSIVE"
) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that has locked these tables of every kind ("" for the parents).

    Raises Overloaded when it would have to wait for that: meanwhile everybody would have to wait for it.
    """
    tables = ", ".join(f"ONLY taskyard.{table}{suffix}" for suffix in suffixes for table in TABLES)
    async with pool.transaction() as connection:
        await connection.execute(f"SET LOCAL statement_timeout = {_WAIT_MS}")
        await connection.execute(f"LOCK TABLE {tables} IN {mode} MODE")
        await connection.execute(f"SET LOCAL statement_timeout = {_HOLD_MS}")
        yield connection


async def patiently(step: Callable[[], Awaitable[T]]) -> T:
    """Try a step that wants tables to itself until nobody is in its way. Raises Overloaded in the end."""
    for _ in range(_TRIES - 1):
        try:
            return await step()
        except Overloaded:
            await asyncio.sleep(_PAUSE)
    return await step()


async def _make(pool: Pool, begin: int, end: int) -> Span:
    await sweep_up(pool)
    async with pool.transaction() as connection:
        span = await create(connection, begin, end)
    async with locked(pool, [DEFAULT]) as connection:
        await attach(connection, span)
    return span


def _stamp(hour: int) -> str:
    return datetime.fromtimestamp(hour * 3600, UTC).strftime(_STAMP)


def _hour(stamp: str) -> int:
    return int(datetime.strptime(stamp, _STAMP).replace(tzinfo=UTC).timestamp()) // 3600
