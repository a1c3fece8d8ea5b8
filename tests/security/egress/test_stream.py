"""A connection's bytes: bounded while nobody reads them, and not waited for when nobody takes them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable
from unittest.mock import Mock

import httpx
import pytest
import uvloop

from taskyard.errors import CallFailed
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.security.egress.stream import Stream
from taskyard.security.egress.terms import Limits
from tests.security.egress.conftest import MakeEgress
from tests.security.egress.receiver import receiving


def connected() -> tuple[Stream, Mock]:
    """A stream, and the transport that it believes to be connected by."""
    stream, transport = Stream(), Mock(asyncio.Transport)
    stream.connection_made(transport)
    return stream, transport


async def test_what_is_not_read_is_bounded() -> None:
    stream, transport = connected()
    for _ in range(3):
        stream.data_received(b"x" * 65_536)
    transport.pause_reading.assert_called_once_with()
    assert len(await stream.read(65_536)) == 65_536
    transport.resume_reading.assert_called_once_with()
    assert len(await stream.read(1 << 20)) == 2 * 65_536


async def test_the_end_is_told_after_what_came_before_it() -> None:
    stream, _ = connected()
    reading = asyncio.create_task(stream.read(10))
    await asyncio.sleep(0)
    stream.data_received(b"last")
    stream.connection_lost(None)
    assert await reading == b"last"
    assert await stream.read(10) == b""
    with pytest.raises(httpx.WriteError):
        await stream.write(b"more")


async def test_a_reset_is_a_failure() -> None:
    stream, _ = connected()
    stream.connection_lost(ConnectionResetError("by them"))
    with pytest.raises(httpx.ReadError, match="by them"):
        await stream.read(10)


async def test_what_is_gone_is_closed_already() -> None:
    stream, transport = connected()
    transport.abort.side_effect = (
        AttributeError  # as asyncio's, of one that went after a write amid which it was closed
    )
    stream.connection_lost(None)
    await stream.aclose()
    assert stream.is_readable


async def test_what_came_before_the_handshake_is_not_taken_for_encrypted() -> None:
    stream, transport = connected()
    transport.abort.side_effect = lambda: stream.connection_lost(None)
    stream.data_received(b"HTTP/1.1 200 OK\r\n\r\n")
    with pytest.raises(httpx.ConnectError, match="before the TLS handshake"):
        await stream.start_tls(ssl.create_default_context(), "example.com", 1.0)
    transport.abort.assert_called_once_with()


@pytest.mark.parametrize("new_loop", [asyncio.new_event_loop, uvloop.new_event_loop])
def test_who_closes_amid_a_body_is_a_failure_on_either_loop(new_loop: Callable[[], asyncio.AbstractEventLoop]) -> None:
    """uvloop, which serves, lets nothing be written to a connection that is gone."""

    async def send() -> None:
        egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
        is_gone = asyncio.Event()

        async def hang_up(_: object, writer: asyncio.StreamWriter) -> None:
            writer.transport.abort()
            is_gone.set()

        async def pieces() -> AsyncIterator[bytes]:
            yield b"x"
            await is_gone.wait()
            for _ in range(1000):
                yield b"x" * 65_536
                await asyncio.sleep(0)

        async with contextlib.aclosing(egress), receiving(hang_up) as receiver:
            with pytest.raises(CallFailed):
                await egress.send("POST", f"http://127.0.0.1:{receiver.port}/", content=pieces())

    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(send())


async def test_who_takes_nothing_is_given_up_and_let_go_of(make_egress: MakeEgress) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader  # it keeps 64 KiB, and has its connection read no further
        await gone.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(CallFailed):
        await make_egress(["127.0.0.1"]).send(
            "POST", f"http://127.0.0.1:{port}/", content=b"x" * (64 << 20), limits=Limits(total=0.5)
        )
    gone.set()
    server.close()
