"""Faults planted into the app on purpose: a simulation that does not notice them has no eyes."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any
from unittest import mock

from taskyard.contracts.records import LostTask
from taskyard.domain import settlement
from taskyard.domain.lifecycle import EventType
from taskyard.domain.settlement import Budgets, Decision
from taskyard.engine import draft
from taskyard.engine.batcher import Batcher
from taskyard.runtime.claimer import Claimer
from taskyard.runtime.worker import Worker
from taskyard.store.sqlite import execution, moves, slots, submission, upkeep, workers
from tests.simulation.clock import WallClock

_UNSTORED: set[asyncio.Task[None]] = set()

Plant = Callable[[], contextlib.AbstractContextManager[Any]]


def _instead(owner: Any, name: str, planted: Callable[..., Any]) -> Plant:
    """A plant: `planted(real, …)` in the place of a function."""
    real = getattr(owner, name)
    return lambda: mock.patch.object(owner, name, lambda *args, **more: planted(real, *args, **more))


def _as_it_is_now(real: Any, connection: sqlite3.Connection, worker_id: Any, told: Any, closing: Any, now: int) -> Any:
    """Whatever a late settlement speaks of, it is taken to be about the present lease."""
    current = [
        s._replace(claim_id=row[0], attempt=row[1])
        for s in told
        for row in connection.execute("SELECT claim_id, attempt FROM claim WHERE task_id = ?", (s.task_id,))
    ]
    return real(connection, None, current, closing, now)


def _not_charged(real: Any, charged: bool, reason: str, budgets: Budgets, policy: Any) -> Decision:
    return real(False, reason, budgets, policy)


def _all_started(real: Any, connection: sqlite3.Connection, *args: Any) -> list[LostTask]:
    return [task._replace(started=True) for task in real(connection, *args)]


def _keeping_budgets(real: Any, connection: sqlite3.Connection, rows: Any) -> None:
    real(connection, [(*row[:4], 1, 0) for row in rows])


def _at_once(real: Any, connection: sqlite3.Connection, task_id: int, *args: Any) -> bool:
    """A cancel frees the slot of what still runs."""
    canceled = real(connection, task_id, *args)
    connection.execute("DELETE FROM claim WHERE task_id = ? AND revoked", (task_id,))
    slots.admit(connection, slots.release(connection, [task_id]))
    return bool(canceled)


def _too_early(real: Any, connection: sqlite3.Connection, limit: int, now: int) -> int:
    connection.execute("UPDATE sched SET run_at = run_at - 700000 WHERE run_at BETWEEN ?1 AND ?1 + 700000", (now,))
    return int(real(connection, limit, now))


async def _before_the_commit(real: Any, batcher: Batcher, entry: Any) -> None:
    _UNSTORED.add(asyncio.create_task(real(batcher, entry)))


def _left_behind(real: Any, connection: sqlite3.Connection, task_id: int) -> Any:
    """A cancel reads the place and does not empty it."""
    row = connection.execute("SELECT attempt, failures FROM ready WHERE task_id = ?", (task_id,)).fetchone()
    return real(connection, task_id) if row is None else row


def _without_retries(real: Any, connection: sqlite3.Connection, at: int, type_: EventType, events: Any) -> None:
    if type_ is not EventType.RETRY:
        real(connection, at, type_, events)


def _impatient(real: Any, connection: sqlite3.Connection, silent: dict[str, int]) -> Any:
    return real(connection, silent | {"silence": silent["silence"] + 9_000_000})


def _on_the_loop(real: Any, worker: Worker) -> None:
    """The heartbeat has no thread of its own."""
    worker._spawn(worker._beat_here())


async def _forgotten(real: Any, claimer: Claimer, lease: Any) -> Any:
    """What is claimed is not kept in hand while the store is away."""
    with mock.patch("taskyard.runtime.claimer.insist", lambda operation, *_: operation()):
        return await real(claimer, lease)


PLANTS: dict[str, Plant] = {
    "a late completion is accepted": _instead(execution, "_settle", _as_it_is_now),
    "a loss is not charged": _instead(settlement, "_lost", _not_charged),
    "a loss is charged to what had not started": _instead(execution, "_lost", _all_started),
    "a requeue keeps the budgets": _instead(moves, "enter", _keeping_budgets),
    "slots leak": _instead(slots, "release", lambda real, connection, task_ids: []),
    "a cancel frees the slot at once": _instead(moves, "_revoke", _at_once),
    "a cancel leaves the task where it was": _instead(moves, "_leave_queue", _left_behind),
    "retries come too early": _instead(upkeep, "_promote", _too_early),
    "a promise is made before the commit": _instead(Batcher, "put", _before_the_commit),
    "an idempotency key is not looked up": _instead(submission, "_holder", lambda real, *_: None),
    "an event is lost": _instead(execution, "emit", _without_retries),
    "the silent are given up too soon": _instead(workers, "_give_up", _impatient),
    "after a pause everybody is given up": lambda: mock.patch.object(WallClock, "moved_by_hand", new=True),
    "the dead may claim": _instead(execution, "is_dead", lambda real, *_: False),
    "the heart beats on the loop": _instead(Worker, "_start_heart", _on_the_loop),
    "what was claimed is forgotten when the store is away": _instead(Claimer, "_jobs", _forgotten),
    "subtasks are not memoised": _instead(draft, "_uniques", lambda real, *_: []),
}
