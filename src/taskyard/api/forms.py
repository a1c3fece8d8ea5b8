"""The form of a task, as the browser draws it."""

from __future__ import annotations

from typing import Any

from starlette.responses import Response

from taskyard.api import schemas
from taskyard.api.answers import answer
from taskyard.api.call import Call
from taskyard.api.routing import Routes
from taskyard.api.visibility import see
from taskyard.engine.people.forms import tell_form

routes = Routes("People's tasks")

JsonObject = dict[str, Any]


class ShownForm(schemas.Answer):
    """A form with what it takes: `schema` judges the result.

    `fields` have `key, label, type, widget, required`, and as far as they apply `default, options, help, rules,
    section` and `visibleIf`: clauses `{field, in | not | min | max | filled}` that all have to hold. `layout` has
    `columns` and `sections`, `actions` are buttons, `parts` what is shown beside the fields; a part's `text` is plain.
    `problems` tell what could not be computed.
    """

    schema: JsonObject | None
    fields: list[JsonObject]
    layout: JsonObject
    actions: list[JsonObject]
    parts: list[JsonObject]
    problems: list[JsonObject]


class RepairForm(ShownForm):
    """The form of the input of a task that has failed, with the input it had, and what it failed with."""

    value: Any
    error: JsonObject | None


class TaskForm(ShownForm):
    """The form that ends a task. `input` has the `fields` that show its input, and its `value`; nobody changes it."""

    input: JsonObject
    ui: JsonObject | None
    repair: RepairForm | None


@routes.add("GET /api/v1/tasks/{taskId}/form", answers={200: TaskForm})
async def read_form(call: Call) -> Response:
    """The form of a task, as its own version of the definition has it: what a person fills in to end or repair it."""
    return answer(tell_form(await see(call.engine, call.caller, call.task_id())))
