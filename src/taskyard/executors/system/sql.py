"""SQL on the databases that the operator has named. Values are bound as parameters, and in no other way."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic_core import to_jsonable_python

from taskyard.calls.sql.postgres import postgres_transaction
from taskyard.calls.sql.result import Execute
from taskyard.calls.sql.sqlite import sqlite_transaction
from taskyard.domain import system
from taskyard.errors import CallFailed, ConfigurationError
from taskyard.executors.system.failure import FunctionFailed
from taskyard.executors.system.grants import Grants


async def query(asked: system.Query, grants: Grants, databases: Mapping[str, str]) -> system.Rows:
    """See the registry."""
    grants.need("sql:read", asked.database)
    rows: list[dict[str, Any]] = []
    async with _connected(_url(databases, asked.database), read_only=True) as execute_:
        result = await execute_(asked.statement, asked.parameters)
        while len(rows) <= asked.max_rows and (batch := await result.batch()):
            rows += map(_plain, batch)
    return system.Rows(rows[: asked.max_rows], truncated=len(rows) > asked.max_rows)


async def execute(asked: system.Execute, grants: Grants, databases: Mapping[str, str]) -> system.Updated:
    """See the registry."""
    grants.need("sql:write", asked.database)
    async with _connected(_url(databases, asked.database), read_only=False) as execute_:
        result = await execute_(asked.statement, asked.parameters)
        while await result.batch():
            pass
        expected = asked.expected_update_count
        if expected is not None and result.changed != expected:
            raise FunctionFailed(
                f"the statement would have changed {result.changed} rows, not {expected}; nothing is changed",
                details={"updateCount": result.changed},
                retryable=False,
            )
    return system.Updated(result.changed)


@contextlib.asynccontextmanager
async def _connected(url: str, *, read_only: bool) -> AsyncIterator[Execute]:
    """A transaction: committed when the block ends well, rolled back otherwise, also when it is cancelled."""
    if urlsplit(url).scheme == "sqlite":
        opened = sqlite_transaction(url.removeprefix("sqlite:///"), read_only=read_only)
    else:
        opened = postgres_transaction(url, read_only=read_only)
    try:
        async with opened as execute_:
            yield execute_
    except CallFailed as failed:
        if failed.reason != "refused":
            raise
        raise FunctionFailed(failed.message, retryable=False) from None


def _url(databases: Mapping[str, str], name: str) -> str:
    if name not in databases:
        raise ConfigurationError(f"there is no database {name!r} here: name it in TASKYARD_SYSTEM_DATABASES")
    return databases[name]


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = to_jsonable_python(dict(row), bytes_mode="base64", fallback=str)
    return values
