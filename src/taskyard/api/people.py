"""What a person does with one manual task. A GET shows and never acts."""

from __future__ import annotations

import contextlib
from typing import Annotated, Any

from msgspec import Meta
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_task
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.uploads import MULTIPART, read_file
from taskyard.api.visibility import see
from taskyard.domain.outcome import TaskError
from taskyard.domain.people.rights import Verb
from taskyard.domain.task import Task, Time, tell, to_json
from taskyard.engine.people import ending, verbs
from taskyard.engine.people.holding import holding_of, permit
from taskyard.engine.people.inbox import next_of
from taskyard.engine.people.repair import assign as assign_or_repair
from taskyard.engine.people.repair import rerun
from taskyard.engine.query import Known
from taskyard.engine.upload import save_upload
from taskyard.errors import Conflict

internal = Routes("Internal: tasks")
routes = Routes("People's tasks")

_V1 = "POST /api/v1/tasks/{taskId}"


class _Seen(schemas.Strict):
    """With `version` only if that is the task's present one."""

    version: int | None = None


class Seen(_Seen, kw_only=True):
    """Nothing but, if wanted, the version that was seen."""


class Give(_Seen, kw_only=True):
    """To whom it goes."""

    assignee_id: verbs.Name
    reason: verbs.Reason | None = None


class Draft(_Seen, kw_only=True):
    """An unfinished result, unchecked."""

    output: Any = None


class Completion(_Seen, kw_only=True):
    """The result, and the decision by its name."""

    output: Any = None
    outcome: Annotated[str, Meta(min_length=1, max_length=100)] | None = None
    comment: verbs.Reason | None = None


class Rejection(_Seen, kw_only=True):
    """Why not."""

    reason: Annotated[str, Meta(min_length=1, max_length=2000)]


class Comment(schemas.Strict):
    """What somebody has to say about it."""

    text: Annotated[str, Meta(min_length=1, max_length=10_000)]


class FollowUp(_Seen, kw_only=True):
    """When to be reminded; null for no more."""

    at: Time | None


class DueDate(_Seen, kw_only=True):
    """Until when; null for any time."""

    due_date: Time | None
    reason: verbs.Reason | None = None


class Repair(_Seen, kw_only=True):
    """The corrected input; null or left out, it stays as it is."""

    input: Any = None
    comment: verbs.Reason | None = None


class Completed(schemas.Answer):
    """The task, and the first of what is left in the inbox."""

    task: Task
    next: Task | None


REPAIR = Shape[Repair](Repair)
SEEN = Shape[Seen](Seen)
GIVE = Shape[Give](Give)
DRAFT = Shape[Draft](Draft)
COMPLETION = Shape[Completion](Completion)
REJECTION = Shape[Rejection](Rejection)
COMMENT = Shape[Comment](Comment)
FOLLOW_UP = Shape[FollowUp](FollowUp)
DUE_DATE = Shape[DueDate](DueDate)
REASSIGNMENT = Shape[verbs.Reassignment](verbs.Reassignment)


@routes.add(f"{_V1}/claim", body=SEEN, body_optional=True, answers={200: Task})
async def claim(call: Call) -> Response:
    """Take a task of your group; 409 says who has it."""
    known = await _mine(call, "claim")
    body = await call.body(SEEN, optional=True)
    return answer_task(await verbs.claim(call.engine, call.caller, known, body.version))


@routes.add(f"{_V1}/release", body=SEEN, body_optional=True, answers={200: Task})
async def release(call: Call) -> Response:
    """Give a claim back."""
    known = await _mine(call, "release")
    body = await call.body(SEEN, optional=True)
    return answer_task(await verbs.release(call.engine, call.caller, known, body.version))


@routes.add(f"{_V1}/assign", body=GIVE, answers={200: Task})
async def assign(call: Call) -> Response:
    """Give a task that nobody has to a person; one that has failed for good, so that they repair it."""
    known = await _mine(call, "assign")
    body = await call.body(GIVE)
    told = (body.assignee_id, body.reason, body.version)
    return answer_task(await assign_or_repair(call.engine, call.caller, known, *told))


@internal.add("POST /api/internal/tasks/{taskId}/reassign", body=REASSIGNMENT, answers={200: Task})
@routes.add(f"{_V1}/reassign", body=REASSIGNMENT, answers={200: Task})
async def reassign(call: Call) -> Response:
    """Give a task to another person or group."""
    known = await _mine(call, "reassign")
    return answer_task(await verbs.reassign(call.engine, call.caller, known, await call.body(REASSIGNMENT)))


