"""What the documents promise of webhooks and callbacks, at a yard that works and keeps its own time."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

from taskyard import Context, Taskyard, verify_webhook
from taskyard.engine.deliveries import tries_of
from taskyard.errors import Unauthorized
from taskyard.security.egress.client import Egress
from taskyard.security.webhooks import new_secret, signed_headers
from tests.promises.fixtures_b import new_yard, working
from tests.security.egress.certificates import Authority
from tests.security.egress.receiver import Asked, Receiver, answer, receiving
from tests.servers.ports import free_port
from tests.support import eventually
from tests.webhooks.post import Post

TAKEN = answer("204 No Content")


@pytest.fixture
def yard(tmp_path: Path) -> Taskyard:
    made = new_yard(tmp_path, TASKYARD_EGRESS_ALLOW=("127.0.0.0/8", "localhost"))

    @made.task
    async def add(a: int, b: int) -> int:
        return a + b

    @made.task(retry=1, retry_delay=lambda count: 0)
    async def second_time(ctx: Context) -> int:
        if ctx.attempt == 1:
            raise RuntimeError("not yet")
        return ctx.attempt

    @made.task(retry=0)
    async def broken() -> None:
        raise RuntimeError("for good")

    return made


def bodies(receiver: Receiver) -> list[dict[str, Any]]:
    return [json.loads(asked.body) for asked in receiver.asked]


def words(receiver: Receiver) -> list[str]:
    return [body["type"].rpartition(".")[2] for body in bodies(receiver)]


async def arrived(receiver: Receiver, count: int) -> None:
    await eventually(lambda: len(receiver.asked) >= count)


async def test_an_endpoint_is_told_of_each_change_in_order(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Overview: a webhook endpoint hears of each change of state, in order."""
    async with receiving(TAKEN) as receiver, working(yard) as client:
        body = {"url": f"http://127.0.0.1:{receiver.port}", "events": ["task.*"]}
        assert (await client.post("/api/v1/subscriptions", json=body)).status_code == 201
        await client.create("second_time")
        await arrived(receiver, 5)
    assert words(receiver) == ["created", "started", "retry", "started", "completed"]
    sequences = [each["sequence"] for each in bodies(receiver)]
    assert sequences == sorted(sequences)


async def _authenticated(post: Post, url: str, auth: dict[str, Any]) -> dict[str, Any]:
    row, _ = await post.subscribe(url, clientAuth=auth)
    await post.start()
    await post.settle()
    (delivery,) = await post.deliveries(endpoint=row.id)
    return tries_of(delivery)[-1]


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"type": "basic", "username": "ada", "password": "p:w"}, "Basic YWRhOnA6dw=="),
        ({"type": "bearer", "token": "t0ken"}, "Bearer t0ken"),
        ({"type": "none"}, None),
    ],
)
async def test_a_subscription_proves_itself_by_a_header(
    yard: Taskyard, auth: dict[str, Any], expected: str | None
) -> None:
    """sourceloop-task-service.md § Overview: basic and bearer authentication towards the receiver."""
    async with receiving(TAKEN) as receiver, yard:
        tried = await _authenticated(await Post.on(yard, None), f"http://127.0.0.1:{receiver.port}", auth)
    assert tried["status"] == 204
    assert receiver.asked[0].headers.get("authorization") == expected


