"""Repair over HTTP: an automated task that has failed for good, in a person's hands."""

from __future__ import annotations

from typing import Any

import pytest

from taskyard.domain.reuse import request_hash
from tests.api.test_forms import claimed, form_of, told
from tests.api.test_people import ANN, BOB, EVE, OPS, act
from tests.api.yard import Client, bearer

STORES = ["sqlite", "postgresql"]

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"iban": {"type": "string"}, "rows": {"type": "string", "format": "upload"}},
    "required": ["iban"],
    "additionalProperties": False,
}
REPAIR = {
    "assignment": OPS,
    "due": {"after": 3600},
    "form": {"iban": {"help": "As the bank writes it.", "rules": [{"type": "regex", "value": "^DE"}]}},
}


async def failed(http: Client) -> str:
    """A payment that an HTTP worker could not make, claimed by ann."""
    task = await end_of(http)
    assert task["status"] == "ASSIGNED"
    assert (await act(http, ANN, task["taskId"], "claim"))[0] == 200
    return str(task["taskId"])


async def end_of(http: Client, **changes: Any) -> dict[str, Any]:
    """What becomes of a payment that an HTTP worker could not make."""
    body = {
        "implementation": {"kind": "external", "topic": "pay"},
        "inputSchema": SCHEMA,
        "outputSchema": {"type": "object", "properties": {"paid": {"type": "boolean"}}, "required": ["paid"]},
        "retryPolicy": {"maxRetries": 0},
        "repair": REPAIR,
        **changes,
    }
    answer = await http.put("/api/v1/definitions/pay", json=body)
    assert answer.status_code in (200, 201), answer.text
    task_id = await http.create("pay", {"iban": "XX"})
    message = await dequeue(http)
    assert message["taskId"] == task_id
    error = {"code": "UNKNOWN_IBAN", "message": "there is no such account", "details": {"iban": "XX"}}
    path = f"/api/internal/queues/messages/{task_id}"
    answer = await http.post(f"{path}/fail", json={"leaseToken": message["leaseToken"], "error": error})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def dequeue(http: Client) -> dict[str, Any]:
    body = {"workerId": "w", "taskDefinitionIds": ["pay"]}
    answer = await http.post("/api/internal/queues/task-execution-automated/dequeue", json=body)
    return dict(answer.json()["messages"][0])


async def test_it_is_one_task_that_its_input_is_corrected_of(client: Client) -> None:
    task_id = await failed(client)
    task = (await client.get(f"/api/v1/tasks/{task_id}", headers=ANN)).json()
    assert (task["status"], task["error"]["code"], task["dueDate"] is None) == ("ASSIGNED", "UNKNOWN_IBAN", False)
    form = (await form_of(client, task_id))["repair"]
    assert (form["value"], form["error"]["code"]) == ({"iban": "XX"}, "UNKNOWN_IBAN")
    assert [(field["key"], field.get("help")) for field in form["fields"]] == [
        ("iban", "As the bank writes it."), ("rows", None),
    ]  # fmt: skip
    item = (await client.get(f"/api/v1/inbox/{task_id}", headers=ANN)).json()
    assert {"repair", "complete", "reject"} <= set(item["actions"])
    wrong = await act(client, ANN, task_id, "repair", input={"iban": "FR1", "x": 1})
    assert told(wrong).keys() == {"/input/iban", "/input/x"}
    status, again = await act(client, ANN, task_id, "repair", input={"iban": "DE1"}, comment="a typing error")
    assert (status, again["status"], again["input"], again["retryCount"]) == (200, "PENDING", {"iban": "DE1"}, 0)
    message = await dequeue(client)
    assert (message["taskId"], message["input"]) == (task_id, {"iban": "DE1"})
    path = f"/api/internal/queues/messages/{task_id}/complete"
    done = await client.post(path, json={"leaseToken": message["leaseToken"], "output": {"paid": True}})
    assert (done.json()["status"], done.json()["error"]) == ("COMPLETED", None)
    events = (await client.get(f"/api/v1/tasks/{task_id}/events")).json()["items"]
    types = [event["type"].rpartition(".")[2] for event in events]
    assert types == ["created", "started", "assigned", "claimed", "requeued", "started", "completed"]
    assert (events[4]["data"]["by"], events[4]["data"]["reason"]) == ("ann", "a typing error")
    assert events[2]["data"]["reason"] == "it has failed (UNKNOWN_IBAN) and is to be repaired"
    attempts = (await client.get(f"/api/v1/tasks/{task_id}/attempts")).json()["items"]
    assert (attempts[0]["error"]["code"], attempts[0]["formerInput"]) == ("UNKNOWN_IBAN", {"iban": "XX"})
    assert (await client.get("/api/internal/queues/task-execution-deadletter/messages")).json()["items"] == []
    worked = (await client.get("/api/v1/inbox?view=done", headers=ANN)).json()["items"]
    assert [each["taskId"] for each in worked] == [task_id]


