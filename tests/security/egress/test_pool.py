"""Connections are kept and used again, however many calls are made at once."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import httpx
import pytest

from taskyard.errors import CallFailed
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.pool import Pool
from taskyard.security.egress.rules import Rules
from taskyard.security.egress.terms import Limits
from taskyard.security.egress.tls import tls_context
from taskyard.security.egress.transport import guarded_connect
from tests.security.egress.conftest import MakeEgress
from tests.security.egress.receiver import read

HERE = ["127.0.0.1"]
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"


class Keeping:
    """A server that answers on each connection as often as it is asked, while the gate is open."""

    def __init__(self) -> None:
        self.port = 0
        self.writers: list[asyncio.StreamWriter] = []
        self.asked = 0
        self.waiting = asyncio.Semaphore(0)
        self.gate = asyncio.Event()
        self.gate.set()
        self.ended = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writers.append(writer)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await read(reader)
                self.asked += 1
                self.waiting.release()
                await self.gate.wait()
                writer.write(OK)
        self.ended += 1
        writer.close()


@pytest.fixture
async def keeping() -> AsyncIterator[Keeping]:
    found = Keeping()
    server = await asyncio.start_server(found.serve, "127.0.0.1", 0)
    found.port = server.sockets[0].getsockname()[1]
    yield found
    server.close()
    for writer in found.writers:
        writer.close()


async def test_many_calls_at_once_use_the_same_connections_again(keeping: Keeping, make_egress: MakeEgress) -> None:
    egress = make_egress(HERE)
    left = iter(range(300))

    async def call() -> None:
        for _ in left:
            assert (await egress.send("GET", f"http://127.0.0.1:{keeping.port}/")).text == "ok"

    await asyncio.gather(*(call() for _ in range(40)))
    assert keeping.asked == 300
    assert len(keeping.writers) <= 40


async def test_one_that_the_other_side_has_closed_is_not_used_again(keeping: Keeping, make_egress: MakeEgress) -> None:
    egress = make_egress(HERE)
    url = f"http://127.0.0.1:{keeping.port}/"
    await egress.send("GET", url)
    keeping.writers[0].close()
    await keeping.writers[0].wait_closed()
    assert (await egress.send("GET", url)).text == "ok"
    assert len(keeping.writers) == 2


async def test_who_finds_no_connection_waits_for_one_no_longer_than_may_be(
    keeping: Keeping, make_egress: MakeEgress
) -> None:
    egress = make_egress(HERE, max_connections=1)
    url = f"http://127.0.0.1:{keeping.port}/"
    keeping.gate.clear()
    first = asyncio.create_task(egress.send("GET", url))
    await keeping.waiting.acquire()
    with pytest.raises(CallFailed) as failed:
        await egress.send("GET", url, limits=Limits(read=0.05))
    assert failed.value.reason == "busy"
    with pytest.raises(CallFailed) as failed:
        await egress.send("GET", url, limits=Limits(total=0.15))
    assert failed.value.reason == "busy"
    second = asyncio.create_task(egress.send("GET", url))
    keeping.gate.set()
    assert [(await each).text for each in (first, second)] == ["ok", "ok"]
    assert len(keeping.writers) == 1


async def test_a_call_that_is_cancelled_frees_its_place_and_not_its_connection(
    keeping: Keeping, make_egress: MakeEgress
) -> None:
    egress = make_egress(HERE, max_connections=1)
    url = f"http://127.0.0.1:{keeping.port}/"
    keeping.gate.clear()
    first = asyncio.create_task(egress.send("GET", url))
    await keeping.waiting.acquire()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    keeping.gate.set()
    assert (await egress.send("GET", url)).text == "ok"
    assert len(keeping.writers) == 2


async def test_of_idle_ones_so_many_are_kept_and_the_others_closed(keeping: Keeping) -> None:
    pool = Pool(guarded_connect(Guard(Rules.parse(HERE)), tls_context()), most=10, kept=2, seconds=30.0)
    request = httpx.Request("GET", f"http://127.0.0.1:{keeping.port}/")
    answers = [await pool.handle_async_request(request) for _ in range(5)]
    for each in answers:
        assert await each.aread() == b"ok"
        await each.aclose()
    await _ended(keeping, 3)
    again = [await pool.handle_async_request(request) for _ in range(2)]
    assert len(keeping.writers) == 5
    await pool.aclose()
    for each in again:  # what is in use goes when its answer is closed
        await each.aread()
        await each.aclose()
    await _ended(keeping, 5)


async def test_idle_ones_go_in_time_though_no_other_call_comes(keeping: Keeping) -> None:
    pool = Pool(guarded_connect(Guard(Rules.parse(HERE)), tls_context()), most=10, kept=10, seconds=0.05)
    request = httpx.Request("GET", f"http://127.0.0.1:{keeping.port}/")
    for count in (2, 5):
        answers = [await pool.handle_async_request(request) for _ in range(count - keeping.ended)]
        for each in answers:
            await each.aread()
            await each.aclose()
        await _ended(keeping, count)
    await pool.aclose()


async def test_what_comes_behind_an_answer_is_not_given_to_the_next_call(make_egress: MakeEgress) -> None:
    asked = 0

    async def lie(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await read(reader)
                asked += 1
                writer.write(OK + OK.replace(b"ok", b"no") if asked == 1 else OK)
        writer.close()

    egress = make_egress(HERE)
    async with await asyncio.start_server(lie, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        assert [(await egress.send("GET", url)).text for _ in range(3)] == ["ok"] * 3
        assert asked == 3
        await egress.aclose()


async def test_idle_ones_go_when_their_time_is_over(keeping: Keeping) -> None:
    pool = Pool(guarded_connect(Guard(Rules.parse(HERE)), tls_context()), most=10, kept=10, seconds=-1.0)
    request = httpx.Request("GET", f"http://127.0.0.1:{keeping.port}/")
    for number in (1, 2):
        answer = await pool.handle_async_request(request)
        await answer.aread()
        await answer.aclose()
        await _ended(keeping, number)
    assert len(keeping.writers) == 2
    await pool.aclose()


async def _ended(keeping: Keeping, count: int) -> None:
    async with asyncio.timeout(60):
        while keeping.ended < count:
            await asyncio.sleep(0)
