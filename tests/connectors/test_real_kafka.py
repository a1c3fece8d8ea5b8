"""The Kafka connector against Apache Kafka itself: the conformance suite, TLS and logins, rebalance, a broker that is
killed.
"""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from taskyard.connecting import make_connector
from taskyard.connectors.kafka import KafkaConnector
from taskyard.contracts.connector import Away, Connector, Message, Received
from taskyard.security.egress.tls import tls_context
from taskyard.settings import load
from taskyard.testing.conformance.connector import *  # noqa: F403 - its tests run here
from tests.connectors.far_kafka import FarKafka
from tests.servers.maven import PASSWORD, USER, Kafka, kafka, write_certificates
from tests.servers.program import Program, running
from tests.support import eventually

__all__ = ["far"]

pytestmark = pytest.mark.real


class Broker(NamedTuple):
    """A node that runs."""

    server: Program
    node: Kafka
    certificates: Path


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    certificates = tmp_path_factory.mktemp("certificates")
    write_certificates(certificates)
    node = kafka(certificates)
    with running(node.command) as server:
        yield Broker(server, node, certificates)


@pytest.fixture
def far(broker: Broker) -> FarKafka:
    return FarKafka(broker.server, f"t{uuid.uuid4().hex[:8]}", idempotent=True)


def messages(count: int) -> list[Message]:
    return [Message(str(k), str(uuid.uuid4()), b"%d" % k) for k in range(count)]


async def test_over_tls(broker: Broker, far: FarKafka) -> None:
    address = (f"127.0.0.1:{broker.node.tls}",)
    context = tls_context(authorities=(broker.certificates / "authority.pem").read_text())
    connector = KafkaConnector(far.options._replace(brokers=address, tls=context))
    try:
        assert await connector.publish(messages(3)) == [None] * 3
        assert len(await far.arrived(3)) == 3
    finally:
        await connector.close()
    stranger = KafkaConnector(far.options._replace(brokers=address, tls=tls_context()))
    with pytest.raises(Away):
        await stranger.publish(messages(1))
    await stranger.close()


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_with_a_login_as_the_settings_say(broker: Broker, far: FarKafka, mechanism: str) -> None:
    settings = {
        "TASKYARD_CONNECTOR": "kafka",
        "KAFKA_BROKERS": f"127.0.0.1:{broker.node.login}",
        "TASKYARD_KAFKA_TOPICS_IN": far.topic_in,
        "TASKYARD_KAFKA_TOPICS_OUT": far.topic_out,
        "TASKYARD_KAFKA_GROUP": far.topic_in,
        "TASKYARD_KAFKA_TLS": "true",
        "TASKYARD_KAFKA_CA_FILE": str(broker.certificates / "authority.pem"),
        "TASKYARD_KAFKA_SASL_MECHANISM": mechanism,
        "TASKYARD_KAFKA_USERNAME": USER,
    }

    def connect(password: str) -> Connector:
        connector = make_connector(load({**settings, "TASKYARD_KAFKA_PASSWORD": password}), pytest.fail)
        assert connector is not None
        return connector

    connector, stranger = connect(PASSWORD), connect("guessed")
    try:
        await far.put([b"hello"], "lane")
        assert await connector.publish(messages(3)) == [None] * 3
        assert len(await far.arrived(3)) == 3
        async with asyncio.timeout(60):
            while not (received := await connector.receive()):
                pass
        assert [one.body for one in received] == [b"hello"]
        await connector.acknowledge(received)
        with pytest.raises(Away) as refused:
            await stranger.publish(messages(1))
        assert "guessed" not in str(refused.value)
    finally:
        await connector.close()
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
    await eventually(lambda: taken, within=60)
    working.append(asyncio.create_task(work(second)))
    await asyncio.sleep(0)
    working[0].cancel()  # goes without a word
    await asyncio.gather(working[0], return_exceptions=True)
    await first.close()
    await eventually(lambda: len({one.id for one in taken}) == 2 * total, within=60)
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
