"""Moves that are not a worker's: cancel, requeue, discard, hurry, and what people and answers do.

A move of one task is made only if the task is still where it was seen, at the same version; otherwise it looks again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from taskyard.contracts.inbox import Room
from taskyard.contracts.records import Opened, Settlement, Topic
from taskyard.domain.facts import AttemptDetail, Facts, PlaceKind
from taskyard.domain.lifecycle import EventType
from taskyard.domain.people.document import with_corrector
from taskyard.domain.task import version_of
from taskyard.errors import Conflict
from taskyard.store.postgres.base import Base
from taskyard.store.postgres.execution import events_of
from taskyard.store.postgres.people import check_room
from taskyard.store.postgres.reading import facts_of
from taskyard.store.postgres.shapes import columns, encode
from taskyard.store.postgres.statements import statement

_CANCEL = statement("cancel")
_REQUEUE = statement("requeue")
_DISCARD = statement("discard")
_HURRY = statement("hurry")
_SETTLE_OPEN = statement("settle_open")
_CHANGE_OPEN = statement("change_open")
_RERUN = statement("rerun")
_TAKE_UP = statement("take_up")
_EXTRAS = "SELECT id, extra FROM taskyard.task WHERE id = ANY ($1::bigint[]) ORDER BY id FOR UPDATE"

_OPEN = (PlaceKind.ASSIGNED, PlaceKind.WAITING)
_NOT_OPENED = Opened(*(None,) * len(Opened._fields))


class Moves(Base):
    """The facet of the same name."""

    async def cancel(self, task_id: int, by: str | None, reason: str | None, version: int | None) -> bool:
        """See the contract."""
        while True:
            facts = await self._look(task_id, version)
            if facts is None or facts.place is None or facts.place.kind is PlaceKind.DEAD:
                return False
            detail = encode(AttemptDetail(by=by, reason=reason, retry_count=facts.place.failures or None))
            wanted = (task_id, version_of(facts.place, facts.last), detail)
            row = await self.db.durable.row(_CANCEL, self.clock.moment, *wanted)
            if row is not None:
                self.wake(Topic.REVOKED)
                await self.admit(row["freed"])
                return True

    async def requeue(
        self, task_ids: Sequence[int], by: str, reason: str, new_input: bytes | None, delays_us: Sequence[int] = ()
    ) -> list[int]:
        """See the contract."""
        body = encode({"by": by, "reason": reason})
        delays = list(delays_us) or [0] * len(task_ids)
        told = (self.clock.moment, list(task_ids), body, new_input, delays)
        if new_input is None:
            rows = await self.db.durable.fetch(_REQUEUE, *told, [None] * len(task_ids))
        else:
            async with self.db.durable.transaction() as connection:
                extras = await _with_corrector(connection, task_ids, by)
                rows = await connection.fetch(_REQUEUE, *told, extras)
        if rows:
            self.wake(Topic.READY)
            await self.admit({row["key"] for row in rows if row["key"] is not None})
        return [row["task_id"] for row in rows]

    async def discard(self, task_ids: Sequence[int], by: str, reason: str) -> list[int]:
        """See the contract."""
        body = encode({"by": by, "reason": reason, "discarded": True})
        rows = await self.db.durable.fetch(_DISCARD, self.clock.moment, list(task_ids), body)
        return [row["task_id"] for row in rows]

    async def hurry(self, task_id: int) -> bool:
        """See the contract."""
        row = await self.db.durable.row(_HURRY, self.clock.moment, task_id)
        if row is None:
            return False
        self.wake(Topic.READY)
        await self.admit([row["key"]] if row["key"] is not None else None)
        return True

    async def settle_open(
        self, task_id: int, settlement: Settlement, version: int | None, seen: bytes | None = None
    ) -> bool:
        """See the contract."""
        s = settlement
        ended = (s.outcome, s.run_ms, s.result, s.detail, s.delay_us, s.failures, s.losses, s.lane_id)
        told = (*ended, *columns(events_of(s.outcome), 2), seen, s.by, *(s.opened or _NOT_OPENED))
        return await self._move_open(_SETTLE_OPEN, task_id, version, *told) is not None

    async def rerun(
        self, task_id: int, by: str, reason: str | None, new_input: bytes | None, version: int | None
    ) -> bool:
        """See the contract."""
        told = (by, encode({"by": by, "reason": reason}), new_input)
        if new_input is None:
            row = await self._move_open(_RERUN, task_id, version, *told, None)
        else:
            row = await self._correct_open(task_id, version, by, *told)
        if row is None:
            return False
        self.wake(Topic.READY)
        await self.admit([row["key"]] if row["key"] is not None else None)
        return True

    async def take_up(
        self, task_id: int, opened: Opened, body: dict[str, Any], version: int | None, room: Room | None = None
    ) -> bool:
        """See the contract."""
        while (facts := await self._look(task_id, version)) is not None:
            if facts.place is None or facts.place.kind is not PlaceKind.DEAD:
                return False
            told = (task_id, encode(body), *opened, facts.place.attempt)
            if room is None:
                taken = await self.db.durable.fetch(_TAKE_UP, self.clock.moment, *told)
            else:
                async with self._taking(room) as connection:
                    taken = await connection.fetch(_TAKE_UP, self.clock.moment, *told)
            if taken:
                return True
        return False

    async def change_open(
        self, task_id: int, opened: Opened, note: EventType, body: dict[str, Any], version: int | None,
        room: Room | None = None,
    ) -> bool:  # fmt: skip
        """See the contract."""
        told = (note, encode(body), *opened)
        if room is None:
            return await self._move_open(_CHANGE_OPEN, task_id, version, *told) is not None
        while (present := await self._open_at(task_id, version)) is not None:
            async with self._taking(room) as connection:
                if await connection.fetch(_CHANGE_OPEN, self.clock.moment, task_id, present, *told):
                    return True
        return False

    @asynccontextmanager
    async def _taking(self, room: Room) -> AsyncIterator[asyncpg.Connection]:
        """A transaction in which there is room for one more; who waits for others of the same person here has no
        connection yet. Raises Full.
        """
        async with self.takers.setdefault(room.person, asyncio.Lock()), self.db.durable.transaction() as connection:
            await check_room(connection, room)
            yield connection

    async def _move_open(self, sql: str, task_id: int, version: int | None, *told: Any) -> asyncpg.Record | None:
        """What the statement gives that moves an open task at its version; None where it is not open.

        Who knows the version spares the look.
        """
        present = await self._open_at(task_id, None) if version is None else version
        tried = None
        while present not in (None, tried):
            row = await self.db.durable.row(sql, self.clock.moment, task_id, present, *told)
            if row is not None:
                return row
            tried, present = present, await self._open_at(task_id, version)
        return None

    async def _correct_open(self, task_id: int, version: int | None, by: str, *told: Any) -> asyncpg.Record | None:
        """As `_move_open` with a new input, and who gives it behind the task."""
        while (present := await self._open_at(task_id, version)) is not None:
            async with self.db.durable.transaction() as connection:
                extras = await _with_corrector(connection, [task_id], by)
                rows = await connection.fetch(_RERUN, self.clock.moment, task_id, present, *told, *extras)
            if rows:
                return rows[0]
        return None

    async def _open_at(self, task_id: int, version: int | None) -> int | None:
        """The version of an open task; None when it is not open."""
        facts = await self._look(task_id, version)
        if facts is None or facts.place is None or facts.place.kind not in _OPEN:
            return None
        return version_of(facts.place, facts.last)

    async def _look(self, task_id: int, version: int | None) -> Facts | None:
        """The task's facts. Raises Conflict when it is not at the version that the caller has seen."""
        found = await facts_of(self.db.relaxed, [task_id])
        present = version_of(found[0].place, found[0].last) if found else None
        if version not in (None, present):
            raise Conflict(f"the task has changed: it is at version {present}, not {version}; read it again")
        return found[0] if found else None


async def _with_corrector(connection: asyncpg.Connection, task_ids: Sequence[int], by: str) -> list[bytes | None]:
    """The rarer facts of each task with one more behind it; none changes them before the transaction ends."""
    rows = await connection.fetch(_EXTRAS, list(task_ids))
    extras = {row["id"]: with_corrector(row["extra"], by) for row in rows}
    return [extras.get(task_id) for task_id in task_ids]
