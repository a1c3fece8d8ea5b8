"""The dispatcher: sends what is due, so many to an endpoint at once, and keeps what came of it.

One process of an installation dispatches. What it had under way when it died is still due, and sent again.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from operator import itemgetter
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import structlog

from taskyard.contracts.webhooks import DeliveryChange, DeliveryRow, SubscriptionRow
from taskyard.domain.task import iso
from taskyard.domain.webhook import PROGRESS, Health, Heard, Status, Verdict, fare, judge
from taskyard.engine.deliveries import tries_of
from taskyard.engine.engine import Engine
from taskyard.errors import TaskyardError
from taskyard.notify.webhooks.lines import Line, Lines
from taskyard.notify.webhooks.sender import Tried, attempt

MOST_AT_ONCE = 256
_LOG_KEPT = 20
_AGAIN = 1.0
_LAST_WORDS = 5.0
_PATIENCE = 10.0
"""For so many seconds who fails comes after all others."""

log = structlog.get_logger("taskyard.webhooks")


class _Result(NamedTuple):
    row: DeliveryRow
    line: Line
    tried: Tried
    began: int


class Dispatcher:
    """Takes what is due whenever it is told to look, and looks again by itself when something has come to an end."""

    def __init__(self, engine: Engine, lines: Lines, most: int = MOST_AT_ONCE) -> None:
        self._engine = engine
        self._lines = lines
        self._most = most
        self._flying: dict[int, asyncio.Task[None]] = {}
        self._results: list[_Result] = []
        self._come = asyncio.Event()
        self._looking = asyncio.Lock()
        self._keeper: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nothing is under way, nor waits to be kept."""
        return not self._flying

    async def look(self, *, fresh: bool = True) -> int:
        """Send what is due, as far as there is room; how many were begun. `fresh`: to endpoints as they are now."""
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep_on(), name="taskyard-webhooks")
        async with self._looking:
            store = self._engine.store
            now = await store.now()
            lines = await self._lines.of(await store.waiting_endpoints(), now, fresh=fresh)
            left = self._most // 2 - self._lines.flying_to_failing
            rooms = {line.name: room for line in lines if (room := self._room(line, now, left))}
            wanted = [(name, self._lines[name].flying + room) for name, room in rooms.items()]
            due = await store.due_deliveries(wanted) if wanted else []
            begun = 0
            for row in self._in_turn(due):
                is_failing = self._lines[row.endpoint].is_failing
                has_room = rooms[row.endpoint] and len(self._flying) < self._most and (left > 0 or not is_failing)
                if row.id not in self._flying and has_room:
                    rooms[row.endpoint] -= 1
                    left -= is_failing
                    begun += 1
                    self._begin(row, now)
                    await asyncio.sleep(0)  # who is first goes on before the next has begun
            return begun

    async def stop(self) -> None:
        """Begin nothing more; what is under way may end within 5 s, else it is sent again by the next one."""
        async with self._looking:
            flying = list(self._flying.values())
            if flying:
                await asyncio.wait(flying, timeout=_LAST_WORDS)
            keeper, self._keeper = self._keeper, None
            ends = [*flying, *([keeper] if keeper else [])]
            for task in ends:
                task.cancel()
            await asyncio.gather(*ends, return_exceptions=True)
        with contextlib.suppress(TaskyardError):
            await self._keep()
        await self._lines.aclose()

    def _room(self, line: Line, now: int, left: int) -> int:
        """How many more may be under way to an endpoint. One that fails gets one, while any are `left` for these: all
        of them together get half of all.
        """
        if line.held_until > now:
            return 0
        free = min(self._most - len(self._flying), line.size - line.flying, line.tokens(now))
        if line.is_failing:
            free = min(free, 1 - line.flying, left)
        return max(0, free)

    def _in_turn(self, due: Sequence[DeliveryRow]) -> list[DeliveryRow]:
        """The first of each endpoint, then the second of each, and so on: one with much to come keeps no other waiting.
        Of these, first are endpoints that answered sooner and were told nothing for longer; last of all are those that
        fail, for nobody waits there, unless they were tried long ago.
        """
        waited = time.monotonic() - _PATIENCE
        before: Counter[str] = Counter()
        places = []
        for row in due:
            line = self._lines[row.endpoint]
            is_last = line.is_failing and line.used_at > waited
            places.append((is_last, before[row.endpoint], line.used_at + line.took))
            before[row.endpoint] += 1
        return [row for _, row in sorted(zip(places, due, strict=True), key=itemgetter(0))]

    def _begin(self, row: DeliveryRow, now: int) -> None:
        line = self._lines[row.endpoint]
        line.begin(now)
        self._flying[row.id] = asyncio.create_task(self._try(row, line, now), name=f"taskyard-delivery-{row.id}")

    async def _try(self, row: DeliveryRow, line: Line, now: int) -> None:
        credentials = line.credentials
        credentials.users += 1
        begun = time.monotonic()
        try:
            url = row.url if line.row is None else line.row.endpoint.url
            tried = await attempt(row, url or "", self._lines.signing(row, now), credentials, now)
        except Exception as error:  # one bad delivery must not end the others
            log.exception("a delivery could not be made", delivery=row.id)
            tried = Tried(Heard(error=f"{type(error).__name__} here"), {"at": iso(now), "error": "failed here"})
        finally:
            line.flying -= 1
            line.took = time.monotonic() - begun
            credentials.users -= 1
        line.heed(now, taken=tried.heard.taken)
        self._results.append(_Result(row, line, tried, now))
        self._come.set()

    async def _keep_on(self) -> None:
        """Keep what came of tries, as much at once as has come together; then look for more."""
        while True:
            await self._come.wait()
            self._come.clear()
            try:
                await self._keep()
                await self.look(fresh=False)
                continue
            except TaskyardError as error:
                log.warning("what came of deliveries waits for the store", reason=error.message)
            except Exception:
                log.exception("what came of deliveries could not be kept; it is tried again")
            await asyncio.sleep(_AGAIN)
            self._come.set()

    async def _keep(self) -> None:
        results = list(self._results)
        if not results:
            return
        now = await self._engine.store.now()
        healths = {result.line: result.line.health for result in results}
        changes = []
        for result in results:
            change, healths[result.line] = _follow(result, healths[result.line], now)
            changes.append(change)
        for line, health in healths.items():
            if line.row is not None and health != line.health:
                await self._engine.store.save_health(line.row.id, health)
        await self._engine.store.settle_deliveries(changes)
        del self._results[: len(results)]
        async with self._looking:  # who looks now may have seen them due just before
            for result in results:
                self._flying.pop(result.row.id, None)
        for line, health in healths.items():
            _note(line, health)


