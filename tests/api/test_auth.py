"""Who is let in, from where, and under which name."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from taskyard.api.access import ACCESS, PUBLIC_PATHS
from taskyard.api.authenticate import Authenticator, record_of
from taskyard.api.routing import Operation, build_routes
from taskyard.api.server import all_operations, create_api
from taskyard.errors import CallFailed, ConfigurationError, EgressRefused, Overloaded, Unauthorized
from taskyard.security.api_tokens import new_api_token
from taskyard.security.caller import Caller
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.security.jwks import fetching
from taskyard.security.session import Session
from taskyard.security.tokens import mint
from tests.api.yard import ADMIN_TOKEN, BASE, PORT, SECRET, Client, bearer, listening

ORIGIN = {"Origin": BASE}
ME = "/api/v1/me"


@contextlib.asynccontextmanager
async def session(client: Client, token: str = ADMIN_TOKEN) -> AsyncIterator[httpx.AsyncClient]:
    """A browser with a session."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=BASE) as browser:
        answer = await browser.post("/login", data={"token": token}, headers=ORIGIN)
        assert (answer.status_code, answer.headers["location"]) == (303, "/admin"), answer.text
        yield browser


def test_only_these_paths_are_public() -> None:
    logins_and_health = {"/healthz", "/readyz", "/login", "/login/openid", "/login/openid/done", "/logout", "/signin"}
    with_keys_of_its_own = "/api/v1/webhooks/subscribe"
    assert logins_and_health | {with_keys_of_its_own} == PUBLIC_PATHS


async def test_routes_and_the_access_table_are_the_same_set(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    async def handler(call: object) -> None: ...

    extra = Operation(method="GET", path="/open", handler=handler, tag="", summary="", answers={})
    with pytest.raises(ConfigurationError, match="GET /open has no row"):
        build_routes(client.services, [*all_operations(), extra])
    monkeypatch.setitem(ACCESS, "GET /nowhere", ACCESS["GET /healthz"])
    with pytest.raises(ConfigurationError, match="without a route: GET /nowhere"):
        build_routes(client.services, all_operations())


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/me", "/nowhere", "/healthz/", "//healthz", "/HEALTHZ", "/healthz/x", "/login/", "/login%2f",
        "/healthz;x", "/api/v1/tasks/..;/healthz", "/healthz%00",
    ],
)  # fmt: skip
async def test_everything_else_needs_a_credential(client: Client, path: str) -> None:
    request = httpx.Request("GET", BASE, headers={"Host": f"127.0.0.1:{PORT}"})
    request.url = request.url.copy_with(raw_path=path.encode())
    answer = await client.send(request)
    assert answer.status_code == 401
    assert (answer.json()["error"]["code"], answer.headers["www-authenticate"]) == ("UNAUTHORIZED", "Bearer")


NOW = time.time()


@pytest.mark.parametrize(
    "authorization",
    [
        "", "Bearer", "Bearer ", "Bearer x", "Basic YWRhOmFkYQ==", f"bearer {ADMIN_TOKEN}x",
        f"Bearer {ADMIN_TOKEN[:-1]}",
        f"Bearer {new_api_token().shown}",
        f"Bearer {mint(SECRET.encode(), 'ada', ['admin'], [], 60, NOW - 61)}",
        f"Bearer {mint(SECRET.encode(), 'ada', ['admin'], [], 86_400, NOW, audience='others')}",
        f"Bearer {mint(b'another secret of thirty-two bytes', 'ada', ['admin'], [], 86_400, NOW)}",
    ],
    ids=lambda _: "credential",  # they are made anew each time, so they name no test
)  # fmt: skip
async def test_a_bad_credential_is_refused(client: Client, authorization: str) -> None:
    answer = await client.get(ME, headers={"Authorization": authorization})
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED")


async def test_every_kind_of_token_is_accepted(client: Client) -> None:
    stored = new_api_token()
    caller = Caller("robot", frozenset({"tasks:read"}), frozenset({"ops"}))
    await client.services.engine.store.save_token(bytes.fromhex(stored.hashed), record_of(caller), None)
    by_store = await client.get(ME, headers={"Authorization": f"Bearer {stored.shown}"})
    assert by_store.json() == {"subject": "robot", "scopes": ["tasks:read"], "groups": ["ops"]}
    by_signature = await client.get(ME, headers=bearer("tasks:write"))
    assert by_signature.json() == {"subject": "ada", "scopes": ["tasks:write"], "groups": []}


