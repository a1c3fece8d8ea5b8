"""Notices as their person deals with them: read, and said how they are to come."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from taskyard.contracts.notices import NoticeRow
from taskyard.domain.json import detail, refusal
from taskyard.domain.people.notice import words
from taskyard.domain.people.preferences import Preferences, digest_faults
from taskyard.domain.schema import compile_schema
from taskyard.domain.task import iso
from taskyard.engine.engine import Engine
from taskyard.security.caller import Caller

_SCHEMA = compile_schema(msgspec.json.schema(Preferences))


class NoticePage(NamedTuple):
    """Some notices, the latest first, and the id after which the next page begins (None: there is none)."""

    items: list[NoticeRow]
    next: int | None


async def list_notices(engine: Engine, caller: Caller, limit: int, after: int | None, *, unread: bool) -> NoticePage:
    """A page of what the caller has been told."""
    rows = await engine.store.notices(caller.subject, limit + 1, after, unread=unread)
    return NoticePage(rows[:limit], rows[limit - 1].id if len(rows) > limit else None)


async def mark(engine: Engine, caller: Caller, notice_ids: Sequence[int] | None, *, read: bool) -> int:
    """Have the caller's notices (None: all) read or unread; how many that changed."""
    return await engine.store.mark_notices(caller.subject, notice_ids, read=read)


async def preferences_of(engine: Engine, caller: Caller) -> Preferences:
    """How the caller wants to be told."""
    return (await engine.store.preferences([caller.subject])).get(caller.subject, Preferences())


def read_preferences(value: Any) -> Preferences:
    """The preferences in a JSON value. Raises ValidationFailed."""
    _SCHEMA.check(value, "")
    return msgspec.convert(value, Preferences)


async def prefer(
    engine: Engine, caller: Caller, wanted: Preferences, check_url: Callable[[str, str], Awaitable[str]]
) -> Preferences:
    """Keep how the caller wants to be told. Raises ValidationFailed, for addresses that may not be called too."""
    wrong = [detail(path, message, "digest") for path, message in digest_faults(wanted.digest)]
    if wrong:
        raise refusal(wrong)
    for name in ("slack", "webhook"):
        if url := getattr(wanted, name):
            await check_url(url, f"/{name}")
    await engine.store.save_preferences(caller.subject, wanted)
    return wanted


def notice_json(row: NoticeRow) -> dict[str, Any]:
    """A notice as everybody sees it."""
    body: dict[str, Any] = msgspec.json.decode(row.body)
    kind: Any = row.kind
    return {
        "noticeId": str(row.id), "kind": row.kind, "taskId": str(row.task_id) if row.task_id else None,
        "at": iso(row.at), "readAt": iso(row.read_at), "text": words(kind, body, "").subject, "subscriptionId": None,
        **body,
    }  # fmt: skip
