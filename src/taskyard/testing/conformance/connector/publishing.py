# ruff: noqa: D102, S101 - the tests' names are the promises
"""What every connector promises of messages that go."""

from __future__ import annotations

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from taskyard.contracts.connector import Away, Connector, Message
from taskyard.testing.conformance.connector.far import FarSide

__all__ = ["TestPublishing", "connector"]

_PATIENCE = 60.0


@pytest_asyncio.fixture
async def connector(far: FarSide) -> AsyncIterator[Connector]:
    """A connector to the far side."""
    made = far.connect()
    yield made
    await made.close()


def message(key: str, text: str, **headers: str) -> Message:
    """A message of its own."""
    return Message(key, str(uuid.uuid4()), text.encode(), tuple(headers.items()))


async def insist(connector: Connector, messages: list[Message]) -> None:
    """Publish as soon as the broker can be reached."""
    async with asyncio.timeout(_PATIENCE):
        while True:
            with contextlib.suppress(Away):
                assert await connector.publish(messages) == [None] * len(messages)
                return
            await asyncio.sleep(0.05)


class TestPublishing:
    """`publish`."""

    pytestmark = pytest.mark.asyncio

    async def test_what_is_acknowledged_has_arrived(self, connector: Connector, far: FarSide) -> None:
        messages = [message(str(number), f'{{"number":{number}}}') for number in range(35)]
        assert await connector.publish(messages) == [None] * 35
        assert sorted(each.body for each in await far.arrived(35)) == sorted(each.body for each in messages)

    async def test_nothing_is_nothing(self, connector: Connector) -> None:
        assert await connector.publish([]) == []

    async def test_bytes_and_headers_arrive_as_they_were(self, connector: Connector, far: FarSide) -> None:
        text = '{"text":"gr\u00fc\u00df dich \U0001f600 \\u0001 <&>"}'
        await connector.publish([message("1", text, taskyard_event="task.created", ce_id="a-1")])
        (arrived,) = await far.arrived(1)
        assert arrived.body == text.encode()
        assert {name.lower().replace("-", "_"): value for name, value in arrived.headers.items()}.items() >= {
            "taskyard_event": "task.created",
            "ce_id": "a-1",
        }.items()

    async def test_messages_of_one_key_arrive_in_order(self, connector: Connector, far: FarSide) -> None:
        for number in range(20):
            await connector.publish([message("a", f"a {number:02}"), message(f"b{number}", f"b {number:02}")])
        bodies = [each.body for each in await far.arrived(40)]
        of_a = [body for body in bodies if body.startswith(b"a")]
        assert (of_a if far.ordered else sorted(of_a)) == [b"a %02d" % number for number in range(20)]

    async def test_only_what_is_too_large_is_refused(self, connector: Connector, far: FarSide) -> None:
        answers = await connector.publish(
            [message("1", "one"), message("2", "x" * far.too_large), message("3", "three")]
        )
        assert [answer is None for answer in answers] == [True, False, True]
        assert answers[1] is not None
        assert answers[1].reason
        assert sorted(each.body for each in await far.arrived(2)) == [b"one", b"three"]

    async def test_a_broker_that_cannot_be_reached_is_away_until_it_can(
        self, connector: Connector, far: FarSide
    ) -> None:
        async with far.away():
            with pytest.raises(Away) as raised:
                await connector.publish([message("1", "lost?")])
            assert str(raised.value)
            with pytest.raises(Away):
                await connector.check()
        await insist(connector, [message("1", "here")])
        assert b"here" in [each.body for each in await far.arrived(1)]

    async def test_one_that_goes_away_in_between_comes_back(self, connector: Connector, far: FarSide) -> None:
        await insist(connector, [message("1", "before")])
        await far.arrived(1)
        async with far.away():
            with pytest.raises(Away):
                await connector.publish([message("1", "meanwhile")])
        await insist(connector, [message("1", "after")])
        assert b"after" in [each.body for each in await far.arrived(1)]

    async def test_a_check_tells_what_there_is(self, connector: Connector, far: FarSide) -> None:
        await insist(connector, [message("1", "so that all is there")])
        if connector.receives:
            await far.put([b"{}"], "1")
        assert await connector.check()
