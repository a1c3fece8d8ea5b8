"""A task that is a statement on a database: the values of its input are parameters, and never part of the text."""

import asyncio
import contextlib
import sqlite3
import tempfile
from pathlib import Path

from taskyard import Taskyard
from taskyard.domain.connection import Connection
from taskyard.engine.connections import put_connection
from taskyard.engine.define import define, parse_definition
from taskyard.settings import load


async def main(folder: Path) -> None:
    settings = load().with_values(
        TASKYARD_DATABASE_URL=f"sqlite:///{folder / 'example.db'}", TASKYARD_DATA_DIR=str(folder)
    )
    yard = Taskyard(settings=settings)
    async with yard.worker():
        shop = Connection(connection_id="shop", type="database", settings={"url": "sqlite:///shop.db"})
        await put_connection(yard.engine, yard.app.box, shop, {})
        find_items = {
            "key": "find-items",
            "implementation": {
                "kind": "integration",
                "connectionId": "shop",
                "operation": {"statement": "SELECT name, price FROM item WHERE name = :name"},
                "response": "output.rows",
            },
        }
        await define(yard.engine, [parse_definition(find_items)])
        print(await (await yard.start("find-items", {"name": "lamp"})).result())
        print(await (await yard.start("find-items", {"name": "' OR 1 = 1 --"})).result())


with tempfile.TemporaryDirectory(prefix="taskyard-example-") as name:
    with contextlib.closing(sqlite3.connect(Path(name, "shop.db"))) as database:
        database.execute("CREATE TABLE item (name TEXT, price INTEGER)")
        database.executemany("INSERT INTO item VALUES (?, ?)", [("pen", 2), ("lamp", 40), ("book", 9)])
        database.commit()
    asyncio.run(main(Path(name)))
