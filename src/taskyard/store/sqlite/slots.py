"""Concurrency limits: a task that has keys is ready only while it holds a slot of each.

Slots are rows, so that none can leak: `sweep` frees those whose task is neither ready nor running.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from taskyard.contracts.records import SlotKey
from taskyard.store.sqlite.base import Connection, as_array

# A limit that is full, of the tasks' `t`.
_FULL = (
    "SELECT 1 FROM task_slot t JOIN slot_limit l ON l.key = t.key "
    "WHERE (SELECT count(*) FROM slot f WHERE f.key = t.key) >= l.size"
)


def declare(connection: Connection, task_id: int, slots: Sequence[SlotKey]) -> None:
    """Remember the keys a task falls under, and each key's present size."""
    for slot in slots:
        connection.execute(
            "INSERT INTO slot_limit (key, size) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET size = excluded.size",
            slot,
        )
        connection.execute(
            "INSERT INTO task_slot (task_id, key) VALUES (?, ?) ON CONFLICT DO NOTHING", (task_id, slot.key)
        )


def keyed(connection: Connection, task_ids: Iterable[int]) -> set[int]:
    """Those of the tasks that fall under any limit."""
    rows = connection.execute(
        "SELECT DISTINCT task_id FROM task_slot WHERE task_id IN (SELECT value FROM json_each(?))",
        (as_array(task_ids),),
    )
    return {row[0] for row in rows}


def release(connection: Connection, task_ids: Iterable[int]) -> list[str]:
    """Free the slots these tasks hold; the keys that now have room."""
    rows = connection.execute(
        "DELETE FROM slot WHERE task_id IN (SELECT value FROM json_each(?)) RETURNING key",
        (as_array(task_ids),),
    ).fetchall()
    return sorted({row[0] for row in rows})


def park(connection: Connection, rows: Iterable[tuple[int, int, int, int, int, int]]) -> list[str]:
    """Park (task_id, ord, lane_id, attempt, failures, losses); the keys to admit for."""
    parked = list(rows)
    connection.executemany(
        "INSERT INTO parked (task_id, ord, lane_id, attempt, failures, losses) VALUES (?, ?, ?, ?, ?, ?)",
        parked,
    )
    found = connection.execute(
        "SELECT DISTINCT key FROM task_slot WHERE task_id IN (SELECT value FROM json_each(?))",
        (as_array(row[0] for row in parked),),
    )
    return [row[0] for row in found]


def admit(connection: Connection, keys: Iterable[str]) -> int:
    """Make ready, in order, what is parked under these keys and finds room in all of its own; how many."""
    admitted = 0
    for key in sorted(set(keys)):
        while entered := sum(_enter(connection, row) for row in _waiting(connection, key)):
            admitted += entered
    return admitted


def sweep(connection: Connection) -> int:
    """Free the slots of tasks that no longer queue or run, and admit whoever can enter; how many entered."""
    connection.execute(
        "DELETE FROM slot WHERE task_id NOT IN (SELECT task_id FROM ready) "
        "AND task_id NOT IN (SELECT task_id FROM claim)"
    )
    keys = connection.execute(
        "SELECT DISTINCT s.key FROM parked p JOIN task_slot s ON s.task_id = p.task_id"
    ).fetchall()
    return admit(connection, [row[0] for row in keys])


def _waiting(connection: Connection, key: str) -> list[tuple[int, int, int, int, int, int]]:
    """As many parked tasks under the key, in order, as it has room for; without those that another key stops."""
    return connection.execute(
        "SELECT p.task_id, p.ord, p.lane_id, p.attempt, p.failures, p.losses "
        "FROM task_slot s JOIN parked p ON p.task_id = s.task_id "
        f"WHERE s.key = ?1 AND NOT EXISTS ({_FULL} AND t.task_id = p.task_id) ORDER BY p.ord, p.task_id "
        "LIMIT max(0, (SELECT size FROM slot_limit WHERE key = ?1) - (SELECT count(*) FROM slot WHERE key = ?1))",
        (key,),
    ).fetchall()


def _enter(connection: Connection, row: tuple[int, int, int, int, int, int]) -> bool:
    task_id, order, lane_id, attempt, failures, losses = row
    if connection.execute(f"{_FULL} AND t.task_id = ?", (task_id,)).fetchone():
        return False
    connection.execute(
        "INSERT INTO slot (key, task_id) SELECT key, task_id FROM task_slot WHERE task_id = ?", (task_id,)
    )
    connection.execute("DELETE FROM parked WHERE task_id = ?", (task_id,))
    connection.execute(
        "INSERT INTO ready (lane_id, ord, task_id, attempt, failures, losses) VALUES (?, ?, ?, ?, ?, ?)",
        (lane_id, order, task_id, attempt, failures, losses),
    )
    return True
