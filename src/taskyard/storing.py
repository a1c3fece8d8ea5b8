"""Which store an address means."""

from __future__ import annotations

from urllib.parse import urlsplit

from taskyard.contracts.clock import Clock
from taskyard.contracts.store import Store
from taskyard.errors import ConfigurationError
from taskyard.store.sqlite import SqliteStore


def make_store(url: str, clock: Clock, *, notify: bool = True, listen_url: str = "") -> Store:
    """The store an address means. Raises ConfigurationError for one that means none.

    `notify` and `listen_url`: how processes on a PostgreSQL wake each other.
    """
    parts = urlsplit(url)
    if parts.scheme == "sqlite":
        file = url.removeprefix("sqlite:///")
        if file in (url, ""):
            raise ConfigurationError(f"TASKYARD_DATABASE_URL: {url!r} names no file; use sqlite:///file.db")
        return SqliteStore(file, clock)
    if parts.scheme in ("postgresql", "postgres"):
        from taskyard.store.postgres import PostgresStore

        return PostgresStore(url, clock, notify=notify, listen_url=listen_url)
    raise ConfigurationError(
        f"TASKYARD_DATABASE_URL: {parts.scheme or url!r} is no store; use sqlite:///file.db or postgresql://host/name"
    )
