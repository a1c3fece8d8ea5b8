"""How a Kafka cluster is reached, and which topics are ours."""

from __future__ import annotations

import ssl
from typing import Any, NamedTuple

from aiokafka.errors import KafkaError

from taskyard.contracts.connector import Away

LONGEST = 30.0
"""Seconds that a group may take to come together."""


class KafkaOptions(NamedTuple):
    """`brokers` as `host:port`, any of which will do. `idempotent`: the cluster sees to it that a message it has
    acknowledged late is not there twice. Names and passwords are for SASL, `tls` for SSL. `patience`: seconds that the
    cluster has to take a message.
    """

    brokers: tuple[str, ...]
    topics_in: tuple[str, ...] = ()
    topics_out: tuple[str, ...] = ()
    group: str = "taskyard"
    idempotent: bool = True
    tls: ssl.SSLContext | None = None
    mechanism: str = ""
    username: str = ""
    password: str = ""
    patience: float = 15.0

    def client(self, patience: float = LONGEST) -> dict[str, Any]:
        """What aiokafka's clients have in common."""
        protocol = f"{'SASL_' if self.mechanism else ''}{'SSL' if self.tls else 'PLAINTEXT'}"
        sasl = {
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.username,
            "sasl_plain_password": self.password,
        }
        return {
            "bootstrap_servers": list(self.brokers),
            "client_id": "taskyard",
            "request_timeout_ms": int(patience * 1000),
            "security_protocol": protocol,
            "ssl_context": self.tls,
            **(sasl if self.mechanism else {}),
        }


def away(error: Exception) -> Away:
    """The error as the contract has it."""
    if isinstance(error, TimeoutError):
        return Away("the cluster did not answer in time")
    name = type(error).__name__
    return Away(f"{name}: {error}" if isinstance(error, KafkaError) and str(error) != name else name)
