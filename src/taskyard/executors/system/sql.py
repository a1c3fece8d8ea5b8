"""SQL on the databases that the operator has named, and over connections. Values are bound as parameters, and in no
other way.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from pydantic_core import to_jsonable_python

from taskyard.calls.sql.postgres import postgres_transaction
from taskyard.calls.sql.result import Execute
from taskyard.calls.sql.sqlite import sqlite_transaction
from taskyard.domain import system
from taskyard.domain.outcome import Done, Report
from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.system.failure import FunctionFailed
from taskyard.executors.system.grants import Grants

OverConnection = Callable[..., Awaitable[Report]]
"""`await over(job, connection_id, operation, parameters, read_only=)` executes an operation of type `database`."""

_RETURNING: Final = re.compile(r"\breturning\b", re.IGNORECASE)


class Databases(NamedTuple):
    """Addresses by name; what has none is a connection, `over` which this attempt's statements are executed."""

    addresses: Mapping[str, str]
    over: OverConnection


async def query(asked: system.Query, grants: Grants, databases: Databases) -> system.Rows | Report:
    """See the registry."""
    grants.need("sql:read", asked.database)
    if asked.database not in databases.addresses:
        operation = {"statement": asked.statement, "maxRows": asked.max_rows}
        report = await databases.over(asked.database, operation, asked.parameters, read_only=True)
        if not isinstance(report, Done):
            return report
        return system.Rows(report.value.get("rows", []), truncated=report.value.get("truncated", False))
    rows: list[dict[str, Any]] = []
    async with _connected(databases.addresses[asked.database], read_only=True) as execute_:
        result = await execute_(asked.statement, asked.parameters)
        while len(rows) <= asked.max_rows and (batch := await result.batch()):
            rows += map(_plain, batch)
    return system.Rows(rows[: asked.max_rows], truncated=len(rows) > asked.max_rows)


async def execute(asked: system.Execute, grants: Grants, databases: Databases) -> system.Updated | Report:
    """See the registry."""
    grants.need("sql:write", asked.database)
    if asked.database not in databases.addresses:
        if _RETURNING.search(asked.statement):  # of rows that come only so many are counted
            raise ValidationFailed("sql.execute gives no rows over a connection: leave RETURNING out")
        operation = {"statement": asked.statement, "expectedUpdateCount": asked.expected_update_count}
        report = await databases.over(asked.database, operation, asked.parameters, read_only=False)
        return system.Updated(report.value.get("updateCount", 0)) if isinstance(report, Done) else report
    async with _connected(databases.addresses[asked.database], read_only=False) as execute_:
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


def _plain(row: Mapping[str, Any]) -> dict[str, Any]:
    values: dict[str, Any] = to_jsonable_python(dict(row), bytes_mode="base64", fallback=str)
    return values
