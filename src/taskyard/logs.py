"""Logging: structured, to where the settings say."""

from __future__ import annotations

import contextlib
import logging
import logging.handlers
import queue
import sys
import threading
import time
from pathlib import Path
from typing import Any

import structlog

from taskyard.errors import ConfigurationError
from taskyard.settings import Settings

_FILE = "taskyard.log"
_FILE_BYTES = 10 << 20
_FILES = 5
_WAITING = 10_000
"""Lines that may wait for syslog."""
_LAST_WORDS = 5.0
"""Seconds that syslog may take at the end."""
_TALKATIVE = (
    "uvicorn.access", "httpx", "httpcore", "urllib3", "botocore", "aiobotocore", "asyncssh", "zeep", "aiokafka",
    "aio_pika", "aiormq", "nats", "sqlalchemy",
)  # fmt: skip
"""What would write addresses and headers into the log, with the secrets in them."""


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
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
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
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            return logging.handlers.RotatingFileHandler(folder / _FILE, maxBytes=_FILE_BYTES, backupCount=_FILES)
        case "syslog":
            return _syslog(settings["TASKYARD_SYSLOG"])
        case "otlp":
            return _collector(settings["OTEL_EXPORTER_OTLP_ENDPOINT"])
    return logging.StreamHandler(sys.stderr)


class Queued(logging.handlers.QueueHandler):
    """Hands lines to a thread of its own: the handler there may look names up, and wait. What is too much is lost."""

    def __init__(self, handler: logging.Handler) -> None:
        self._waiting: queue.Queue[logging.LogRecord | None] = queue.Queue(_WAITING)
        super().__init__(self._waiting)
        self._handler = handler
        self._thread = threading.Thread(target=self._hand_on, name="taskyard-logs", daemon=True)
        self._thread.start()

    def enqueue(self, record: logging.LogRecord) -> None:
        """See the base."""
        with contextlib.suppress(queue.Full):
            self._waiting.put_nowait(record)

    def close(self) -> None:
        """Say what is left, as far as that is taken soon."""
        until = time.monotonic() + _LAST_WORDS
        with contextlib.suppress(queue.Full):
            self._waiting.put(None, timeout=_LAST_WORDS)
        self._thread.join(max(0.0, until - time.monotonic()))
        super().close()

    def _hand_on(self) -> None:
        while (record := self._waiting.get()) is not None:
            self._handler.emit(record)  # without its lock: that is waited for when the process ends


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
    return Queued(handler)


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