async def test_secrets_are_told_to_the_worker_alone_and_outlast_a_repair(client: Client) -> None:
    properties = {**SCHEMA["properties"], "pin": {"type": "string", "writeOnly": True}}
    body = {
        "implementation": {"kind": "external", "topic": "pay"},
        "inputSchema": {**SCHEMA, "properties": properties},
        "retryPolicy": {"maxRetries": 0},
        "repair": REPAIR,
    }
    assert (await client.put("/api/v1/definitions/pay", json=body)).status_code == 201
    asked = {"taskDefinitionId": "pay", "input": {"iban": "XX", "pin": "hunter2"}}
    made = await client.post("/api/v1/tasks", json=asked)
    message, task_id = await dequeue(client), made.json()["taskId"]
    assert message["input"] == asked["input"]
    error = {"code": "UNKNOWN_IBAN", "message": "there is no such account"}
    path = f"/api/internal/queues/messages/{task_id}"
    answers = [made, await client.post(f"{path}/fail", json={"leaseToken": message["leaseToken"], "error": error})]
    await act(client, ANN, task_id, "claim")
    answers += [await client.get(f"/api/v1/inbox/{task_id}", headers=ANN)]
    answers += [await client.get(f"/api/v1/tasks/{task_id}/form", headers=ANN)]
    assert (await act(client, ANN, task_id, "repair", input={"iban": "DE1"}))[0] == 200
    assert (await dequeue(client))["input"] == {"iban": "DE1", "pin": "hunter2"}
    task = f"/api/v1/tasks/{task_id}"
    answers += [await client.get(each) for each in (task, "/api/v1/tasks", f"{task}/attempts", f"{task}/history")]
    for answer in answers:
        assert answer.is_success, answer.text
        assert "hunter2" not in answer.text
    assert answers[-2].json()["items"][0]["formerInput"] == {"iban": "XX"}


async def test_nobody_guesses_a_secret_by_the_hash_of_a_request(client: Client) -> None:
    schema = {"properties": {"pin": {"type": "string", "writeOnly": True}}}
    body = {"implementation": {"kind": "external", "topic": "pay"}, "inputSchema": schema, "expire": 3600}
    assert (await client.put("/api/v1/definitions/pay", json=body)).status_code == 201
    made = [
        (await client.post("/api/v1/tasks", json={"taskDefinitionId": "pay", "input": {"pin": pin}})).json()
        for pin in ("1111", "1111", "2222")
    ]
    assert made[0]["taskId"] == made[1]["taskId"] != made[2]["taskId"], "it is reused all the same"
    assert {each["hash"] for each in made} == {None}
    me = (await client.get("/api/v1/me")).json()["subject"]
    guess = request_hash("pay", {"pin": "1111"}, me)
    assert (await client.get(f"/api/v1/tasks?hash={guess.hex()}")).json()["items"] == []