async def test_a_header_that_comes_twice_is_refused(client: Client) -> None:
    twice = [("Authorization", f"Bearer {ADMIN_TOKEN}"), ("Authorization", "Bearer x")]
    async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=BASE) as plain:
        answer = await plain.get(ME, headers=twice)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "MALFORMED")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:1", f"127.0.0.1:{PORT}.evil.example", f"evil.example:{PORT}", ""],
)
async def test_a_host_that_is_not_ours_is_refused_everywhere(client: Client, host: str) -> None:
    for path in (ME, "/healthz", "/login"):
        answer = await client.get(path, headers={"Host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN"), path


async def test_a_session_reads_and_writes_from_our_own_pages(client: Client) -> None:
    async with session(client) as browser:
        cookie: Any = next(iter(browser.cookies.jar))
        assert (cookie.path, "HttpOnly" in cookie._rest, cookie._rest.get("SameSite")) == ("/", True, "lax")
        assert (await browser.get(ME)).json()["subject"] == "admin"
        body = {"taskDefinitionId": "add", "input": {"a": 1, "b": 1}}
        assert (await browser.post("/api/v1/tasks", json=body, headers=ORIGIN)).status_code == 201


@pytest.mark.parametrize(
    "origin",
    [
        None, "null", "https://evil.example", f"http://127.0.0.1:{PORT}.evil.example", f"http://evil.127.0.0.1:{PORT}",
        "http://127.0.0.1", f"https://127.0.0.1:{PORT}", f"http://localhost:{PORT}", f"HTTP://127.0.0.1:{PORT}", "",
    ],
)  # fmt: skip
async def test_a_cookie_alone_writes_nothing(client: Client, origin: str | None) -> None:
    async with session(client) as browser:
        headers = {} if origin is None else {"Origin": origin}
        answer = await browser.post("/api/v1/tasks", json={"taskDefinitionId": "add"}, headers=headers)
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")
    assert (await client.get("/api/v1/tasks")).json()["items"] == []


async def test_services_take_no_cookie(client: Client) -> None:
    async with session(client) as browser:
        answer = await browser.get("/api/internal/tasks/metrics")
        assert (answer.status_code, answer.json()["error"]["code"]) == (401, "UNAUTHORIZED")
        bad = await browser.get(ME, headers={"Authorization": "Bearer x"})
        assert bad.status_code == 401, "a cookie must not stand in for a token that is refused"


async def test_a_forged_or_old_cookie_is_refused(client: Client) -> None:
    sessions, ada = client.services.sessions, Session(Caller("ada", frozenset({"admin"})))
    old = sessions.issue(ada, 10, time.time() - 11)
    for value in (old, old[:-1], "x", "", sessions.issue(ada, 10, time.time()) + "A"):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=BASE) as browser:
            answer = await browser.get(ME, headers={"Cookie": f"taskyard_session={value}"})
        assert answer.status_code == 401, value


async def test_a_login_link_works_once(client: Client) -> None:
    link = client.services.login_links.create(Caller("ada", frozenset({"tasks:read"})), time.time())
    async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=BASE) as browser:
        first = await browser.get(f"/login?token={link}")
        assert (first.status_code, first.headers["location"]) == (303, "/admin")
        assert (await browser.get(ME)).json()["subject"] == "ada"
        again = await browser.get(f"/login?token={link}")
        assert again.status_code == 401
        assert "set-cookie" not in again.headers


async def test_a_login_with_a_bad_token_or_from_elsewhere_is_refused(client: Client) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=BASE) as browser:
        page = await browser.get("/login")
        assert (page.status_code, "<form" in page.text) == (200, True)
        bad = await browser.post("/login", data={"token": "<script>"}, headers=ORIGIN)
        assert (bad.status_code, "<script>" in bad.text) == (401, False)
        other = await browser.post("/login", data={"token": ADMIN_TOKEN}, headers={"Origin": "https://evil.example"})
        assert other.status_code == 403
        assert (await browser.post("/login", json={"token": ADMIN_TOKEN})).status_code == 303
        assert (await browser.post("/login", data={"x": "y"})).status_code == 422
        assert (await browser.post("/login", data={"token": "x" * 20_000})).status_code == 413


