"""Databases: SQLite files and a PostgreSQL."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from tests.servers.postgres import PostgresServer
from tests.support import eventually

from taskyard.contracts.integration import Answer, OperationFailed
from taskyard.errors import CallFailed, ConfigurationError, EgressRefused, ValidationFailed
from taskyard.executors.integration.database.type import Database
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.testing.conformance.connection import *  # noqa: F403 - the suite
from taskyard.testing.conformance.connection import CANARY, Kept, Side, call_of
from taskyard.testing.conformance.connection.house import a_house

SCHEMA = "CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL)"
INJECTED = "x'; DROP TABLE item; --"


@pytest.fixture(params=["sqlite", "postgresql"])
async def side(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Side]:
    async with a_house(tmp_path, own_files=(tmp_path / "taskyard.db",)) as house:
        operation = {"statement": "SELECT id FROM item WHERE name = :name"}
        facts: dict[str, Any] = {"type": Database(house), "operation": operation, "input": {"name": "pen"}}
        facts |= {"refused": {"statement": "DELETE FROM item"}, "unsound": {"statement": ""}}
        if request.param == "sqlite":
            with contextlib.closing(sqlite3.connect(tmp_path / "shop.db")) as connection:
                connection.execute(SCHEMA)
                connection.execute("INSERT INTO item VALUES (1, 'pen')")
                connection.commit()
            yield Side(settings={"url": "sqlite:///shop.db"}, nowhere={"url": "sqlite:///none.db"}, **facts)
            return
        server: PostgresServer = request.getfixturevalue("postgres_server")
        server.ensure_running()
        url = server.create_database("shop")
        await _fill(url)
        host = url.partition("@")[2]
        yield Side(
            settings={"url": f"postgresql://{host}"},
            secrets={"username": "reader", "password": CANARY},
            nowhere={"url": "postgresql://127.0.0.1:1/shop"},
            **facts,
        )
        server.drop_database(url)


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("DROP ROLE IF EXISTS reader")
    await connection.execute(f"CREATE ROLE reader SUPERUSER LOGIN PASSWORD '{CANARY}'")
    await connection.execute(SCHEMA)
    await connection.execute("INSERT INTO item VALUES (1, 'pen')")
    await connection.close()


async def run(side: Side, statement: str, given: Any = None, *, writes: bool = False, **more: Any) -> Answer:
    files = more.pop("files", None)
    async with side.link(settings={**side.settings, "readOnly": not writes}) as link:
        answer = await link.call(call_of({"statement": statement, **more}, given, files=files))
    assert isinstance(answer, Answer)
    return answer


async def rows(side: Side, statement: str, given: Any = None, **more: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await run(side, statement, given, **more)).output["rows"]
    return found


async def test_sql_in_a_parameter_is_data(side: Side) -> None:
    await run(side, "INSERT INTO item VALUES (:id, :name)", {"id": 2, "name": INJECTED}, writes=True)
    assert await rows(side, "SELECT id FROM item WHERE name = :name", {"name": INJECTED, "other": 1}) == [{"id": 2}]
    assert await rows(side, "SELECT ':name' AS text WHERE 1 = :one -- :two", {"one": 1}) == [{"text": ":name"}]
    with pytest.raises(ValidationFailed, match="has no name"):
        await rows(side, "SELECT id FROM item WHERE name = :name", {"id": 1})


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM item", "INSERT INTO item VALUES (9, 'x')", "DROP TABLE item", "CREATE TABLE evil (x integer)"],
)
async def test_a_read_only_connection_changes_nothing(side: Side, statement: str) -> None:
    with pytest.raises((ValidationFailed, CallFailed)):
        await run(side, statement)
    assert await rows(side, "SELECT id, name FROM item") == [{"id": 1, "name": "pen"}]


@pytest.mark.parametrize(
    "statement", ["COMMIT", "/* x */ rollback", "-- x\nSET a = 1", "; begin", "SELECT 1; SELECT 2", "SELEKT", "VACUUM"]
)
async def test_a_statement_is_one_and_no_transaction_of_its_own(side: Side, statement: str) -> None:
    with pytest.raises((ValidationFailed, OperationFailed)) as failed:
        await run(side, statement, writes=True)
    assert not getattr(failed.value, "retryable", False)


async def test_changes_are_undone_where_their_number_is_wrong(side: Side) -> None:
    await run(side, "INSERT INTO item VALUES (2, 'ink')", writes=True)
    with pytest.raises(OperationFailed) as failed:
        await run(side, "DELETE FROM item", writes=True, expectedUpdateCount=1)
    assert (failed.value.details, failed.value.retryable, failed.value.counts) == ({"updateCount": 2}, False, False)
    assert len(await rows(side, "SELECT id FROM item")) == 2
    answer = await run(side, "DELETE FROM item WHERE id = :id", {"id": 2}, writes=True, expectedUpdateCount=1)
    assert answer.output == {"updateCount": 1}
    given_back = await run(side, "UPDATE item SET name = 'x' RETURNING id", writes=True, expectedUpdateCount=1)
    assert given_back.output["rows"] == [{"id": 1}]


async def test_rows_and_bytes_are_bounded(side: Side) -> None:
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 1000) SELECT x FROM n"
    answer = await run(side, many, maxRows=2)
    assert answer.output == {"rows": [{"x": 1}, {"x": 2}], "rowCount": 2, "truncated": True}
    assert not (await run(side, many, maxRows=1000)).output["truncated"]
    assert (await run(side, many, maxBytes=20)).output["truncated"]


@pytest.mark.parametrize(("result", "first"), [("csv", b"x,y\r\n1,a\r\n"), ("json-lines", b'{"x":1,"y":"a"}\n')])
async def test_rows_go_to_a_file(side: Side, tmp_path: Path, result: str, first: bytes) -> None:
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) SELECT x, 'a' AS y FROM n"
    (tmp_path / "call").mkdir()
    files = Kept(tmp_path / "call")
    answer = await run(side, many, result=result, files=files)
    content = files.kept[answer.output["file"]["uploadId"]]
    assert content.startswith(first)
    assert (content.count(b"\n") - (result == "csv"), answer.output["rowCount"]) == (5000, 5000)


async def test_a_file_of_rows_is_bounded(side: Side) -> None:
    many = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 5000) SELECT x FROM n"
    type_: Any = side.type
    type_._house = type_._house._replace(most_bytes=1000)
    with pytest.raises(OperationFailed, match="ask for fewer"):
        await run(side, many, result="csv")


async def test_a_statement_that_takes_too_long_is_ended(side: Side) -> None:
    endless = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT 1 FROM n) SELECT count(*) FROM n"
    with pytest.raises(OperationFailed) as failed:
        await run(side, endless, timeout=0.2)
    assert (failed.value.error_code, failed.value.retryable) == ("TIMEOUT", True)


async def test_dates_and_the_like_are_given_and_told_as_text(postgres_dsn: str, tmp_path: Path) -> None:
    async with a_house(tmp_path) as house:
        side = Side(type=Database(house), settings={"url": f"postgresql://{postgres_dsn.partition('@')[2]}"})
        given = {"day": "2026-02-03", "at": "2026-02-03T04:05:06+00:00", "price": "1.10", "more": {"a": [1]}}
        told = await rows(
            side,
            "SELECT :day::date AS day, :at::timestamptz AS at, :price::numeric AS price, :more::jsonb AS more",
            given,
        )
    assert told == [{**given, "at": "2026-02-03T04:05:06Z"}]


@pytest.mark.parametrize(
    "url",
    ["sqlite:///taskyard.db", "sqlite:///taskyard.db-wal", "sqlite:///../outside.db", "sqlite:////etc/hosts",
     "sqlite:///link.db", "sqlite://", "sqlite:///shop.db?mode=rwc", "sqlite:///:memory:/../../x"],
)  # fmt: skip
async def test_only_files_below_the_data_folder_that_are_not_our_own(tmp_path: Path, url: str) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "link.db").symlink_to(tmp_path / "outside.db")
    async with a_house(data, own_files=(data / "taskyard.db",)) as house:
        with pytest.raises(ValidationFailed):
            async with Side(type=Database(house), settings={"url": url}).link() as link:
                await link.test()


@pytest.mark.parametrize("read_only", [True, False])
async def test_a_file_that_is_not_there_is_told_and_none_is_made(tmp_path: Path, read_only: bool) -> None:
    settings = {"url": "sqlite:///shop.db", "readOnly": read_only}
    async with a_house(tmp_path) as house, Side(type=Database(house), settings=settings).link() as link:
        with pytest.raises(CallFailed, match=r"there is no file shop\.db in the data folder, TASKYARD_DATA_DIR"):
            await link.test()
    assert not (tmp_path / "shop.db").exists()


@pytest.mark.parametrize(
    "url", [f"postgresql://me:{CANARY}@127.0.0.1/x", "postgresql:///x", "postgresql://h/x?sslmode=disable",
            "postgresql://h:99999/x", "nosuch://h/x"]
)  # fmt: skip
async def test_addresses_that_cannot_be_meant(tmp_path: Path, url: str) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises((ValidationFailed, ConfigurationError)) as failed:
            async with Side(type=Database(house), settings={"url": url}).link():
                pass
    assert CANARY not in failed.value.message


async def test_addresses_that_may_not_be_reached(tmp_path: Path) -> None:
    egress = Egress(Guard(Rules.parse()))
    async with a_house(tmp_path, egress=lambda: egress) as house:
        for scheme in ("postgresql", "mysql"):
            with pytest.raises(EgressRefused):
                async with Side(
                    type=Database(house), settings={"url": f"{scheme}://10.0.0.1/x", "tls": "off"}
                ).link() as link:
                    await link.test()
    await egress.aclose()


async def test_a_server_without_tls_is_not_spoken_to_where_it_is_wanted(postgres_dsn: str, tmp_path: Path) -> None:
    settings = {"url": f"postgresql://{postgres_dsn.partition('@')[2]}", "tls": "verify"}
    async with a_house(tmp_path) as house:
        with pytest.raises(CallFailed):
            async with Side(type=Database(house), settings=settings).link() as link:
                await link.test()


async def test_sqlalchemy_speaks_with_what_else_there_is(postgres_dsn: str, tmp_path: Path) -> None:
    """PostgreSQL by another driver stands for the databases that are not here."""
    url = f"postgresql+psycopg://{postgres_dsn.partition('@')[2]}"
    async with a_house(tmp_path, unguarded_databases=("postgresql",)) as house:
        side = Side(type=Database(house), settings={"url": url}, secrets={"username": "postgres"})
        await run(side, SCHEMA, writes=True)
        await run(side, "INSERT INTO item VALUES (:id, :name)", {"id": 1, "name": INJECTED}, writes=True)
        assert await rows(side, "SELECT id FROM item WHERE name = :name AND ':x' = ':x'", {"name": INJECTED}) == [
            {"id": 1}
        ]
        with pytest.raises(OperationFailed, match="nothing is changed"):
            await run(side, "DELETE FROM item", writes=True, expectedUpdateCount=2)
        with pytest.raises(CallFailed) as failed:
            await run(side, "DELETE FROM item")
        assert not failed.value.retryable
        with pytest.raises(CallFailed) as refused:
            await run(side, "INSERT INTO item VALUES (1, 'again')", writes=True)
        assert (refused.value.reason, refused.value.retryable) == ("refused", False)
        with pytest.raises(ValidationFailed):
            await run(side, "SELEKT")
        assert len(await rows(side, "SELECT id FROM item")) == 1


@pytest.mark.parametrize(
    ("unguarded", "more", "secrets", "told"),
    [
        ((), {}, {}, "TASKYARD_UNGUARDED_DATABASES=postgresql"),
        (("mssql",), {}, {}, "TASKYARD_UNGUARDED_DATABASES=postgresql"),
        (("postgresql",), {"tls": "verify"}, {}, "told nothing of `tls`"),
        (("postgresql",), {"authorities": "PEM"}, {}, "told nothing of `tls`"),
        (("postgresql",), {}, {"certificate": "PEM"}, "told nothing of `tls`"),
    ],
)
async def test_drivers_that_nothing_guards_are_the_operators_to_allow(
    tmp_path: Path, unguarded: tuple[str, ...], more: dict[str, Any], secrets: dict[str, str], told: str
) -> None:
    settings = {"url": "postgresql+psycopg://127.0.0.1/x", **more}
    async with a_house(tmp_path, unguarded_databases=unguarded) as house:
        with pytest.raises(ValidationFailed, match=told):
            async with Side(type=Database(house), settings=settings, secrets=secrets).link():
                pass


async def test_cancelled_a_statement_ends_and_the_pool_serves_on(postgres_dsn: str, tmp_path: Path) -> None:
    settings = {"url": f"postgresql://{postgres_dsn.partition('@')[2]}", "maxConnections": 1}
    async with a_house(tmp_path) as house, Side(type=Database(house), settings=settings).link() as link:
        running = asyncio.create_task(link.call(call_of({"statement": "SELECT pg_sleep(600)"}, deadline=600.0)))
        watching = await asyncpg.connect(postgres_dsn)
        count = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%pg_sleep(600)%'"
        count += " AND pid <> pg_backend_pid()"
        await eventually(lambda: watching.fetchval(count))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert await watching.fetchval(count) == 0
        await watching.close()
        await link.test()


async def test_connections_that_are_all_in_use_are_no_failure_of_the_database(
    postgres_dsn: str, tmp_path: Path
) -> None:
    settings = {"url": f"postgresql://{postgres_dsn.partition('@')[2]}", "maxConnections": 1}
    async with a_house(tmp_path) as house:
        async with Side(type=Database(house), settings=settings).link() as link:
            running = asyncio.create_task(link.call(call_of({"statement": "SELECT pg_sleep(600)"}, deadline=600.0)))
            watching = await asyncpg.connect(postgres_dsn)
            count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"
            await eventually(lambda: watching.fetchval(count))
            await watching.close()
            with pytest.raises(OperationFailed, match="in use here") as failed:
                await link.call(call_of({"statement": "SELECT 1"}, deadline=1.0))
            assert (failed.value.reason, failed.value.counts, failed.value.burns) == ("busy", False, False)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert await link.call(call_of({"statement": "SELECT 1"}))


# psycopg warns of the cursor whose connection was thrown away with what it had not sent yet
@pytest.mark.filterwarnings(
    r"ignore:Exception ignored in. <function ServerCursorMixin\.__del__:pytest.PytestUnraisableExceptionWarning"
)
async def test_rows_that_are_large_together_are_not_all_kept_in_memory(postgres_dsn: str, tmp_path: Path) -> None:
    """The driver that SQLAlchemy brings tells nothing of bytes: they are counted row by row."""
    settings = {"url": f"postgresql+psycopg://{postgres_dsn.partition('@')[2]}"}
    async with a_house(tmp_path, unguarded_databases=("postgresql",)) as house:
        side = Side(type=Database(house), settings=settings, secrets={"username": "postgres"})
        statement = "SELECT repeat('x', 1000000) FROM generate_series(1, 100)"
        with pytest.raises(ValidationFailed, match="64 MiB at once"):
            await run(side, statement, result="json-lines", files=Kept(tmp_path))
        gc.collect()
