"""`network.allow`: to the endpoints that a definition names, where the operator allows them too, and nowhere else."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import socket
import stat
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.executors.sandbox.calls import TIERS_HERE, Heard, call, error_of, sandbox, value_of
from tests.support import eventually

from taskyard.domain.isolation import BUBBLEWRAP, EMULATED, LANDLOCK
from taskyard.executors.script.sandbox import engines, examine, wayout
from taskyard.executors.script.sandbox.proxy import Proxy, Wanted, read_head
from taskyard.executors.script.sandbox.target import Sandbox
from taskyard.executors.script.sandbox.tiers import lacks_network
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
ASK = b"GET / HTTP/1.1\\r\\n\\r\\n"
def reach(port):
    with socket.create_connection(("127.0.0.1", port), 2) as connected:
        connected.sendall(ASK)
        answer = b"".join(iter(lambda: connected.recv(1000), b""))
    if not answer.endswith(b"pong"):
        raise OSError
def main(input, ctx):
    address, found = ("127.0.0.1", input), []
    for name, attempt in {
        "tcp": lambda: reach(input),
        "resolve": lambda: socket.getaddrinfo("example.com", 80),
        "netlink": lambda: socket.socket(16, 3, 0),
        "packet": lambda: socket.socket(17, 3, 0),
        "udp": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(ASK, address),
        "sctp": lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM, 132),
        "fast": lambda: socket.socket().sendto(ASK, 0x20000000, address),
        "faster": lambda: socket.socket().sendmsg([ASK], [], 0x20000000, address),
        "unix": lambda: socket.socket(socket.AF_UNIX).connect("/run/taskyard-none"),
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


@pytest.fixture(params=TIERS_HERE)
async def box(request: pytest.FixtureRequest) -> AsyncIterator[Sandbox]:
    async with sandbox([request.param], guard=Guard(Rules.parse(["127.0.0.1"]))) as made:
        yield made


def allowed(port: int) -> dict[str, object]:
    return {"network": {"allow": [f"127.0.0.1:{port}"]}}


@pytest.mark.parametrize("kind", sorted(FETCH))
async def test_what_is_allowed_is_reached(box: Sandbox, server: Server, kind: str) -> None:
    address = f"http://127.0.0.1:{server.port}/path?query=1"
    report = await box.run(call(kind, FETCH[kind], address, implementation=allowed(server.port)), Heard())
    assert value_of(report) == [200, "pong"]
    assert server.heads[0].startswith(b"POST /path?query=1 HTTP/1.1\r\n")
    assert not [path for path in box._folders.root.iterdir() if "proxy" in path.name]


async def test_what_runs_the_forwarder_is_looked_for_once(
    box: Sandbox, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    address, asked = f"http://127.0.0.1:{server.port}/", list[str]()
    await box.standings()
    ask = engines._ask

    def ask_once_more(path: str) -> Any:
        asked.append(path)
        return ask(path)

    monkeypatch.setattr(engines, "_ask", ask_once_more)
    for _ in range(3):
        fetch = call("javascript", FETCH["javascript"], address, implementation=allowed(server.port))
        assert value_of(await box.run(fetch, Heard())) == [200, "pong"]
    assert len(asked) <= 1


INTERRUPTED = """
import signal, socket
def main(input, ctx):
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.siginterrupt(signal.SIGALRM, False)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    failed = 0
    for _ in range(300):
        try:
            with socket.socket() as made:
                made.connect(("192.0.2.1", 80))
        except OSError:
            failed += 1
    return failed
