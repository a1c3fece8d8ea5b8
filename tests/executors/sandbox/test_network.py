"""`network.allow`: to the endpoints that a definition names, where the operator allows them too, and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.executors.sandbox.calls import TIERS_HERE, Heard, call, error_of, sandbox, value_of

from taskyard.domain.isolation import BUBBLEWRAP, LANDLOCK
from taskyard.executors.script.sandbox.proxy import Proxy, Wanted, read_head
from taskyard.executors.script.sandbox.target import Sandbox
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules

FETCH = {
    "python": "import urllib.request, urllib.error\ndef main(input, ctx):\n    try:\n"
    "        answer = urllib.request.urlopen(input, b'ping', 10)\n"
    "        return [answer.status, answer.read().decode()]\n"
    "    except urllib.error.HTTPError as error:\n        return [error.code, error.read().decode()]",
    "javascript": "export default async (input) => {"
    " const answer = await fetch(input, { method: 'POST', body: 'ping' });"
    " return [answer.status, await answer.text()]; }",
}
DIRECT = """
import socket
def main(input, ctx):
    found = []
    for name, attempt in {
        "tcp": lambda: socket.create_connection(("127.0.0.1", input), 2),
        "udp": lambda: socket.getaddrinfo("example.com", 80),
        "netlink": lambda: socket.socket(16, 3, 0),
        "packet": lambda: socket.socket(17, 3, 0),
    }.items():
        try:
            attempt()
            found.append(name)
        except OSError:
            pass
    return found
"""


class Server:
    """A server on loopback that answers whatever it is asked, and counts."""

    def __init__(self) -> None:
        self.heads: list[bytes] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        if b"Content-Length: 4" in head.title():
            await reader.readexactly(4)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\npong")
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    made = Server()
    listening = await asyncio.start_server(made.answer, "127.0.0.1", 0)
    made.port = listening.sockets[0].getsockname()[1]
    async with listening:
        yield made


@pytest.fixture
async def box() -> AsyncIterator[Sandbox]:
    async with sandbox([BUBBLEWRAP], guard=Guard(Rules.parse(["127.0.0.1"]))) as made:
        yield made


def allowed(port: int) -> dict[str, object]:
    return {"network": {"allow": [f"127.0.0.1:{port}"]}}


@pytest.mark.parametrize("kind", sorted(FETCH) if BUBBLEWRAP in TIERS_HERE else [])
async def test_what_is_allowed_is_reached(box: Sandbox, server: Server, kind: str) -> None:
    address = f"http://127.0.0.1:{server.port}/path?query=1"
    report = await box.run(call(kind, FETCH[kind], address, implementation=allowed(server.port)), Heard())
    assert value_of(report) == [200, "pong"]
    assert server.heads[0].startswith(b"POST /path?query=1 HTTP/1.1\r\n")
    assert not [path for path in box._folders.root.iterdir() if "proxy" in path.name]


@pytest.mark.parametrize("kind", sorted(FETCH) if BUBBLEWRAP in TIERS_HERE else [])
async def test_nothing_else_is(box: Sandbox, server: Server, kind: str) -> None:
    address = f"http://127.0.0.1:{server.port}/"
    report = await box.run(call(kind, FETCH[kind], address, implementation=allowed(1)), Heard())
    assert value_of(report) == [403, f"127.0.0.1:{server.port} is not in the definition's network.allow\n"]
    if kind == "python":
        direct = call(kind, DIRECT, server.port, implementation=allowed(server.port))
        assert value_of(await box.run(direct, Heard())) == []
    assert server.heads == []


@pytest.mark.parametrize("guarded", [True, False] if BUBBLEWRAP in TIERS_HERE else [])
async def test_what_the_operator_does_not_allow_is_refused(server: Server, guarded: bool) -> None:
    address = f"http://127.0.0.1:{server.port}/"
    async with sandbox([BUBBLEWRAP], guard=Guard(Rules.parse()) if guarded else None) as box:
        report = await box.run(call("python", FETCH["python"], address, implementation=allowed(server.port)), Heard())
    if guarded:
        status, text = value_of(report)
        assert (status, "TASKYARD_EGRESS_ALLOW" in text) == (403, True)
    else:
        assert error_of(report).code == "SANDBOX_UNAVAILABLE"
    assert server.heads == []


async def test_a_tier_that_cannot_bound_it_gives_none(server: Server) -> None:
    async with sandbox([LANDLOCK], guard=Guard(Rules.parse(["127.0.0.1"]))) as box:
        heard = Heard()
        report = await box.run(call("python", DIRECT, server.port, implementation=allowed(server.port)), heard)
        assert (error_of(report).code, heard.tiers) == ("SANDBOX_UNAVAILABLE", [])


async def test_the_proxy_speaks_connect(server: Server, tmp_path: Path) -> None:
    path = tmp_path / "proxy"
    async with Proxy(Guard(Rules.parse(["127.0.0.1"])), [f"127.0.0.1:{server.port}"], path):
        reader, writer = await asyncio.open_unix_connection(path)
        writer.write(f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode())
        assert (await reader.read()).endswith(b"pong")
        writer.close()
        for hostile in (b"\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"x" * 20_000, b"CONNECT a HTTP/1.1\r\n\r\n"):
            reader, writer = await asyncio.open_unix_connection(path)
            writer.write(hostile)
            assert (await reader.read()).startswith(b"HTTP/1.1 400")
            writer.close()
    assert not path.exists()


def test_heads_are_rewritten_for_their_server() -> None:
    head = b"GET http://A.example/b?c=1 HTTP/1.1\r\nHost: a.example\r\nProxy-Connection: keep-alive\r\n\r\n"
    expected = b"GET /b?c=1 HTTP/1.1\r\nHost: a.example\r\nConnection: close\r\n\r\n"
    assert read_head(head) == Wanted("a.example", 80, expected)


@given(st.binary(max_size=300))
def test_no_head_makes_it_fail(head: bytes) -> None:
    with contextlib.suppress(ValueError):
        read_head(head + b"\r\n\r\n")
