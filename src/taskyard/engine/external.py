"""External tasks as Camunda 7's workers know them: fetched and locked by topic, ended by whoever holds the lock.

An external task's id is the task's, a dot, and the token of the lease: whoever lost the lock has an id that no longer
does anything.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec

from taskyard.contracts.records import Lease as StoredLease
from taskyard.domain.camunda import moment, value_of, variables_of
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import State
from taskyard.domain.outcome import TaskError
from taskyard.domain.queue import Queue
from taskyard.engine import lease as leases
from taskyard.engine.engine import Engine
from taskyard.engine.external_query import gone, tell_external, topic_of
from taskyard.engine.query import Known, know, know_one
from taskyard.errors import StaleLease, ValidationFailed
from taskyard.security.caller import Caller
from taskyard.security.lease import Lease, LeaseSigner

_MOST = 100
_LONGEST_WAIT = 30.0
_LONGEST_LOCK = 7 * 86_400_000

Milliseconds = Annotated[int, msgspec.Meta(gt=0, le=_LONGEST_LOCK)]
Variables = dict[str, Any]


class FetchTopic(msgspec.Struct, rename="camel"):
    """A topic that is asked for; `variables` None for all of them."""

    topic_name: str
    lock_duration: Milliseconds
    variables: list[str] | None = None


class Fetch(msgspec.Struct, rename="camel"):
    """What a worker asks for; the timeout in milliseconds. What Camunda knows besides means nothing here."""

    worker_id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    max_tasks: Annotated[int, msgspec.Meta(ge=1)]
    topics: list[FetchTopic] = []
    async_response_timeout: Annotated[int, msgspec.Meta(ge=0)] | None = None


class ExternalCompletion(msgspec.Struct, rename="camel"):
    """A lock's holder has done the work."""

    worker_id: str
    variables: Variables | None = None
    local_variables: Variables | None = None


class ExternalFailure(msgspec.Struct, rename="camel"):
    """A lock's holder could not do it; `retries` are those left, `retryTimeout` in milliseconds."""

    worker_id: str
    error_message: str | None = None
    error_details: str | None = None
    retries: int | None = None
    retry_timeout: Annotated[int, msgspec.Meta(ge=0, le=_LONGEST_LOCK)] | None = None


class BpmnError(msgspec.Struct, rename="camel"):
    """The work came to a business error."""

    worker_id: str
    error_code: Annotated[str, msgspec.Meta(min_length=1)]
    error_message: str | None = None
    variables: Variables | None = None


class LockExtension(msgspec.Struct, rename="camel"):
    """A lock is to hold so many milliseconds from now."""

    worker_id: str
    new_duration: Milliseconds


class Held(NamedTuple):
    """A task under a lock, and the lease that the lock is."""

    known: Known
    lease: Lease


class LockedByOther(ValidationFailed):
    """The lock is another worker's, or nobody's."""


async def fetch_and_lock(engine: Engine, signer: LeaseSigner, caller: Caller, fetch: Fetch) -> list[dict[str, Any]]:
    """Lock up to `maxTasks` tasks of these topics, waiting for the first as long as the worker says, 30 s at most."""
    wanted = await _wanted(engine, fetch)
    if not wanted:
        return []
    most = min(fetch.max_tasks, _MOST)
    worker_id = await leases.register(engine, fetch.worker_id, most, Queue.AUTOMATED)
    found: list[tuple[FetchTopic, StoredLease]] = []

    async def claim() -> StoredLease | None:
        left = most
        for topic, queue, keys in wanted:
            if left <= 0:
                break
            lease = await leases.claim(engine, queue, keys, worker_id, left, topic.lock_duration / 1000)
            if lease is not None:
                found.append((topic, lease))
                left -= len(lease.tasks)
        return found[0][1] if found else None

    await leases.poll(engine, min((fetch.async_response_timeout or 0) / 1000, _LONGEST_WAIT), claim)
    told: list[dict[str, Any]] = []
    for topic, lease in found:
        told += await _locked(engine, signer, caller, fetch.worker_id, topic, lease)
    return told


async def complete(engine: Engine, signer: LeaseSigner, caller: Caller, id_: str, done: ExternalCompletion) -> None:
    """The variables become the output. Raises NotFound, LockedByOther, ValidationFailed for an unfit output."""
    held = await _held(engine, signer, caller, id_, done.worker_id, "completed")
    try:
        output: Any = {**value_of(done.local_variables), **value_of(done.variables)}
    except ValueError as error:
        raise ValidationFailed(str(error)) from None
    schema = held.known.kind.definition.output_schema or {}
    if set(output) == {"output"} and schema.get("type", "object") != "object":
        output = output["output"]
    token = id_.partition(".")[2]
    task = await leases.complete(engine, signer, caller, held.lease.task_id, token, output)
    if task.status is not State.COMPLETED:
        raise ValidationFailed(str((task.error or {}).get("message", "the output does not fit")))


