"""Logging in with a password that is kept here."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from taskyard.contracts.logins import Login
from taskyard.contracts.store import Store
from taskyard.domain.json import detail, refusal
from taskyard.errors import NotFound, Overloaded, RateLimited, Unauthorized
from taskyard.security.attempts import Attempts, place_of
from taskyard.security.caller import RESERVED_SUBJECTS, SCOPES, Caller
from taskyard.security.passwords import LONGEST, SHORTEST, hash_password, matches

_AT_FIRST: Final = ("tasks:manual",)
_AT_ONCE: Final = 2
_MOST_WAITING: Final = 50
_RETRY_SECONDS: Final = 5.0
_AS_ONE_FROM_ONE_PLACE, _FROM_ONE_PLACE, _AS_ONE = 10, 50, 500
_WRONG: Final = "The name or the password is wrong."


class Proven(NamedTuple):
    """Who has logged in; `mark` tells the password it was done with from all later ones."""

    caller: Caller
    mark: str


async def give_password(store: Store, person: str, password: str, scopes: Collection[str] | None) -> tuple[str, ...]:
    """Have a person log in with this password, and do then what these scopes allow: None, what they could with the
    former one, or the work of people. Sessions by the former one end. The scopes they have now.

    Raises ValidationFailed, and NotFound where there is no such person.
    """
    given = _AT_FIRST if scopes is None else scopes
    unknown = [scope for scope in given if scope not in SCOPES]
    if unknown:
        raise refusal([detail("/scopes", f"must be some of {', '.join(sorted(SCOPES))}", "enum")])
    if not SHORTEST <= len(password) <= LONGEST:
        raise refusal([detail("/password", f"must have {SHORTEST} to {LONGEST} characters", "minLength")])
    if person in RESERVED_SUBJECTS:
        raise refusal([detail("/userId", "is reserved; no person may have it", "not")])
    hashed = await asyncio.to_thread(hash_password, password)
    login = await store.save_login(Login(person, hashed, tuple(sorted(set(given)))), as_before=scopes is None)
    if login is None:
        raise NotFound(f"there is no user {person!r}; enter them first")
    return login.scopes


class PasswordLogins:
    """Tells who a name and a password stand for. `now` gives unix seconds.

    A name that nobody has is refused as late and in the same words as a wrong password. Who fails too often waits: ten
    times as one person from one place, fifty times from there, and so often as one person from anywhere that it takes
    many to keep that person out; in a quarter of an hour.
    """

    def __init__(self, store: Store, now: Callable[[], float]) -> None:
        self._store = store
        self._now = now
        self._attempts = Attempts()
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._under_way = 0

    async def prove(self, person: str, password: str, address: str) -> Proven:
        """Who it is. Raises Unauthorized, RateLimited, Overloaded where too many log in at once."""
        place = place_of(address)
        narrow = f"as {person} from {place}"
        allowed = {narrow: _AS_ONE_FROM_ONE_PLACE, f"from {place}": _FROM_ONE_PLACE, f"as {person}": _AS_ONE}
        pause = self._attempts.pause(allowed, self._now())
        if pause > 0:
            raise RateLimited("There were too many failed logins; wait a few minutes.", retry_after=pause)
        self._attempts.fail(allowed, self._now())  # those who try meanwhile see it
        try:
            login = await self._login(person, password)
        except Unauthorized:
            raise
        except BaseException:
            self._attempts.take_back(allowed, self._now())
            raise
        self._attempts.take_back(allowed, self._now())
        self._attempts.forgive(narrow)
        return Proven(_caller(login), _mark(login))

    async def caller(self, person: str, mark: str) -> Caller:
        """Whom a session stands for now. Raises Unauthorized once the person or the password is another."""
        login = await self._store.login(person)
        if login is None or _mark(login) != mark:
            raise Unauthorized("The password was changed; log in again.")
        return _caller(login)

    async def _login(self, person: str, password: str) -> Login:
        if self._under_way >= _AT_ONCE + _MOST_WAITING:
            raise Overloaded("Too many log in at once; try again.", retry_after=_RETRY_SECONDS)
        self._under_way += 1
        try:
            login = await self._store.login(person)
            async with self._turns:
                is_right = await asyncio.to_thread(matches, password, None if login is None else login.hashed)
        finally:
            self._under_way -= 1
        if login is None or not is_right:
            raise Unauthorized(_WRONG)
        return login


def _caller(login: Login) -> Caller:
    return Caller(login.person, SCOPES.intersection(login.scopes))


def _mark(login: Login) -> str:
    return hashlib.sha256(login.hashed.encode()).hexdigest()[:32]
