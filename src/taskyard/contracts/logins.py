"""How people log in with a password."""

from __future__ import annotations

from typing import NamedTuple, Protocol


class Login(NamedTuple):
    """The hash of a person's password, and the scopes of who logs in with it."""

    person: str
    hashed: str
    scopes: tuple[str, ...]


class Logins(Protocol):
    """Logins of the people who are kept here; they go with their person."""

    async def save_login(self, login: Login, *, as_before: bool = False) -> Login | None:
        """Keep a login in place of the person's former one, `as_before` with the scopes of that; what is kept now. None
        where there is no such person.
        """

    async def login(self, person_id: str) -> Login | None:
        """How a person logs in; None where they cannot."""

    async def remove_login(self, person_id: str) -> bool:
        """Have a person log in no longer; False where they could not."""

    async def has_logins(self) -> bool:
        """Whether anybody can log in with a password."""
