"""Whether the store keeps what it is given is tried by every process, each for itself."""

from taskyard.contracts.clock import SystemClock
from taskyard.store.postgres import PostgresStore, lifetime


async def test_who_was_stopped_amid_a_trial_keeps_nobody_from_theirs(migrated_dsn: str) -> None:
    store = PostgresStore(migrated_dsn, SystemClock())
    await store.open()
    async with store.db.relaxed.transaction() as stopped:
        await stopped.execute(lifetime._INSERT_TRIAL)
        await store.try_writing()
        await stopped.execute(lifetime._DELETE_TRIAL)
    await store.close()
