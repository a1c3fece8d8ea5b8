"""Logging in with a password, and logging out."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx
import pytest

from taskyard.api.server import create_api
from taskyard.engine import logins
from taskyard.engine.logins import PasswordLogins, Proven
from taskyard.errors import Overloaded, RateLimited, Unauthorized
from taskyard.security import passwords
from taskyard.security.attempts import MOST_REMEMBERED, SPAN, Attempts, place_of
from tests.api.yard import ADMIN_TOKEN, BASE, Client, bearer

STORES = ["sqlite", "postgres"]
ORIGIN = {"Origin": BASE}
ME = "/api/v1/me"
PASSWORD = "correct horse battery"


@contextlib.asynccontextmanager
async def browser(client: Client) -> AsyncIterator[httpx.AsyncClient]:
    """A browser that nobody has logged in with."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=BASE, headers=ORIGIN) as made:
        yield made


async def enter(client: Client, user: str = "ann", password: str = PASSWORD, **more: object) -> None:
    """A person with a password."""
    assert (await client.put(f"/api/v1/users/{user}", json={"groups": ["ops"]})).is_success
    answer = await client.put(f"/api/v1/users/{user}/password", json={"password": password, **more})
    assert answer.status_code == 204, answer.text


async def log_in(page: httpx.AsyncClient, user: str = "ann", password: str = PASSWORD) -> httpx.Response:
    return await page.post("/login", data={"user": user, "password": password, "next": "/admin/inbox"})


async def test_a_person_logs_in_with_their_password(client: Client) -> None:
    async with browser(client) as page:
        assert 'name="password"' not in (await page.get("/login")).text, "nobody has one"
        await enter(client)
        assert 'name="password"' in (await page.get("/login")).text
        answer = await log_in(page)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/inbox")
        me = (await page.get(ME)).json()
        assert me == {"subject": "ann", "scopes": ["tasks:manual"], "groups": ["ops"]}


async def test_who_is_unknown_and_a_wrong_password_are_refused_alike(client: Client) -> None:
    await enter(client)
    async with browser(client) as page:
        answers = {user: await log_in(page, user, "a wrong password") for user in ("ann", "nobody", "local", "admin")}
        told = {(each.status_code, each.text.replace(f'value="{user}"', "")) for user, each in answers.items()}
        assert [(status, "wrong" in text) for status, text in told] == [(401, True)]
        assert not page.cookies


async def test_another_password_ends_sessions_of_the_former(client: Client) -> None:
    await enter(client)
    async with browser(client) as page:
        await log_in(page)
        assert (await page.get(ME)).status_code == 200
        await enter(client, scopes=["tasks:read", "tasks:manual"])
        assert (await page.get(ME)).status_code == 401
        await log_in(page)
        assert (await page.get(ME)).json()["scopes"] == ["tasks:manual", "tasks:read"]
        assert (await client.delete("/api/v1/users/ann/password")).status_code == 204
        assert (await page.get(ME)).status_code == 401
        assert (await log_in(page)).status_code == 401
        assert (await client.delete("/api/v1/users/ann/password")).status_code == 404


async def test_another_password_leaves_to_a_person_what_they_may(client: Client) -> None:
    await enter(client)
    path = "/api/v1/users/ann"
    assert (await client.get(path)).json()["login"] == {"scopes": ["tasks:manual"]}
    await enter(client, scopes=["tasks:read", "queues:manage"])
    await enter(client, password="another long password")
    assert (await client.get(path)).json()["login"] == {"scopes": ["queues:manage", "tasks:read"]}
    assert "login" not in (await client.get(path, headers=bearer("tasks:read"))).json(), "it is told to admins alone"
    await enter(client, scopes=[])
    assert (await client.get(path)).json()["login"] == {"scopes": []}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"password": "short"}, 422), ({"password": "x" * 1025}, 422), ({}, 422),
        ({"password": PASSWORD, "scopes": ["everything"]}, 422),
    ],
)  # fmt: skip
async def test_a_bad_password_is_refused(client: Client, body: dict[str, object], status: int) -> None:
    await client.put("/api/v1/users/ann", json={})
    assert (await client.put("/api/v1/users/ann/password", json=body)).status_code == status


async def test_only_admins_give_passwords_and_to_those_there_are(client: Client) -> None:
    path, body = "/api/v1/users/ann/password", {"password": PASSWORD}
    assert (await client.put(path, json=body)).status_code == 404
    assert (await client.put(path, json=body, headers=bearer("tasks:manual", "tasks:write"))).status_code == 403
    journal = (await client.get("/api/v1/audit/journal")).text
    await enter(client)
    journal = (await client.get("/api/v1/audit/journal")).text
    assert "a password was given" in journal
    assert PASSWORD not in journal


async def test_who_guesses_has_to_wait(client: Client) -> None:
    await enter(client)
    clock = [1_800_000_000.0]
    logins = PasswordLogins(client.services.engine.store, lambda: clock[0])

    async def guess(password: str = "a wrong password", user: str = "ann", address: str = "192.0.2.1") -> type:
        try:
            await logins.prove(user, password, address)
        except (Unauthorized, RateLimited) as error:
            return type(error)
        return bool

    assert [await guess() for _ in range(10)] == [Unauthorized] * 10
    assert await guess(PASSWORD) is RateLimited
    assert await guess(PASSWORD, address="192.0.2.9") is bool, "nobody keeps another out"
    clock[0] += SPAN / 10 + 1
    assert await guess(PASSWORD) is bool
    assert await guess() is Unauthorized, "who got in may err again"
    tries = [await guess(user=f"user{number}") for number in range(60)]
    assert tries.count(RateLimited) > 0, "one address tries many names"
    assert await guess(PASSWORD, address="192.0.2.9") is bool


