"""What internal-interfaces.md promises of calls to other services, and of what holds while they are away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskyard.calls.again import SERVICE_CALLS
from taskyard.calls.breakers import Circuit
from taskyard.domain.breaker import SERVICE, BreakerState
from taskyard.domain.resources import ResourcePatch
from taskyard.engine.events import latest_position
from taskyard.errors import CallFailed, CircuitOpen, Overloaded, Unauthorized
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.server import make_services
from taskyard.services.auth import AuthService
from taskyard.services.observability import Observability
from taskyard.services.resource import ResourceService
from taskyard.services.service import Service
from taskyard.services.spans import Spans
from taskyard.testing.clock import ManualClock
from tests.promises.yard import client_of, make_yard, task_of
from tests.servers.receiver import Posted, Receiver, receiving, say
from tests.support import eventually


class Away:
    """A service that a test can take away, and the pauses between the calls of it."""

    def __init__(self, receiver: Receiver, egress: Egress, clock: ManualClock) -> None:
        self.receiver = receiver
        self.clock = clock
        self.circuit = Circuit("service:test", SERVICE, clock)
        self.pauses: list[float] = []
        self.service = Service(receiver.url, egress, self.circuit, wait=self._wait)

    async def _wait(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.move(seconds)


@pytest.fixture
async def away() -> AsyncIterator[Away]:
    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    async with receiving("") as receiver:
        yield Away(receiver, egress, ManualClock())
    await egress.aclose()


async def test_a_call_is_repeated_five_times(away: Away) -> None:
    """internal-interfaces.md § Error Handling › Retry Policies: a call to another service is retried 5 times, 200 ms up
    to 60 s, and then its fallback applies.
    """
    away.receiver.answer = lambda posted: say(503)
    with pytest.raises(CallFailed):
        await away.service.post("/x", {})
    assert len(away.receiver.posted) == 6
    for pause, meant in zip(away.pauses, (0.2, 0.4, 0.8, 1.6, 3.2), strict=True):
        assert pause == pytest.approx(meant, rel=0.21)
    assert (SERVICE_CALLS.max_retries, SERVICE_CALLS.initial_delay, SERVICE_CALLS.max_delay) == (5, 0.2, 60.0)
    resource = ResourceService(away.service, now=lambda: away.clock.now() / 1e6)
    assert await resource.allocate("script") is None


async def test_calls_stop_behind_a_breaker_that_is_told_of(away: Away, tmp_path: Path) -> None:
    """internal-interfaces.md § Error Handling › Retry Policies: calls to a service stop behind its breaker when 30 % of
    them fail, and probes close it again; its state is in the metrics and the readiness details.
    """
    for _ in range(7):
        await away.service.post("/x", {})
    away.receiver.answer = lambda posted: say(500)
    with pytest.raises((CallFailed, CircuitOpen)):
        await away.service.post("/x", {})
    assert away.circuit.state is BreakerState.OPEN
    assert away.circuit.figures()["failureRate"] == pytest.approx(0.3, abs=0.02)
    tried = len(away.receiver.posted)
    with pytest.raises(CircuitOpen):
        await away.service.post("/x", {})
    assert len(away.receiver.posted) == tried
    away.receiver.answer = lambda posted: say(200)
    away.clock.move(31)
    await away.service.post("/x", {})
    assert away.circuit.state is BreakerState.CLOSED

    settings = {"TASKYARD_OBSERVABILITY_SERVICE_URL": away.receiver.url, "TASKYARD_EGRESS_ALLOW": ("127.0.0.1",)}
    yard = make_yard(tmp_path, **settings)
    async with yard:
        observed = yard.app.service("observability")
        assert observed is not None
        async with client_of(yard) as http:
            services = make_services(yard.app, "127.0.0.1", 8420)
            assert services.dependencies()["service:observability"]["state"] == "closed"
            assert http.services.engine is services.engine


def says(caller: dict[str, Any] | None) -> Any:
    def answer(posted: Posted) -> Any:
        assert posted.path == "/api/auth/validate-token"
        return say(200, {"valid": posted.json == {"token": "good"}, **(caller or {})})

    return answer


async def test_tokens_are_validated_by_the_auth_service(away: Away, tmp_path: Path) -> None:
    """internal-interfaces.md § Direct Service Calls: with TASKYARD_AUTH_SERVICE_URL set, a user's token is validated by
    `/api/auth/validate-token` there before any task operation.
    """
    away.receiver.answer = says({"subject": "ada", "scopes": ["tasks:read", "root"], "groups": ["crew"]})
    url, allowed = away.receiver.url, ("127.0.0.1",)
    yard = make_yard(tmp_path, TASKYARD_AUTH_SERVICE_URL=url, TASKYARD_EGRESS_ALLOW=allowed)
    async with yard, client_of(yard) as admin:
        from taskyard.api.server import create_api
        from tests.api.yard import Client

        services = make_services(yard.app, "127.0.0.1", 8420)
        async with Client(create_api(services), services, headers={"Authorization": "Bearer good"}) as http:
            me = (await http.get("/api/v1/me")).json()
            assert me == {"subject": "ada", "scopes": ["tasks:read"], "groups": ["crew"]}
            assert (await http.get("/api/v1/tasks")).status_code == 200
            refused = await http.post("/api/v1/tasks", json={"taskDefinitionId": "add", "input": {"a": 1, "b": 2}})
            assert refused.status_code == 403
            refused = await http.get("/api/v1/tasks", headers={"Authorization": "Bearer bad"})
            assert refused.status_code == 401
        assert admin.services.engine is services.engine


async def test_what_the_auth_service_said_holds_while_it_is_away(away: Away) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: with the auth service unreachable, who was
    accepted lately still is, and nobody else; none is refused for good.
    """
    away.receiver.answer = says({"sub": "ada", "scope": "tasks:read tasks:write"})
    auth = AuthService(away.service, now=lambda: away.clock.now() / 1e6)
    assert (await auth.verify("good")).scopes == {"tasks:read", "tasks:write"}
    with pytest.raises(Unauthorized):
        await auth.verify("bad")
    away.receiver.answer = lambda posted: say(502)
    away.clock.move(100)
    assert (await auth.verify("good")).subject == "ada"
    with pytest.raises(Overloaded):
        await auth.verify("other")
    away.clock.move(300)
    with pytest.raises(Overloaded):
        await auth.verify("good")
    away.receiver.answer = says({"subject": "system", "scopes": ["admin"]})
    away.clock.move(60)
    with pytest.raises(Unauthorized):
        await auth.verify("good")


