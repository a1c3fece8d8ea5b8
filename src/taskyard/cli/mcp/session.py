"""One session of the protocol: JSON-RPC 2.0, a message a line, requests answered side by side."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from taskyard.cli.access import Json
from taskyard.cli.exits import one_line
from taskyard.cli.mcp.tools import Toolbox, UnknownTool
from taskyard.errors import TaskyardError

PROTOCOL_VERSIONS = ("2025-06-18", "2025-03-26", "2024-11-05")
"""Those this server speaks, the preferred one first; for tools they are the same."""

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603

_INSTRUCTIONS = (
    "Taskyard executes tasks. list_definitions says what can be run and with what input; run_task runs one and waits, "
    "start_task does not wait; follow_task tells what a run does, explain_task why it does not run or why it failed."
)

Write = Callable[[str], None]


class RpcError(Exception):
    """An error of the protocol."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Session:
    """Answers a client's messages. `write` takes a line; `version` is Taskyard's."""

    def __init__(self, tools: Toolbox, write: Write, version: str) -> None:
        self._tools = tools
        self._write = write
        self._version = version
        self._under_way: dict[Any, asyncio.Task[None]] = {}
        self._methods: dict[str, Callable[[Json], Awaitable[Json]]] = {
            "initialize": self._initialize,
            "ping": self._ping,
            "tools/list": self._list_tools,
            "tools/call": self._call_tool,
        }

    async def serve(self, lines: AsyncIterator[bytes], grace: float) -> None:
        """Answer until the lines end; what is under way then has `grace` seconds to end too."""
        try:
            async for line in lines:
                if line.strip():
                    self._take(line)
            if self._under_way:
                await asyncio.wait(self._under_way.values(), timeout=grace)
        finally:
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    def _take(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError) as error:
            self._refuse(None, RpcError(PARSE_ERROR, f"this cannot be read as JSON: {error}"))
            return
        if not isinstance(message, dict) or message.get("jsonrpc") != "2.0":
            self._refuse(None, RpcError(INVALID_REQUEST, "a message is one JSON-RPC 2.0 object; there are no batches"))
        elif "id" not in message:
            self._hear(message)
        elif "method" in message:
            self._begin(message)

    def _hear(self, notification: Json) -> None:
        """Notifications are never answered; the only one that changes anything is that a request is given up."""
        if notification.get("method") == "notifications/cancelled":
            params = notification.get("params")
            id_ = params.get("requestId") if isinstance(params, dict) else None
            if isinstance(id_, str | int) and id_ in self._under_way:
                self._under_way[id_].cancel()

    def _begin(self, request: Json) -> None:
        id_ = request["id"]
        if not isinstance(id_, str | int) or id_ in self._under_way:
            self._refuse(None, RpcError(INVALID_REQUEST, "the id must be a string or a number of its own"))
            return
        task = asyncio.create_task(self._answer(id_, request))
        self._under_way[id_] = task
        task.add_done_callback(lambda _: self._under_way.pop(id_, None))

    async def _answer(self, id_: Any, request: Json) -> None:
        try:
            self._send({"id": id_, "result": await self._result(str(request["method"]), request.get("params", {}))})
        except RpcError as error:
            self._refuse(id_, error)
        except Exception as error:  # noqa: BLE001 - whatever it is, the session lives on
            self._refuse(id_, RpcError(INTERNAL_ERROR, f"{type(error).__name__}: {error}"))

    async def _result(self, name: str, params: Any) -> Json:
        method = self._methods.get(name)
        if method is None:
            raise RpcError(METHOD_NOT_FOUND, f"there is no method {name!r}")
        if not isinstance(params, dict):
            raise RpcError(INVALID_PARAMS, "params must be an object")
        return await method(params)

    async def _initialize(self, params: Json) -> Json:
        wanted = params.get("protocolVersion")
        return {
            "protocolVersion": wanted if wanted in PROTOCOL_VERSIONS else PROTOCOL_VERSIONS[0],
            "capabilities": {"tools": {"listChanged": False}},
            "serverInfo": {"name": "taskyard", "title": "Taskyard", "version": self._version},
            "instructions": _INSTRUCTIONS,
        }

    async def _ping(self, _: Json) -> Json:
        return {}

    async def _list_tools(self, _: Json) -> Json:
        return {"tools": self._tools.describe()}

    async def _call_tool(self, params: Json) -> Json:
        """What a tool gives; what Taskyard refuses is told to the assistant, who may do better next time."""
        name, arguments = params.get("name"), params.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            raise RpcError(INVALID_PARAMS, "name must be a string, and arguments an object")
        token = (params.get("_meta") or {}).get("progressToken")
        try:
            result = await self._tools.call(name, arguments, None if token is None else Progress(self._send, token))
        except UnknownTool as error:
            raise RpcError(INVALID_PARAMS, str(error)) from None
        except TaskyardError as error:
            return {"content": [_text(f"{error.code}: {one_line(error)}")], "isError": True}
        return {
            "content": [_text(json.dumps(result, ensure_ascii=False))],
            "structuredContent": result,
            "isError": False,
        }

    def _refuse(self, id_: Any, error: RpcError) -> None:
        self._send({"id": id_, "error": {"code": error.code, "message": error.message}})

    def _send(self, message: Json) -> None:
        self._write(json.dumps({"jsonrpc": "2.0", **message}))  # ASCII: half a surrogate pair is no UTF-8


class Progress:
    """Tells the client how far a call is; the protocol wants figures that only grow."""

    def __init__(self, send: Callable[[Json], None], token: Any) -> None:
        self._send = send
        self._token = token
        self._last = -1.0

    def tell(self, current: float, total: float | None, message: str | None) -> None:
        """Tell it, unless it is no more than was told before."""
        if current <= self._last:
            return
        self._last = current
        told = {"progressToken": self._token, "progress": current, "total": total, "message": message}
        params = {name: value for name, value in told.items() if value is not None}
        self._send({"method": "notifications/progress", "params": params})


def _text(text: str) -> Json:
    return {"type": "text", "text": text}
