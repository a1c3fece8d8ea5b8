"""The inbox: what is found in it, what is done to many at once, and how much one person may have."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.api.test_people import ANN, BOB, EVE, OPS, act, made, person
from tests.api.yard import Client, bearer

STORES = ["sqlite", "postgresql"]


async def ids(http: Client, query: str = "", who: dict[str, str] = ANN) -> list[str]:
    answer = await http.get(f"/api/v1/inbox?{query}", headers=who)
    assert answer.status_code == 200, answer.text
    return [item["taskId"] for item in answer.json()["items"]]


async def test_texts_and_arrays_are_searched_in_every_script(working: Client) -> None:
    one = await made(working, input={"name": "Ölfaß ÄRGER", "items": [{"sku": "a-1"}, {"sku": "b-2"}]})
    two = await made(working, input={"name": "nothing", "items": []})
    assert await ids(working, "q=%C3%A4rger") == await ids(working, "q=%C3%96LFA%C3%9F") == [one]
    assert await ids(working, "field=items.sku=b-2") == await ids(working, "field=items.1.sku=b-2") == [one]
    assert await ids(working, "field=items.0.sku=b-2") == []
    assert await ids(working, "q=NOTHING") == [two]


async def bulk(http: Client, verb: str, who: dict[str, str] = ANN, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await http.post(f"/api/v1/inbox/{verb}", json=body, headers=who)
    return answer.status_code, answer.json()


async def test_many_are_chosen_by_a_filter(working: Client) -> None:
    dear = [await made(working, input={"amount": 9}) for _ in range(2)]
    cheap = await made(working, input={"amount": 1})
    wanted = {"view": "unclaimed", "field": ["amount=9"]}
    status, told = await bulk(working, "claim", filter=wanted, dryRun=True)
    assert (status, [each["taskId"] for each in told["items"]], told["more"]) == (200, dear, False)
    assert await ids(working, "view=claimed") == []
    await bulk(working, "claim", filter=wanted)
    assert await ids(working, "view=claimed&sort=age") == dear
    status, told = await bulk(working, "due-date", filter={"view": "claimed"}, dueDate="2031-01-01T00:00:00Z")
    assert [each["error"] for each in told["items"]] == [None, None]
    to: dict[str, Any] = {"assigneeType": "USER", "assigneeId": "bob"}
    assert (await bulk(working, "reassign", filter={"view": "claimed"}, **to))[0] == 200
    assert await ids(working, "view=mine&sort=age", BOB) == dear
    assert await ids(working, "view=unclaimed") == [cheap]


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({}, "/taskIds"),
        ({"taskIds": ["1"], "filter": {}}, "/taskIds"),
        ({"filter": {"view": "done"}}, "/filter/view"),
        ({"filter": {"colour": "red"}}, "/filter/colour"),
        ({"filter": {"field": [".".join("0" * 11) + "=x"]}}, "/filter/field/0"),
        ({"filter": {"field": ["a=" + "x" * 500]}}, "/filter/field/0"),
        ({"filter": {"field": ["a=x"] * 11}}, "/filter/field"),
    ],
)
async def test_what_is_no_choice_is_refused(client: Client, body: dict[str, Any], path: str) -> None:
    status, told = await bulk(client, "claim", **body)
    assert (status, [each["path"] for each in told["error"]["details"]]) == (422, [path])


async def test_nobody_claims_more_than_they_may_have(working: Client) -> None:
    await working.put("/api/v1/users/dan", json={"groups": ["ops"], "maxOpen": 2})
    dan = person("dan")
    tasks = [await made(working) for _ in range(5)]
    answers = await asyncio.gather(*(act(working, dan, task_id, "claim") for task_id in tasks))
    assert sorted(status for status, _ in answers) == [200, 200, 409, 409, 409]
    refused = next(told for status, told in answers if status == 409)["error"]
    assert (refused["code"], refused["details"]) == ("CONFLICT", {"open": 2, "limit": 2})
    assert "end or hand over one first" in refused["message"]
    _, told = await bulk(working, "claim", dan, filter={"view": "unclaimed"}, dryRun=True)
    assert [each["error"]["details"] for each in told["items"]] == [{"open": 2, "limit": 2}] * 3
    held = next(task_id for task_id, (status, _) in zip(tasks, answers, strict=True) if status == 200)
    free = next(task_id for task_id, (status, _) in zip(tasks, answers, strict=True) if status == 409)
    assert (await act(working, dan, held, "complete", output={"ok": True}))[0] == 200
    assert (await act(working, dan, free, "claim"))[0] == 200


async def test_a_rule_limits_what_one_person_claims(working: Client) -> None:
    rule = {"assignment": {"rule": "fixed", **OPS, "maxOpen": 1}}
    first, second = await made(working, rule), await made(working, rule)
    assert (await act(working, ANN, first, "claim"))[0] == 200
    assert (await act(working, ANN, first, "claim"))[0] == 200  # theirs already
    assert (await act(working, ANN, second, "claim"))[0] == 409
    assert (await act(working, BOB, second, "claim"))[0] == 200


@pytest.mark.parametrize("verb", ["assign", "reassign"])
async def test_who_takes_a_task_by_assigning_it_may_not_have_more_either(working: Client, verb: str) -> None:
    await working.put("/api/v1/users/dan", json={"groups": ["ops"], "maxOpen": 1})
    dan = bearer("tasks:manual", "tasks:write", subject="dan")
    first, second = await made(working), await made(working)
    to = {"assigneeId": "dan"} | ({} if verb == "assign" else {"assigneeType": "USER"})
    assert (await act(working, dan, first, verb, **to))[0] == 200
    assert (await act(working, dan, second, verb, **to))[0] == 409
    assert (await act(working, {}, second, verb, **to))[0] == 200  # others decide by themselves
    for task_id in (first, second):
        assert (await act(working, dan, task_id, "claim"))[0] == 200  # theirs already


@pytest.mark.parametrize(("scope", "verb"), [("admin", "claim"), ("admin", "assign"), ("tasks:write", "assign")])
async def test_neither_do_administrators_and_those_who_only_assign(working: Client, scope: str, verb: str) -> None:
    await working.put("/api/v1/users/dan", json={"groups": ["ops"], "maxOpen": 1})
    dan = bearer(scope, subject="dan", groups=["ops"] if scope == "tasks:write" else [])
    first, second = await made(working), await made(working)
    body = {"assigneeId": "dan"} if verb == "assign" else {}
    assert (await act(working, dan, first, verb, **body))[0] == 200
    status, told = await act(working, dan, second, verb, **body)
    assert (status, told["error"]["details"]) == (409, {"open": 1, "limit": 1})
    if scope == "admin":
        page = (await working.get("/api/v1/inbox?view=groups", headers=dan)).json()["items"]
        assert {each["taskId"] for each in page} >= {second}


async def test_a_burst_is_shared_out(working: Client) -> None:
    for name in ("ann", "bob", "cyd"):
        await working.put(f"/api/v1/users/{name}", json={"groups": ["crew"], "maxOpen": 4})
    rule = {"rule": "leastLoaded", "group": "crew", "fallback": {"type": "GROUP", "id": "rest"}}
    first = await made(working, {"assignment": rule})
    key = (await working.get(f"/api/v1/tasks/{first}")).json()["taskDefinitionId"]
    tasks = [first, *await asyncio.gather(*(working.create(key) for _ in range(13)))]
    got = [(await working.until(task_id, "ASSIGNED"))["assigneeId"] for task_id in tasks]
    assert sorted(got) == ["ann"] * 4 + ["bob"] * 4 + ["cyd"] * 4 + ["rest"] * 2


async def test_an_approvals_outcomes_are_all_in_the_history(working: Client) -> None:
    task_id = await made(working, {"approvals": {"required": 2}})
    said = [("approve", "fine"), ("approve with care", "watch the date")]
    for who, (outcome, comment) in zip((ANN, BOB), said, strict=True):
        body = {"output": {"ok": True, "note": comment}, "outcome": outcome, "comment": comment}
        assert (await act(working, who, task_id, "complete", **body))[0] == 200
    for who in (ANN, BOB):
        answer = await working.get(f"/api/v1/tasks/{task_id}/attempts", headers=who)
        decisions = answer.json()["items"][-1]["decisions"]
        assert [(each["by"], each["approved"], each["outcome"], each["comment"]) for each in decisions] == [
            ("ann", True, *said[0]), ("bob", True, *said[1]),
        ]  # fmt: skip
    story = (await working.get(f"/api/v1/tasks/{task_id}/history", headers=ANN)).text
    assert "approved as approve “fine”, decision 1 of 2 by ann" in story
    events = (await working.get(f"/api/v1/tasks/{task_id}/events")).json()["items"]
    decided = next(each["data"] for each in events if each["type"].endswith("decided"))
    assert decided["outputSummary"] == {"ok": True, "note": "fine"}
    assert (await working.get(f"/api/v1/tasks/{task_id}/attempts", headers=EVE)).status_code == 404