async def test_a_session_does_not_outlive_its_token(client: Client) -> None:
    short = mint(SECRET.encode(), "ada", ["tasks:read"], [], 60, time.time())
    async with session(client, short) as browser:
        expires = next(iter(browser.cookies.jar)).expires
        assert expires is not None
        assert expires <= time.time() + 60


async def test_pages_send_people_to_the_login(client: Client) -> None:
    html = {"Accept": "text/html,*/*"}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=BASE) as browser:
        answer = await browser.get("/admin/task", headers=html)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login?next=%2Fadmin%2Ftask")
        assert (await browser.get(ME, headers=html)).status_code == 401


async def test_a_stored_token_ends(client: Client) -> None:
    store, new = client.services.engine.store, new_api_token()
    headers = {"Authorization": f"Bearer {new.shown}"}
    record, key = record_of(Caller("robot", frozenset({"tasks:read"}))), bytes.fromhex(new.hashed)
    await store.save_token(key, record, await store.now() + 60_000_000)
    assert (await client.get(ME, headers=headers)).status_code == 200
    await store.save_token(key, record, await store.now())
    assert (await client.get(ME, headers=headers)).status_code == 401


async def test_a_session_changes_and_ends_with_the_token_it_was_made_from(client: Client) -> None:
    store, new = client.services.engine.store, new_api_token()
    key, reader = bytes.fromhex(new.hashed), Caller("robot", frozenset({"tasks:read"}))
    await store.save_token(key, record_of(Caller("robot", frozenset({"admin"}))), None)
    async with session(client, new.shown) as browser:
        assert (await browser.get(ME)).json()["scopes"] == ["admin"]
        await store.save_token(key, record_of(reader), None)
        assert (await browser.get(ME)).json()["scopes"] == ["tasks:read"]
        assert (await browser.post("/api/internal/tasks", json={}, headers=ORIGIN)).status_code == 401
        await store.save_token(key, record_of(reader), await store.now())
        assert (await browser.get(ME)).status_code == 401


async def test_a_signed_token_is_good_only_until_its_time(client: Client) -> None:
    clock = [1_800_000_000.0]
    authenticator = Authenticator(client.services.engine.store, jwt_secret=SECRET, now=lambda: clock[0])
    token = mint(SECRET.encode(), "ada", ["tasks:read"], [], 60, clock[0])
    for _ in range(2):
        assert (await authenticator.authenticate(token)).subject == "ada"
    clock[0] += 60
    with pytest.raises(Unauthorized):
        await authenticator.authenticate(token)


async def test_an_identity_provider_may_sign(client: Client) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k1"}, private=True)
    claims = {"sub": "ada", "scope": "tasks:read", "exp": int(time.time()) + 60}
    token = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, key)
    keys = {"keys": [{**key.as_dict(private=False), "kid": "k1"}]}

    async def show(request: Request) -> Response:
        path = request.url.path
        return RedirectResponse("/keys") if path == "/moved" else JSONResponse(keys if path == "/keys" else None, 500)

    routes = [Route("/keys", lambda _: JSONResponse(keys)), Route("/{other}", show)]
    store = client.services.engine.store
    async with listening(lambda _: Starlette(routes=routes)) as port:
        egress = Egress(Guard(Rules.parse([])))
        fetch = fetching(lambda: egress)
        good = Authenticator(store, jwks_url=f"http://127.0.0.1:{port}/keys", fetch=fetch)
        assert await good.authenticate(token) == Caller("ada", frozenset({"tasks:read"}), is_token=True)
        for path in ("moved", "broken"):
            faulty = Authenticator(store, jwks_url=f"http://127.0.0.1:{port}/{path}", fetch=fetch)
            with pytest.raises(Overloaded):
                await faulty.authenticate(token)
        with pytest.raises(CallFailed, match="larger than 10 bytes"):
            await fetch(f"http://127.0.0.1:{port}/keys", 10)
        denied = Egress(Guard(Rules.parse([], ["127.0.0.1"])))
        with pytest.raises(EgressRefused):
            await fetching(lambda: denied)(f"http://127.0.0.1:{port}/keys", 10)
        await egress.aclose()
        await denied.aclose()


