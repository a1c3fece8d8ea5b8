"""A disk that is full while tasks run: SQLite's own limit of pages gives the same error."""

import asyncio
import sqlite3
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from taskyard import Taskyard
from taskyard.contracts.store import Store
from taskyard.errors import Overloaded
from taskyard.store.sqlite import SqliteStore
from tests.support import eventually

LARGE = "x" * 100_000


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """A full PostgreSQL refuses as one that is away does."""
    return f"sqlite:///{tmp_path / 'tasks.db'}"


async def limit(store: Store, pages: int) -> None:
    """Let the file have so many pages, or those that it has, if that is more."""
    assert isinstance(store, SqliteStore)

    def hold(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    await store.db.write(hold)


async def test_what_runs_meanwhile_is_stored_when_there_is_room_again(
    yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("taskyard.runtime.insistence.APART", 0.05)
    began, end, ran = asyncio.Event(), asyncio.Event(), []

    @yard.task
    async def job(text: str) -> str:
        ran.append(text)
        began.set()
        await end.wait()
        return LARGE

    async with yard.worker():
        run = await job.start(text="small")
        await began.wait()
        await limit(yard.engine.store, 1)
        with pytest.raises(Overloaded, match="see that its disk has room"):
            await job.start(text=LARGE)
        with capture_logs() as logs:
            end.set()
            await eventually(lambda: any("results wait for the store" in str(line["event"]) for line in logs))
        assert (await run.refresh()).status == "RUNNING"
        await limit(yard.engine.store, 1 << 30)
        assert await asyncio.wait_for(run.result(), 60) == LARGE
        assert await asyncio.wait_for(job.run(text="again"), 60) == LARGE
    assert ran == ["small", "again"]