async def test_each_attempt_is_reported_as_a_span(tmp_path: Path) -> None:
    """internal-interfaces.md § Direct Service Calls: with TASKYARD_OBSERVABILITY_SERVICE_URL set, each attempt is
    reported as a span to `/api/tracing/span` with task, workflow and correlation ids.
    """
    async with receiving("") as receiver:
        url = receiver.url
        settings: dict[str, Any] = {"TASKYARD_OBSERVABILITY_SERVICE_URL": url, "TASKYARD_EGRESS_ALLOW": ("127.0.0.1",)}
        yard = make_yard(tmp_path, **settings)

        @yard.task(retry=1, retry_delay=lambda count: 0)
        async def second_time(ctx: Any) -> int:
            if ctx.attempt == 1:
                raise RuntimeError("not yet")
            return int(ctx.attempt)

        async with yard.worker(concurrency=1), client_of(yard) as http:
            task_id = await http.create("second_time", {}, workflowId="w-1", correlationId="c-1")
            await http.until(task_id, "COMPLETED")
            await eventually(lambda: len(receiver.taken) >= 2)
            first, second = sorted((one.json for one in receiver.taken), key=lambda span: span["attributes"]["attempt"])
            task = await task_of(http, task_id)
    assert {one.path for one in receiver.taken} == {"/api/tracing/span"}
    assert (first["status"], second["status"]) == ("ERROR", "OK")
    assert first["traceId"] == second["traceId"]
    assert first["spanId"] != second["spanId"]
    assert second["endTime"] == task["endTime"]
    wanted = {"taskId": task_id, "workflowId": "w-1", "correlationId": "c-1", "taskDefinitionId": "second_time"}
    assert all(span["attributes"].items() >= wanted.items() for span in (first, second))
    assert first["attributes"]["errorCode"] == "EXECUTION_ERROR"


