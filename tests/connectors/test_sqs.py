"""The SQS connector against two servers that speak its protocol, with FIFO and standard queues."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from taskyard.testing.conformance.connector import *  # noqa: F403 - its tests run here
from tests.connectors.far_sqs import FarSqs
from tests.servers.brokers import SQS, SQS_ENVIRONMENT
from tests.servers.program import Program, running

__all__ = ["far"]


@pytest.fixture(scope="module", params=["ministack fifo", "ministack standard", "moto standard"])
def server(request: pytest.FixtureRequest) -> Iterator[tuple[str, Program]]:
    name, _, kind = request.param.partition(" ")
    with running(SQS[name], SQS_ENVIRONMENT) as server:
        yield kind, server


@pytest.fixture
async def far(server: tuple[str, Program], monkeypatch: pytest.MonkeyPatch) -> FarSqs:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    kind, program = server
    far = FarSqs(program, f"t{uuid.uuid4().hex[:8]}", fifo=kind == "fifo")
    await far.prepare()
    return far
