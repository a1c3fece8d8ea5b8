"""Letting go of what is over, in pieces so small that writers do not notice."""

from __future__ import annotations

from typing import NamedTuple

from taskyard.contracts.bus import LetterStatus
from taskyard.domain.ids import floor_id
from taskyard.domain.lifecycle import EventType
from taskyard.store.sqlite.base import Connection, as_array

_AT_ONCE = 500

_RESTING = ("ready", "sched", "parked", "claim", "open")
_BELONGINGS = ("attempt", "note", "line", "progress", "tag", "task_slot", "pledge", "uniq", "dead")


class Piece(NamedTuple):
    """How many tasks were forgotten, and how far the look at them came; None: to the end."""

    pruned: int
    reached: int | None


def _over(column: str) -> str:
    """Whether the task of this id has ended before `:before`, or is there no more."""
    rests = " ".join(f"AND NOT EXISTS (SELECT 1 FROM {table} WHERE task_id = {column})" for table in _RESTING)
    return f"NOT EXISTS (SELECT 1 FROM attempt a WHERE a.task_id = {column} AND a.finished_at >= :before) {rests}"


# What was started on behalf of a task stays as long as that.
_SEEN = (
    f"SELECT id, {_over('task.id')} AND (parent_id IS NULL OR {_over('task.parent_id')}) FROM task "
    "WHERE id > :after AND id < :end ORDER BY id LIMIT :limit"
)
_NEEDING = " UNION ALL ".join(
    (
        *(f"SELECT task_id FROM {table}" for table in (*_RESTING, "dead")),
        "SELECT task_id FROM attempt WHERE task_id < :end AND finished_at >= :before",
    )
)
_NAMED = f"IN ({_NEEDING}) AND instr({{}}, CAST(upload.id AS BLOB))"
_TELLING = ", ".join(str(int(type_)) for type_ in (EventType.COMMENTED, EventType.DECIDED))
# In its input, among what people have attached to it or sent with their approval, or in their draft.
_NEEDED = " UNION ALL ".join(
    (
        f"SELECT 1 FROM task WHERE id < :end AND id {_NAMED.format('input')}",
        f"SELECT 1 FROM note WHERE task_id < :end AND type IN ({_TELLING}) AND task_id {_NAMED.format('body')}",
        f"SELECT 1 FROM open WHERE task_id < :end AND task_id {_NAMED.format('sheet')}",
    )
)


def forget_tasks(connection: Connection, before: int, after: int) -> Piece:
    """Forget those of the next tasks after the id `after` that are over, with all that belongs to them."""
    given = {"before": before, "after": after, "end": floor_id(before), "limit": _AT_ONCE}
    seen = connection.execute(_SEEN, given).fetchall()
    over = as_array(id_ for id_, is_over in seen if is_over)
    for table in _BELONGINGS:
        connection.execute(f"DELETE FROM {table} WHERE task_id IN (SELECT value FROM json_each(?))", (over,))
    count = connection.execute("DELETE FROM task WHERE id IN (SELECT value FROM json_each(?))", (over,)).rowcount
    return Piece(count, seen[-1][0] if len(seen) == _AT_ONCE else None)


def forget_events(connection: Connection, before: int) -> bool:
    """Forget the first events of the feed as far as they are that old; whether there may be more.

    The last one stays: it holds the position after which the next one stands.
    """
    query = (
        "DELETE FROM feed WHERE pos IN (SELECT pos FROM feed ORDER BY pos LIMIT ?) AND at < ? "
        "AND pos < (SELECT max(pos) FROM feed)"
    )
    return connection.execute(query, (_AT_ONCE, before)).rowcount == _AT_ONCE


def forget_rest(connection: Connection, before: int) -> None:
    """Forget expired tokens, what people had done and were told, and events that nobody decided about for so long;
    and old uploads of no task that may still run, or that ended since.
    """
    connection.execute("DELETE FROM journal WHERE at < ?", (before,))
    connection.execute("DELETE FROM token WHERE expires_at < ?", (before,))
    connection.execute("DELETE FROM seen WHERE at < ?", (before,))
    connection.execute("DELETE FROM letter WHERE status = ? AND at < ?", (LetterStatus.DEAD, before))
    connection.execute("DELETE FROM worked WHERE ended_at < ?", (before,))
    connection.execute("DELETE FROM notice WHERE id < ? AND digest_at IS NULL", (floor_id(before),))
    connection.execute(
        f"DELETE FROM upload WHERE max(created_at, used_at) < :before AND NOT EXISTS ({_NEEDED})",
        {"before": before, "end": floor_id(before)},
    )
