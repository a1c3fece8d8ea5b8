"""The least that a store needs before a task can be in it."""

from typing import NamedTuple

from taskyard.contracts.records import Entry, WorkerInfo
from taskyard.domain.definition import Definition
from taskyard.domain.policy import Policy
from taskyard.domain.priority import Priority
from taskyard.domain.queue import LaneKey
from taskyard.domain.retry import RetryPolicy
from taskyard.store.postgres import PostgresStore

WORKER = WorkerInfo("worker", "host", 1, "1", (), 10, supervised=True)


class Ground(NamedTuple):
    """A definition's version, a policy and a lane."""

    kind_id: int
    policy_id: int
    lane_id: int

    def entries(self, store: PostgresStore, count: int = 1) -> list[Entry]:
        """Plain tasks to store."""
        names = (self.kind_id, self.policy_id, self.lane_id, Priority.MEDIUM)
        return [Entry(id_, *names, b'{"x":1}', tags=("a", "b")) for id_ in store.new_ids(count)]


async def ground(store: PostgresStore) -> Ground:
    """The names for one definition at one priority."""
    (kind,) = await store.save_kinds([Definition(key="a")])
    (policy_id,) = await store.policies([Policy(timeout=60, retry=RetryPolicy())])
    (lane_id,) = await store.lanes([LaneKey(1, 1, "a", Priority.MEDIUM, solo=False)])
    return Ground(kind.id, policy_id, lane_id)
