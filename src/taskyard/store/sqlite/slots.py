"""Concurrency limits: a task that has keys is ready only while it holds a slot of each.

Until then it is parked, in the line of one limit that was full when last looked at. Slots are rows, so that none can
leak: `sweep` frees those whose task is neither ready nor running.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from taskyard.contracts.records import Contention, SlotKey, Taken
from taskyard.domain.admission import Limit, Waiting, choose, reach
from taskyard.domain.priority import AGED
from taskyard.store.sqlite.base import Connection, as_array

_HEAD_START = f"CASE l.priority {' '.join(f'WHEN {int(p)} THEN {start}' for p, start in AGED.items())} END"
_PARK = f"""
INSERT INTO parked (task_id, ord, turn, lane_id, attempt, failures, losses, key, fairness_key)
SELECT ?1, ?2, ?2 - {_HEAD_START}, ?3, ?4, ?5, ?6, s.key, s.fairness_key
FROM task_slot s JOIN lane l ON l.id = ?3 WHERE s.task_id = ?1 ORDER BY s.key LIMIT 1
"""
_LIMIT = "SELECT size, shared, (SELECT count(*) FROM slot s WHERE s.key = l.key) FROM slot_limit l WHERE key = ?"
_QUEUED = "SELECT count(*), max(r.ord) FROM slot s JOIN ready r USING (task_id) WHERE s.key = ?"
_PLACES = "SELECT coalesce(sum(info ->> 'slots'), 0) FROM worker WHERE NOT dead"
_AHEAD = "SELECT min(fairness_key) FROM parked WHERE key = ? AND fairness_key > ?"
_FIRST = "SELECT min(fairness_key) FROM parked WHERE key = ? AND fairness_key <= ?"
_HELD = "SELECT fairness_key, count(*) FROM slot WHERE key = ? GROUP BY fairness_key"
_NEXT = "SELECT task_id, turn FROM parked WHERE key = ? AND fairness_key = ? ORDER BY turn, task_id LIMIT ?"
_BEFORE = "SELECT count(*) FROM parked WHERE key = ? AND fairness_key = ? AND (turn, task_id) < (?, ?)"
_HOLDERS = "SELECT task_id FROM slot WHERE key = ? ORDER BY task_id LIMIT ?"
_TAKEN = """
SELECT l.key, l.size, (SELECT count(*) FROM slot s WHERE s.key = l.key),
  (SELECT count(*) FROM slot s WHERE s.key = l.key AND s.fairness_key = ?2)
FROM task_slot t JOIN slot_limit l USING (key) WHERE t.task_id = ?1 ORDER BY l.key
"""
_KEYS = "SELECT key FROM task_slot WHERE task_id = ?"
_TAKE = """
INSERT INTO slot (key, fairness_key, task_id) SELECT key, fairness_key, task_id FROM task_slot WHERE task_id = ?
RETURNING key
"""
_LEAVE = "DELETE FROM parked WHERE task_id = ? RETURNING lane_id, ord, task_id, attempt, failures, losses"
_READY = "INSERT INTO ready (lane_id, ord, task_id, attempt, failures, losses) VALUES (?, ?, ?, ?, ?, ?)"
_SERVE = "UPDATE slot_limit SET served = ?2 WHERE key = ?1 AND served <> ?2"
_STRAYS = """
DELETE FROM slot WHERE NOT EXISTS (SELECT 1 FROM ready r WHERE r.task_id = slot.task_id)
  AND NOT EXISTS (SELECT 1 FROM claim c WHERE c.task_id = slot.task_id)
"""
_ROOMY: Final = """
WITH RECURSIVE line (key) AS (
  SELECT min(key) FROM parked
  UNION ALL SELECT (SELECT min(p.key) FROM parked p WHERE p.key > line.key) FROM line WHERE line.key IS NOT NULL
)
SELECT key FROM line JOIN slot_limit l USING (key)
WHERE l.size IS NULL OR l.size > (SELECT count(*) FROM slot s WHERE s.key = l.key)
"""

Row = tuple[int, int, int, int, int, int]
"""Task id, order, lane id, attempt, failures, losses."""


def declare(connection: Connection, task_id: int, slots: Sequence[SlotKey], fairness_key: str) -> None:
    """Remember the keys a task falls under, and each key's present size."""
    for slot in slots:
        connection.execute(
            "INSERT INTO slot_limit (key, size, shared) VALUES (?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE SET size = excluded.size, shared = excluded.shared",
            slot,
        )
        connection.execute(
            "INSERT INTO task_slot (task_id, key, fairness_key) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (task_id, slot.key, fairness_key),
        )


def keyed(connection: Connection, task_ids: Iterable[int]) -> set[int]:
    """Those of the tasks that fall under any limit."""
    rows = connection.execute(
        "SELECT DISTINCT task_id FROM task_slot WHERE task_id IN (SELECT value FROM json_each(?))",
        (as_array(task_ids),),
    )
    return {row[0] for row in rows}


def release(connection: Connection, task_ids: Iterable[int]) -> list[str]:
    """Free the slots these tasks hold; their keys, each as often as it came free."""
    rows = connection.execute(
        "DELETE FROM slot WHERE task_id IN (SELECT value FROM json_each(?)) RETURNING key",
        (as_array(task_ids),),
    )
    return [row[0] for row in rows.fetchall()]