def test_two_issuers_are_refused(tmp_path: Path, client: Client) -> None:
    with pytest.raises(ConfigurationError, match="both set"):
        Authenticator(client.services.engine.store, jwt_secret=SECRET, jwks_url="https://id.example/keys")


async def test_every_answer_keeps_browsers_from_misusing_it(client: Client) -> None:
    for path in (ME, "/healthz", "/nowhere", "/docs"):
        headers = (await client.get(path)).headers
        assert (headers["x-content-type-options"], headers["x-frame-options"]) == ("nosniff", "DENY")
        assert headers["cache-control"] == "no-store"


async def test_the_api_may_be_mounted_into_another_application(client: Client) -> None:
    outer = Starlette(routes=[Mount("/yard", client.app)])
    async with httpx.AsyncClient(transport=httpx.ASGITransport(outer), base_url=BASE) as browser:
        assert (await browser.get("/yard/healthz")).status_code == 200
        assert (await browser.get("/yard/api/v1/me")).status_code == 401
        answer = await browser.post("/yard/login", data={"token": ADMIN_TOKEN}, headers=ORIGIN)
        assert answer.headers["location"] == "/yard/admin"
        assert next(iter(browser.cookies.jar)).path == "/yard"
        assert (await browser.get("/yard/api/v1/me")).json()["subject"] == "admin"
        assert (await browser.get("/yard/")).headers["location"] == "/yard/admin"
        assert (await browser.get("/yard/openapi.json")).status_code == 200
        browser.cookies.clear()
        page = await browser.get("/yard/docs", headers={"Accept": "text/html"})
        assert page.headers["location"] == "/yard/login"


async def test_logging_out_ends_the_session_of_this_browser(client: Client) -> None:
    async with session(client) as browser:
        answer = await browser.post("/logout", headers=ORIGIN)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        assert (await browser.get(ME)).status_code == 401


async def test_who_logs_out_after_the_session_has_ended_comes_to_the_login_all_the_same(client: Client) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=BASE) as browser:
        answer = await browser.post("/logout", headers=ORIGIN)
        assert (answer.status_code, answer.headers["location"]) == (303, "/login")
        elsewhere = await browser.post("/logout", headers={"Origin": "https://evil.example"})
        assert (elsewhere.status_code, "set-cookie" in elsewhere.headers) == (403, False)


class Elsewhere:
    """Another service that says who a token stands for."""

    def __init__(self) -> None:
        self.caller: Caller | None = Caller("ada", frozenset({"tasks:read"}), frozenset({"crew"}), is_token=True)

    async def verify(self, token: str) -> Caller:
        if self.caller is None or token != "opaque":
            raise Unauthorized("no such token")
        return self.caller


async def test_a_session_ends_when_the_auth_service_takes_its_token_back(client: Client) -> None:
    elsewhere = Elsewhere()
    authenticator = Authenticator(client.services.engine.store, auth_service=elsewhere)
    services = replace(client.services, authenticator=authenticator)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(create_api(services)), base_url=BASE) as browser:
        await browser.post("/login", data={"token": "opaque"}, headers=ORIGIN)
        assert (await browser.get(ME)).json() == {"subject": "ada", "scopes": ["tasks:read"], "groups": ["crew"]}
        assert (await browser.get("/api/internal/tasks/metrics")).status_code == 401, "it is no token for all that"
        elsewhere.caller = Caller("ada", frozenset({"tasks:write"}), is_token=True)
        assert (await browser.get(ME)).json()["scopes"] == ["tasks:write"]
        elsewhere.caller = None
        assert (await browser.get(ME)).status_code == 401


@pytest.mark.parametrize("goal", ["https://evil.example/admin", "//evil.example/admin", "/admin\\@x", "/x", "/admin\n"])
async def test_a_login_leads_to_our_own_pages_only(client: Client, goal: str) -> None:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(client.app), base_url=BASE) as browser:
        form = {"token": ADMIN_TOKEN, "next": "/admin/run?q=state:failed"}
        answer = await browser.post("/login", data=form, headers=ORIGIN)
        assert answer.headers["location"] == form["next"]
        answer = await browser.post("/login", data={**form, "next": goal}, headers=ORIGIN)
        assert answer.headers["location"] == "/admin"
