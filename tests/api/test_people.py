"""What people do with manual tasks, over HTTP."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from taskyard.domain.definition import Definition
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define
from tests.api.yard import Client, bearer

STORES = ["sqlite", "postgresql"]

DECISION = {
    "type": "object",
    "properties": {"ok": {"type": "boolean", "title": "Agreed"}, "note": {"type": "string"}},
    "required": ["ok"],
    "additionalProperties": False,
}
OPS = {"type": "GROUP", "id": "ops"}
OPS_AS_TARGET = {"assigneeType": "GROUP", "assigneeId": "ops"}


def person(name: str, *groups: str) -> dict[str, str]:
    return bearer("tasks:manual", subject=name, groups=groups)


ANN, BOB, EVE = person("ann", "ops"), person("bob", "ops"), person("eve")


async def made(http: Client, implementation: dict[str, Any] | None = None, **request: Any) -> str:
    """A task of a definition of its own, once it is a person's."""
    key = f"decide-{len(await http.services.engine.catalog.all_current())}"
    spec = {"kind": "manual", "assignment": OPS, **(implementation or {})}
    definition = Definition(
        key=key, title="Decide", task_type=TaskType.MANUAL, implementation=spec, output_schema=DECISION
    )
    await define(http.services.engine, [definition])
    task_id = await http.create(key, request.pop("input", {"amount": 7}), **request)
    await http.until(task_id, "ASSIGNED")
    return task_id


async def act(http: Client, who: dict[str, str], task_id: str, verb: str, **body: Any) -> tuple[int, dict[str, Any]]:
    answer = await http.post(f"/api/v1/tasks/{task_id}/{verb}", json=body, headers=who)
    return answer.status_code, answer.json()


async def trail(http: Client, task_id: str) -> list[dict[str, Any]]:
    """What people did, as type and data."""
    events = (await http.get(f"/api/v1/tasks/{task_id}/events?limit=200")).json()["items"]
    return [{"type": e["type"].rpartition(".")[2], **e["data"]} for e in events]


async def test_from_the_group_to_its_end(working: Client) -> None:
    task_id = await made(working)
    assert (await act(working, ANN, task_id, "complete", output={"ok": True}))[0] == 409
    status, task = await act(working, ANN, task_id, "claim")
    assert (status, task["claimedBy"]) == (200, "ann")
    status, told = await act(working, BOB, task_id, "claim")
    assert (status, told["error"]["code"], told["error"]["details"]) == (409, "CONFLICT", {"claimedBy": "ann"})
    assert (await act(working, BOB, task_id, "complete", output={"ok": True}))[0] == 409
    assert (await act(working, ANN, task_id, "draft", output={"note": 3}))[0] == 200
    item = (await working.get(f"/api/v1/inbox/{task_id}", headers=ANN)).json()
    assert (item["draft"], item["input"]) == ({"note": 3}, {"amount": 7})
    assert item["form"]["schema"] == DECISION
    assert [field["key"] for field in item["form"]["fields"]] == ["ok", "note"]
    assert "complete" in item["actions"]
    status, told = await act(working, ANN, task_id, "complete", output={"note": 3})
    assert status == 422
    assert {each["path"] for each in told["error"]["details"]} == {"/output/ok", "/output/note"}
    other = await made(working)
    status, done = await act(working, ANN, task_id, "complete", output={"ok": True}, outcome="approve", comment="fine")
    assert (status, done["task"]["status"], done["task"]["output"]) == (200, "COMPLETED", {"ok": True})
    assert (done["task"]["assigneeId"], done["next"]["taskId"]) == ("ops", other)
    assert (await act(working, ANN, task_id, "complete", output={"ok": True}))[0] == 409
    attempt = (await working.get(f"/api/v1/tasks/{task_id}/attempts")).json()["items"][-1]
    assert (attempt["by"], attempt["reason"]) == ("ann", "fine")
    last = (await trail(working, task_id))[-1]
    assert [last[key] for key in ("type", "by", "reason", "outcome")] == ["completed", "ann", "fine", "approve"]
    done_list = (await working.get("/api/v1/inbox?view=done", headers=ANN)).json()["items"]
    assert [each["taskId"] for each in done_list] == [task_id]


