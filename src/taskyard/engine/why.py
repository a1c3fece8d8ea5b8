"""Why: the reason a task is not running, in one sentence and in fields."""

from __future__ import annotations

from typing import Any

from taskyard.domain.facts import Place, PlaceKind
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import State
from taskyard.domain.queue import Queue
from taskyard.domain.task import Task, iso, tell
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known, know_one

Answer = dict[str, Any]


async def why(engine: Engine, task_id: int) -> Answer:
    """`{taskId, status, reason, …}`: what stands between the task and its execution. Raises NotFound."""
    known = await know_one(engine, task_id)
    task = tell(*known)
    place = known.facts.place
    answer = {"taskId": task.task_id, "status": task.status.value}
    if place is None or place.kind is PlaceKind.DEAD:
        return answer | _ended(task)
    match place.kind:
        case PlaceKind.RUNNING:
            found: Answer = {"reason": f"it runs on {place.worker} since {iso(place.at)}", "executorId": place.worker}
        case PlaceKind.DELAYED:
            found = {"reason": f"it is to run at {iso(place.at)}", "availableAt": iso(place.at)}
        case PlaceKind.RETRYING:
            found = _retrying(task, place)
        case PlaceKind.PARKED:
            found = await _parked(engine, task_id)
        case PlaceKind.ASSIGNED:
            found = _assigned(place)
        case PlaceKind.WAITING:
            found = {
                "reason": "it waits for an answer from another system",
                "correlationId": place.correlation_id or task.correlation_id,
            }
        case _:
            found = await _ready(engine, known)
    return answer | found


def _ended(task: Task) -> Answer:
    if task.status is State.FAILED:
        error = task.error or {}
        reason = f"it failed: {error.get('message')}; requeue it to have it run again"
        return {"reason": reason, "errorCode": error.get("code")}
    return {"reason": f"it is {task.status} and will not run again"}


def _retrying(task: Task, place: Place) -> Answer:
    error = task.error or {}
    reason = f"attempt {place.attempt - 1} failed ({error.get('message')}); it is tried again at {iso(place.at)}"
    return {"reason": reason, "nextRetryTime": iso(place.at), "retryCount": place.failures}


def _assigned(place: Place) -> Answer:
    if place.claimed_by is not None:
        reason = f"it waits for {place.claimed_by}, who has claimed it"
    elif place.assignee_id is not None:
        reason = f"it waits for {(place.assignee_type or '').lower()} {place.assignee_id}"
    else:
        reason = "it waits for somebody to take it; it is assigned to nobody"
    return {
        "reason": reason,
        "assigneeType": place.assignee_type,
        "assigneeId": place.assignee_id,
        "claimedBy": place.claimed_by,
    }


async def _parked(engine: Engine, task_id: int) -> Answer:
    holders = await engine.store.slot_holders(task_id)
    full = [(key, size, ids) for key, size, ids in holders if len(ids) >= size]
    if not full:
        return {"reason": "a slot has just become free for it"}
    key, size, ids = full[0]
    shown = ", ".join(str(id_) for id_ in ids[:5])
    reason = f"the limit of {size} at once for {key!r} is taken by {shown}"
    slots = [{"key": key, "limit": size, "taskIds": [str(id_) for id_ in ids]} for key, size, ids in full]
    return {"reason": reason, "slots": slots}


async def _ready(engine: Engine, known: Known) -> Answer:
    definition = known.kind.definition
    rows = {row.queue: row for row in await engine.store.queues()}
    queue = Queue.of(definition.task_type)
    ahead = await engine.store.ahead_of(known.facts.body.id)
    place: Answer = {"queue": queue.title, "position": None if ahead is None else ahead + 1}
    if rows[queue].paused:
        return {"reason": f"the queue {queue.title} is paused", "paused": True, **place}
    workers = [w for w in await engine.store.workers() if queue.title in w.info.queues]
    if not workers:
        waited = max(0, await engine.store.now() - made_at(known.facts.body.id)) // 1_000_000
        reason = (
            f"no worker for {definition.kind} tasks is connected (it has waited {waited} s); start one with"
            " `taskyard worker`"
        )
        return {"reason": reason, "workers": 0, **place}
    able = [w for w in workers if definition.key in w.stats.get("definitions", [definition.key])]
    if not able:
        reason = f"none of the {len(workers)} workers has the function {definition.key!r}; start one that registers it"
        return {"reason": reason, "workers": 0, **place}
    reason = f"it is number {(ahead or 0) + 1} in its line of {queue.title}; {len(able)} workers are at it"
    return {"reason": reason, "workers": len(able), **place}