"""


async def test_signals_take_back_no_connection(server: Server) -> None:
    async with sandbox([LANDLOCK], guard=Guard(Rules.parse(["127.0.0.1"]))) as box:
        report = await box.run(call("python", INTERRUPTED, implementation=allowed(server.port)), Heard())
    assert value_of(report) == 0


async def test_a_program_may_have_any_name(box: Sandbox, server: Server) -> None:
    address = f"http://127.0.0.1:{server.port}/"
    for name in (b"\xff\xfe", b"a\nTgid:\t1"):
        source = f"import ctypes\nctypes.CDLL(None).prctl(15, {name!r}, 0, 0, 0)\n{FETCH['python']}"
        report = await box.run(call("python", source, address, implementation=allowed(server.port)), Heard())
        assert value_of(report) == [200, "pong"]


@pytest.mark.parametrize("kind", sorted(FETCH))
async def test_nothing_else_is(box: Sandbox, server: Server, kind: str) -> None:
    address = f"http://127.0.0.1:{server.port}/"
    report = await box.run(call(kind, FETCH[kind], address, implementation=allowed(1)), Heard())
    assert value_of(report) == [403, f"127.0.0.1:{server.port} is not in the definition's network.allow\n"]
    if kind == "python":
        heard = Heard()
        direct = value_of(await box.run(call(kind, DIRECT, server.port, implementation=allowed(server.port)), heard))
        assert direct == (["udp"] if heard.tiers == [BUBBLEWRAP] else [])  # into a network with nobody else in it
    assert server.heads == []


@pytest.mark.parametrize("guarded", [True, False])
@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_what_the_operator_does_not_allow_is_refused(server: Server, tier: str, guarded: bool) -> None:
    address = f"http://127.0.0.1:{server.port}/"
    async with sandbox([tier], guard=Guard(Rules.parse()) if guarded else None) as box:
        report = await box.run(call("python", FETCH["python"], address, implementation=allowed(server.port)), Heard())
    if guarded:
        status, text = value_of(report)
        assert (status, "TASKYARD_EGRESS_ALLOW" in text) == (403, True)
    else:
        assert error_of(report).code == "SANDBOX_UNAVAILABLE"
    assert server.heads == []


async def test_it_is_given_only_once_a_canary_has_taken_no_other_way(
    box: Sandbox, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    escapes, probed, answers = examine.escapes, list[str](), ["a program in it could read", ""]

    async def told(kind: str, *more: Any) -> tuple[str, bool]:
        probed.append(kind)
        return answers.pop(0) or (await escapes(kind, *more))[0], False

    monkeypatch.setattr(wayout, "escapes", told)
    fetch = call("python", FETCH["python"], f"http://127.0.0.1:{server.port}/", implementation=allowed(server.port))
    heard = Heard()
    error = error_of(await box.run(fetch, heard))
    assert (error.code, "could read" in error.message, heard.tiers) == ("SANDBOX_UNAVAILABLE", True, [])
    assert server.heads == []
    for _ in range(2):
        assert value_of(await box.run(fetch, Heard())) == [200, "pong"]
    assert probed == ["python"] * 2


async def test_a_canary_that_could_not_answer_is_tried_again_whoever_waited_for_it(
    box: Sandbox, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    escapes, begun, go_on, late = examine.escapes, asyncio.Event(), asyncio.Event(), [True, True]

    async def told(*asked: Any) -> tuple[str, bool]:
        begun.set()
        await go_on.wait()
        return ("it took too long", late.pop()) if late else await escapes(*asked)

    monkeypatch.setattr(wayout, "escapes", told)
    fetch = call("python", FETCH["python"], f"http://127.0.0.1:{server.port}/", implementation=allowed(server.port))
    gone = asyncio.create_task(box.run(fetch, Heard()))
    await begun.wait()
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    go_on.set()
    await asyncio.gather(*box._ways_out._probes.values())
    error = error_of(await box.run(fetch, Heard()))
    assert (error.code, error.retryable, late) == ("SANDBOX_ERROR", True, [])
    assert value_of(await box.run(fetch, Heard())) == [200, "pong"]


async def test_a_canary_finds_what_else_there_is(box: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wayout, "_HARMLESS", dict.fromkeys(wayout._HARMLESS, frozenset()))
    report = await box.run(call("python", FETCH["python"], implementation=allowed(1)), Heard())
    assert re.search(r"could (fork|connect)$", error_of(report).message)


async def test_a_proxy_at_a_file_is_there_for_its_jail_alone(box: Sandbox, server: Server) -> None:
    waits = "import time\ndef main(input, ctx):\n ctx.log.info('up')\n time.sleep(30)"
    running = asyncio.create_task(box.run(call("python", waits, implementation=allowed(server.port)), heard := Heard()))
    await eventually(lambda: heard.lines)
    for path in box._folders.root.glob("proxy-*"):
        seen = path.stat()
        root = os.geteuid() == 0
        assert (stat.S_IMODE(seen.st_mode), seen.st_uid) == (0o660 if root else 0o600, os.geteuid())
        assert (seen.st_gid == os.getegid()) == (not root)
    assert len(list(box._folders.root.glob("proxy-*"))) == (heard.tiers == [BUBBLEWRAP])
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_tier_that_cannot_bound_it_gives_none(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wayout, "lacks_network", lambda tier, _: lacks_network(tier, "5.13.0-old"))
    async with sandbox([LANDLOCK], guard=Guard(Rules.parse(["127.0.0.1"]))) as box:
        heard = Heard()
        error = error_of(await box.run(call("python", DIRECT, server.port, implementation=allowed(server.port)), heard))
        assert (error.code, "5.14" in error.message, heard.tiers) == ("SANDBOX_UNAVAILABLE", True, [])
    assert server.heads == []


@pytest.mark.parametrize(
    ("tier", "release", "lacking"),
    [
        (BUBBLEWRAP, "4.18.0", False), (LANDLOCK, "5.14.0-1", False), (LANDLOCK, "6.1.0", False),
        (LANDLOCK, "5.13.19-2", True), (EMULATED, "6.18.0", True),
    ],
)  # fmt: skip
def test_which_tier_and_kernel_can_bound_a_network(tier: str, release: str, lacking: bool) -> None:
    assert (lacks_network(tier, release) is not None) == lacking


async def test_programs_of_a_shell_go_the_same_way(box: Sandbox, server: Server) -> None:
    source = 'curl -s --data ping "$INPUT_URL"; (curl -s --data ping "$INPUT_URL")'
    url = f"http://127.0.0.1:{server.port}/"
    report = await box.run(call("shell", source, {"url": url}, implementation=allowed(server.port)), Heard())
    assert value_of(report) == {"stdout": "pongpong", "exitCode": 0}
    assert len(server.heads) == 2


async def test_a_jail_that_ends_before_it_asks_leaves_nothing(server: Server) -> None:
    async with sandbox([LANDLOCK], guard=Guard(Rules.parse(["127.0.0.1"]))) as box:
        await box.standings()
        before = open_descriptors()
        asked = call("javascript", "export default () => 1", memory_mb=1, implementation=allowed(server.port))
        assert error_of(await box.run(asked, Heard())).code == "SANDBOX_ERROR"
        assert [each for each in threading.enumerate() if each.name == "taskyard-door"] == []
        assert open_descriptors() <= before


def open_descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


STEERS = """
import socket
def main(input, ctx):
    found = []
    for name, level, option, value in (
        ("source route", socket.IPPROTO_IP, 4, bytes([131, 7, 4, 192, 0, 2, 1, 0])),
        ("fast open", socket.IPPROTO_TCP, 30, 1), ("without a cookie", socket.IPPROTO_TCP, 34, 1),
        ("device", socket.SOL_SOCKET, 25, b"lo"),
    ):
        try:
            socket.socket().setsockopt(level, option, value)
            found.append(name)
        except PermissionError:
            pass
    socket.socket().setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return found
