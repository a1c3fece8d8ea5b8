from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from tests.security.egress.receiver import Receiver, answer, receiving

from taskyard.domain import system
from taskyard.errors import CallFailed, EgressRefused, Forbidden, ValidationFailed
from taskyard.executors.system.failure import FunctionFailed, report
from taskyard.executors.system.grants import Grants, parse_grants
from taskyard.executors.system.http import fetch
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules

_GIVEN = parse_grants(["http:127.0.0.1"])
GRANTS = Grants(_GIVEN, None, _GIVEN)


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    yield egress
    await egress.aclose()


async def get(egress: Egress, receiver: Receiver, grants: Grants = GRANTS, **asked: Any) -> system.Fetched:
    return await fetch(
        system.Fetch(f"http://127.0.0.1:{receiver.port}/x", **asked), grants, egress, "task-7", seconds=5
    )


@pytest.mark.parametrize(
    ("content_type", "content", "body", "encoding"),
    [
        ("application/json", b'{"a": [1]}', {"a": [1]}, "json"),
        ("application/problem+json; charset=utf-8", b"null", None, "json"),
        ("application/json", b"{broken", "{broken", "utf-8"),
        ("application/json", b"NaN", "NaN", "utf-8"),
        ("text/plain", "grüße".encode(), "grüße", "utf-8"),
        ("image/png", b"\x89PNG", "iVBORw==", "base64"),
        ("text/plain", b"a\0b", "YQBi", "base64"),
    ],
)
async def test_what_comes_back(egress: Egress, content_type: str, content: bytes, body: Any, encoding: str) -> None:
    async with receiving(answer("200 OK", content, content_type=content_type)) as receiver:
        got = await get(egress, receiver)
        assert (got.status, got.body, got.encoding) == (200, body, encoding)
        assert got.headers["content-type"] == content_type


async def test_what_is_sent(egress: Egress) -> None:
    async with receiving() as receiver:
        await get(egress, receiver, method="POST", json={"a": 1}, headers={"X-Own": "y"})
        await get(egress, receiver, method="PUT", body="text", headers={"Idempotency-Key": "mine"})
        first, second = receiver.asked
        assert (first.body, first.headers["content-type"], first.headers["x-own"]) == (
            b'{"a":1}',
            "application/json",
            "y",
        )
        assert (first.headers["idempotency-key"], second.headers["idempotency-key"]) == ("task-7", "mine")
        assert second.body == b"text"


@pytest.mark.parametrize(
    ("status", "retryable", "delay"), [("404 No", False, None), ("503 Busy", True, 7.0), ("500 Oh", True, None)]
)
async def test_a_status_that_says_no_fails_the_task(
    egress: Egress, status: str, retryable: bool, delay: float | None
) -> None:
    after = {} if delay is None else {"retry_after": "7"}
    async with receiving(answer(status, b"why", **after)) as receiver:
        with pytest.raises(FunctionFailed) as failed:
            await get(egress, receiver)
        error = failed.value.error
        assert (error.code, error.retryable, failed.value.delay) == ("INTEGRATION_ERROR", retryable, delay)
        assert error.details == {"status": int(status[:3]), "body": "why"}
        assert (await get(egress, receiver, fail_on_status=False)).status == int(status[:3])


async def test_what_may_not_be_reached_is_not(egress: Egress) -> None:
    everywhere = parse_grants(["http:*"])
    grants = Grants(everywhere, None, everywhere)
    async with receiving() as receiver:
        with pytest.raises(EgressRefused):
            await fetch(system.Fetch(f"http://127.0.0.9:{receiver.port}/"), grants, egress, "t", 5)
        with pytest.raises(Forbidden, match=r"http:127\.0\.0\.1"):
            await get(egress, receiver, Grants((), None, everywhere))
        with pytest.raises(ValidationFailed, match=r"http:\*"):
            await get(egress, receiver, max_redirects=1)
        for headers in ({"Host": "evil"}, {"content-length": "3"}, {"Transfer-Encoding": "chunked"}):
            with pytest.raises(ValidationFailed):
                await get(egress, receiver, headers=headers)
        with pytest.raises(ValidationFailed):
            await get(egress, receiver, method="POST", body="x", json=1)
        assert receiver.accepted == 0


async def test_limits_and_failures_are_told(egress: Egress) -> None:
    async with receiving(answer(body=b"x" * 101)) as receiver:
        with pytest.raises(CallFailed) as large:
            await get(egress, receiver, max_bytes=100)
        assert report(large.value).error.retryable is False
    with pytest.raises(CallFailed) as away:
        await get(egress, receiver)
    told = report(away.value).error
    assert (told.code, told.retryable, told.details) == ("INTEGRATION_ERROR", True, {"reason": "connect"})
