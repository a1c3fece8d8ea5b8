"""`taskyard mcp`: the Model Context Protocol over stdin and stdout."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.cli.command import Command, Running

TOOLS = {
    "list_definitions", "list_tasks", "run_task", "start_task", "follow_task", "explain_task", "microservice",
}  # fmt: skip


class Client:
    """An assistant's end of the line."""

    def __init__(self, process: Running) -> None:
        self._process = process
        self._id = 0

    def write(self, text: str) -> None:
        self._process.stdin.write(text + "\n")
        self._process.stdin.flush()

    def read(self) -> Any:
        return json.loads(self._process.line())

    def ask(self, method: str, **params: Any) -> Any:
        self._id += 1
        self.write(json.dumps({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params}))
        answer = self.read()
        assert (answer["jsonrpc"], answer["id"]) == ("2.0", self._id)
        return answer

    def call(self, name: str, **arguments: Any) -> Any:
        result = self.ask("tools/call", name=name, arguments=arguments)["result"]
        assert result["isError"] is False, result
        assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
        return result["structuredContent"]

    def end(self) -> int:
        self._process.stdin.close()
        return self._process.wait()


@pytest.fixture
def client(program: Command) -> Iterator[Client]:
    with program.begin("mcp", "--app", "jobs:yard") as process:
        client = Client(process)
        hello = client.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo={"name": "t"})
        assert hello["result"]["protocolVersion"] == "2025-06-18"
        assert hello["result"]["capabilities"] == {"tools": {"listChanged": False}}
        client.write('{"jsonrpc": "2.0", "method": "notifications/initialized"}')
        yield client
        assert client.end() == 0


def test_tasks_are_run_followed_and_explained(client: Client) -> None:
    keys = [one["key"] for one in client.call("list_definitions")["items"]]
    assert "count" in keys
    ran = client.call("run_task", definition="count", input={"to": 2})
    assert (ran["status"], ran["output"]["to"], ran["ended"]) == ("COMPLETED", 2, True)
    assert "counted to 2" in ran["logs"][0]
    followed = client.call("follow_task", taskId=ran["taskId"])
    assert (followed["ended"], followed["messages"][-1]["type"]) == (True, "end")
    failed = client.call("run_task", definition="refuse")
    explained = client.call("explain_task", taskId=failed["taskId"])
    assert "it will not" in explained["reason"]
    assert explained["attempts"][0]["error"]["code"] == "UNWILLING"
    listed = client.call("list_tasks", status=["FAILED"])
    assert [one["taskId"] for one in listed["items"]] == [failed["taskId"]]


def test_a_run_that_takes_longer_goes_on(client: Client) -> None:
    ran = client.call("run_task", definition="wait_for_ever", waitSeconds=0.2)
    assert ran["ended"] is False
    started = client.call("start_task", definition="count", options={"delay": 3600})
    assert client.call("explain_task", taskId=started["taskId"])["status"] == "PENDING"


def test_progress_is_told_to_who_asks_for_it(client: Client) -> None:
    params = {"name": "run_task", "arguments": {"definition": "count"}, "_meta": {"progressToken": "p"}}
    client.write(json.dumps({"jsonrpc": "2.0", "id": "x", "method": "tools/call", "params": params}))
    told = []
    while "result" not in (message := client.read()):
        assert message["method"] == "notifications/progress"
        assert message["params"]["progressToken"] == "p"
        told.append(message["params"]["progress"])
    assert told == sorted(set(told))
    assert told[-1] == 4


def test_a_request_that_is_given_up_is_not_answered(client: Client) -> None:
    params = {"name": "run_task", "arguments": {"definition": "wait_for_ever"}}
    client.write(json.dumps({"jsonrpc": "2.0", "id": 100, "method": "tools/call", "params": params}))
    client.write('{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 100}}')
    assert client.ask("ping")["result"] == {}


def test_what_is_refused_is_told_to_the_assistant(client: Client) -> None:
    for arguments, said in [
        ({"definition": "count", "input": {"to": "x"}}, "VALIDATION_ERROR: /input/to"),
        ({"definition": "nothing"}, "NOT_FOUND"),
        ({"definition": 7}, "VALIDATION_ERROR: /definition"),
        ({}, "/definition is required"),
    ]:
        result = client.ask("tools/call", name="run_task", arguments=arguments)["result"]
        assert result["isError"] is True
        assert said in result["content"][0]["text"]


def test_faults_of_the_protocol_have_its_codes(client: Client) -> None:
    assert client.ask("tools/call", name="nothing")["error"]["code"] == -32602
    assert client.ask("resources/list")["error"]["code"] == -32601
    for text, code in [("{", -32700), ("[]", -32600), ('{"id": 1, "method": "ping"}', -32600)]:
        client.write(text)
        answer = client.read()
        assert (answer["id"], answer["error"]["code"]) == (None, code)
    assert client.ask("ping")["result"] == {}


def test_a_project_is_made_as_init_makes_it(client: Client, program: Command) -> None:
    tools = {one["name"]: one for one in client.ask("tools/list")["result"]["tools"]}
    assert set(tools) == TOOLS
    assert tools["microservice"]["annotations"]["readOnlyHint"] is False
    made = client.call("microservice", name="shop", folder=str(program / "services"), connector="kafka")
    program.done("init", "shop", "--connector", "kafka")
    for name in made["files"]:
        assert (program / "services" / "shop" / name).read_text() == (program / "shop" / name).read_text()


def test_requests_before_the_end_of_stdin_are_answered(program: Command) -> None:
    requests = [{"jsonrpc": "2.0", "id": n, "method": "ping"} for n in range(3)]
    ended = program.done("mcp", text="\n".join(map(json.dumps, requests)))
    assert sorted(one["id"] for one in ended.lines) == [0, 1, 2]
