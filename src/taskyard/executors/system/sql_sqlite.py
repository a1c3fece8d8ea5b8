"""One statement on an SQLite file, in a thread, interrupted when nobody waits any more."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any, TypeVar
from urllib.parse import quote

from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.system.failure import FunctionFailed

T = TypeVar("T")
Row = Mapping[str, Any]
Execute = Callable[[str, Mapping[str, Any], int], Awaitable[tuple[list[Row], int]]]
"""`await execute(statement, parameters, most_rows)` gives rows and how many were changed."""

_WAIT_FOR_LOCK = 5.0
_LONGEST_VALUE = 16 << 20
"""Bytes of one value or row, which SQLite would let grow to a gigabyte."""


@contextlib.asynccontextmanager
async def sqlite_transaction(url: str, *, read_only: bool) -> AsyncIterator[Execute]:
    """A transaction; committed when the block ends well. Read-only: the file is opened so."""
    path = quote(url.removeprefix("sqlite:///"))
    try:
        connection = sqlite3.connect(
            f"file:{path}?mode={'ro' if read_only else 'rw'}", uri=True, timeout=_WAIT_FOR_LOCK,
            isolation_level=None, check_same_thread=False,
        )  # fmt: skip
    except sqlite3.Error as error:
        raise CallFailed(f"the database cannot be opened: {error}", reason="connect") from None
    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LONGEST_VALUE)
    connection.row_factory = sqlite3.Row
    connection.set_authorizer(_authorize)

    def run(statement: str, parameters: Mapping[str, Any], most: int) -> tuple[list[dict[str, Any]], int]:
        with _as_refusals():
            cursor = connection.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchmany(most)], max(cursor.rowcount, 0)

    async def execute_(statement: str, parameters: Mapping[str, Any], most: int) -> Any:
        return await _in_thread(lambda: run(statement, parameters, most), connection.interrupt)

    try:
        connection.execute("BEGIN" if read_only else "BEGIN IMMEDIATE")
        connection.set_authorizer(_authorize_statement)
        yield execute_
        connection.set_authorizer(None)
        connection.execute("COMMIT")
    except sqlite3.OperationalError as error:
        raise CallFailed(f"the database is not to be had: {error}", reason="connect") from None
    finally:
        connection.close()


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
        if "locked" in str(error) or "interrupted" in str(error):
            raise CallFailed(f"the database is busy: {error}", reason="connect") from None
        raise ValidationFailed(f"the statement cannot be executed: {error}") from None
    except sqlite3.IntegrityError as error:
        raise FunctionFailed(f"the database refuses: {error}", retryable=False) from None
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