async def test_each_verb_is_one_event_with_who_before_and_after(working: Client) -> None:
    task_id = await made(working)
    for who, verb, body in (
        (ANN, "claim", {}),
        (ANN, "delegate", {"assigneeId": "eve", "reason": "knows more"}),
        (EVE, "comments", {"text": "looks good"}),
        (EVE, "resolve", {}),
        (ANN, "follow-up", {"at": "2030-01-01T00:00:00Z"}),
        (ANN, "due-date", {"dueDate": "2031-01-01T00:00:00Z", "reason": "holidays"}),
        (ANN, "release", {}),
        (BOB, "reassign", {"assigneeType": "USER", "assigneeId": "eve", "reason": "hers"}),
        (EVE, "reject", {"reason": "no"}),
    ):
        status, told = await act(working, who, task_id, verb, **body)
        assert status == 200, (verb, told)
    seen = await trail(working, task_id)
    assert [each["type"] for each in seen] == [
        "created", "started", "assigned", "claimed", "delegated", "commented", "resolved", "follow-up", "rescheduled",
        "released", "assigned", "failed", "deadlettered",
    ]  # fmt: skip
    ended = {key: seen[-2][key] for key in ("by", "reason", "outcome", "assigneeType", "assigneeId")}
    assert ended == {"by": "eve", "reason": None, "outcome": None, "assigneeType": "USER", "assigneeId": "eve"}
    claimed, delegated, commented, resolved = seen[3:7]
    group = {"assigneeType": "GROUP", "assigneeId": "ops"}
    assert (claimed["by"], claimed["from"], claimed["claimedBy"]) == ("ann", group | {"claimedBy": None}, "ann")
    assert (delegated["by"], delegated["assigneeId"], delegated["reason"]) == ("ann", "eve", "knows more")
    assert (commented["by"], commented["text"]) == ("eve", "looks good")
    assert (resolved["assigneeId"], resolved["claimedBy"]) == ("ops", "ann")
    assert seen[8]["dueDate"] == "2031-01-01T00:00:00.000Z"
    task = (await working.get(f"/api/v1/tasks/{task_id}")).json()
    assert (task["error"]["code"], task["error"]["message"]) == ("REJECTED", "no")


@pytest.mark.parametrize("verb", ["claim", "complete", "reject", "delegate", "draft", "comments"])
async def test_a_stranger_is_told_that_there_is_nothing(working: Client, verb: str) -> None:
    task_id = await made(working)
    assert (await act(working, EVE, task_id, verb))[0] == 404


async def test_who_asked_neither_claims_nor_completes_under_four_eyes(working: Client) -> None:
    asks = bearer("tasks:manual", "tasks:write", "service", subject="ann", groups=["ops"])
    rule = {"assignment": {"rule": "fixed", **OPS, "excludeAsker": True}}
    first = await made(working, rule)
    key = (await working.get(f"/api/v1/tasks/{first}")).json()["taskDefinitionId"]
    body = {"taskDefinitionId": key, "client": {"user": "bob"}}
    task_id = (await working.post("/api/v1/tasks", json=body, headers=asks)).json()["taskId"]
    await working.until(task_id, "ASSIGNED")
    for who in (ANN, BOB):
        assert (await act(working, who, task_id, "claim"))[0] == 403
    cyd = person("cyd", "ops")
    assert (await act(working, cyd, task_id, "claim"))[0] == 200
    status, told = await act(working, cyd, task_id, "delegate", assigneeId="bob")
    assert (status, "four eyes" in told["error"]["message"]) == (409, True)
    assert (await act(working, cyd, task_id, "complete", output={"ok": True}))[0] == 200


async def test_who_asked_neither_hands_it_on_nor_has_time_end_it(working: Client) -> None:
    rule = {
        "assignment": {"rule": "fixed", **OPS, "excludeAsker": True},
        "due": {"after": 3600},
        "onTimeout": {"outcome": "COMPLETED", "output": {"ok": True}},
    }
    task_id = await made(working, rule, client={"user": "bob"})
    for verb, body in (
        ("due-date", {"dueDate": "2031-01-01T00:00:00Z"}),
        ("reassign", {"assigneeType": "USER", "assigneeId": "eve"}),
        ("delegate", {"assigneeId": "eve"}),
    ):
        assert (await act(working, BOB, task_id, verb, **body))[0] == 403, verb
    status, told = await act(working, ANN, task_id, "due-date", dueDate="1999-01-01T00:00:00Z")
    assert (status, [each["path"] for each in told["error"]["details"]]) == (422, ["/dueDate"])
    assert (await act(working, ANN, task_id, "due-date", dueDate="2031-01-01T00:00:00Z"))[0] == 200


