"""Logging: structured, to where the settings say."""

from __future__ import annotations

import logging
import logging.handlers
import sys
from pathlib import Path
from typing import Any

import structlog

from taskyard.errors import ConfigurationError
from taskyard.settings import Settings

_FILE = "taskyard.log"
_FILE_BYTES = 10 << 20
_FILES = 5


def configure_logs(settings: Settings) -> None:
    """Send logs of at least TASK_LOG_LEVEL to TASK_LOG_DESTINATION: lines for people on a terminal, else JSON.

    Raises ConfigurationError for a destination that cannot be had.
    """
    destination = settings["TASK_LOG_DESTINATION"]
    handler = _handler(destination, settings)
    people = destination == "stderr" and sys.stderr.isatty()
    renderer: Any = structlog.dev.ConsoleRenderer() if people else structlog.processors.JSONRenderer()
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info if not people else _as_it_is,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings["TASK_LOG_LEVEL"])
    logging.getLogger("uvicorn.access").setLevel(logging.WARNING)
    logging.getLogger("uvicorn.error").addFilter(_is_no_refusal)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelName(settings["TASK_LOG_LEVEL"])),
        cache_logger_on_first_use=True,
    )


def _handler(destination: str, settings: Settings) -> logging.Handler:
    match destination:
        case "file":
            folder = Path(settings["TASKYARD_DATA_DIR"])
            folder.mkdir(parents=True, exist_ok=True)
            return logging.handlers.RotatingFileHandler(folder / _FILE, maxBytes=_FILE_BYTES, backupCount=_FILES)
        case "syslog":
            return _syslog(settings["TASKYARD_SYSLOG"])
        case "otlp":
            return _collector(settings["OTEL_EXPORTER_OTLP_ENDPOINT"])
    return logging.StreamHandler(sys.stderr)


def _syslog(place: str) -> logging.Handler:
    host, _, port = place.rpartition(":")
    is_far = host and port.isdecimal()
    if not is_far and not Path(place).is_socket():
        raise ConfigurationError(f"TASKYARD_SYSLOG: {place} is no socket; give syslog's own, or host:port")
    try:
        handler = logging.handlers.SysLogHandler((host.strip("[]"), int(port)) if is_far else place)
    except OSError as error:
        raise ConfigurationError(f"TASKYARD_SYSLOG: {place} cannot be reached: {error.strerror or error}") from None
    handler.ident = "taskyard: "
    return handler


def _collector(endpoint: str) -> logging.Handler:
    if not endpoint:
        raise ConfigurationError("TASK_LOG_DESTINATION is otlp, which needs OTEL_EXPORTER_OTLP_ENDPOINT; set it")
    try:
        from taskyard.services.otel.logs import CollectorHandler
    except ImportError:
        raise ConfigurationError("TASK_LOG_DESTINATION is otlp; pip install 'taskyard[otel]'") from None
    return CollectorHandler(endpoint)


def _is_no_refusal(record: logging.LogRecord) -> bool:
    """Whether it is not about a socket that was answered by a refusal: Uvicorn has told its status before."""
    return record.msg != "ASGI callable returned without completing handshake."


def _as_it_is(logger: Any, name: str, event: Any) -> Any:
    del logger, name
    return event
