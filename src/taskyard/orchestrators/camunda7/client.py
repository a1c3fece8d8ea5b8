"""The verbs of Camunda 7's REST API that are used here. Raises CallFailed, Gone, Unfit."""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.parse import quote, urlencode

import msgspec

from taskyard.errors import CallFailed
from taskyard.orchestrators.holding import Gone, Unfit
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits

LOCK_SECONDS = 60.0
_POLL_SECONDS = 20.0
_CALL_SECONDS = 15.0
"""For any call: what is held meanwhile stays held."""
_MOST_BYTES = 64 << 20
_TRIES = 10
"""How often what the engine fails at is told: that may be its trouble of the moment, or what it is told."""


class Refused(CallFailed):
    """The engine answered that it will not do this; `status` as HTTP has it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"the engine answered {status}: {text[:500]}", reason="status")
        self.status = status


class External(msgspec.Struct, rename="camel"):
    """An external task as the engine tells it."""

    id: str
    topic_name: str
    variables: dict[str, Any] | None = None
    retries: int | None = None
    process_instance_id: str | None = None
    business_key: str | None = None


class _Held(msgspec.Struct, rename="camel"):
    worker_id: str | None = None


class UserTask(msgspec.Struct, rename="camel"):
    """A user task as the engine tells it; `due` as it writes times."""

    id: str
    task_definition_key: str | None = None
    process_definition_id: str | None = None
    process_instance_id: str | None = None
    name: str | None = None
    description: str | None = None
    assignee: str | None = None
    due: str | None = None
    priority: int = 50


class IdentityLink(msgspec.Struct, rename="camel"):
    """Who may do a user task."""

    type: str
    user_id: str | None = None
    group_id: str | None = None


class Camunda:
    """`url` ends in `/engine-rest`; `authorization` is the whole header, where the engine wants one."""

    def __init__(self, url: str, egress: Egress, authorization: str = "", lock_seconds: float = LOCK_SECONDS) -> None:
        self._url = url.rstrip("/")
        self.lock_seconds = lock_seconds
        self._egress = egress
        self._headers = {"authorization": authorization} if authorization else {}
        self.worker_id = f"taskyard-{socket.gethostname()}-{os.getpid()}-{os.urandom(3).hex()}"

    # ---- external tasks
    async def fetch_and_lock(self, topics: list[str], most: int) -> list[External]:
        """Up to so many of these topics, waited for."""
        asked = [{"topicName": topic, "lockDuration": int(self.lock_seconds * 1000)} for topic in topics]
        body = {
            "workerId": self.worker_id, "maxTasks": most, "usePriority": True,
            "asyncResponseTimeout": int(_POLL_SECONDS * 1000), "topics": asked,
        }  # fmt: skip
        found = await self.post("/external-task/fetchAndLock", body, _POLL_SECONDS + _CALL_SECONDS)
        return msgspec.json.decode(found, type=list[External])

    async def tell(self, id_: str, verb: str, **fields: Any) -> None:
        """`complete`, `failure`, `bpmnError` or `extendLock`."""
        try:
            await self.post(f"/external-task/{quote(id_, safe='')}/{verb}", {"workerId": self.worker_id, **fields})
        except Refused as error:
            if error.status == 404:
                raise Gone(error.message) from None
            if error.status in (400, 500):
                await self._check_held(id_)
                raise (Unfit(error.message) if error.status == 400 else Unfit(error.message, tries=_TRIES)) from None
            raise

    async def _check_held(self, id_: str) -> None:
        """Raises Gone where somebody else holds it: the engine's refusals of that look like those of variables."""
        try:
            found = msgspec.json.decode(await self.get(f"/external-task/{quote(id_, safe='')}"), type=_Held)
        except Refused as error:
            if error.status == 404:
                raise Gone(error.message) from None
            raise
        if found.worker_id != self.worker_id:
            raise Gone("another worker holds it", held=True)

    # ---- user tasks
    async def user_tasks(self, first: int, most: int) -> list[UserTask]:
        """Some of the open ones, by id."""
        query = {"sortBy": "id", "sortOrder": "asc", "firstResult": first, "maxResults": most}
        return msgspec.json.decode(await self.get("/task", query), type=list[UserTask])

    async def check_open(self, id_: str) -> None:
        """Raises Gone where there is no such user task any more."""
        try:
            await self.get(_task(id_))
        except Refused as error:
            if error.status != 404:
                raise
            raise Gone(f"the user task {id_} has ended there") from None

    async def identity_links(self, id_: str) -> list[IdentityLink]:
        """Who may do a user task."""
        found = await self.get(f"{_task(id_)}/identity-links")
        return msgspec.json.decode(found, type=list[IdentityLink])

    async def variables(self, id_: str) -> dict[str, Any]:
        """The typed variables that a user task sees."""
        found = await self.get(f"{_task(id_)}/variables", {"deserializeValues": "false"})
        return msgspec.json.decode(found, type=dict[str, Any])

    async def business_key(self, instance: str) -> str | None:
        """The business key of a process instance."""
        found = msgspec.json.decode(await self.get(f"/process-instance/{quote(instance, safe='')}"))
        return found.get("businessKey") if isinstance(found, dict) else None

    async def end_user_task(self, id_: str, verb: str, body: dict[str, Any]) -> None:
        """`complete` or `bpmnError`. Raises Gone where it has ended meanwhile."""
        try:
            await self.post(f"{_task(id_)}/{verb}", body)
        except Refused as error:
            await self.check_open(id_)
            if error.status == 400:
                raise Unfit(error.message) from None
            raise

    # ---- calls
    async def get(self, path: str, query: dict[str, Any] | None = None) -> bytes:
        """The JSON at a path."""
        return await self._send("GET", path + (f"?{urlencode(query)}" if query else ""), None, {})

    async def post(self, path: str, body: Any, seconds: float = _CALL_SECONDS) -> bytes:
        """The JSON that a body of JSON is answered with."""
        return await self._send("POST", path, msgspec.json.encode(body), {"content-type": "application/json"}, seconds)

    async def upload(self, path: str, fields: dict[str, str], file: tuple[str, bytes]) -> bytes:
        """The same for a form with a file, `(name, content)`."""
        boundary = os.urandom(16).hex()
        name, content = file
        said = {f'name="{field}"': text.encode() for field, text in fields.items()}
        said[f'name="{name}"; filename="{name}"'] = content
        parts = [
            f"--{boundary}\r\nContent-Disposition: form-data; {what}\r\n\r\n".encode() + text + b"\r\n"
            for what, text in said.items()
        ]
        body = b"".join(parts) + f"--{boundary}--\r\n".encode()
        return await self._send("POST", path, body, {"content-type": f"multipart/form-data; boundary={boundary}"})

    async def _send(
        self, method: str, path: str, content: bytes | None, headers: dict[str, str], seconds: float = _CALL_SECONDS
    ) -> bytes:
        limits = Limits(read=seconds, total=seconds, max_bytes=_MOST_BYTES)
        answer = await self._egress.send(
            method, self._url + path, headers={**self._headers, **headers}, content=content, limits=limits
        )
        if answer.status_code >= 300:
            raise Refused(answer.status_code, answer.text)
        return answer.content


def _task(id_: str) -> str:
    return f"/task/{quote(id_, safe='')}"
