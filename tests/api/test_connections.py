"""Connections over HTTP: written and never read, tried, resolved for who holds a lease, called without a task."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from taskyard import Taskyard
from taskyard.contracts.connections import BreakerRow
from taskyard.domain.breaker import Breaker
from taskyard.domain.gate import RateGate
from taskyard.domain.rate import parse_rate
from taskyard.engine.connections import SharedByLinks
from taskyard.engine.define import define, parse_definition
from taskyard.engine.renewing import renew_secrets
from taskyard.errors import ConfigurationError
from taskyard.security.box import SecretBox
from taskyard.security.keys import derive
from tests.api.yard import Client, bearer, make_yard
from tests.security.egress.receiver import Asked, answer, receiving

STORES = ["sqlite", "postgresql"]

AT = "/api/v1/connections/billing"
CANARY = "canary-91ab-token"


def body(port: int = 1, **more: Any) -> dict[str, Any]:
    settings = {"baseUrl": f"http://127.0.0.1:{port}", "auth": {"type": "bearer"}}
    return {"type": "rest", "settings": settings, "secrets": {"token": CANARY}, **more}


@pytest.fixture
async def yard(tmp_path: Path, database_url: str) -> AsyncIterator[Taskyard]:
    """An open yard whose calls may reach this machine."""
    async with make_yard(tmp_path, database_url, TASKYARD_EGRESS_ALLOW=("127.0.0.1",)) as made:
        yield made


async def test_a_connection_is_written_read_listed_and_removed(client: Client) -> None:
    made = await client.put(AT, json=body(title="Billing", connectionId="billing"))
    assert made.status_code == 201, made.text
    told = made.json()
    assert told["secrets"] == {"token": True}
    assert told["breaker"] == {"state": "closed", "failureRate": 0.0, "opensIn": 0.0}
    assert (told["connectionId"], told["title"], told["allowedDefinitions"]) == ("billing", "Billing", None)
    changed = await client.put(AT, json={**body(), "secrets": {"token": {"from": "env:BILLING"}}})
    assert (changed.status_code, changed.json()["secrets"]) == (200, {"token": {"from": "env:BILLING"}})
    assert changed.json()["createdAt"] == told["createdAt"]
    assert (await client.get(AT)).json()["secrets"] == {"token": {"from": "env:BILLING"}}
    listed = (await client.get("/api/v1/connections")).json()
    assert [one["connectionId"] for one in listed["items"]] == ["billing"]
    assert (await client.delete(AT)).status_code == 204
    for gone in (await client.get(AT), await client.delete(AT), await client.post(f"{AT}/test")):
        assert gone.status_code == 404


async def test_without_secrets_those_it_has_stay(client: Client) -> None:
    await client.put(AT, json=body())
    kept = await client.put(AT, json={**body(title="new"), "secrets": None})
    assert kept.json()["secrets"] == {"token": True}
    assert (await client.put(AT, json={**body(), "secrets": {}})).json()["secrets"] == {}


async def test_secrets_do_not_go_where_somebody_else_leads_them(client: Client) -> None:
    await client.put(AT, json=body())
    other = {**body(2), "secrets": None}
    refused = await client.put(AT, json=other)
    assert (refused.status_code, refused.json()["error"]["details"][0]["path"]) == (422, "/secrets")
    assert (await client.get(AT)).json()["settings"] == body()["settings"]
    assert (await client.put(AT, json={**other, "secrets": {"token": CANARY}})).status_code == 200
    assert (await client.put(AT, json={**other, "secrets": {}})).status_code == 200
    assert (await client.put(AT, json={**body(3), "secrets": None})).status_code == 200


async def test_a_form_that_is_stored_as_it_is_shown_changes_nothing(client: Client) -> None:
    await client.put(AT, json=body())
    types = {one["type"]: one for one in (await client.get("/api/v1/connection-types")).json()["items"]}
    assert not any("default" in field for type_ in types.values() for field in type_["fields"]["secrets"])
    shown = shown_by(types["rest"]["fields"]["settings"], body()["settings"])
    assert shown["auth"]["client"] == "header"
    stored = await client.put(AT, json={"type": "rest", "settings": shown})
    assert (stored.status_code, stored.json()["secrets"]) == (200, {"token": True}), stored.text
    other = {**shown, "auth": {**shown["auth"], "client": "body"}}
    assert (await client.put(AT, json={"type": "rest", "settings": other})).status_code == 422


def shown_by(fields: list[dict[str, Any]], value: dict[str, Any]) -> dict[str, Any]:
    """What a form sends for a value: that, and the defaults of its fields."""
    told = {each["key"]: each["default"] for each in fields if "default" in each} | value
    inner = {each["key"]: each["fields"] for each in fields if "fields" in each}
    return {key: shown_by(inner[key], each) if key in inner else each for key, each in told.items()}


async def test_pages_go_by_id(client: Client) -> None:
    for name in ("c", "a", "b"):
        assert (await client.put(f"/api/v1/connections/{name}", json=body())).status_code == 201
    first = (await client.get("/api/v1/connections", params={"limit": 2})).json()
    second = (await client.get("/api/v1/connections", params={"cursor": first["nextCursor"]})).json()
    assert [one["connectionId"] for one in first["items"] + second["items"]] == ["a", "b", "c"]
    assert second["nextCursor"] is None


@pytest.mark.parametrize(
    ("given", "path"),
    [
        ({"type": "telepathy"}, "/type"),
        ({"connectionId": "other"}, "/connectionId"),
        ({"settings": {}}, "/settings/baseUrl"),
        ({"settings": {"baseUrl": "ftp://x"}}, "/settings/baseUrl"),
        ({"secrets": {"tokn": "x"}}, "/secrets/tokn"),
        ({"secrets": {"token": 1}}, "/secrets/token"),
        ({"secrets": {"token": {"from": "nowhere"}}}, "/secrets/token"),
        ({"limits": {"rateLimit": "often"}}, "/limits/rateLimit"),
        ({"limits": {"maxConcurrent": 0}}, "/limits/maxConcurrent"),
        ({"allowedDefinitions": ["a b"]}, "/allowedDefinitions/0"),
        ({"unknown": 1}, "/unknown"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(client: Client, given: dict[str, Any], path: str) -> None:
    refused = await client.put(AT, json=body(**given))
    assert refused.status_code == 422, refused.text
    assert any(each["path"].startswith(path) for each in refused.json()["error"]["details"])
    assert CANARY not in refused.text
    assert (await client.get(AT)).status_code == 404


async def test_an_id_has_a_form(client: Client) -> None:
    assert (await client.put("/api/v1/connections/a%20b", json=body())).status_code == 422


async def test_the_types_are_told_with_their_schemas(client: Client) -> None:
    types = {one["type"]: one for one in (await client.get("/api/v1/connection-types")).json()["items"]}
    assert {"rest", "remote"} <= types.keys()
    assert types["rest"]["settings"]["properties"]["baseUrl"]
    assert types["rest"]["problem"] is None
    fields = types["rest"]["fields"]
    assert "baseUrl" in {field["key"] for field in fields["settings"]}
    assert {field["widget"] for field in fields["secrets"] if field["key"] in ("token", "password")} == {"password"}


async def test_what_has_to_be_given_comes_first_and_a_pem_keeps_its_lines(client: Client) -> None:
    types = {one["type"]: one for one in (await client.get("/api/v1/connection-types")).json()["items"]}
    assert types["database"]["fields"]["settings"][0]["label"] == "Address"
    for fields in (types[name]["fields"]["settings"] for name in ("database", "rest")):
        widgets = {field["key"]: field["widget"] for field in fields}
        assert (widgets["authorities"], widgets.get("url", widgets.get("baseUrl"))) == ("textarea", "text")
    (key,) = (field for field in types["database"]["fields"]["secrets"] if field["key"] == "key")
    assert key["widget"] == "textarea"
    settings = {field["key"]: field for field in types["rest"]["fields"]["settings"]}
    assert "help" not in settings["auth"], "what the code says of itself is not for who fills it in"
    labels = {field["label"] for name in ("database", "rest") for field in types[name]["fields"]["settings"]}
    assert {"TLS", "Base URL"} <= labels


async def test_the_limits_have_fields_too(client: Client) -> None:
    (rest, *_) = (each for each in (await client.get("/api/v1/connection-types")).json()["items"] if each["fields"])
    limits = {field["key"]: field for field in rest["fields"]["limits"]}
    assert limits.keys() == {"rateLimit", "maxConcurrent", "timeout"}
    assert limits["timeout"]["unit"] == "s"
    stored = await client.put(AT, json=body(limits={"rateLimit": None, "maxConcurrent": 3, "timeout": 2.5}))
    assert stored.json()["limits"] == {"maxConcurrent": 3, "timeout": 2.5}


async def test_a_test_tells_what_is_wrong(client: Client) -> None:
    async with receiving(answer("200 OK")) as server:
        await client.put(AT, json=body(server.port))
        told = (await client.post(f"{AT}/test")).json()
        assert (told["ok"], told["error"]) == (True, None)
        server.answer = answer("401 Unauthorized")
        told = (await client.post(f"{AT}/test")).json()
        assert (told["ok"], told["error"]["code"]) == (False, "INTEGRATION_ERROR")
    told = (await client.post(f"{AT}/test")).json()
    assert told["ok"] is False
    await client.put(AT, json={**body(), "secrets": {"token": {"from": "env:NOT_NAMED"}}})
    told = (await client.post(f"{AT}/test")).json()
    assert "TASKYARD_CONNECTION_ENV" in told["error"]["message"]


async def leased(client: Client, key: str = "call") -> dict[str, Any]:
    implementation = {"kind": "integration", "connectionId": "billing"}
    await define(client.services.engine, [parse_definition({"key": key, "implementation": implementation})])
    await client.create(key, {})
    return await client.lease("task-execution-integration", taskDefinitionIds=[key])


async def test_credentials_are_given_to_who_holds_the_lease_and_nobody_else(client: Client) -> None:
    await client.put(AT, json=body())
    message = await leased(client)
    path = "/api/internal/connections/billing/resolve"
    lease = {"taskId": message["taskId"], "leaseToken": message["leaseToken"]}
    told = await client.post(path, json=lease)
    assert (told.status_code, told.json()["secrets"]) == (200, {"token": CANARY})
    assert told.json()["settings"]["baseUrl"] == "http://127.0.0.1:1"

    async def refused(wanted: int, **changed: Any) -> None:
        headers = changed.pop("headers", None)
        found = await client.post(changed.pop("path", path), json={**lease, **changed}, headers=headers)
        assert found.status_code == wanted, found.text
        assert CANARY not in found.text

    *start, last = message["leaseToken"]
    await refused(409, leaseToken="".join([*start, "x" if last != "x" else "y"]))
    await refused(409, taskId="1")
    await refused(404, path="/api/internal/connections/other/resolve")
    await refused(403, headers=bearer("tasks:execute"))
    await refused(403, headers=bearer("service", "connections:manage"))
    await refused(409, headers=bearer("service", "tasks:execute", subject="eve"))
    await client.put("/api/v1/connections/other", json=body())
    await refused(403, path="/api/internal/connections/other/resolve")
    await client.put(AT, json=body(allowedDefinitions=["nobody"]))
    await refused(403)
    await client.put(AT, json=body())
    done = {"leaseToken": message["leaseToken"], "output": None}
    await client.post(f"/api/internal/queues/messages/{message['taskId']}/complete", json=done)
    await refused(409)


async def test_an_access_token_is_given_instead_of_a_refresh_token(client: Client) -> None:
    issued = json.dumps({"access_token": "an-access-token", "refresh_token": "the-next", "expires_in": 3600})
    async with receiving(answer(body=issued.encode(), **{"content-type": "application/json"})) as server:
        auth = {"type": "oauth2", "grant": "refresh_token", "tokenUrl": f"http://127.0.0.1:{server.port}/token"}
        settings = {"baseUrl": f"http://127.0.0.1:{server.port}", "auth": auth}
        secrets = {"clientId": "us", "clientSecret": CANARY, "refreshToken": CANARY}
        stored = await client.put(AT, json={"type": "rest", "settings": settings, "secrets": secrets})
        assert stored.status_code == 201, stored.text
        message = await leased(client)
        lease = {"taskId": message["taskId"], "leaseToken": message["leaseToken"]}
        for _ in range(2):
            told = await client.post("/api/internal/connections/billing/resolve", json=lease)
            assert told.json()["secrets"] == {"accessToken": "an-access-token"}
            assert CANARY not in told.text
            assert "the-next" not in told.text
        assert len(server.asked) == 1


async def test_credentials_that_are_not_to_be_had_are_not_said_to_have_been_given(client: Client) -> None:
    async with receiving(answer("400 Bad", CANARY.encode())) as server:
        auth = {"type": "oauth2", "grant": "refresh_token", "tokenUrl": f"http://127.0.0.1:{server.port}/token"}
        settings = {"baseUrl": f"http://127.0.0.1:{server.port}", "auth": auth}
        secrets = {"clientId": "us", "clientSecret": CANARY, "refreshToken": CANARY}
        await client.put(AT, json={"type": "rest", "settings": settings, "secrets": secrets})
        message = await leased(client)
        lease = {"taskId": message["taskId"], "leaseToken": message["leaseToken"]}
        with capture_logs() as said:
            told = await client.post("/api/internal/connections/billing/resolve", json=lease)
    assert told.status_code == 502, told.text
    assert CANARY not in told.text + repr(said)
    assert "credentials resolved" not in [each["event"] for each in said]


INVOKE = "/api/v1/integrations/billing/invoke"


async def test_a_call_without_a_task(client: Client) -> None:
    async with receiving(answer(body=b'{"id": 7}', content_type="application/json")) as server:
        await client.put(AT, json=body(server.port))
        call = {"operation": {"method": "POST", "path": "/x"}, "input": {"a": 1}, "response": "output.id"}
        told = await client.post(INVOKE, json={**call, "correlationId": "c-1", "idempotencyKey": "k-1"})
        assert (told.status_code, told.json()) == (200, {"output": 7, "correlationId": "c-1"})
        assert (server.asked[0].body, server.asked[0].headers["idempotency-key"]) == (b'{"a":1}', "k-1")
        server.answer = answer("404 Not Found")
        missing = await client.post(INVOKE, json=call)
        assert (missing.status_code, missing.json()["error"]["code"]) == (502, "INTEGRATION_ERROR")
        assert missing.json()["error"]["details"]["details"]["status"] == 404
        server.answer = answer("503 Busy", retry_after="7")
        busy = await client.post(INVOKE, json=call)
        assert (busy.status_code, busy.headers["retry-after"]) == (503, "7")


async def test_calls_keep_to_the_rate_that_tasks_keep_to(client: Client, yard: Taskyard) -> None:
    async with receiving(answer()) as server:
        await client.put(AT, json=body(server.port, limits={"rateLimit": "1/h"}))
        assert (await client.post(INVOKE, json={})).status_code == 200
        refused = await client.post(INVOKE, json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
        assert 3000 < int(refused.headers["retry-after"]) <= 3600
        assert server.accepted == 1
        assert await yard.engine.store.rate_opens_at(RateGate("connection/billing", parse_rate("1/h"))) > 0


async def test_no_more_are_called_at_once_than_the_connection_allows(client: Client) -> None:
    free, reached = asyncio.Event(), asyncio.Event()

    async def serve(asked: Asked, writer: Any) -> None:
        reached.set()
        await free.wait()
        writer.write(answer())
        await writer.drain()

    async with receiving(serve) as server:
        await client.put(AT, json=body(server.port, limits={"maxConcurrent": 1}))
        first = asyncio.create_task(client.post(INVOKE, json={}))
        await reached.wait()
        refused = await client.post(INVOKE, json={})
        assert (refused.status_code, refused.json()["error"]["code"]) == (429, "RATE_LIMITED")
        assert "1 calls are made at once" in refused.json()["error"]["message"]
        free.set()
        assert (await first).status_code == 200
        assert (await client.post(INVOKE, json={})).status_code == 200


async def test_what_is_not_called_at_all_uses_up_no_rate(client: Client, yard: Taskyard) -> None:
    store, gate = yard.engine.store, RateGate("connection/billing", parse_rate("1/h"))
    await client.put(AT, json=body(limits={"rateLimit": "1/h"}))
    opened = Breaker(era=1, opened_at=await store.now())
    await store.save_breaker("billing", BreakerRow(0, msgspec.json.encode(opened)))
    refused = await client.post(INVOKE, json={})
    assert refused.json()["error"]["code"] == "CIRCUIT_OPEN"
    assert (await store.begin_call([gate], 1)).call_id is not None


async def test_who_hangs_up_has_called_all_the_same(client: Client) -> None:
    reached = asyncio.Event()

    async def silent(asked: Asked, writer: Any) -> None:
        reached.set()
        await asyncio.Event().wait()

    async with receiving(silent) as server:
        await client.put(AT, json=body(server.port))
        with capture_logs() as logs:
            calling = asyncio.create_task(client.post(INVOKE, json={"correlationId": "c-1"}))
            await reached.wait()
            calling.cancel()
            await asyncio.gather(calling, return_exceptions=True)
    assert any("status=cancelled" in each["event"] for each in logs)
    assert [each["correlation"] for each in logs if each["event"] == "integration invoked"] == ["c-1"]


@pytest.mark.parametrize(
    "given",
    [
        {"operation": {"method": "STEAL"}}, {"request": "a b"}, {"timeout": 0}, {"unknown": 1}, {"input": "\0"},
        {"idempotencyKey": "taskyard-7"}, {"correlationId": "taskyard-7"},
    ],
)  # fmt: skip
async def test_a_call_that_is_none_is_refused(client: Client, given: dict[str, Any]) -> None:
    await client.put(AT, json=body())
    assert (await client.post(INVOKE, json=given)).status_code == 422
    assert (await client.post("/api/v1/integrations/other/invoke", json=given)).status_code == 404


async def test_who_may_call_is_said_by_the_connection(client: Client) -> None:
    async with receiving(answer()) as server:
        await client.put(AT, json=body(server.port, allowedCallers=["ada", "group:ops"]))

        async def status(*scopes: str, **who: Any) -> int:
            return (await client.post(INVOKE, json={}, headers=bearer(*scopes, **who))).status_code

        assert await status("tasks:write") == 200
        assert await status("tasks:write", subject="bob", groups=["ops"]) == 200
        assert await status("tasks:write", subject="bob") == 403
        assert await status("tasks:read") == 403
        assert await status("connections:manage", subject="bob") == 200


async def test_secrets_go_over_to_a_new_key(client: Client, yard: Taskyard) -> None:
    await client.put(AT, json=body())
    engine = yard.engine
    both = SecretBox(b"n" * 32, derive(yard.app.master_key, "secrets"))
    before = SharedByLinks(engine.store, yard.app.box, "billing")
    assert await before.get() == (0, None)
    assert await before.put(0, f'{{"refresh":"{CANARY}"}}'.encode())
    kept = await engine.store.kept("billing")
    assert kept is not None
    assert CANARY.encode() not in kept.content
    assert await renew_secrets(engine, both) == 1
    assert await renew_secrets(engine, both) == 0
    (row,) = await engine.store.connections_by_id(["billing"])
    assert SecretBox(b"n" * 32).open(row.secrets, "connection/billing")
    assert (await client.get(AT)).json()["secrets"] is None  # the old key alone does not open it any more
    after = SharedByLinks(engine.store, SecretBox(b"n" * 32), "billing")
    assert await after.get() == (2, f'{{"refresh":"{CANARY}"}}'.encode())
    with pytest.raises(ConfigurationError):  # as if it were not there, what a server may take once would be used again
        await before.get()
    assert (await client.put(AT, json=body())).status_code == 200
    assert await before.get() == (3, None)
    assert abs(await before.now() - await engine.store.now() / 1e6) < 60.0
