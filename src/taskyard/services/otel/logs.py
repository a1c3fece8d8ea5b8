"""Logs, exported to the collector in batches by a thread of the library's."""

from __future__ import annotations

import logging
import sys
import traceback
from typing import Any, Final

from opentelemetry._logs import SeverityNumber
from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor

from taskyard.services.otel.resource import make_resource

_EXPORTERS: Final = ("opentelemetry", "urllib3", "requests")
_SEVERITIES: Final = (
    (logging.ERROR, SeverityNumber.ERROR),
    (logging.WARNING, SeverityNumber.WARN),
    (logging.INFO, SeverityNumber.INFO),
)
_KNOWN: Final = frozenset({"event", "level", "timestamp", "exc_info"})


class CollectorHandler(logging.Handler):
    """Hands records to the collector at `endpoint`. What the exporter itself has to say goes to stderr."""

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        exporter = OTLPLogExporter(endpoint=f"{endpoint.rstrip('/')}/v1/logs")
        self._provider = LoggerProvider(make_resource())
        self._provider.add_log_record_processor(BatchLogRecordProcessor(exporter))
        self._logger = self._provider.get_logger("taskyard")

    def emit(self, record: logging.LogRecord) -> None:
        """See `logging.Handler`."""
        if record.name.startswith(_EXPORTERS):
            sys.stderr.write(f"{record.name}: {record.getMessage()}\n")
            return
        said = dict(record.msg) if isinstance(record.msg, dict) else {"event": record.getMessage()}
        self._logger.emit(
            timestamp=int(record.created * 1e9),
            severity_number=next((n for least, n in _SEVERITIES if record.levelno >= least), SeverityNumber.DEBUG),
            severity_text=record.levelname,
            body=str(said.get("event", "")),
            attributes={"logger.name": record.name, **_attributes(said), **_exception(said, record)},
        )

    def close(self) -> None:
        """Export what is left."""
        self._provider.shutdown()
        super().close()


def _attributes(said: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value if isinstance(value, str | int | float | bool) else str(value)
        for name, value in said.items()
        if name not in _KNOWN and not name.startswith("_")
    }


def _exception(said: dict[str, Any], record: logging.LogRecord) -> dict[str, Any]:
    given = said.get("exc_info") or record.exc_info
    error = given if isinstance(given, BaseException) else given[1] if isinstance(given, tuple) else None
    if error is None and given:
        error = sys.exc_info()[1]
    if error is None:
        return {}
    return {
        "exception.type": type(error).__name__,
        "exception.message": str(error),
        "exception.stacktrace": "".join(traceback.format_exception(error)),
    }
