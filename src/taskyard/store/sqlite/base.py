"""What the facets of the SQLite store share."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from taskyard.contracts.clock import Clock
from taskyard.contracts.records import Topic
from taskyard.domain.ids import IdMaker
from taskyard.domain.lifecycle import EventType
from taskyard.store.sqlite.database import Database

Connection = sqlite3.Connection


class Base:
    """The database, the clock and the wake-ups."""

    db: Database
    clock: Clock
    ids: IdMaker

    def wake(self, *topics: Topic) -> None:
        """Wake this process's listeners."""
        raise NotImplementedError


def as_array(values: Iterable[Any]) -> str:
    """A list as the JSON text that `json_each` reads."""
    return msgspec.json.encode(list(values)).decode()


def emit(connection: Connection, at: int, type_: EventType, events: Sequence[tuple[int, int]]) -> None:
    """Append events, (task id, sequence) pairs of one type, to the feed."""
    if not events:
        return
    connection.execute(
        "INSERT INTO feed (pos, at, type, task_ids, sequences) "
        "VALUES ((SELECT coalesce(max(pos), 0) FROM feed) + ?, ?, ?, ?, ?)",
        (len(events), at, int(type_), as_array(t for t, _ in events), as_array(s for _, s in events)),
    )


def note(connection: Connection, task_id: int, sequence: int, at: int, type_: EventType, body: dict[str, Any]) -> None:
    """Keep one rarer fact of a task's story."""
    connection.execute(
        "INSERT INTO note (task_id, sequence, at, type, body) VALUES (?, ?, ?, ?, ?)",
        (task_id, sequence, at, int(type_), msgspec.json.encode(body)),
    )
