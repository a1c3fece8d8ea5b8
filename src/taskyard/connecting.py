"""From settings to the one connector of a deployment, and to what goes on so that events come and go."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from taskyard.calls.breakers import Breakers
from taskyard.contracts.connector import Connector
from taskyard.contracts.records import Topic
from taskyard.domain.breaker import SERVICE
from taskyard.domain.window import BREAKER
from taskyard.engine.answers import EarlyAnswers
from taskyard.engine.engine import Engine
from taskyard.engine.take import take_kept
from taskyard.engine.workflows import Workflows
from taskyard.errors import ConfigurationError
from taskyard.runtime.intake import Intake, IntakeOptions
from taskyard.runtime.relay import READER as CONNECTOR
from taskyard.runtime.relay import Relay
from taskyard.runtime.upkeep import Service as Periodic
from taskyard.security.caller import Caller
from taskyard.services.observability import READER as SPANS
from taskyard.services.observability import Observability
from taskyard.services.service import Service
from taskyard.services.spans import Spans
from taskyard.settings import Settings

if TYPE_CHECKING:
    import ssl

    from taskyard.security.egress.client import Egress


class Ways(NamedTuple):
    """What events come and go by; `request_stop` has this process stop on behalf of somebody, `is_stopping` tells
    whether it was told so.
    """

    engine: Engine
    breakers: Breakers
    settings: Settings
    request_stop: Callable[[str], None]
    is_stopping: Callable[[], bool]


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


@contextlib.asynccontextmanager
async def connected(
    ways: Ways, connector: Connector | None, observability: Service | None
) -> AsyncIterator[list[Periodic]]:
    """Take events in, and give what has to be done now and then so that they go out."""
    engine = ways.engine
    services = [
        Periodic("events", 0.5, lambda: take_kept(engine, ways.request_stop)),
        Periodic("answers", 0.5, EarlyAnswers(engine).turn),
        Periodic("workflows", 0.5, Workflows(engine).turn, Topic.FEED),
    ]
    async with contextlib.AsyncExitStack() as stack:
        for spans in _traced(ways, observability, stack):
            await spans.begin()
            services.append(Periodic(spans.reader, 0.5, spans.turn, Topic.FEED, reader=spans.reader))
        if connector is not None:
            services += await stack.enter_async_context(_events(ways, connector))
        yield services


def _traced(ways: Ways, observability: Service | None, stack: contextlib.AsyncExitStack) -> list[Spans]:
    """To whom the attempts of tasks are reported. Raises ConfigurationError for a library that is not installed."""
    engine, endpoint = ways.engine, ways.settings["OTEL_EXPORTER_OTLP_ENDPOINT"]
    found = [] if observability is None else [Spans(engine, SPANS, Observability(observability).report)]
    if endpoint:
        try:
            from taskyard.services.otel.traces import READER, Collector
        except ImportError:
            raise ConfigurationError("OTEL_EXPORTER_OTLP_ENDPOINT is set; pip install 'taskyard[otel]'") from None
        collector = Collector(engine, endpoint, ways.breakers.circuit("service:otlp", SERVICE))
        stack.callback(collector.close)
        found.append(Spans(engine, READER, collector.report))
    return found


@contextlib.asynccontextmanager
async def _events(ways: Ways, connector: Connector) -> AsyncIterator[list[Periodic]]:
    engine, settings = ways.engine, ways.settings
    services: list[Periodic] = []
    caller = Caller(f"connector:{connector.name}", frozenset(settings["TASKYARD_CONNECTOR_SCOPES"]))
    options = IntakeOptions(caller, settings["TASKYARD_MAX_BODY"], ways.is_stopping)
    intake = Intake(engine, connector, ways.request_stop, options)
    if connector.sends:
        circuit = ways.breakers.circuit(f"connector:{connector.name}", BREAKER)
        relay = Relay(engine, connector, circuit, cloud_events=settings["TASKYARD_CLOUD_EVENTS"])
        await relay.begin()
        services += [
            Periodic("relay", 0.1, relay.turn, Topic.FEED, reader=CONNECTOR),
            Periodic("resend", 1.0, relay.resend),
        ]
    if connector.receives:
        intake.start()
    try:
        yield services
    finally:
        await intake.stop()
        await connector.close()


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
    return HttpConnector(options, egress().trusting(options.url) if options.url else egress())


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
