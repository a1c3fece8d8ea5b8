"""REST keeps to the contract of connection types."""

from asyncio import StreamWriter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.security.egress.receiver import Asked, answer, receiving

from taskyard.executors.integration.rest.type import Rest
from taskyard.testing.conformance.connection import *  # noqa: F403 - the suite
from taskyard.testing.conformance.connection import CANARY, Side
from taskyard.testing.conformance.connection.house import a_house


async def _serve(asked: Asked, writer: StreamWriter) -> None:
    if asked.headers.get("authorization") != f"Bearer {CANARY}":
        reply = answer("401 Unauthorized", b'{"error": "who are you?"}', content_type="application/json")
    elif asked.target.startswith("/missing"):
        reply = answer("404 Not Found")
    else:
        reply = answer(body=b'{"id": 7}', content_type="application/json")
    writer.write(reply)
    await writer.drain()


@pytest.fixture
async def side(tmp_path: Path) -> AsyncIterator[Side]:
    async with receiving(_serve) as server, a_house(tmp_path) as house:
        base = {"baseUrl": f"http://127.0.0.1:{server.port}", "auth": {"type": "bearer"}}
        yield Side(
            type=Rest(house),
            settings=base,
            secrets={"token": CANARY},
            operation={"method": "POST", "path": "/customers/{id}"},
            input={"id": "a-value-of-the-input"},
            wrong_secrets={"token": "another-canary-token"},
            nowhere={**base, "baseUrl": "http://127.0.0.1:1"},
            refused={"path": "/missing"},
            unsound={"method": "STEAL"},
        )
