"""Lists: filters, pages and cursors."""

from __future__ import annotations

import pytest

from tests.api.yard import Client, bearer

STORES = ["sqlite", "postgresql"]


async def ids(client: Client, query: str) -> list[str]:
    answer = await client.get(f"/api/v1/tasks?{query}")
    assert answer.status_code == 200, answer.text
    return [task["taskId"] for task in answer.json()["items"]]


async def test_pages_are_newest_first_and_complete(client: Client) -> None:
    made = [await client.create("add", {"a": n, "b": 0}) for n in range(7)]
    seen, cursor = list[str](), ""
    while True:
        page = (await client.get(f"/api/v1/tasks?limit=3{cursor}")).json()
        seen += [task["taskId"] for task in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == made[::-1]


@pytest.mark.parametrize(
    "query",
    [
        "status=PENDING", "status=RUNNING,PENDING", "taskType=AUTOMATED", "definition=add", "workflowId=w",
        "causeType=order", "cause=o-1", "causeType=order&cause=o-1", "correlationId=corr-1", "tag=red", "q=corr",
        "q=Add", "createdAfter=2020-01-01T00:00:00Z", "createdBefore=2999-01-01T00:00:00%2B02:00",
    ],
)  # fmt: skip
async def test_a_filter_finds_what_fits(client: Client, query: str) -> None:
    await client.create("chatty", {"lines": 1})
    wanted = await client.create(
        "add", {"a": 1, "b": 1}, workflowId="w", causeType="order", cause="o-1", correlationId="corr-1", tags=["red"]
    )
    assert wanted in await ids(client, query)


@pytest.mark.parametrize(
    "query",
    [
        "status=FAILED", "taskType=MANUAL", "definition=nothing", "workflowId=x", "cause=o-2", "correlationId=corr",
        "tag=blue", "q=zzz", "createdAfter=2999-01-01T00:00:00Z", "parentTaskId=1", f"hash={'0' * 64}",
        "assignee=nobody", "startedAfter=2020-01-01T00:00:00Z",
    ],
)  # fmt: skip
async def test_a_filter_leaves_out_what_does_not_fit(client: Client, query: str) -> None:
    await client.create("add", {"a": 1, "b": 1}, workflowId="w", cause="o-1", correlationId="corr-1", tags=["red"])
    assert await ids(client, query) == []


async def test_a_task_is_found_by_the_beginning_of_its_id_and_by_its_hash(client: Client) -> None:
    task_id = await client.create("add", {"a": 1, "b": 1}, cause="c", causeType="t")
    assert task_id in await ids(client, f"q={task_id[:8]}")
    hash_ = (await client.get(f"/api/v1/tasks/{task_id}")).json()["hash"]
    assert await ids(client, f"hash={hash_}") == [task_id]


async def test_tasks_are_sorted_by_their_start(working: Client) -> None:
    first = await working.create("add", {"a": 1, "b": 1}, delay=0.3)
    second = await working.create("add", {"a": 2, "b": 1})
    told = [await working.until(task_id, "COMPLETED") for task_id in (first, second)]
    told.sort(key=lambda task: str(task["startTime"]), reverse=True)  # a busy machine may begin the delayed one first
    later, sooner = (task["taskId"] for task in told)
    assert await ids(working, "sort=started") == [later, sooner]
    assert await ids(working, "sort=created") == [second, first]
    page = (await working.get("/api/v1/tasks?sort=started&limit=1")).json()
    assert await ids(working, f"sort=started&limit=1&cursor={page['nextCursor']}") == [sooner]
    refused = await working.get(f"/api/v1/tasks?sort=created&cursor={page['nextCursor']}")
    assert (refused.status_code, refused.json()["error"]["details"][0]["path"]) == (422, "/cursor")


async def test_a_workflow_and_a_user_have_lists_of_their_own(working: Client) -> None:
    flow = await working.create("add", {"a": 1, "b": 1}, workflowId="w/1")
    manual = await working.create("approve", assignee={"type": "USER", "id": "bob"})
    await working.until(manual, "ASSIGNED")
    path = "/api/internal/tasks"
    assert (await working.get(f"{path}/workflow/w%2F1")).status_code == 404  # a slash ends a part of a path
    answer = await working.get(f"{path}/user/bob?status=ASSIGNED")
    assert [task["taskId"] for task in answer.json()["items"]] == [manual]
    assert (await working.get(f"{path}/user/bob?status=COMPLETED")).json() == {"items": [], "nextCursor": None}
    assert (await working.get(f"{path}/user/eve")).json()["items"] == []
    await working.until(flow, "COMPLETED")
    other = await working.create("add", {"a": 1, "b": 1}, workflowId="w-2")
    answer = await working.get(f"{path}/workflow/w-2")
    assert [task["taskId"] for task in answer.json()["items"]] == [other]


async def test_definitions_are_paged_by_key(client: Client) -> None:
    first = (await client.get("/api/v1/definitions?limit=4")).json()
    rest = (await client.get(f"/api/v1/definitions?cursor={first['nextCursor']}")).json()
    keys = [each["key"] for each in first["items"] + rest["items"]]
    assert keys == sorted(keys) == ["add", "approve", "broken", "chatty", "patient", "sums", "verbose"]
    assert rest["nextCursor"] is None


async def test_tasks_are_asked_for_by_their_ids_in_this_order(client: Client) -> None:
    made = [await client.create("sums", {"a": 1, "b": k}) for k in range(3)]
    wanted = [made[2], "12345", made[0], made[2]]
    answer = await client.get("/api/v1/tasks", params={"taskIds": ",".join(wanted)})
    assert [task["taskId"] for task in answer.json()["items"]] == [made[2], made[0]]
    theirs = await client.get("/api/v1/tasks", params={"taskIds": made[0]}, headers=bearer("tasks:manual"))
    assert theirs.json()["items"] == []


async def test_latest_runs_are_told_in_brief(client: Client) -> None:
    made = [await client.create("sums", {"a": 1, "b": k}) for k in range(3)]
    answer = await client.get("/api/v1/recent", params={"definition": "sums,approve", "limit": 2})
    first, second = answer.json()["items"]
    assert (first["definition"], [run["taskId"] for run in first["runs"]]) == ("sums", made[:0:-1])
    assert set(first["runs"][0]) == {
        "taskId", "status", "createdAt", "startTime", "executionTime", "deadLetteredAt",
    }  # fmt: skip
    assert (second["definition"], second["runs"]) == ("approve", [])
    assert (await client.get("/api/v1/recent")).status_code == 422
    theirs = await client.get("/api/v1/recent", params={"definition": "sums"}, headers=bearer("definitions:write"))
    assert theirs.status_code == 403
