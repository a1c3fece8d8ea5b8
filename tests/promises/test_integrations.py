"""What the source documents promise of integrations: connections, calls over them, and what holds while they fail."""

from __future__ import annotations

import base64
import itertools
import json
import logging
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from taskyard import TaskFailed, Taskyard
from taskyard.contracts.integration import Answer, Call, OpenConnection
from taskyard.domain.connection import Connection
from taskyard.domain.lifecycle import State
from taskyard.domain.schema import compile_schema
from taskyard.engine.connections import put_connection
from taskyard.engine.events import read_page
from taskyard.engine.query import get_task
from taskyard.engine.why import why
from taskyard.settings import load
from tests.api.yard import Client, bearer
from tests.connecting import CANARY, JSON, connect, is_in, lines, offer, replying
from tests.promises.yard import client_of, make_yard
from tests.security.egress.receiver import Asked, answer, receiving
from tests.support import eventually

AT = "/api/v1/connections/billing"
NO_RETRY = {"maxRetries": 0}


@pytest.fixture
async def yard(tmp_path: Path) -> AsyncIterator[Taskyard]:
    made = make_yard(tmp_path, TASKYARD_EGRESS_ALLOW=("127.0.0.1",))
    async with made.worker():
        yield made


@pytest.fixture
async def client(yard: Taskyard) -> AsyncIterator[Client]:
    async with client_of(yard) as made:
        yield made


def connection(port: int, **more: Any) -> dict[str, Any]:
    settings = {"baseUrl": f"http://127.0.0.1:{port}", "auth": {"type": "bearer"}}
    return {"type": "rest", "settings": settings, "secrets": {"token": CANARY}, **more}


async def failed(yard: Taskyard, key: str = "there", input: Any = None) -> dict[str, Any]:
    run = await yard.start(key, {} if input is None else input)
    with pytest.raises(TaskFailed):
        await run.result()
    task = await get_task(yard.engine, int(run.id))
    return {**(task.error or {}), "retryCount": task.retry_count}


async def test_an_operation_is_executed_without_a_task(client: Client) -> None:
    """internal-interfaces.md § Integration Service Interface › Integration Execution: `POST
    /api/v1/integrations/{connectionId}/invoke` executes an operation on an external system and answers its result.
    """
    async with receiving(answer(body=b'{"total": 3}', **JSON)) as server:
        await client.put(AT, json=connection(server.port))
        call = {"operation": {"method": "POST", "path": "/add"}, "input": {"a": 1, "b": 2}}
        told = await client.post("/api/v1/integrations/billing/invoke", json=call)
        assert (told.status_code, told.json()["output"]) == (200, {"total": 3})
        assert server.asked[0].body == b'{"a":1,"b":2}'


async def test_connections_are_managed_over_rest(client: Client) -> None:
    """internal-interfaces.md § Integration Service Interface › Integration Execution: connections can be created,
    read, changed, tested and removed over REST, their secrets written but never read back.
    """
    async with receiving(answer()) as server:
        answers = [
            await client.put(AT, json=connection(server.port)),
            await client.get(AT),
            await client.get("/api/v1/connections"),
            await client.put(AT, json={**connection(server.port), "title": "Billing"}),
            await client.post(f"{AT}/test"),
            await client.delete(AT),
        ]
        assert [each.status_code for each in answers] == [201, 200, 200, 200, 200, 204]
        assert answers[4].json()["ok"]
        assert all(CANARY not in each.text for each in answers)


