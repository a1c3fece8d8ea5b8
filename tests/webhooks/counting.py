"""A receiver that counts by itself, and fails when chance says so; it keeps connections open, to be quick."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import defaultdict
from collections.abc import AsyncIterator

import msgspec


class Counting:
    """`taken`: by task the sequences it said yes to, in the order of their coming; `ids` those of all of them."""

    def __init__(self, failing: float, seed: int) -> None:
        self.taken: defaultdict[str, list[int]] = defaultdict(list)
        self.ids: set[str] = set()
        self.asked = 0
        self.port = 0
        self._failing = failing
        self._chance = random.Random(seed)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])
                self._take(await reader.readexactly(length), writer)
        writer.close()

    def _take(self, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        if self._chance.random() < self._failing:
            writer.write(b"HTTP/1.1 500 No\r\ncontent-length: 0\r\n\r\n")
            return
        event = msgspec.json.decode(body)
        self.ids.add(event["id"])
        self.taken[event["data"]["taskId"]].append(event["sequence"])
        writer.write(b"HTTP/1.1 204 Taken\r\n\r\n")


@contextlib.asynccontextmanager
async def counting(failing: float, seed: int) -> AsyncIterator[Counting]:
    """A counting receiver on loopback."""
    receiver = Counting(failing, seed)
    running: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(receiver.serve(reader, writer))
        running.add(task)
        await task

    server = await asyncio.start_server(serve, "127.0.0.1")
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        server.close()
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
