"""Why: the reason a task is not running, in one sentence and in fields."""

from __future__ import annotations

from typing import Any

from taskyard.contracts.records import Contention, Filter, Taken
from taskyard.domain.breaker import CONNECTION, BreakerState
from taskyard.domain.definition import Definition
from taskyard.domain.facts import Place, PlaceKind
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import State
from taskyard.domain.people.sheet import read_sheet
from taskyard.domain.queue import Queue
from taskyard.domain.task import Task, detail_of, iso, tell
from taskyard.engine.connection_book import connection_of
from taskyard.engine.engine import Engine
from taskyard.engine.limits import Subject
from taskyard.engine.query import Known, get_tasks, know_one
from taskyard.engine.targets import runs_at

Answer = dict[str, Any]

_HOLDERS_TOLD = 100
_HOLDERS_SHOWN = 5


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
            found = _retrying(known, task, place)
        case PlaceKind.PARKED:
            found = await _parked(engine, task_id)
        case PlaceKind.ASSIGNED:
            found = _assigned(place)
        case PlaceKind.WAITING if known.kind.definition.kind == "bpmn":
            found = await _process(engine, task)
        case PlaceKind.WAITING:
            found = {
                "reason": "it waits for an answer from another system",
                "correlationId": place.correlation_id or task.correlation_id,
            }
        case _:
            found = await _ready(engine, known)
    return answer | found


async def _process(engine: Engine, task: Task) -> Answer:
    """What a process waits for: its steps that have not ended, and those that somebody has to requeue."""
    wanted = Filter(status=frozenset(State) - {State.COMPLETED, State.CANCELED}, workflow_id=task.task_id)
    page = await engine.store.find(wanted, _HOLDERS_TOLD, None)
    steps = [{"stepId": each.step_id, "taskId": each.task_id, "status": each.status.value} for each in
             await get_tasks(engine, page.ids)]  # fmt: skip
    told = ", ".join(f"{step['stepId']} ({step['status']})" for step in steps[:_HOLDERS_SHOWN])
    reason = f"its process waits for {told}" if steps else "its process waits for a timer, or goes on any moment"
    return {"reason": reason, "steps": steps}


def _ended(task: Task) -> Answer:
    if task.status is State.FAILED:
        error = task.error or {}
        reason = f"it failed: {error.get('message')}; requeue it to have it run again"
        return {"reason": reason, "errorCode": error.get("code")}
    return {"reason": f"it is {task.status} and will not run again"}


def _retrying(known: Known, task: Task, place: Place) -> Answer:
    detail = detail_of(known.facts.last)
    fields: Answer = {"nextRetryTime": iso(place.at), "retryCount": place.failures}
    if detail.circuit:
        fields["openCircuit"] = detail.circuit
    if detail.error is None:
        return {"reason": f"{detail.reason or 'it was put off'}; it is tried again at {iso(place.at)}", **fields}
    message = (task.error or {}).get("message")
    return {"reason": f"attempt {place.attempt - 1} failed ({message}); it is tried again at {iso(place.at)}", **fields}


def _assigned(place: Place) -> Answer:
    if place.claimed_by is not None:
        reason = f"it waits for {place.claimed_by}, who has claimed it"
    elif place.assignee_id is not None:
        reason = f"it waits for {(place.assignee_type or '').lower()} {place.assignee_id}"
        if candidates := read_sheet(place.sheet).candidates:
            reason += f", there for its candidates alone: {', '.join(candidates)}"
    else:
        reason = "it waits for somebody to take it; it is assigned to nobody"
    return {
        "reason": reason,
        "assigneeType": place.assignee_type,
        "assigneeId": place.assignee_id,
        "claimedBy": place.claimed_by,
    }


async def _parked(engine: Engine, task_id: int) -> Answer:
    found = await engine.store.contention(task_id, _HOLDERS_TOLD)
    if found is None:
        return {"reason": "a slot has just become free for it"}
    full = [taken for taken in found.limits if taken.size is not None and taken.held >= taken.size]
    answer: Answer = {"reason": "a slot has just become free for it", "position": found.ahead + 1}
    if found.fairness_key:
        answer |= _shared(found)
    if full:
        slots = [{"key": t.key, "limit": t.size, "taskIds": [str(id_) for id_ in t.holders]} for t in full]
        answer |= {"reason": _taken(full[0]), "slots": slots}
    return answer


def _taken(full: Taken) -> str:
    subject = Subject.of(full.key)
    of = "" if subject.value is None else f"the concurrency key {subject.value!r} of "
    return f"the limit of {full.size} at once for {of}{subject.name!r} is taken by {_some(full.holders, full.held)}"


def _some(task_ids: list[int], held: int) -> str:
    shown = ", ".join(str(id_) for id_ in task_ids[:_HOLDERS_SHOWN])
    return f"{shown} and {held - _HOLDERS_SHOWN} more" if held > _HOLDERS_SHOWN else shown