async def test_credentials_are_for_who_holds_a_lease(tmp_path: Path) -> None:
    """internal-interfaces.md § Integration Service Interface › Integration Execution: `POST
    /api/internal/connections/{id}/resolve` gives credentials to the holder of a live lease of a task that uses the
    connection, to nobody else, and records it.
    """
    yard = make_yard(tmp_path)
    async with yard, client_of(yard) as client:
        await connect(yard, 1)
        await offer(yard, {})
        await client.create("there", {})
        message = await client.lease("task-execution-integration")
        path = "/api/internal/connections/billing/resolve"
        lease = {"taskId": message["taskId"], "leaseToken": message["leaseToken"]}
        with capture_logs() as logs:
            told = await client.post(path, json=lease)
        assert told.json()["secrets"] == {"token": CANARY}
        (said,) = [each for each in logs if each["event"] == "credentials resolved"]
        assert (said["connection"], said["task"]) == ("billing", message["taskId"])
        other = await client.post(path, json=lease, headers=bearer("service", "tasks:execute", subject="eve"))
        await client.post(f"/api/internal/tasks/{message['taskId']}/cancel")
        late = await client.post(path, json=lease)
        assert (other.status_code, late.status_code) == (409, 409)
        assert CANARY not in other.text + late.text


async def test_a_rest_task(yard: Taskyard) -> None:
    """internal-interfaces.md § Integration Service Interface › Integration Types: a REST task sends its parameters
    over HTTP or HTTPS and its parsed answer becomes the output.
    """
    async with receiving(answer(body=b'{"id": 7}', **JSON)) as server:
        await connect(yard, server.port)
        await offer(yard, {"method": "POST", "path": "/customers", "query": {"dry": "{dry}"}})
        assert await (await yard.start("there", {"name": "ada", "dry": True})).result() == {"id": 7}
        (asked,) = server.asked
        assert (asked.method, asked.target) == ("POST", "/customers?dry=true")
        assert json.loads(asked.body) == {"name": "ada", "dry": True}


class Custom:
    """A type of somebody else's."""

    name = "custom"
    settings: ClassVar[Any] = {"type": "object", "properties": {"greeting": {}}, "additionalProperties": False}
    secrets: ClassVar[Any] = {"type": "object", "properties": {"token": {}}, "additionalProperties": False}
    operation: ClassVar[Any] = {"type": "object", "properties": {"loud": {}}, "additionalProperties": False}

    def __init__(self, house: object) -> None:
        del house

    async def open(self, connection: OpenConnection) -> Custom:
        self.connection = connection
        return self

    def target(self, call: Call) -> str:
        del call
        return "GREET"

    async def call(self, call: Call) -> Answer:
        text = f"{self.connection.settings['greeting']} {call.body['name']}, by {self.connection.secrets['token']}"
        return Answer("ok", text.upper() if call.operation.get("loud") else text)

    async def test(self) -> None: ...

    async def close(self) -> None: ...


async def test_a_custom_type(yard: Taskyard, monkeypatch: pytest.MonkeyPatch) -> None:
    """internal-interfaces.md § Integration Service Interface › Integration Types: a custom connection type found by
    entry point receives its parameters and returns its response under the same rules as the built-in types.
    """
    from importlib.metadata import EntryPoint

    point = EntryPoint("custom", f"{__name__}:Custom", "taskyard.connection_types")
    monkeypatch.setattr(point.__class__, "load", lambda self: Custom)
    yard.app.types.__dict__["_points"] = {"custom": point}
    greeting = Connection(connection_id="billing", type="custom", settings={"greeting": "hello"})
    await put_connection(yard.engine, yard.app.box, greeting, {"token": CANARY})
    await offer(yard, {"loud": False}, response="{told: output}")
    assert await (await yard.start("there", {"name": "ada"})).result() == {"told": "hello ada, by ***"}


async def test_a_remote_integration_service_executes(tmp_path: Path) -> None:
    """internal-interfaces.md § Direct Service Calls: with `TASKYARD_INTEGRATION_SERVICE_URL` set, an integration task
    is executed by `POST /api/integrations/{id}/invoke` there.
    """
    async with receiving(answer(body=b'{"output": 5}', **JSON)) as server:
        yard = make_yard(tmp_path, TASKYARD_INTEGRATION_SERVICE_URL=f"http://127.0.0.1:{server.port}")
        async with yard.worker():
            await remote(yard)
            assert await (await yard.start("there", {"a": 1})).result() == 5
        assert server.asked[0].target == "/api/integrations/crm/invoke"