async def test_what_people_have_rejected_only_who_runs_the_queues_gives_anew(working: Client) -> None:
    rule = {"assignment": {"rule": "fixed", **OPS, "excludeAsker": True}}
    task_id = await made(working, rule, client={"user": "bob"})
    await act(working, ANN, task_id, "claim")
    assert (await act(working, ANN, task_id, "reject", reason="no"))[0] == 200
    writer = bearer("tasks:write", "tasks:read", subject="eve")
    assert (await act(working, writer, task_id, "assign", assigneeId="eve"))[0] == 403
    keeper = bearer("tasks:write", "tasks:read", "queues:manage", subject="ada")
    assert (await act(working, keeper, task_id, "assign", assigneeId="bob"))[0] == 409
    status, task = await act(working, keeper, task_id, "assign", assigneeId="eve")
    assert (status, task["assigneeId"]) == (200, "eve")


async def test_two_of_three_have_to_agree_and_nobody_twice(working: Client) -> None:
    task_id = await made(working, {"approvals": {"required": 2}})
    status, told = await act(working, ANN, task_id, "complete", output={"ok": True}, comment="yes")
    assert (status, told["task"]["status"]) == (200, "ASSIGNED")
    assert (await act(working, ANN, task_id, "complete", output={"ok": True}))[0] == 409
    assert (await act(working, ANN, task_id, "claim"))[0] == 409
    item = (await working.get(f"/api/v1/inbox/{task_id}", headers=BOB)).json()
    assert [(each["by"], each["approved"]) for each in item["decisions"]] == [("ann", True)]
    status, told = await act(working, BOB, task_id, "complete", output={"ok": True})
    assert (status, told["task"]["status"]) == (200, "COMPLETED")
    assert [each["type"] for each in await trail(working, task_id)][-2:] == ["decided", "completed"]


async def test_one_veto_ends_it(working: Client) -> None:
    task_id = await made(working, {"approvals": {"required": 2, "veto": True}})
    await act(working, ANN, task_id, "complete", output={"ok": True})
    status, told = await act(working, BOB, task_id, "reject", reason="too dear")
    assert (status, told["status"], told["error"]["message"]) == (200, "FAILED", "too dear")


async def test_what_was_changed_meanwhile_is_not_overwritten(working: Client) -> None:
    task_id = await made(working)
    seen = (await act(working, ANN, task_id, "claim"))[1]["version"]
    await act(working, ANN, task_id, "comments", text="new")
    assert (await act(working, ANN, task_id, "complete", output={"ok": True}, version=seen))[0] == 409
    assert (await working.get(f"/api/v1/tasks/{task_id}")).json()["status"] == "ASSIGNED"


async def test_after_a_cancel_nothing_can_be_done(working: Client) -> None:
    task_id = await made(working)
    await act(working, ANN, task_id, "claim")
    await working.post(f"/api/v1/tasks/{task_id}/cancel", json={})
    for verb, body in (("complete", {"output": {"ok": True}}), ("release", {}), ("comments", {"text": "x"})):
        assert (await act(working, {}, task_id, verb, **body))[0] == 409


async def test_a_get_changes_nothing(working: Client) -> None:
    task_id = await made(working)
    before = (await working.get(f"/api/v1/tasks/{task_id}")).json()
    for verb in ("claim", "complete", "reject"):
        assert (await working.get(f"/api/v1/tasks/{task_id}/{verb}", headers=ANN)).status_code == 405
    await working.get(f"/api/v1/inbox/{task_id}", headers=ANN)
    assert (await working.get(f"/api/v1/tasks/{task_id}")).json() == before


async def test_of_two_hundred_who_want_them_each_task_is_had_once(working: Client) -> None:
    tasks = [await made(working) for _ in range(4)]
    crowd = [person(f"p{number}", "ops") for number in range(200)]
    answers = await asyncio.gather(*(act(working, who, task_id, "claim") for task_id in tasks for who in crowd))
    assert {status for status, _ in answers} == {200, 409}
    assert sum(status == 200 for status, _ in answers) == 4
    for task_id in tasks:
        assert [each["type"] for each in await trail(working, task_id)].count("claimed") == 1


