"""The authorisation matrix: every route with every identity, expected from one declared table."""

from __future__ import annotations

import time
from typing import Any

import pytest

from taskyard.api.access import ACCESS, MANUAL, READ, Access
from taskyard.api.server import all_operations
from taskyard.security.caller import SCOPES
from taskyard.security.tokens import mint
from tests.api.yard import ADMIN_TOKEN, SECRET, Client, bearer

HTTP_ROWS = [name for name in ACCESS if not name.startswith("SOCKET")]

NOBODY: dict[str, dict[str, str]] = {
    "none": {},
    "garbage": {"Authorization": "Bearer garbage"},
    "expired": {"Authorization": f"Bearer {mint(SECRET.encode(), 'ada', ['admin'], [], 60, time.time() - 61)}"},
    "wrong audience": {
        "Authorization": f"Bearer {mint(SECRET.encode(), 'ada', ['admin'], [], 86_400, time.time(), audience='x')}"
    },
}

SOMEBODY: dict[str, tuple[str, ...]] = {
    **{scope: (scope,) for scope in sorted(SCOPES)},
    **{f"service and {scope}": ("service", scope) for scope in sorted(SCOPES - {"service"})},
    "no scope": (),
}

EXAMPLES = {
    "{taskId}": "1", "{key}": "nothing", "{name}": "nothing", "{queue}": "nothing", "{workflowId}": "w",
    "{scheduleId}": "nothing", "{mappingId}": "nothing", "{subscriptionId}": "nothing",
    "{deliveryId}": "1", "{file}": "nothing", "{page}": "nothing", "{apiKey}": "nothing", "{externalTaskId}": "1",
}  # fmt: skip


def request_of(row: str) -> tuple[str, str]:
    """A request to a route about things there are not."""
    method, _, path = row.partition(" ")
    for placeholder, text in {**EXAMPLES, "{userId}": "u"}.items():
        path = path.replace(placeholder, text)
    return method, path


def may(access: Access, scopes: tuple[str, ...]) -> bool:
    """The rule, said again: admin does everything; else one of the scopes, and `service` where it is asked for."""
    if "admin" in scopes or access.public:
        return True
    enough = not access.any_of or bool(set(access.any_of) & set(scopes))
    return enough and (not access.service or "service" in scopes)


def test_the_table_holds_every_operation() -> None:
    assert {operation.name for operation in all_operations()} == set(ACCESS)


@pytest.mark.parametrize("row", HTTP_ROWS)
async def test_who_is_nobody_gets_nothing(client: Client, row: str) -> None:
    method, path = request_of(row)
    for name, headers in NOBODY.items():
        del client.headers["authorization"]
        answer = await client.request(method, path, headers=headers)
        client.headers["authorization"] = f"Bearer {ADMIN_TOKEN}"
        if ACCESS[row].own:
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED"), name
        elif ACCESS[row].public:
            assert answer.status_code not in (401, 403), name
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED"), name


@pytest.mark.parametrize("row", HTTP_ROWS)
async def test_scopes_open_what_the_table_says_and_nothing_else(client: Client, row: str) -> None:
    method, path = request_of(row)
    for name, scopes in SOMEBODY.items():
        answer = await client.request(method, path, headers=bearer(*scopes))
        if ACCESS[row].own:
            assert answer.status_code == 401, name
        elif may(ACCESS[row], scopes):
            assert answer.status_code not in (401, 403), name
            assert answer.status_code < 500, name
        else:
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN"), name
            assert answer.json()["error"]["details"]["scope"] in SCOPES, name


@pytest.mark.parametrize("row", HTTP_ROWS)
async def test_an_unknown_method_is_an_empty_405(client: Client, row: str) -> None:
    _, path = request_of(row)
    known = {name.split()[0] for name in HTTP_ROWS if request_of(name)[1] == path}
    for method in {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "BREW"} - known:
        answer = await client.request(method, path)
        assert (answer.status_code, answer.content) == (405, b""), method
        assert set(answer.headers["allow"].split(", ")) == known


BODIES = [row for row in HTTP_ROWS if row.startswith(("POST", "PUT")) and "{taskId}" in row]


