"""What the kinds of databases have in common."""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from typing import Annotated, Protocol

from msgspec import Meta

from taskyard.calls.sql.result import Budget, Execute
from taskyard.executors.integration.shape import Secret
from taskyard.executors.integration.tls import TlsSecrets, TlsSettings


class DatabaseSettings(TlsSettings, kw_only=True, frozen=True):
    """Of a connection; the password is a secret, and not part of the address."""

    url: Annotated[
        str,
        Meta(
            title="Address",
            description="postgresql://host/name, mysql://host/name, sqlite:///file.db, or what SQLAlchemy knows",
            pattern=r"^[a-z][a-z0-9]*(\+[a-z0-9_]+)?://",
            max_length=2000,
        ),
    ]
    read_only: Annotated[bool, Meta(description="whether statements may change nothing")] = True
    max_connections: Annotated[int, Meta(ge=1, le=100, description="how many a process opens")] = 10


class DatabaseSecrets(TlsSecrets, kw_only=True, frozen=True):
    """Of a connection."""

    username: str = ""
    password: Secret = ""


class Source(Protocol):
    """Where transactions come from."""

    label: str
    """What the journal calls it."""

    def transaction(self, seconds: float) -> AbstractAsyncContextManager[Execute]:
        """A transaction that is committed when the block ends well; the database gives up after so many seconds."""

    async def close(self) -> None:
        """Let go of all connections."""


def at_once() -> Budget:
    """What rows may take in memory, which go to a file or are bounded otherwise."""
    return Budget(64 << 20, each=True)