async def test_a_subscription_proves_itself_by_oauth_2(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Overview: OAuth 2 client credentials, the token asked for once."""
    granted = 0

    async def grant(asked: Asked, writer: asyncio.StreamWriter) -> None:
        nonlocal granted
        granted += 1
        assert parse_qs(asked.body.decode()) == {"grant_type": ["client_credentials"], "scope": ["hooks"]}
        assert asked.headers["authorization"].startswith("Basic ")
        writer.write(answer(body=json.dumps({"access_token": f"token-{granted}", "expires_in": 3600}).encode()))

    async with receiving(grant) as issuer, receiving(TAKEN) as receiver, yard:
        post = await Post.on(yard, None)
        url = f"http://127.0.0.1:{issuer.port}/token"
        auth = {"type": "oauth2", "tokenUrl": url, "clientId": "a", "clientSecret": "b", "scope": "hooks"}
        await post.subscribe(f"http://127.0.0.1:{receiver.port}", clientAuth=auth, maxConcurrent=1)
        await post.start(3)
        await post.settle()
        assert granted == 1
        assert {asked.headers["authorization"] for asked in receiver.asked} == {"Bearer token-1"}
        receiver.answer = answer("401 Unauthorized")
        await post.start()
        await post.settle()
        receiver.answer = TAKEN
        await post.start()
        await post.settle()
    assert receiver.asked[-1].headers["authorization"] == "Bearer token-2"


async def test_a_subscription_proves_itself_by_a_certificate(yard: Taskyard, tmp_path: Path) -> None:
    """sourceloop-task-service.md § Overview: mutual TLS towards the receiver."""
    authority = Authority()
    certificate, key = authority.issue("taskyard")
    file = tmp_path / "authority.pem"
    file.write_text(authority.pem)
    server = authority.server("localhost", tmp_path, asks=True)
    async with receiving(TAKEN, tls=server) as receiver, yard:
        trusting = Egress(yard.app.egress.guard, tls=ssl.create_default_context(cadata=authority.pem))
        plain = Egress.with_tls

        def with_tls(self: Egress, tls: ssl.SSLContext) -> Egress:
            tls.load_verify_locations(cadata=authority.pem)
            return plain(self, tls)

        patch = pytest.MonkeyPatch()
        patch.setattr(Egress, "with_tls", with_tls)
        post = await Post.on(yard, None, trusting)
        url = f"https://localhost:{receiver.port}"
        refused = await _authenticated(post, url, {"type": "none"})
        taken = await _authenticated(post, url, {"type": "mtls", "certificate": certificate, "privateKey": key})
        patch.undo()
        await post.dispatcher.stop()
        await trusting.aclose()
    assert (refused["status"], taken["status"]) == (None, 204)


async def test_an_external_system_is_told_of_completions_without_polling(yard: Taskyard) -> None:
    """sourceloop-task-service.md § Best Practices › Do:: webhooks for external systems, which need not poll."""
    async with receiving(TAKEN) as receiver, working(yard) as client:
        app = (await client.post("/api/v1/client-apps", json={"clientName": "shop"})).json()
        mine = {"x-api-key": app["apiKey"], "x-api-secret": app["apiSecret"]}
        body = {"url": f"http://127.0.0.1:{receiver.port}", "key": "task-completed"}
        assert (await client.post("/api/v1/webhooks/subscribe", json=body, headers=mine)).status_code == 201
        task_id = await client.create("add", {"a": 1, "b": 2})
        await arrived(receiver, 1)
    asked = receiver.asked[0]
    event = verify_webhook(asked.body, asked.headers, app["apiSecret"])
    assert (event["data"]["taskId"], event["data"]["outputSummary"]) == (task_id, {"value": 3})


def test_what_is_not_genuine_is_refused() -> None:
    """sourceloop-task-service.md § Best Practices › Don't:: a body, a secret, a signature or a time that is wrong."""
    secret, body = new_secret(), b'{"n": 1}'
    for form in ("webhook-", "x-task-"):
        headers = {
            name: value
            for name, value in signed_headers([secret], "id", int(time.time() * 1e6), body, both=True).items()
            if name.startswith(form)
        }
        assert verify_webhook(body, headers, secret) == {"n": 1}
        now = time.time()
        wrong: list[tuple[bytes, dict[str, str], str, float]] = [
            (b'{"n": 2}', headers, secret, now),
            (body, headers, new_secret(), now),
            (body, {}, secret, now),
            (body, headers, secret, now + 301),
            (body, headers, secret, now - 301),
        ]
        for sent, told, key, at in wrong:
            with pytest.raises(Unauthorized):
                verify_webhook(sent, told, key, now=at)


async def test_a_callback_reports_how_a_task_ended_until_it_is_accepted(yard: Taskyard) -> None:
    """internal-interfaces.md § Task Queue Interface › Workflow Orchestrator Integration: status is reported back."""
    async with receiving(answer("503 Later")) as receiver, working(yard) as client:
        secret = (await client.get("/api/v1/callbacks/secret")).json()["secret"]
        fields = {"callbackUrl": f"http://127.0.0.1:{receiver.port}/back", "workflowId": "w7", "correlationId": "c9"}
        done = await client.create("add", {"a": 1, "b": 2}, **fields)
        await arrived(receiver, 1)
        receiver.answer = TAKEN
        await arrived(receiver, 2)
        failed = await client.create("broken", **fields)
        await arrived(receiver, 3)
    told = [verify_webhook(asked.body, asked.headers, secret) for asked in receiver.asked]
    common = {"workflowId": "w7", "correlationId": "c9"}
    assert told[0] == told[1] == {"taskId": done, "status": "COMPLETED", "output": 3, **common}
    error = told[2].pop("error")
    assert told[2] == {"taskId": failed, "status": "FAILED", **common}
    assert (error["code"], error["message"]) == ("EXECUTION_ERROR", "RuntimeError: for good")


async def test_what_an_orchestrator_missed_is_delivered_in_order_when_it_is_back(yard: Taskyard) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: status updates are kept and delivered later."""
    port = free_port()
    async with working(yard) as client:
        body = {"url": f"http://127.0.0.1:{port}", "events": ["*"]}
        made = (await client.post("/api/v1/subscriptions", json=body)).json()
        task_id = await client.create("second_time")
        await client.until(task_id, "COMPLETED")

        async def failing() -> bool:
            shown = await client.get(f"/api/v1/subscriptions/{made['subscriptionId']}")
            return shown.json()["failingSince"] is not None

        await eventually(failing)
        async with receiving(TAKEN, port=port) as back:
            await arrived(back, 5)
    assert words(back) == ["created", "started", "retry", "started", "completed"]


async def test_triggers_names_may_be_subscribed(yard: Taskyard) -> None:
    """live-change-tasks.md § Trigger flow: other services are told under the same three forms of name."""
    async with receiving(TAKEN) as receiver, working(yard) as client:
        for name in ("taskDone", "taskAddDone", "order_9OwnedTaskAddDone"):
            body = {"url": f"http://127.0.0.1:{receiver.port}/{name}", "events": [name]}
            assert (await client.post("/api/v1/subscriptions", json=body)).status_code == 201
        await client.create("add", {"a": 1, "b": 2}, causeType="order", cause="9")
        await client.create("second_time")
        await arrived(receiver, 4)
    heard = sorted(asked.target for asked in receiver.asked)
    assert heard == ["/order_9OwnedTaskAddDone", "/taskAddDone", "/taskDone", "/taskDone"]
