"""The user service: a real HTTP server that a test takes away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from taskyard.calls.breakers import Circuit
from taskyard.domain.breaker import SERVICE, BreakerState
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import State
from taskyard.domain.people.assignment import Person
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define
from taskyard.engine.events import latest_position
from taskyard.notifying import make_planner
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.services.service import Service
from taskyard.services.user import UserDirectory
from taskyard.testing.clock import ManualClock
from tests.api.yard import bearer
from tests.promises.yard import client_of, make_yard
from tests.servers.receiver import Posted, Receiver, receiving, say
from tests.support import eventually

ANN = {"id": "ann", "name": "Ann", "email": "ann@example.com", "groups": ["ops"], "department": "finance"}
BOB = {"id": "bob", "groups": ["ops"], "maxOpen": 3, "away": True}


def known(posted: Posted) -> Any:
    """The service, which knows two people and one group."""
    answers: dict[str, Any] = {
        "/api/users/ann": ANN, "/api/users/bob": BOB, "/api/groups/ops/members": {"members": [BOB, ANN]},
        "/api/users/odd": {"name": "without an id"},
    }  # fmt: skip
    return say(200, answers[posted.path]) if posted.path in answers else say(404)


class Users:
    """A user service that a test can take away, and the directory that asks it."""

    def __init__(self, receiver: Receiver, egress: Egress) -> None:
        self.receiver = receiver
        self.clock = ManualClock()
        self.circuit = Circuit("service:user", SERVICE, self.clock)
        self.service = Service(receiver.url, egress, self.circuit, wait=self._wait)
        self.directory = UserDirectory(self.service, now=lambda: self.clock.now() / 1e6)
        receiver.answer = known

    async def _wait(self, seconds: float) -> None:
        self.clock.move(seconds)

    @property
    def asked(self) -> list[str]:
        """For what it was asked."""
        return [posted.path for posted in self.receiver.posted]


@pytest.fixture
async def users() -> AsyncIterator[Users]:
    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    async with receiving("") as receiver:
        yield Users(receiver, egress)
    await egress.aclose()


async def test_people_are_looked_up_at_the_user_service(users: Users) -> None:
    ann = Person("ann", "Ann", "ann@example.com", ("ops",))
    assert await users.directory.person("ann") == ann
    assert await users.directory.members("ops") == [ann, Person("bob", groups=("ops",), max_open=3, away=True)]
    assert await users.directory.person("nobody") is None
    assert await users.directory.members("../users/ann") == []
    assert users.asked[-1] == "/api/groups/../users/ann/members"
    count = len(users.asked)
    await users.directory.person("ann")
    await users.directory.person("nobody")
    assert len(users.asked) == count


async def test_what_is_old_is_given_at_once_and_asked_for_again(users: Users) -> None:
    await users.directory.person("ann")
    users.clock.move(61)
    users.receiver.answer = lambda posted: say(200, ANN | {"name": "Ann B."})
    found = await users.directory.person("ann")
    assert found is not None
    assert found.name == "Ann"

    async def is_new() -> bool:
        again = await users.directory.person("ann")
        return again is not None and again.name == "Ann B."

    await eventually(is_new)


async def test_nobody_waits_for_a_slow_service(users: Users) -> None:
    answers = asyncio.Event()

    class Slow(JSONResponse):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await answers.wait()
            await super().__call__(scope, receive, send)

    users.receiver.answer = lambda posted: Slow({"members": [BOB, ANN]})
    directory = UserDirectory(users.service, now=lambda: users.clock.now() / 1e6, patience=0.01)
    assert await directory.members("ops") == await directory.members("ops") == []
    answers.set()

    async def is_known() -> bool:
        return [each.id for each in await directory.members("ops")] == ["ann", "bob"]

    await eventually(is_known)
    assert len(users.asked) == 1


async def test_people_are_told_of_their_tasks_however_slow_the_service_is(tmp_path: Path) -> None:
    answers = asyncio.Event()

    class Slow(JSONResponse):
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            await answers.wait()
            await super().__call__(scope, receive, send)

    async with receiving("") as receiver:
        receiver.answer = lambda posted: Slow({"members": [BOB, ANN]} if "groups" in posted.path else ANN)
        settings: dict[str, Any] = {"TASKYARD_USER_SERVICE_URL": receiver.url, "TASKYARD_EGRESS_ALLOW": ("127.0.0.1",)}
        spec = {"kind": "manual", "assignment": {"type": "GROUP", "id": "ops"}}
        yard = make_yard(tmp_path, **settings)
        async with yard.worker():
            await define(yard.engine, [Definition(key="ask", task_type=TaskType.MANUAL, implementation=spec)])
            planner = make_planner(yard.app.notifying)
            await planner.turn()
            run = await yard.start("ask")

            async def is_open() -> bool:
                await run.refresh()
                return run.task.status is State.ASSIGNED

            await eventually(is_open)
            await latest_position(yard.engine)
            telling = asyncio.create_task(planner.turn())

            async def is_asked() -> bool:
                return any(posted.path == "/api/groups/ops/members" for posted in receiver.posted)

            await eventually(is_asked)
            assert await yard.app.directory.members("others") == []  # who is impatient has waited since
            answers.set()
            await telling
            assert [row.task_id for row in await yard.engine.store.notices("ann", 5, None, unread=False)] == [
                int(run.id)
            ]


async def test_what_was_learnt_longest_ago_is_forgotten_first(users: Users, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.services.user._MOST_REMEMBERED", 2)
    names = ["ann", "bob", "nobody", "else"]
    found = [await users.directory.person(name) for name in names]
    assert [None if each is None else each.id for each in found] == ["ann", "bob", None, None]
    count = len(users.asked)
    await users.directory.person("else")
    assert len(users.asked) == count
    await users.directory.person("ann")
    assert len(users.asked) == count + 1


async def test_people_are_read_at_the_service_and_changed_there_alone(tmp_path: Path) -> None:
    async with receiving("") as receiver:
        receiver.answer = known
        settings: dict[str, Any] = {"TASKYARD_USER_SERVICE_URL": receiver.url, "TASKYARD_EGRESS_ALLOW": ("127.0.0.1",)}
        yard = make_yard(tmp_path, **settings)
        async with yard, client_of(yard) as http:
            assert (await http.get("/api/v1/users/ann")).json()["email"] == "ann@example.com"
            assert (await http.get("/api/v1/users/nobody")).status_code == 404
            members = (await http.get("/api/v1/groups/ops")).json()["members"]
            assert [each["id"] for each in members] == ["ann", "bob"]
            for method, path in (("GET", "/users"), ("PUT", "/users/dan"), ("DELETE", "/users/ann")):
                answer = await http.request(method, f"/api/v1{path}", json={} if method == "PUT" else None)
                assert (answer.status_code, "user service" in answer.json()["error"]["message"]) == (409, True)


async def test_answers_that_cannot_be_read_are_none(users: Users) -> None:
    assert await users.directory.person("odd") is None
    users.receiver.answer = lambda posted: say(200, ["no", "object"])
    assert await users.directory.members("ops") == []


async def test_calls_to_it_stop_behind_a_breaker(users: Users) -> None:
    users.receiver.answer = lambda posted: say(500)
    for name in ("a", "b", "c"):
        assert await users.directory.person(name) is None
    assert users.circuit.state is BreakerState.OPEN
    asked = len(users.asked)
    assert await users.directory.person("d") is None
    assert len(users.asked) == asked


async def test_the_groups_of_a_caller_are_the_services(tmp_path: Path) -> None:
    async with receiving("") as receiver:
        receiver.answer = known
        settings: dict[str, Any] = {"TASKYARD_USER_SERVICE_URL": receiver.url, "TASKYARD_EGRESS_ALLOW": ("127.0.0.1",)}
        yard = make_yard(tmp_path, **settings)
        async with yard, client_of(yard) as http:
            me = (await http.get("/api/v1/me", headers=bearer("tasks:manual", subject="ann"))).json()
            assert me["groups"] == ["ops"]
