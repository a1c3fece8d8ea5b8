"""Camunda 8 (Zeebe): its jobs are done as tasks of ours, over its REST API.

Every definition is a job type by its key. What is activated is ours until its timeout, which is put off while the task
lives.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any
from urllib.parse import quote

import msgspec

from taskyard.engine.engine import Engine
from taskyard.errors import CallFailed
from taskyard.orchestrators.bridge import Step
from taskyard.orchestrators.holding import Gone, Holding, Work
from taskyard.security.egress.client import Egress, Limits

HOLD_SECONDS = 60.0
_POLL_SECONDS = 20.0
_IDLE = 1.0
_AT_ONCE = 50
_MOST_BYTES = 64 << 20
_MESSAGE_LENGTH = 10_000

Key = str | int
"""Newer versions write keys as texts, older ones as numbers."""


class Job(msgspec.Struct, rename="camel"):
    """A job as Zeebe tells it."""

    job_key: Key
    type: str
    retries: int
    variables: dict[str, Any] = {}
    process_instance_key: Key | None = None
    element_id: str | None = None


class _Jobs(msgspec.Struct):
    jobs: list[Job]


class Zeebe:
    """The verbs of its job API. `url` is what stands before `/v2`; raises CallFailed, Gone."""

    def __init__(self, url: str, egress: Egress, authorization: str = "", hold_seconds: float = HOLD_SECONDS) -> None:
        self._url = url.rstrip("/").removesuffix("/v2")
        self.hold_seconds = hold_seconds
        self._egress = egress
        self._headers = {"authorization": authorization} if authorization else {}
        self._worker = f"taskyard-{socket.gethostname()}-{os.getpid()}"

    async def activate(self, type_: str, most: int) -> list[Job]:
        """Up to so many jobs of a type, waited for."""
        body = {
            "type": type_, "worker": self._worker, "timeout": int(self.hold_seconds * 1000), "maxJobsToActivate": most,
            "requestTimeout": int(_POLL_SECONDS * 1000),
        }  # fmt: skip
        return msgspec.json.decode(await self._send("POST", "activation", body), type=_Jobs).jobs

    async def tell(self, key: str, verb: str, body: dict[str, Any]) -> None:
        """`completion`, `failure` or `error`."""
        await self._send("POST", f"{quote(key, safe='')}/{verb}", body)

    async def hold(self, key: str) -> None:
        """Let the job's timeout begin anew."""
        changes = {"changeset": {"timeout": int(self.hold_seconds * 1000)}}
        await self._send("PATCH", quote(key, safe=""), changes)

    async def _send(self, method: str, path: str, body: dict[str, Any]) -> bytes:
        answer = await self._egress.send(
            method,
            f"{self._url}/v2/jobs/{path}",
            headers={"content-type": "application/json", **self._headers},
            content=msgspec.json.encode(body),
            limits=Limits(read=_POLL_SECONDS + 10, total=_POLL_SECONDS + 20, max_bytes=_MOST_BYTES),
        )
        status, told = answer.status_code, answer.text[:500]
        if path != "activation" and status in (404, 409):
            raise Gone(told, held=status == 409)
        if status >= 300:
            raise CallFailed(f"Zeebe answered {status}: {told}", reason="status")
        return answer.content


class Jobs(Holding):
    """One poll waits for each job type."""

    def __init__(self, engine: Engine, zeebe: Zeebe) -> None:
        super().__init__("camunda8", engine, zeebe.hold_seconds)
        self._zeebe = zeebe
        self._polls: dict[str, asyncio.Task[None]] = {}

    def steps(self) -> list[Step]:
        """See the base."""
        return [self._keep_polling, self.tend]

    async def stop(self) -> None:
        """See the base."""
        await super().stop()
        for poll in self._polls.values():
            poll.cancel()
        await asyncio.gather(*self._polls.values(), return_exceptions=True)

    async def _keep_polling(self) -> None:
        """Have a poll for each definition there is now."""
        keys = set(await self.keys())
        for key in self._polls.keys() - keys:
            self._polls.pop(key).cancel()
        for key in keys - self._polls.keys():
            self._polls[key] = asyncio.create_task(self.again(lambda key=key: self._poll(key)))  # type: ignore[misc]
        await asyncio.sleep(_IDLE)

    async def _poll(self, type_: str) -> None:
        room = min(_AT_ONCE, self.room)
        if room <= 0:
            await asyncio.sleep(_IDLE)
            return
        for job in await self._zeebe.activate(type_, room):
            await self.take(_work(job))

    def read(self, work: Work) -> dict[str, Any]:
        """See the base."""
        return dict(work.variables)

    async def hold(self, work: Work) -> None:
        """See the base."""
        await self._zeebe.hold(work.id)

    async def complete(self, work: Work, output: Any) -> None:
        """See the base."""
        await self._zeebe.tell(work.id, "completion", {"variables": _fields(output, "output")})

    async def throw(self, work: Work, code: str, message: str, details: Any) -> None:
        """See the base."""
        told = {"errorCode": code, "errorMessage": message[:_MESSAGE_LENGTH]}
        await self._zeebe.tell(work.id, "error", {**told, "variables": _fields(details, "details")})

    async def fail(self, work: Work, message: str, trace: str, left: int) -> None:
        """See the base."""
        told = {"errorMessage": f"{message}\n{trace}"[:_MESSAGE_LENGTH]}
        await self._zeebe.tell(work.id, "failure", {**told, "retries": left, "retryBackOff": 0})


def _work(job: Job) -> Work:
    return Work(
        id=str(job.job_key),
        key=job.type,
        variables=job.variables,
        retries=job.retries,
        workflow_id=None if job.process_instance_key is None else str(job.process_instance_key),
        metadata={"jobKey": str(job.job_key), "elementId": job.element_id},
    )


def _fields(value: Any, name: str) -> dict[str, Any]:
    """A value as variables: an object's fields, and anything else under `name`."""
    return value if isinstance(value, dict) else {} if value is None else {name: value}
