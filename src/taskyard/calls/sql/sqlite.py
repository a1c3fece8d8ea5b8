"""One statement on an SQLite file, in a thread, interrupted when nobody waits any more."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from taskyard.calls.sql.result import BATCH, Budget, Execute, Result, Row
from taskyard.errors import CallFailed, ValidationFailed

T = TypeVar("T")

_WAIT_FOR_LOCK = 5.0
_PASSING = ("locked", "interrupted", "disk is full", "disk I/O", "unable to open")
_LONGEST_VALUE = 16 << 20
"""Bytes of one value or row, which SQLite would let grow to a gigabyte."""


@contextlib.asynccontextmanager
async def sqlite_transaction(path: str, *, read_only: bool, budget: Budget | None = None) -> AsyncIterator[Execute]:
    """A transaction; committed when the block ends well. Read-only: the file is opened so."""
    allowed = budget or Budget()
    try:
        connection = sqlite3.connect(
            f"file:{quote(path)}?mode={'ro' if read_only else 'rw'}", uri=True, timeout=_WAIT_FOR_LOCK,
            isolation_level=None, check_same_thread=False,
        )  # fmt: skip
    except sqlite3.Error as error:
        raise CallFailed(f"the database cannot be opened: {error}", reason="connect") from None
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    connection.row_factory = sqlite3.Row
    connection.set_authorizer(_authorize)

    async def execute(statement: str, parameters: Mapping[str, Any]) -> Result:
        cursor = await in_thread(lambda: connection.execute(statement, parameters))
        if cursor.description is None:
            return Result(None, max(cursor.rowcount, 0))

        async def fetch() -> list[Row]:
            allowed.refill()
            return await in_thread(lambda: list(_bounded(itertools.islice(cursor, BATCH), allowed)))

        return Result(fetch)

    async def in_thread(work: Callable[[], T]) -> T:
        with _as_refusals():
            return await _in_thread(work, connection.interrupt)

    try:
        await in_thread(lambda: connection.execute("BEGIN" if read_only else "BEGIN IMMEDIATE"))
        connection.set_authorizer(_authorize_statement)
        yield execute
        connection.set_authorizer(_authorize)
        await in_thread(lambda: connection.execute("COMMIT"))
    finally:
        connection.close()


def _bounded(rows: Iterable[sqlite3.Row], budget: Budget) -> Iterator[Row]:
    """The rows, as long as they are not too large together. Raises ValidationFailed."""
    for row in rows:
        if not budget.take(sum(len(value) for value in row if isinstance(value, str | bytes))):
            raise budget.exceeded()
        yield dict(row)


def _authorize(*_: Any) -> int:
    return sqlite3.SQLITE_OK


def _authorize_statement(action: int, *_: Any) -> int:
    """Nothing that leads to other files, or ends the transaction that is ours."""
    return sqlite3.SQLITE_DENY if action in _FORBIDDEN else sqlite3.SQLITE_OK


_FORBIDDEN = frozenset(
    {sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH, sqlite3.SQLITE_TRANSACTION, sqlite3.SQLITE_PRAGMA}
)


@contextlib.contextmanager
def _as_refusals() -> Iterator[None]:
    try:
        yield
    except sqlite3.OperationalError as error:
        if any(word in str(error) for word in _PASSING):
            raise CallFailed(f"the database is busy: {error}", reason="connect") from None
        raise ValidationFailed(f"the statement cannot be executed: {error}") from None
    except sqlite3.IntegrityError as error:
        raise CallFailed(f"the database refuses: {error}", reason="refused", retryable=False) from None
    except (sqlite3.Error, sqlite3.Warning, OverflowError) as error:
        raise ValidationFailed(f"the statement cannot be executed: {error}") from None


async def _in_thread(work: Callable[[], T], interrupt: Callable[[], None]) -> T:
    """The result of work in a thread, which is interrupted when we are cancelled, and waited for."""
    running = asyncio.ensure_future(asyncio.to_thread(work))
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        while not running.done():
            interrupt()
            await asyncio.wait([running], timeout=0.05)
        running.exception()
        raise
