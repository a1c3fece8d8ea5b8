"""task-execution-layer.md: what the layer is promised to do. System functions and places to run."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from taskyard.testing import World, yard_for_test
from tests.api.yard import Client
from tests.promises.yard import INTERNAL, client_of, make_yard, task_of
from tests.security.egress.receiver import answer, receiving


async def put(http: Client, key: str, implementation: dict[str, Any]) -> None:
    answer = await http.put(f"/api/v1/definitions/{key}", json={"implementation": implementation})
    assert answer.status_code == 201, answer.text


async def ended(http: Client, world: World, key: str, input_: Any, **more: Any) -> dict[str, Any]:
    """The task, once nothing moves any more."""
    asked = await http.post(INTERNAL, json={"taskDefinitionId": key, "input": input_, **more})
    assert asked.status_code == 201, asked.text
    await world.advance(0)
    return await task_of(http, asked.json()["taskId"])


async def test_a_system_function_needs_the_permissions_it_asks_for(http: Client, world: World) -> None:
    """task-execution-layer.md § Key Components › Automated Task Executor: A system function is called by name and only
    when the definition grants the permissions that it asks for."""
    await put(http, "granted", {"kind": "system", "name": "http.fetch", "permissions": ["http:127.0.0.1"]})
    await put(http, "bare", {"kind": "system", "name": "http.fetch"})
    bare = await ended(http, world, "bare", {"url": "http://127.0.0.1/"})
    assert (bare["status"], bare["error"]["code"]) == ("FAILED", "FORBIDDEN")
    assert "http:127.0.0.1" in bare["error"]["message"]
    granted = await ended(http, world, "granted", {"url": "http://127.0.0.1/"})
    assert granted["error"]["code"] == "VALIDATION_ERROR"  # past the permission, and stopped by the egress guard
    assert "TASKYARD_EGRESS_ALLOW" in granted["error"]["message"]


async def test_a_security_context_takes_permissions_away(http: Client, world: World) -> None:
    """task-execution-layer.md § Security: A system function that the definition did not grant cannot be called, nor one
    whose permissions exceed the task's security context."""
    await put(http, "fetch-any", {"kind": "system", "name": "http.fetch", "permissions": ["http:*"]})
    context = {"securityContext": {"permissions": ["http:api.example.com"]}}
    url = {"url": "http://127.0.0.1/"}
    refused = await ended(http, world, "fetch-any", url, executionConfig=context)
    assert refused["error"]["code"] == "FORBIDDEN"
    assert "securityContext" in refused["error"]["message"]


async def test_a_system_implementation_gives_its_functions_value(http: Client, world: World) -> None:
    """task-execution-layer.md § Implementation Examples › Executing an Automated Task: A `system` implementation calls
    the named system function with the input and returns its value as output."""
    await put(http, "render", {"kind": "system", "name": "template.render"})
    task = await ended(http, world, "render", {"template": "{{ a }}-{{ b }}", "values": {"a": 1, "b": "x"}})
    assert (task["status"], task["output"]) == ("COMPLETED", {"text": "1-x"})


FRAMES = b"".join(
    json.dumps(frame).encode() + b"\n"
    for frame in (
        {"type": "log", "level": "warning", "text": "hello"},
        {"type": "progress", "current": 1, "total": 2, "action": "half"},
        {"type": "result", "output": {"b": 2}},
    )
)


async def test_where_code_runs_is_a_choice_of_the_definition(tmp_path: Path) -> None:
    """task-execution-layer.md § Key Components › Automated Task Executor: The place where code runs is a choice of the
    definition: the local machine, AWS Lambda, a Kubernetes job or an HTTP endpoint, with the same input, output,
    progress and errors. (Each of them passes the conformance suite of targets, in tests/executors/script.)"""
    reply = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n" + FRAMES
    python = "def main(input, ctx):\n ctx.log('warning', 'hello')\n ctx.progress(1, 2, 'half')\n return {'b': 2}"
    yard = make_yard(tmp_path, TASKYARD_EGRESS_ALLOW=("127.0.0.1",))
    async with receiving(reply) as receiver, yard_for_test(yard, patience=60) as world, client_of(world.yard) as http:
        await put(http, "here", {"kind": "python", "source": python})
        await put(http, "there", {"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/"})
        here, there = [await ended(http, world, key, {"a": 1}) for key in ("here", "there")]
        assert here["status"] == "COMPLETED", here["error"]
        for name in ("status", "output"):
            assert here[name] == there[name]
        for task in (here, there):
            assert (task["output"], task["progress"]["action"]) == ({"b": 2}, "half")
            logs = (await http.get(f"/api/v1/tasks/{task['taskId']}/logs")).json()["items"]
            assert [(line["level"], line["text"]) for line in logs] == [("warning", "hello")]
        assert receiver.asked[0].body == b'{"a":1}'
        receiver.answer = answer("422 No", b'{"error": {"message": "it broke"}}')
        assert (await ended(http, world, "there", {}))["error"]["message"] == "it broke"
        attempts = (await http.get(f"/api/v1/tasks/{there['taskId']}/attempts")).json()["items"]
        assert attempts[0]["tier"] == "http"


async def test_a_package_brings_a_kind_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """task-execution-layer.md § Architecture: A new kind of implementation can be added by an installed package through
    an entry point, passes the published conformance suite, and needs no change in Taskyard. (That such a one passes
    the suite: tests/executors/script/test_installed.py.)"""
    site = tmp_path / "site"
    info = site / "acme-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[taskyard.targets]\ngpu = acme_promised:Gpu\n")
    (site / "acme_promised.py").write_text(
        "from taskyard.domain.outcome import Done\n"
        "class Gpu:\n"
        "    name, kinds = 'gpu', frozenset({'acme/gpu'})\n"
        "    async def run(self, call, observer): return Done(dict(call.implementation))\n"
        "    async def standings(self): return []\n"
        "    async def start(self): pass\n"
        "    async def stop(self): pass\n"
    )
    monkeypatch.syspath_prepend(site)
    async with yard_for_test(make_yard(tmp_path)) as world, client_of(world.yard) as http:
        await put(http, "own", {"kind": "acme/gpu", "model": "small"})
        assert (await ended(http, world, "own", {}))["output"] == {"kind": "acme/gpu", "model": "small"}
