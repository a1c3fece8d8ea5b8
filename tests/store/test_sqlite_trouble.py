"""A SQLite file that cannot be read for a moment: who asked then is told, and everybody after them is served."""

import asyncio
import sqlite3
import threading
from pathlib import Path

import pytest

from taskyard.contracts.records import Topic
from taskyard.errors import Overloaded
from taskyard.store.sqlite import SqliteStore
from tests.support import eventually


def fail(connection: sqlite3.Connection) -> int:
    raise sqlite3.OperationalError("disk I/O error")


async def test_a_look_at_the_change_counter_that_fails_harms_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = SqliteStore(str(tmp_path / "tasks.db"))
    await store.migrate()
    await store.open()
    rings: list[None] = []
    store.listen(Topic.FEED, lambda: rings.append(None))
    other = sqlite3.connect(tmp_path / "tasks.db", isolation_level=None)

    async def is_heard() -> bool:
        rings.clear()
        other.execute("UPDATE node SET next = next + 1")
        await eventually(lambda: bool(rings))
        return True

    with monkeypatch.context() as broken:
        broken.setattr("taskyard.store.sqlite.database._data_version", fail)
        with pytest.raises(Overloaded, match="disk I/O error"):
            await asyncio.wait_for(store.db.others_version(), 60)
        assert await is_heard()  # where it cannot be told whether there is anything, there may be
    assert await asyncio.wait_for(store.db.others_version(), 60) > 0
    assert await is_heard()
    other.close()
    await store.close()


async def test_who_asks_while_it_closes_is_refused(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "tasks.db"))
    await store.migrate()
    await store.open()
    go_on = threading.Event()
    before = store.db.write(lambda _: go_on.wait(60))
    closing = asyncio.gather(before, store.close())
    await eventually(lambda: not store._opened and store._watcher is None)
    late = [asyncio.ensure_future(ask(lambda _: 1)) for ask in (store.db.read, store.db.write)]
    go_on.set()
    assert (await closing)[0] is True
    for each in late:
        with pytest.raises(Overloaded, match="closed"):
            await asyncio.wait_for(each, 60)


async def test_a_rollback_that_fails_ends_no_thread(tmp_path: Path) -> None:
    store = SqliteStore(str(tmp_path / "tasks.db"))
    await store.migrate()
    await store.open()
    answers = iter([sqlite3.SQLITE_DENY])

    def break_off(connection: sqlite3.Connection) -> None:
        connection.set_authorizer(
            lambda action, *_: next(answers, sqlite3.SQLITE_OK) if action == sqlite3.SQLITE_TRANSACTION else 0
        )
        raise sqlite3.OperationalError("disk I/O error")

    async def is_served() -> bool:
        try:
            return await asyncio.wait_for(store.db.write(lambda _: True), 60)
        except Overloaded:
            return False

    with pytest.raises(Overloaded, match="disk I/O error"):
        await asyncio.wait_for(store.db.write(break_off), 60)
    await eventually(is_served)
    await store.close()
