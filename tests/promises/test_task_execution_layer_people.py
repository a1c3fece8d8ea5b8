"""task-execution-layer.md: what it promises of people's tasks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from taskyard import Taskyard
from taskyard.engine.people.timekeeping import keep_time
from taskyard.settings import load
from taskyard.testing import World
from taskyard.testing.clock import ManualClock
from tests.api.yard import Client, bearer
from tests.promises.yard import client_of, events_of, refusal, task_of, types_of

HOUR = 3600.0
SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
OPS = {"type": "GROUP", "id": "ops"}


class Person(Mapping[str, str]):
    """The header of a person's requests, with a token of now."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getitem__(self, name: str) -> str:
        return bearer("tasks:manual", subject=self._name, groups=["ops"])[name]

    def __iter__(self) -> Iterator[str]:
        return iter(["Authorization"])

    def __len__(self) -> int:
        return 1


ANN, BOB = Person("ann"), Person("bob")


async def defined(http: Client, **spec: Any) -> None:
    body = {"implementation": {"kind": "manual", **spec}, "outputSchema": SCHEMA, "title": "Decide"}
    answer = await http.put("/api/v1/definitions/decide", json=body)
    assert answer.status_code in (200, 201), answer.text


async def handed(world: World, http: Client, spec: dict[str, Any], **request: Any) -> str:
    await defined(http, **spec)
    task_id = await http.create("decide", request.pop("input", {}), **request)
    await world.settle()
    return task_id


async def act(http: Client, who: Mapping[str, str], task_id: str, verb: str, **body: Any) -> Any:
    return await http.post(f"/api/v1/tasks/{task_id}/{verb}", json=body, headers=who)


async def test_a_manual_step_has_its_own_record(world: World, http: Client) -> None:
    """task-execution-layer.md § Key Components › Manual Task Handler: all that is known of a step, found by it."""
    due = "2031-01-01T00:00:00.000Z"
    task_id = await handed(world, http, {"assignment": OPS}, workflowId="w1", stepId="check", dueDate=due)
    await act(http, ANN, task_id, "claim")
    await act(http, ANN, task_id, "draft", output={"ok": 1})
    await act(http, ANN, task_id, "comments", text="nearly")
    found = (await http.get("/api/v1/tasks?workflowId=w1&status=ASSIGNED")).json()["items"]
    assert [(each["taskId"], each["stepId"]) for each in found] == [(task_id, "check")]
    assert (found[0]["assigneeId"], found[0]["claimedBy"], found[0]["dueDate"]) == ("ops", "ann", due)
    assert (await http.get(f"/api/v1/inbox/{task_id}", headers=ANN)).json()["draft"] == {"ok": 1}
    history = await types_of(http, task_id)
    assert history == ["created", "started", "assigned", "claimed", "drafted", "commented"]


async def test_a_member_claims_it_before_anybody_completes_it(world: World, http: Client) -> None:
    """task-execution-layer.md § Key Components › Manual Task Handler: one of a group has it, or the one it names."""
    task_id = await handed(world, http, {"assignment": OPS})
    assert refusal(await act(http, BOB, task_id, "complete", output={"ok": True}))[0] == 409
    await act(http, ANN, task_id, "claim")
    assert refusal(await act(http, BOB, task_id, "complete", output={"ok": True}))[0] == 409
    assert (await act(http, ANN, task_id, "complete", output={"ok": True})).json()["task"]["status"] == "COMPLETED"
    own = await handed(world, http, {"assignment": {"type": "USER", "id": "bob"}})
    assert (await act(http, BOB, own, "complete", output={"ok": True})).status_code == 200


async def test_a_form_is_checked_and_a_draft_is_not(world: World, http: Client) -> None:
    """task-execution-layer.md § Key Components › Manual Task Handler: each error names its field."""
    task_id = await handed(world, http, {"assignment": {"type": "USER", "id": "ann"}})
    assert (await act(http, ANN, task_id, "draft", output={"ok": "perhaps"})).status_code == 200
    wrong = await act(http, ANN, task_id, "complete", output={"ok": "perhaps"})
    assert refusal(wrong) == (422, "VALIDATION_ERROR")
    assert [each["path"] for each in wrong.json()["error"]["details"]] == ["/output/ok"]
    assert (await task_of(http, task_id))["status"] == "ASSIGNED"


