"""The PostgreSQL store, put together."""

from __future__ import annotations

from taskyard.contracts.clock import Clock, SystemClock
from taskyard.store.postgres.audit import Audit
from taskyard.store.postgres.bus import Bus
from taskyard.store.postgres.clock import StoreClock
from taskyard.store.postgres.connections import Connections
from taskyard.store.postgres.deliveries import Deliveries
from taskyard.store.postgres.gating import Gating
from taskyard.store.postgres.insight import Insight
from taskyard.store.postgres.instances import Instances
from taskyard.store.postgres.journal import Journal
from taskyard.store.postgres.lifetime import Lifetime
from taskyard.store.postgres.logins import Logins
from taskyard.store.postgres.moves import Moves
from taskyard.store.postgres.names import Names
from taskyard.store.postgres.notices import Notices
from taskyard.store.postgres.people import People
from taskyard.store.postgres.queues import Queues
from taskyard.store.postgres.reading import Reading
from taskyard.store.postgres.schedules import Schedules
from taskyard.store.postgres.signals import Wakeups
from taskyard.store.postgres.submission import Submission
from taskyard.store.postgres.subscriptions import Subscriptions
from taskyard.store.postgres.upkeep import Upkeep
from taskyard.store.postgres.vault import Vault
from taskyard.store.postgres.views import Views


class PostgresStore(
    Lifetime,
    Names,
    Schedules,
    Notices,
    Instances,
    Bus,
    Submission,
    Gating,
    Moves,
    Upkeep,
    Queues,
    People,
    Logins,
    Audit,
    Reading,
    Insight,
    Journal,
    Vault,
    Views,
    Subscriptions,
    Deliveries,
    Connections,
):
    """Tasks in the schema `taskyard` of a PostgreSQL database, which any number of processes share.

    `url` is `postgresql://user:password@host:port/database`, or leads to a connection pooler in front of it.
    The time is the database's, unless `clock` is moved by hand. A store belongs to the event loop that opened it.

    `notify`: whether processes wake each other, rather than look now and then. `listen_url`: where a session of
    one's own can be had for that, if `url` leads to a pooler.
    """

    def __init__(self, url: str, clock: Clock | None = None, *, notify: bool = True, listen_url: str = "") -> None:
        super().__init__(url, StoreClock(clock or SystemClock()), Wakeups(notify, listen_url))