async def test_only_wrong_passwords_count(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    await enter(client)
    store = client.services.engine.store
    logins = PasswordLogins(store, lambda: 0.0)
    with monkeypatch.context() as away:
        away.setattr(store, "login", _fail)
        for _ in range(60):
            with pytest.raises(ConnectionError):
                await logins.prove("ann", PASSWORD, "192.0.2.1")
    assert (await logins.prove("ann", PASSWORD, "192.0.2.1")).caller.subject == "ann"


async def _fail(person: str) -> None:
    raise ConnectionError(f"away, {person}")


async def test_a_crowd_that_logs_in_is_asked_to_come_back(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("taskyard.engine.logins.matches", lambda *_: True)
    await enter(client)
    logins = PasswordLogins(client.services.engine.store, lambda: 0.0)
    tries = [logins.prove("ann", PASSWORD, f"192.0.2.{number}") for number in range(100)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(each) for each in results] == [Proven] * 52 + [Overloaded] * 48


def test_a_network_of_ipv6_is_one_place() -> None:
    assert place_of("2001:db8::1") == place_of("2001:db8::ffff:2") != place_of("2001:db8:0:1::1")
    assert place_of("::ffff:192.0.2.1") == place_of("192.0.2.1") != place_of("::ffff:192.0.2.2")
    assert place_of("") == ""


def test_of_very_many_failures_the_oldest_are_forgotten() -> None:
    attempts = Attempts()
    for number in range(MOST_REMEMBERED + 5):
        attempts.fail({str(number): 1, "always": 1}, 0.0)
    assert len(attempts) == MOST_REMEMBERED
    assert (attempts.pause({"0": 1}, 0.0), attempts.pause({"always": 1}, 0.0) > 0) == (0.0, True)


async def test_who_is_there_no_longer_does_not_log_in(client: Client) -> None:
    await enter(client)
    db = client.services.engine.store.db  # type: ignore[attr-defined]  # as if they went while the password was given
    if hasattr(db, "durable"):
        await db.durable.value("DELETE FROM taskyard.person")
    else:
        await db.write(lambda connection: connection.execute("DELETE FROM person"))
    async with browser(client) as page:
        assert (await log_in(page)).status_code == 401


@pytest.mark.parametrize("field", ["user", "password", "token"])
async def test_a_form_has_no_text_that_no_store_takes(client: Client, field: str) -> None:
    async with browser(client) as page:
        form = {"token": "a\0b"} if field == "token" else {"user": "ann", "password": PASSWORD, field: "a\0b"}
        assert (await page.post("/login", data=form)).status_code == 422


@pytest.mark.parametrize(
    ("url", "is_secure"), [("https://tasks.example.org", True), ("http://tasks.example.org", False)]
)
async def test_where_browsers_come_by_https_the_session_stays_with_https(
    client: Client, url: str, is_secure: bool
) -> None:
    behind = create_api(replace(client.services, public_url=url))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(behind), base_url=BASE) as page:
        cookie = (await page.post("/login", data={"token": ADMIN_TOKEN})).headers["set-cookie"]
        assert ("secure" in cookie.lower().split("; ")) is is_secure


async def test_logging_out_ends_the_session_on_every_server(client: Client) -> None:
    other = create_api(replace(client.services))
    async with browser(client) as page:
        await page.post("/login", data={"token": ADMIN_TOKEN})
        cookie = {"Cookie": f"taskyard_session={page.cookies['taskyard_session']}"}
        assert (await page.get(ME)).status_code == 200
        assert (await page.post("/logout")).status_code == 303
        assert (await page.get(ME, headers=cookie)).status_code == 401, "who has kept the cookie"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(other), base_url=BASE) as elsewhere:
        assert (await elsewhere.get(ME, headers=cookie)).status_code == 401
    async with browser(client) as page:
        await page.post("/login", data={"token": ADMIN_TOKEN})
        assert (await page.get(ME)).status_code == 200, "another session of the same token goes on"


async def test_another_server_notices_a_logout_soon(client: Client) -> None:
    clock = [client.services.now()]
    other = replace(client.services, now=lambda: clock[0])
    async with browser(client) as page:
        await page.post("/login", data={"token": ADMIN_TOKEN})
        cookie = page.cookies["taskyard_session"]
        assert not await other.ended.has_ended(cookie)
        await page.post("/logout")
    assert not await other.ended.has_ended(cookie)
    clock[0] += 2
    assert await other.ended.has_ended(cookie)


async def test_logging_out_without_a_session_does_no_harm(client: Client) -> None:
    async with browser(client) as page:
        for headers in ({}, {"Cookie": "taskyard_session=x"}):
            assert (await page.post("/logout", headers=headers)).status_code == 303


async def test_a_new_password_brings_back_no_rights_that_were_taken_meanwhile(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    await enter(client, scopes=["admin"])
    hashing, go_on = threading.Event(), threading.Event()

    def slowly(password: str) -> str:
        hashing.set()
        assert go_on.wait(60)
        return passwords.hash_password(password)

    with monkeypatch.context() as patched:
        patched.setattr(logins, "hash_password", slowly)
        new = asyncio.create_task(enter(client, password="a new long password"))
        await asyncio.to_thread(hashing.wait, 60)
    await enter(client, scopes=["tasks:read"])
    go_on.set()
    await new
    assert (await client.get("/api/v1/users/ann")).json()["login"] == {"scopes": ["tasks:read"]}
