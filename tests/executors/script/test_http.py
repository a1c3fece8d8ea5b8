"""The target HTTP: held to the contract, and what is its own."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from tests.security.egress.receiver import Asked, Receiver, answer, receiving

from taskyard.calls.breakers import Breakers
from taskyard.contracts.target import Call
from taskyard.domain.outcome import Done, Failed, Handed, Postponed
from taskyard.domain.resources import Resources
from taskyard.executors.script.http import HttpTarget
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.testing import ManualClock
from taskyard.testing.conformance.target import *  # noqa: F403 - its tests run here
from taskyard.testing.conformance.target import Heard, call_of

FRAMES = b"HTTP/1.1 200 OK\r\ncontent-type: application/x-ndjson\r\nconnection: close\r\n\r\n"


def frame(type_: str, **fields: Any) -> bytes:
    return json.dumps({"type": type_, **fields}).encode() + b"\n"


class Endpoint:
    """An endpoint with the suite's programs, one a path."""

    can = frozenset({"speak", "cancel", "token"})

    def __init__(self, target: HttpTarget, receiver: Receiver) -> None:
        self.target = target
        self.receiver = receiver
        receiver.answer = self.serve

    def program(self, name: str) -> Mapping[str, Any]:
        return {"kind": "http", "url": f"http://127.0.0.1:{self.receiver.port}/{name}"}

    async def running(self) -> int:
        return len(self.receiver.serving)

    async def serve(self, asked: Asked, writer: asyncio.StreamWriter) -> None:
        match asked.target:
            case "/echo":
                writer.write(answer(body=asked.body))
            case "/token":
                writer.write(answer(body=json.dumps(asked.headers["idempotency-key"]).encode()))
            case "/speak":
                writer.write(FRAMES + frame("log", level="warning", text="hello"))
                writer.write(frame("progress", current=1, total=2, action="half") + frame("result", output="said"))
            case "/fail":
                writer.write(FRAMES + b"before\n" + frame("error", error={"message": "it broke"}))
            case "/wait":
                writer.write(FRAMES)
                while not writer.transport.is_closing():
                    writer.write(b"\n")
                    await writer.drain()
                    await asyncio.sleep(0.05)
            case "/large":
                writer.write(answer(body=b'"' + b"x" * 200_000 + b'"'))
            case "/garbage":
                writer.write(answer(body=b"{garbage"))
        await writer.drain()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    yield egress
    await egress.aclose()


@pytest.fixture
def http_target(egress: Egress, clock: ManualClock) -> HttpTarget:
    return HttpTarget(lambda: egress, Breakers(clock), clock, _sign, "https://tasks.example.com/")


def _sign(message_id: str, now_us: int, body: bytes) -> dict[str, str]:
    return {"webhook-id": message_id, "webhook-signature": f"{now_us}:{len(body)}"}


@pytest.fixture
async def place(http_target: HttpTarget) -> AsyncIterator[Endpoint]:
    async with receiving() as receiver:
        yield Endpoint(http_target, receiver)


async def called(target: HttpTarget, receiver: Receiver, input_: Any = None, **implementation: Any) -> Any:
    url = f"http://127.0.0.1:{receiver.port}/x?a=1"
    return await target.run(call_of({"kind": "http", "url": url, **implementation}, input_), Heard())


async def test_what_the_endpoint_is_told(http_target: HttpTarget) -> None:
    async with receiving(answer(body=b"")) as receiver:
        call = call_of({"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/"}, {"a": 1})
        assert await http_target.run(call, Heard()) == Done(None)
        headers = receiver.asked[0].headers
        assert (headers["content-type"], receiver.asked[0].body) == ("application/json", b'{"a":1}')
        assert (headers["x-task-id"], headers["x-task-attempt"]) == (call.task_id, "1")
        assert headers["idempotency-key"] == headers["webhook-id"] == call.token
        assert headers["webhook-signature"] == "1893456000000000:7"
        path = f"/api/internal/tasks/{call.task_id}/status?token={call.token}"
        assert headers["x-task-callback"] == f"https://tasks.example.com{path}"


