"""What everybody who speaks to Kafka has in common."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Final, Generic, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka import errors as kafka
from aiokafka.client import ConnectionGroup

from taskyard.errors import CallFailed, TaskyardError

Client = TypeVar("Client", AIOKafkaProducer, AIOKafkaConsumer)

GRACE = 5.0
"""Seconds that a client may take to end in good order."""

REFUSED: Final = (
    kafka.MessageSizeTooLargeError,
    kafka.RecordTooLargeError,
    kafka.RecordListTooLargeError,
    kafka.InvalidMessageError,
    kafka.CorruptRecordException,
    kafka.InvalidTimestampError,
    kafka.PolicyViolationError,
    kafka.UnsupportedForMessageFormatError,
)
"""What the message is to blame for, rather than the cluster."""


def client_options(
    brokers: Sequence[str],
    *,
    patience: float,
    tls: ssl.SSLContext | None = None,
    mechanism: str = "",
    username: str = "",
    password: str = "",
) -> dict[str, Any]:
    """What aiokafka's clients are made with. `patience` in seconds; a `mechanism` means SASL."""
    protocol = f"{'SASL_' if mechanism else ''}{'SSL' if tls else 'PLAINTEXT'}"
    sasl = {"sasl_mechanism": mechanism, "sasl_plain_username": username, "sasl_plain_password": password}
    return {
        "bootstrap_servers": list(brokers),
        "client_id": "taskyard",
        "request_timeout_ms": int(patience * 1000),
        "security_protocol": protocol,
        "ssl_context": tls,
        **(sasl if mechanism else {}),
    }


def server(host: object, port: int) -> str:
    """As aiokafka reads it."""
    return f"[{host}]:{port}" if ":" in str(host) else f"{host}:{port}"


class Way:
    """Connects a client of aiokafka to addresses that were looked at, and never to a name.

    `await look(host, port)` gives the addresses, and raises EgressRefused or CallFailed where there are none: a broker
    of that name cannot be reached, and `refused` is the error. `tls(host)` is the context for who has the name,
    whatever is connected to.
    """

    def __init__(
        self,
        look: Callable[[str, int], Awaitable[Sequence[object]]],
        tls: Callable[[str], ssl.SSLContext | None],
    ) -> None:
        self._look, self._tls = look, tls
        self._one_by_one = asyncio.Lock()
        self._address: object = None
        self.refused: TaskyardError | None = None

    def lead(self, inner: Any) -> None:
        """Take the place of what this client connects by."""
        self._inner, cluster = inner, inner.cluster
        self._bootstrap, inner.bootstrap = inner.bootstrap, self._bootstrapped
        self._connect, inner._get_conn = inner._get_conn, self._connected
        self._named, cluster.broker_metadata = cluster.broker_metadata, self._addressed

    async def _bootstrapped(self) -> None:
        """Ask the first that answers for the cluster. Raises EgressRefused, else what failed last."""
        servers, failure = self._inner._bootstrap_servers, None
        try:
            for host, port, _ in self._inner.hosts:
                try:
                    for address in await self._look(host, port):
                        self._inner._bootstrap_servers = [server(address, port)]
                        self._inner._ssl_context = self._tls(host)
                        with contextlib.suppress(kafka.KafkaConnectionError):
                            await self._bootstrap()
                            return
                except CallFailed as failed:
                    failure = failed
        finally:
            self._inner._bootstrap_servers = servers
        raise failure or kafka.KafkaConnectionError(f"none of {servers} can be reached")

    async def _connected(self, node_id: int | str, *, group: int = ConnectionGroup.DEFAULT, **more: Any) -> Any:
        found, broker = self._inner._conns.get((node_id, group)), self._named(node_id)
        if broker is None or (found is not None and found.connected()):
            return await self._connect(node_id, group=group, **more)
        try:
            addresses = await self._look(broker.host, broker.port)
        except TaskyardError as refused:
            self.refused = refused
            return None
        self.refused = None
        for address in addresses:
            async with self._one_by_one:  # as aiokafka does in any case
                self._address, self._inner._ssl_context = address, self._tls(broker.host)
                try:
                    connection = await self._connect(node_id, group=group, **more)
                finally:
                    self._address = None
            if connection is not None:
                return connection
        return None

    def _addressed(self, node_id: int | str) -> Any:
        """aiokafka connects to the host that stands here."""
        broker = self._named(node_id)
        return broker if broker is None or self._address is None else broker._replace(host=str(self._address))


