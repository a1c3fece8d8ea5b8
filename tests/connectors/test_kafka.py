"""The Kafka connector against two brokers that speak its protocol."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from taskyard.testing.conformance.connector import *  # noqa: F403
from tests.connectors.far_kafka import FarKafka
from tests.servers.brokers import KAFKA
from tests.servers.program import Program, running

__all__ = ["far"]


@pytest.fixture(scope="module", params=sorted(KAFKA))
def broker(request: pytest.FixtureRequest) -> Iterator[tuple[str, Program]]:
    with running(KAFKA[request.param]) as server:
        yield request.param, server


@pytest.fixture
def far(broker: tuple[str, Program]) -> FarKafka:
    name, server = broker
    return FarKafka(server, f"t{uuid.uuid4().hex[:8]}", idempotent=name != "tansu")