async def test_a_get_carries_the_input_in_its_query(http_target: HttpTarget) -> None:
    async with receiving(answer(body=b"1")) as receiver:
        assert await called(http_target, receiver, {"q": "a b&c=d", "n": [1, None]}, method="GET") == Done(1)
        assert receiver.asked[0].target == "/x?a=1&q=a+b%26c%3Dd&n=%5B1%2Cnull%5D"
        assert receiver.asked[0].body == b""


async def test_who_accepts_answers_later(http_target: HttpTarget) -> None:
    async with receiving(answer("202 Accepted")) as receiver:
        call = call_of({"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/"})
        assert await http_target.run(call, Heard()) == Handed(to_person=False, correlation_id=call.token)


@pytest.mark.parametrize(
    ("status", "body", "code", "retryable", "delay"),
    [
        ("400 No", b"why", "INTEGRATION_ERROR", False, None),
        ("503 Busy", b"", "INTEGRATION_ERROR", True, 9.0),
        ("422 No", b'{"error": {"code": "NO_STOCK", "message": "none left"}}', "NO_STOCK", False, None),
        ("409 No", b'{"error": {"message": "later", "retryable": true}}', "EXECUTION_ERROR", True, None),
        ("302 Found", b"", "INTEGRATION_ERROR", False, None),
        ("404 No", b'{"error": "text"}', "INTEGRATION_ERROR", False, None),
        ("404 No", b"[" * 5000, "INTEGRATION_ERROR", False, None),
    ],
)
async def test_how_an_endpoint_fails(
    http_target: HttpTarget, status: str, body: bytes, code: str, retryable: bool, delay: float | None
) -> None:
    after = {} if delay is None else {"retry_after": "9"}
    async with receiving(answer(status, body, **after)) as receiver:
        report = await called(http_target, receiver)
    assert isinstance(report, Failed)
    assert (report.error.code, report.error.retryable, report.delay) == (code, retryable, delay)


async def test_hostile_frames_do_no_harm(http_target: HttpTarget) -> None:
    hostile = b'\x00\xff{"type"\n{"type": "result"}\n{"type": "log", "text": {}}\n' + b"[" * 9000 + b"\n"
    async with receiving(FRAMES + hostile + frame("result", output=1)) as receiver:
        heard = Heard()
        call = call_of({"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/"})
        assert await http_target.run(call, heard) == Done(1)
        assert all("\0" not in text for _, text in heard.lines)
    async with receiving(FRAMES + b"no result") as receiver:
        report = await called(http_target, receiver)
        assert report.error.details == {"lastOutput": "no result"}


async def test_an_address_that_may_not_be_reached(http_target: HttpTarget) -> None:
    async with receiving() as receiver:
        url = f"http://127.0.0.9:{receiver.port}/"
        report = await http_target.run(call_of({"kind": "http", "url": url}), Heard())
        assert isinstance(report, Failed)
        assert report.error.code == "VALIDATION_ERROR"


async def test_an_endpoint_that_keeps_failing_is_left_alone_and_burns_no_retries(
    http_target: HttpTarget, clock: ManualClock
) -> None:
    async with receiving(answer("500 Oh")) as receiver:
        for _ in range(10):
            assert isinstance(await called(http_target, receiver), Failed)
        report = await called(http_target, receiver)
        assert isinstance(report, Postponed)
        assert report.delay == 30.0
        assert receiver.accepted == 10
        clock.move(30)
        receiver.answer = answer(body=b"1")
        assert await called(http_target, receiver) == Done(1)
        receiver.answer = answer("400 No")
        for _ in range(30):  # what is merely refused opens nothing
            assert isinstance(await called(http_target, receiver), Failed)


@pytest.mark.parametrize("limit", [{"timeout": 0.2}, {"resources": Resources(wall_seconds=0.2)}], ids=str)
async def test_an_endpoint_that_does_not_answer(http_target: HttpTarget, limit: dict[str, Any]) -> None:
    async def silent(asked: Asked, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(30)

    async with receiving(silent) as receiver:
        call: Call = call_of({"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/"}, **limit)
        report = await http_target.run(call, Heard())
    assert isinstance(report, Failed)
    assert report.error.code == "TIMEOUT"
