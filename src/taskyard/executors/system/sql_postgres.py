"""One statement on a PostgreSQL."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any

import asyncpg

from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.system.failure import FunctionFailed
from taskyard.executors.system.sql_sqlite import Execute, Row

_CONNECT_SECONDS, _CLOSE_SECONDS = 10.0, 2.0
_PASSING = ("08", "40", "53", "55", "57")
_TOKEN = re.compile(
    r"""'(?:[^']|'')*' | "(?:[^"]|"")*" | (\$\w*\$).*?\1 | --[^\n]* | /\*.*?\*/ | :: | :(?P<name>[A-Za-z_]\w*)""",
    re.VERBOSE | re.DOTALL,
)


@contextlib.asynccontextmanager
async def postgres_transaction(url: str, *, read_only: bool) -> AsyncIterator[Execute]:
    """A transaction; committed when the block ends well."""
    try:
        connection = await asyncpg.connect(url, timeout=_CONNECT_SECONDS)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise CallFailed(f"the database is not to be had: {type(error).__name__}", reason="connect") from None

    async def execute(statement: str, parameters: Mapping[str, Any], most: int) -> tuple[list[Row], int]:
        text, names = numbered(statement)
        unknown = sorted({*names} ^ {*parameters})
        if unknown:
            raise ValidationFailed(f"the statement and the parameters do not fit: {', '.join(unknown)}")
        prepared = await connection.prepare(text)
        values = [parameters[name] for name in names]
        if most and prepared.get_attributes():
            cursor = await prepared.cursor(*values)
            return await cursor.fetch(most), 0
        await prepared.fetch(*values)
        if not connection.is_in_transaction():
            raise ValidationFailed("the statement must not end the transaction that it is executed in")
        return [], _count(prepared.get_statusmsg())

    try:
        with _as_refusals():
            async with connection.transaction(readonly=read_only):
                yield execute
        await connection.close(timeout=_CLOSE_SECONDS)
    finally:
        connection.terminate()


def numbered(statement: str) -> tuple[str, list[str]]:
    """The statement with `$1` for its first `:name`, and the names in that order; literals and comments stay."""
    names: list[str] = []

    def replace(token: re.Match[str]) -> str:
        name = token["name"]
        if name is None:
            return token[0]
        if name not in names:
            names.append(name)
        return f"${names.index(name) + 1}"

    return _TOKEN.sub(replace, statement), names


@contextlib.contextmanager
def _as_refusals() -> Iterator[None]:
    try:
        yield
    except asyncpg.IntegrityConstraintViolationError as error:
        raise FunctionFailed(f"the database refuses: {error}", retryable=False) from None
    except asyncpg.PostgresError as error:
        if str(error.sqlstate)[:2] in _PASSING:
            raise CallFailed(f"the database could not do it now: {error}", reason="connect") from None
        raise ValidationFailed(f"the statement cannot be executed: {error}") from None
    except (asyncpg.InterfaceError, ValueError, TypeError) as error:
        raise ValidationFailed(f"the statement cannot be executed: {error}") from None
    except OSError as error:
        raise CallFailed(f"the connection broke: {error}", reason="connect") from None


def _count(status: str | None) -> int:
    word = (status or "").rpartition(" ")[2]
    return int(word) if word.isdecimal() else 0
