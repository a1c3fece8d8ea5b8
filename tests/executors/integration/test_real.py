"""What comes from Debian packages: RabbitMQ and MariaDB."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aio_pika
import msgspec
import pytest
from tests.servers.program import Program, running
from tests.servers.queues import end_epmd, mariadb, rabbitmq

from taskyard.contracts.integration import Answer, OperationFailed
from taskyard.errors import CallFailed, ValidationFailed
from taskyard.executors.integration.database.type import Database
from taskyard.executors.integration.queues.type import MessageQueue
from taskyard.testing.conformance.connection import CANARY, Side, call_of
from taskyard.testing.conformance.connection.house import a_house

pytestmark = pytest.mark.real
INJECTED = "x'; DROP TABLE item; -- \\"


@pytest.fixture(scope="module")
def rabbit() -> Iterator[Program]:
    with running(rabbitmq) as server:
        yield server
    end_epmd(server.port)


@pytest.fixture(scope="module")
def maria() -> Iterator[Program]:
    with running(mariadb) as server:
        yield server


async def test_rabbitmq_publishes_with_acknowledgement(rabbit: Program, tmp_path: Path) -> None:
    connection = await aio_pika.connect(f"amqp://guest:guest@{rabbit.address}/")
    channel = await connection.channel()
    queue = await channel.declare_queue("orders")
    async with a_house(tmp_path) as house:
        settings = {"system": "rabbitmq", "servers": [rabbit.address]}
        side = Side(type=MessageQueue(house), settings=settings)
        async with side.link() as link:
            await link.test()
            asked = call_of({"destination": "orders", "headers": {"shop": "{shop}"}}, {"shop": "north"}, key="task-5")
            await asyncio.gather(*(link.call(asked) for _ in range(8)))
            message = await queue.get(timeout=5)
            assert message is not None
            assert (msgspec.json.decode(message.body), message.message_id) == ({"shop": "north"}, "task-5")
            assert message.headers["shop"] == "north"
            for operation in ({"destination": "none"}, {"destination": "none", "key": "x"}):
                with pytest.raises(OperationFailed, match="nowhere to put") as failed:
                    await link.call(call_of(operation, {}))
                assert not failed.value.retryable
            with pytest.raises(OperationFailed, match="more than the broker takes"):
                await link.call(call_of({"destination": "orders", "format": "text"}, "x" * 100_000))
            await link.call(asked)
        wrong = {"username": "guest", "password": CANARY}
        async with side.link(secrets=wrong) as link:
            with pytest.raises(CallFailed) as denied:
                await link.test()
            assert not denied.value.retryable
            assert CANARY not in str(denied.value)
    await connection.close()


async def test_rabbitmq_answers_requests(rabbit: Program, tmp_path: Path) -> None:
    connection = await aio_pika.connect(f"amqp://guest:guest@{rabbit.address}/")
    channel = await connection.channel()
    queue = await channel.declare_queue("double")

    async def double(message: Any) -> None:
        body = msgspec.json.encode({"n": 2 * msgspec.json.decode(message.body)["n"]})
        reply = aio_pika.Message(body, correlation_id=message.correlation_id)
        await channel.default_exchange.publish(reply, routing_key=message.reply_to)

    await queue.consume(double, no_ack=True)
    async with a_house(tmp_path) as house:
        settings = {"system": "rabbitmq", "servers": [rabbit.address]}
        async with Side(type=MessageQueue(house), settings=settings).link() as link:
            answer = await link.call(call_of({"destination": "double", "reply": True}, {"n": 4}))
            assert isinstance(answer, Answer)
            assert answer.output == {"n": 8}
    await connection.close()


async def test_mariadb(maria: Program, tmp_path: Path) -> None:
    secrets = {"username": "root"}
    async with a_house(tmp_path) as house:

        async def run(statement: str, given: Any = None, *, writes: bool = False, **more: Any) -> Any:
            settings = {"url": f"mysql://{maria.address}/test", "readOnly": not writes}
            async with Side(type=Database(house), settings=settings, secrets=secrets).link() as link:
                answer = await link.call(call_of({"statement": statement, **more}, given))
                assert isinstance(answer, Answer)
                return answer.output

        settings = {"url": f"mysql://{maria.address}", "readOnly": False}
        async with Side(type=Database(house), settings=settings, secrets=secrets).link() as link:
            await link.call(call_of({"statement": "CREATE DATABASE test"}))
        await run("CREATE TABLE item (id integer PRIMARY KEY, name text NOT NULL)", writes=True)
        await run("INSERT INTO item VALUES (:id, :name)", {"id": 1, "name": INJECTED}, writes=True)
        assert (await run("SELECT id FROM item WHERE name = :name", {"name": INJECTED}))["rows"] == [{"id": 1}]
        with pytest.raises(OperationFailed, match="nothing is changed"):
            await run("DELETE FROM item", writes=True, expectedUpdateCount=2)
        for statement in ("DELETE FROM item", "DROP TABLE item", "CREATE TABLE evil (x integer)"):
            with pytest.raises((CallFailed, ValidationFailed)) as failed:
                await run(statement)
            assert not getattr(failed.value, "retryable", False)
        for writes in (False, True):
            for statement in ("SELEKT", "SELECT 1; DROP TABLE item", "/*!50000 COMMIT */"):
                with pytest.raises(ValidationFailed):
                    await run(statement, writes=writes)
        with pytest.raises(OperationFailed) as late:
            await run("SELECT SLEEP(600)", timeout=0.3)
        assert late.value.error_code == "TIMEOUT"
        many = "WITH RECURSIVE n AS (SELECT 1 AS x UNION ALL SELECT x + 1 FROM n WHERE x < 900) SELECT x FROM n"
        assert (await run(many, maxRows=2))["truncated"]
        large = many.replace("900", "100").replace("SELECT x FROM", "SELECT repeat('x', 1000000) FROM")
        with pytest.raises(ValidationFailed, match="64 MiB at once"):
            await run(large, result="json-lines")
        assert (await run("SELECT id FROM item"))["rows"] == [{"id": 1}]
        settings = {"url": f"mysql://{maria.address}/test"}
        denied = Side(type=Database(house), settings=settings, secrets={"username": "root", "password": CANARY})
        async with denied.link() as link:
            with pytest.raises(CallFailed) as refused:
                await link.test()
        assert (refused.value.reason, refused.value.retryable) == ("credentials", False)
        assert CANARY not in str(refused.value)
