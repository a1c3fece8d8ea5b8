"""Subscriptions, deliveries, client apps: over HTTP."""

from typing import Any

import pytest

from taskyard.notify.webhooks.service import Webhooks
from tests.api.yard import Client, bearer
from tests.security.egress.receiver import answer, receiving

PUBLIC = "https://93.184.216.34/hook"


async def make(client: Client, status: int = 201, **fields: Any) -> dict[str, Any]:
    body = {"url": PUBLIC, "events": ["task.*"], **fields}
    made = await client.post("/api/v1/subscriptions", json=body)
    assert made.status_code == status, made.text
    return dict(made.json())


def paths(body: dict[str, Any]) -> list[str]:
    return [each["path"] for each in body["error"]["details"]]


async def test_one_is_made_shown_changed_and_removed(client: Client) -> None:
    made = await make(client, description="orders", clientAuth={"type": "bearer", "token": "canary"})
    assert made.pop("secret").startswith("whsec_")
    assert "canary" not in str(made)
    assert made == {
        "subscriptionId": made["subscriptionId"], "owner": "admin", "clientApp": None, "createdAt": made["createdAt"],
        "url": PUBLIC, "events": ["task.*"], "description": "orders", "clientAuth": {"type": "bearer"},
        "signature": "both", "filter": None, "enabled": True, "maxConcurrent": 8, "rateLimit": None,
        "failingSince": None, "lastError": None, "disabledAt": None, "disabledReason": None,
    }  # fmt: skip
    path = f"/api/v1/subscriptions/{made['subscriptionId']}"
    assert (await client.get(path)).json() == made
    assert (await client.get("/api/v1/subscriptions")).json() == {"items": [made], "nextCursor": None}
    changed = await client.patch(path, json={"events": ["task.failed"], "enabled": False})
    assert (changed.status_code, changed.json()) == (200, {**made, "events": ["task.failed"], "enabled": False})
    plain = await client.patch(path, json={"clientAuth": {}})
    assert plain.json()["clientAuth"] == {"type": "none"}
    rotated = (await client.post(f"{path}/rotate", json={"overlap": 5})).json()
    assert rotated["secret"].startswith("whsec_")
    assert (await client.post(f"{path}/rotate")).status_code == 200
    assert (await client.delete(path)).status_code == 204
    for method, verb in (("GET", ""), ("PATCH", ""), ("DELETE", ""), ("POST", "/rotate"), ("POST", "/test")):
        answer_ = await client.request(method, f"{path}{verb}", json={} if method == "PATCH" else None)
        assert (answer_.status_code, answer_.json()["error"]["code"]) == (404, "NOT_FOUND"), verb


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"url": "ftp://a.example"}, "/url"),
        ({"url": "http://127.0.0.1/"}, "/url"),
        ({"url": "http://169.254.169.254/latest"}, "/url"),
        ({"url": "http://10.0.0.1/"}, "/url"),
        ({"url": "http://[fe80::1]/"}, "/url"),
        ({"url": "http://localhost:9000/"}, "/url"),
        ({"url": "http://user:pass@93.184.216.34/"}, "/url"),
        ({"events": []}, "/events"),
        ({"events": ["task.complete"]}, "/events/0"),
        ({"filter": "]"}, "/filter"),
        ({"signature": "none"}, "/signature"),
        ({"maxConcurrent": 0}, "/maxConcurrent"),
        ({"rateLimit": "1"}, "/rateLimit"),
        ({"clientAuth": {"type": "basic"}}, "/clientAuth/username"),
        ({"clientAuth": {"type": "bearer", "token": "a\nb"}}, "/clientAuth/token"),
        ({"clientAuth": {"type": "mtls", "certificate": "x", "privateKey": "y"}}, "/clientAuth/certificate"),
        ({"secret": "whsec_x"}, "/secret"),
    ],
)
async def test_what_is_wrong_is_told_with_its_place(client: Client, fields: dict[str, Any], path: str) -> None:
    assert paths(await make(client, status=422, **fields)) == [path]
    id_ = (await make(client))["subscriptionId"]
    changed = await client.patch(f"/api/v1/subscriptions/{id_}", json=fields)
    assert (changed.status_code, paths(changed.json())) == (422, [path])


async def test_everybody_has_their_own(client: Client) -> None:
    ada, bob = (bearer("webhooks:manage", subject=name) for name in ("ada", "bob"))
    body = {"url": PUBLIC, "events": ["*"]}
    id_ = (await client.post("/api/v1/subscriptions", json=body, headers=ada)).json()["subscriptionId"]
    assert (await client.get("/api/v1/subscriptions", headers=bob)).json()["items"] == []
    assert (await client.get(f"/api/v1/subscriptions/{id_}", headers=bob)).status_code == 404
    assert (await client.patch(f"/api/v1/subscriptions/{id_}", json={}, headers=bob)).status_code == 404
    assert [one["owner"] for one in (await client.get("/api/v1/subscriptions")).json()["items"]] == ["ada"]
    secrets = {(await client.get("/api/v1/callbacks/secret", headers=who)).json()["secret"] for who in (ada, bob)}
    assert len(secrets) == 2


