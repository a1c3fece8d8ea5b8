"""What the HTTP connector makes of answers, and of none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from taskyard.connectors.http import HttpConnector, HttpOptions
from taskyard.contracts.connector import Away, Message
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from tests.security.egress.receiver import Asked, answer, receiving
from tests.servers.ports import deaf_port


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    made = Egress(Guard(Rules.parse(["127.0.0.1"])))
    yield made
    await made.aclose()


def connector(egress: Egress, port: int) -> HttpConnector:
    return HttpConnector(HttpOptions(f"http://127.0.0.1:{port}/"), egress)


def messages(*ids: str) -> list[Message]:
    return [Message(id_, id_, id_.encode()) for id_ in ids]


@pytest.mark.parametrize(
    ("status", "sick"),
    [(400, False), (413, False), (422, False), *((each, True) for each in (401, 403, 404, 405, 407, 408, 429, 503))],
)
async def test_the_event_is_not_blamed_for_the_address_or_the_credential(
    status: int, sick: bool, egress: Egress
) -> None:
    async with receiving(answer(f"{status} No")) as receiver:
        (refusal,) = await connector(egress, receiver.port).publish(messages("a"))
        assert refusal is not None
        assert refusal.sick is sick


async def test_one_event_at_which_the_connection_breaks_does_not_hold_up_the_others(egress: Egress) -> None:
    async def serve(asked: Asked, writer: asyncio.StreamWriter) -> None:
        if asked.body == b"poison":
            writer.transport.abort()
        else:
            writer.write(answer())

    async with receiving(serve) as receiver:
        one, other, last = await connector(egress, receiver.port).publish(messages("a", "poison", "b"))
        assert other is not None
        assert (one, last, other.sick) == (None, None, True)


async def test_where_nobody_listens_all_of_them_wait(egress: Egress) -> None:
    with deaf_port() as port, pytest.raises(Away):
        await connector(egress, port).publish(messages("a", "b"))