async def test_who_has_repaired_it_sees_what_becomes_of_it(client: Client) -> None:
    task_id = await failed(client)
    assert (await act(client, ANN, task_id, "repair", input={"iban": "DE1"}))[0] == 200
    message = await dequeue(client)
    done = {"leaseToken": message["leaseToken"], "output": {"paid": True}}
    assert (await client.post(f"/api/internal/queues/messages/{task_id}/complete", json=done)).status_code == 200
    for who, expected in ((ANN, 200), (BOB, 404), (EVE, 404)):
        assert (await client.get(f"/api/v1/tasks/{task_id}", headers=who)).status_code == expected
    assert (await client.get(f"/api/v1/tasks/{task_id}", headers=ANN)).json()["output"] == {"paid": True}


async def test_it_is_completed_by_hand_and_its_result_is_checked(client: Client) -> None:
    task_id = await failed(client)
    assert (await act(client, BOB, task_id, "complete", output={"paid": True}))[0] == 409
    assert list(told(await act(client, ANN, task_id, "complete", output={}))) == ["/output/paid"]
    status, done = await act(client, ANN, task_id, "complete", output={"paid": True}, comment="by cheque")
    assert (status, done["task"]["status"], done["task"]["output"]) == (200, "COMPLETED", {"paid": True})
    assert (await client.get(f"/api/v1/tasks/{task_id}", headers=ANN)).status_code == 200
    assert (await client.get(f"/api/v1/tasks/{task_id}", headers=EVE)).status_code == 404


async def test_it_is_given_up_with_what_it_failed_of(client: Client) -> None:
    task_id = await failed(client)
    status, task = await act(client, ANN, task_id, "reject", reason="the customer is gone")
    assert (status, task["status"], task["error"]["code"]) == (200, "FAILED", "UNKNOWN_IBAN")
    attempt = (await client.get(f"/api/v1/tasks/{task_id}/attempts")).json()["items"][-1]
    assert (attempt["by"], attempt["reason"]) == ("ann", "the customer is gone")
    assert task["deadLetteredAt"] is not None
    assert (await act(client, ANN, task_id, "repair"))[0] == 409


async def test_others_neither_see_nor_repair_it(client: Client) -> None:
    task_id = await failed(client)
    assert (await act(client, EVE, task_id, "repair"))[0] == 404
    assert (await act(client, BOB, task_id, "repair"))[0] == 409
    stale = await act(client, ANN, task_id, "repair", version=1)
    assert (stale[0], stale[1]["error"]["code"]) == (409, "CONFLICT")
    assert (await client.get(f"/api/v1/tasks/{task_id}")).json()["status"] == "ASSIGNED"
    assert (await client.post(f"/api/v1/tasks/{task_id}/cancel", json={})).status_code == 200
    assert (await act(client, {}, task_id, "repair"))[0] == 409


async def test_without_a_repair_it_fails_as_ever(client: Client) -> None:
    assert (await end_of(client, repair=None))["status"] == "FAILED"


async def test_who_cannot_be_found_leaves_it_failed(client: Client) -> None:
    rule = {"rule": "expression", "expression": "join('', input.iban)"}
    task = await end_of(client, repair={"assignment": rule})
    assert (task["status"], task["error"]["code"]) == ("FAILED", "UNKNOWN_IBAN")


async def test_a_manual_task_is_no_repair(working: Client) -> None:
    task_id = await claimed(working)
    status, said = await act(working, ANN, task_id, "repair")
    assert (status, "only a task that has failed" in said["error"]["message"]) == (409, True)


