"""A worker over HTTP, until SIGTERM: `python -m tests.recovery.http_worker NAME TOKEN URL…`, any of which will do."""

import asyncio
import signal
import sys
from itertools import cycle

from taskyard.client import AsyncTaskyardClient, QueueMessage
from taskyard.errors import Overloaded, StaleLease
from tests.stories.plant import enter, noted, released

KINDS = ["quick", "threaded", "flaky", "gated"]
VISIBILITY = 8.0
SLOTS = 4


class Worker:
    """One worker; it turns to the next server when one cannot be reached."""

    def __init__(self, name: str, token: str, urls: list[str]) -> None:
        self._name = name
        self._clients = cycle([AsyncTaskyardClient(url, token) for url in urls])
        self._client = next(self._clients)
        self._stopping = False

    def stop(self) -> None:
        """Lease no more."""
        self._stopping = True

    async def run(self) -> None:
        """Work until told to stop; what is leased then is still done."""
        while not self._stopping:
            try:
                messages = await self._client.dequeue(
                    worker_id=self._name, max_messages=SLOTS, visibility_timeout=VISIBILITY, wait_time=1.0,
                    definitions=KINDS,
                )  # fmt: skip
            except Overloaded:
                await self._turn()
                continue
            await asyncio.gather(*[self._work(message) for message in messages])

    async def _work(self, message: QueueMessage) -> None:
        beating = asyncio.create_task(self._beat(message))
        failed = message.task_definition_id == "flaky" and message.dequeue_count == 1
        try:
            with noted(message.task_id, message.dequeue_count):
                if message.task_definition_id == "gated":
                    name = message.input.get("name", "open")
                    enter("gated", name)
                    await released(name)
                await asyncio.sleep(0.02)
        finally:
            beating.cancel()
        await self._tell(message, failed)

    async def _tell(self, message: QueueMessage, failed: bool) -> None:
        """Until somebody takes it; where it was taken and the answer lost, or the lease is over, nothing is left."""
        while True:
            try:
                if failed:
                    await self._client.fail_message(message, "not yet")
                else:
                    await self._client.complete_message(message, message.input["number"])
            except Overloaded:
                await self._turn()
            except StaleLease:
                return
            else:
                return

    async def _beat(self, message: QueueMessage) -> None:
        while True:
            await asyncio.sleep(VISIBILITY / 4)
            try:
                await self._client.heartbeat(message, visibility_timeout=VISIBILITY)
            except Overloaded:
                continue
            except StaleLease:
                return

    async def _turn(self) -> None:
        self._client = next(self._clients)
        await asyncio.sleep(0.1)


async def main(name: str, token: str, *urls: str) -> None:
    worker = Worker(name, token, list(urls))
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, worker.stop)
    await worker.run()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
