"""The embedded store: SQLite with one writer thread and group commit."""

from taskyard.store.sqlite.store import SqliteStore

__all__ = ["SqliteStore"]
