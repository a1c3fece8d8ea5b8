"""Events on their way in, from a real queue: held while they are worked on, put aside when they cannot be."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from taskyard import Taskyard
from taskyard.connectors.sqs import SqsConnector, SqsOptions
from taskyard.contracts.bus import LetterFilter, LetterStatus
from taskyard.contracts.connector import Received
from taskyard.errors import Overloaded
from taskyard.runtime.intake import Intake, IntakeOptions
from taskyard.security.caller import Caller
from tests.connectors.far_sqs import REGION, FarSqs
from tests.servers.brokers import SQS, SQS_ENVIRONMENT
from tests.servers.program import running
from tests.stories.tools import count_tasks
from tests.support import eventually

VISIBILITY = 8
DEAD = LetterFilter(frozenset({LetterStatus.DEAD}))
CALLER = Caller("connector:sqs", frozenset({"tasks:write"}))


@pytest.fixture
async def far(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[FarSqs]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with running(SQS["ministack"], SQS_ENVIRONMENT) as server:
        far = FarSqs(server, "intake", fifo=False)
        await far.prepare()
        yield far


def connect(far: FarSqs) -> SqsConnector:
    return SqsConnector(SqsOptions(REGION, far.queue_in, far.queue_out), visibility=VISIBILITY, wait=1)


def make_intake(yard: Taskyard, connector: SqsConnector, kind: type[Intake] = Intake) -> Intake:
    return kind(yard.engine, connector, lambda by: None, IntakeOptions(CALLER, extend_every=0.5, wait=no_wait))


async def no_wait(seconds: float) -> None:
    await asyncio.sleep(0)


def request(key: str) -> bytes:
    return json.dumps({"type": "workflow.task_requested", "data": {"taskDefinitionId": key}}).encode()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_message_stays_hidden_while_it_is_worked_on(yard: Taskyard, far: FarSqs) -> None:
    @yard.task
    async def job() -> None: ...

    begun, release = asyncio.Event(), asyncio.Event()

    class Slow(Intake):
        async def _try(self, one: Received) -> None:
            begun.set()
            await release.wait()
            await super()._try(one)

    async with yard:
        connector, other = connect(far), connect(far)
        intake = make_intake(yard, connector, Slow)
        intake.start()
        await far.put([request("job")], "lane")
        await begun.wait()
        loop = asyncio.get_running_loop()
        until = loop.time() + VISIBILITY + 2
        while loop.time() < until:
            assert await other.receive() == []
        release.set()
        await eventually(lambda: intake.taken == 1)
        await intake.stop()
        assert await other.receive() == []
        assert await count_tasks(yard) == 1
        await connector.close()
        await other.close()


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
async def test_a_message_that_keeps_failing_is_put_aside_and_one_for_the_store_waits(
    yard: Taskyard, far: FarSqs
) -> None:
    @yard.task
    async def job() -> None: ...

    tries: list[str] = []

    class Failing(Intake):
        async def _try(self, one: Received) -> None:
            tries.append(one.body.decode())
            if one.body == b'"poison"':
                raise ZeroDivisionError("a fault of ours")
            if tries.count(one.body.decode()) < 9:
                raise Overloaded("the store is away", retry_after=1)
            await super()._try(one)

    async with yard:
        connector = connect(far)
        intake = make_intake(yard, connector, Failing)
        intake.start()
        await far.put([b'"poison"', request("job")], "lane")
        await eventually(lambda: intake.taken == 2)
        await intake.stop()
        (letter,) = await yard.engine.store.letters(DEAD, 9, None)
        assert (letter.body, letter.tries) == (b'"poison"', 5)
        assert "ZeroDivisionError" in letter.reason
        assert tries.count('"poison"') == 5
        assert await count_tasks(yard) == 1
        assert await connector.receive() == []
        await connector.close()
