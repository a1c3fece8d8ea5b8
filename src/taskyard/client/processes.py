"""Processes, deployed and started."""

from __future__ import annotations

from typing import Any

from taskyard.client.talk import API, JsonObject, Stream, Talk, fetch, given, pages, part


def workflows(engine: str = "taskyard") -> Stream[JsonObject]:
    """The processes that can be started."""
    yield from pages(f"{API}/workflows", {"engine": engine})


def workflow(key: str, engine: str = "taskyard") -> Talk[JsonObject]:
    """A process, with its `steps`. Raises NotFound."""
    answer: JsonObject = yield from fetch("GET", f"{API}/workflows/{part(key)}", query={"engine": engine})
    return answer


def deploy_workflow(source: str, engine: str = "taskyard", **about: Any) -> Talk[JsonObject]:
    """Deploy the process in a BPMN file, given as text. Raises ValidationFailed.

    `about`: what is said of it besides, such as `input_schema`.
    """
    body = given(source=source, engine=engine, **about)
    answer: JsonObject = yield from fetch("POST", f"{API}/workflows", body=body, repeatable=True)
    return answer


def start_workflow(
    key: str,
    input: Any = None,
    *,
    engine: str = "taskyard",
    correlation_id: str | None = None,
    idempotency_key: str | None = None,
) -> Talk[JsonObject]:
    """Start an instance; its `instanceId` is the `workflow_id` of its tasks. Raises NotFound, ValidationFailed."""
    body = given(input=input, correlation_id=correlation_id, idempotency_key=idempotency_key)
    path = f"{API}/workflows/{part(key)}/start"
    repeatable = idempotency_key is not None
    answer: JsonObject = yield from fetch("POST", path, query={"engine": engine}, body=body, repeatable=repeatable)
    return answer
