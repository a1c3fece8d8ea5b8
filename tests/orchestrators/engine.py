"""A small engine with the parts of Camunda 7's REST API that we use, and locks that really run out."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.security.egress.receiver import Asked, answer
from tests.support import eventually

Said = list[tuple[str, dict[str, Any]]]

_REST = "/engine-rest"


@dataclass
class Work:
    """An external task."""

    id: str
    topic: str
    variables: dict[str, Any]
    retries: int | None = None
    worker: str | None = None
    until: float = 0.0
    ended: str | None = None
    said: Said = field(default_factory=list)
    fetched: int = 0
    refuses: set[str] = field(default_factory=set)
    breaks: set[str] = field(default_factory=set)
    hangs: bool = False


@dataclass
class Asking:
    """A user task."""

    id: str
    key: str
    assignee: str | None = None
    groups: tuple[str, ...] = ()
    variables: dict[str, Any] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)
    ended: str | None = None
    suspended: bool = False
    refusals: int = 0
    listed: bool = True
    readable: bool = True
    said: Said = field(default_factory=list)


class StubEngine:
    """`broken`: how many requests are yet answered by what no client expects; `now`: the time by which what is held is
    held no longer.
    """

    def __init__(self) -> None:
        self.work: dict[str, Work] = {}
        self.asking: dict[str, Asking] = {}
        self.deployed: list[bytes] = []
        self.started: Said = []
        self.broken: list[bytes] = []
        self.now: Callable[[], float] = time.monotonic

    def add(self, topic: str, **variables: Any) -> Work:
        work = Work(f"x{len(self.work)}", topic, {name: {"value": each} for name, each in variables.items()})
        self.work[work.id] = work
        return work

    def ask(self, key: str, variables: dict[str, Any] | None = None, **fields: Any) -> Asking:
        typed = {name: {"value": each} for name, each in (variables or {}).items()}
        asking = Asking(f"u{len(self.asking)}", key, variables=typed, **fields)
        self.asking[asking.id] = asking
        return asking

    async def serve(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if self.broken:
            writer.write(self.broken.pop())
            return
        place, _, rest = urlsplit(asked.target).path.removeprefix(f"{_REST}/").partition("/")
        found = await getattr(self, f"_{place.replace('-', '_')}")(asked, rest)
        writer.write(found if isinstance(found, bytes) else _json(found))

    # ---- external tasks
    async def _external_task(self, asked: Asked, rest: str) -> Any:
        id_, _, verb = rest.partition("/")
        if asked.method == "GET":
            work = self.work.get(id_)
            return {"id": id_, "workerId": work.worker} if work else _refusal("404 Not Found", "no such task")
        body = json.loads(asked.body)
        if rest == "fetchAndLock":
            return await self._fetch(body)
        await eventually(lambda: not self.work[id_].hangs, within=60)
        return self._do(id_, verb, body)

    def give_away(self, work: Work) -> None:
        """Let somebody else hold it, for ever."""
        work.worker, work.until = "another", float("inf")

    async def _fetch(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        until = time.monotonic() + min(body.get("asyncResponseTimeout", 0) / 1000, 0.3)
        while True:
            found = [work for topic in body["topics"] for work in self._free(topic["topicName"])][: body["maxTasks"]]
            if found or time.monotonic() >= until:
                break
            await asyncio.sleep(0.01)
        for work in found:
            work.worker, work.fetched = body["workerId"], work.fetched + 1
            work.until = self.now() + body["topics"][0]["lockDuration"] / 1000
        return [
            {
                "id": work.id, "topicName": work.topic, "variables": work.variables, "retries": work.retries,
                "processInstanceId": f"process-{work.id}", "businessKey": f"key-{work.id}", "suspended": False,
            }
            for work in found
        ]  # fmt: skip

    def _free(self, topic: str) -> list[Work]:
        now = self.now()
        return [
            work
            for work in self.work.values()
            if work.topic == topic and work.ended is None and work.retries != 0 and work.until <= now
        ]

    def _do(self, id_: str, verb: str, body: dict[str, Any]) -> bytes:
        work = self.work.get(id_)
        if work is None or work.ended is not None:
            return _refusal("404 Not Found", "External task does not exist")
        if work.worker != body["workerId"]:
            return _refusal("400 Bad Request", "It is locked by another worker")
        if verb in work.refuses:
            return _refusal("400 Bad Request", "Cannot set a variable: unsupported value")
        if verb in work.breaks:
            return _refusal("500 Internal Server Error", "ENGINE-17004 the variable is longer than its column")
        work.said.append((verb, body))
        if verb == "extendLock":
            work.until = self.now() + body["newDuration"] / 1000
        elif verb == "failure":
            work.retries, work.until = body["retries"], 0.0
        else:
            work.ended = verb
        return answer("204 No Content")

    # ---- user tasks
    async def _task(self, asked: Asked, rest: str) -> Any:
        id_, _, what = rest.partition("/")
        if not id_:
            query = {name: values[0] for name, values in parse_qs(urlsplit(asked.target).query).items()}
            first, most = int(query["firstResult"]), int(query["maxResults"])
            return [_user_task(each) for each in self.asking.values() if each.ended is None and each.listed][
                first : first + most
            ]
        asking = self.asking.get(id_)
        if asking is None or asking.ended is not None:
            # It really says 500 for a verb about a user task that it does not have.
            return _refusal("404 Not Found" if asked.method == "GET" else "500 Internal Server Error", "no such task")
        if asked.method == "POST":
            if asking.suspended:
                return _refusal("500 Internal Server Error", "the task is suspended")
            if asking.refusals:
                asking.refusals -= 1
                return _refusal("400 Bad Request", "a variable cannot be set")
            asking.said.append((what, json.loads(asked.body)))
            asking.ended = what
            return answer("204 No Content")
        if what == "variables" and not asking.readable:
            return _refusal("500 Internal Server Error", "a variable cannot be read")
        links = [{"type": "candidate", "groupId": group, "userId": None} for group in asking.groups]
        return {"": _user_task(asking), "identity-links": links, "variables": asking.variables}[what]

    async def _process_instance(self, asked: Asked, rest: str) -> Any:
        return {"id": rest, "businessKey": f"key-{rest}"}

    # ---- processes
    async def _deployment(self, asked: Asked, rest: str) -> Any:
        if b"<bpmn" not in asked.body:
            return _refusal("400 Bad Request", "ENGINE-09005 Could not parse BPMN process")
        self.deployed.append(asked.body)
        return {"id": "d1", "name": "workflow"}

    async def _process_definition(self, asked: Asked, rest: str) -> Any:
        if rest:
            key = rest.split("/")[1]
            if not self.deployed or key != "order":
                return _refusal("404 Not Found", "no processes deployed with that key")
            self.started.append((key, json.loads(asked.body)))
            return {"id": f"i{len(self.started)}", "definitionId": f"{key}:1:x"}
        wanted = parse_qs(urlsplit(asked.target).query).get("key", ["order"])
        known = [{"id": "order:1:x", "key": "order", "name": "Orders", "version": len(self.deployed)}]
        return known if self.deployed and wanted == ["order"] else []


def _user_task(asking: Asking) -> dict[str, Any]:
    return {
        "id": asking.id, "name": f"Please {asking.key}", "assignee": asking.assignee, "taskDefinitionKey": asking.key,
        "processDefinitionId": "order:1:x", "processInstanceId": f"process-{asking.id}", "priority": 50,
        "description": None, "due": None, "suspended": asking.suspended, **asking.more,
    }  # fmt: skip


def _json(value: Any) -> bytes:
    return answer(body=json.dumps(value).encode(), content_type="application/json")


def _refusal(status: str, message: str) -> bytes:
    return answer(status, json.dumps({"type": "RestException", "message": message}).encode())
