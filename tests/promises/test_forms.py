"""What the documents promise of the forms of people's tasks, and of repairs."""

from __future__ import annotations

from typing import Any

from taskyard.testing import World
from tests.api.yard import Client
from tests.promises.test_task_execution_layer_people import ANN, BOB, OPS, act
from tests.promises.yard import refusal, task_of

COMPONENTS = [
    {
        "componentId": "check",
        "componentType": "Form",
        "displayTemplate": "Order {{ input.order }} of {{ workflow.customer }}",
        "fields": [
            {"fieldKey": "ok", "type": "boolean", "label": "All there?", "required": True},
            {"fieldKey": "missing", "type": "integer", "required": True, "visibleIf": {"ok": False},
             "validationRules": [{"type": "range", "value": {"min": 1}}]},
            {"fieldKey": "shelf", "type": "select", "options": ["A", "B"], "defaultFrom": "input.shelf"},
        ],
        "layout": {"columns": 2, "order": ["shelf", "ok", "missing"],
                   "sections": [{"title": "Count", "fields": ["ok", "missing"]}]},
        "actions": [{"actionKey": "done", "label": "Done", "style": "primary"}],
    }
]  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {"ok": {"type": "boolean", "x-ui": {"help": "As you see it."}}, "note": {"type": "string"}},
    "required": ["ok"],
}
INPUT = {"order": 7, "shelf": "B"}


async def asked(world: World, http: Client, **definition: Any) -> tuple[str, dict[str, Any]]:
    """A task of this definition that ann has, with its form."""
    body = {"implementation": {"kind": "manual", "assignment": {"type": "USER", "id": "ann"}}, **definition}
    answer = await http.put("/api/v1/definitions/decide", json=body)
    assert answer.status_code in (200, 201), answer.text
    context = {"variables": {"customer": "Zoe"}}
    task_id = await http.create("decide", INPUT, workflowId="w", workflowContext=context)
    await world.settle()
    return task_id, await form_of(http, task_id)


async def form_of(http: Client, task_id: str) -> dict[str, Any]:
    return dict((await http.get(f"/api/v1/tasks/{task_id}/form", headers=ANN)).json())


async def test_a_form_is_made_from_the_definition_with_the_input_beside_it(world: World, http: Client) -> None:
    """task-execution-layer.md § Key Components › Manual Task Handler: from schema and hints, the input read-only."""
    schema = {"type": "object", "properties": {"order": {"type": "integer", "title": "Order number"}}}
    hints = {"note": {"widget": "textarea"}}
    _, form = await asked(world, http, outputSchema=SCHEMA, inputSchema=schema, uiSchema=hints)
    assert form["schema"] == SCHEMA
    fields = [(field["key"], field["widget"], field["required"], field.get("help")) for field in form["fields"]]
    assert fields == [("ok", "checkbox", True, "As you see it."), ("note", "textarea", False, None)]
    shown = [(field["label"], field["readOnly"]) for field in form["input"]["fields"]]
    assert (shown, form["input"]["value"]) == ([("Order number", True)], INPUT)


async def test_ui_components_are_kept_with_the_version_and_decide_the_form(world: World, http: Client) -> None:
    """task-execution-layer.md § Data Model: fields, layout, conditions, actions, templates and rules."""
    task_id, form = await asked(world, http, uiComponents=COMPONENTS)
    fields = {field["key"]: field for field in form["fields"]}
    assert list(fields) == ["shelf", "ok", "missing"]
    assert fields["missing"]["visibleIf"] == [{"field": "ok", "in": [False]}]
    assert (form["layout"]["columns"], form["layout"]["sections"][0]["title"]) == (2, "Count")
    assert [action["label"] for action in form["actions"]] == ["Done"]
    assert form["parts"][0]["text"] == "Order 7 of Zoe"
    await asked(world, http, outputSchema=SCHEMA)
    assert await form_of(http, task_id) == form
    for output, wrong in (({"ok": False}, "/output/missing"), ({"ok": False, "missing": 0}, "/output/missing")):
        answer = await act(http, ANN, task_id, "complete", output=output)
        assert refusal(answer) == (422, "VALIDATION_ERROR")
        assert [each["path"] for each in answer.json()["error"]["details"]] == [wrong]
    assert (await act(http, ANN, task_id, "complete", output={"ok": True}, outcome="done")).status_code == 200


async def test_the_form_offered_depends_on_components_and_input(world: World, http: Client) -> None:
    """task-execution-layer.md § Implementation Examples › Handling a Manual Task: generated for the task."""
    optional = COMPONENTS[0] | {"componentId": "gift", "condition": {"input.gift": True}, "fields": [
        {"fieldKey": "wrapped", "type": "boolean"}], "layout": None, "actions": [], "priority": 2}  # fmt: skip
    optional.pop("layout")
    _, form = await asked(world, http, uiComponents=[*COMPONENTS, optional])
    assert next(field for field in form["fields"] if field["key"] == "shelf")["default"] == "B"
    assert "wrapped" not in [field["key"] for field in form["fields"]]
    task_id = await http.create("decide", INPUT | {"gift": True})
    await world.settle()
    assert "wrapped" in [field["key"] for field in (await form_of(http, task_id))["fields"]]


async def test_the_tasks_of_each_user_are_listed_with_their_state(world: World, http: Client) -> None:
    """sourceloop-task-service.md § Overview: a task is one user's, and a user's tasks can be listed."""
    task_id, _ = await asked(world, http, outputSchema=SCHEMA)
    mine = (await http.get("/api/internal/tasks/user/ann")).json()["items"]
    assert [(each["taskId"], each["status"], each["assigneeId"]) for each in mine] == [(task_id, "ASSIGNED", "ann")]
    assert (await http.get("/api/internal/tasks/user/bob")).json()["items"] == []
    done = await act(http, ANN, task_id, "complete", output={"ok": True})
    assert done.json()["task"]["status"] == "COMPLETED"
    ended = (await http.get("/api/v1/inbox?view=done", headers=ANN)).json()["items"]
    assert [(each["taskId"], each["status"]) for each in ended] == [(task_id, "COMPLETED")]


async def test_what_has_failed_for_good_is_mended_as_the_one_task_it_is(world: World, http: Client) -> None:
    """task-execution-layer.md § Operational Considerations › Resilience: a person repairs what retries could not."""
    implementation = {"kind": "function", "name": "flaky"}
    body = {"implementation": implementation, "retryPolicy": {"maxRetries": 0}, "repair": {"assignment": OPS}}
    assert (await http.put("/api/v1/definitions/flaky", json=body)).status_code in (200, 201)
    task_id = await http.create("flaky", {"failures": 9})
    await world.settle()
    assert (await task_of(http, task_id))["status"] == "ASSIGNED"
    assert (await act(http, BOB, task_id, "claim")).status_code == 200
    done = await act(http, BOB, task_id, "complete", output={"by": "hand"})
    assert (done.json()["task"]["taskId"], done.json()["task"]["status"]) == (task_id, "COMPLETED")
