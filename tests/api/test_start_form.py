"""The form that asks for a task: made of components, and held to when the task is asked for."""

from __future__ import annotations

from typing import Any

import pytest

from tests.api.test_forms import told, uploaded
from tests.api.yard import Client, bearer

ASKS = bearer("tasks:read", "tasks:write", "tasks:manual", subject="ann")
COMPONENTS = [
    {"componentId": "hint", "componentType": "Display", "displayTemplate": "Up to 100 at once."},
    {
        "componentId": "order",
        "priority": 1,
        "fields": [
            {"fieldKey": "amount", "type": "number", "required": True, "validationRules": [
                {"type": "range", "value": {"max": 100}, "errorMessage": "is too much"}]},
            {"fieldKey": "gift", "type": "boolean"},
            {"fieldKey": "card", "type": "text", "required": True, "visibleIf": {"gift": True}},
            {"fieldKey": "photo", "type": "file", "accept": ["image/png"]},
        ],
        "layout": {"columns": 2, "sections": [{"title": "Order", "fields": ["amount", "gift", "card"]}]},
    },
]  # fmt: skip


async def defined(http: Client, **changes: Any) -> None:
    body = {"implementation": {"kind": "external", "topic": "order"}, "uiComponents": COMPONENTS, **changes}
    answer = await http.put("/api/v1/definitions/order", json=body)
    assert answer.status_code in (200, 201), answer.text


async def asked(http: Client, value: Any) -> tuple[int, dict[str, Any]]:
    body = {"taskDefinitionId": "order", "input": value}
    answer = await http.post("/api/v1/tasks", json=body, headers=ASKS)
    return answer.status_code, answer.json()


async def test_it_is_shown_as_its_components_say(client: Client) -> None:
    await defined(client)
    form = (await client.get("/api/v1/definitions/order/form")).json()
    assert [field["key"] for field in form["fields"]] == ["amount", "gift", "card", "photo"]
    assert (form["layout"]["columns"], form["layout"]["sections"][0]["title"]) == (2, "Order")
    assert form["parts"][0]["text"] == "Up to 100 at once."
    assert form["fields"][2]["visibleIf"] == [{"field": "gift", "in": [True]}]


async def test_without_components_its_schema_tells_the_fields(client: Client) -> None:
    schema = {"type": "object", "properties": {"amount": {"type": "integer"}}, "required": ["amount"]}
    await defined(client, uiComponents=None, inputSchema=schema)
    form = (await client.get("/api/v1/definitions/order/form")).json()
    assert [(field["key"], field["required"]) for field in form["fields"]] == [("amount", True)]
    assert (form["schema"], form["actions"], form["parts"]) == (schema, [], [])


async def test_what_is_asked_with_is_held_to_all_of_it(client: Client) -> None:
    await defined(client)
    text = (await uploaded(client, ASKS, "a.txt", b"text", "text/plain"))[1]["uploadId"]
    foreign = (await uploaded(client, bearer("tasks:manual", subject="eve")))[1]["uploadId"]
    assert told(await asked(client, {"amount": 101, "gift": True})) == {
        "/input/amount": "is too much", "/input/card": "is required",
    }  # fmt: skip
    assert list(told(await asked(client, {}))) == ["/input/amount"]
    assert list(told(await asked(client, {"amount": 1, "card": "hidden"}))) == ["/input/card"]
    for photo in (text, foreign):
        assert list(told(await asked(client, {"amount": 1, "photo": photo}))) == ["/input/photo"]
    png = (await uploaded(client, ASKS, "a.png", b"\x89PNG\r\n\x1a\n", "image/png"))[1]["uploadId"]
    assert (await asked(client, {"amount": 1, "gift": True, "card": "Yours", "photo": png}))[0] == 201


async def test_nothing_is_an_empty_form(client: Client) -> None:
    await defined(client)
    assert told(await asked(client, None)) == {"/input/amount": "is required"}
    fields = [{"fieldKey": "note", "type": "text"}]
    await defined(client, uiComponents=[{"componentId": "c", "fields": fields}])
    task_id = await client.create("order", None)
    assert (await client.get(f"/api/v1/tasks/{task_id}")).json()["input"] == {}


async def test_what_is_hidden_is_not_missed_beside_another_fault(client: Client) -> None:
    await defined(client)
    body = {"taskDefinitionId": "order", "input": {"amount": 101}, "colour": "red"}
    answer = await client.post("/api/v1/tasks", json=body, headers=ASKS)
    assert set(told((answer.status_code, answer.json()))) == {"/colour", "/input/amount"}


async def test_of_many_that_are_asked_for_each_is_judged(client: Client) -> None:
    await defined(client)
    tasks = [{"taskDefinitionId": "order", "input": {"amount": amount}} for amount in (1, 101)]
    answer = await client.post("/api/internal/tasks/bulk", json={"tasks": tasks})
    assert list(told((answer.status_code, answer.json()))) == ["/tasks/1/input/amount"]


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"onTimeout": {"outcome": "COMPLETED", "output": {"ok": 1}}}, "/implementation/onTimeout/output/ok"),
        ({"onTimeout": {"outcome": "COMPLETED"}}, "/implementation/onTimeout/output"),
        (
            {"escalation": [{"action": "complete", "outcome": "COMPLETED", "output": {}}]},
            "/implementation/escalation/0/output/ok",
        ),
        (
            {"onTimeout": {"outcome": "COMPLETED", "output": {"ok": True, "sum": 7}}},
            "/implementation/onTimeout/output/sum",
        ),
        (
            {"onTimeout": {"outcome": "COMPLETED", "output": {"ok": True, "why": "no"}}},
            "/implementation/onTimeout/output/why",
        ),
        (
            {"onTimeout": {"outcome": "COMPLETED", "output": {"ok": True, "photo": "abc"}}},
            "/implementation/onTimeout/output",
        ),
        ({"escalation": [{"action": "complete"}]}, "/implementation/escalation/0/outcome"),
        ({"escalation": [{"action": "notify", "outcome": "FAILED"}]}, "/implementation/escalation/0/outcome"),
    ],
)
async def test_time_ends_nothing_with_what_people_could_not_send(
    client: Client, spec: dict[str, Any], place: str
) -> None:
    fields = [
        {"fieldKey": "ok", "type": "boolean", "required": True},
        {"fieldKey": "why", "visibleIf": {"ok": False}},
        {"fieldKey": "photo", "type": "file"},
        {"fieldKey": "sum", "type": "number", "validationRules": [{"type": "range", "value": {"max": 5}}]},
    ]
    body = {
        "implementation": {"kind": "manual", "due": {"after": 60}, **spec},
        "uiComponents": [{"componentId": "c", "fields": fields}],
    }
    answer = await client.put("/api/v1/definitions/ask", json=body)
    assert place in told((answer.status_code, answer.json()))


async def test_a_start_form_that_makes_no_sense_is_refused(client: Client) -> None:
    broken = [{"componentId": "c", "fields": [{"fieldKey": "a", "type": "text", "visibleIf": {"nowhere": 1}}]}]
    body = {"implementation": {"kind": "external", "topic": "x"}, "uiComponents": broken}
    answer = await client.put("/api/v1/definitions/x", json=body)
    assert list(told((answer.status_code, answer.json()))) == ["/uiComponents/0/fields/0/visibleIf"]
