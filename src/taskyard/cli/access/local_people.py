"""What people do, on the store itself: as whoever the command names."""

from __future__ import annotations

import getpass
from collections.abc import Mapping
from typing import Any

import msgspec

from taskyard.app import App
from taskyard.cli.access.contract import Json
from taskyard.contracts.records import InboxFilter
from taskyard.domain.ids import parse_id
from taskyard.domain.outcome import TaskError
from taskyard.domain.task import Task, to_json
from taskyard.engine.people import ending, notices, verbs
from taskyard.engine.people.inbox import groups_of, item_json, read_done, read_inbox
from taskyard.engine.people.notices import read_preferences
from taskyard.engine.people.repair import rerun
from taskyard.errors import NotFound
from taskyard.security.caller import Caller


class LocalPeople:
    """The verbs on an open app; see the contract."""

    _app: App

    async def inbox(self, query: Mapping[str, Any], user: str | None) -> Json:
        """See the contract."""
        caller, engine, limit = await self._as(user), self._app.engine, int(query["limit"])
        view = str(query["view"])
        if view == "done":
            page = await read_done(engine, caller.subject, limit, None)
        else:
            late = await engine.store.now() if view == "overdue" else None
            shown = "open" if view == "overdue" else view
            wanted = InboxFilter(caller.subject, groups_of(caller), shown, str(query["sort"]), late)
            page = await read_inbox(engine, wanted, limit, None)
        return {"items": [item_json(known, caller) for known in page.items], "nextCursor": None}

    async def act(self, task_id: str, verb: str, body: Json, user: str | None) -> Json:
        """See the contract."""
        number = parse_id(task_id)
        if number is None:
            raise NotFound(f"there is no task {task_id!r}")
        return to_json(await self._act(await self._as(user), number, verb, body))

    async def notifications(self, query: Mapping[str, Any], user: str | None) -> Json:
        """See the contract."""
        caller, limit = await self._as(user), int(query["limit"])
        page = await notices.list_notices(self._app.engine, caller, limit, None, unread=bool(query["unread"]))
        return {"items": [notices.notice_json(row) for row in page.items], "nextCursor": None}

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
        engine = self._app.engine
        if verb == "claim":
            return await verbs.claim(engine, caller, task_id)
        if verb == "release":
            return await verbs.release(engine, caller, task_id)
        if verb == "reject":
            error = TaskError("REJECTED", body["reason"], retryable=False)
            return await ending.reject(engine, caller, task_id, error)
        if verb == "draft":
            return await verbs.draft(engine, caller, task_id, body["output"])
        if verb == "repair":
            return await rerun(engine, caller, task_id, body.get("input"), body.get("comment"))
        return await ending.complete(
            engine, caller, task_id, body["output"], outcome=body.get("outcome"), comment=body.get("comment")
        )

    async def _as(self, user: str | None) -> Caller:
        """A person of this machine: who the command names, else who is logged in, with their groups here."""
        name = user or getpass.getuser()
        person = await self._app.directory.person(name)
        groups = frozenset(person.groups) if person is not None else frozenset[str]()
        return Caller(name, frozenset({"tasks:manual"}), groups)
