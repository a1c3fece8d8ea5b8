"""A BPMN process: a service task, an error that is caught, a decision, and a person for the large orders."""

import asyncio
import tempfile
from pathlib import Path

from taskyard import TaskEvent, TaskFailed, Taskyard

folder = Path(tempfile.mkdtemp(prefix="taskyard-example-"))
yard = Taskyard(f"sqlite:///{folder}/example.db")
yard.workflow(Path(__file__).with_name("order.bpmn"))
asked: "asyncio.Queue[str]" = asyncio.Queue()


@yard.task(key="charge-card")
async def charge_card(customer: str, amount: int) -> dict[str, str]:
    if customer == "nobody":
        raise TaskFailed("no such card", code="card-refused", details={"reason": "no such card"}, retryable=False)
    return {"receipt": f"r{amount}"}


@yard.on("task.assigned")
async def tell(event: TaskEvent) -> None:
    asked.put_nowait(event.data["taskName"])


async def main() -> None:
    async with yard.worker():
        print((await yard.run("order", {"customer": "ada", "amount": 5}))["parcel"])
        print(await yard.run("order", {"customer": "nobody", "amount": 5}))
        large = await yard.start("order", {"customer": "bob", "amount": 5000})
        print("a clerk is asked:", await asked.get())
        await large.cancel("enough for an example")


asyncio.run(main())
