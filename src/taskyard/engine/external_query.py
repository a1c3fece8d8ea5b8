"""External tasks as Camunda 7's tools look at them: listed, counted, their errors read, those given up tried again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from taskyard.contracts.records import Filter
from taskyard.domain.camunda import moment
from taskyard.domain.definition import Definition
from taskyard.domain.facts import PlaceKind
from taskyard.domain.ids import made_at, parse_id
from taskyard.domain.lifecycle import State
from taskyard.domain.priority import Priority
from taskyard.domain.task import detail_of
from taskyard.engine.engine import Engine
from taskyard.engine.query import Known, know, know_one
from taskyard.engine.requeue import requeue
from taskyard.errors import NotFound, ValidationFailed
from taskyard.security.caller import Caller

_LOOKED_AT = 10_000
_OPEN = frozenset({State.PENDING, State.RUNNING, State.RETRYING})
_PRIORITY = {Priority.LOW: 0, Priority.MEDIUM: 50, Priority.HIGH: 75, Priority.CRITICAL: 100}

Count = Annotated[int, msgspec.Meta(ge=0)]


class ExternalQuery(msgspec.Struct, rename="camel", forbid_unknown_fields=True, kw_only=True):
    """Which external tasks are meant; all that have not ended where nothing is said.

    `locked`: those that some worker holds. `noRetriesLeft`: those that are given up.
    """

    external_task_id: str | None = None
    topic_name: str | None = None
    process_instance_id: str | None = None
    worker_id: str | None = None
    locked: bool | None = None
    not_locked: bool | None = None
    with_retries_left: bool | None = None
    no_retries_left: bool | None = None
    sorting: list[dict[str, Any]] = []

    def fits(self, known: Known) -> bool:
        """Whether it is one of those, apart from its topic and process instance."""
        place = known.facts.place
        if place is None:
            return False
        is_dead, is_locked = place.kind is PlaceKind.DEAD, place.kind is PlaceKind.RUNNING
        return (
            self.external_task_id in (None, str(known.facts.body.id))
            and self.worker_id in (None, place.worker)
            and (not self.locked or is_locked)
            and (not self.not_locked or not is_locked)
            and (not self.with_retries_left or not is_dead)
            and (not self.no_retries_left or is_dead)
        )


class Retries(msgspec.Struct, rename="camel"):
    """How often an external task is to be tried again."""

    retries: Annotated[int, msgspec.Meta(ge=1)]


class RetriesOfMany(Retries, kw_only=True):
    """The same for these external tasks; they are named by their ids alone."""

    external_task_ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=1000)]
    process_instance_ids: None = None
    external_task_query: None = None
    process_instance_query: None = None
    historic_process_instance_query: None = None


async def list_external(engine: Engine, query: ExternalQuery) -> list[dict[str, Any]]:
    """Those that have not ended or are given up, newest first; of the first 10,000."""
    topic = query.topic_name
    kinds = [
        kind.id
        for kind in await engine.catalog.all_current()
        if kind.definition.kind == "external" and topic in (None, topic_of(kind.definition))
    ]
    states = _OPEN if query.with_retries_left else _OPEN | {State.FAILED}
    wanted = Filter(status=states, kind_ids=tuple(kinds), workflow_id=query.process_instance_id)
    ids: list[int] = []
    after = None
    while kinds and len(ids) < _LOOKED_AT:
        page = await engine.store.find(wanted, 500, after)
        ids += page.ids
        if page.next is None:
            break
        after = page.next
    return [tell_external(known) for known in await know(engine, ids) if query.fits(known)]


async def get_external(engine: Engine, id_: str) -> dict[str, Any]:
    """One external task that has not ended, or is given up. Raises NotFound."""
    return tell_external(await _find(engine, id_))


async def error_details(engine: Engine, id_: str) -> str:
    """What was said of its latest failure. Raises NotFound."""
    error = detail_of((await _find(engine, id_)).facts.last).error or {}
    return str(error.get("stackTrace") or "")


async def set_retries(engine: Engine, caller: Caller, id_: str, wanted: Retries) -> None:
    """Have one that is given up tried again, as often as its definition says. Raises NotFound, ValidationFailed."""
    del wanted
    await _try_again(engine, caller, [id_])


async def set_retries_of_many(engine: Engine, caller: Caller, wanted: RetriesOfMany) -> None:
    """The same for each, or for none. Raises NotFound, ValidationFailed for the first for which that cannot be."""
    await _try_again(engine, caller, wanted.external_task_ids)


async def _try_again(engine: Engine, caller: Caller, ids: Sequence[str]) -> None:
    found = [await _find(engine, id_) for id_ in ids]
    for known in found:
        if known.facts.place is None or known.facts.place.kind is not PlaceKind.DEAD:
            told = f"the retries of {known.facts.body.id} are its definition's; they can be set when none are left"
            raise ValidationFailed(told)
    await requeue(engine, sorted({known.facts.body.id for known in found}), caller.subject, "its retries were set")


async def topic_names(engine: Engine) -> list[str]:
    """The topics there are."""
    topics = {topic_of(kind.definition) for kind in await engine.catalog.all_current() if not kind.retired}
    return sorted(topic for topic in topics if topic is not None)


def topic_of(definition: Definition) -> str | None:
    """The topic of an external definition; None for any other."""
    if definition.kind != "external":
        return None
    return str(definition.implementation.get("topic") or definition.key)


def tell_external(known: Known) -> dict[str, Any]:
    """As Camunda tells it."""
    body, place, definition = known.facts.body, known.facts.place, known.kind.definition
    failures = place.failures if place else 0
    error = detail_of(known.facts.last).error or {}
    running = place is not None and place.kind is PlaceKind.RUNNING
    is_dead = place is not None and place.kind is PlaceKind.DEAD
    return {
        "id": str(body.id),
        "topicName": topic_of(definition),
        "workerId": place.worker if place and running else None,
        "lockExpirationTime": moment(place.expires_at) if place and running else None,
        "createTime": moment(made_at(body.id)),
        "retries": 0
        if is_dead
        else known.policy.retry.max_retries - failures
        if failures or known.facts.last
        else None,
        "errorMessage": error.get("message"),
        "suspended": False,
        "priority": _PRIORITY[Priority(body.priority)],
        "businessKey": body.correlation_id,
        "processInstanceId": body.workflow_id,
        "executionId": str(body.id),
        "activityId": definition.key,
        "activityInstanceId": str(body.id),
        "processDefinitionId": definition.key,
        "processDefinitionKey": definition.key,
        "processDefinitionVersionTag": None,
        "tenantId": None,
    }


async def _find(engine: Engine, id_: str) -> Known:
    number = parse_id(id_.partition(".")[0])
    known = None if number is None else await know_one(engine, number)
    if known is None or known.kind.definition.kind != "external" or known.facts.place is None:
        raise gone(id_)
    return known


def gone(id_: str) -> NotFound:
    """The error for one that is not there, or not the caller's any more."""
    return NotFound(f"External task with id {id_[:100]} does not exist, or its lock is another's by now")
