"""A person who goes takes their login along, whatever happens at the same time."""

import asyncio
from collections.abc import AsyncIterator, Coroutine

import asyncpg
import pytest

from taskyard.contracts.clock import SystemClock
from taskyard.contracts.logins import Login
from taskyard.domain.people.assignment import Person
from taskyard.store.postgres import PostgresStore
from tests.support import eventually

_WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
_SAME_LOGIN = "INSERT INTO taskyard.login (person, hashed, scopes) VALUES ('ann', '', '')"


@pytest.fixture
async def store(migrated_dsn: str) -> AsyncIterator[PostgresStore]:
    made = PostgresStore(migrated_dsn, SystemClock())
    await made.open()
    yield made
    await made.close()


async def test_a_login_that_is_saved_while_its_person_goes_is_none_of_their_namesakes(
    store: PostgresStore, migrated_dsn: str
) -> None:
    await store.save_person(Person("ann"))
    holding, looking = await asyncpg.connect(migrated_dsn), await asyncpg.connect(migrated_dsn)

    async def begun(verb: Coroutine[None, None, object], waiting: int) -> asyncio.Task[object]:
        task = asyncio.create_task(verb)

        async def has_come_to_rest() -> bool:
            return task.done() or await looking.fetchval(_WAITING) == waiting

        await eventually(has_come_to_rest)
        return task

    try:
        transaction = holding.transaction()
        await transaction.start()
        await holding.execute(_SAME_LOGIN)
        saving = await begun(store.save_login(Login("ann", "old", ("admin",))), 1)
        assert not saving.done()
        removing = await begun(store.remove_person("ann"), 2)
        await transaction.rollback()
        assert (await saving, await removing) == (Login("ann", "old", ("admin",)), True)
    finally:
        await holding.close()
        await looking.close()
    await store.save_person(Person("ann"))
    assert await store.login("ann") is None


async def test_a_person_may_be_saved_and_given_a_login_many_times_at_once(store: PostgresStore) -> None:
    login = Login("ann", "new", ())
    await store.save_person(Person("ann"))
    for _ in range(20):
        people = (store.save_person(Person("ann", groups=("ops", "desk"))) for _ in range(3))
        _, _, _, saved = await asyncio.gather(*people, store.save_login(login))
        assert saved == login
    assert [person.id for person in await store.members("ops")] == ["ann"]
