"""A database to measure on, beside the user's own: on the same server or the same disk, and gone afterwards."""

from __future__ import annotations

import os
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from taskyard.errors import ConfigurationError

_SQLITE = "sqlite:///"


@asynccontextmanager
async def scratch(url: str) -> AsyncIterator[str]:
    """The address of an empty database beside the one at `url`.

    Raises ConfigurationError where none can be made there.
    """
    if url.startswith(_SQLITE):
        with tempfile.TemporaryDirectory(prefix="taskyard-bench-", dir=_beside(url)) as folder:
            yield f"{_SQLITE}{folder}/taskyard.db"
        return
    name = f"taskyard_bench_{os.urandom(4).hex()}"
    await _execute(url, f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(url)._replace(path=f"/{name}"))
    finally:
        await _execute(url, f"DROP DATABASE {name} WITH (FORCE)")


def _beside(url: str) -> Path:
    return Path(url.removeprefix(_SQLITE)).absolute().parent


@asynccontextmanager
async def connected(url: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to PostgreSQL. Raises ConfigurationError for what the server refuses, or where there is none."""
    try:
        connection = await asyncpg.connect(url)
        try:
            yield connection
        finally:
            await connection.close()
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigurationError(
            f"cannot make a database to measure on ({error}); let the account in TASKYARD_DATABASE_URL CREATEDB"
        ) from error
    except (OSError, asyncpg.PostgresError) as error:
        raise ConfigurationError(f"the database cannot be used ({error}); check TASKYARD_DATABASE_URL") from error


async def _execute(url: str, statement: str) -> None:
    async with connected(url) as connection:
        await connection.execute(statement)
