"""task-execution-layer.md: what the layer is promised to do. System functions and places to run."""

from __future__ import annotations

from typing import Any

from taskyard.testing import World
from tests.api.yard import Client
from tests.promises.yard import INTERNAL, task_of


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