class Attached(Generic[Client]):
    """A client of aiokafka, none of whose tasks, connections and messages outlives it.

    aiokafka's own `stop` waits for a cluster that is away, and leaves its tasks running where it is not waited for.
    It connects by the `way`, where there is one.
    """

    def __init__(self, client: Client, way: Way | None = None) -> None:
        self.client = client
        self._inner: Any = client.client if isinstance(client, AIOKafkaProducer) else client._client
        self._way = way
        if way is not None:
            way.lead(self._inner)
        self._connect, self._inner._get_conn = self._inner._get_conn, self._connected
        if isinstance(client, AIOKafkaProducer):
            accumulator = client._message_accumulator
            self._append, accumulator._append_batch = accumulator._append_batch, self._appended
        self._limits: set[asyncio.Timeout] = set()
        self._open: dict[asyncio.Future[None], asyncio.Transport] = {}
        self._severed = False

    @property
    def refused(self) -> TaskyardError | None:
        """Why the last broker that was to be connected to could not be looked at."""
        return None if self._way is None else self._way.refused

    async def start(self) -> None:
        """Connect it; it is stopped where that fails."""
        try:
            await self.client.start()
        except BaseException:
            await self.stop()
            raise

    async def stop(self, *, at_once: bool = False) -> None:
        """Disconnect. Unless `at_once`, what it is at has `GRACE` seconds to end; what is not sent by then never is."""
        ending = asyncio.create_task(self._end())
        try:
            await asyncio.wait({ending}, timeout=0 if at_once else GRACE)
        finally:
            self._sever()
            await asyncio.wait({ending}, timeout=GRACE)
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
            await self._inner.close()

    async def _end(self) -> None:
        if isinstance(self.client, AIOKafkaProducer):
            with contextlib.suppress(TimeoutError):
                async with self._until_severed():
                    await self.client.flush()
            await self.client._sender.close()
            _fail_what_is_left(self.client._message_accumulator)
        await self.client.stop()

    async def _connected(self, node_id: int | str, *, group: int = ConnectionGroup.DEFAULT, **more: Any) -> Any:
        """In the place of aiokafka's `_get_conn`, which all of its requests go through: None for a broker that cannot
        be reached.
        """
        try:
            async with self._until_severed():
                connection = await self._connect(node_id, group=group, **more)
        except TimeoutError:
            return None
        if connection is not None and connection._closed_fut not in self._open:
            self._open[connection._closed_fut] = connection._writer.transport
            connection._closed_fut.add_done_callback(self._open.pop)
        return connection

    def _appended(self, builder: Any, partition: Any) -> Any:
        """In the place of aiokafka's `_append_batch`: who waits for a batch may have gone when it fails."""
        batch = self._append(builder, partition)
        batch.future.add_done_callback(_hear)
        return batch

    @contextlib.asynccontextmanager
    async def _until_severed(self) -> AsyncIterator[None]:
        async with asyncio.timeout(0 if self._severed else None) as limit:
            self._limits.add(limit)
            try:
                yield
            finally:
                self._limits.discard(limit)

    def _sever(self) -> None:
        """Whatever it waits for now fails, and so its tasks end."""
        self._severed = True
        for limit in self._limits:
            limit.reschedule(0)
        for transport in self._open.values():
            transport.abort()


def _fail_what_is_left(accumulator: Any) -> None:
    """Nobody sends it any more. aiokafka takes each batch that fails out of those on their way, where one that is to be
    sent again is not.
    """
    left = [batch for batches in accumulator._batches.values() for batch in batches]
    accumulator._pending_batches.update(left)
    accumulator.fail_all(kafka.KafkaConnectionError("the producer was closed"))
    for batch in left:
        _hear(batch._drain_waiter)


def _hear(asked: asyncio.Future[Any]) -> None:
    """Take note of a failure, lest asyncio complains that nobody did."""
    if not asked.cancelled():
        asked.exception()


def told(error: BaseException) -> str:
    """The error in a line."""
    if isinstance(error, TimeoutError):
        return "the cluster did not answer in time"
    name = type(error).__name__
    return f"{name}: {error}" if isinstance(error, kafka.KafkaError) and str(error) != name else name
