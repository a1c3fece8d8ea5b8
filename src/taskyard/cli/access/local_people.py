"""What people do, on the store itself: as whoever the command names."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

import msgspec

from taskyard.app import App
from taskyard.cli.access import cursors
from taskyard.cli.access.contract import Json
from taskyard.contracts.inbox import InboxFilter
from taskyard.domain.ids import parse_id
from taskyard.domain.outcome import TaskError
from taskyard.domain.task import Task, to_json
from taskyard.engine.people import ending, notices, verbs
from taskyard.engine.people.inbox import groups_of, item_json, read_done, read_inbox
from taskyard.engine.people.notices import read_preferences
from taskyard.engine.people.persons import as_known
from taskyard.engine.people.repair import assign, rerun
from taskyard.engine.query import know_one
from taskyard.errors import NotFound
from taskyard.security.caller import LOCAL, Caller

_OF_OPERATORS = frozenset({"assign", "reassign"})
"""What is done for others: without a name by who runs this machine."""


class LocalPeople:
    """The verbs on an open app; see the contract."""

    _app: App

    async def inbox(self, query: Mapping[str, Any], user: str | None) -> Json:
        """See the contract."""
        caller, engine, limit = await self._as(user), self._app.engine, int(query["limit"])
        view, after = str(query["view"]), cursors.row(query.get("cursor"))
        if view == "done":
            page = await read_done(engine, caller.subject, limit, after)
        else:
            late = await engine.store.now() if view == "overdue" else None
            shown = "open" if view == "overdue" else view
            wanted = InboxFilter(caller.subject, groups_of(caller), shown, str(query["sort"]), late)
            page = await read_inbox(engine, wanted, limit, after)
        return {"items": [item_json(known, caller) for known in page.items], "nextCursor": cursors.of_row(page.next)}

    async def act(self, task_id: str, verb: str, body: Json, user: str | None) -> Json:
        """See the contract."""
        number = parse_id(task_id)
        if number is None:
            raise NotFound(f"there is no task {task_id!r}")
        caller = LOCAL if user is None and verb in _OF_OPERATORS else await self._as(user)
        return to_json(await self._act(caller, number, verb, body))

    async def notifications(self, query: Mapping[str, Any], user: str | None) -> Json:
        """See the contract."""
        caller, limit, after = await self._as(user), int(query["limit"]), cursors.position(query.get("cursor"))
        page = await notices.list_notices(self._app.engine, caller, limit, after, unread=bool(query["unread"]))
        next_cursor = None if page.next is None else str(page.next)
        return {"items": [notices.notice_json(row) for row in page.items], "nextCursor": next_cursor}

    async def mark_notifications(self, body: Json, user: str | None) -> Json:
        """See the contract."""
        given = body.get("noticeIds")
        ids = None if given is None else [number for each in given if (number := parse_id(each)) is not None]
        return {"count": await notices.mark(self._app.engine, await self._as(user), ids, read=bool(body["read"]))}

    async def preferences(self, wanted: Any, user: str | None) -> Json:
        """See the contract."""
        engine, caller = self._app.engine, await self._as(user)
        if wanted is None:
            found = await notices.preferences_of(engine, caller)
        else:
            found = await notices.prefer(engine, caller, read_preferences(wanted), self._app.outside.check_url)
        return dict(msgspec.to_builtins(found))

    async def _act(self, caller: Caller, task_id: int, verb: str, body: Json) -> Task:
        engine, reason = self._app.engine, body.get("reason")
        match verb:
            case "claim":
                return await verbs.claim(engine, caller, task_id)
            case "release":
                return await verbs.release(engine, caller, task_id)
            case "assign":
                known = await know_one(engine, task_id)
                return await assign(engine, caller, known, body["assigneeId"], reason)
            case "reassign":
                to = verbs.Reassignment(body["assigneeType"], body["assigneeId"], reason)
                return await verbs.reassign(engine, caller, task_id, to)
            case "delegate":
                return await verbs.delegate(engine, caller, task_id, body["assigneeId"], reason)
            case "resolve":
                return await verbs.resolve(engine, caller, task_id)
            case "draft":
                return await verbs.draft(engine, caller, task_id, body["output"])
            case "reject":
                error = TaskError("REJECTED", body["reason"], retryable=False)
                return await ending.reject(engine, caller, task_id, error)
            case "repair":
                return await rerun(engine, caller, task_id, body.get("input"), body.get("comment"))
        return await ending.complete(
            engine, caller, task_id, body["output"], outcome=body.get("outcome"), comment=body.get("comment")
        )

    async def _as(self, user: str | None) -> Caller:
        """A person of this machine: who the command names, else who is logged in, with their groups here."""
        name = user or getpass.getuser()
        return await as_known(self._app.directory, Caller(name, frozenset({"tasks:manual"})))
