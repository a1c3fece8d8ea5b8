"""Draft: from a request to what is stored of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

import msgspec

from taskyard.contracts.records import Entry, Unique
from taskyard.domain.definition import Definition, Kind
from taskyard.domain.facts import Extra
from taskyard.domain.forms.start import start_form
from taskyard.domain.ids import parse_id
from taskyard.domain.json import MAX_DETAILS, Detail, canonical, digest, dumps, refusal
from taskyard.domain.people.document import askers_of, read_extra
from taskyard.domain.policy import ExecutionConfig, Policy, invalid
from taskyard.domain.priority import Priority
from taskyard.domain.queue import Queue
from taskyard.domain.reuse import idempotency_key, request_hash, reuse_key
from taskyard.engine.catalog import Known, Route
from taskyard.engine.connection_book import lane_of
from taskyard.engine.engine import Engine
from taskyard.engine.freeze import freeze
from taskyard.engine.limits import concurrency_key, limits_of, short
from taskyard.engine.people.forms import check_start
from taskyard.engine.query import know
from taskyard.engine.request import TaskRequest
from taskyard.engine.targets import admit_target
from taskyard.engine.upload import check_uploads
from taskyard.errors import PayloadTooLarge, ValidationFailed
from taskyard.security.caller import LOCAL, Caller

_CARRIED = attrgetter(
    "step_id", "workflow_context", "client", "severity", "tags", "metadata", "callback_url", "due_date", "assignee",
    "concurrency_key", "fairness_key",
)  # fmt: skip
_TASK = "task_Task"
_IDEMPOTENT_FOR_US = 24 * 3600 * 1_000_000


class Draft(NamedTuple):
    """A request resolved: ready to be stored, or to find its like."""

    entry: Entry
    kind: Kind
    policy: Policy
    uniques: tuple[Unique, ...]


class Behind(NamedTuple):
    """Who asks: the caller; where they ask for a task, that, and who had asked for it."""

    caller: Caller
    parent_id: int | None = None
    askers: tuple[str, ...] = ()


class _Named(NamedTuple):
    """A task that a request names: everybody behind it."""

    askers: list[str]
    is_process: bool


async def draft_all(
    engine: Engine,
    requests: Sequence[TaskRequest],
    caller: Caller,
    *,
    parent_id: int | None = None,
    bulk: bool = False,
    checked: bool = True,
    askers: Sequence[str] | None = None,
) -> list[Draft]:
    """Resolve all requests, or raise with what is wrong with any of them; nothing is stored.

    Not `checked`: whatever their inputs are. `askers`: who is behind what asks for them; where that is not told, who is
    behind the tasks that are their cause or their workflow.
    """
    named = {} if askers is not None else await _named(engine, requests, caller)
    alone = Behind(caller, parent_id, tuple(dict.fromkeys(askers or ())))
    await engine.mode.check()
    now = await engine.store.now()
    ids = engine.store.new_ids(len(requests))
    drafts: list[Draft] = []
    wrong: list[Detail] = []
    current: dict[str, Known] = {}
    for index, (id_, request) in enumerate(zip(ids, requests, strict=True)):
        key = request.task_definition_id
        known = current.get(key) or current.setdefault(key, await engine.catalog.current(key))
        path = f"/tasks/{index}" if bulk else ""
        behind = alone._replace(askers=tuple(dict.fromkeys(_behind(request, caller, named)))) if named else alone
        try:
            drafts.append(await _draft(engine, id_, request, known, behind, now, path, checked))
        except ValidationFailed as error:
            wrong += error.details
    if wrong:
        raise refusal(wrong[:MAX_DETAILS])
    counts: Counter[Queue] = Counter()
    for key, count in Counter(request.task_definition_id for request in requests).items():
        counts[Queue.of(current[key].kind.definition.task_type)] += count
    for queue, count in counts.items():
        await engine.depth.admit(queue, count)
    return drafts


async def _named(engine: Engine, requests: Sequence[TaskRequest], caller: Caller) -> dict[int, _Named]:
    """The tasks that requests name, as far as the caller may see them: else anybody could keep others from deciding."""
    ids = {id_ for request in requests for id_ in _ids_named(request) if id_ is not None}
    sees_all = caller.allows("tasks:read") or caller.allows("service")
    found = {}
    for known in await know(engine, sorted(ids)) if ids else ():
        askers = askers_of(read_extra(known.facts.body.extra))
        if sees_all or caller.subject in askers:
            found[known.facts.body.id] = _Named(askers, known.kind.definition.kind == "bpmn")
    return found


def _behind(request: TaskRequest, caller: Caller, named: Mapping[int, _Named]) -> Iterator[str]:
    """Who is behind the tasks that it names; what is no process is a workflow only where a service says so."""
    cause, workflow = (None if id_ is None else named.get(id_) for id_ in _ids_named(request))
    if cause is not None:
        yield from cause.askers
    if workflow is not None and (workflow.is_process or caller.allows("service")):
        yield from workflow.askers


def _ids_named(request: TaskRequest) -> tuple[int | None, int | None]:
    """The tasks that a request may name: its cause, and the process whose step it is."""
    cause = request.cause if request.cause_type == _TASK else None
    workflow = request.workflow_id
    return parse_id(cause) if cause else None, parse_id(workflow) if workflow else None


async def _draft(
    engine: Engine,
    id_: int,
    request: TaskRequest,
    known: Known,
    behind: Behind,
    now: int,
    path: str,
    checked: bool,
) -> Draft:
    kind, definition = known.kind, known.kind.definition
    caller, parent_id, _ = behind
    value, stored = await read_input(engine, known, request, caller, path, checked=checked)
    if len(stored) > engine.limits.max_input:
        raise PayloadTooLarge(
            f"the input has {len(stored)} bytes and may have {engine.limits.max_input}; upload large content as a file"
        )
    named = request.priority or (request.workflow_context.importance if request.workflow_context else None)
    plain = engine.catalog.routes.get((kind.id, named)) if request.execution_config is None else None
    route = plain or await _route(engine, kind, named, request.execution_config)
    if request.callback_url is not None:
        await engine.callbacks.admit(request.callback_url, f"{path}/callbackUrl")
    run_at = _run_at(request, now, path)
    expire = request.expire if request.expire is not None else definition.expire
    fairness_key = short(request.fairness_key) if request.fairness_key else None
    seen = _hash(request, value, caller) if expire is not None or parent_id or request.cause else None
    is_secret = known.input is not None and known.input.takes_secrets  # who sees a hash may guess what it is of
    entry = Entry(
        id_,
        kind.id,
        route.policy_id,
        route.lane_id,
        route.priority,
        stored,
        run_at,
        _extra(request, behind, run_at),
        request.workflow_id,
        request.correlation_id,
        *_cause(request, parent_id),
        parent_id,
        None if is_secret else seen,
        tuple(request.tags),
        limits_of(definition, _concurrency_key(definition, request, stored, path), fairness_key),
        fairness_key or "",
    )
    return Draft(entry, kind, route.policy, tuple(_uniques(request, entry, seen, expire, caller, now)))


async def _route(engine: Engine, kind: Kind, named: str | None, config: ExecutionConfig | None) -> Route:
    """Where the task goes; kept for those that bring no policy of their own. Raises ValidationFailed."""
    definition = kind.definition
    priority = Priority.parse(named) if named else definition.default_priority
    lane = lane_of(definition, priority, "" if config is None else config.target)
    await admit_target(engine, definition.kind, lane)
    policy, policy_id = await freeze(engine, kind, config)
    lane_id = await engine.catalog.lane_id(lane)
    route = Route(priority, lane_id, policy, policy_id)
    if config is None:
        engine.catalog.routes[kind.id, named] = route
    return route


async def read_input(
    engine: Engine, known: Known, request: TaskRequest, caller: Caller, path: str, *, checked: bool = True
) -> tuple[Any, bytes]:
    """The input, checked by the form or the schema, and as JSON. A definition without a schema takes anything; with
    one, nothing means `{}`.
    """
    form = start_form(known.kind.definition) if checked else None
    validator = known.input if checked else None
    value = {} if request.input is None and validator is not None else request.input
    try:
        stored = dumps(value)
    except ValidationFailed as error:
        raise refusal([{**each, "path": f"{path}/input{each['path']}"} for each in error.details]) from None
    if form is not None:
        await check_start(engine, form, value, caller, f"{path}/input")
    elif validator is not None:
        validator.check(value, f"{path}/input")
        await check_uploads(engine, validator, value, caller, f"{path}/input")
    return value, stored


def _run_at(request: TaskRequest, now: int, path: str) -> int | None:
    """When the task may run, in microseconds; None for now."""
    if request.delay is not None and request.available_at is not None:
        raise invalid(f"{path}/delay", "cannot be given together with availableAt", "oneOf")
    if request.delay is not None and request.delay > 0:
        return now + int(request.delay * 1_000_000)
    if request.available_at is not None:
        at = _us(request.available_at)
        return at if at > now else None
    return None


def _us(when: datetime) -> int:
    return int(when.timestamp() * 1_000_000)


def _extra(request: TaskRequest, behind: Behind, run_at: int | None) -> bytes | None:
    """What the task carries besides what it is found and run by; None for nothing, which most carry."""
    caller = behind.caller
    if caller is LOCAL and run_at is None and not behind.askers and not any(_CARRIED(request)):
        return None
    plain = msgspec.to_builtins
    extra = Extra(
        step_id=request.step_id,
        workflow_context=plain(request.workflow_context) if request.workflow_context else None,
        client=plain(request.client) if request.client else None,
        caller=None if caller is LOCAL else caller.subject,
        askers=list(behind.askers),
        severity=request.severity,
        tags=request.tags,
        metadata=request.metadata,
        callback_url=request.callback_url,
        available_at=run_at,
        due_at=None if request.due_date is None else _us(request.due_date),
        assignee_type=request.assignee.type if request.assignee else None,
        assignee_id=request.assignee.id if request.assignee else None,
        concurrency_key=request.concurrency_key,
        fairness_key=request.fairness_key,
    )
    return msgspec.json.encode(extra)


def _cause(request: TaskRequest, parent_id: int | None) -> tuple[str | None, str | None]:
    if parent_id is not None:
        return _TASK, str(parent_id)
    if request.cause is None and request.workflow_id is not None:
        return "workflow_Instance", request.workflow_id
    return request.cause_type, request.cause


def _hash(request: TaskRequest, value: Any, caller: Caller) -> bytes:
    subject = msgspec.to_builtins(request.client) if request.client else caller.subject
    return request_hash(request.task_definition_id, value, subject)


def _concurrency_key(definition: Definition, request: TaskRequest, stored: bytes, path: str) -> str | None:
    try:
        return concurrency_key(definition, request.concurrency_key, stored)
    except ValueError as error:
        raise invalid(f"{path}/input", f"its concurrency key cannot be told: {error}", "concurrencyKey") from None


def _uniques(
    request: TaskRequest, entry: Entry, seen: bytes | None, expire: float | None, caller: Caller, now: int
) -> list[Unique]:
    uniques = []
    if request.idempotency_key is not None:
        key = idempotency_key(caller.subject, request.task_definition_id, request.idempotency_key)
        same = digest(canonical(msgspec.to_builtins(request)))
        uniques.append(Unique(key, same, now + _IDEMPOTENT_FOR_US, forgiving=False))
    if seen is not None and (expire is not None or entry.parent_id is not None):
        newer_than = None if entry.parent_id is not None else now - int((expire or 0) * 1_000_000)
        key = reuse_key(entry.cause_type, entry.cause, seen, _finder(request, caller))
        uniques.append(Unique(key, None, None, forgiving=True, newer_than=newer_than))
    return uniques


def _finder(request: TaskRequest, caller: Caller) -> str:
    """Who alone finds the task again: who may not see others' tasks is shown none by naming their client."""
    is_own = request.client is None or caller.allows("tasks:read") or caller.allows("service")
    return "" if is_own else caller.subject


def only_one(key: bytes) -> Unique:
    """That there is one task only under this key, as long as it is kept."""
    return Unique(key, None, None, forgiving=False)