def park(connection: Connection, rows: Sequence[Row]) -> set[str]:
    """Park these tasks; the keys to admit for."""
    connection.executemany(_PARK, rows)
    found = connection.execute(
        "SELECT DISTINCT key FROM parked WHERE task_id IN (SELECT value FROM json_each(?))",
        (as_array(row[0] for row in rows),),
    )
    return {row[0] for row in found}


def admit(connection: Connection, keys: Iterable[str]) -> int:
    """Make ready who stands in the lines of these limits and finds room in all of their own; how many.

    A limit that has just had several slots freed is named as often.
    """
    freed = Counter(keys)
    lines = set(freed)
    admitted, again = 0, False
    while lines:
        limits = {key: _limit(connection, key) for key in lines}
        rooms = _rooms(connection, limits, freed)
        looks = [(key, reach(rooms[key], again=again)) for key in sorted(rooms)]
        waiting = [task for look in looks for task in _waiting(connection, *look)]
        others = {key: _limit(connection, key) for task in waiting for key in task.keys if key not in limits}
        choice = choose(waiting, rooms | _rooms(connection, others, freed))
        _enter(connection, choice.admitted, limits | others)
        connection.executemany("UPDATE parked SET key = ?2 WHERE task_id = ?1", choice.moved)
        connection.executemany(_SERVE, choice.served.items())
        admitted += len(choice.admitted)
        lines, again = choice.again, True
    return admitted


def sweep(connection: Connection) -> int:
    """Free the slots of tasks that no longer queue or run, and admit whoever can enter; how many entered."""
    connection.execute(_STRAYS)
    return admit(connection, [row[0] for row in connection.execute(_ROOMY).fetchall()])


def contention(connection: Connection, task_id: int, holders: int) -> Contention | None:
    """What a parked task waits for, with up to so many holders of each slot; None when it is not parked."""
    row = connection.execute("SELECT key, fairness_key, turn FROM parked WHERE task_id = ?", (task_id,)).fetchone()
    if row is None:
        return None
    line, fairness_key, turn = row
    ahead = connection.execute(_BEFORE, (line, fairness_key, turn, task_id)).fetchone()[0]
    taken = [
        Taken._make((*limit, [slot[0] for slot in connection.execute(_HOLDERS, (limit[0], holders))]))
        for limit in connection.execute(_TAKEN, (task_id, fairness_key)).fetchall()
    ]
    return Contention(line, fairness_key, ahead, len(_fairness_keys(connection, line, sys.maxsize)), taken)


def _limit(connection: Connection, key: str) -> Limit:
    size, shared, held = connection.execute(_LIMIT, (key,)).fetchone()
    return Limit(size, bool(shared), held, *(connection.execute(_QUEUED, (key,)).fetchone() if shared else ()))


def _rooms(connection: Connection, limits: Mapping[str, Limit], freed: Mapping[str, int]) -> dict[str, int]:
    """How many more each of the limits can take."""
    shared = any(limit.shared for limit in limits.values())
    places = connection.execute(_PLACES).fetchone()[0] if shared else 0
    return {key: limit.room(places, freed.get(key, 0)) for key, limit in limits.items()}


def _waiting(connection: Connection, key: str, reach: int) -> Iterator[Waiting]:
    """Who may enter, of a limit's line: the first tasks of `reach` fairness keys; where there are fewer, more of each.

    Those that hold slots already may have to stand back, and come on top.
    """
    if reach <= 0:
        return
    held = dict(connection.execute(_HELD, (key,)))
    most = reach + len(held)
    found = _fairness_keys(connection, key, most)
    each = reach // max(1, len(found)) + 1
    for fairness_key in found:
        rows = connection.execute(_NEXT, (key, fairness_key, each)).fetchall()
        for number, (task_id, turn) in enumerate(rows, 1):
            keys = [row[0] for row in connection.execute(_KEYS, (task_id,))]
            holds = held.get(fairness_key, 0)
            yield Waiting(task_id, key, fairness_key, turn, holds, number == each, len(found) == most, keys)


def _fairness_keys(connection: Connection, key: str, most: int) -> list[str]:
    """Up to so many fairness keys in a line, in turn after the one served last: one look-up each."""
    served = connection.execute("SELECT served FROM slot_limit WHERE key = ?", (key,)).fetchone()[0]
    found: list[str] = []
    ahead = connection.execute(_AHEAD, (key, served)).fetchone()[0]
    while ahead is not None and len(found) < most:
        found.append(ahead)
        ahead = connection.execute(_AHEAD, (key, ahead)).fetchone()[0]
    start = connection.execute(_FIRST, (key, served)).fetchone()[0]
    while start is not None and start <= served and len(found) < most:
        found.append(start)
        start = connection.execute(_AHEAD, (key, start)).fetchone()[0]
    return found


def _enter(connection: Connection, task_ids: Iterable[int], limits: Mapping[str, Limit]) -> None:
    """These tasks, in this order, take their slots and become ready, in the places they had.

    But nobody stands before those admitted earlier under the same shared limit.
    """
    tails = {key: limit.tail for key, limit in limits.items() if limit.shared}
    for task_id in task_ids:
        keys = connection.execute(_TAKE, (task_id,)).fetchall()
        lane_id, order, *rest = connection.execute(_LEAVE, (task_id,)).fetchone()
        for (key,) in keys:
            if key in tails:
                order = tails[key] = max(order, (tails[key] or 0) + 1)
        connection.execute(_READY, (lane_id, order, *rest))
