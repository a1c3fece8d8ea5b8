# ruff: noqa: D102, S101 - the tests' names are the promises
"""How people log in with a password."""

from __future__ import annotations

from taskyard.contracts.logins import Login
from taskyard.contracts.store import Store
from taskyard.domain.people.assignment import Person
from taskyard.testing.conformance.store.fixtures import Suite


class TestLogins(Suite):
    """`save_login`, `login`, `remove_login` and `has_logins`."""

    async def test_a_login_is_kept_changed_and_removed(self, store: Store) -> None:
        await store.save_person(Person("ann"))
        assert not await store.has_logins()
        for login in (Login("ann", "one", ("admin", "tasks:read")), Login("ann", "two", ())):
            assert await store.save_login(login) == login
            assert await store.login("ann") == login
        assert await store.has_logins()
        assert await store.remove_login("ann")
        assert not await store.remove_login("ann")
        assert await store.login("ann") is None
        assert not await store.has_logins()

    async def test_a_new_password_may_leave_the_scopes_as_they_are_by_then(self, store: Store) -> None:
        await store.save_person(Person("ann"))
        first, third = Login("ann", "one", ("admin",)), Login("ann", "three", ("tasks:manual",))
        assert await store.save_login(first, as_before=True) == first
        await store.save_login(Login("ann", "two", ("tasks:read",)))
        assert await store.save_login(third, as_before=True) == third._replace(scopes=("tasks:read",))
        assert await store.login("ann") == Login("ann", "three", ("tasks:read",))

    async def test_it_goes_with_its_person_and_only_then(self, store: Store) -> None:
        login = Login("ann", "one", ("tasks:read",))
        assert not await store.save_login(login)
        assert await store.login("ann") is None
        await store.save_person(Person("ann"))
        assert await store.save_login(login)
        await store.save_person(Person("ann", "Ann", groups=("ops",)))
        assert await store.login("ann") == login
        await store.remove_person("ann")
        await store.save_person(Person("ann"))
        assert await store.login("ann") is None