async def test_an_attachment_is_kept_in_the_history(working: Client) -> None:
    task_id = await made(working)
    path = f"/api/v1/tasks/{task_id}/attachments"
    answer = await working.post(path, files={"file": ("../bill.txt", b"seven")}, headers=ANN)
    assert answer.status_code == 200, answer.text
    attached = (await trail(working, task_id))[-1]["attachment"]
    assert (attached["name"], attached["size"]) == ("bill.txt", 5)
    assert (await working.post(path, files={"file": ("x", b"1")}, headers=EVE)).status_code == 404
    assert (await working.post(path, content=b"--", headers=ANN)).status_code == 400


async def test_the_inbox_in_its_views_orders_and_filters(working: Client) -> None:
    late = await made(working, dueDate="2020-01-01T00:00:00Z", input={"who": "Zaphod"})
    urgent = await made(working, {"due": {"after": 3600}}, priority="CRITICAL")
    own = await made(working, {"assignment": {"type": "USER", "id": "ann"}}, workflowId="w-1")
    foreign = await made(working, {"assignment": {"type": "USER", "id": "eve"}})

    async def ids(query: str = "", who: dict[str, str] = ANN) -> list[str]:
        answer = await working.get(f"/api/v1/inbox{query}", headers=who)
        assert answer.status_code == 200, answer.text
        return [item["taskId"] for item in answer.json()["items"]]

    assert await ids() == [late, urgent, own]
    assert await ids("?sort=priority") == [urgent, late, own]
    assert await ids("?sort=age&limit=2") == [late, urgent]
    assert await ids("?view=mine") == [own]
    assert await ids("?view=overdue") == [late]
    assert await ids("?workflowId=w-1") == [own]
    assert await ids("?q=zaphod") == [late]
    assert await ids("?view=unclaimed", EVE) == []
    assert await ids("", EVE) == [foreign]
    counts = (await working.get("/api/v1/inbox/counts", headers=ANN)).json()
    assert counts == {"open": 3, "mine": 1, "claimed": 0, "groups": 2, "unclaimed": 2, "overdue": 1}
    page = (await working.get("/api/v1/inbox?limit=1", headers=ANN)).json()
    assert await ids(f"?limit=1&cursor={page['nextCursor']}") == [urgent]
    assert (await working.get(f"/api/v1/inbox?cursor={page['nextCursor']}", headers=BOB)).status_code == 422
    await act(working, ANN, late, "claim")
    assert await ids("?view=claimed") == [late]  # what one has written one reads


async def test_many_at_once_with_a_dry_run(working: Client) -> None:
    tasks = [await made(working) for _ in range(2)]
    foreign = await made(working, {"assignment": {"type": "USER", "id": "eve"}})
    body = {"taskIds": [*tasks, foreign], "dryRun": True}
    told = (await working.post("/api/v1/inbox/claim", json=body, headers=ANN)).json()
    assert [each["error"] and each["error"]["code"] for each in told["items"]] == [None, None, "NOT_FOUND"]
    assert (await working.get("/api/v1/inbox?view=claimed", headers=ANN)).json()["items"] == []
    await working.post("/api/v1/inbox/claim", json={**body, "dryRun": False}, headers=ANN)
    assert len((await working.get("/api/v1/inbox?view=claimed", headers=ANN)).json()["items"]) == 2
    to = {"taskIds": tasks, "assigneeType": "USER", "assigneeId": "bob"}
    assert (await working.post("/api/v1/inbox/reassign", json=to, headers=BOB)).json()["items"][0]["error"] is not None
    await working.post("/api/v1/inbox/reassign", json=to, headers=ANN)
    due = {"taskIds": tasks, "dueDate": "2030-01-01T00:00:00Z"}
    told = (await working.post("/api/v1/inbox/due-date", json=due, headers=BOB)).json()
    assert [each["error"] for each in told["items"]] == [None, None]
    assert (await working.get(f"/api/v1/tasks/{tasks[0]}")).json()["dueDate"] == "2030-01-01T00:00:00.000Z"


