"""Forms and files of people's tasks, over HTTP."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from tests.api.test_people import ANN, BOB, EVE, OPS, act, person
from tests.api.yard import Client, bearer

STORES = ["sqlite", "postgresql"]

COMPONENTS = [
    {
        "componentId": "summary",
        "componentType": "Display",
        "title": "Refund",
        "displayTemplate": "{{ input.customer }} wants {{ input.amount }} back.",
    },
    {
        "componentId": "decision",
        "priority": 1,
        "fields": [
            {"fieldKey": "approved", "type": "boolean", "required": True, "label": "Pay it back?"},
            {"fieldKey": "reason", "type": "textarea", "required": True, "visibleIf": {"approved": False}},
            {"fieldKey": "amount", "type": "number", "defaultFrom": "input.amount", "validationRules": [
                {"type": "expression", "value": "value <= input.amount", "errorMessage": "is more than was paid"}]},
            {"fieldKey": "proof", "type": "file", "accept": ["application/pdf"], "maxSize": 1000},
        ],
        "layout": {"columns": 2, "sections": [{"title": "Decision", "fields": ["approved", "reason"]}]},
        "actions": [
            {"actionKey": "pay", "label": "Pay", "style": "primary", "visibleIf": {"approved": True}},
            {"actionKey": "decline", "label": "Decline", "visibleIf": {"approved": False}, "confirmation": "Sure?"},
        ],
    },
]  # fmt: skip
PDF = ("bill.pdf", b"%PDF-1.7 seven", "application/pdf")


async def defined(http: Client, **changes: Any) -> str:
    body = {"implementation": {"kind": "manual", "assignment": OPS}, "uiComponents": COMPONENTS, **changes}
    answer = await http.put("/api/v1/definitions/refund", json=body)
    assert answer.status_code in (200, 201), answer.text
    return str(answer.json()["version"])


async def claimed(http: Client, **changes: Any) -> str:
    """A refund that ann has."""
    await defined(http, **changes)
    task_id = await http.create("refund", {"customer": "Zoe", "amount": 70})
    await http.until(task_id, "ASSIGNED")
    assert (await act(http, ANN, task_id, "claim"))[0] == 200
    return task_id


async def form_of(http: Client, task_id: str, who: dict[str, str] = ANN) -> dict[str, Any]:
    answer = await http.get(f"/api/v1/tasks/{task_id}/form", headers=who)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


async def uploaded(http: Client, who: dict[str, str], *file: Any, **said: str) -> tuple[int, dict[str, Any]]:
    answer = await http.post("/api/v1/uploads", files={"file": file or PDF}, data=said, headers=who)
    return answer.status_code, answer.json()


def told(answer: tuple[int, dict[str, Any]]) -> dict[str, str]:
    """What was refused, by its place."""
    assert answer[0] == 422, answer
    return {each["path"]: each["message"] for each in answer[1]["error"]["details"]}


async def test_the_form_is_made_of_components_and_input(working: Client) -> None:
    task_id = await claimed(working)
    form = await form_of(working, task_id)
    fields = {field["key"]: field for field in form["fields"]}
    assert list(fields) == ["approved", "reason", "amount", "proof"]
    assert (fields["approved"]["label"], fields["amount"]["default"]) == ("Pay it back?", 70)
    assert fields["reason"]["visibleIf"] == [{"field": "approved", "in": [False]}]
    assert [part["text"] for part in form["parts"]] == ["Zoe wants 70 back.", None]
    assert form["layout"]["sections"][0]["fields"] == ["approved", "reason"]
    assert [action["key"] for action in form["actions"]] == ["pay", "decline"]
    shown = [(field["key"], field["readOnly"]) for field in form["input"]["fields"]]
    assert (shown, form["input"]["value"]) == (
        [("customer", True), ("amount", True)],
        {"customer": "Zoe", "amount": 70},
    )
    item = (await working.get(f"/api/v1/inbox/{task_id}", headers=ANN)).json()
    assert item["form"] == form
    assert (await working.get(f"/api/v1/tasks/{task_id}/form", headers=EVE)).status_code == 404


async def test_what_is_sent_is_judged_by_all_of_it_at_once(working: Client) -> None:
    task_id = await claimed(working)
    wrong = await act(working, ANN, task_id, "complete", output={"approved": False, "amount": 71, "proof": 5, "x": 1})
    assert told(wrong) == {
        "/output/reason": "is required",
        "/output/amount": "is more than was paid",
        "/output/proof": "must be a string",
        "/output/x": "is not a known field",
    }
    hidden = await act(working, ANN, task_id, "complete", output={"approved": True, "reason": "none"})
    assert list(told(hidden)) == ["/output/reason"]
    outcome = await act(working, ANN, task_id, "complete", output={"approved": True}, outcome="decline")
    assert told(outcome) == {"/outcome": "must be pay"}
    status, done = await act(working, ANN, task_id, "complete", output={"approved": True, "amount": 69}, outcome="pay")
    assert (status, done["task"]["output"]) == (200, {"approved": True, "amount": 69})


async def test_a_task_keeps_the_form_of_its_own_version(working: Client) -> None:
    task_id = await claimed(working)
    before = await form_of(working, task_id)
    first = (await working.get(f"/api/v1/tasks/{task_id}")).json()["definitionVersion"]
    only = [{"componentId": "new", "fields": [{"fieldKey": "other", "required": True}]}]
    assert await defined(working, uiComponents=only) != first
    assert await form_of(working, task_id) == before
    refused = told(await act(working, ANN, task_id, "complete", output={"other": "x"}))
    assert refused.keys() == {"/output/approved", "/output/other"}
    assert (await act(working, ANN, task_id, "complete", output={"approved": True}))[0] == 200


async def test_a_form_that_makes_no_sense_is_refused_with_its_places(client: Client) -> None:
    field = {"fieldKey": "reason", "visibleIf": {"approve": 1}, "validationRules": [{"type": "regex", "value": "("}]}
    body = {
        "implementation": {"kind": "manual", "assignment": OPS},
        "uiComponents": [{"componentId": "a", "fields": [field], "displayTemplate": "{{ input."}],
    }
    answer = await client.put("/api/v1/definitions/refund", json=body)
    assert set(told((answer.status_code, answer.json()))) == {
        "/uiComponents/0/fields/0/visibleIf", "/uiComponents/0/fields/0/validationRules/0/value",
        "/uiComponents/0/displayTemplate",
    }  # fmt: skip
    assert (await client.get("/api/v1/definitions/refund")).status_code == 404


async def test_a_template_that_fails_leaves_the_form_usable(working: Client) -> None:
    broken = {"componentId": "total", "componentType": "Display", "displayTemplate": "{{ sum(input.customer) }}"}
    task_id = await claimed(working, uiComponents=[*COMPONENTS, broken])
    form = await form_of(working, task_id)
    assert [problem["path"] for problem in form["problems"]] == ["/total"]
    assert (await act(working, ANN, task_id, "complete", output={"approved": True}))[0] == 200


async def dead_letter(http: Client, schema: dict[str, Any]) -> str:
    """A task that an HTTP worker could not do."""
    body = {"implementation": {"kind": "external", "topic": "post"}, "inputSchema": schema}
    await http.put("/api/v1/definitions/post", json={**body, "retryPolicy": {"maxRetries": 0}})
    task_id = await http.create("post", {})
    path, wanted = "/api/internal/queues", {"workerId": "w", "taskDefinitionIds": ["post"]}
    leased = (await http.post(f"{path}/task-execution-automated/dequeue", json=wanted)).json()["messages"][0]
    failure = {"leaseToken": leased["leaseToken"], "error": {"code": "NO_STAMP", "message": "no stamp"}}
    assert (await http.post(f"{path}/messages/{task_id}/fail", json=failure)).status_code == 200
    return task_id


class TestFiles:
    async def test_a_file_is_what_it_says_and_what_its_field_takes(self, working: Client) -> None:
        task_id = await claimed(working)
        status, file = await uploaded(working, ANN)
        assert (status, file["mediaType"], file["sha256"]) == (
            201,
            "application/pdf",
            hashlib.sha256(PDF[1]).hexdigest(),
        )
        assert told(await uploaded(working, ANN, "bill.pdf", b"MZ a program", "application/pdf")).keys() == {"/file"}
        assert told(await uploaded(working, ANN, "bill.pdf", b"MZ a program", "application/octet-stream")).keys() == {
            "/file"
        }
        assert told(await uploaded(working, ANN, size="15")).keys() == {"/size"}
        assert told(await uploaded(working, ANN, sha256="00")).keys() == {"/sha256"}
        assert told(await uploaded(working, ANN, colour="red")).keys() == {"/colour"}
        assert (await uploaded(working, ANN, size=str(len(PDF[1])), sha256=file["sha256"]))[0] == 201
        text = (await uploaded(working, ANN, "a.txt", b"text", "text/plain"))[1]["uploadId"]
        big = (await uploaded(working, ANN, "a.pdf", b"%PDF-" + bytes(1000), "application/pdf"))[1]["uploadId"]
        foreign = (await uploaded(working, BOB))[1]["uploadId"]
        for wrong in (text, big, foreign, "nowhere"):
            refused = await act(working, ANN, task_id, "complete", output={"approved": True, "proof": wrong})
            assert list(told(refused)) == ["/output/proof"]
        output = {"approved": True, "proof": file["uploadId"]}
        assert (await act(working, ANN, task_id, "complete", output=output))[0] == 200

    async def test_who_sees_a_task_reads_its_files_and_nobody_else(self, working: Client) -> None:
        schema = {"type": "object", "properties": {"letter": {"type": "string", "format": "upload"}}}
        await defined(working, inputSchema=schema)
        asks = bearer("tasks:manual", "tasks:write", subject="zoe")
        letter = (await uploaded(working, asks, "letter.txt", b"please", "text/plain"))[1]["uploadId"]
        stranger = (await uploaded(working, EVE))[1]["uploadId"]
        create = {"taskDefinitionId": "refund", "input": {"letter": stranger}}
        assert (await working.post("/api/v1/tasks", json=create, headers=asks)).status_code == 422
        create["input"] = {"letter": letter, "note": stranger}
        task_id = (await working.post("/api/v1/tasks", json=create, headers=asks)).json()["taskId"]
        await working.until(task_id, "ASSIGNED")
        await act(working, ANN, task_id, "claim")
        drafted = (await uploaded(working, ANN))[1]["uploadId"]
        await act(working, ANN, task_id, "draft", output={"proof": drafted})
        path = f"/api/v1/tasks/{task_id}/attachments"
        await working.post(path, files={"file": ("photo.png", b"\x89PNG\r\n\x1a\n", "image/png")}, headers=ANN)
        events = (await working.get(f"/api/v1/tasks/{task_id}/events")).json()["items"]
        attached = events[-1]["data"]["attachment"]["uploadId"]
        for file in (letter, drafted, attached):
            for who, expected in ((ANN, 200), (BOB, 200), ({}, 200), (EVE, 404), (asks, 404)):
                got = await working.get(f"/api/v1/tasks/{task_id}/uploads/{file}", headers=who)
                assert got.status_code == expected, (file, who)
                assert got.headers["x-content-type-options"] == "nosniff"
            if file != drafted:
                assert (await working.get(f"/api/v1/uploads/{file}", headers=BOB)).status_code == 404
        for file in (stranger, "nowhere"):
            assert (await working.get(f"/api/v1/tasks/{task_id}/uploads/{file}", headers=BOB)).status_code == 404

    async def test_a_draft_hands_its_files_on(self, working: Client) -> None:
        task_id = await claimed(working)
        file = (await uploaded(working, ANN))[1]["uploadId"]
        output = {"approved": True, "proof": file}
        await act(working, ANN, task_id, "draft", output=output)
        await act(working, ANN, task_id, "release")
        await act(working, BOB, task_id, "claim")
        status, done = await act(working, BOB, task_id, "complete", output=output)
        assert (status, done["task"]["output"]) == (200, output)
        assert (await working.get(f"/api/v1/tasks/{task_id}/uploads/{file}", headers=BOB)).content == PDF[1]

    async def test_a_file_outlives_the_drafts_of_those_who_have_it_next(self, working: Client) -> None:
        task_id = await claimed(working)
        file = (await uploaded(working, ANN))[1]["uploadId"]
        output = {"approved": True, "proof": file}
        await act(working, ANN, task_id, "draft", output=output)
        await act(working, ANN, task_id, "release")
        await act(working, BOB, task_id, "claim")
        await act(working, BOB, task_id, "draft", output=output)
        await act(working, BOB, task_id, "release")
        cyd = person("cyd", "ops")
        await act(working, cyd, task_id, "claim")
        assert (await working.get(f"/api/v1/tasks/{task_id}/uploads/{file}", headers=cyd)).content == PDF[1]
        status, done = await act(working, cyd, task_id, "complete", output=output)
        assert (status, done["task"]["output"]) == (200, output)

    async def test_an_approvals_file_is_read_by_who_decides_next(self, working: Client) -> None:
        approvals = {"kind": "manual", "assignment": OPS, "approvals": {"required": 2}}
        await defined(working, implementation=approvals)
        task_id = await working.create("refund", {"amount": 1})
        await working.until(task_id, "ASSIGNED")
        file = (await uploaded(working, ANN))[1]["uploadId"]
        output = {"approved": True, "proof": file}
        assert (await act(working, ANN, task_id, "complete", output=output))[0] == 200
        assert (await working.get(f"/api/v1/tasks/{task_id}/uploads/{file}", headers=BOB)).content == PDF[1]
        assert (await act(working, BOB, task_id, "claim"))[0] == 200
        for draft in ({"approved": True, "reason": "so far"}, output):
            assert (await act(working, BOB, task_id, "draft", output=draft))[0] == 200
        assert (await act(working, BOB, task_id, "complete", output=output))[0] == 200
        assert (await working.get(f"/api/v1/tasks/{task_id}/uploads/{file}", headers=ANN)).content == PDF[1]

    async def test_a_dead_letters_new_input_names_no_file_of_others(self, client: Client) -> None:
        schema = {"type": "object", "properties": {"letter": {"type": "string", "format": "upload"}}}
        task_id = await dead_letter(client, schema)
        foreign = (await uploaded(client, EVE))[1]["uploadId"]
        keeper = bearer("tasks:read", "queues:manage", "tasks:manual", subject="ada")
        own = (await uploaded(client, keeper))[1]["uploadId"]
        for letter, expected in ((foreign, 422), ("nowhere", 422), (own, 200)):
            body = {"taskIds": [task_id], "input": {"letter": letter}}
            answer = await client.post("/api/v1/deadletters/requeue", json=body, headers=keeper)
            assert answer.status_code == expected, letter
        assert (await client.get(f"/api/v1/tasks/{task_id}/uploads/{own}")).content == PDF[1]

    async def test_nobody_drafts_another_ones_file_to_read_it(self, working: Client) -> None:
        task_id = await claimed(working)
        foreign = (await uploaded(working, EVE))[1]["uploadId"]
        await act(working, ANN, task_id, "draft", output={"approved": True, "proof": foreign})
        assert (await working.get(f"/api/v1/tasks/{task_id}/uploads/{foreign}", headers=ANN)).status_code == 404
        refused = await act(working, ANN, task_id, "complete", output={"approved": True, "proof": foreign})
        assert list(told(refused)) == ["/output/proof"]


async def test_the_inbox_is_filtered_by_fields_and_text(working: Client) -> None:
    await defined(working, title="Refund a customer")
    inputs = [{"customer": {"name": name, "vip": name == "Zoe"}, "amount": n} for name, n in (("Zoe", 7), ("Max", 8))]
    zoe, other = [
        await working.create("refund", each, priority=p) for each, p in zip(inputs, ["HIGH", "LOW"], strict=True)
    ]
    for task_id in (zoe, other):
        await working.until(task_id, "ASSIGNED")
    await act(working, ANN, zoe, "due-date", dueDate="2031-01-01T00:00:00Z")

    async def ids(query: str) -> set[str]:
        answer = await working.get(f"/api/v1/inbox?{query}", headers=ANN)
        assert answer.status_code == 200, answer.text
        return {item["taskId"] for item in answer.json()["items"]}

    assert await ids("field=customer.name=Zoe") == await ids("field=customer.vip=true,amount=7") == {zoe}
    assert await ids("field=customer.vip=false") == {other}
    assert await ids("field=customer.name=Zoe,amount=8") == await ids("field=nothing=1") == set()
    assert await ids("priority=HIGH,CRITICAL") == {zoe}
    assert await ids("group=ops") == await ids("q=a%20customer") == {zoe, other}
    assert await ids("group=hr") == set()
    assert await ids("dueAfter=2030-01-01T00:00:00Z") == {zoe}
    assert await ids("dueBefore=2030-01-01T00:00:00Z") == set()
    assert (await working.get("/api/v1/inbox?field=x", headers=ANN)).status_code == 422


async def test_a_dry_run_tells_what_the_real_one_would(working: Client) -> None:
    rule = {"kind": "manual", "assignment": {"rule": "fixed", **OPS, "exclude": "input.customer"}}
    await defined(working, implementation=rule)
    task_id = await working.create("refund", {"customer": "eve", "amount": 1})
    await working.until(task_id, "ASSIGNED")
    body = {"taskIds": [task_id], "assigneeType": "USER", "assigneeId": "eve", "dryRun": True}
    for dry in (True, False):
        answer = (await working.post("/api/v1/inbox/reassign", json=body | {"dryRun": dry}, headers=ANN)).json()
        assert answer["items"][0]["error"]["code"] == "CONFLICT"
    assert (await working.get(f"/api/v1/tasks/{task_id}")).json()["assigneeId"] == "ops"


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"due": {"businessHours": 1, "calendar": {"hours": {}}}}, "/implementation/due/calendar/hours"),
        ({"assignment": {"rule": "fixed"}}, "/implementation/assignment/type"),
    ],
)
async def test_a_definition_nobody_could_do_in_time_is_refused(
    client: Client, spec: dict[str, Any], place: str
) -> None:
    answer = await client.put("/api/v1/definitions/x", json={"implementation": {"kind": "manual", **spec}})
    assert place in told((answer.status_code, answer.json()))


async def test_a_group_nobody_is_in_keeps_the_task_and_says_so(working: Client) -> None:
    rule = {"rule": "roundRobin", "group": "empty", "fallback": {"type": "USER", "id": "ann"}}
    await defined(working, implementation={"kind": "manual", "assignment": rule})
    task_id = await working.create("refund", {"customer": "Zoe", "amount": 1})
    task = await working.until(task_id, "ASSIGNED")
    assert (task["assigneeType"], task["assigneeId"]) == ("USER", "ann")
    events = (await working.get(f"/api/v1/tasks/{task_id}/events")).json()["items"]
    assert events[-1]["data"]["reason"] == "nobody is in the group empty"
