"""The SQS connector against ElasticMQ."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from taskyard.testing.conformance.connector import *  # noqa: F403 - its tests run here
from tests.connectors.far_sqs import FarSqs
from tests.servers.maven import elasticmq
from tests.servers.program import Program, running

__all__ = ["far"]

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def server() -> Iterator[Program]:
    with running(elasticmq) as server:
        yield server


@pytest.fixture(params=["fifo", "standard"])
async def far(server: Program, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> FarSqs:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    far = FarSqs(server, f"t{uuid.uuid4().hex[:8]}", fifo=request.param == "fifo")
    await far.prepare()
    return far
