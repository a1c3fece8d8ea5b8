"""A small engine with Camunda 7's external-task REST API and locks that really run out."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any

from tests.security.egress.receiver import Asked, answer

ROOT = "/engine-rest/external-task"


@dataclass
class Work:
    id: str
    topic: str
    variables: dict[str, Any]
    retries: int | None = None
    worker: str | None = None
    until: float = 0.0
    ended: str | None = None
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    fetched: int = 0


class StubEngine:
    """`broken`: how many requests are yet answered by what no client expects."""

    def __init__(self) -> None:
        self.work: dict[str, Work] = {}
        self.broken: list[bytes] = []

    def add(self, topic: str, **variables: Any) -> Work:
        work = Work(f"x{len(self.work)}", topic, {name: {"value": each} for name, each in variables.items()})
        self.work[work.id] = work
        return work

    async def serve(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if self.broken:
            writer.write(self.broken.pop())
            return
        body = json.loads(asked.body)
        if asked.target == f"{ROOT}/fetchAndLock":
            writer.write(answer(body=json.dumps(await self._fetch(body)).encode(), content_type="application/json"))
            return
        id_, _, verb = asked.target.removeprefix(f"{ROOT}/").partition("/")
        writer.write(self._do(id_, verb, body))

    async def _fetch(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        until = time.monotonic() + min(body.get("asyncResponseTimeout", 0) / 1000, 0.3)
        while True:
            found = [work for topic in body["topics"] for work in self._free(topic["topicName"])][: body["maxTasks"]]
            if found or time.monotonic() >= until:
                break
            await asyncio.sleep(0.01)
        for work in found:
            work.worker, work.fetched = body["workerId"], work.fetched + 1
            work.until = time.monotonic() + body["topics"][0]["lockDuration"] / 1000
        return [
            {
                "id": work.id, "topicName": work.topic, "variables": work.variables, "retries": work.retries,
                "processInstanceId": f"process-{work.id}", "businessKey": f"key-{work.id}", "suspended": False,
            }
            for work in found
        ]  # fmt: skip

    def _free(self, topic: str) -> list[Work]:
        now = time.monotonic()
        return [
            work
            for work in self.work.values()
            if work.topic == topic and work.ended is None and work.retries != 0 and work.until <= now
        ]

    def _do(self, id_: str, verb: str, body: dict[str, Any]) -> bytes:
        work = self.work.get(id_)
        if work is None or work.ended is not None:
            return answer("404 Not Found", b'{"type": "RestException", "message": "External task does not exist"}')
        if work.worker != body["workerId"]:
            return answer("400 Bad Request", b'{"type": "RestException", "message": "It is locked by another worker"}')
        work.said.append((verb, body))
        if verb == "extendLock":
            work.until = time.monotonic() + body["newDuration"] / 1000
        elif verb == "failure":
            work.retries, work.until = body["retries"], 0.0
        else:
            work.ended = verb
        return answer("204 No Content")
