from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.servers.postgres import PostgresServer
from tests.support import eventually

from taskyard.domain import system
from taskyard.domain.statement import numbered
from taskyard.errors import CallFailed, ConfigurationError, Forbidden, ValidationFailed
from taskyard.executors.system.failure import FunctionFailed
from taskyard.executors.system.grants import Grants, parse_grants
from taskyard.executors.system.sql import Databases, execute, query

_GIVEN = parse_grants(["sql:read:shop", "sql:write:shop", "sql:read:none"])
GRANTS = Grants(_GIVEN, None, _GIVEN)
SCHEMA = "CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL, data text)"
ROWS = [(1, "pen"), (2, "it's; DROP TABLE item--"), (3, ":name")]


@pytest.fixture(params=["sqlite", "postgresql"])
def databases(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        with sqlite3.connect(tmp_path / "shop.db") as connection:
            connection.execute(SCHEMA)
            connection.executemany("INSERT INTO item (id, name) VALUES (?, ?)", ROWS)
        connection.close()
        yield {"shop": f"sqlite:///{tmp_path / 'shop.db'}"}
        return
    server: PostgresServer = request.getfixturevalue("postgres_server")
    server.ensure_running()
    url = server.create_database("shop")
    asyncio.run(_fill(url))
    yield {"shop": url}
    server.drop_database(url)


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(SCHEMA)
    await connection.executemany("INSERT INTO item (id, name) VALUES ($1, $2)", ROWS)
    await connection.close()


async def ask(databases: Any, statement: str, most: int = 1000, **parameters: Any) -> system.Rows:
    rows = await query(system.Query("shop", statement, parameters, most), GRANTS, known(databases))
    assert isinstance(rows, system.Rows)
    return rows


async def change(databases: Any, statement: str, expected: int | None = None, **parameters: Any) -> int:
    asked = system.Execute("shop", statement, parameters, expected)
    updated = await execute(asked, GRANTS, known(databases))
    assert isinstance(updated, system.Updated)
    return updated.update_count


def known(addresses: Any) -> Databases:
    """Databases of which none is a connection."""

    async def over(connection_id: str, *_: Any, **__: Any) -> Any:
        raise ConfigurationError(f"no connection {connection_id}")

    return Databases(addresses, over)


async def test_rows_by_parameters(databases: Any) -> None:
    for id_, name in ROWS:
        assert (await ask(databases, "SELECT id FROM item WHERE name = :name", name=name)).rows == [{"id": id_}]
    assert (await ask(databases, "SELECT id FROM item WHERE name = ':name' -- :name")).rows == [{"id": 3}]
    assert (await ask(databases, "SELECT id FROM item WHERE name = :name", name="' OR '1'='1")).rows == []


async def test_many_rows_are_cut(databases: Any) -> None:
    got = await ask(databases, "SELECT id FROM item ORDER BY id", 2)
    assert (got.rows, got.truncated) == ([{"id": 1}, {"id": 2}], True)
    assert not (await ask(databases, "SELECT id FROM item", 3)).truncated


async def test_a_query_cannot_write(databases: Any) -> None:
    for statement in (
        "INSERT INTO item (id, name) VALUES (9, 'x')",
        "DELETE FROM item",
        "DROP TABLE item",
        "CREATE TABLE evil (x integer)",
        "SELECT 1; DELETE FROM item",
        "COMMIT",
        "ATTACH DATABASE '/tmp/evil.db' AS evil",
        "PRAGMA writable_schema = 1",
    ):
        with pytest.raises((ValidationFailed, CallFailed, FunctionFailed)):
            await ask(databases, statement)
    assert len((await ask(databases, "SELECT id FROM item")).rows) == 3


async def test_changes_are_counted_and_undone_where_the_number_is_wrong(databases: Any) -> None:
    assert await change(databases, "UPDATE item SET data = :data WHERE id < :id", data="x", id=3) == 2
    with pytest.raises(FunctionFailed) as failed:
        await change(databases, "DELETE FROM item", expected=1)
    assert (failed.value.error.details, failed.value.error.retryable) == ({"updateCount": 3}, False)
    assert len((await ask(databases, "SELECT id FROM item")).rows) == 3
    assert await change(databases, "DELETE FROM item WHERE id = :id", expected=1, id=3) == 1


async def test_what_the_database_refuses_is_told_and_not_repeated(databases: Any) -> None:
    with pytest.raises(FunctionFailed) as failed:
        await change(databases, "INSERT INTO item (id, name) VALUES (1, 'again')")
    assert failed.value.error.retryable is False
    refused: list[tuple[str, dict[str, Any]]] = [
        ("SELEKT", {}),
        ("SELECT * FROM nothing", {}),
        ("SELECT :a", {}),
        ("SELECT id FROM item WHERE id = :id", {"id": {"a": 1}}),
        ("UPDATE item SET name = NULL; COMMIT", {}),
    ]
    for statement, parameters in refused:
        with pytest.raises((ValidationFailed, FunctionFailed)):
            await change(databases, statement, **parameters)


async def test_one_value_of_an_sqlite_file_cannot_take_a_gigabyte(tmp_path: Path) -> None:
    sqlite3.connect(tmp_path / "shop.db").close()
    databases = {"shop": f"sqlite:///{tmp_path / 'shop.db'}"}
    with pytest.raises(ValidationFailed, match="too big"):
        await ask(databases, "SELECT length(zeroblob(100000000)) AS n")
    assert (await ask(databases, "SELECT length(zeroblob(1000000)) AS n")).rows == [{"n": 1_000_000}]


LARGE = {"sqlite": "zeroblob(1000000) AS v FROM n", "postgresql": "repeat('x', 1000000) AS v FROM n"}
MANY = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 40) SELECT"