def _follow(result: _Result, health: Health, now: int) -> tuple[DeliveryChange, Health]:
    """What a try makes of its delivery, and of the health of its endpoint."""
    row, line, tried, began = result
    tries = row.tries + 1
    verdict: Verdict = judge(tries, tried.heard, now)
    line.hold(verdict.hold_until)
    entries = [*tries_of(row), tried.entry][-_LOG_KEPT:]
    first = datetime.fromisoformat(str(entries[-min(tries, len(entries))]["at"]))
    health = fare(health, tried.heard, verdict, _microseconds(first), began)
    if row.event == PROGRESS.key:
        return DeliveryChange(row.id, Status.DEAD, tries, None, row.log, kept=False), health
    return DeliveryChange(row.id, verdict.status, tries, verdict.next_at, msgspec.json.encode(entries)), health


def _note(line: Line, health: Health) -> None:
    newly = health.disabled_at is not None and line.health.disabled_at is None
    line.health = health
    if newly and line.row is not None:
        tell_owner(line.row, health.disabled_reason)


def tell_owner(row: SubscriptionRow, reason: str | None) -> None:
    """Say that an endpoint was given up; its subscription shows it as well."""
    host = urlsplit(row.endpoint.url).hostname  # the rest of it may be a secret
    about: dict[str, Any] = {"subscription": row.id, "owner": row.owner, "host": host, "reason": reason}
    log.warning("a webhook endpoint was disabled; enable it again when it is mended", **about)


def _microseconds(when: datetime) -> int:
    return int(when.timestamp()) * 1_000_000 + when.microsecond