async def test_time_is_kept_once_also_after_a_restart(tmp_path: Path) -> None:
    """task-execution-layer.md § Key Components › Manual Task Handler: reminders and the like are due to the minute."""
    clock = ManualClock()
    settings = load({}).with_values(TASKYARD_DATA_DIR=str(tmp_path), TASKYARD_GRACE=0.1)

    def started() -> Taskyard:
        return Taskyard(f"sqlite:///{tmp_path / 'tasks.db'}", settings=settings, clock=clock)

    spec = {
        "assignment": OPS, "due": {"after": 4 * HOUR}, "reminders": [0.5],
        "escalation": [{"action": "notify", "after": HOUR}],
    }  # fmt: skip
    first = started()
    async with first.worker(), client_of(first) as http:
        await defined(http, **spec)
        task_id = await http.create("decide", {})
        await http.until(task_id, "ASSIGNED")
    for hours, expected in ((1.9, []), (0.2, ["reminder"]), (2, ["overdue"]), (1, ["escalated"]), (99, [])):
        clock.move(hours * HOUR)
        again = started()
        async with again, client_of(again) as http:
            before = await types_of(http, task_id)
            while await keep_time(again.engine):
                pass
            assert (await types_of(http, task_id))[len(before) :] == expected


async def test_people_work_over_rest(world: World, http: Client) -> None:
    """task-execution-layer.md § Interfaces › Input Interfaces: from the inbox to the end, each verb a request."""
    task_id = await handed(world, http, {"assignment": OPS})
    assert [each["taskId"] for each in (await http.get("/api/v1/inbox", headers=ANN)).json()["items"]] == [task_id]
    for who, verb, body in (
        (ANN, "claim", {}), (ANN, "release", {}), (ANN, "claim", {}), (ANN, "draft", {"output": {}}),
        (ANN, "comments", {"text": "hm"}), (ANN, "delegate", {"assigneeId": "bob"}), (BOB, "resolve", {}),
        (ANN, "reassign", {"assigneeType": "USER", "assigneeId": "bob"}),
    ):  # fmt: skip
        assert (await act(http, who, task_id, verb, **body)).status_code == 200, verb
    path = f"/api/v1/tasks/{task_id}/attachments"
    assert (await http.post(path, files={"file": ("a.txt", b"a")}, headers=BOB)).status_code == 200
    assert (await act(http, BOB, task_id, "reject", reason="no")).json()["error"]["message"] == "no"
    other = await handed(world, http, {"assignment": {"type": "USER", "id": "bob"}})
    assert (await act(http, BOB, other, "complete", output={"ok": True})).status_code == 200


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ({"type": "GROUP", "id": "ops"}, ("GROUP", "ops")),
        ({"rule": "expression", "expression": "workflow.chief"}, ("USER", "zoe")),
        ({"rule": "roundRobin", "group": "ops"}, ("USER", "ann")),
        ({"rule": "leastLoaded", "group": "ops"}, ("USER", "ann")),
        ({"rule": "skill", "group": "ops", "skills": ["law"]}, ("USER", "bob")),
        ({"rule": "sameAs", "step": "first"}, ("USER", "bob")),
    ],
    ids=lambda each: each.get("rule", "fixed") if isinstance(each, dict) else "",
)
async def test_the_assignee_follows_from_the_rule(
    world: World, http: Client, rule: dict[str, Any], expected: tuple[str, str]
) -> None:
    """task-execution-layer.md § Implementation Examples › Handling a Manual Task: six rules, one decision."""
    for name, skills in (("ann", []), ("bob", ["law"])):
        await http.put(f"/api/v1/users/{name}", json={"groups": ["ops"], "skills": skills})
    first = await handed(world, http, {"assignment": {"type": "USER", "id": "bob"}}, workflowId="w", stepId="first")
    await act(http, BOB, first, "complete", output={"ok": True})
    context = {"variables": {"chief": "zoe"}}
    task = await task_of(http, await handed(world, http, {"assignment": rule}, workflowId="w", workflowContext=context))
    assert (task["assigneeType"], task["assigneeId"]) == expected


@pytest.mark.parametrize(
    ("due", "expected"),
    [
        ({"after": 90}, "after"),
        ({"at": "2031-05-05T05:05:05+02:00"}, "2031-05-05T03:05:05.000Z"),
        ({"at": "input.by"}, "2032-01-01T00:00:00.000Z"),
        ({"businessHours": 1, "calendar": {"timezone": "Europe/Berlin", "hours": {"mon": ["09:00-17:00"]}}}, "monday"),
    ],
    ids=["duration", "absolute", "expression", "business hours"],
)
async def test_the_due_date_is_computed(world: World, http: Client, due: dict[str, Any], expected: str) -> None:
    """task-execution-layer.md § Implementation Examples › Handling a Manual Task: until when, by its rule."""
    task_id = await handed(world, http, {"assignment": OPS, "due": due}, input={"by": "2032-01-01T00:00:00Z"})
    (assigned,) = [each for each in await events_of(http, task_id) if each["type"] == "task.manual.assigned"]
    told = (await task_of(http, task_id))["dueDate"]
    assert assigned["data"]["dueDate"] == told
    if expected == "after":
        assert told > assigned["timestamp"]
    elif expected == "monday":
        local = datetime.fromisoformat(told).astimezone(ZoneInfo("Europe/Berlin"))
        assert (local.weekday(), 10 <= local.hour <= 17) == (0, True)
    else:
        assert told == expected