def _shared(found: Contention) -> Answer:
    """How the places that a task waits for are shared out between fairness keys."""
    line = next(taken for taken in found.limits if taken.key == found.line)
    others = line.held - line.own
    reason = (
        f"the next place is for the fairness key that has the fewest: {line.own} tasks of {found.fairness_key!r}"
        f" and {others} of others run or soon will, {found.waiting} keys wait, {found.ahead} of its own are before it"
    )
    fairness = {
        "key": found.fairness_key, "running": line.own, "othersRunning": others, "ahead": found.ahead,
        "keysWaiting": found.waiting,
    }  # fmt: skip
    return {"reason": reason, "fairness": fairness}


async def _ready(engine: Engine, known: Known) -> Answer:
    definition = known.kind.definition
    home = Queue.of(definition.task_type)
    turn = await engine.store.turn(known.facts.body.id)
    queue = home if turn is None else Queue(turn.queue)
    position = None if turn is None else turn.ahead + 1
    place: Answer = {"queue": queue.title, "position": position}
    if queue in await engine.store.paused():
        return {"reason": f"the queue {queue.title} is paused", "paused": True, **place}
    workers = [w for w in await engine.store.workers() if not {home.title, queue.title}.isdisjoint(w.info.queues)]
    target = known.policy.target
    there = [w for w in workers if not target or runs_at(w, definition.kind, target)]
    able = [w for w in there if target or definition.key in w.stats.get("definitions", [definition.key])]
    place["workers"] = len(able)
    if workers and not there:
        reason = f"none of the {len(workers)} workers runs {definition.kind} at the target {target!r}, as the task asks"
        return {"reason": f"{reason}; start one where it is set up", "target": target, **place}
    if not able:
        return {"reason": await _nobody(engine, known, len(workers)), **place}
    place["reason"] = f"it is number {position or 1} in its line of {queue.title}; {len(able)} workers are at it"
    place |= await _under_ceiling(engine, definition)
    return place | await _rate_limited(engine, definition, position) | await _connected(engine, definition)


async def _nobody(engine: Engine, known: Known, others: int) -> str:
    definition = known.kind.definition
    if others:
        return f"none of the {others} workers has the function {definition.key!r}; start one that registers it"
    waited = max(0, await engine.store.now() - made_at(known.facts.body.id)) // 1_000_000
    return (
        f"no worker for {definition.kind} tasks is connected (it has waited {waited} s); start one with"
        " `taskyard worker`"
    )


async def _rate_limited(engine: Engine, definition: Definition, position: int | None) -> Answer:
    """What the rates say that the definition keeps to; with a reason when one is what the task waits for."""
    answer: Answer = {}
    for gate in await engine.gates.rates(definition):
        opens_at = await engine.store.rate_opens_at(gate)
        answer = {"rateLimit": {"rate": str(gate.rate), "nextStart": iso(opens_at)}}
        if opens_at > await engine.store.now():
            turn = f"it is number {position or 1} in its line"
            return {"reason": f"{gate.subject!r} may start {gate.rate}, the next at {iso(opens_at)}; {turn}", **answer}
    return answer


async def _connected(engine: Engine, definition: Definition) -> Answer:
    """What the connection says that the definition's tasks go over; with a reason when they cannot now."""
    connection_id = connection_of(definition)
    if connection_id is None:
        return {}
    known = await engine.connections.find(connection_id)
    if known is None:
        return {"reason": f"there is no connection {connection_id!r} yet", "connectionId": connection_id}
    now = await engine.store.now()
    if known.breaker.state(CONNECTION, now) is BreakerState.CLOSED:
        return {"connectionId": connection_id} | await _calls_at_once(engine, connection_id)
    return {
        "reason": f"calls to {connection_id!r} fail too often: they are tried again now and then until one succeeds",
        "connectionId": connection_id,
        "openCircuit": connection_id,
        "breaker": known.breaker.figures(CONNECTION, now),
    }


async def _calls_at_once(engine: Engine, connection_id: str) -> Answer:
    """What takes all the places of its connection, if anything does."""
    gate = await engine.gates.calls(connection_id)
    found = None if gate is None else await engine.store.at_work(gate, _HOLDERS_TOLD)
    if gate is None or found is None or found.tasks + found.calls < gate.limit:
        return {}
    tasks = _some(found.task_ids, found.tasks) if found.tasks else ""
    calls = f"{found.calls} calls without a task" if found.calls else ""
    taken = " and ".join(each for each in (tasks, calls) if each)
    return {
        "reason": f"the limit of {gate.limit} at once for the connection {gate.connection_id!r} is taken by {taken}",
        "slots": [{"key": gate.name, "limit": gate.limit, "taskIds": [str(id_) for id_ in found.task_ids]}],
    }


async def _under_ceiling(engine: Engine, definition: Definition) -> Answer:
    """What the ceiling of its type says; with a reason when it is what the task waits for."""
    home = Queue.of(definition.task_type)
    limit = engine.gates.ceiling(home)
    if limit is None:
        return {}
    running = next(row.running for row in await engine.store.queues() if row.queue == home)
    fields: Answer = {"ceiling": {"taskType": definition.task_type.value, "limit": limit, "running": running}}
    if running < limit:
        return fields
    return {"reason": f"{running} {definition.task_type} tasks run and {limit} may on all machines together", **fields}