async def test_people_and_groups_that_are_kept_here(working: Client) -> None:
    put = await working.put("/api/v1/users/dan", json={"name": "Dan", "groups": ["ops"], "skills": ["sql"]})
    assert put.status_code == 201, put.text
    task_id = await made(working)
    dan = person("dan")  # whose credential names no group
    assert (await act(working, dan, task_id, "claim"))[0] == 200
    group = (await working.get("/api/v1/groups/ops")).json()
    assert [each["id"] for each in group["members"]] == ["dan"]
    assert (await working.get("/api/v1/groups/none")).status_code == 404
    chosen = await made(working, {"assignment": {"rule": "skill", "group": "ops", "skills": ["sql"], "maxOpen": 2}})
    assert (await working.get(f"/api/v1/tasks/{chosen}")).json()["assigneeId"] == "dan"
    full = await made(working, {"assignment": {"rule": "leastLoaded", "group": "ops", "maxOpen": 1}})
    assert (await trail(working, full))[-1]["reason"] == "nobody of the group ops has room for it"
    assert (await working.get(f"/api/v1/tasks/{full}")).json()["assigneeType"] == "GROUP"
    assert (await working.put("/api/v1/users/x", json={"email": "no"})).status_code == 422
    assert (await working.put("/api/v1/users/x", json={}, headers=dan)).status_code == 403
    assert (await working.delete("/api/v1/users/dan")).status_code == 204
    assert (await working.delete("/api/v1/users/dan")).status_code == 404


async def test_another_group_may_claim_what_asked_for_skills_of_the_first(working: Client) -> None:
    await working.put("/api/v1/users/dan", json={"groups": ["ops"], "skills": ["sql"], "away": True})
    task_id = await made(working, {"assignment": {"rule": "skill", "group": "ops", "skills": ["sql"]}})
    assert (await act(working, ANN, task_id, "claim"))[0] == 403
    to = {"assigneeType": "GROUP", "assigneeId": "hr"}
    assert (await act(working, {}, task_id, "reassign", **to))[0] == 200
    assert (await act(working, person("zoe", "hr"), task_id, "claim"))[0] == 200


async def test_nobody_claims_what_only_the_asker_has_the_skills_for(working: Client) -> None:
    await working.put("/api/v1/users/admin", json={"groups": ["ops"], "skills": ["sql"]})
    rule = {"rule": "skill", "group": "ops", "skills": ["sql"], "excludeAsker": True}
    task_id = await made(working, {"assignment": rule})
    status, told = await act(working, ANN, task_id, "claim")
    assert (status, "lacks the skills" in told["error"]["message"]) == (403, True)
    assert (await act(working, {}, task_id, "claim"))[0] == 403


async def test_skills_are_asked_again_when_it_comes_back_from_another_group(working: Client) -> None:
    await working.put("/api/v1/users/dan", json={"groups": ["ops"], "skills": ["sql"], "away": True})
    to_hr = {"type": "GROUP", "id": "hr"}
    for fallback in ({}, {"fallback": to_hr}):
        task_id = await made(working, {"assignment": {"rule": "skill", "group": "ops", "skills": ["sql"], **fallback}})
        if not fallback:
            assert (await act(working, ANN, task_id, "reassign", assigneeType="GROUP", assigneeId="hr"))[0] == 200
        zoe = person("zoe", "hr")
        assert (await act(working, zoe, task_id, "reassign", **OPS_AS_TARGET))[0] == 200
        assert (await act(working, ANN, task_id, "claim"))[0] == 403
        assert (await act(working, person("dan", "ops"), task_id, "claim"))[0] == 200


async def test_who_has_learned_the_skills_since_may_claim_it_and_be_given_it(working: Client) -> None:
    task_id = await made(working, {"assignment": {"rule": "skill", "group": "ops", "skills": ["sql"]}})
    assert (await act(working, ANN, task_id, "claim"))[0] == 403
    for name in ("ann", "fay"):
        await working.put(f"/api/v1/users/{name}", json={"groups": ["ops"], "skills": ["sql"]})
    assert (await act(working, ANN, task_id, "claim"))[0] == 200
    assert (await act(working, ANN, task_id, "delegate", assigneeId="bob"))[0] == 409
    assert (await act(working, ANN, task_id, "delegate", assigneeId="fay"))[0] == 200


