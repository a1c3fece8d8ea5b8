"""SQL on the databases that the operator has named. Values are bound as parameters, and in no other way."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import to_jsonable_python

from taskyard.domain import system
from taskyard.errors import ConfigurationError
from taskyard.executors.system.failure import FunctionFailed
from taskyard.executors.system.grants import Grants
from taskyard.executors.system.sql_postgres import postgres_transaction
from taskyard.executors.system.sql_sqlite import Execute, sqlite_transaction


async def query(asked: system.Query, grants: Grants, databases: Mapping[str, str]) -> system.Rows:
    """See the registry."""
    grants.need("sql:read", asked.database)
    async with _connected(_url(databases, asked.database), read_only=True) as execute:
        rows, _ = await execute(asked.statement, asked.parameters, asked.max_rows + 1)
    kept = [_plain(row) for row in rows[: asked.max_rows]]
    return system.Rows(kept, truncated=len(rows) > asked.max_rows)


async def execute(asked: system.Execute, grants: Grants, databases: Mapping[str, str]) -> system.Updated:
    """See the registry."""
    grants.need("sql:write", asked.database)
    async with _connected(_url(databases, asked.database), read_only=False) as execute_:
        _, count = await execute_(asked.statement, asked.parameters, 0)
        expected = asked.expected_update_count
        if expected is not None and count != expected:
            raise FunctionFailed(
                f"the statement would have changed {count} rows, not {expected}; nothing is changed",
                details={"updateCount": count},
                retryable=False,
            )
    return system.Updated(count)


@contextlib.asynccontextmanager
async def _connected(url: str, *, read_only: bool) -> AsyncIterator[Execute]:
    """A transaction: committed when the block ends well, rolled back otherwise, also when it is cancelled."""
    connect = sqlite_transaction if urlsplit(url).scheme == "sqlite" else postgres_transaction
    async with connect(url, read_only=read_only) as execute_:
        yield execute_


def _url(databases: Mapping[str, str], name: str) -> str:
    if name not in databases:
        raise ConfigurationError(f"there is no database {name!r} here: name it in TASKYARD_SYSTEM_DATABASES")
    return databases[name]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = to_jsonable_python(dict(row), bytes_mode="base64", fallback=str)
    return values