async def test_deliveries_are_listed_shown_and_sent_again(client: Client) -> None:
    engine, outside = client.services.engine, client.services.outside
    async with receiving(answer("500 No")) as receiver:
        outside = outside._replace(check_url=_pass)
        object.__setattr__(client.services, "outside", outside)
        made = await make(client, url=f"http://localhost:{receiver.port}", events=["task.created"])
        task_id = await client.create("sums", {"a": 1, "b": 2})
        webhooks = Webhooks(engine, lambda: outside, client.services.egress)
        await webhooks.turn()
        await webhooks.stop()
        query = f"subscriptionId={made['subscriptionId']}&status=RETRYING,DEAD&taskId={task_id}&event=task.created"
        (one,) = (await client.get(f"/api/v1/deliveries?{query}")).json()["items"]
        assert (one["event"], one["status"], one["taskId"]) == ("task.created", "RETRYING", task_id)
        assert one["nextAttemptAt"] is not None
        assert one["attempts"][0]["error"]
        assert (await client.get("/api/v1/deliveries?status=DELIVERED")).json()["items"] == []
        shown = (await client.get(f"/api/v1/deliveries/{one['deliveryId']}")).json()
        assert shown["payload"]["data"]["taskId"] == task_id
        again = await client.post(f"/api/v1/deliveries/{one['deliveryId']}/redeliver")
        assert (again.status_code, again.json()["error"]["code"]) == (409, "CONFLICT")
        await client.delete(f"/api/v1/subscriptions/{made['subscriptionId']}")
        gone = await client.post("/api/v1/deliveries/redeliver", json={"filter": {"status": ["DEAD"]}})
        assert (gone.status_code, gone.json()) == (202, {"count": 0})
    other = bearer("webhooks:manage", subject="bob")
    assert (await client.get(f"/api/v1/deliveries/{one['deliveryId']}", headers=other)).status_code == 404
    for wrong in ("status=GONE", "taskId=x", "createdAfter=yesterday", "limit=0", "unheard=1"):
        assert (await client.get(f"/api/v1/deliveries?{wrong}")).status_code == 422, wrong


async def test_a_client_app_subscribes_with_its_key(client: Client) -> None:
    made = (await client.post("/api/v1/client-apps", json={"clientName": "shop"})).json()
    assert made["apiKey"].startswith("shop-")
    mine = {"x-api-key": made["apiKey"], "x-api-secret": made["apiSecret"], "Authorization": ""}
    body = {"url": PUBLIC, "key": "task-completed"}
    first = await client.post("/api/v1/webhooks/subscribe", json=body, headers=mine)
    again = await client.post("/api/v1/webhooks/subscribe", json=body, headers=mine)
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    assert (first.json()["events"], first.json()["clientApp"]) == (["task-completed"], made["apiKey"])
    for wrong in (
        {},
        {"x-api-key": made["apiKey"]},
        {**mine, "x-api-secret": "whsec_x"},
        {**mine, "x-api-key": "shop-x"},
    ):
        refused = await client.post("/api/v1/webhooks/subscribe", json={"nonsense": 1}, headers=wrong)
        assert refused.status_code == 401
    private = await client.post("/api/v1/webhooks/subscribe", json={**body, "url": "http://10.0.0.1"}, headers=mine)
    assert (private.status_code, paths(private.json())) == (422, ["/url"])
    listed = (await client.get("/api/v1/client-apps")).json()["items"]
    assert [app["apiKey"] for app in listed] == [made["apiKey"]]
    assert made["apiSecret"] not in str(listed)
    assert (await client.delete(f"/api/v1/client-apps/{made['apiKey']}")).status_code == 204
    assert (await client.get("/api/v1/subscriptions")).json()["items"] == []
    assert (await client.post("/api/v1/webhooks/subscribe", json=body, headers=mine)).status_code == 401
    assert (await client.post("/api/v1/client-apps", json={"clientName": "a b"})).status_code == 422


async def test_a_test_ping_tells_what_came_of_it(client: Client) -> None:
    async with receiving(answer("202 Accepted", body=b"thanks")) as receiver:
        object.__setattr__(client.services, "outside", client.services.outside._replace(check_url=_pass))
        made = await make(client, url=f"http://127.0.0.1:{receiver.port}")
        pinged = (await client.post(f"/api/v1/subscriptions/{made['subscriptionId']}/test")).json()
    assert (pinged["event"], pinged["status"]) == ("webhook.ping", "DEAD")
    assert "may not be reached" in pinged["attempts"][0]["error"]
    assert receiver.accepted == 0


async def _pass(url: str, path: str) -> str:
    del path
    return url
