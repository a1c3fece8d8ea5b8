"""One statement on a PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any, Final

import asyncpg

from taskyard.calls.sql.result import BATCH, Budget, Execute, Result, Row
from taskyard.domain.statement import numbered
from taskyard.errors import CallFailed, ValidationFailed

_CONNECT_SECONDS, _CLOSE_SECONDS = 10.0, 2.0
_DOCUMENTS: Final = ("json", "jsonb")
_PASSING = ("08", "40", "53", "55", "57")
_READ: Final[Mapping[str, Callable[[str], Any]]] = {
    "date": date.fromisoformat,
    "time": time.fromisoformat,
    "timestamp": datetime.fromisoformat,
    "timestamptz": datetime.fromisoformat,
    "numeric": Decimal,
}
"""How a text becomes a parameter of these types, which JSON does not have."""


class _Bounded(asyncio.Protocol):
    """Stands before a connection's protocol, and breaks the connection when more comes than may: PostgreSQL's values
    may have a gigabyte each.
    """

    def __init__(self, connection: Any, budget: Budget) -> None:
        self._inner, self._transport = connection._protocol, connection._transport
        self._budget = budget
        self.is_over = False
        self._transport.set_protocol(self)
        for event in ("connection_lost", "eof_received", "pause_writing", "resume_writing"):
            setattr(self, event, getattr(self._inner, event))

    def data_received(self, data: bytes) -> None:
        """Pass it on while it is not too much."""
        if self._budget.take(len(data)):
            self._inner.data_received(data)
        elif not self.is_over:
            self.is_over = True
            self._transport.abort()

    def step_aside(self) -> None:
        """The connection is its own again."""
        if not self.is_over:
            self._transport.set_protocol(self._inner)


@contextlib.asynccontextmanager
async def postgres_transaction(url: str, *, read_only: bool) -> AsyncIterator[Execute]:
    """A transaction on a connection of its own; committed when the block ends well."""
    with unreachable():
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    try:
        async with transaction(connection, read_only=read_only) as execute:
            yield execute
        await connection.close(timeout=_CLOSE_SECONDS)
    finally:
        connection.terminate()


@contextlib.asynccontextmanager
async def transaction(
    connection: Any, *, read_only: bool, seconds: float | None = None, budget: Budget | None = None
) -> AsyncIterator[Execute]:
    """A transaction; committed when the block ends well. The server ends statements after so many seconds."""
    allowed = budget or Budget()
    bounded = _Bounded(connection, allowed)

    async def execute(statement: str, parameters: Mapping[str, Any]) -> Result:
        text, names = numbered(statement)
        unknown = sorted({*names} ^ {*parameters})
        if unknown:
            raise ValidationFailed(f"the statement and the parameters do not fit: {', '.join(unknown)}")
        prepared = await connection.prepare(text)
        kinds = [kind.name for kind in prepared.get_parameters()]
        values = [_fitting(parameters[name], kind) for name, kind in zip(names, kinds, strict=True)]
        columns = prepared.get_attributes()
        if columns:
            cursor = await prepared.cursor(*values)
            documents = [column.name for column in columns if column.type.name in _DOCUMENTS]
            return Result(lambda: _fetch(cursor, documents, allowed))
        await prepared.fetch(*values)
        if not connection.is_in_transaction():
            raise ValidationFailed("the statement must not end the transaction that it is executed in")
        return Result(None, _count(prepared.get_statusmsg()))

    try:
        with _as_refusals(bounded, allowed):
            async with connection.transaction(readonly=read_only):
                if seconds is not None:
                    await connection.execute(f"SET LOCAL statement_timeout = {int(seconds * 1000)}")
                yield execute
    finally:
        bounded.step_aside()


@contextlib.contextmanager
def unreachable() -> Iterator[None]:
    """Raises CallFailed for whatever keeps a connection from being made; addresses and passwords are not told."""
    try:
        yield
    except (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError) as error:
        raise CallFailed(
            f"the database does not let us in ({type(error).__name__}): check the user, the password and the name",
            reason="credentials",
            retryable=False,
        ) from None
    except ssl.SSLError as error:
        raise CallFailed(f"the database's certificate does not fit: {error.reason}", reason="certificate") from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CallFailed(f"the database is not to be had: {type(error).__name__}", reason="connect") from None


async def _fetch(cursor: Any, documents: Sequence[str], budget: Budget) -> Sequence[Row]:
    budget.refill()
    rows: list[Row] = await cursor.fetch(BATCH)
    if not documents:
        return rows
    return [{**row, **{name: row[name] and json.loads(row[name]) for name in documents}} for row in rows]


def _fitting(value: Any, kind: str) -> Any:
    """The parameter as asyncpg takes it for that type. Raises ValueError."""
    if kind in _DOCUMENTS:
        return json.dumps(value)
    if isinstance(value, str) and kind in _READ:
        return _READ[kind](value)
    if kind == "numeric" and isinstance(value, float):
        return Decimal(repr(value))
    return value


@contextlib.contextmanager
def _as_refusals(bounded: _Bounded, budget: Budget) -> Iterator[None]:
    try:
        yield
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        if bounded.is_over:
            raise budget.exceeded() from None
        raise _refusal(error) from None
    except (ValueError, ArithmeticError, TypeError) as error:
        raise ValidationFailed(f"the statement cannot be executed: {error}") from None


def _refusal(error: Exception) -> Exception:
    """What is told of an error of the database or its connection."""
    if isinstance(error, asyncpg.IntegrityConstraintViolationError):
        return CallFailed(f"the database refuses: {error}", reason="refused", retryable=False)
    if isinstance(error, OSError):
        return CallFailed(f"the connection broke: {error}", reason="connect")
    if isinstance(error, asyncpg.PostgresError) and str(error.sqlstate)[:2] in _PASSING:
        return CallFailed(f"the database could not do it now: {error}", reason="connect")
    return ValidationFailed(f"the statement cannot be executed: {error}")


def _count(status: str | None) -> int:
    word = (status or "").rpartition(" ")[2]
    return int(word) if word.isdecimal() else 0