"""


async def test_a_socket_cannot_be_made_to_send_elsewhere(server: Server) -> None:
    async with sandbox([LANDLOCK], guard=Guard(Rules.parse(["127.0.0.1"]))) as box:
        report = await box.run(call("python", STEERS, implementation=allowed(server.port)), Heard())
    assert value_of(report) == []


SPINS = """
import socket
def main(input, ctx):
    kept = []
    for _ in range(300):
        each = socket.socket()
        if len(kept) < 60:
            kept.append(each)
    answers = 0
    for each in kept[-8:]:
        each.connect(("192.0.2.1", 80))
        each.sendall(b"GET / HTTP/1.1\\r\\n\\r\\n")
        answers += each.recv(100).startswith(b"HTTP/1.1 400")
    try:
        kept[0].connect(("192.0.2.1", 80))
    except ConnectionRefusedError:
        return answers
"""


async def test_a_program_that_only_asks_for_sockets_takes_few_of_ours(server: Server) -> None:
    async with sandbox([LANDLOCK], guard=Guard(Rules.parse(["127.0.0.1"]))) as box:
        await box.standings()
        before = open_descriptors()
        running = asyncio.create_task(box.run(call("python", SPINS, implementation=allowed(server.port)), Heard()))
        most = 0
        while not running.done():
            most = max(most, open_descriptors() - before)
            await asyncio.sleep(0)
        assert value_of(await running) == 8
        assert most < 100
    assert server.heads == []


async def test_a_proxy_at_a_port_speaks_with_no_stranger(server: Server) -> None:
    async with Proxy(Guard(Rules.parse(["127.0.0.1"])), [f"127.0.0.1:{server.port}"], None) as proxy:
        ask = f"CONNECT 127.0.0.1:{server.port} HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n".encode()
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(ask)
        with contextlib.suppress(ConnectionError):
            assert await reader.read() == b""
        writer.close()
        with socket.socket() as expected:
            expected.bind(("127.0.0.1", 0))
            proxy.expect(expected.getsockname()[1])
            expected.connect(("127.0.0.1", proxy.port))
            reader, writer = await asyncio.open_connection(sock=expected)
            writer.write(ask)
            assert (await reader.read()).endswith(b"pong")
            writer.close()
    assert len(server.heads) == 1


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