@pytest.mark.parametrize("row", BODIES)
async def test_what_is_not_there_is_told_before_what_is_wrong(client: Client, row: str) -> None:
    method, path = request_of(row)
    for body in (b'{"unknown": 1}', b"{", b"x" * (client.services.max_body + 1)):
        answer = await client.request(method, path, content=body, headers={"Content-Type": "application/json"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")


# ---- whose a manual task is

# Which files are whose to read is told in test_forms.py.
PERSONAL = [
    row
    for row in HTTP_ROWS
    if "{taskId}" in row and MANUAL in ACCESS[row].any_of and "v1" in row and "{uploadId}" not in row
]


async def manual_task(client: Client, **assignee: str) -> str:
    task_id = await client.create("approve", assignee=assignee)
    await client.until(task_id, "ASSIGNED")
    return task_id


async def touch(client: Client, row: str, task_id: str, headers: dict[str, str]) -> int:
    method, _, path = row.partition(" ")
    verb = path.rpartition("/")[2]
    path = path.replace("{taskId}", task_id)
    if verb == "attachments":
        return (await client.post(path, headers=headers, files={"file": ("a.txt", b"a")})).status_code
    body = TOUCHES.get(verb, {}) if method == "POST" else None
    return (await client.request(method, path, headers=headers, json=body)).status_code


TOUCHES: dict[str, dict[str, Any]] = {
    "reassign": {"assigneeType": "USER", "assigneeId": "bob"}, "delegate": {"assigneeId": "cyd"},
    "reject": {"reason": "no"}, "follow-up": {"at": None}, "due-date": {"dueDate": None}, "comments": {"text": "hm"},
}  # fmt: skip
CONFLICTS = {"USER": {"output", "release", "resolve", "repair"}}
CONFLICTS["GROUP"] = CONFLICTS["USER"] | {"complete", "reject", "draft", "delegate", "follow-up"}  # to be claimed first


async def test_people_touch_only_what_is_theirs(working: Client) -> None:
    assert len(PERSONAL) == 24
    bob = bearer("tasks:manual", subject="bob", groups=["ops"])
    automated = await working.create("sums", {"a": 1, "b": 1})
    for row in PERSONAL:
        for foreign in (
            await manual_task(working, type="USER", id="eve"),
            await manual_task(working, type="GROUP", id="bob"),
            await manual_task(working, type="USER", id="ops"),
            automated,
        ):
            before = (await working.get(f"/api/v1/tasks/{foreign}")).json()
            assert await touch(working, row, foreign, bob) == 404, row
            assert (await working.get(f"/api/v1/tasks/{foreign}")).json() == before
        for assignee in ({"type": "USER", "id": "bob"}, {"type": "GROUP", "id": "ops"}):
            own = await manual_task(working, **assignee)
            expected = 409 if row.rpartition("/")[2] in CONFLICTS[assignee["type"]] else 200
            assert await touch(working, row, own, bob) == expected, row


async def test_who_reads_everything_still_completes_only_what_is_theirs(working: Client) -> None:
    foreign = await manual_task(working, type="USER", id="eve")
    both = bearer(READ, MANUAL, subject="bob")
    for row in PERSONAL:
        method = row.partition(" ")[0]
        status = await touch(working, row, foreign, both)
        assert status == (403 if method == "POST" else 409 if row.endswith("/output") else 200), row


async def test_a_list_leaks_nothing(working: Client) -> None:
    own = [
        await manual_task(working, type="USER", id="bob"),
        await manual_task(working, type="GROUP", id="ops"),
        await manual_task(working, type="GROUP", id="hr"),
    ]
    for assignee in ({"type": "USER", "id": "eve"}, {"type": "GROUP", "id": "bob"}, {"type": "USER", "id": "ops"}):
        await manual_task(working, **assignee)
    await working.create("sums", {"a": 1, "b": 1})
    bob = bearer("tasks:manual", subject="bob", groups=["ops", "hr"])
    for query in ("", "?taskType=AUTOMATED", "?assignee=eve", "?q=a", "?definition=sums", "?sort=started"):
        answer = await working.get(f"/api/v1/tasks{query}", headers=bob)
        assert {task["taskId"] for task in answer.json()["items"]} <= set(own), query
    seen, cursor = list[str](), ""
    while True:
        page = (await working.get(f"/api/v1/tasks?limit=1{cursor}", headers=bob)).json()
        seen += [task["taskId"] for task in page["items"]]
        if page["nextCursor"] is None:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert seen == own[::-1]


async def test_a_bulk_request_cannot_reach_what_a_single_one_cannot(working: Client) -> None:
    task_id = await working.create("broken")
    await working.until(task_id, "FAILED")
    for verb in ("requeue", "discard"):
        answer = await working.post(
            f"/api/internal/deadletters/{verb}", json={"taskIds": [task_id]}, headers=bearer("service", "tasks:write")
        )
        assert answer.status_code == 403
    assert (await working.get(f"/api/v1/tasks/{task_id}")).json()["deadLetteredAt"] is not None


async def test_the_id_in_the_path_is_the_one_that_counts(client: Client) -> None:
    first = await client.create("sums", {"a": 1, "b": 1})
    second = await client.create("sums", {"a": 2, "b": 2})
    token = (await client.lease())["leaseToken"]
    for path in (f"/api/internal/queues/messages/{second}/complete", f"/api/internal/queues/messages/{second}/retry"):
        answer = await client.post(path, json={"leaseToken": token})
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "STALE_LEASE")
    states = [(await client.get(f"/api/v1/tasks/{each}")).json()["status"] for each in (first, second)]
    assert states == ["RUNNING", "PENDING"]
