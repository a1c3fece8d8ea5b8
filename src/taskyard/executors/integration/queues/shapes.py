"""Settings, secrets and operations of message queues, and a message as brokers are given it."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NamedTuple, Protocol

import msgspec
from msgspec import Meta

from taskyard.contracts.integration import OperationFailed
from taskyard.errors import ValidationFailed
from taskyard.executors.integration.shape import Seconds, Secret, Shape
from taskyard.executors.integration.tls import TlsSecrets, TlsSettings

PORTS: Final = {"kafka": 9092, "rabbitmq": 5672, "nats": 4222, "redis": 6379}
_TLS_PORTS: Final = {"rabbitmq": 5671}


class QueueSettings(TlsSettings, kw_only=True, frozen=True):
    """Of a connection."""

    system: Literal["kafka", "sqs", "rabbitmq", "nats", "redis"]
    servers: Annotated[
        list[Annotated[str, Meta(pattern=r"^[^\s/@]{1,255}$")]],
        Meta(description="host:port of one server, or of several, any of which will do; not for SQS"),
    ] = msgspec.field(default_factory=list)
    mechanism: Annotated[
        Literal["", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], Meta(description="Kafka: how to log in (SASL)")
    ] = ""
    idempotent: Annotated[bool, Meta(description="Kafka: whether the cluster has idempotent producers")] = True
    virtual_host: Annotated[str, Meta(description="of RabbitMQ")] = "/"
    database: Annotated[int, Meta(ge=0, description="of Redis")] = 0
    max_length: Annotated[int, Meta(ge=0, description="Redis: about how many messages a stream keeps; 0: all")] = 0
    max_message_bytes: Annotated[
        int, Meta(ge=1, le=1 << 29, description="the largest message that is sent; most brokers take 1 MiB")
    ] = 1 << 20
    region: Annotated[str, Meta(description="of SQS")] = "us-east-1"
    endpoint: Annotated[str, Meta(description="of what speaks the protocol of SQS: https://…")] = ""

    def addresses(self) -> list[tuple[str, int]]:
        """Host and port of each server. Raises ValidationFailed where there is none, or no port in it."""
        if not self.servers:
            raise ValidationFailed(f"settings: {self.system} needs servers, such as broker.example.com:9092")
        found = []
        for text in self.servers:
            host, colon, port = text.rpartition(":") if not text.endswith("]") else (text, "", "")
            host = host if colon else text
            usual = _TLS_PORTS.get(self.system) if self.wants_tls(host) else None
            number = int(port) if port.isascii() and port.isdecimal() else (usual or PORTS[self.system])
            if not host or (colon and not port.isdecimal()) or not 0 < number < 65_536:
                raise ValidationFailed(f"settings: {text[:100]!r} is no server; name it as host:port")
            found.append((host.strip("[]"), number))
        return found


class QueueSecrets(TlsSecrets, kw_only=True, frozen=True):
    """Of a connection."""

    username: str = ""
    password: Secret = ""
    token: Annotated[Secret, Meta(description="of NATS")] = ""
    access_key_id: str = ""
    secret_access_key: Secret = ""
    session_token: Secret = ""


class QueueOperation(Shape, kw_only=True, frozen=True):
    """Of a definition. `{name}` in its texts stands for a field of the input."""

    destination: Annotated[str, Meta(description="topic, queue, subject or stream", min_length=1, max_length=1024)]
    key: Annotated[
        str,
        Meta(description="Kafka: the key; SQS: the group; RabbitMQ: the routing key, destination being an exchange"),
    ] = ""
    headers: dict[Annotated[str, Meta(pattern=r"^[A-Za-z0-9._-]{1,128}$")], str] = msgspec.field(default_factory=dict)
    format: Annotated[
        Literal["json", "text", "base64"], Meta(description="how the body becomes bytes, and the reply an output")
    ] = "json"
    reply: Annotated[bool, Meta(description="RabbitMQ and NATS: wait for the answer to it")] = False
    timeout: Seconds | None = None


class Sent(NamedTuple):
    """A message to send. `id` is the same for all attempts; `seconds` are left for it."""

    destination: str
    key: str
    headers: dict[str, str]
    content: bytes
    media_type: str
    id: str
    seconds: float


class Broker(Protocol):
    """One system of queues, connected to when it is first needed. What fails raises OperationFailed or CallFailed."""

    label: str
    """What the journal calls it."""

    async def send(self, message: Sent) -> dict[str, Any]:
        """Send it; what acknowledges it."""

    async def request(self, message: Sent) -> bytes:
        """Send it and wait for the answer. Raises ValidationFailed where the system has none."""

    async def test(self) -> None:
        """See whether it lets us in."""

    async def close(self) -> None:
        """Let go of it."""


def too_large(message: Sent, said: str) -> OperationFailed:
    """The broker takes no message of that size."""
    return OperationFailed(
        f"the message has {len(message.content)} bytes, more than the broker takes ({said}); send a reference instead",
        error_code="VALIDATION_ERROR",
        reason="too-large",
        retryable=False,
    )


def not_let_in(said: object = "") -> OperationFailed:
    """The credentials are wrong, or do not permit it."""
    return OperationFailed(
        f"the broker does not let us in: check the user, the secrets and what they permit ({str(said)[:200]})",
        reason="credentials",
        retryable=False,
    )


def late(seconds: float) -> OperationFailed:
    """Nobody knows whether the message has arrived."""
    return OperationFailed(
        f"no acknowledgement within {seconds:g} s; the message may have arrived", error_code="TIMEOUT", reason="timeout"
    )


def no_reply(system: str) -> ValidationFailed:
    """The system has no request and reply."""
    return ValidationFailed(f"operation: {system} has no request and reply; leave `reply` out")
