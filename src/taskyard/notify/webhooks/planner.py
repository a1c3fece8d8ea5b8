"""The planner: turns what is committed into deliveries, each event once for each endpoint that wants it."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

import msgspec

from taskyard.contracts.webhooks import DeliveryRow, SubscriptionRow, WebhookMark
from taskyard.domain.webhook import CALLBACK, Selection, names_of
from taskyard.engine.callbacks import callbacks_of
from taskyard.engine.engine import Engine
from taskyard.engine.events import FeedEvent, read_page
from taskyard.engine.progress import read_reports

_AT_ONCE = 500


class Planner:
    """Reads the feed from its mark. Where nobody subscribed, and no task has a `callbackUrl`, it reads nothing."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._selections: dict[str, tuple[int, Selection]] = {}
        self._told: dict[str, dict[int, int]] = {}

    async def plan(self) -> bool:
        """Plan a piece of what is new; False when nothing was.

        The subscriptions are read after the events: one that was made before an event was committed is told it.
        """
        store = self._engine.store
        mark = await store.webhook_mark()
        beginnings = [row.since for row in await store.enabled_subscriptions()]
        if mark.callbacks_since is not None:
            beginnings.append(mark.callbacks_since)
        if not beginnings:
            return False
        page = await read_page(self._engine, max(mark.pos, min(beginnings)), _AT_ONCE)
        if page.end <= max(mark.pos, min(beginnings)):
            return False
        rows = self._for_subscribers(page.events, await store.enabled_subscriptions())
        rows += await self._for_callbacks(page.events, mark)
        rows = [
            row._replace(id=id_) for row, id_ in zip(sorted(rows, key=_order), store.new_ids(len(rows)), strict=True)
        ]
        return await store.plan_deliveries(rows, mark.pos, page.end)

    async def plan_progress(self) -> None:
        """Plan what running tasks report, for those who name it, once they have been told all else about the task."""
        store = self._engine.store
        subscribers = [(row, self._selection(row)) for row in await store.enabled_subscriptions()]
        wanting = {row.id: (row, selection) for row, selection in subscribers if selection.names_progress}
        if not wanting:
            return
        told = {id_: self._told.get(id_, {}) for id_ in wanting}
        reports = await read_reports(self._engine, lambda task_id: min(each.get(task_id, 0) for each in told.values()))
        pos = (await store.webhook_mark()).pos
        rows = {}
        for task_id, event in reports.events.items():
            envelope = event.envelope()
            source, body = FeedEvent(pos, event, []), msgspec.json.encode(envelope)
            for row, selection in wanting.values():
                if told[row.id].get(task_id, 0) >= event.sequence:
                    continue
                if not selection.wants_progress(envelope):
                    told[row.id][task_id] = event.sequence  # it is not asked about the same again
                else:
                    id_ = store.new_ids(1)[0]
                    rows[id_] = _row(source, row.id, row.owner, body)._replace(id=id_)
        for id_ in await store.plan_idle(list(rows.values())) if rows else ():
            planned = rows[id_]
            told[planned.endpoint][planned.task_id] = reports.events[planned.task_id].sequence
        self._told = {
            id_: {task_id: number for task_id, number in each.items() if task_id in reports.reporting}
            for id_, each in told.items()
        }

    def _for_subscribers(
        self, events: Sequence[FeedEvent], subscribers: Sequence[SubscriptionRow]
    ) -> list[DeliveryRow]:
        chosen = [(row, self._selection(row)) for row in subscribers]
        rows = []
        for each in events:
            names, envelope = names_of(each.event, each.triggers), each.event.envelope()
            body: bytes | None = None
            for row, selection in chosen:
                if each.pos > row.since and selection.wants(names, envelope):
                    body = body or msgspec.json.encode(envelope)
                    rows.append(_row(each, row.id, row.owner, body))
        return rows

    async def _for_callbacks(self, events: Sequence[FeedEvent], mark: WebhookMark) -> list[DeliveryRow]:
        if mark.callbacks_since is None:
            return []
        since = mark.callbacks_since
        return [
            _row(each.source, callback_endpoint(each.url), each.owner, each.body, each.url)
            for each in await callbacks_of(self._engine, [one for one in events if one.pos > since])
        ]

    def _selection(self, row: SubscriptionRow) -> Selection:
        known = self._selections.get(row.id)
        if known is None or known[0] != row.revision:
            known = self._selections[row.id] = row.revision, Selection(row.endpoint)
        return known[1]


def callback_endpoint(url: str) -> str:
    """The endpoint that the callbacks to one host and port share."""
    parts = urlsplit(url)
    return f"{CALLBACK}:{parts.scheme}://{parts.netloc}".lower()


def _row(source: FeedEvent, endpoint: str, owner: str, body: bytes, url: str | None = None) -> DeliveryRow:
    event = source.event
    return DeliveryRow(0, endpoint, owner, int(event.data["taskId"]), source.pos, event.key, event.id, body, url)


def _order(row: DeliveryRow) -> tuple[int, str]:
    return row.pos, row.endpoint