@routes.add(f"{_V1}/delegate", body=GIVE, answers={200: Task})
async def delegate(call: Call) -> Response:
    """Have somebody else do the work; it comes back when they resolve it."""
    known = await _mine(call, "delegate")
    body = await call.body(GIVE)
    return answer_task(
        await verbs.delegate(call.engine, call.caller, known, body.assignee_id, body.reason, body.version)
    )


@routes.add(f"{_V1}/resolve", body=SEEN, body_optional=True, answers={200: Task})
async def resolve(call: Call) -> Response:
    """Give a delegated task back."""
    known = await _mine(call, "resolve")
    body = await call.body(SEEN, optional=True)
    return answer_task(await verbs.resolve(call.engine, call.caller, known, body.version))


@routes.add(f"{_V1}/draft", body=DRAFT, answers={200: Task})
async def draft(call: Call) -> Response:
    """Keep an unfinished result, unchecked."""
    known = await _mine(call, "draft")
    body = await call.body(DRAFT)
    return answer_task(await verbs.draft(call.engine, call.caller, known, body.output, body.version))


@routes.add(f"{_V1}/complete", body=COMPLETION, answers={200: Completed})
async def complete(call: Call) -> Response:
    """Complete a manual task with its result; answers the next one too."""
    known = await _mine(call, "complete")
    body = await call.body(COMPLETION)
    task = await ending.complete(
        call.engine, call.caller, known, body.output, outcome=body.outcome, comment=body.comment, version=body.version
    )
    following = await next_of(call.engine, call.caller, call.task_id())
    return answer({"task": to_json(task), "next": None if following is None else to_json(tell(*following))})


@routes.add(f"{_V1}/reject", body=REJECTION, answers={200: Task})
async def reject(call: Call) -> Response:
    """Refuse a manual task; it fails with the code REJECTED."""
    known = await _mine(call, "reject")
    body = await call.body(REJECTION)
    error = TaskError("REJECTED", body.reason, retryable=False)
    return answer_task(await ending.reject(call.engine, call.caller, known, error, body.version))


@routes.add(f"{_V1}/repair", body=REPAIR, body_optional=True, answers={200: Task})
async def repair(call: Call) -> Response:
    """Have a task that failed run again, with a corrected input; it begins anew, with fresh budgets."""
    await _mine(call, "repair")
    body = await call.body(REPAIR, optional=True)
    return answer_task(await rerun(call.engine, call.caller, call.task_id(), body.input, body.comment, body.version))


@routes.add(f"{_V1}/follow-up", body=FOLLOW_UP, answers={200: Task})
async def follow_up(call: Call) -> Response:
    """Be reminded of a task."""
    known = await _mine(call, "follow-up")
    body = await call.body(FOLLOW_UP)
    return answer_task(await verbs.follow_up(call.engine, call.caller, known, schemas.us(body.at), body.version))


@routes.add(f"{_V1}/due-date", body=DUE_DATE, answers={200: Task})
async def due_date(call: Call) -> Response:
    """Have a task due at another time; its reminders and escalations move with it."""
    known = await _mine(call, "due-date")
    body = await call.body(DUE_DATE)
    at = schemas.us(body.due_date)
    return answer_task(await verbs.reschedule(call.engine, call.caller, known, at, body.reason, body.version))


@routes.add(f"{_V1}/comments", body=COMMENT, answers={200: Task})
async def comment(call: Call) -> Response:
    """Say something about a task, for its history."""
    known = await _mine(call, "comments")
    return answer_task(await verbs.comment(call.engine, call.caller, known, (await call.body(COMMENT)).text))


@routes.add(f"{_V1}/attachments", media=MULTIPART, body=schemas.FILE, answers={200: Task})
async def attach(call: Call) -> Response:
    """Add a file to a task, for its history."""
    await _mine(call, "attachments")
    file = await read_file(call)
    upload = await save_upload(call.engine, file.name, file.content, call.caller, file.media_type)
    return answer_task(await verbs.attach(call.engine, call.caller, call.task_id(), upload))


async def _mine(call: Call, verb: Verb) -> Known:
    """The task in the path. Raises NotFound, Forbidden: before anything is said of the body."""
    known = await see(call.engine, call.caller, call.task_id())
    _permit(call, verb, known)
    return known


def _permit(call: Call, verb: Verb, known: Known) -> None:
    holding = holding_of(known)
    if holding is not None:
        with contextlib.suppress(Conflict):  # what is wrong with the body is told first
            permit(verb, call.caller, holding)