async def remote(yard: Taskyard) -> None:
    crm = Connection(connection_id="billing", type="remote", settings={"integrationId": "crm"})
    await put_connection(yard.engine, yard.app.box, crm, {"token": CANARY})
    await offer(yard, {"do": "it"}, retryPolicy={"maxRetries": 0, "initialDelay": 0.01})


async def test_requests_wait_while_the_integration_service_is_away(tmp_path: Path) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: with the integration service unreachable, its
    requests wait here, burn no retries, and run when it is back.
    """
    async with receiving(answer("503 Away")) as server:
        yard = make_yard(tmp_path, TASKYARD_INTEGRATION_SERVICE_URL=f"http://127.0.0.1:{server.port}")
        async with yard.worker():
            await remote(yard)
            run = await yard.start("there", {})
            await eventually(lambda: len(server.asked) >= 2)
            assert (await get_task(yard.engine, int(run.id))).retry_count == 0
            server.answer = answer(body=b'{"output": 5}', **JSON)
            assert await run.result() == 5


async def test_our_own_and_the_services_connections_stand_side_by_side(tmp_path: Path) -> None:
    """task-execution-layer.md § Interfaces › Input Interfaces: configuration and credentials of integrations are
    taken from connections that are managed here; where an integration service is set, it executes the task and ours
    waits for its answer.
    """
    async with receiving(answer("202 Accepted")) as server:
        yard = make_yard(tmp_path, TASKYARD_INTEGRATION_SERVICE_URL=f"http://127.0.0.1:{server.port}")
        async with yard.worker(), client_of(yard) as client:
            await remote(yard)
            run = await yard.start("there", {})
            await eventually(lambda: is_in(yard, run.id, State.WAITING))
            payload = {"taskId": run.id, "output": "done"}
            event = {"key": "integration.response_received", "source": "s", "description": "d", "payload": payload}
            assert (await client.post("/api/v1/events/trigger", json=event)).status_code == 202
            assert await run.result() == "done"


async def test_credentials_never_are_in_the_task(yard: Taskyard) -> None:
    """task-execution-layer.md § Key Components › Automated Task Executor: an automated flow can use an external
    service through a connection, with its credentials never in the task.
    """
    async with receiving(answer(body=b"1", **JSON)) as server:
        await connect(yard, server.port)
        await offer(yard, {})
        run = await yard.start("there", {})
        await run.result()
        assert server.asked[0].headers["authorization"] == f"Bearer {CANARY}"
        facts = await yard.engine.store.facts([int(run.id)])
        assert CANARY not in repr(facts)
        assert CANARY not in repr(await yard.engine.store.versions("there"))


WAYS: list[tuple[dict[str, Any], dict[str, str], str]] = [
    ({"type": "basic"}, {"username": "ada", "password": "secret"}, "Basic YWRhOnNlY3JldA=="),
    ({"type": "bearer"}, {"token": "secret"}, "Bearer secret"),
    ({"type": "apiKey", "name": "Authorization"}, {"apiKey": "secret"}, "secret"),
]


@pytest.mark.parametrize(("auth", "secrets", "shown"), WAYS)
async def test_ways_to_authenticate(yard: Taskyard, auth: dict[str, Any], secrets: dict[str, str], shown: str) -> None:
    """task-execution-layer.md § Key Components › Integration Task Executor: external services are authenticated to by
    basic, bearer, API key, OAuth 2, mutual TLS or AWS signature, as the connection says. The others are in
    tests/executors/integration/test_rest.py.
    """
    async with receiving(answer(body=b"1", **JSON)) as server:
        settings = {"baseUrl": f"http://127.0.0.1:{server.port}", "auth": auth}
        made = Connection(connection_id="billing", type="rest", settings=settings)
        await put_connection(yard.engine, yard.app.box, made, dict(secrets))
        await offer(yard, {})
        await (await yard.start("there", {})).result()
        assert server.asked[0].headers["authorization"] == shown


async def test_mapping_by_expressions(yard: Taskyard) -> None:
    """task-execution-layer.md § Key Components › Integration Task Executor: input is mapped to the request and the
    response to the output by expressions of the definition, without code evaluation.
    """
    async with receiving(answer(body=b'{"data": [{"id": 1}, {"id": 2}]}', **JSON)) as server:
        await connect(yard, server.port)
        await offer(yard, {"method": "POST"}, request="{who: input.name}", response="{ids: output.data[].id}")
        assert await (await yard.start("there", {"name": "__import__('os')"})).result() == {"ids": [1, 2]}
        assert json.loads(server.asked[0].body) == {"who": "__import__('os')"}


async def test_failures_become_errors_and_back(yard: Taskyard) -> None:
    """task-execution-layer.md § Key Components › Integration Task Executor: failures of the external service become
    an error with code, message and whether it may be retried; an error expression can turn an answer into a failure
    or back.
    """

    def reply(asked: Asked) -> bytes:
        return answer("404 Not Found" if asked.target == "/missing" else "200 OK", b'{"state": "rejected"}', **JSON)

    async with receiving(replying(reply)) as server:
        await connect(yard, server.port)
        await offer(yard, {"path": "/missing"})
        error = await failed(yard)
        assert (error["code"], error["retryable"], error["details"]["status"]) == ("INTEGRATION_ERROR", False, 404)
        await offer(yard, {"path": "/missing"}, errorExpression="status == `404` && {output: 'none'}")
        assert await (await yard.start("there", {})).result() == "none"
        await offer(yard, {}, errorExpression="output.state == 'rejected' && {code: 'REJECTED', message: 'no'}")
        error = await failed(yard)
        assert (error["code"], error["message"]) == ("REJECTED", "no")


async def test_transient_failures_are_retried_and_permanent_ones_not(yard: Taskyard) -> None:
    """task-execution-layer.md § Key Components › Integration Task Executor: transient failures are retried with
    back-off and a `Retry-After` is obeyed without burning a retry; permanent ones are not retried.
    """
    replies = [answer("503 x", retry_after="0"), answer("500 x"), answer("400 x")]
    async with receiving(replying(lambda asked: replies.pop(0))) as server:
        await connect(yard, server.port)
        await offer(yard, {}, retryPolicy={"maxRetries": 5, "initialDelay": 0})
        error = await failed(yard)
        assert (error["details"]["status"], error["retryCount"]) == (400, 1)
        assert not replies


async def test_settings_have_a_schema_per_type(client: Client) -> None:
    """task-execution-layer.md § Data Model: integration settings have a schema per connection type, from which their
    form is made.
    """
    types = (await client.get("/api/v1/connection-types")).json()["items"]
    assert {"rest", "remote"} <= {one["type"] for one in types}
    for one in types:
        if one["problem"] is None:
            for name in ("settings", "secrets", "operation"):
                compile_schema(one[name])


async def test_a_breaker_stops_calls_to_what_fails(yard: Taskyard) -> None:
    """task-execution-layer.md § Operational Considerations › Resilience: calls to an external system stop behind a
    breaker when 30 % of at least 10 calls in 60 s fail; its tasks wait with the reason in `why` and burn no retries.
    """
    replies = [answer("500 x")] * 3
    reply = replying(lambda asked: replies.pop() if replies else answer(body=b"1", **JSON))
    async with receiving(reply) as server:
        await connect(yard, server.port)
        await offer(yard, {}, retryPolicy=NO_RETRY)
        for _ in range(7):
            replies.insert(0, answer(body=b"1", **JSON))
        for _ in range(10):
            run = await yard.start("there", {})
            await eventually(lambda run=run: has_ended(yard, run.id))
        waiting = await yard.start("there", {})
        told = await eventually(lambda: why_open(yard, waiting.id))
        assert told["openCircuit"] == "billing"
        assert (await get_task(yard.engine, int(waiting.id))).retry_count == 0
        assert server.accepted == 10


async def has_ended(yard: Taskyard, task_id: str) -> bool:
    return (await get_task(yard.engine, int(task_id))).status in (State.COMPLETED, State.FAILED)


async def why_open(yard: Taskyard, task_id: str) -> dict[str, Any]:
    told = await why(yard.engine, int(task_id))
    return told if told.get("openCircuit") else {}


async def test_credentials_are_found_nowhere(
    yard: Taskyard, client: Client, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """task-execution-layer.md § Security: credentials are encrypted at rest, resolved only for a live lease, and
    appear in no log, event, error, export or page.
    """

    def echo(asked: Asked) -> bytes:
        told = json.dumps({"headers": asked.headers, "target": asked.target}).encode()
        return answer("400 Bad" if asked.target.startswith("/bad") else "200 OK", told, x_echo=CANARY, **JSON)

    with caplog.at_level(logging.DEBUG):
        async with receiving(replying(echo)) as server:
            key = {"type": "apiKey", "name": "key", "in": "query"}
            basic = {"username": "us", "password": CANARY}
            for auth, secrets in (
                ({"type": "bearer"}, {"token": CANARY}),
                (key, {"apiKey": CANARY}),
                ({"type": "basic"}, basic),
            ):
                settings = {"baseUrl": f"http://127.0.0.1:{server.port}", "auth": auth}
                made = Connection(connection_id="billing", type="rest", settings=settings, log_bodies=True)
                await put_connection(yard.engine, yard.app.box, made, dict(secrets))
                for name, path in (("good", "/good"), ("bad", "/bad"), ("away", "/away")):
                    await offer(yard, {"path": path, "method": "POST"}, key=name, retryPolicy=NO_RETRY)
                run = await yard.start("good", {})
                await run.result()
                error = await failed(yard, "bad")
                await client.post(f"{AT}/test")
                await client.post("/api/v1/integrations/billing/invoke", json={"operation": {"path": "/bad"}})
                await eventually(lambda run=run: lines(yard, run.id))
                assert not sees(json.dumps(error))
            failing = await yard.start("bad", {})
            await eventually(lambda: has_ended(yard, failing.id))
            paths = [*await all_that_is_read(client, run.id), *await all_that_is_read(client, failing.id)]
            shown = [await client.get(path) for path in dict.fromkeys(paths)]
        assert len([each for each in shown if each.status_code == 200]) > 60
        assert all(each.status_code < 500 for each in shown), [(each.url, each.status_code) for each in shown]
        seen = [asked.headers.get("authorization", "") + asked.target for asked in server.asked]
        assert all(map(sees, seen))
        assert [str(each.url) for each in shown if sees(each.text)] == []
        events = await read_page(yard.engine, 0, 1000)
        assert not sees(repr(events))
        rows = await yard.engine.store.connections(10, "")
        assert not sees(repr(rows))
        ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
        assert not sees("".join(f"{record.getMessage()} {record.__dict__}" for record in ours))
    assert [path for spelling in SPELLINGS for path in files_with(tmp_path, spelling)] == []


SPELLINGS = (CANARY, *(base64.b64encode(text.encode()).decode() for text in (CANARY, f"us:{CANARY}")))


def sees(text: str) -> bool:
    """Whether a text has the credential, however it is written."""
    return any(spelling in text for spelling in SPELLINGS)


async def all_that_is_read(client: Client, run_id: str) -> list[str]:
    """Every address that can be read with what is known here, in all its formats."""
    ids = {"taskId": run_id, "connectionId": "billing", "key": "bad"}
    paths = []
    for path, verbs in (await client.get("/openapi.json")).json()["paths"].items():
        if "get" in verbs and not set(re.findall(r"{(\w+)}", path)) - set(ids):
            at = path.format(**ids)
            formats = [each for each in verbs["get"].get("parameters", []) if each["name"] == "format"]
            paths += [f"{at}?format={name}" for each in formats for name in each["schema"].get("enum", [])] or [at]
    return paths


async def test_tokens_that_are_exchanged_are_found_nowhere(tmp_path: Path) -> None:
    """task-execution-layer.md § Security: the tokens that somebody else issues for a connection are sealed too, and
    appear in no answer, journal or page.
    """
    numbers = itertools.count(1)

    def reply(asked: Asked) -> bytes:
        if asked.target == "/token":
            tokens = {f"{kind}_token": f"{CANARY}-{kind}-{next(numbers)}" for kind in ("access", "refresh")}
            return answer(body=json.dumps(tokens | {"expires_in": 3600}).encode(), **JSON)
        is_first = asked.headers["authorization"].endswith("-1")
        return answer("401 No" if is_first else "200 OK", json.dumps(asked.headers).encode(), **JSON)

    values = load({}).with_values(TASKYARD_DATA_DIR=str(tmp_path), TASKYARD_EGRESS_ALLOW=("127.0.0.1",))
    yard = Taskyard(f"sqlite:///{tmp_path}/yard.db", settings=values)
    with capture_logs() as said:
        async with yard.worker(), client_of(yard) as client, receiving(replying(reply)) as server:
            auth = {"type": "oauth2", "grant": "refresh_token", "tokenUrl": f"http://127.0.0.1:{server.port}/token"}
            settings = {"baseUrl": f"http://127.0.0.1:{server.port}", "auth": auth}
            secrets = {"clientId": "us", "clientSecret": "other", "refreshToken": "first"}
            body = {"type": "rest", "settings": settings, "secrets": secrets, "logBodies": True}
            shown = [await client.put(AT, json=body)]
            await offer(yard, {"method": "POST", "path": "/echo"})
            run = await yard.start("there", {})
            await run.result()
            invoke = "/api/v1/integrations/billing/invoke"
            shown.append(await client.post(invoke, json={"operation": {"path": "/echo"}}))
            await eventually(lambda: lines(yard, run.id))
            pages = ("connections", "views", "audit", "deadletters", "errors", "settings", "metrics", "events", "tasks",
                     f"tasks/{run.id}", f"tasks/{run.id}/logs", f"tasks/{run.id}/events")  # fmt: skip
            shown += [await client.get(f"/api/v1/{page}") for page in pages]
        assert [each.status_code for each in shown] == [201, *(200 for _ in shown[1:])]
        seen = [asked.headers["authorization"] for asked in server.asked if asked.target == "/echo"]
        assert seen == [f"Bearer {CANARY}-access-{number}" for number in (1, 3, 3)]
    assert [str(each.url) for each in shown if CANARY in each.text] == []
    assert any("received" in each["event"] for each in said)
    assert CANARY not in repr(said)
    assert files_with(tmp_path, CANARY) == []


def test_libraries_do_not_log_the_addresses_they_call(tmp_path: Path) -> None:
    """task-execution-layer.md § Security: credentials in an address or a header are not logged by a library either."""
    program = """
