"""Tasks coming in."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from taskyard.contracts.records import Entry, Found, Topic, Unique
from taskyard.domain import sequence
from taskyard.domain.ids import floor_id
from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.errors import ConfigurationError
from taskyard.store.sqlite import slots
from taskyard.store.sqlite.base import Base, Connection, emit


class Submission(Base):
    """The facet of the same name."""

    async def enqueue(self, entries: Sequence[Entry]) -> None:
        """See the contract."""
        await self.db.write(insert, entries, self.clock.now())
        self.wake(Topic.READY, Topic.FEED)

    async def enqueue_unique(self, entry: Entry, uniques: Sequence[Unique]) -> Found | None:
        """See the contract."""
        found = await self.db.write(insert_unique, entry, uniques, self.clock.now())
        if found is None:
            self.wake(Topic.READY, Topic.FEED)
        return found

    async def enqueue_with(self, connection: Any, entries: Sequence[Entry]) -> None:
        """See the contract."""
        with _plain_rows(_driver_connection(connection)) as driver:
            main = next(row[2] for row in driver.execute("PRAGMA database_list") if row[1] == "main")
            if main != self.db.path and not _same_file(main, self.db.path):
                raise ConfigurationError(
                    f"the transaction is on {main or 'a private database'}, but the tasks are kept in {self.db.path}; "
                    "open the connection on the same file"
                )
            insert(driver, entries, self.clock.now())


def insert(connection: Connection, entries: Sequence[Entry], now: int) -> None:
    """Store bodies, places and `created` events."""
    connection.executemany(
        "INSERT INTO task (id, kind_id, policy_id, priority, workflow_id, correlation_id, cause_type, cause, "
        "parent_id, hash, input, extra) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (e.id, e.kind_id, e.policy_id, e.priority, e.workflow_id, e.correlation_id, e.cause_type, e.cause,
             e.parent_id, e.hash, e.input, e.extra)
            for e in entries
        ],
    )  # fmt: skip
    connection.executemany(
        "INSERT INTO ready (lane_id, ord, task_id, attempt, failures, losses) VALUES (?, ?, ?, 1, 0, 0)",
        [(e.lane_id, now, e.id) for e in entries if e.run_at is None and not e.slots],
    )
    delayed = [(e.run_at, e.id, e.lane_id) for e in entries if e.run_at is not None]
    if delayed:
        connection.executemany(
            "INSERT INTO sched (run_at, task_id, lane_id, attempt, failures, losses, retry) "
            "VALUES (?, ?, ?, 1, 0, 0, 0)",
            delayed,
        )
    _insert_tags(connection, entries)
    _insert_keyed(connection, entries, now)
    created = sequence.queued(1)
    emit(connection, now, EventType.CREATED, [(e.id, created) for e in entries])


def _insert_tags(connection: Connection, entries: Sequence[Entry]) -> None:
    tags = [(tag, e.id) for e in entries for tag in e.tags]
    if tags:
        connection.executemany("INSERT INTO tag (tag, task_id) VALUES (?, ?) ON CONFLICT DO NOTHING", tags)


def _insert_keyed(connection: Connection, entries: Sequence[Entry], now: int) -> None:
    limited = [entry for entry in entries if entry.slots]
    for entry in limited:
        slots.declare(connection, entry.id, entry.slots, entry.fairness_key)
    waiting = [(e.id, now, e.lane_id, 1, 0, 0) for e in limited if e.run_at is None]
    if waiting:
        slots.admit(connection, slots.park(connection, waiting))


def insert_unique(connection: Connection, entry: Entry, uniques: Sequence[Unique], now: int) -> Found | None:
    """Store the task unless one of its keys is held; then who holds it."""
    for unique in uniques:
        found = _holder(connection, unique, now)
        if found is not None:
            return found
    insert(connection, [entry], now)
    connection.executemany(
        "INSERT INTO uniq (key, task_id, fingerprint, expires_at) VALUES (?, ?, ?, ?) "
        "ON CONFLICT (key) DO UPDATE SET task_id = excluded.task_id, fingerprint = excluded.fingerprint, "
        "expires_at = excluded.expires_at",
        [(unique.key, entry.id, unique.fingerprint, unique.expires_at) for unique in uniques],
    )
    return None


def _holder(connection: Connection, unique: Unique, now: int) -> Found | None:
    """The task that holds the key, if it still counts."""
    row = connection.execute(
        "SELECT task_id, fingerprint, expires_at FROM uniq WHERE key = ?", (unique.key,)
    ).fetchone()
    if row is None or (row[2] is not None and row[2] <= now):
        return None
    if unique.newer_than is not None and row[0] < floor_id(unique.newer_than):
        return None
    if unique.forgiving and _failed_or_canceled(connection, row[0]):
        return None
    return Found(row[0], unique.fingerprint is None or unique.fingerprint == row[1])


def _failed_or_canceled(connection: Connection, task_id: int) -> bool:
    row = connection.execute(
        "SELECT outcome FROM attempt WHERE task_id = ? ORDER BY attempt DESC LIMIT 1", (task_id,)
    ).fetchone()
    if row is None or row[0] not in (Outcome.FAILED, Outcome.CANCELED):
        return False
    moved_on = (
        "SELECT 1 FROM ready WHERE task_id = ?1 UNION ALL SELECT 1 FROM parked WHERE task_id = ?1 "
        "UNION ALL SELECT 1 FROM claim WHERE task_id = ?1 AND revoked = 0"
    )
    return connection.execute(moved_on, (task_id,)).fetchone() is None


def _driver_connection(connection: Any) -> sqlite3.Connection:
    """The sqlite3 connection in, or behind, what the caller gave; SQLAlchemy's is begun first."""
    if isinstance(connection, sqlite3.Connection):
        if not connection.in_transaction:
            raise ConfigurationError("the connection has no open transaction; execute BEGIN IMMEDIATE first")
        return connection
    if hasattr(connection, "connection") and callable(connection.connection):  # a SQLAlchemy Session
        connection = connection.connection()
    elif hasattr(connection, "begin") and not connection.in_transaction():
        connection.begin()
    behind = getattr(getattr(connection, "connection", None), "driver_connection", None)
    if isinstance(behind, sqlite3.Connection):
        if not behind.in_transaction:
            behind.execute("BEGIN IMMEDIATE")
        return behind
    raise ConfigurationError(
        f"cannot enqueue in the transaction of a {type(connection).__name__}: on SQLite give a sqlite3 connection "
        "or a SQLAlchemy session or connection over it"
    )


@contextlib.contextmanager
def _plain_rows(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Rows are tuples and texts strings until the block ends, whatever the connection's owner has it give."""
    factories = connection.row_factory, connection.text_factory
    connection.row_factory, connection.text_factory = None, str
    try:
        yield connection
    finally:
        connection.row_factory, connection.text_factory = factories


def _same_file(one: str, other: str) -> bool:
    try:
        return Path(one).samefile(other)
    except OSError:
        return False
