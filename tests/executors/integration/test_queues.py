"""Message queues: Kafka, SQS, NATS JetStream and Valkey streams, each with a server of its kind."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import socket
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast
from unittest.mock import Mock

import msgspec
import nats
import pytest
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaConnectionError, UnknownTopicOrPartitionError
from redis.asyncio import Redis
from tests.security.egress.conftest import Names
from tests.security.egress.receiver import answer, receiving
from tests.servers.brokers import noida, tansu
from tests.servers.ministack import ministack
from tests.servers.program import Program, running
from tests.servers.queues import nats as nats_server
from tests.servers.queues import valkey

from taskyard.contracts.integration import Answer, OperationFailed
from taskyard.errors import CallFailed, EgressRefused, ValidationFailed
from taskyard.executors.integration import aws
from taskyard.executors.integration.queues import kafka as queues_kafka
from taskyard.executors.integration.queues.shapes import QueueSecrets, QueueSettings, Sent
from taskyard.executors.integration.queues.type import MessageQueue
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.testing.conformance.connection import *  # noqa: F403 - the suite
from taskyard.testing.conformance.connection import CANARY, Side, call_of
from taskyard.testing.conformance.connection.house import a_house

Arrived = tuple[bytes, dict[str, str]]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Far(Side):
    """The side, and what has arrived there: contents with their headers."""

    arrived: Callable[[int], Awaitable[list[Arrived]]]
    destination: str
    too_large: int


@pytest.fixture(scope="module")
def kafka() -> Iterator[Program]:
    with running(noida) as server:
        yield server


@pytest.fixture(scope="module")
def nats_program() -> Iterator[Program]:
    with running(nats_server(CANARY, 1 << 19)) as server:
        yield server


@pytest.fixture(scope="module")
def valkey_program() -> Iterator[Program]:
    with running(valkey(CANARY)) as server:
        yield server


@pytest.fixture(scope="module")
def sqs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with ministack(tmp_path_factory.mktemp("sqs")) as url:
        yield url


@pytest.fixture(params=["kafka", "sqs", "nats", "redis"])
async def side(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Far]:
    name = f"orders-{uuid.uuid4().hex[:8]}"
    async with a_house(tmp_path) as house, contextlib.AsyncExitStack() as stack:
        facts = await stack.enter_async_context(_SIDES[request.param](request, name))
        operation = {"destination": facts.get("destination", name), "headers": {"shop": "north-{shop}"}}
        yield Far(
            type=MessageQueue(house),
            **{
                "operation": operation,
                "input": {"shop": 7, "text": "grüße"},
                "unsound": {"destination": ""},
                "destination": name,
                "nowhere": {**facts["settings"], "servers": ["127.0.0.1:1"]},
                **facts,
            },
        )


@contextlib.asynccontextmanager
async def _kafka(request: pytest.FixtureRequest, name: str) -> AsyncIterator[dict[str, Any]]:
    server: Program = request.getfixturevalue("kafka")

    async def arrived(count: int) -> list[Arrived]:
        consumer = AIOKafkaConsumer(name, bootstrap_servers=server.address, auto_offset_reset="earliest")
        await consumer.start()
        found: list[Arrived] = []
        try:
            async with asyncio.timeout(20):
                while len(found) < count:
                    record = await consumer.getone()
                    found.append((record.value or b"", {key: value.decode() for key, value in record.headers}))
        finally:
            await consumer.stop()
        return found

    settings = {"system": "kafka", "servers": [server.address]}
    yield {"settings": settings, "arrived": arrived, "too_large": 3_000_000}


@contextlib.asynccontextmanager
async def _sqs(request: pytest.FixtureRequest, name: str) -> AsyncIterator[dict[str, Any]]:
    endpoint = request.getfixturevalue("sqs")
    async with aws._session().create_client(
        "sqs", region_name="us-east-1", endpoint_url=endpoint, aws_access_key_id="test", aws_secret_access_key="test"
    ) as client:
        url = (await client.create_queue(QueueName=f"{name}.fifo", Attributes={"FifoQueue": "true"}))["QueueUrl"]

        async def arrived(count: int) -> list[Arrived]:
            found: list[Arrived] = []
            while len(found) < count:
                answer = await client.receive_message(
                    QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
                )
                found += [
                    (
                        message["Body"].encode(),
                        {key: each["StringValue"] for key, each in message.get("MessageAttributes", {}).items()},
                    )
                    for message in answer.get("Messages", ())
                ]
            return found

        settings = {"system": "sqs", "endpoint": endpoint}
        yield {
            "settings": settings,
            "secrets": {"accessKeyId": "courier-key", "secretAccessKey": CANARY},
            "nowhere": {**settings, "endpoint": "http://127.0.0.1:1"},
            "refused": {"destination": "none"},
            "arrived": arrived,
            "destination": f"{name}.fifo",
            "too_large": 1_100_000,
        }


@contextlib.asynccontextmanager
async def _nats(request: pytest.FixtureRequest, name: str) -> AsyncIterator[dict[str, Any]]:
    server: Program = request.getfixturevalue("nats_program")
    client = await nats.connect(f"nats://{server.address}", token=CANARY)
    await client.jetstream().add_stream(name=name, subjects=[name])

    async def arrived(count: int) -> list[Arrived]:
        taking = await client.jetstream().pull_subscribe(name, f"d{uuid.uuid4().hex}")
        return [(message.data, dict(message.headers or {})) for message in await taking.fetch(count, timeout=10)]

    yield {
        "settings": {"system": "nats", "servers": [server.address]},
        "secrets": {"token": CANARY},
        "wrong_secrets": {"token": "another-canary-secret"},
        "arrived": arrived,
        "too_large": 600_000,
    }
    await client.close()


@contextlib.asynccontextmanager
async def _redis(request: pytest.FixtureRequest, name: str) -> AsyncIterator[dict[str, Any]]:
    server: Program = request.getfixturevalue("valkey_program")
    client = Redis(host="127.0.0.1", port=server.port, password=CANARY)

    async def arrived(count: int) -> list[Arrived]:
        entries: list[tuple[bytes, dict[bytes, bytes]]] = await cast("Any", client).xrange(name)
        found = [
            (fields.pop(b"body"), {key.decode(): value.decode() for key, value in fields.items()})
            for _, fields in entries
        ]
        assert len(found) >= count
        return found

    await client.set("no-stream", "x")
    yield {
        "settings": {"system": "redis", "servers": [server.address]},
        "secrets": {"password": CANARY},
        "wrong_secrets": {"password": "another-canary-secret"},
        "refused": {"destination": "no-stream"},
        "arrived": arrived,
        "too_large": 1_100_000,
    }
    await client.aclose()


_SIDES = {"kafka": _kafka, "sqs": _sqs, "nats": _nats, "redis": _redis}


async def test_a_message_arrives_with_its_headers_and_is_acknowledged(side: Far) -> None:
    async with side.link() as link:
        sent = await link.call(call_of(side.operation, side.input, traceparent="00-1-2-01", key="task-9"))
    assert isinstance(sent, Answer)
    assert sent.output
    [(content, headers)] = await side.arrived(1)
    assert msgspec.json.decode(content) == side.input
    assert {**headers, "shop": "north-7", "traceparent": "00-1-2-01"} == headers
    assert "task-9" in headers.values()


async def test_texts_and_bytes(side: Far) -> None:
    async with side.link() as link:
        await link.call(call_of({"destination": side.destination, "format": "text"}, "grüße"))
        await link.call(call_of({"destination": side.destination, "format": "base64"}, "aGk="))
        for form, body in (("text", 7), ("base64", {}), ("base64", "é")):
            with pytest.raises(ValidationFailed):
                await link.call(call_of({"destination": side.destination, "format": form}, body))
    assert sorted(content for content, _ in await side.arrived(2)) == [b"gr\xc3\xbc\xc3\x9fe", b"hi"]


async def test_a_message_that_is_larger_than_the_broker_takes(side: Far) -> None:
    async with side.link() as link:
        with pytest.raises(OperationFailed, match="more than the broker takes") as failed:
            await link.call(call_of({"destination": side.destination, "format": "text"}, "x" * side.too_large))
        error = failed.value
        assert (error.error_code, error.retryable, error.counts) == ("VALIDATION_ERROR", False, False)
        await link.call(call_of(side.operation, side.input))


async def test_destinations_are_filled_with_one_word(side: Far) -> None:
    half, rest = side.destination[:4], side.destination[4:]
    async with side.link() as link:
        await link.call(call_of({"destination": half + "{rest}"}, {"rest": rest}))
        for given in ("a b", "a>b", "*", "a\nb", "", None):
            with pytest.raises(ValidationFailed):
                await link.call(call_of({"destination": "x{rest}"}, {"rest": given}))
    await side.arrived(1)


async def test_request_and_reply(side: Far) -> None:
    asked = call_of({"destination": "double", "reply": True}, {"n": 4})
    if side.settings["system"] != "nats":
        async with side.link() as link:
            with pytest.raises(ValidationFailed, match="no request and reply"):
                await link.call(asked)
        return
    client = await nats.connect(f"nats://{side.settings['servers'][0]}", token=CANARY)

    async def double(message: Any) -> None:
        await message.respond(msgspec.json.encode({"n": 2 * msgspec.json.decode(message.data)["n"]}))

    await client.subscribe("double", cb=double)
    await client.flush()
    async with side.link() as link:
        answer = await link.call(asked)
        assert isinstance(answer, Answer)
        assert answer.output == {"n": 8}
        for operation in ({"destination": "nobody", "reply": True}, {"destination": "no.stream"}):
            with pytest.raises(OperationFailed, match="nobody takes this subject") as failed:
                await link.call(call_of(operation, {}))
            assert (failed.value.retryable, failed.value.counts) == (True, False)
    await client.close()


async def test_what_is_sent_again_is_known_again(side: Far) -> None:
    async with side.link() as link:
        for _ in range(2):
            await link.call(call_of(side.operation, side.input, key="task-3"))
        await link.call(call_of(side.operation, side.input, key="task-4"))
    if side.settings["system"] in ("nats", "sqs"):
        assert len(await side.arrived(2)) == 2


async def test_no_credentials_go_to_a_nats_server_without_the_tls_that_is_wanted(tmp_path: Path) -> None:
    heard = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"auth_required":true}\r\n')
        heard.set_result(await reader.read())
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server, a_house(tmp_path) as house:
        settings = {"system": "nats", "servers": [f"127.0.0.1:{server.sockets[0].getsockname()[1]}"], "tls": "verify"}
        side = Side(type=MessageQueue(house), settings=settings, secrets={"token": CANARY})
        async with side.link() as link:
            with pytest.raises(CallFailed, match="offers no TLS"):
                await link.test()
        assert await heard == b""


async def test_a_connection_that_broke_is_made_anew(nats_program: Program, tmp_path: Path) -> None:
    with running(nats_server(CANARY)) as server:
        settings = {"system": "nats", "servers": ["127.0.0.1:1", server.address]}
        async with a_house(tmp_path) as house:
            side = Side(type=MessageQueue(house), settings=settings, secrets={"token": CANARY})
            async with side.link() as link:
                await link.test()
                server.kill()
                with pytest.raises(CallFailed) as failed:
                    await link.test()
                assert failed.value.retryable
                server.start()
                await link.test()


async def test_no_proxy_is_taken_from_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(answer("400 Bad Request")) as far, receiving(answer()) as proxy, a_house(tmp_path) as house:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.delenv(name, raising=False)
        settings = {"system": "sqs", "region": "us-east-1", "endpoint": f"http://127.0.0.1:{far.port}"}
        secrets = {"accessKeyId": "key", "secretAccessKey": CANARY}
        async with Side(type=MessageQueue(house), settings=settings, secrets=secrets).link() as link:
            with pytest.raises(CallFailed):
                await link.test()
        assert (len(far.asked), len(proxy.asked)) == (1, 0)


@pytest.mark.parametrize("system", ["kafka", "nats", "redis", "rabbitmq"])
async def test_hosts_that_may_not_be_reached(tmp_path: Path, system: str) -> None:
    egress = Egress(Guard(Rules.parse()))
    settings = {"system": system, "servers": ["10.0.0.1:1"], "tls": "off"}
    async with a_house(tmp_path, egress=lambda: egress) as house:
        async with Side(type=MessageQueue(house), settings=settings).link() as link:
            with pytest.raises(EgressRefused):
                await link.test()
    await egress.aclose()


async def test_a_broker_that_the_cluster_names_is_looked_at(kafka: Program, tmp_path: Path) -> None:
    """The way in is allowed by its name; what the cluster says of itself is an address that is not."""
    egress = Egress(Guard(Rules.parse(["localhost"])))
    settings = {"system": "kafka", "servers": [f"localhost:{kafka.port}"]}
    async with a_house(tmp_path, egress=lambda: egress) as house:
        async with Side(type=MessageQueue(house), settings=settings).link() as link:
            with pytest.raises((CallFailed, OperationFailed)):
                await link.call(call_of({"destination": "orders", "timeout": 3}, {}))
        plain = {**settings, "idempotent": False}
        async with Side(type=MessageQueue(house), settings=plain).link() as link:
            with pytest.raises(EgressRefused):
                await link.test()
    await egress.aclose()


async def test_kafka_is_connected_to_at_the_address_that_was_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of who is asked first, and of the broker that it names: of neither is the name looked up again, which could have
    another address by then.
    """
    real, looked_up = socket.getaddrinfo, list[object]()

    def look_up(host: Any, *of: Any, **more: Any) -> Any:
        looked_up.append(host)
        return real(host, *of, **more)

    def command(own: int, folder: Path) -> list[str]:
        binary, verb, *_ = tansu(own, folder)
        told = ["--listener-url", f"tcp://127.0.0.1:{own}", "--advertised-listener-url", f"tcp://broker.example:{own}"]
        return [binary, verb, *told]

    names = Names(way=[["127.0.0.1"]], broker=[["127.0.0.1"]])
    egress = Egress(Guard(Rules.parse(["127.0.0.1"]), names))
    with running(command) as far:
        monkeypatch.setattr(socket, "getaddrinfo", look_up)
        settings = {"system": "kafka", "servers": [f"way.example:{far.port}"], "tls": "off", "idempotent": False}
        async with a_house(tmp_path, egress=lambda: egress) as house:
            async with Side(type=MessageQueue(house), settings=settings).link() as link:
                await link.call(call_of({"destination": "orders", "format": "text"}, CANARY))
    assert set(names.asked) == {"way.example", "broker.example"}
    assert not [host for host in looked_up if str(host).endswith(".example")]
    await egress.aclose()


