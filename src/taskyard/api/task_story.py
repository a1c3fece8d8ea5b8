"""What is known about one task: its attempts, events, lines, result, and why it does not run."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer, answer_page
from taskyard.api.call import Call
from taskyard.api.export import EXPORTS, export
from taskyard.api.routing import Routes
from taskyard.api.shapes import Shape
from taskyard.api.visibility import see
from taskyard.domain.facts import Line
from taskyard.domain.lifecycle import State
from taskyard.domain.people.approval import tell_decisions
from taskyard.domain.task import detail_of, iso, tell
from taskyard.engine.events import task_events
from taskyard.engine.query import Attempt, know_one, list_attempts, list_lines
from taskyard.engine.traces import roots, trace_id
from taskyard.engine.why import why
from taskyard.errors import Conflict

routes = Routes("Tasks")


class LogQuery(schemas.PageQuery):
    """Lines after a sequence number."""

    after: schemas.Sequence = 0


class OutputQuery(schemas.Strict):
    """How the result is to be written."""

    format: Literal["json", "csv", "xml", "yaml"] = "json"


class TraceAnswer(schemas.Answer):
    """The trace that a task's spans are in, and where it is shown, if that was set."""

    trace_id: str
    url: str | None


LOG_QUERY = Shape[LogQuery](LogQuery)
OUTPUT_QUERY = Shape[OutputQuery](OutputQuery)


@routes.add("GET /api/v1/tasks/{taskId}/attempts", query=schemas.PAGE_QUERY, answers={200: schemas.AttemptPage})
async def read_attempts(call: Call) -> Response:
    """A task's ended attempts, oldest first."""
    task_id = await _seen(call)
    attempts = await list_attempts(call.engine, task_id)
    return _answer_after(call, [(one.fact.attempt, attempt_json(one)) for one in attempts])


@routes.add("GET /api/v1/tasks/{taskId}/trace", answers={200: TraceAnswer})
async def read_trace(call: Call) -> Response:
    """The trace a task is in: with all that was started by the task that began it."""
    task_id = await _seen(call)
    body = (await know_one(call.engine, task_id)).facts.body
    trace, shown_at = trace_id((await roots(call.engine, [body]))[task_id]), call.services.trace_url
    return answer({"traceId": trace, "url": shown_at.replace("{traceId}", trace) or None})


@routes.add("GET /api/v1/tasks/{taskId}/events", query=schemas.PAGE_QUERY, answers={200: schemas.EventPage})
async def read_events(call: Call) -> Response:
    """A task's events, oldest first: its audit trail."""
    task_id = await _seen(call)
    events = await task_events(call.engine, task_id)
    return _answer_after(call, [(event.sequence, event.envelope()) for event in events])


@routes.add("GET /api/v1/tasks/{taskId}/logs", query=LOG_QUERY, answers={200: schemas.LogPage})
async def read_logs(call: Call) -> Response:
    """The lines a task logged after a sequence number, oldest first."""
    task_id = await _seen(call)
    query, name = call.query(LOG_QUERY), call.scope["path"]
    after = call.services.cursors.read_number(name, query.cursor)
    lines = await list_lines(call.engine, task_id, query.after if after is None else after, query.limit)
    end = lines[-1].sequence if len(lines) == query.limit else None
    return answer_page([line_json(line) for line in lines], call.services.cursors.make(name, end))


@routes.add(
    "GET /api/v1/tasks/{taskId}/output",
    query=OUTPUT_QUERY,
    answers={200: {media: {"schema": {}} for media in EXPORTS.values()}},
)
async def read_output(call: Call) -> Response:
    """A completed task's result, as JSON, CSV, XML or YAML."""
    task = tell(*await see(call.engine, call.caller, call.task_id()))
    format_ = call.query(OUTPUT_QUERY).format
    if task.status is not State.COMPLETED:
        raise Conflict(f"the task is {task.status} and has no output", details={"status": task.status})
    headers = {} if format_ == "json" else {"Content-Disposition": f'attachment; filename="{task.task_id}.{format_}"'}
    return Response(export(task.output, format_), headers=headers, media_type=EXPORTS[format_])


@routes.add("GET /api/v1/tasks/{taskId}/why", answers={200: schemas.Why})
async def read_why(call: Call) -> Response:
    """Why a task is not running."""
    return answer(await why(call.engine, await _seen(call)))


def attempt_json(attempt: Attempt) -> dict[str, Any]:
    """An ended attempt as the contract's JSON."""
    fact, queue_wait, former_input = attempt
    detail = detail_of(fact)
    return {
        "attempt": fact.attempt,
        "outcome": fact.outcome.name,
        "executorId": fact.worker,
        "queueWait": queue_wait,
        "startTime": iso(fact.started_at),
        "endTime": iso(fact.finished_at),
        "executionTime": fact.run_ms,
        "error": detail.error,
        "warnings": msgspec.to_builtins(detail.warnings),
        "delay": detail.delay,
        "by": detail.by,
        "reason": detail.reason,
        "decision": detail.decision,
        "decisions": tell_decisions(detail.decisions),
        "tier": detail.tier,
        "lock": detail.lock,
        "formerInput": former_input,
    }


def line_json(line: Line) -> dict[str, Any]:
    """A logged line as the contract's JSON."""
    return {"sequence": line.sequence, "at": iso(line.at), "level": line.level, "text": line.text}


async def _seen(call: Call) -> int:
    """The id of the task in the path, if the caller may see it. Raises NotFound."""
    task_id = call.task_id()
    await see(call.engine, call.caller, task_id)
    return task_id


def _answer_after(call: Call, items: list[tuple[int, Any]]) -> Response:
    """A page of what is at hand as a whole, each with its place."""
    query, name = call.query(schemas.PAGE_QUERY), call.scope["path"]
    after = call.services.cursors.read_number(name, query.cursor)
    left = [item for item in items if after is None or item[0] > after]
    page = left[: query.limit]
    end = page[-1][0] if len(left) > len(page) else None
    return answer_page([each for _, each in page], call.services.cursors.make(name, end))
