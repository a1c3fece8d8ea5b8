"""Access in this process: the engine on the store itself.

The shapes of the HTTP interface are loaded where they are needed, for most commands need none of them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

from taskyard.app import App
from taskyard.cli.access.contract import Access, Json, Message, Started
from taskyard.cli.access.cursors import position
from taskyard.cli.access.local_audit import LocalAudit
from taskyard.cli.access.local_connections import LocalConnections
from taskyard.cli.access.local_people import LocalPeople
from taskyard.cli.access.local_users import LocalUsers
from taskyard.cli.access.local_webhooks import LocalWebhooks
from taskyard.cli.access.local_workflows import LocalWorkflows
from taskyard.contracts.records import Filter, Page
from taskyard.domain.definition import Kind
from taskyard.domain.ids import parse_id
from taskyard.domain.queue import Queue
from taskyard.domain.schedule import parse_schedule
from taskyard.domain.task import to_json
from taskyard.engine import requeue, schedules
from taskyard.engine.cancel import cancel
from taskyard.engine.define import define, get_definition, list_definitions, list_versions, parse_definition
from taskyard.engine.metrics import queue_figures
from taskyard.engine.query import get_task, list_attempts, list_dead, list_tasks
from taskyard.engine.request import parse_request
from taskyard.engine.submit import submit
from taskyard.engine.upload import save_upload
from taskyard.engine.why import why
from taskyard.errors import NotFound
from taskyard.loading import load_yard
from taskyard.runtime.follow import follow
from taskyard.security.caller import LOCAL

_REASON = "by hand"


@contextlib.asynccontextmanager
async def open_local(target: str | None, *, work: bool) -> AsyncIterator[Access]:
    """Access to the store of the yard that `target` names, or of the settings; a `target` may work meanwhile."""
    yard = load_yard(target)
    async with yard.worker() if target is not None and work else yard:
        yield LocalAccess(yard.app)


class LocalAccess(LocalWebhooks, LocalPeople, LocalUsers, LocalAudit, LocalWorkflows, LocalConnections):
    """The verbs on an open app; see the contract."""

    def __init__(self, app: App) -> None:
        super().__init__(app)
        self._engine = app.engine
        self._watcher = app.watcher

    # ---- tasks
    async def start(self, body: Json) -> Started:
        """See the contract."""
        submitted = await submit(self._engine, parse_request(body), LOCAL)
        return Started(to_json(submitted.task), submitted.reused)

    async def task(self, task_id: str) -> Json:
        """See the contract."""
        return to_json(await get_task(self._engine, _id(task_id)))

    async def tasks(self, query: Mapping[str, Any]) -> Json:
        """See the contract."""
        from taskyard.api.task_lists import TASK_QUERY, filter_of

        wanted = TASK_QUERY.parse(dict(query))
        page = await list_tasks(
            self._engine,
            await filter_of(self._engine, wanted),
            wanted.limit,
            position(wanted.cursor),
            by_start=wanted.sort == "started",
        )
        return _page(page.items, page.next)

    async def attempts(self, task_id: str) -> list[Json]:
        """See the contract."""
        from taskyard.api.task_story import attempt_json

        return [attempt_json(one) for one in await list_attempts(self._engine, _id(task_id))]

    def follow(self, task_id: str, after: int = 0) -> AsyncIterator[Message]:
        """See the contract."""
        return follow(self._engine, self._watcher, _id(task_id), after)

    async def cancel(self, task_id: str, reason: str | None) -> Json:
        """See the contract."""
        return to_json(await cancel(self._engine, _id(task_id), LOCAL.subject, reason))

    async def retry(self, task_id: str) -> Json:
        """See the contract."""
        return to_json(await requeue.retry(self._engine, _id(task_id), LOCAL.subject))

    async def why(self, task_id: str) -> Json:
        """See the contract."""
        return await why(self._engine, _id(task_id))

    async def upload(self, path: Path) -> str:
        """See the contract."""
        return (await save_upload(self._engine, path.name, await asyncio.to_thread(path.read_bytes), LOCAL)).id

    # ---- queues
    async def queues(self) -> list[Json]:
        """See the contract."""
        return await queue_figures(self._engine)

    async def pause(self, queue: str, *, paused: bool) -> Json:
        """See the contract."""
        found = Queue.titled(queue)
        if found is None:
            raise NotFound(f"there is no queue {queue!r}; `taskyard queues` lists them")
        await self._engine.store.pause(found, paused)
        return next(one for one in await self.queues() if one["name"] == queue)

    async def dead_letters(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        page = await list_dead(self._engine, limit, position(cursor))
        return _page(page.items, page.next)

    async def requeue(self, body: Json) -> Json:
        """See the contract."""
        meant = await self._chosen(body)
        how = (body.get("input"), body.get("ratePerSecond"), body.get("delay", 0))
        moved = await requeue.requeue(self._engine, meant.ids, LOCAL.subject, _REASON, *how)
        return _moved(moved, meant)

    async def discard(self, body: Json) -> Json:
        """See the contract."""
        meant = await self._chosen(body)
        return _moved(await requeue.discard(self._engine, meant.ids, LOCAL.subject, _REASON), meant)

    async def _chosen(self, body: Json) -> Page:
        """The dead letters that ids or a filter name."""
        if "taskIds" in body:
            return Page([_id(text) for text in body["taskIds"]], None)
        key = body["filter"].get("definition")
        kinds = None if key is None else tuple([kind.id for kind in await list_versions(self._engine, key)])
        return await requeue.dead_letters(self._engine, Filter(kind_ids=kinds), position(body.get("cursor")))

    # ---- definitions
    async def definitions(self) -> list[Json]:
        """See the contract."""
        return [_definition(kind) for kind in await list_definitions(self._engine)]

    async def definition(self, key: str) -> Json:
        """See the contract."""
        return _definition(await get_definition(self._engine, key))

    async def versions(self, key: str) -> list[Json]:
        """See the contract."""
        return [_definition(kind) for kind in await list_versions(self._engine, key)]

    async def push(self, definition: Json) -> Json:
        """See the contract."""
        return _definition((await define(self._engine, [parse_definition(definition)]))[0])

    # ---- schedules
    async def schedules(self, limit: int, cursor: str | None) -> Json:
        """See the contract."""
        page = await schedules.list_schedules(self._engine, limit, cursor)
        return {"items": [_schedule(view) for view in page.items], "nextCursor": page.next}

    async def schedule(self, schedule_id: str) -> Json:
        """See the contract."""
        return _schedule(await schedules.get_schedule(self._engine, schedule_id))

    async def put_schedule(self, schedule: Json) -> Json:
        """See the contract."""
        view, _ = await schedules.put_schedule(self._engine, parse_schedule(schedule), LOCAL)
        return _schedule(view)

    async def remove_schedule(self, schedule_id: str) -> None:
        """See the contract."""
        await schedules.remove_schedule(self._engine, schedule_id)

    async def pause_schedule(self, schedule_id: str, *, paused: bool) -> Json:
        """See the contract."""
        return _schedule(await schedules.pause_schedule(self._engine, schedule_id, paused=paused))

    async def run_schedule(self, schedule_id: str) -> Json:
        """See the contract."""
        return to_json(await schedules.run_schedule(self._engine, schedule_id, LOCAL))

    async def backfill(self, schedule_id: str, body: Json) -> Json:
        """See the contract."""
        from taskyard.api.schedules import BACKFILL, backfill_range

        since, until = backfill_range(BACKFILL.parse(body))
        return {"taskIds": _ids(await schedules.backfill(self._engine, schedule_id, since, until, LOCAL))}


def _definition(kind: Kind) -> Json:
    """A stored version in the JSON of the contract."""
    from taskyard.api.definitions import definition_json

    return definition_json(kind)


def _schedule(view: schedules.View) -> Json:
    """A schedule in the JSON of the contract."""
    from taskyard.api.schedules import schedule_json

    return schedule_json(view)


def _id(text: str) -> int:
    number = parse_id(text)
    if number is None:
        raise NotFound(f"there is no task {text!r}; an id is a number such as `taskyard tasks` shows")
    return number


def _ids(numbers: list[int]) -> list[str]:
    return [str(number) for number in numbers]


def _moved(ids: list[int], meant: Page) -> Json:
    cursor = None if meant.next is None else str(meant.next)
    return {"taskIds": _ids(ids), "complete": cursor is None, "nextCursor": cursor}


def _page(tasks: list[Any], next_: int | None) -> Json:
    return {"items": [to_json(task) for task in tasks], "nextCursor": None if next_ is None else str(next_)}