async def test_a_span_that_the_observability_service_refuses_keeps_no_other_waiting(away: Away, tmp_path: Path) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: with the observability service failing for some
    spans only, these are counted and lost, and all others reported.
    """

    def answer(posted: Posted) -> Any:
        return say({"refused": 422, "breaks": 500}.get(posted.json["attributes"]["workflowId"], 200))

    yard = make_yard(tmp_path)
    async with yard, client_of(yard) as http:
        spans = Spans(yard.engine, "spans", Observability(away.service).report)
        await spans.begin()
        for workflow in (*["fine"] * 30, "refused", "breaks"):
            task_id = await http.create("add", {"a": 1, "b": 2}, workflowId=workflow)
            await http.post(f"/api/internal/tasks/{task_id}/cancel", json={})
        await latest_position(yard.engine)
        away.receiver.answer = answer
        await spans.turn()
        assert await yard.engine.store.reader_position("spans") == await yard.engine.store.feed_end()
    assert {one.json["attributes"]["workflowId"] for one in away.receiver.taken} == {"fine"}
    assert len(away.receiver.taken) == 30
    assert away.circuit.figures()["refused"] == 2


async def test_spans_wait_for_the_observability_service(away: Away, tmp_path: Path) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: with the observability service unreachable, spans
    wait and tasks run on; each is reported when it is back.
    """
    yard = make_yard(tmp_path)
    async with yard, client_of(yard) as http:
        spans = Spans(yard.engine, "spans", Observability(away.service).report)
        await spans.begin()
        ids = [await http.create("add", {"a": 1, "b": 2}) for _ in range(3)]
        for task_id in ids:
            await http.post(f"/api/internal/tasks/{task_id}/cancel", json={})
        away.receiver.answer = lambda posted: say(500)
        await spans.turn()
        assert away.receiver.taken == []
        away.receiver.answer = lambda posted: say(202)
        away.clock.move(60)
        await spans.turn()
        away.clock.move(60)
        await spans.turn()
        assert sorted({one.json["attributes"]["taskId"] for one in away.receiver.taken}) == sorted(ids)


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
async def test_spans_wait_while_the_observability_service_takes_only_some(
    away: Away, tmp_path: Path, status: int
) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: what is not the spans' own fault (a token,
    a limit, a proxy before the service) makes them wait, and loses none.
    """
    yard = make_yard(tmp_path)
    async with yard, client_of(yard) as http:
        spans = Spans(yard.engine, "spans", Observability(away.service).report)
        await spans.begin()
        for workflow in (*["fine"] * 30, "unlucky"):
            task_id = await http.create("add", {"a": 1, "b": 2}, workflowId=workflow)
            await http.post(f"/api/internal/tasks/{task_id}/cancel", json={})
        await latest_position(yard.engine)
        away.receiver.answer = lambda posted: say(
            status if posted.json["attributes"]["workflowId"] == "unlucky" else 200
        )
        await spans.turn()
        away.receiver.answer = lambda posted: say(200)
        away.clock.move(60)
        await spans.turn()
    assert {one.json["attributes"]["workflowId"] for one in away.receiver.taken} == {"fine", "unlucky"}
    assert away.circuit.refused == 0


async def test_without_the_resource_service_the_default_allocations_hold(away: Away, tmp_path: Path) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: with the resource service unreachable, tasks run
    with the default allocations.
    """
    away.receiver.answer = lambda posted: say(200, {"memoryMb": 64})
    resource = ResourceService(away.service, now=lambda: away.clock.now() / 1e6)
    assert await resource.allocate("script") == ResourcePatch(memory_mb=64)
    assert away.receiver.posted[0].json == {"taskDefinitionId": "script"}
    away.receiver.answer = lambda posted: say(200, {"memoryMb": -1})
    away.clock.move(61)
    assert await resource.allocate("script") is None
    away.receiver.answer = lambda posted: say(503)
    away.clock.move(61)
    assert await resource.allocate("script") is None
    called = len(away.receiver.posted)
    assert await resource.allocate("script") is None
    assert len(away.receiver.posted) == called
