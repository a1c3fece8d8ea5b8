# ruff: noqa: D102, S101 - the tests' names are the promises
"""What every connector promises of messages that come."""

from __future__ import annotations

import asyncio

import pytest

from taskyard.contracts.connector import Connector, Received
from taskyard.testing.conformance.connector.far import FarSide

__all__ = ["TestReceiving"]

_PATIENCE = 60.0
_QUIET_LOOKS = 1
_TURNS = 50


async def receive(connector: Connector, count: int) -> list[Received]:
    """So many messages."""
    found: list[Received] = []
    async with asyncio.timeout(_PATIENCE):
        while len(found) < count:
            found += await connector.receive()
    assert len(found) == count
    return found


async def is_quiet(connector: Connector) -> bool:
    """Whether nothing more comes."""
    return not [one for _ in range(_QUIET_LOOKS) for one in await connector.receive()]


class TestReceiving:
    """`receive`, `acknowledge`, `extend` and `release`."""

    pytestmark = pytest.mark.asyncio

    async def test_what_is_put_is_received_once_acknowledged(self, connector: Connector, far: FarSide) -> None:
        bodies = [b'{"number":%d}' % number for number in range(12)]
        await far.put(bodies, "a")
        received: list[Received] = []
        while len(received) < len(bodies):
            some = await connector.receive()
            await connector.acknowledge(some)
            received += some
        assert sorted(one.body for one in received) == sorted(bodies)
        assert len({one.id for one in received}) == len(bodies)
        assert await is_quiet(connector)

    async def test_messages_of_one_lane_come_in_order(self, connector: Connector, far: FarSide) -> None:
        await far.put([b"0", b"1", b"2", b"3"], "a")
        received = await receive(connector, 4)
        if far.ordered:
            assert [one.body for one in received] == [b"0", b"1", b"2", b"3"]
            assert len({one.lane for one in received}) == 1

    async def test_what_was_not_acknowledged_comes_again_under_its_id(self, connector: Connector, far: FarSide) -> None:
        await far.put([b"0", b"1", b"2"], "a")
        first = await receive(connector, 3)
        await connector.acknowledge(first[:1])
        await connector.release(first[1:])
        again = await receive(connector, 2)
        assert [(one.id, one.body) for one in sorted(again)] == [(one.id, one.body) for one in sorted(first[1:])]
        await connector.acknowledge(again)
        assert await is_quiet(connector)

    async def test_what_is_extended_stays_hidden(self, connector: Connector, far: FarSide) -> None:
        await far.put([b"0"], "a")
        held = await receive(connector, 1)
        await connector.extend(held)
        assert await is_quiet(connector)
        await connector.acknowledge(held)

    async def test_who_no_longer_waits_keeps_nothing_from_others(self, connector: Connector, far: FarSide) -> None:
        assert await is_quiet(connector)
        waiting = asyncio.create_task(connector.receive())
        for _ in range(_TURNS):  # it has asked by then
            await asyncio.sleep(0)
        waiting.cancel()
        await far.put([b"0"], "a")
        await asyncio.gather(waiting, return_exceptions=True)
        await connector.close()
        other = far.connect()
        try:
            assert [one.body for one in await receive(other, 1)] == [b"0"]
        finally:
            await other.close()

    async def test_another_gets_what_one_left_behind(self, connector: Connector, far: FarSide) -> None:
        await far.put([b"0", b"1", b"2"], "a")
        held = await receive(connector, 3)
        await connector.acknowledge(held[:1])
        await connector.release(held[1:])
        await connector.close()
        other = far.connect()
        try:
            assert sorted(one.body for one in await receive(other, 2)) == sorted(one.body for one in held[1:])
        finally:
            await other.close()
