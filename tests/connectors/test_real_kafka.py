"""The Kafka connector against Apache Kafka itself: the conformance suite, TLS, rebalance, a broker that is killed."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from taskyard.connectors.kafka import KafkaConnector
from taskyard.contracts.connector import Away, Message, Received
from taskyard.security.egress.tls import tls_context
from taskyard.testing.conformance.connector import *  # noqa: F403
from tests.connectors.far_kafka import FarKafka
from tests.servers.maven import kafka, write_certificates
from tests.servers.program import Program, running

__all__ = ["far"]

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, int, Path]]:
    certificates = tmp_path_factory.mktemp("certificates")
    write_certificates(certificates)
    command, tls = kafka(certificates)
    with running(command) as server:
        yield server, tls, certificates


@pytest.fixture
def far(broker: tuple[Program, int, Path]) -> FarKafka:
    return FarKafka(broker[0], f"t{uuid.uuid4().hex[:8]}", idempotent=True)


def messages(count: int) -> list[Message]:
    return [Message(str(k), str(uuid.uuid4()), b"%d" % k) for k in range(count)]


async def test_over_tls(broker: tuple[Program, int, Path], far: FarKafka) -> None:
    _, tls, certificates = broker
    context = tls_context(authorities=(certificates / "authority.pem").read_text())
    connector = KafkaConnector(far.options._replace(brokers=(f"127.0.0.1:{tls}",), tls=context))
    try:
        assert await connector.publish(messages(3)) == [None] * 3
        assert len(await far.arrived(3)) == 3
    finally:
        await connector.close()
    stranger = KafkaConnector(far.options._replace(brokers=(f"127.0.0.1:{tls}",), tls=tls_context()))
    with pytest.raises(Away):
        await stranger.publish(messages(1))
    await stranger.close()


async def test_members_that_come_and_go_take_each_message_up(far: FarKafka) -> None:
    total = 60
    await far.put([b"%d" % k for k in range(total)], "lane")
    for lane in ("a", "b", "c"):
        await far.put([b"%s %d" % (lane.encode(), k) for k in range(total // 3)], lane)
    taken: list[Received] = []
    first, second = far.connect(), far.connect()

    async def work(connector: KafkaConnector) -> None:
        while True:
            some = await connector.receive()
            taken.extend(some)
            await connector.acknowledge(some)

    working = [asyncio.create_task(work(first))]
    async with asyncio.timeout(60):
        while not taken:
            await asyncio.sleep(0.05)
        working.append(asyncio.create_task(work(second)))
        await asyncio.sleep(0)
        working[0].cancel()  # goes without a word
        await asyncio.gather(working[0], return_exceptions=True)
        await first.close()
        while len({one.id for one in taken}) < 2 * total:
            await asyncio.sleep(0.05)
    working[1].cancel()
    await asyncio.gather(*working, return_exceptions=True)
    await second.close()


async def test_a_broker_that_is_killed_comes_back_with_all_that_it_acknowledged(far: FarKafka) -> None:
    connector = far.connect()
    sent = messages(20)
    assert await connector.publish(sent[:10]) == [None] * 10
    far.server.kill()
    with pytest.raises(Away):
        await connector.publish(sent[10:])
    await asyncio.to_thread(far.server.start)
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(Away):
                assert await connector.publish(sent[10:]) == [None] * 10
                break
    arrived = [one.body for one in await far.arrived(20)]
    assert set(arrived) == {message.body for message in sent}
    await connector.close()
