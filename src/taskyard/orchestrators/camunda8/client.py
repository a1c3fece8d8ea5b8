"""The verbs of Camunda 8's REST API that are used here. Raises CallFailed, Gone, Unfit."""

from __future__ import annotations

import os
import socket
from typing import Any
from urllib.parse import quote

import msgspec

from taskyard.calls.tokens import Tokens
from taskyard.errors import CallFailed
from taskyard.orchestrators.holding import Gone, Unfit
from taskyard.security.egress.client import Egress
from taskyard.security.egress.terms import Limits

HOLD_SECONDS = 60.0
_POLL_SECONDS = 20.0
_CALL_SECONDS = 15.0
"""For any call: what is held meanwhile stays held."""
_MOST_BYTES = 64 << 20
_MOST_VARIABLES = 1000
_OVER = frozenset({"COMPLETED", "CANCELED", "FAILED"})

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


class UserTask(msgspec.Struct, rename="camel"):
    """A user task as it is told; `due_date` in ISO-8601."""

    user_task_key: Key
    state: str = ""
    name: str | None = None
    element_id: str | None = None
    process_definition_id: str | None = None
    process_instance_key: Key | None = None
    assignee: str | None = None
    candidate_groups: list[str] | None = None
    candidate_users: list[str] | None = None
    due_date: str | None = None
    priority: int | None = None

    @property
    def id(self) -> str:
        """Its key, as a text."""
        return str(self.user_task_key)


class Variable(msgspec.Struct, rename="camel"):
    """A variable as it is found; `value` is JSON, cut off where it `is_truncated`."""

    name: str
    value: str
    variable_key: Key | None = None
    is_truncated: bool = False


class _Jobs(msgspec.Struct):
    jobs: list[Job]


class _UserTasks(msgspec.Struct):
    items: list[UserTask]


class _Variables(msgspec.Struct):
    items: list[Variable]


class Zeebe:
    """`url` is what stands before `/v2`; `authorization` the whole header, where it is always the same, else `tokens`
    are shown.
    """

    def __init__(
        self,
        url: str,
        egress: Egress,
        authorization: str = "",
        *,
        tokens: Tokens | None = None,
        hold_seconds: float = HOLD_SECONDS,
    ) -> None:
        self._url = url.rstrip("/").removesuffix("/v2")
        self.hold_seconds = hold_seconds
        self._egress = egress
        self._authorization = authorization
        self._tokens = tokens
        self._worker = f"taskyard-{socket.gethostname()}-{os.getpid()}"

    # ---- jobs
    async def activate(self, type_: str, most: int) -> list[Job]:
        """Up to so many jobs of a type, waited for."""
        body = {
            "type": type_, "worker": self._worker, "timeout": int(self.hold_seconds * 1000), "maxJobsToActivate": most,
            "requestTimeout": int(_POLL_SECONDS * 1000),
        }  # fmt: skip
        found = await self._send("POST", "jobs/activation", body, _POLL_SECONDS + _CALL_SECONDS)
        return msgspec.json.decode(found, type=_Jobs).jobs

    async def tell(self, key: str, verb: str, body: dict[str, Any]) -> None:
        """`completion`, `failure` or `error` of a job."""
        await self._do_held("POST", f"jobs/{quote(key, safe='')}/{verb}", body)

    async def hold(self, key: str) -> None:
        """Let a job's timeout begin anew."""
        changes = {"changeset": {"timeout": int(self.hold_seconds * 1000)}}
        await self._do_held("PATCH", f"jobs/{quote(key, safe='')}", changes)

    # ---- user tasks
    async def user_tasks(self, first: int, most: int) -> list[UserTask]:
        """Some of the open ones, oldest first."""
        query = {
            "filter": {"state": "CREATED"}, "sort": [{"field": "creationDate", "order": "ASC"}],
            "page": {"from": first, "limit": most},
        }  # fmt: skip
        found = await self._send("POST", "user-tasks/search", query)
        return msgspec.json.decode(found, type=_UserTasks).items

    async def variables(self, id_: str) -> dict[str, Any]:
        """The variables that a user task sees. Raises msgspec.DecodeError where one is no JSON."""
        path = f"{_user_task(id_)}/variables/search?truncateValues=false"
        found = await self._send("POST", path, {"page": {"limit": _MOST_VARIABLES}})
        return {
            each.name: msgspec.json.decode(await self._whole(each) if each.is_truncated else each.value)
            for each in msgspec.json.decode(found, type=_Variables).items
        }

    async def check_open(self, id_: str) -> None:
        """Raises Gone where a user task has ended."""
        found = msgspec.json.decode(await self._do("GET", _user_task(id_), None), type=UserTask)
        if found.state in _OVER:
            raise Gone(f"the user task {id_} is {found.state}")

    async def complete_user_task(self, id_: str, variables: dict[str, Any]) -> None:
        """End a user task."""
        await self._do_open("POST", id_, "completion", {"variables": variables})

    async def assign(self, id_: str, person: str | None) -> None:
        """Say whose a user task is; None: nobody's."""
        if person is None:
            await self._do_open("DELETE", id_, "assignee", None)
        else:
            await self._do_open("POST", id_, "assignment", {"assignee": person, "allowOverride": True})

    # ---- calls
    async def _whole(self, variable: Variable) -> str:
        path = f"variables/{quote(str(variable.variable_key), safe='')}"
        return msgspec.json.decode(await self._send("GET", path, None), type=Variable).value

    async def _do_held(self, method: str, path: str, body: dict[str, Any]) -> None:
        """The same about a job, which may be somebody else's."""
        try:
            await self._do(method, path, body)
        except _Refused as refused:
            if refused.status == 409:
                raise Gone(refused.message, held=True) from None
            raise

    async def _do_open(self, method: str, id_: str, verb: str, body: dict[str, Any] | None) -> None:
        """The same about a user task; one that has not ended is only busy with something else."""
        try:
            await self._do(method, f"{_user_task(id_)}/{verb}", body)
        except _Refused as refused:
            if refused.status == 409:
                await self.check_open(id_)
            raise

    async def _do(self, method: str, path: str, body: dict[str, Any] | None) -> bytes:
        """The same about one job or user task, which may be gone."""
        try:
            return await self._send(method, path, body)
        except _Refused as refused:
            if refused.status == 404:
                raise Gone(refused.message) from None
            if refused.status == 400:
                raise Unfit(refused.message) from None
            raise

    async def _send(self, method: str, path: str, body: dict[str, Any] | None, seconds: float = _CALL_SECONDS) -> bytes:
        headers = {"content-type": "application/json", "accept": "application/json"}
        authorization = self._authorization if self._tokens is None else f"Bearer {await self._tokens.get()}"
        answer = await self._egress.send(
            method,
            f"{self._url}/v2/{path}",
            headers={**headers, **({"authorization": authorization} if authorization else {})},
            content=None if body is None else msgspec.json.encode(body),
            limits=Limits(read=seconds, total=seconds, max_bytes=_MOST_BYTES),
        )
        if answer.status_code == 401 and self._tokens is not None:
            self._tokens.refused()
        if answer.status_code >= 300:
            raise _Refused(answer.status_code, answer.text)
        return answer.content


class _Refused(CallFailed):
    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"Zeebe answered {status}: {text[:500]}", reason="status")
        self.status = status


def fields(value: Any, name: str) -> dict[str, Any]:
    """A value as variables: an object's fields, and anything else under `name`."""
    return value if isinstance(value, dict) else {} if value is None else {name: value}


def _user_task(id_: str) -> str:
    return f"user-tasks/{quote(id_, safe='')}"
