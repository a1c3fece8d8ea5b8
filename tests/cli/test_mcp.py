"""`taskyard mcp`: the Model Context Protocol over stdin and stdout."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.cli.command import Command

from taskyard import Context, TaskFailed, Taskyard
from taskyard.cli.access.local import LocalAccess
from taskyard.cli.mcp.session import Session
from taskyard.cli.mcp.tools import Toolbox
from taskyard.settings import load

TOOLS = {
    "list_definitions", "list_tasks", "run_task", "start_task", "follow_task", "explain_task", "microservice",
}  # fmt: skip


def make_yard(folder: Path) -> Taskyard:
    yard = Taskyard(
        settings=load({}, folder).with_values(TASKYARD_DATABASE_URL="sqlite:///:memory:", TASKYARD_GRACE=0.0)
    )

    @yard.task
    async def count(ctx: Context, to: int = 4) -> dict[str, int]:
        for number in range(to):
            ctx.progress(number + 1, to, "counting")
            await asyncio.sleep(0)
        ctx.log.info("counted to %d", to)
        return {"to": to}

    @yard.task(retry=0)
    async def refuse() -> None:
        raise TaskFailed("it will not", code="UNWILLING", retryable=False)

    @yard.task
    async def wait_for_ever() -> None:
        await asyncio.Event().wait()

    return yard


class Client:
    """An assistant's end of the line."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[str | None] = asyncio.Queue()
        self.received: asyncio.Queue[str] = asyncio.Queue()
        self._id = 0

    async def lines(self) -> AsyncIterator[bytes]:
        while (line := await self.sent.get()) is not None:
            yield line.encode()

    def write(self, message: Any) -> None:
        self.sent.put_nowait(message if isinstance(message, str) else json.dumps({"jsonrpc": "2.0", **message}))

    async def read(self) -> Any:
        return json.loads(await self.received.get())

    async def ask(self, method: str, **params: Any) -> Any:
        self._id += 1
        self.write({"id": self._id, "method": method, "params": params})
        answer = await self.read()
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", self._id)
        return answer

    async def call(self, tool: str, **arguments: Any) -> Any:
        result = (await self.ask("tools/call", name=tool, arguments=arguments))["result"]
        assert result["isError"] is False, result
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        return result["structuredContent"]


@pytest.fixture
async def client(tmp_path: Path) -> AsyncIterator[Client]:
    client = Client()
    async with make_yard(tmp_path).worker() as yard:
        session = Session(Toolbox(LocalAccess(yard.app)), client.received.put_nowait, "1.0")
        serving = asyncio.create_task(session.serve(client.lines(), grace=0))
        hello = (await client.ask("initialize", protocolVersion="2025-06-18", capabilities={}))["result"]
        assert (hello["protocolVersion"], hello["serverInfo"]["version"]) == ("2025-06-18", "1.0")
        assert hello["capabilities"] == {"tools": {"listChanged": False}}
        client.write({"method": "notifications/initialized"})
        yield client
        client.sent.put_nowait(None)
        await serving


async def test_tasks_are_run_followed_and_explained(client: Client) -> None:
    assert (await client.call("list_definitions"))["items"][0]["key"] == "count"
    ran = await client.call("run_task", definition="count", input={"to": 2})
    assert (ran["status"], ran["output"], ran["ended"]) == ("COMPLETED", {"to": 2}, True)
    assert ran["logs"] == ["counted to 2"]
    followed = await client.call("follow_task", taskId=ran["taskId"])
    assert (followed["ended"], followed["messages"][-1]["type"]) == (True, "end")
    failed = await client.call("run_task", definition="refuse")
    explained = await client.call("explain_task", taskId=failed["taskId"])
    assert "it will not" in explained["reason"]
    assert explained["attempts"][0]["error"]["code"] == "UNWILLING"
    listed = await client.call("list_tasks", status=["FAILED"])
    assert [one["taskId"] for one in listed["items"]] == [failed["taskId"]]


async def test_a_run_that_takes_longer_goes_on(client: Client) -> None:
    ran = await client.call("run_task", definition="wait_for_ever", waitSeconds=0)
    assert ran["ended"] is False
    started = await client.call("start_task", definition="count", options={"delay": 3600})
    assert (await client.call("explain_task", taskId=started["taskId"]))["status"] == "PENDING"


async def test_progress_is_told_to_who_asks_for_it(client: Client) -> None:
    params = {"name": "run_task", "arguments": {"definition": "count"}, "_meta": {"progressToken": "p"}}
    client.write({"id": "x", "method": "tools/call", "params": params})
    told = []
    while "result" not in (message := await client.read()):
        assert (message["method"], message["params"]["progressToken"]) == ("notifications/progress", "p")
        told.append(message["params"]["progress"])
    assert told == sorted(set(told))
    assert told[-1] == 4


async def test_a_request_that_is_given_up_is_not_answered(client: Client) -> None:
    params = {"name": "run_task", "arguments": {"definition": "wait_for_ever"}}
    client.write({"id": 100, "method": "tools/call", "params": params})
    client.write({"method": "notifications/cancelled", "params": {"requestId": 100}})
    assert (await client.ask("ping"))["result"] == {}
    client.write({"id": 100, "method": "ping"})
    assert (await client.read())["id"] == 100


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"definition": "count", "input": {"to": "x"}}, "VALIDATION_ERROR: /input/to"),
        ({"definition": "nothing"}, "NOT_FOUND"),
        ({"definition": 7}, "VALIDATION_ERROR: /definition"),
        ({}, "/definition is required"),
    ],
)
async def test_what_is_refused_is_told_to_the_assistant(client: Client, arguments: dict[str, Any], said: str) -> None:
    result = (await client.ask("tools/call", name="run_task", arguments=arguments))["result"]
    assert result["isError"] is True
    assert said in result["content"][0]["text"]


async def test_faults_of_the_protocol_have_its_codes(client: Client) -> None:
    assert (await client.ask("tools/call", name="nothing"))["error"]["code"] == -32602
    assert (await client.ask("resources/list"))["error"]["code"] == -32601
    for text, code in [("{", -32700), ("[" * 100_000, -32700), ("[]", -32600), ('{"id": 1, "method": "ping"}', -32600)]:
        client.write(text)
        answer = await client.read()
        assert (answer["id"], answer["error"]["code"]) == (None, code)
    assert (await client.ask("ping"))["result"] == {}


async def test_what_cannot_be_written_in_utf8_is_answered(client: Client) -> None:
    client.write(r'{"jsonrpc": "2.0", "id": "\ud800", "method": "ping"}')
    line = await client.received.get()
    assert json.loads(line.encode()) == {"jsonrpc": "2.0", "id": "\ud800", "result": {}}


def test_a_session_of_the_program_ends_with_its_input(program: Command) -> None:
    arguments = {"name": "shop", "folder": str(program / "services"), "connector": "kafka"}
    ended = program.done(
        "mcp",
        text="\n".join(
            json.dumps({"jsonrpc": "2.0", "id": number, "method": method, "params": params})
            for number, (method, params) in enumerate(
                [("tools/list", {}), ("tools/call", {"name": "microservice", "arguments": arguments})]
            )
        ),
    )
    listed, made = sorted(ended.lines, key=lambda one: one["id"])
    assert {one["name"] for one in listed["result"]["tools"]} == TOOLS
    program.done("init", "shop", "--connector", "kafka")
    names = made["result"]["structuredContent"]["files"]
    assert sorted(names) == sorted(path.name for path in (program / "shop").iterdir())
    for name in names:
        assert (program / "services" / "shop" / name).read_text() == (program / "shop" / name).read_text()
