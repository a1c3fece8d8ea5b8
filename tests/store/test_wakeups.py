"""Wake-ups between processes on a PostgreSQL: where they cannot be had, everybody looks for work."""

import asyncio
from typing import Any

import pytest
import structlog

from taskyard import Taskyard
from taskyard.contracts.records import Topic
from taskyard.settings import load
from taskyard.store.postgres import PostgresStore
from tests.servers.postgres import PostgresServer
from tests.store.made import ground
from tests.support import eventually


async def test_who_wants_none_still_wakes_itself(migrated_dsn: str) -> None:
    deaf = PostgresStore(migrated_dsn, notify=False)
    await deaf.open()
    heard = asyncio.Event()
    deaf.listen(Topic.READY, heard.set)
    await deaf.enqueue((await ground(deaf)).entries(deaf))
    await heard.wait()
    await deaf.close()


@pytest.mark.parametrize("how", [{"notify": False}, {"listen_url": "postgresql://postgres@127.0.0.1:1/test"}])
async def test_work_is_found_without_them(migrated_dsn: str, how: dict[str, Any]) -> None:
    changes = {"TASKYARD_DATABASE_URL": migrated_dsn} | {f"TASKYARD_{name.upper()}": to for name, to in how.items()}
    settings = load({}).with_values(**changes)
    worker, asker = Taskyard(settings=settings), Taskyard(settings=settings)

    async def double(number: int) -> int:
        return 2 * number

    for yard in (worker, asker):
        yard.register("double", double)
    with structlog.testing.capture_logs() as logs:
        async with worker.worker(), asker:
            assert await (await asker.start("double", {"number": 21})).result() == 42
            assert await (await asker.start("double", {"number": 2}, delay=0.1)).result() == 4
    told = [each["event"] for each in logs if "wake-ups" in each["event"]]
    assert len(told) == (2 if "listen_url" in how else 0)  # one for each yard


async def test_who_waits_is_told_when_the_database_is_back(
    postgres_server: PostgresServer, postgres_store: PostgresStore
) -> None:
    back = asyncio.Event()
    postgres_store.listen(Topic.BACK, back.set)
    await eventually(lambda: back.is_set())
    back.clear()
    postgres_server.stop("killed")
    postgres_store.signals.doubt()
    postgres_server.start_again()
    await asyncio.wait_for(back.wait(), 60)
