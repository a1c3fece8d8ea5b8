"""From settings to the one connector of a deployment."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

from taskyard.contracts.connector import Connector
from taskyard.errors import ConfigurationError
from taskyard.settings import Settings

if TYPE_CHECKING:
    import ssl

    from taskyard.security.egress.client import Egress

_OWN: Final = {
    "kafka": ("KAFKA_BROKERS", "TASKYARD_KAFKA_TOPICS_IN", "TASKYARD_KAFKA_TOPICS_OUT"),
    "sqs": ("SQS_QUEUE_URL", "TASKYARD_SQS_OUTPUT_URL"),
    "http": ("TASKYARD_HTTP_URL",),
}
"""What only who wants this connector sets."""
_NEEDED: Final = {"kafka": ("KAFKA_BROKERS",), "sqs": ("AWS_REGION", "SQS_QUEUE_URL"), "http": ()}


def make_connector(settings: Settings, egress: Callable[[], Egress]) -> Connector | None:
    """The connector that the settings name; None for none. It connects when it first has to.

    Raises ConfigurationError for settings of two connectors, a missing one, and a library that is not installed.
    """
    name = settings["TASKYARD_CONNECTOR"]
    if name == "none":
        return None
    _check(name, settings)
    try:
        return _MAKE[name](settings, egress)
    except ImportError as error:
        raise ConfigurationError(
            f"TASKYARD_CONNECTOR is {name}, but {error.name} is not installed; pip install 'taskyard[{name}]'"
        ) from None


def _check(name: str, settings: Settings) -> None:
    for other, own in _OWN.items():
        given = [each for each in own if other != name and settings.is_given(each)]
        if given:
            raise ConfigurationError(
                f"{given[0]} is of the connector {other}, but TASKYARD_CONNECTOR is {name}; a deployment has one, so"
                f" unset {given[0]} or choose {other}"
            )
    missing = [each for each in _NEEDED[name] if not settings[each]]
    if missing:
        raise ConfigurationError(f"TASKYARD_CONNECTOR is {name}, which needs {missing[0]}; set it")


def _make_kafka(settings: Settings, _: Callable[[], Egress]) -> Connector:
    from taskyard.connectors.kafka import KafkaConnector, KafkaOptions

    options = KafkaOptions(
        brokers=settings["KAFKA_BROKERS"],
        topics_in=settings["TASKYARD_KAFKA_TOPICS_IN"],
        topics_out=settings["TASKYARD_KAFKA_TOPICS_OUT"],
        group=settings["TASKYARD_KAFKA_GROUP"],
        idempotent=settings["TASKYARD_KAFKA_IDEMPOTENT"],
        tls=_tls(settings) if settings["TASKYARD_KAFKA_TLS"] else None,
        mechanism=settings["TASKYARD_KAFKA_SASL_MECHANISM"],
        username=settings["TASKYARD_KAFKA_USERNAME"],
        password=settings["TASKYARD_KAFKA_PASSWORD"],
    )
    return KafkaConnector(options)


def _make_sqs(settings: Settings, _: Callable[[], Egress]) -> Connector:
    from taskyard.connectors.sqs import SqsConnector, SqsOptions

    return SqsConnector(
        SqsOptions(settings["AWS_REGION"], settings["SQS_QUEUE_URL"], settings["TASKYARD_SQS_OUTPUT_URL"])
    )


def _make_http(settings: Settings, egress: Callable[[], Egress]) -> Connector:
    from taskyard.connectors.http import HttpConnector, HttpOptions

    options = HttpOptions(
        settings["TASKYARD_HTTP_URL"], settings["TASKYARD_HTTP_TOKEN"], settings["TASKYARD_HTTP_SECRET"]
    )
    return HttpConnector(options, egress())


def _tls(settings: Settings) -> ssl.SSLContext:
    from taskyard.security.egress.tls import tls_context

    def text(name: str) -> str:
        try:
            return Path(settings[name]).read_text() if settings[name] else ""
        except OSError as error:
            raise ConfigurationError(f"{name}: {settings[name]} cannot be read: {error.strerror}") from None

    return tls_context(
        authorities=text("TASKYARD_KAFKA_CA_FILE"),
        certificate=text("TASKYARD_KAFKA_CERT_FILE"),
        key=text("TASKYARD_KAFKA_KEY_FILE"),
    )


_MAKE: Final = {"kafka": _make_kafka, "sqs": _make_sqs, "http": _make_http}
