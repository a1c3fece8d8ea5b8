"""Leases over HTTP: the queue's verbs for workers in any language.

Each message has a visibility of its own; its token is bound to the caller who dequeued it.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import msgspec

from taskyard.contracts.records import Lease as StoredLease
from taskyard.contracts.records import ProgressReport, Topic, WorkerInfo
from taskyard.domain import sequence
from taskyard.domain.definition import OWN_TASKS, Kind
from taskyard.domain.facts import EMPTY_EXTRA, Extra, Line, PlaceKind
from taskyard.domain.json import dumps
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.outcome import Completed, Failed, Handed, Postponed, Released, Result, TaskError
from taskyard.domain.policy import Policy
from taskyard.domain.priority import Priority
from taskyard.domain.queue import LaneKey, Queue
from taskyard.domain.task import Task, iso
from taskyard.domain.text import printable
from taskyard.engine.connection_book import lane_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known, get_task, know_one
from taskyard.engine.settle import completed, decide, settlement
from taskyard.engine.upload import check_value, files_given, nothing
from taskyard.errors import StaleLease, ValidationFailed
from taskyard.security.caller import Caller
from taskyard.security.lease import Lease, LeaseSigner

_POLL = 0.25
_LINES_AT_ONCE = 1000
_LINE_LENGTH = 8_192


class DequeueRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """What a worker asks for; `visibilityTimeout` and `waitTime` in seconds."""

    worker_id: str
    max_messages: int = 1
    visibility_timeout: float = 300.0
    wait_time: float = 0.0
    task_definition_ids: list[str] | None = None


class Report(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """How far a task says it is."""

    current: float
    total: float | None = None
    action: str | None = None


class LogLine(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """A line a task logs."""

    text: str
    level: str = "info"


class HeartbeatRequest(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """A sign of life; `visibilityTimeout` in seconds from now."""

    lease_token: str
    visibility_timeout: float | None = None
    progress: Report | None = None
    logs: list[LogLine] = []


async def dequeue(
    engine: Engine, signer: LeaseSigner, caller: Caller, queue: Queue, request: DequeueRequest
) -> list[dict[str, Any]]:
    """Lease up to `maxMessages` tasks, waiting up to `waitTime` for the first; each a TaskQueueMessage.

    A task that has lost a worker before comes alone. Raises NotFound for a queue that cannot be worked off.
    """
    if queue is Queue.DEADLETTER:
        return await _look_at_dead(engine, request)
    worker_id = await register(engine, request.worker_id, request.max_messages, queue)
    lease = await poll(engine, request.wait_time, lambda: _claim(engine, queue, request, worker_id))
    return [] if lease is None else await messages_of(engine, signer, caller, lease, request.visibility_timeout)


async def poll(
    engine: Engine, wait_time: float, claim: Callable[[], Awaitable[StoredLease | None]]
) -> StoredLease | None:
    """What `claim` gives, asked again for so many seconds while there is nothing."""
    woken = asyncio.Event()
    stop_listening = engine.store.listen(Topic.READY, woken.set)
    loop = asyncio.get_running_loop()
    until = loop.time() + wait_time
    try:
        while True:
            woken.clear()
            lease = await claim()
            left = until - loop.time()
            if lease is not None or left <= 0:
                return lease
            opens_in = await engine.gates.opens_in()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, _POLL, _POLL if opens_in is None else opens_in)):
                    await woken.wait()
    finally:
        stop_listening()


async def heartbeat(
    engine: Engine, signer: LeaseSigner, caller: Caller, task_id: int, body: HeartbeatRequest
) -> dict[str, Any]:
    """Extend the lease and keep what the task says; `cancelRequested` tells the worker to stop.

    Raises StaleLease when the lease is another's by now.
    """
    lease = read_token(signer, caller, task_id, body.lease_token)
    extension = None if body.visibility_timeout is None else int(body.visibility_timeout * 1_000_000)
    if await engine.store.extend(lease.claim_id, lease.task_id, lease.attempt, extension):
        await _keep_reports(engine, lease, body)
        return {"cancelRequested": False}
    ended = await engine.store.attempt_facts([(lease.task_id, lease.attempt)])
    if ended and ended[0].outcome is Outcome.CANCELED:
        return {"cancelRequested": True}
    raise stale(task_id)


async def complete(engine: Engine, signer: LeaseSigner, caller: Caller, task_id: int, token: str, output: Any) -> Task:
    """Settle as COMPLETED; an output that does not fit its schema, or names files of others, fails the attempt.

    Raises StaleLease.
    """
    lease = read_token(signer, caller, task_id, token)
    known = await know_one(engine, task_id)
    versions = await engine.catalog.versions([known.kind.id])
    validator = versions[known.kind.id].output
    try:
        if validator is not None:
            given = files_given(known) if validator.takes_uploads else nothing
            await check_value(engine, validator, output, caller, "/output", given)
    except ValidationFailed as error:
        unfit = TaskError("OUTPUT_VALIDATION_ERROR", f"the output does not fit: {error.message}", error.details)
        return await _settle(engine, lease, Failed(unfit))
    return await _settle(engine, lease, Completed(dumps(output)))


async def fail(engine: Engine, signer: LeaseSigner, caller: Caller, task_id: int, token: str, error: TaskError) -> Task:
    """Settle as failed: the retry policy decides what follows. Raises StaleLease."""
    return await _settle(engine, read_token(signer, caller, task_id, token), Failed(error))


async def postpone(
    engine: Engine,
    signer: LeaseSigner,
    caller: Caller,
    task_id: int,
    token: str,
    delay: float | None,
    error: TaskError | None,
) -> Task:
    """Have it tried again after `delay` seconds (None: the policy's); without an error no budget is burnt.

    Raises StaleLease.
    """
    lease = read_token(signer, caller, task_id, token)
    result = Postponed(delay) if error is None else Failed(error, delay)
    return await _settle(engine, lease, result)


async def hand_over(engine: Engine, lease: Lease, result: Handed) -> Task:
    """Leave the lease and wait for somebody else. Raises StaleLease."""
    return await _settle(engine, lease, result)


async def give_back(engine: Engine, lease: Lease, reason: str) -> Task:
    """Leave the lease with nothing done: the task may be leased by another at once. Raises StaleLease."""
    return await _settle(engine, lease, Released(reason))


async def fail_with(engine: Engine, lease: Lease, error: TaskError, retries: int, delay: float) -> Task:
    """Settle as failed where the worker says how often it is tried again, and after how many seconds.

    Raises StaleLease.
    """
    if retries <= 0:
        return await _settle(engine, lease, Failed(msgspec.structs.replace(error, retryable=False)))
    return await _settle(engine, lease, Failed(error, delay), retries)


def read_token(signer: LeaseSigner, caller: Caller, task_id: int, token: str) -> Lease:
    """The lease a token stands for, if it is this task's and this caller's. Raises StaleLease."""
    lease = signer.read(token, caller.subject)
    if lease.task_id != task_id:
        raise stale(task_id)
    return lease


def stale(task_id: int) -> StaleLease:
    """The error for a lease that no longer holds."""
    return StaleLease(f"the lease token no longer holds task {task_id}; drop the work, nothing was changed")


class _Held(msgspec.Struct, frozen=True):
    task_id: int
    attempt: int
    lane_id: int
    failures: int
    losses: int
    claimed_at: int


async def _settle(engine: Engine, lease: Lease, result: Result, retries: int | None = None) -> Task:
    held, known = await _held(engine, lease)
    policy = known.policy
    if retries is not None:  # what is left after this failure is the worker's to say
        held = msgspec.structs.replace(held, failures=max(-1, policy.retry.max_retries - retries - 1))
    run_ms = (await engine.store.now() - held.claimed_at) // 1000
    if isinstance(result, Completed):
        way_out = completed(lease.claim_id, held, run_ms, result)
    else:
        decision = decide(held, policy, result)
        way_out = await settlement(engine, known.kind, lease.claim_id, held, result, decision, run_ms)
    if not await engine.store.settle(None, [way_out], [lease.claim_id]):
        raise stale(lease.task_id)
    return await get_task(engine, lease.task_id)


async def _held(engine: Engine, lease: Lease) -> tuple[_Held, Known]:
    """The task under this lease. Raises StaleLease."""
    known = await know_one(engine, lease.task_id)
    place, definition = known.facts.place, known.kind.definition
    if place is None or place.kind is not PlaceKind.RUNNING or place.attempt != lease.attempt:
        raise stale(lease.task_id)
    lane_id = await engine.catalog.lane_id(lane_of(definition, known.facts.body.priority, known.policy.target))
    return _Held(lease.task_id, lease.attempt, lane_id, place.failures, place.losses, place.at), known


async def register(engine: Engine, name: str, slots: int, queue: Queue) -> int:
    """Enter an HTTP worker for what it is about to lease; its id."""
    return await engine.store.register(WorkerInfo(name, "", 0, "", (queue.title,), slots, supervised=False))


async def _claim(engine: Engine, queue: Queue, request: DequeueRequest, worker_id: int) -> StoredLease | None:
    keys = None if request.task_definition_ids is None else set(request.task_definition_ids)
    return await claim(engine, queue, keys, worker_id, request.max_messages, request.visibility_timeout)


async def claim(
    engine: Engine, queue: Queue, keys: Collection[str] | None, worker_id: int, limit: int, visibility: float
) -> StoredLease | None:
    """Lease up to `limit` tasks of these definitions, or of all, for so many seconds; one that lost a worker alone."""
    lanes = await engine.catalog.all_lanes()
    mine = {id_: key for id_, key in lanes.items() if _yields(queue, key) and (keys is None or key.definition in keys)}
    until = int(visibility * 1_000_000)
    lease = await engine.gates.claim_solo(worker_id, await engine.gates.sort_solo(mine), until)
    if lease is not None:
        return lease
    others = await engine.gates.sort({id_: key for id_, key in mine.items() if not key.solo})
    return await engine.gates.claim(worker_id, others, limit, until)


def _yields(queue: Queue, lane: LaneKey) -> bool:
    """A standard queue also yields its own due retries; the retry queue yields everybody's; none the engine's own, nor
    what asks for a target, which only workers of ours have.
    """
    if lane.definition in OWN_TASKS or lane.target:
        return False
    return lane.queue == queue or (lane.queue == Queue.RETRY and lane.home == queue)


async def messages_of(
    engine: Engine, signer: LeaseSigner, caller: Caller, lease: StoredLease, visibility: float
) -> list[dict[str, Any]]:
    """The leased tasks as TaskQueueMessages."""
    kinds = await engine.catalog.versions(task.kind_id for task in lease.tasks)
    policies = await engine.catalog.policies(task.policy_id for task in lease.tasks)
    messages = []
    for task in lease.tasks:
        kind, policy = kinds[task.kind_id].kind, policies[task.policy_id]
        extra = msgspec.json.decode(task.extra, type=Extra) if task.extra else EMPTY_EXTRA
        token = signer.sign(lease.id, task.task_id, task.attempt, caller.subject)
        messages.append(
            {
                "taskId": str(task.task_id),
                "workflowId": task.workflow_id,
                "workflowContext": extra.workflow_context,
                "input": msgspec.json.decode(task.input),
                "correlationId": task.correlation_id or sequence.correlation_id(task.task_id),
                "enqueueTime": iso(task.queued_at),
                "visibilityTimeout": visibility,
                "dequeueCount": task.attempt,
                "leaseToken": token,
                **_of_definition(kind, policy, task.priority),
            }
        )
    return messages


def _of_definition(kind: Kind, policy: Policy, priority: int) -> dict[str, Any]:
    return {
        "taskType": kind.definition.task_type.value,
        "taskDefinitionId": kind.definition.key,
        "priority": Priority(priority).name,
        "executionConfig": {
            "timeout": policy.timeout,
            "retryPolicy": msgspec.to_builtins(policy.retry),
            "securityContext": policy.security_context,
        },
    }


async def _look_at_dead(engine: Engine, request: DequeueRequest) -> list[dict[str, Any]]:
    """An error handler looks at dead letters; that changes no state, so there is no lease to give."""
    page = await engine.store.dead(request.max_messages, None, None)
    messages = []
    for id_ in page.ids:
        known = await know_one(engine, id_)
        body = known.facts.body
        messages.append(
            {
                "taskId": str(id_),
                "workflowId": body.workflow_id,
                "workflowContext": None,
                "input": msgspec.json.decode(body.input),
                "correlationId": body.correlation_id or sequence.correlation_id(body.id),
                "enqueueTime": iso(known.facts.place.at if known.facts.place else None),
                "visibilityTimeout": request.visibility_timeout,
                "dequeueCount": known.facts.place.attempt if known.facts.place else 0,
                "leaseToken": None,
                **_of_definition(known.kind, known.policy, body.priority),
            }
        )
    return messages


async def _keep_reports(engine: Engine, lease: Lease, body: HeartbeatRequest) -> None:
    """Number what the task says after what it has said before."""
    if not body.logs and body.progress is None:
        return
    now = await engine.store.now()
    first = max(await engine.store.last_said(lease.task_id) + 1, sequence.line(lease.attempt, 0))
    lines = [
        Line(lease.task_id, first + k, now, line.level, printable(line.text[:_LINE_LENGTH]))
        for k, line in enumerate(body.logs[:_LINES_AT_ONCE])
    ]
    progress = []
    if body.progress is not None:
        report = body.progress
        at = first + len(lines)
        progress = [ProgressReport(lease.task_id, at, now, report.current, report.total, report.action)]
    await engine.store.record(lines, progress)
