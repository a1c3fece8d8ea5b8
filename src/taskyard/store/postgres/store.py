"""The PostgreSQL store, put together."""

from __future__ import annotations

from taskyard.contracts.clock import Clock, SystemClock
from taskyard.store.postgres.clock import StoreClock
from taskyard.store.postgres.database import Database
from taskyard.store.postgres.execution import Execution
from taskyard.store.postgres.lifetime import Lifetime
from taskyard.store.postgres.moves import Moves
from taskyard.store.postgres.names import Names
from taskyard.store.postgres.queues import Queues
from taskyard.store.postgres.reading import Reading
from taskyard.store.postgres.submission import Submission
from taskyard.store.postgres.upkeep import Upkeep
from taskyard.store.postgres.vault import Vault


class PostgresStore(Lifetime, Names, Submission, Execution, Moves, Upkeep, Queues, Reading, Vault):
    """Tasks in the schema `taskyard` of a PostgreSQL database, which any number of processes share.

    `url` is `postgresql://user:password@host:port/database`. The time is the database's, unless `clock` is
    moved by hand. A store belongs to the event loop that opened it.
    """

    def __init__(self, url: str, clock: Clock | None = None) -> None:
        super().__init__(Database(url), StoreClock(clock or SystemClock()))