async def test_of_a_group_only_its_candidates_find_and_claim_it(working: Client) -> None:
    await working.put("/api/v1/users/zoe", json={"groups": ["seniors"]})
    named = [{"type": "USER", "id": "ann"}, {"type": "GROUP", "id": "seniors"}]
    task_id = await made(working, {"assignment": {**OPS, "candidates": named}})
    zoe = bearer("tasks:manual", "tasks:write", subject="zoe", groups=["ops"])
    for who, count in ((ANN, 1), (BOB, 0), (zoe, 1)):
        items = (await working.get("/api/v1/inbox", headers=who)).json()["items"]
        counts = (await working.get("/api/v1/inbox/counts", headers=who)).json()
        assert [len(items), counts["open"], counts["groups"], counts["unclaimed"]] == [count] * 4
    told = (await working.get(f"/api/v1/tasks/{task_id}/why")).json()["reason"]
    assert told == "it waits for group ops, there for its candidates alone: USER ann, GROUP seniors"
    why = "bob is none of its candidates: USER ann, GROUP seniors"
    for verb, body in (("claim", {}), ("assign", {"assigneeId": "bob"})):
        bob = bearer("tasks:manual", "tasks:write", subject="bob", groups=["ops"])
        status, told = await act(working, bob, task_id, verb, **body)
        assert (status, why in told["error"]["message"]) == (403, True)
    item = (await working.get(f"/api/v1/inbox/{task_id}", headers=BOB)).json()
    assert "claim" not in item["actions"]
    assert (await act(working, ANN, task_id, "claim"))[0] == 200
    status, told = await act(working, ANN, task_id, "delegate", assigneeId="bob")
    assert (status, why in told["error"]["message"]) == (409, True)
    assert (await act(working, ANN, task_id, "delegate", assigneeId="zoe"))[0] == 200
    assert (await act(working, zoe, task_id, "reassign", assigneeType="GROUP", assigneeId="hr"))[0] == 200
    hal = person("hal", "hr")  # another group is asked for nothing, until it comes back
    assert len((await working.get("/api/v1/inbox", headers=hal)).json()["items"]) == 1
    assert (await act(working, hal, task_id, "reassign", **OPS_AS_TARGET))[0] == 200
    assert (await working.get("/api/v1/inbox", headers=BOB)).json()["items"] == []
    assert (await act(working, zoe, task_id, "claim"))[0] == 200


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"assignment": {**OPS, "candidates": []}}, "/implementation/assignment/candidates"),
        ({"assignment": {**OPS, "candidates": [{"type": "TEAM", "id": "x"}]}}, "/implementation/assignment/candidates"),
        (
            {"assignment": {"type": "USER", "id": "ann", "candidates": [{"type": "USER", "id": "ann"}]}},
            "/implementation/assignment/candidates",
        ),
        ({"assignment": {"type": "USER", "id": "ann", "skills": ["sql"]}}, "/implementation/assignment/skills"),
        (
            {
                "assignment": {**OPS, "candidates": [{"type": "USER", "id": "ann"}]},
                "approvals": {"required": 2},
            },
            "/implementation/approvals/required",
        ),
    ],
)
async def test_candidates_that_can_be_none_are_refused(client: Client, more: dict[str, Any], path: str) -> None:
    body = {"implementation": {"kind": "manual", **more}, "outputSchema": DECISION}
    told = await client.put("/api/v1/definitions/choose", json=body)
    assert told.status_code == 422, told.text
    assert any(each["path"].startswith(path) for each in told.json()["error"]["details"])


async def test_who_lacks_the_skills_does_not_take_it_by_assigning_it(working: Client) -> None:
    await working.put("/api/v1/users/dan", json={"groups": ["ops"], "skills": ["sql"], "away": True})
    task_id = await made(working, {"assignment": {"rule": "skill", "group": "ops", "skills": ["sql"]}})
    ann, dan = [bearer("tasks:manual", "tasks:write", subject=name, groups=["ops"]) for name in ("ann", "dan")]
    to = {"assigneeType": "USER", "assigneeId": "ann"}
    for verb, body in (("assign", {"assigneeId": "ann"}), ("reassign", to)):
        status, told = await act(working, ann, task_id, verb, **body)
        assert (status, "lacks the skills" in told["error"]["message"]) == (403, True)
    assert (await act(working, ann, task_id, "reassign", assigneeType="GROUP", assigneeId="ops"))[0] == 200
    assert (await act(working, ann, task_id, "claim"))[0] == 403
    assert (await act(working, dan, task_id, "assign", assigneeId="dan"))[0] == 200


