"""What is promised of people and of what tells them, also while the services for that are away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taskyard.api.server import create_api
from taskyard.engine.events import latest_position
from taskyard.notifying import make_planner
from taskyard.server import make_services
from tests.api.yard import Client, bearer
from tests.promises.yard import client_of, make_yard, task_of
from tests.servers.post import post_office
from tests.servers.receiver import receiving, say
from tests.services.test_user import Users, known, users
from tests.support import eventually

__all__ = ["users"]


async def test_what_it_said_holds_while_it_is_away(users: Users) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: with the user service unreachable, assignment uses
    the cached users, and with no cache the default rule.
    """
    members = await users.directory.members("ops")
    users.receiver.answer = lambda posted: say(503)
    for _ in range(3):
        users.clock.move(3600)
        assert await users.directory.members("ops") == members
    assert await users.directory.members("unknown") == []
    asked = len(users.asked)
    assert await users.directory.members("unknown") == []
    assert len(users.asked) == asked


async def assigned(http: Any, key: str, **assignment: Any) -> dict[str, Any]:
    """A task of a definition with this assignment, once it is somebody's."""
    body = {"implementation": {"kind": "manual", "assignment": assignment}}
    assert (await http.put(f"/api/v1/definitions/{key}", json=body)).status_code == 201
    return await http.until(await http.create(key), "ASSIGNED")


async def test_assignment_goes_on_by_the_default_rule(tmp_path: Path) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: the same of a whole yard, whose readiness and
    metrics tell how the service stands.
    """
    async with receiving("") as receiver:
        receiver.answer = known
        settings: dict[str, Any] = {"TASKYARD_USER_SERVICE_URL": receiver.url, "TASKYARD_EGRESS_ALLOW": ("127.0.0.1",)}
        yard = make_yard(tmp_path, **settings)
        async with yard.worker(), client_of(yard) as http:
            rule = {"rule": "leastLoaded", "group": "ops"}
            assert (await assigned(http, "one", **rule))["assigneeId"] == "ann"
            services = make_services(yard.app, "127.0.0.1", 8420)
            assert services.dependencies()["service:user"]["state"] == "closed"
            receiver.answer = lambda posted: say(404)
            task = await assigned(http, "two", rule="leastLoaded", group="others")
            assert (task["assigneeType"], task["assigneeId"]) == ("GROUP", "others")
            fallback = {"fallback": {"type": "USER", "id": "boss"}}
            task = await assigned(http, "three", rule="roundRobin", group="others", **fallback)
            assert task["assigneeId"] == "boss"


async def test_one_channel_failing_the_next_one_is_used(tmp_path: Path) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: with one notification channel failing, the next
    one is used and the task is not held up.
    """
    async with post_office() as post, receiving("/slack") as slack:
        slack.answer = lambda posted: say(404)
        settings: dict[str, Any] = {
            "TASKYARD_SMTP_URL": post.url, "TASKYARD_MAIL_FROM": "tasks@example.com",
            "TASKYARD_EGRESS_ALLOW": ("127.0.0.1",),
        }  # fmt: skip
        yard = make_yard(tmp_path, **settings)
        async with yard.worker(), client_of(yard) as http:
            planner = make_planner(yard.app.notifying)
            await planner.turn()
            wanted = {"channels": ["slack", "email"], "slack": slack.url, "email": "ann@example.com"}
            ann = bearer("tasks:manual", subject="ann")
            answer = await http.put("/api/v1/notifications/preferences", json=wanted, headers=ann)
            assert answer.status_code == 200
            task = await assigned(http, "pay", type="USER", id="ann")
            await latest_position(yard.engine)
            await planner.turn()
            await eventually(lambda: post.letters)
            assert len(slack.posted) == 1
            assert post.letters[0].recipients == ["ann@example.com"]
            assert (await task_of(http, task["taskId"]))["version"] == task["version"]


