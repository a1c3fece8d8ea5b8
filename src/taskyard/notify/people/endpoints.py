"""Telling the owners of webhook endpoints that these were given up: each once for each time, whatever happens between.

What was said is told by the position of a reader of the endpoint's own: the moment at which it was disabled.
"""

from __future__ import annotations

import msgspec

from taskyard.contracts.notices import NoticeRow
from taskyard.contracts.webhooks import SubscriptionRow, owner_reader
from taskyard.domain.people.notice import one_line
from taskyard.engine.engine import Engine
from taskyard.notify.people.planner import Planner


class Endpoints:
    """Looks now and then at those that are disabled."""

    def __init__(self, engine: Engine, planner: Planner) -> None:
        self._engine = engine
        self._planner = planner
        self._told: dict[str, int] = {}

    async def turn(self) -> None:
        """Tell the owners of those that they have not been told of; during maintenance they wait."""
        if await self._engine.mode.is_on():
            return
        for row in await self._engine.store.given_up_subscriptions():
            at = row.health.disabled_at
            if at is not None and self._told.get(row.id) != at:
                await self._tell(row, at)
                self._told[row.id] = at

    async def _tell(self, row: SubscriptionRow, at: int) -> None:
        store, reader = self._engine.store, owner_reader(row.id)
        before = await store.reader_position(reader)
        if before is None:
            before = 0
            await store.move_reader(reader, None, before)
        if before < at:
            await self._planner.note([_notice(store.new_ids(1)[0], row, at)], reader, before, at)


def _notice(id_: int, row: SubscriptionRow, at: int) -> NoticeRow:
    body = {
        "title": one_line(row.endpoint.url), "reason": row.health.disabled_reason, "subscriptionId": row.id,
        "taskDefinitionId": None, "workflowId": None, "priority": None, "dueDate": None, "by": None, "action": None,
        "assigneeType": None, "assigneeId": None,
    }  # fmt: skip
    return NoticeRow(id_, row.owner, 0, "disabled", at, msgspec.json.encode(body))
