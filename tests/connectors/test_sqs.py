"""The SQS connector against two servers that speak its protocol, with FIFO and standard queues."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from taskyard.testing.conformance.connector import *  # noqa: F403
from tests.connectors.far_sqs import FarSqs
from tests.servers.brokers import SQS, SQS_ENVIRONMENT
from tests.servers.program import Program, running

__all__ = ["far"]


@pytest.fixture(scope="module", params=sorted(SQS))
def server(request: pytest.FixtureRequest) -> Iterator[Program]:
    with running(SQS[request.param], SQS_ENVIRONMENT) as server:
        yield server


@pytest.fixture(params=["fifo", "standard"])
async def far(server: Program, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FarSqs:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    far = FarSqs(server, f"t{uuid.uuid4().hex[:8]}", fifo=request.param == "fifo")
    await far.prepare()
    return far