async def test_a_topic_that_is_not_there_ends_no_other_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []

    class Producer:
        refused = None
        known, unknown = asyncio.Event(), asyncio.Event()

        def __init__(self, *_: object) -> None:
            self.client = self

        async def start(self) -> None:
            pass

        async def stop(self) -> None:
            closed.append(self)

        async def fetch_all_metadata(self) -> None:
            pass

        async def send_and_wait(self, topic: str, *_: object, **more: object) -> Any:
            if topic == "typo":
                raise UnknownTopicOrPartitionError
            self.known.set()
            await self.unknown.wait()
            raise KafkaConnectionError

    monkeypatch.setattr(queues_kafka, "AIOKafkaProducer", Mock())
    monkeypatch.setattr(queues_kafka, "Attached", Producer)
    sent = Sent(destination="orders", content=b"", media_type="text/plain", id="1", key="", headers={}, seconds=1.0)
    async with a_house(tmp_path) as house:
        link = queues_kafka.Kafka(QueueSettings(system="kafka", servers=["127.0.0.1:9"]), QueueSecrets(), house)
        first = asyncio.create_task(link.send(sent))
        await Producer.known.wait()
        with pytest.raises(OperationFailed, match="not there"):
            await link.send(sent._replace(destination="typo"))
        assert not closed
        await link.close()
        await link.test()  # with another producer
        Producer.unknown.set()
        with pytest.raises(CallFailed):
            await first
        assert len(closed) == 1
        await link.close()


@pytest.mark.parametrize(
    "settings",
    [
        {"system": "kafka"},
        {"system": "redis", "servers": ["h:x"]},
        {"system": "nats", "servers": ["h:99999"]},
        {"system": "rabbitmq", "servers": [":5"]},
        {"system": "kafka", "servers": ["h:1"], "tls": "verify", "authorities": "nonsense"},
    ],
)
async def test_settings_that_cannot_work(tmp_path: Path, settings: dict[str, Any]) -> None:
    async with a_house(tmp_path) as house:
        with pytest.raises(ValidationFailed):
            async with Side(type=MessageQueue(house), settings=settings).link():
                pass
