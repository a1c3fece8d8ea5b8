"""A task that is there if, and only if, your own transaction commits."""

import asyncio
import sqlite3
import tempfile
from pathlib import Path

from taskyard import Context, Taskyard

file = Path(tempfile.mkdtemp(prefix="taskyard-example-")) / "shop.db"
yard = Taskyard(f"sqlite:///{file}")


@yard.task
async def send_invoice(ctx: Context, order: int) -> str:
    return f"invoice for order {order}"


async def main() -> None:
    async with yard.worker():
        shop = sqlite3.connect(file, isolation_level=None)
        shop.execute("CREATE TABLE orders (id INTEGER PRIMARY KEY)")

        shop.execute("BEGIN IMMEDIATE")
        shop.execute("INSERT INTO orders VALUES (1)")
        run = await send_invoice.options(transaction=shop).start(order=1)
        shop.execute("COMMIT")
        print(await run.result())

        shop.execute("BEGIN IMMEDIATE")
        shop.execute("INSERT INTO orders VALUES (2)")
        await send_invoice.options(transaction=shop).start(order=2)
        shop.execute("ROLLBACK")
        print("orders:", shop.execute("SELECT count(*) FROM orders").fetchone()[0])
        shop.close()


asyncio.run(main())
