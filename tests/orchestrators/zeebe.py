"""A small Zeebe with the job part of Camunda 8's REST API: timeouts that run out, retries, incidents."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from tests.security.egress.receiver import Asked, answer
from tests.support import eventually

ROOT = "/v2/jobs/"
WORDS = {"completion": "complete", "error": "bpmnError", "PATCH": "extendLock"}
"""What its verbs are in Camunda 7's words."""

Said = list[tuple[str, dict[str, Any]]]


@dataclass
class ZeebeJob:
    """`until`: whose it is now has it for so long; where its process `catches` no errors they are incidents."""

    key: str
    type: str
    variables: dict[str, Any]
    retries: int = 3
    until: float = 0.0
    ended: str | None = None
    fetched: int = 0
    said: Said = field(default_factory=list)
    refuses: set[str] = field(default_factory=set)
    hangs: bool = False
    catches: bool = True


@dataclass
class ZeebeUserTask:
    """A user task; `more` is told of it besides, `cut` are the variables whose values are cut off in searches.

    `busy`: how many verbs are yet refused by what it is doing.
    """

    key: str
    element: str
    variables: dict[str, Any]
    more: dict[str, Any] = field(default_factory=dict)
    cut: set[str] = field(default_factory=set)
    state: str = "CREATED"
    busy: int = 0
    said: Said = field(default_factory=list)


class StubZeebe:
    """`broken`: how many requests are yet answered by what no client expects; `now`: the time by which what is held is
    held no longer.
    """

    def __init__(self) -> None:
        self.jobs: dict[str, ZeebeJob] = {}
        self.user_tasks: dict[str, ZeebeUserTask] = {}
        self.broken: list[bytes] = []
        self.now: Callable[[], float] = time.monotonic

    def add(self, type_: str, retries: int = 3, **variables: Any) -> ZeebeJob:
        job = ZeebeJob(str(2251799813685249 + len(self.jobs)), type_, variables, retries)
        self.jobs[job.key] = job
        return job

    async def serve(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        if self.broken:
            writer.write(self.broken.pop())
            return
        body, path = json.loads(asked.body or b"null"), urlsplit(asked.target).path
        if not path.startswith(ROOT):
            writer.write(self._about_people(asked.method, path.removeprefix("/v2/").split("/"), body))
            return
        path = path.removeprefix(ROOT)
        if path == "activation":
            found = {"jobs": await self._activate(body)}
            writer.write(answer(body=json.dumps(found).encode(), content_type="application/json"))
            return
        key, _, verb = path.partition("/")
        await eventually(lambda: key not in self.jobs or not self.jobs[key].hangs, within=60)
        writer.write(self._do(key, verb if asked.method == "POST" else asked.method, body))

    async def _activate(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        until = time.monotonic() + min(body["requestTimeout"] / 1000, 0.3)
        while not (found := self._free(body["type"])) and time.monotonic() < until:
            await asyncio.sleep(0.01)
        for job in found[: body["maxJobsToActivate"]]:
            job.fetched += 1
            job.until = self.now() + body["timeout"] / 1000
        return [
            {
                "jobKey": job.key, "type": job.type, "processInstanceKey": f"1{job.key}", "elementId": "step",
                "retries": job.retries, "variables": job.variables, "worker": body["worker"], "customHeaders": {},
            }
            for job in found[: body["maxJobsToActivate"]]
        ]  # fmt: skip

    def _free(self, type_: str) -> list[ZeebeJob]:
        now = self.now()
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
        if WORDS.get(verb, verb) in job.refuses:
            return _problem("400 Bad Request", "a variable cannot be taken")
        job.said.append((verb, body))
        if verb == "PATCH":
            job.until = self.now() + body["changeset"]["timeout"] / 1000
        elif verb == "failure":
            job.retries, job.until = body["retries"], 0.0
        elif verb == "error" and not job.catches:
            job.retries, job.until = 0, 0.0
        else:
            job.ended = verb
        return answer("204 No Content")

    @staticmethod
    def give_away(job: ZeebeJob) -> None:
        """Let it be nobody's, by an incident."""
        job.retries = 0

    # ---- user tasks
    def ask(self, element: str, variables: dict[str, Any] | None = None, **more: Any) -> ZeebeUserTask:
        asking = ZeebeUserTask(str(4503599627370497 + len(self.user_tasks)), element, variables or {}, more)
        self.user_tasks[asking.key] = asking
        return asking

    def _about_people(self, method: str, path: list[str], body: Any) -> bytes:
        if path == ["user-tasks", "search"]:
            first, most = body["page"]["from"], body["page"]["limit"]
            found = [each for each in self.user_tasks.values() if each.state == body["filter"]["state"]]
            return _found({"items": [_told(each) for each in found[first : first + most]]})
        if path[0] == "variables":
            key, _, name = path[1].partition("-")
            return _found({"name": name, "value": json.dumps(self.user_tasks[key].variables[name])})
        asking = self.user_tasks.get(path[1])
        if asking is None:
            return _problem("404 Not Found", "no such user task")
        if method == "GET":
            return _found(_told(asking))
        if path[2] == "variables":
            return _found({"items": [_variable(asking, name) for name in asking.variables]})
        if asking.busy or asking.state != "CREATED":
            asking.busy = max(0, asking.busy - 1)
            return _problem("409 Conflict", f"the user task is {'ASSIGNING' if asking.busy else asking.state}")
        asking.said.append((path[2], body))
        if path[2] == "completion":
            asking.state = "COMPLETED"
        return answer("204 No Content")


def _told(asking: ZeebeUserTask) -> dict[str, Any]:
    return {
        "userTaskKey": asking.key, "state": asking.state, "name": f"Please {asking.element}",
        "elementId": asking.element, "processDefinitionId": "order", "processInstanceKey": f"1{asking.key}",
        "candidateGroups": [], "candidateUsers": [], "priority": 50, **asking.more,
    }  # fmt: skip


def _variable(asking: ZeebeUserTask, name: str) -> dict[str, Any]:
    value, is_cut = json.dumps(asking.variables[name]), name in asking.cut
    key = f"{asking.key}-{name}"
    return {"name": name, "value": value[:3] if is_cut else value, "isTruncated": is_cut, "variableKey": key}


def _found(value: Any) -> bytes:
    return answer(body=json.dumps(value).encode(), content_type="application/json")


def _problem(status: str, detail: str) -> bytes:
    return answer(status, json.dumps({"title": status, "detail": detail}).encode())
