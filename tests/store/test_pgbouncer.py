"""A PgBouncer in transaction mode between the processes and their PostgreSQL."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import psycopg
import pytest
import structlog

from taskyard import Run, Taskyard
from taskyard.errors import Overloaded
from taskyard.settings import load
from taskyard.store.postgres import PostgresStore
from tests.recovery.judge import judge
from tests.recovery.load import Load
from tests.servers.pgbouncer import pooler
from tests.servers.postgres import PostgresServer
from tests.stories.plant import yard as planted
from tests.stories.processes import SUPERVISED, Plant

pytestmark = pytest.mark.real

COUNT = 100


@pytest.fixture
def pooled_dsn(postgres_server: PostgresServer, migrated_dsn: str) -> Iterator[str]:
    with pooler(postgres_server, sessions=4) as between:
        yield between.url(migrated_dsn)


@pytest.mark.parametrize("listens", [False, True])
async def test_it_is_noticed_and_leaves_no_trace_in_sessions(pooled_dsn: str, migrated_dsn: str, listens: bool) -> None:
    store = PostgresStore(pooled_dsn, listen_url=migrated_dsn if listens else "")
    with structlog.testing.capture_logs() as logs:
        await store.open()
        assert store.db.pooled
        try:
            for pool, promise in ((store.db.durable, "on"), (store.db.relaxed, "off")):
                assert await pool.value("SELECT current_setting('synchronous_commit')") == promise
                assert await pool.value("SELECT current_setting('jit')") == "off"
            with pytest.raises(Overloaded, match="read-only"):
                await store.db.reading.fetch("UPDATE taskyard.queue SET paused = true")
        finally:
            await store.close()
    assert sum("TASKYARD_LISTEN_URL" in each["event"] for each in logs) == (not listens)
    connection = await asyncpg.connect(pooled_dsn, statement_cache_size=0)
    for name, usual in (("synchronous_commit", "on"), ("jit", "on"), ("transaction_read_only", "off")):
        assert await connection.fetchval(f"SELECT current_setting('{name}')") == usual
    assert await connection.fetchval("SELECT count(*) FROM pg_prepared_statements WHERE name <> ''") == 0
    await connection.close()


async def test_a_direct_connection_is_not_taken_for_one(migrated_dsn: str) -> None:
    store = PostgresStore(migrated_dsn)
    await store.open()
    assert not store.db.pooled
    await store.close()


@pytest.mark.timeout(300)
async def test_processes_work_through_it_and_through_the_database_s_restart(
    postgres_server: PostgresServer, pooled_dsn: str, tmp_path: Path
) -> None:
    yard = Taskyard(settings=load({}).with_values(TASKYARD_DATABASE_URL=pooled_dsn, TASKYARD_DATA_DIR=str(tmp_path)))
    for handler in planted.registry:
        yard.registry.add(handler)
    load_ = Load()
    async with yard:
        plant = Plant(yard, pooled_dsn, tmp_path)
        with plant.worker([*SUPERVISED, "--processes", "2"]):
            runs = await yard.start_many("quick", [{"number": number} for number in range(COUNT)])
            runs += [await yard.start("gated", {"number": -1, "name": "open"})]
            plant.release("open")
            await plant.ledger_has("ran", COUNT // 2)
            postgres_server.stop("killed")
            postgres_server.start_again()
            load_.ids = dict(enumerate(int(run.id) for run in runs))
            await judge(yard, plant, load_)


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
async def test_tasks_are_enqueued_in_the_caller_s_transaction(pooled_dsn: str, tmp_path: Path, driver: str) -> None:
    yard = Taskyard(settings=load({}).with_values(TASKYARD_DATABASE_URL=pooled_dsn, TASKYARD_DATA_DIR=str(tmp_path)))

    @yard.task
    async def double(number: int) -> int:
        return 2 * number

    async with yard.worker():
        for number in range(12):  # more often than a driver needs to begin preparing its statements
            run = await _in_a_transaction(yard, pooled_dsn, driver, number)
            assert await asyncio.wait_for(run.result(), 60) == 2 * number


async def _in_a_transaction(yard: Taskyard, dsn: str, driver: str, number: int) -> Run[Any]:
    if driver == "asyncpg":
        connection = await asyncpg.connect(dsn, statement_cache_size=0)
        try:
            async with connection.transaction():
                return await yard.start("double", {"number": number}, transaction=connection)
        finally:
            await connection.close()
    async with await psycopg.AsyncConnection.connect(dsn, prepare_threshold=None) as session:
        return await yard.start("double", {"number": number}, transaction=session)