async def test_the_assignee_is_told_with_a_link_that_signs_in(tmp_path: Path) -> None:
    """task-execution-layer.md § Implementation Examples › Handling a Manual Task: the assignee is notified of a new
    task by the channels they prefer, with a link that signs in but never acts.
    """
    async with post_office() as post:
        settings: dict[str, Any] = {"TASKYARD_SMTP_URL": post.url, "TASKYARD_MAIL_FROM": "tasks@example.com"}
        yard = make_yard(tmp_path, **settings)
        async with yard.worker(), client_of(yard) as http:
            planner = make_planner(yard.app.notifying)
            await planner.turn()
            ann = bearer("tasks:manual", subject="ann")
            wanted = {"channels": ["email"], "email": "ann@example.com"}
            await http.put("/api/v1/notifications/preferences", json=wanted, headers=ann)
            task = await assigned(http, "pay", type="USER", id="ann")
            await latest_position(yard.engine)
            await planner.turn()
            await eventually(lambda: post.letters)
            link = next(word for word in post.letters[0].text.split() if "/signin?link=" in word)
            services = make_services(yard.app, "127.0.0.1", 8420)
            async with Client(create_api(services), services, headers={}) as visitor:
                path = link.partition(":8420")[2]
                page = await visitor.get(path)
                assert (page.status_code, "set-cookie" in page.headers) == (200, False)
                entered = await visitor.post("/signin", data={"link": path.partition("link=")[2]})
                assert entered.headers["location"] == f"/admin/inbox/{task['taskId']}"
                assert (await visitor.get("/api/v1/me")).json()["subject"] == "ann"
            assert (await task_of(http, task["taskId"]))["version"] == task["version"]


async def test_how_peoples_work_goes_is_measured(tmp_path: Path) -> None:
    """task-execution-layer.md § Operational Considerations › Monitoring: waiting, claim and completion times of manual
    tasks are measured by definition and group.
    """
    yard = make_yard(tmp_path)
    async with yard.worker(), client_of(yard) as http:
        task = await assigned(http, "pay", type="GROUP", id="ops")
        ann = bearer("tasks:manual", subject="ann", groups=["ops"])
        for verb in ("claim", "complete"):
            answer = await http.post(f"/api/v1/tasks/{task['taskId']}/{verb}", json={}, headers=ann)
            assert answer.status_code == 200
        figures = (await http.get("/api/internal/tasks/metrics")).json()["people"]
        (work,) = figures["work"]
        assert (work["definition"], work["group"], work["ended"]) == ("pay", "ops", 1)
        for name in ("waitingTime", "claimTime", "completionTime"):
            assert set(work[name]) == {"p50", "p95", "p99"}
            assert work[name]["p50"] >= 0


async def test_the_tasks_of_each_user_are_listed_with_their_state(tmp_path: Path) -> None:
    """sourceloop-task-service.md § Overview: tasks can be assigned to a single user, and the tasks of each user can be
    listed with their state.
    """
    yard = make_yard(tmp_path)
    async with yard.worker(), client_of(yard) as http:
        first = await assigned(http, "one", type="USER", id="ann")
        second = await assigned(http, "two", type="USER", id="ann")
        await assigned(http, "three", type="USER", id="bob")
        listed = (await http.get("/api/internal/tasks/user/ann")).json()["items"]
        assert [(task["taskId"], task["status"]) for task in listed] == [
            (second["taskId"], "ASSIGNED"), (first["taskId"], "ASSIGNED"),
        ]  # fmt: skip
        ann = bearer("tasks:manual", subject="ann")
        assert (await http.post(f"/api/v1/tasks/{first['taskId']}/complete", json={}, headers=ann)).status_code == 200
        done = (await http.get("/api/v1/inbox?view=done", headers=ann)).json()["items"]
        assert [(task["taskId"], task["status"]) for task in done] == [(first["taskId"], "COMPLETED")]
        mine = (await http.get("/api/v1/inbox?view=mine", headers=ann)).json()["items"]
        assert [(task["taskId"], task["status"]) for task in mine] == [(second["taskId"], "ASSIGNED")]
