"""A breaker that all machines on one store share.

Each process counts its own calls and hands them in about once a second; it looks as often at what the others found.
When it sees that the calls fail too often it says so at once. Half-open, one process makes the probe for all.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

import msgspec
import structlog

from taskyard.contracts.clock import Clock
from taskyard.contracts.connections import BreakerRow
from taskyard.domain.breaker import CONNECTION, Breaker, BreakerRules, BreakerState, Permit
from taskyard.errors import CircuitOpen, TaskyardError

_FRESH_US = 1_000_000
_TRIES = 10
_NEVER = 2.0
_SOON = 1.0

log = structlog.get_logger("taskyard.calls")


class BreakerStore(Protocol):
    """Where it is kept; every store is one."""

    async def breaker(self, name: str) -> BreakerRow | None: ...  # noqa: D102 - the store's contract says it

    async def save_breaker(self, name: str, row: BreakerRow) -> bool: ...  # noqa: D102 - the store's contract says it


class SharedCircuit:
    """The circuit `connection:name` at work in this process."""

    def __init__(self, name: str, clock: Clock, store: BreakerStore, rules: BreakerRules = CONNECTION) -> None:
        self.name = name
        self.rules = rules
        self._clock = clock
        self._store = store
        self._seen = Breaker()
        self._own = Breaker()
        self._both = Breaker()
        self._looked_at: int | None = None
        self._looking = asyncio.Lock()

    def figures(self) -> dict[str, Any]:
        """As those of `taskyard.calls.breakers.Circuit`."""
        now = self._clock.now()
        return self._joined(now).figures(self.rules, now)

    async def enter(self) -> Permit:
        """Ask for leave to make a call, and `tell` or `give_back` what comes of it. Raises CircuitOpen."""
        now = self._clock.now()
        if self._looked_at is None or not 0 <= now - self._looked_at < _FRESH_US:
            await self._look()
        state = self._both.state(self.rules, now)
        if state is BreakerState.HALF_OPEN:
            permit = await self._probe()
            if permit is not None:
                return permit
            state = self._seen.state(self.rules, now)
        if state is BreakerState.CLOSED:
            return Permit(self._seen.era, probe=False)
        raise CircuitOpen(
            f"calls to {self.name} fail too often and are not made for a while",
            circuit=self.name,
            retry_after=max(self._seen.opens_in(self.rules, now) / 1e6, _SOON),
        )

    async def tell(self, permit: Permit, *, failed: bool) -> None:
        """What became of the call. Of one from an earlier era nothing follows."""
        now = self._clock.now()
        if permit.probe:
            await self._attempt(lambda stored: stored.probed(permit.era, now, failed=failed))
        elif permit.era == self._own.era:
            self._own = self._own.noted(self.rules, now, failed=failed)
            self._both = self._both.tell(self.rules, now, permit, failed=failed)
            if self._both.opened_at is not None:
                await self._look()

    async def give_back(self, permit: Permit) -> None:
        """The call was not made, or nobody waited for its end."""
        if permit.probe:
            now = self._clock.now()
            await self._attempt(lambda stored: stored.given_back(self.rules, permit.era, now))

    async def _probe(self) -> Permit | None:
        granted: list[int] = []

        def reserve(stored: Breaker) -> Breaker:
            granted.clear()
            reserved = stored.reserved(self.rules, self._clock.now())
            if reserved is None:
                return stored
            granted.append(stored.era)
            return reserved

        await self._attempt(reserve)
        return Permit(granted[0], probe=True) if granted else None

    async def _look(self) -> None:
        """Hand in what was counted here, and see what was counted elsewhere. One at a time is enough."""
        if self._looking.locked():
            return
        async with self._looking:
            own, self._own = self._own, Breaker(era=self._own.era)
            if not await self._attempt(lambda stored: stored.joined(self.rules, self._clock.now(), own)):
                self._own = own.joined(self.rules._replace(rate=_NEVER), self._clock.now(), self._own)
            self._looked_at = self._clock.now()
            self._both = self._joined(self._looked_at)

    async def _attempt(self, change: Callable[[Breaker], Breaker]) -> bool:
        """Whether the store has what follows; while it is away this process goes by what it has seen."""
        try:
            return await self._change(change)
        except TaskyardError as error:
            log.warning("a breaker cannot be shared", circuit=self.name, reason=error.message)
            return False

    async def _change(self, change: Callable[[Breaker], Breaker]) -> bool:
        for _ in range(_TRIES):
            row = await self._store.breaker(self.name)
            stored = read_breaker(row)
            changed = change(stored)
            if changed == stored or await self._store.save_breaker(
                self.name, BreakerRow(row.version if row else 0, msgspec.json.encode(changed))
            ):
                self._adopt(changed)
                return True
        return False

    def _adopt(self, breaker: Breaker) -> None:
        before, self._seen = self._seen, breaker
        if breaker.era != self._own.era:
            self._own = Breaker(era=breaker.era)
        self._both = self._joined(self._clock.now())
        if before.opened_at is None and breaker.opened_at is not None:
            log.warning("a circuit opened", circuit=self.name, seconds=self.rules.open_us / 1e6)
        elif before.opened_at is not None and breaker.opened_at is None:
            log.info("a circuit closed", circuit=self.name)

    def _joined(self, now: int) -> Breaker:
        """What the store had when it was last looked at, with what was counted here since."""
        return self._seen.joined(self.rules, now, self._own)


def read_breaker(row: BreakerRow | None) -> Breaker:
    """The state in a row; one that was never told anything where there is none."""
    return Breaker() if row is None else msgspec.json.decode(row.state, type=Breaker)
