"""Logging in at an OpenID provider, a real server of ours that checks what it is asked."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest

from taskyard.api.server import create_api
from taskyard.errors import RateLimited, Unauthorized
from taskyard.security.oidc import OpenIdClient, OpenIdLogins, new_pending
from tests.api.yard import BASE, Client, listening
from tests.servers.openid import CLIENT_ID, CLIENT_SECRET, Provider

ME = "/api/v1/me"
RIGHTS = {"*": ["tasks:manual"], "ops": ["tasks:read"]}


class World:
    """A provider, our side of it, and a browser that follows where it is sent."""

    def __init__(self, client: Client, provider: Provider, **changes: Any) -> None:
        secret = "" if provider.public else CLIENT_SECRET
        ours = OpenIdClient(
            provider.issuer, CLIENT_ID, secret, "openid profile", "sub", "groups", RIGHTS, "Example"
        )._replace(**changes)
        self.now = [client.services.now()]
        self.provider = provider
        self.logins = OpenIdLogins(ours, client.services.egress, lambda: self.now[0])
        services = replace(client.services, openid=self.logins, now=lambda: self.now[0])
        transports = {"all://127.0.0.1:8420": httpx.ASGITransport(create_api(services))}
        self.browser = httpx.AsyncClient(base_url=BASE, mounts=transports)

    async def leave(self, goal: str = "/admin/inbox") -> str:
        """Begin to log in; where the provider sends the browser back to."""
        begun = await self.browser.get("/login/openid", params={"next": goal})
        assert begun.status_code == 303, begun.text
        back = await self.browser.get(begun.headers["location"])
        assert back.status_code == 303, back.text
        return str(back.headers["location"])

    async def log_in(self) -> httpx.Response:
        """The whole way."""
        return await self.browser.get(await self.leave())


@contextlib.asynccontextmanager
async def world(client: Client, *, public: bool = False, **changes: Any) -> AsyncIterator[World]:
    made: list[Provider] = []

    def make(port: int) -> Any:
        made.append(Provider(port, public=public))
        return made[0].app

    async with listening(make):
        here = World(client, made[0], **changes)
        async with here.browser:
            yield here


@pytest.mark.parametrize("public", [False, True], ids=["with a secret", "public"])
async def test_who_the_provider_knows_gets_in(client: Client, public: bool) -> None:
    async with world(client, public=public) as here:
        assert "Log in with Example" in (await here.browser.get("/login")).text
        answer = await here.log_in()
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin/inbox"), answer.text
        me = (await here.browser.get(ME)).json()
        assert me == {"subject": "ann", "scopes": ["tasks:manual", "tasks:read"], "groups": ["ops"]}
        assert "taskyard_openid" not in here.browser.cookies


async def test_without_a_provider_there_is_no_such_login(client: Client) -> None:
    for path in ("/login/openid", "/login/openid/done"):
        answer = await client.get(path)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
    assert "openid" not in (await client.get("/login")).text


def _claims(**claims: Any) -> Callable[[World], None]:
    return lambda here: here.provider.claims.update(claims)


def _answer(**answer: str | None) -> Callable[[World], None]:
    return lambda here: here.provider.answer.update(answer)


@pytest.mark.parametrize(
    "spoil",
    [
        _claims(nonce="another"), _claims(nonce=None), _claims(aud="others"), _claims(aud=["taskyard", "others"]),
        _claims(azp="others"), _claims(iss="https://evil.example"), _claims(exp=1), _claims(nbf=2**40),
        _claims(sub=""), _claims(sub="local"), _claims(sub=7), _claims(sub="a\u202eb"),
        _answer(state="another"), _answer(state=None), _answer(iss="https://evil.example"), _answer(iss=None),
        _answer(code="another"), _answer(code=None), _answer(error="access_denied"),
        lambda here: here.provider.sign_with_another(),
    ],
)  # fmt: skip
async def test_what_is_not_as_it_should_be_lets_nobody_in(client: Client, spoil: Callable[[World], None]) -> None:
    async with world(client) as here:
        spoil(here)
        answer = await here.log_in()
        assert (answer.status_code >= 400, "alert" in answer.text) == (True, True)
        assert "taskyard_session" not in here.browser.cookies
        assert (await here.browser.get(ME)).status_code == 401


async def test_an_end_belongs_to_its_beginning_and_is_good_once(client: Client) -> None:
    async with world(client) as here, world(client) as other:
        back = await here.leave()
        assert (await other.browser.get(back)).status_code == 401, "another browser, which began nothing"
        assert (await here.browser.get(back)).status_code == 303
        here.browser.cookies.delete("taskyard_session")
        assert (await here.browser.get(back)).status_code == 401, "again"
        late = await here.leave()
        here.now[0] += 601
        assert (await here.browser.get(late)).status_code == 401, "too late"


async def test_the_provider_is_asked_about_itself_now_and_then(client: Client) -> None:
    async with world(client) as here:
        for _ in range(3):
            assert (await here.log_in()).status_code == 303
        assert here.provider.asked == ["/.well-known/openid-configuration", "/keys"]
        here.provider.change_key("k2")
        here.now[0] += 61
        assert (await here.log_in()).status_code == 303, "its keys have changed"
        assert here.provider.asked[2:] == ["/keys"]


async def test_a_provider_that_is_away_is_asked_now_and_then_and_what_it_told_stays_good(client: Client) -> None:
    async with world(client) as here:
        good, bad = here.provider.metadata, {"issuer": "https://evil.example"}
        here.provider.metadata = bad
        begun = await asyncio.gather(*(here.browser.get("/login/openid") for _ in range(5)))
        assert all(each.status_code >= 400 for each in begun)
        assert len(here.provider.asked) == 1, "one for all"
        here.provider.metadata = good
        assert (await here.browser.get("/login/openid")).status_code >= 400, "it is left alone for a while"
        here.now[0] += 6
        assert (await here.log_in()).status_code == 303
        here.provider.metadata = bad
        here.now[0] += 3601
        assert (await here.browser.get("/login/openid")).status_code == 303, "what it told last"


async def test_who_fails_too_often_at_the_end_waits(client: Client) -> None:
    async with world(client) as here:
        pending = new_pending("", here.now[0] + 600)
        refused: list[type] = []
        for address in ["192.0.2.1"] * 51 + ["192.0.2.2"]:
            with pytest.raises((Unauthorized, RateLimited)) as caught:
                await here.logins.finish(pending, {}, "", address)
            refused.append(caught.type)
        assert refused == [Unauthorized] * 50 + [RateLimited, Unauthorized]


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://evil.example"}, {"token_endpoint": "http://evil.example/token"}, {"jwks_uri": "file:///x"},
        {"authorization_endpoint": 7}, {"authorization_endpoint": "javascript:alert(1)"},
    ],
)  # fmt: skip
async def test_a_provider_that_tells_odd_things_of_itself_is_not_used(client: Client, metadata: dict[str, Any]) -> None:
    async with world(client) as here:
        here.provider.metadata = metadata
        answer = await here.browser.get("/login/openid")
        assert (answer.status_code >= 400, "alert" in answer.text) == (True, True), answer.text


async def test_an_answer_of_very_many_fields_is_refused_unread(client: Client) -> None:
    async with world(client) as here:
        back = await here.leave()
        refused = await here.browser.get(f"{back}&{'&'.join(f'x{number}=1' for number in range(1000))}")
        assert (refused.status_code, "too many fields" in refused.text) == (401, True)


async def test_the_host_of_the_issuer_alone_is_trusted(client: Client) -> None:
    async with world(client) as made:
        near = made.provider.issuer
        made.provider.issuer = near.replace("127.0.0.1", "localhost")
        here = World(client, made.provider)
        async with here.browser:
            assert (await here.log_in()).status_code == 303
        made.provider.metadata = {"jwks_uri": f"{near}/keys"}
        made.provider.asked.clear()
        here = World(client, made.provider)
        async with here.browser:
            assert (await here.log_in()).status_code >= 400
        assert made.provider.asked == ["/.well-known/openid-configuration"]


async def test_rights_come_with_groups_and_nobody_else_gets_in(client: Client) -> None:
    rights = {"admins": ["admin"]}
    async with world(client, rights=rights, groups="realm_access.roles", subject="email") as here:
        here.provider.claims |= {"email": "ann@example.org", "realm_access": {"roles": ["admins", 7, "x\n"]}}
        assert "not verified" in (await here.log_in()).text
        here.provider.claims["email_verified"] = True
        assert (await here.log_in()).status_code == 303
        me = (await here.browser.get(ME)).json()
        assert me == {"subject": "ann@example.org", "scopes": ["admin"], "groups": ["admins"]}
        here.browser.cookies.clear()
        here.provider.claims["realm_access"] = {"roles": ["others"]}
        refused = await here.log_in()
        assert (refused.status_code, "may do nothing here" in refused.text) == (403, True)


async def test_nobody_is_led_to_another_server(client: Client) -> None:
    async with world(client) as here:
        back = await here.leave("https://evil.example/admin")
        assert (await here.browser.get(back)).headers["location"] == "/admin"
