"""A small Zeebe with the job part of Camunda 8's REST API: timeouts that run out, retries, incidents."""

from __future__ import annotations

import asyncio
import json
import time
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.security.egress.receiver import Asked, answer

ROOT = "/v2/jobs/"


@dataclass
class ZeebeJob:
    """`until`: whose it is now has it for so long."""

    key: str
    type: str
    variables: dict[str, Any]
    retries: int = 3
    until: float = 0.0
    ended: str | None = None
    activated: int = 0
    said: list[tuple[str, dict[str, Any]]] = field(default_factory=list)


class StubZeebe:
    """`broken`: how many requests are yet answered by what no client expects."""

    def __init__(self) -> None:
        self.jobs: dict[str, ZeebeJob] = {}
        self.broken: list[bytes] = []

    def add(self, type_: str, retries: int = 3, **variables: Any) -> ZeebeJob:
        job = ZeebeJob(str(2251799813685249 + len(self.jobs)), type_, variables, retries)
        self.jobs[job.key] = job
        return job

    async def serve(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if self.broken:
            writer.write(self.broken.pop())
            return
        body, path = json.loads(asked.body), urlsplit(asked.target).path.removeprefix(ROOT)
        if path == "activation":
            found = {"jobs": await self._activate(body)}
            writer.write(answer(body=json.dumps(found).encode(), content_type="application/json"))
            return
        key, _, verb = path.partition("/")
        writer.write(self._do(key, verb if asked.method == "POST" else asked.method, body))

    async def _activate(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        until = time.monotonic() + min(body["requestTimeout"] / 1000, 0.3)
        while not (found := self._free(body["type"])) and time.monotonic() < until:
            await asyncio.sleep(0.01)
        for job in found[: body["maxJobsToActivate"]]:
            job.activated += 1
            job.until = time.monotonic() + body["timeout"] / 1000
        return [
            {
                "jobKey": job.key, "type": job.type, "processInstanceKey": f"1{job.key}", "elementId": "step",
                "retries": job.retries, "variables": job.variables, "worker": body["worker"], "customHeaders": {},
            }
            for job in found[: body["maxJobsToActivate"]]
        ]  # fmt: skip

    def _free(self, type_: str) -> list[ZeebeJob]:
        now = time.monotonic()
        return [
            job
            for job in self.jobs.values()
            if job.type == type_ and job.ended is None and job.retries > 0 and job.until <= now
        ]

    def _do(self, key: str, verb: str, body: dict[str, Any]) -> bytes:
        job = self.jobs.get(key)
        if job is None or job.ended is not None:
            return _problem("404 Not Found", "no such job")
        if job.retries <= 0:
            return _problem("409 Conflict", "the job has an incident")
        job.said.append((verb, body))
        if verb == "PATCH":
            job.until = time.monotonic() + body["changeset"]["timeout"] / 1000
        elif verb == "failure":
            job.retries, job.until = body["retries"], 0.0
        else:
            job.ended = verb
        return answer("204 No Content")


def _problem(status: str, detail: str) -> bytes:
    return answer(status, json.dumps({"title": status, "detail": detail}).encode())