async def test_nobody_delegates_to_themselves_or_back_to_whose_it_is(working: Client) -> None:
    task_id = await made(working)
    await act(working, ANN, task_id, "claim")
    status, told = await act(working, ANN, task_id, "delegate", assigneeId="ann")
    assert (status, "ann has it already" in told["error"]["message"]) == (409, True)
    assert (await act(working, ANN, task_id, "delegate", assigneeId="eve"))[0] == 200
    for to, why in (("ann", "resolve it"), ("eve", "has it already")):
        status, told = await act(working, EVE, task_id, "delegate", assigneeId=to)
        assert (status, why in told["error"]["message"]) == (409, True)
    assert (await act(working, EVE, task_id, "resolve"))[0] == 200
    assert (await act(working, ANN, task_id, "complete", output={"ok": True}))[0] == 200


async def test_who_lacks_the_skills_is_not_given_it_by_another(working: Client) -> None:
    for name in ("dan", "fay"):
        await working.put(f"/api/v1/users/{name}", json={"groups": ["ops"], "skills": ["sql"]})
    rule = {"rule": "skill", "group": "ops", "skills": ["sql"]}
    task_id = await made(working, {"assignment": rule})
    dan = bearer("tasks:manual", "tasks:write", subject="dan", groups=["ops"])
    to = {"assigneeType": "USER", "assigneeId": "ann"}
    for verb, body in (("reassign", to), ("delegate", {"assigneeId": "ann"})):
        status, told = await act(working, dan, task_id, verb, **body)
        assert (status, "ann lacks the skills that this task asks for: sql" in told["error"]["message"]) == (409, True)
    assert (await act(working, {}, task_id, "reassign", **OPS_AS_TARGET))[0] == 200
    assert (await act(working, {}, task_id, "assign", assigneeId="ann"))[0] == 409
    assert (await act(working, ANN, task_id, "claim"))[0] == 403
    assert (await act(working, {}, task_id, "assign", assigneeId="fay"))[0] == 200
    fay = person("fay", "ops")
    assert (await act(working, fay, task_id, "delegate", assigneeId="dan"))[0] == 200
    assert (await act(working, dan, task_id, "reassign", **(OPS_AS_TARGET | {"assigneeId": "hr"})))[0] == 200
    assert (await act(working, {}, task_id, "assign", assigneeId="ann"))[0] == 200


async def test_who_lacks_the_skills_does_not_agree_to_it_either(working: Client) -> None:
    for name in ("dan", "fay"):
        await working.put(f"/api/v1/users/{name}", json={"groups": ["ops"], "skills": ["sql"], "away": True})
    rule = {"rule": "fixed", **OPS, "group": "ops", "skills": ["sql"]}
    task_id = await made(working, {"assignment": rule, "approvals": {"required": 2, "selfApproval": True}})
    status, told = await act(working, ANN, task_id, "complete", output={"ok": True})
    assert (status, "lacks the skills" in told["error"]["message"]) == (403, True)
    assert (await act(working, ANN, task_id, "reject"))[0] == 403
    for name, state in (("dan", "ASSIGNED"), ("fay", "COMPLETED")):
        status, told = await act(working, person(name, "ops"), task_id, "complete", output={"ok": True})
        assert (status, told["task"]["status"]) == (200, state)


async def test_who_did_the_earlier_step_does_the_next(working: Client) -> None:
    first = await made(working, workflowId="w-9", stepId="draft")
    await act(working, ANN, first, "claim")
    await act(working, ANN, first, "complete", output={"ok": True})
    rule = {"assignment": {"rule": "sameAs", "step": "draft"}}
    second = await made(working, rule, workflowId="w-9", stepId="final")
    assert (await working.get(f"/api/v1/tasks/{second}")).json()["assigneeId"] == "ann"


async def test_a_rule_that_cannot_be_evaluated_fails_with_its_reason(working: Client) -> None:
    key = "badly-due"
    spec = {"kind": "manual", "assignment": OPS, "due": {"at": "input.by"}}
    await define(working.services.engine, [Definition(key=key, task_type=TaskType.MANUAL, implementation=spec)])
    task_id = await working.create(key, {"by": "soon"})
    task = await working.until(task_id, "FAILED")
    assert task["error"]["code"] == "ASSIGNMENT_ERROR"
    assert "which is no time" in task["error"]["message"]