async def test_what_is_too_large_does_not_fill_the_worker(databases: Any) -> None:
    scheme = "sqlite" if databases["shop"].startswith("sqlite") else "postgresql"
    with pytest.raises(ValidationFailed, match="16 MiB"):
        await ask(databases, f"{MANY} {LARGE[scheme]}")
    assert len((await ask(databases, f"{MANY} {LARGE[scheme]} WHERE x < 9")).rows) == 8
    if scheme == "postgresql":  # SQLite has a limit of its own for one value
        with pytest.raises(ValidationFailed, match="16 MiB"):
            await ask(databases, "SELECT repeat('x', 30000000) AS v")


async def test_permissions_and_names(databases: Any) -> None:
    reader = parse_grants(["sql:read:shop"])
    with pytest.raises(Forbidden, match="sql:write:shop"):
        await execute(system.Execute("shop", "DELETE FROM item"), Grants(reader, None, reader), known(databases))
    with pytest.raises(ConfigurationError, match="no connection none"):
        await query(system.Query("none", "SELECT 1"), GRANTS, known(databases))


async def test_a_database_that_is_away_may_be_back_later(tmp_path: Path) -> None:
    for url in (f"sqlite:///{tmp_path / 'none.db'}", "postgresql://nobody:canary@127.0.0.1:1/none"):
        with pytest.raises(CallFailed) as failed:
            await query(system.Query("shop", "SELECT 1"), GRANTS, known({"shop": url}))
        assert failed.value.retryable
        assert "canary" not in failed.value.message
    assert not (tmp_path / "none.db").exists()


async def test_cancelled_a_long_statement_ends(databases: Any) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT id FROM item UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
    running = asyncio.create_task(ask(databases, endless))
    await eventually(lambda: reads(databases["shop"]))
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(running, 60)
    assert not await reads(databases["shop"])


async def reads(url: str) -> bool:
    """Whether somebody reads in the database at this moment."""
    if url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=0)) as connection:
            try:
                connection.execute("BEGIN EXCLUSIVE")
            except sqlite3.OperationalError:
                return True
            return False
    connection = await asyncpg.connect(url)
    active = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'WITH RECURSIVE%'"
    count = await connection.fetchval(active)
    await connection.close()
    return bool(count)


@given(
    st.lists(st.sampled_from(["'", '"', ":a", "::", ":b", "--", "\n", "/*", "*/", "$$", "$x$", " ", "x"]), max_size=20)
)
def test_only_names_outside_of_literals_are_parameters(parts: list[str]) -> None:
    statement = "".join(parts)
    text, names = numbered(statement)
    assert len(set(names)) == len(names)
    for index, name in enumerate(names, 1):
        text = text.replace(f"${index}", f":{name}")
    assert text == statement


def test_parameters_are_numbered() -> None:
    assert numbered("a = :x AND b = :y AND c = :x::int AND d = ':z' /* :w */") == (
        "a = $1 AND b = $2 AND c = $1::int AND d = ':z' /* :w */",
        ["x", "y"],
    )