async def fail(engine: Engine, signer: LeaseSigner, caller: Caller, id_: str, failure: ExternalFailure) -> None:
    """What follows is the worker's to say, or the policy's where it does not. Raises NotFound, LockedByOther."""
    held = await _held(engine, signer, caller, id_, failure.worker_id, "failed")
    error = TaskError(
        "EXECUTION_ERROR", failure.error_message or "the worker gave no reason", stack_trace=failure.error_details
    )
    if failure.retries is None:
        await leases.fail(engine, signer, caller, held.lease.task_id, id_.partition(".")[2], error)
    else:
        await leases.fail_with(engine, held.lease, error, failure.retries, (failure.retry_timeout or 0) / 1000)


async def bpmn_error(engine: Engine, signer: LeaseSigner, caller: Caller, id_: str, error: BpmnError) -> None:
    """The task FAILED with the business error's code. Raises NotFound, LockedByOther, ValidationFailed."""
    held = await _held(engine, signer, caller, id_, error.worker_id, "ended by an error")
    try:
        details = value_of(error.variables) or None
    except ValueError as unreadable:
        raise ValidationFailed(str(unreadable)) from None
    told = TaskError(error.error_code, error.error_message or "a business error", details)
    await leases.fail_with(engine, held.lease, told, 0, 0)


async def extend(engine: Engine, signer: LeaseSigner, caller: Caller, id_: str, extension: LockExtension) -> None:
    """The lock holds from now on for so long. Raises NotFound, LockedByOther."""
    held = await _held(engine, signer, caller, id_, extension.worker_id, "extended")
    lease = held.lease
    if not await engine.store.extend(lease.claim_id, lease.task_id, lease.attempt, extension.new_duration * 1000):
        raise gone(id_)


async def unlock(engine: Engine, signer: LeaseSigner, caller: Caller, id_: str) -> None:
    """Give the task back: another may lock it at once. Raises NotFound."""
    lease = _lease(signer, caller, id_)
    try:
        await leases.give_back(engine, lease, "unlocked")
    except StaleLease:
        raise gone(id_) from None


async def _wanted(engine: Engine, fetch: Fetch) -> list[tuple[FetchTopic, Queue, set[str]]]:
    """For each topic, the first that is asked for under its name, the definitions that have it, by queue."""
    found: dict[tuple[str, Queue], set[str]] = {}
    for kind in await engine.catalog.all_fresh():
        definition = kind.definition
        if (topic := topic_of(definition)) is not None:
            found.setdefault((topic, Queue.of(definition.task_type)), set()).add(definition.key)
    topics = {topic.topic_name: topic for topic in reversed(fetch.topics)}
    return [
        (topic, queue, keys)
        for topic in reversed(topics.values())
        for (name, queue), keys in found.items()
        if name == topic.topic_name
    ]


async def _locked(
    engine: Engine, signer: LeaseSigner, caller: Caller, worker: str, topic: FetchTopic, lease: StoredLease
) -> list[dict[str, Any]]:
    known = {k.facts.body.id: k for k in await know(engine, [task.task_id for task in lease.tasks])}
    told = []
    for task in lease.tasks:
        token = signer.sign(lease.id, task.task_id, task.attempt, caller.subject)
        until = lease.claimed_at + topic.lock_duration * 1000
        variables = variables_of(msgspec.json.decode(task.input), "input")
        if topic.variables is not None:
            variables = {name: each for name, each in variables.items() if name in topic.variables}
        about = {"id": f"{task.task_id}.{token}", "workerId": worker, "lockExpirationTime": moment(until)}
        told.append({**tell_external(known[task.task_id]), **about, "variables": variables})
    return told


async def _held(engine: Engine, signer: LeaseSigner, caller: Caller, id_: str, worker: str, verb: str) -> Held:
    lease = _lease(signer, caller, id_)
    known = await know_one(engine, lease.task_id)
    place = known.facts.place
    if place is None or place.kind is not PlaceKind.RUNNING or place.attempt != lease.attempt:
        raise gone(id_)
    if place.worker != worker:
        raise LockedByOther(
            f"External Task {id_} cannot be {verb} by worker '{worker}'. It is locked by worker '{place.worker}'."
        )
    return Held(known, lease)


def _lease(signer: LeaseSigner, caller: Caller, id_: str) -> Lease:
    number, _, token = id_.partition(".")
    try:
        lease = signer.read(token, caller.subject)
    except StaleLease:
        raise gone(id_) from None
    if str(lease.task_id) != number:
        raise gone(id_)
    return lease