import logging, os
from taskyard.logs import configure_logs
from taskyard.settings import load
configure_logs(load(os.environ))
logging.getLogger("httpx").info("GET https://x/?key=secret")
logging.getLogger("httpcore.http11").debug("authorization: secret")
logging.getLogger("other").info("heard")
"""
    settings = {"TASK_LOG_LEVEL": "DEBUG", "TASKYARD_DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    ended = subprocess.run([sys.executable, "-c", program], env=settings, capture_output=True, text=True, check=True)
    assert "heard" in ended.stderr
    assert "secret" not in ended.stderr


def files_with(folder: Path, text: str) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and text.encode() in path.read_bytes()]


EVIL = [
    "'; DROP TABLE x; --",
    "<!ENTITY x SYSTEM 'file:///etc/passwd'>",
    "a\r\nX-Evil: 1",
    "../../etc/passwd",
    "{input}",
]


@pytest.mark.parametrize("value", EVIL)
async def test_values_reach_the_other_side_as_data(yard: Taskyard, value: str) -> None:
    """task-execution-layer.md § Security: input values that look like SQL, XML, header or path syntax reach the
    external system as data.
    """
    async with receiving(answer(body=b"1", **JSON)) as server:
        await connect(yard, server.port)
        await offer(yard, {"method": "POST", "path": "/a/{v}/b", "query": {"q": "{v}"}})
        await (await yard.start("there", {"v": value})).result()
        (asked,) = server.asked
        assert json.loads(asked.body) == {"v": value}
        assert asked.target.count("/") == 3
        assert "x-evil" not in asked.headers
