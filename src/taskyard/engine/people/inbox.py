"""Inbox: what a person has to do, and what they can do with each of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from taskyard.contracts.inbox import InboxFilter, InboxRow
from taskyard.domain.forms.secrets import without_secrets
from taskyard.domain.people.approval import tell_decisions
from taskyard.domain.people.rights import actions
from taskyard.domain.task import Task, iso, tell, to_json
from taskyard.engine.engine import Engine
from taskyard.engine.people.forms import tell_form
from taskyard.engine.people.holding import Holding, holding_of, who
from taskyard.engine.query import Known, know
from taskyard.security.caller import Caller

_MOST_GROUPS = 200


class InboxPage(NamedTuple):
    """Some tasks, and after which row the next page begins (None: there is none)."""

    items: list[Known]
    next: InboxRow | None


async def read_inbox(engine: Engine, wanted: InboxFilter, limit: int, after: InboxRow | None) -> InboxPage:
    """A page of an inbox, in its order."""
    return await _page(engine, await engine.store.inbox(wanted, limit + 1, after), limit)


async def read_done(engine: Engine, person: str, limit: int, after: InboxRow | None) -> InboxPage:
    """A page of what a person has ended, the latest first."""
    return await _page(engine, await engine.store.worked(person, limit + 1, after), limit)


async def next_of(engine: Engine, caller: Caller, but: int) -> Known | None:
    """The first task of the caller's inbox that is not `but`."""
    rows = await engine.store.inbox(InboxFilter(caller.subject, groups_of(caller)), 2, None)
    found = await know(engine, [row.task_id for row in rows if row.task_id != but][:1])
    return found[0] if found else None


def groups_of(caller: Caller) -> tuple[str, ...]:
    """The caller's groups, as an inbox is asked with."""
    return tuple(sorted(caller.groups)[:_MOST_GROUPS])


def item_json(known: Known, caller: Caller) -> dict[str, Any]:
    """A task as its person sees it: with what they may do now, its form, and what they have drafted."""
    task = to_json(tell(*known))
    form = tell_form(known)
    holding = holding_of(known)
    if holding is None:
        return task | {"actions": [], "form": form, "draft": None}
    return task | {"actions": actions_of(holding, caller), "form": form, **_sheet_json(holding, form["schema"])}


def actions_of(holding: Holding, caller: Caller) -> list[str]:
    """The verbs the caller may use now."""
    return actions(who(caller), holding.held, holding.sheet, holding.manual)


def _sheet_json(holding: Holding, schema: dict[str, Any] | None) -> dict[str, Any]:
    sheet = holding.sheet
    return {
        "draft": without_secrets(schema, sheet.draft),
        "owner": sheet.owner,
        "followUp": iso(sheet.follow_up_at),
        "decisions": tell_decisions(sheet.decisions),
    }


async def _page(engine: Engine, rows: Sequence[InboxRow], limit: int) -> InboxPage:
    items = await know(engine, [row.task_id for row in rows[:limit]])
    return InboxPage(items, rows[limit - 1] if len(rows) > limit else None)


def user_task(known: Known) -> Task:
    """The task alone."""
    return tell(*known)
