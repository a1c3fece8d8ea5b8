"""The approval of the demo: a refund that waits until a person has agreed to it, and goes on then."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from taskyard.contracts.inbox import InboxFilter
from taskyard.domain.people.assignment import Person
from taskyard.engine.define import define, parse_definition
from taskyard.engine.engine import Engine
from taskyard.engine.people import ending, verbs
from taskyard.engine.people.inbox import read_inbox
from taskyard.engine.query import Known
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.errors import Conflict, IllegalTransition
from taskyard.security.caller import LOCAL, Caller

KEY = "approve-refund"
WORKFLOW = "refund-customer"
GROUP = "shop-managers"
PERSON = "ada"

DEFINITION: dict[str, Any] = {
    "key": KEY,
    "title": "Approve a refund",
    "description": "Somebody of the shop's managers looks at it and decides.",
    "category": "admin",
    "icon": "hand-coins",
    "tags": ["approval"],
    "implementation": {
        "kind": "manual",
        "assignment": {"type": "GROUP", "id": GROUP},
        "due": {"after": 86_400},
        "reminders": [0.5, 0.9],
    },
    "inputSchema": {
        "type": "object",
        "properties": {"customer": {"type": "string"}, "amount": {"type": "number", "minimum": 0}},
        "required": ["customer", "amount"],
    },
    "uiComponents": [
        {
            "componentId": "decision",
            "title": "Refund",
            "displayTemplate": "{{ input.customer }} wants {{ input.amount }} back.",
            "fields": [
                {"fieldKey": "approved", "type": "boolean", "label": "Pay it back?", "required": True},
                {"fieldKey": "reason", "type": "textarea", "required": True, "visibleIf": {"approved": False}},
            ],
            "actions": [
                {"actionKey": "pay", "label": "Pay", "style": "primary", "visibleIf": {"approved": True}},
                {"actionKey": "decline", "label": "Decline", "style": "danger", "visibleIf": {"approved": False}},
            ],
        }
    ],
}

_ADA = Caller(PERSON, frozenset({"tasks:manual"}), frozenset({GROUP}))
_LOOK_AGAIN = 0.1
_MOST = 200


async def prepare(engine: Engine) -> None:
    """Store the definition, and a person who may decide."""
    await define(engine, [parse_definition(DEFINITION)])
    await engine.store.save_person(Person(PERSON, "Ada", groups=(GROUP,)))


async def decide(engine: Engine, workflow: int) -> None:
    """What a person does about the approval that a task waits for, once it is there."""
    task_id = await _asked(engine, workflow)
    with contextlib.suppress(Conflict, IllegalTransition):  # whoever sees the demo may have been quicker
        await verbs.claim(engine, _ADA, task_id)
        await verbs.draft(engine, _ADA, task_id, {"approved": False})
        await ending.complete(engine, _ADA, task_id, {"approved": True}, outcome="pay", comment="a regular customer")


async def _asked(engine: Engine, workflow: int) -> int:
    """The approval that the task waits for, as soon as it is in the inbox."""
    while True:
        for each in await _inbox(engine):
            if each.facts.body.parent_id == workflow:
                return each.facts.body.id
        await asyncio.sleep(_LOOK_AGAIN)


async def leave_one(engine: Engine) -> int:
    """An approval that a refund waits for, for whoever sees the demo; its id."""
    waiting = [each for each in await _inbox(engine) if each.facts.body.parent_id is not None]
    if waiting:
        return waiting[0].facts.body.id
    request = TaskRequest(task_definition_id=WORKFLOW, input={"customer": "Grace Hughes", "amount": 42.5})
    return await _asked(engine, (await submit(engine, request, LOCAL)).id)


async def _inbox(engine: Engine) -> list[Known]:
    wanted = InboxFilter(PERSON, (GROUP,))
    return (await read_inbox(engine, wanted, _MOST, None)).items
