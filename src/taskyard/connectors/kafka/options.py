"""How a Kafka cluster is reached, and which topics are ours."""

from __future__ import annotations

import ssl
from typing import Any, NamedTuple

from taskyard.calls.kafka import client_options, told
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
        return client_options(
            self.brokers,
            patience=patience,
            tls=self.tls,
            mechanism=self.mechanism,
            username=self.username,
            password=self.password,
        )


def away(error: Exception) -> Away:
    """The error as the contract has it."""
    return Away(told(error))
