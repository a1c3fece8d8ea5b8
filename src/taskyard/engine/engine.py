"""What every verb of the engine works with."""

from __future__ import annotations

from typing import Any

import msgspec

from taskyard.contracts.directory import Directory
from taskyard.contracts.integration import ConnectionType, ConnectionTypes
from taskyard.contracts.store import Store
from taskyard.domain.policy import ExecutionConfig, Maxima
from taskyard.domain.priority import AGED, HeadStarts
from taskyard.domain.queue import Queue
from taskyard.engine.batcher import Batcher
from taskyard.engine.callback import Callbacks, CheckUrl
from taskyard.engine.catalog import Catalog
from taskyard.engine.connection_book import ConnectionBook
from taskyard.engine.depth import DepthGuard
from taskyard.engine.gates import Gatekeeper
from taskyard.engine.insight import Insight
from taskyard.engine.mode import Mode
from taskyard.engine.people.figures import WorkFigures
from taskyard.engine.readiness import Readiness
from taskyard.engine.tally import Tally
from taskyard.errors import NotFound


class Limits(msgspec.Struct, frozen=True):
    """What the service decides for all tasks; durations in seconds, sizes in bytes.

    `ceilings`: how many tasks of a home queue may run at once. `head_starts`: what priorities are worth.
    """

    timeout: float = 300.0
    max_timeout: float = 86_400.0
    retry_policy: dict[str, Any] = {}
    max_input: int = 1 << 20
    max_output: int = 1 << 20
    max_depth: int = 10_000_000
    ceilings: dict[Queue, int] = {}
    head_starts: HeadStarts = AGED


class _NoTypes:
    names: tuple[str, ...] = ()

    def get(self, name: str) -> ConnectionType:
        raise NotFound(f"there is no connection type {name!r} here")


class Engine:
    """The store, the catalogue of names, and the service's limits. Belongs to one event loop.

    `directory`: where people are looked up, by default those that the store keeps. `connection_types`: those that
    connections may be of.
    """

    def __init__(self, store: Store, limits: Limits | None = None, check_url: CheckUrl | None = None) -> None:
        self.store = store
        self.directory: Directory = store
        self.callbacks = Callbacks(store, check_url)
        self.limits = limits or Limits()
        self.catalog = Catalog(store)
        self.batcher = Batcher(store.enqueue)
        self.connections = ConnectionBook(store)
        self.connection_types: ConnectionTypes = _NoTypes()
        self.gates = Gatekeeper(store, self.catalog, self.connections, self.limits.ceilings, self.limits.head_starts)
        self.depth = DepthGuard(store, self.limits.max_depth)
        self.tally = Tally(store)
        self.insight = Insight(store, self.catalog)
        self.work = WorkFigures(store)
        self.mode = Mode(store)
        self.readiness = Readiness(store)
        self.readers: set[str] = set()
        """As whom this process reads the feed for others, who are to miss nothing."""

    @property
    def defaults(self) -> ExecutionConfig:
        """The weakest layer of every policy."""
        return ExecutionConfig(timeout=self.limits.timeout, retry_policy=self.limits.retry_policy)

    @property
    def maxima(self) -> Maxima:
        """What no task may exceed."""
        return Maxima(timeout=self.limits.max_timeout)

    async def open(self) -> None:
        """Open the store."""
        await self.store.open()

    async def close(self) -> None:
        """Finish what is being stored, and close the store."""
        await self.batcher.drain()
        await self.store.close()
