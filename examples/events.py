"""An event from outside starts what is mapped to it, once, however often it comes."""

import asyncio
import tempfile
from pathlib import Path

import httpx

from taskyard import Taskyard
from taskyard.server import Address, serve
from taskyard.settings import load

folder = Path(tempfile.mkdtemp(prefix="taskyard-example-"))
settings = load().with_values(
    TASKYARD_DATABASE_URL=f"sqlite:///{folder}/example.db", TASKYARD_DATA_DIR=str(folder / "data")
)
yard = Taskyard(settings=settings)


@yard.task
async def pack(order: int, notes: str) -> str:
    return f"packed order {order} ({notes})"


MAPPING = {
    "eventKey": "order.*",
    "taskDefinitionId": "pack",
    "filter": "payload.total > `10`",
    "input": "{order: payload.id, notes: join(', ', payload.notes)}",
}
EVENT = {
    "key": "order.paid",
    "source": "shop",
    "id": "event-1",
    "payload": {"id": 7, "total": 12, "notes": ["gift", "fragile"]},
}


async def ask(url: str) -> None:
    token = (folder / "data" / "admin.token").read_text().strip()
    async with httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {token}"}) as http:
        (await http.post("/api/v1/events/mapping", json=MAPPING)).raise_for_status()
        twice = [(await http.post("/api/v1/events/trigger", json=EVENT)).json()["taskIds"] for _ in range(2)]
        print("one task:", twice[0] == twice[1] and len(twice[0]) == 1)
        cheap = {**EVENT, "id": "event-2", "payload": {"id": 8, "total": 3, "notes": []}}
        print("not wanted:", (await http.post("/api/v1/events/trigger", json=cheap)).json()["taskIds"])
    run = await yard.get(twice[0][0])
    print(await run.result())


async def main() -> None:
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    async with yard.worker():
        serving = asyncio.create_task(
            serve(yard.app, host="127.0.0.1", port=0, worker=False, ready=address.set_result, stop=stop)
        )
        ready: Address = await address
        await ask(ready.url)
        stop.set()
        await serving


asyncio.run(main())