@pytest.mark.parametrize(
    ("repair", "place"),
    [
        ({"assignment": {"type": "GROUP"}}, "/repair/assignment/id"),
        ({"assignment": OPS, "approvals": {"required": 2}}, "/repair/approvals"),
        ({"assignment": OPS, "who": 1}, "/repair/who"),
        ({"assignment": OPS, "form": {"iban": {"visibleIf": {"none": 1}}}}, "/repair/form/iban/visibleIf"),
        (True, "/repair"),
    ],
)
async def test_a_repair_that_makes_no_sense_is_refused(client: Client, repair: Any, place: str) -> None:
    body = {"implementation": {"kind": "external", "topic": "x"}, "inputSchema": SCHEMA, "repair": repair}
    answer = await client.put("/api/v1/definitions/pay", json=body)
    assert place in told((answer.status_code, answer.json()))


async def test_what_has_waited_for_an_answer_is_handed_over_when_that_is_a_failure(client: Client) -> None:
    body = {"implementation": {"kind": "external", "topic": "pay"}, "retryPolicy": {"maxRetries": 0}, "repair": REPAIR}
    assert (await client.put("/api/v1/definitions/pay", json=body)).status_code == 201
    task_id = await client.create("pay", {"iban": "XX"})
    token = (await dequeue(client))["leaseToken"]
    waiting = {"status": "WAITING", "leaseToken": token}
    assert (await client.put(f"/api/internal/tasks/{task_id}/status", json=waiting)).status_code == 200
    failure = {"taskId": task_id, "error": {"code": "NO_FUNDS", "message": "the account is empty"}}
    event = {"key": "integration.response_received", "source": "bank", "description": "", "payload": failure}
    assert (await client.post("/api/v1/events/trigger", json=event)).status_code == 202
    task = (await client.get(f"/api/v1/tasks/{task_id}")).json()
    assert (task["status"], task["error"]["code"], task["assigneeId"]) == ("ASSIGNED", "NO_FUNDS", "ops")
    assert (await act(client, ANN, task_id, "claim"))[0] == 200
    assert (await act(client, ANN, task_id, "repair", input={"iban": "DE2"}))[0] == 200
    assert (await dequeue(client))["input"] == {"iban": "DE2"}


async def test_nobody_takes_up_more_dead_letters_than_they_may_have(client: Client) -> None:
    await client.put("/api/v1/users/dan", json={"maxOpen": 1})
    dan, first, second = bearer("admin", subject="dan"), *[await end_of(client, repair=None) for _ in range(2)]
    assert (await act(client, dan, first["taskId"], "assign", assigneeId="dan"))[0] == 200
    assert (await act(client, dan, second["taskId"], "assign", assigneeId="dan"))[0] == 409
    # What others give counts for itself.
    assert (await act(client, {}, second["taskId"], "assign", assigneeId="dan"))[0] == 200


async def test_a_dead_letter_is_given_to_a_person_later(client: Client) -> None:
    dead = await end_of(client, repair=None)
    assert dead["status"] == "FAILED"
    path, body = f"/api/v1/tasks/{dead['taskId']}/assign", {"assigneeId": "ann", "reason": "please look"}
    assert (await client.post(path, json=body, headers=ANN)).status_code == 403
    stale = await client.post(path, json=body | {"version": 1})
    assert (stale.status_code, stale.json()["error"]["code"]) == (409, "CONFLICT")
    task = (await client.post(path, json=body)).json()
    assert (task["status"], task["assigneeId"], task["error"]["code"]) == ("ASSIGNED", "ann", "UNKNOWN_IBAN")
    events = (await client.get(f"/api/v1/tasks/{dead['taskId']}/events")).json()["items"]
    assert (events[-1]["data"]["reason"], events[-1]["data"]["assigneeId"]) == ("please look", "ann")
    assert (await form_of(client, dead["taskId"]))["repair"]["value"] == {"iban": "XX"}
    assert (await act(client, BOB, dead["taskId"], "repair"))[0] == 404
    assert (await act(client, ANN, dead["taskId"], "repair", input={"iban": "FR1"}))[0] == 200
    assert (await dequeue(client))["input"] == {"iban": "FR1"}
