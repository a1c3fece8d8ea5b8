"""A worker that is nothing but HTTP, beside a server: the same five calls work in any language."""

import asyncio
import tempfile
from pathlib import Path

from taskyard import AsyncTaskyardClient, Taskyard
from taskyard.server import Address, serve
from taskyard.settings import load

folder = Path(tempfile.mkdtemp(prefix="taskyard-example-"))
settings = load().with_values(
    TASKYARD_DATABASE_URL=f"sqlite:///{folder}/example.db", TASKYARD_DATA_DIR=str(folder / "data")
)
yard = Taskyard(settings=settings)


async def work(client: AsyncTaskyardClient) -> None:
    [message] = await client.dequeue(worker_id="translator-1", wait_time=10)
    await client.heartbeat(message, logs=[{"text": f"translating {message.input['word']}"}])
    await client.complete_message(message, {"word": message.input["word"].upper()})


async def ask(url: str) -> None:
    token = (folder / "data" / "admin.token").read_text().strip()
    async with AsyncTaskyardClient(url, token) as client:
        await client.push_definition({"key": "translate", "implementation": {"kind": "external", "topic": "words"}})
        run = await client.start("translate", {"word": "hello"})
        await work(client)
        print(await run.result())


async def main() -> None:
    stop, address = asyncio.Event(), asyncio.get_running_loop().create_future()
    serving = asyncio.create_task(
        serve(yard.app, host="127.0.0.1", port=0, worker=False, ready=address.set_result, stop=stop)
    )
    ready: Address = await address
    await ask(ready.url)
    stop.set()
    await serving


asyncio.run(main())
