"""Integration tasks over REST connections, from the definition to what its task is told, on each store."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from taskyard import TaskFailed, Taskyard
from taskyard.domain.connection import Connection, ConnectionLimits
from taskyard.domain.gate import RateGate
from taskyard.domain.lifecycle import State
from taskyard.domain.queue import Queue
from taskyard.engine.connections import get_connection, put_connection
from taskyard.engine.lease import register
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.engine.requeue import requeue
from taskyard.engine.submit import submit
from taskyard.engine.upload import save_upload
from taskyard.engine.why import why
from taskyard.errors import ValidationFailed
from taskyard.security.caller import LOCAL
from taskyard.settings import Settings
from tests.connecting import CANARY, JSON, connect, is_in, lines, offer, replying
from tests.promises.yard import client_of
from tests.security.egress.receiver import Asked, answer, receiving
from tests.support import eventually


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.with_values(TASKYARD_EGRESS_ALLOW=("127.0.0.1",))


async def test_a_task_calls_and_is_given_the_answer(yard: Taskyard) -> None:
    async with receiving(answer(body=b'{"id": 7, "name": "ada"}', **JSON)) as server, yard.worker():
        await connect(yard, server.port)
        await offer(
            yard, {"method": "POST", "path": "/customers/{id}", "query": {"q": "{tags}"}}, response="output.name"
        )
        run = await yard.start("there", {"id": "a/b ?", "tags": ["x", "y"]})
        assert await run.result() == "ada"
        (asked,) = server.asked
        assert (asked.method, asked.target) == ("POST", "/customers/a%2Fb%20%3F?q=x&q=y")
        assert json.loads(asked.body) == {"id": "a/b ?", "tags": ["x", "y"]}
        assert asked.headers["authorization"] == f"Bearer {CANARY}"
        assert asked.headers["idempotency-key"] == f"taskyard-{run.id}"
        assert asked.headers["traceparent"].startswith("00-")
        (line,) = await eventually(lambda: lines(yard, run.id))
        for part in ("connection=billing", "status=200", "try=1", '"POST http://127.0.0.1', f"out={len(asked.body)}"):
            assert part in line
        assert CANARY not in line


async def test_bodies_are_written_down_where_the_connection_asks_for_it(yard: Taskyard) -> None:
    reply = replying(lambda asked: answer(body=json.dumps({"you": asked.headers["authorization"]}).encode(), **JSON))
    async with receiving(reply) as server, yard.worker():
        await connect(yard, server.port, log_bodies=True)
        await offer(yard, {"method": "POST"})
        run = await yard.start("there", {"word": "hello"})
        assert await run.result() == {"you": "Bearer ***"}
        told = await eventually(lambda: enough_lines(yard, run.id))
        assert told[1:] == ['sent {"word":"hello"}', 'received {"you":"Bearer ***"}']


async def enough_lines(yard: Taskyard, task_id: str) -> list[str]:
    found = await lines(yard, task_id)
    return found if len(found) >= 3 else []


async def failure(yard: Taskyard, key: str = "there", input: Any = None) -> dict[str, Any]:
    with pytest.raises(TaskFailed):
        await (await yard.start(key, {} if input is None else input)).result()
    page = await yard.engine.store.dead(1, None, None)
    task = await get_task(yard.engine, page.ids[0])
    assert task.error is not None
    return {**task.error, "retryCount": task.retry_count}


async def test_a_refusal_is_final_and_an_outage_is_tried_again(yard: Taskyard) -> None:
    statuses = ["404 Not Found", "500 Oh", "502 Oh", "200 OK"]
    reply = replying(lambda asked: answer(statuses.pop(0), b"{}", **JSON))
    async with receiving(reply) as server, yard.worker():
        await connect(yard, server.port)
        await offer(yard, {}, retryPolicy={"maxRetries": 2, "initialDelay": 0})
        error = await failure(yard)
        assert (error["code"], error["retryCount"], error["details"]["status"]) == ("INTEGRATION_ERROR", 0, 404)
        assert await (await yard.start("there", {})).result() == {}
        assert not statuses


async def test_retry_after_burns_no_retry(yard: Taskyard) -> None:
    replies = [answer("429 Slow Down", retry_after="0"), answer("503 Busy", retry_after="0"), answer(body=b"1", **JSON)]
    async with receiving(replying(lambda asked: replies.pop(0))) as server, yard.worker():
        await connect(yard, server.port)
        await offer(yard, {}, retryPolicy={"maxRetries": 0})
        run = await yard.start("there", {})
        assert await run.result() == 1
        task = await get_task(yard.engine, int(run.id))
        assert (task.attempt, task.retry_count) == (3, 0)


async def test_an_error_expression_has_the_first_word(yard: Taskyard) -> None:
    reply = replying(
        lambda asked: answer("404 Not Found" if "gone" in asked.target else "200 OK", b'{"ok": false}', **JSON)
    )
    async with receiving(reply) as server, yard.worker():
        await connect(yard, server.port)
        expression = (
            "status == `404` && {output: 'nothing there'} || output.ok == `false` && {code: 'NOT_OK', message: 'no'}"
        )
        await offer(yard, {"path": "/{where}"}, errorExpression=expression)
        assert await (await yard.start("there", {"where": "gone"})).result() == "nothing there"
        error = await failure(yard, input={"where": "here"})
        assert (error["code"], error["message"], error["retryCount"]) == ("NOT_OK", "no", 0)


async def test_a_large_answer_is_kept_as_a_file(yard: Taskyard) -> None:
    body = json.dumps(["x" * 1000] * 1000).encode()
    async with receiving(answer(body=body, **JSON)) as server, yard.worker():
        await connect(yard, server.port)
        await offer(yard, {})
        output = await (await yard.start("there", {})).result()
        assert output["file"]["name"] == "result.json"
        found = await yard.engine.store.upload(output["file"]["uploadId"])
        assert found is not None
        assert json.loads(found[1]) == json.loads(body)


async def test_a_file_of_a_form_is_sent(yard: Taskyard) -> None:
    components = [{"componentId": "c", "fields": [{"fieldKey": "file", "type": "file"}]}]
    async with receiving(answer(body=b"1", **JSON)) as server, yard.worker():
        await connect(yard, server.port)
        operation = {"method": "POST", "encoding": "binary"}
        await offer(yard, operation, request="input.file", uiComponents=components)
        upload = await save_upload(yard.engine, "quiet.txt", b"hello", LOCAL)
        assert await (await yard.start("there", {"file": upload.id})).result() == 1
        assert server.asked[0].body == b"hello"


async def test_while_the_circuit_is_open_tasks_wait_and_say_so(yard: Taskyard) -> None:
    async with receiving(answer("500 Oh")) as server, yard.worker():
        await connect(yard, server.port)
        await offer(yard, {}, retryPolicy={"maxRetries": 0})
        for run in await yard.start_many("there", [{}] * 10):
            with pytest.raises(TaskFailed):
                await run.result()
        waiting = await yard.start("there", {})
        await eventually(lambda: is_in(yard, waiting.id, State.RETRYING))
        told = await why(yard.engine, int(waiting.id))
        assert (told["openCircuit"], told["retryCount"]) == ("billing", 0)
        assert "fail too often" in told["reason"]
        known = await get_connection(yard.engine, "billing")
        assert known.breaker.opened_at is not None
        assert server.accepted == 10
        assert yard.app.dependencies()["connection:billing"]["state"] == "open"


async def test_while_the_circuit_is_open_a_gate_keeps_its_tasks_from_workers(yard: Taskyard) -> None:
    """A trickle is let through: many that wait hold no worker, and cost nobody anything."""
    async with yard, receiving(answer("500 Oh")) as server:
        await connect(yard, server.port)
        await offer(yard, {}, retryPolicy={"maxRetries": 0})
        assert await rates(yard) == ()
        async with yard.worker():
            for run in await yard.start_many("there", [{}] * 10):
                with pytest.raises(TaskFailed):
                    await run.result()
        await eventually(lambda: has_gate(yard))
        await register(yard.engine, "somebody", 1, Queue.INTEGRATION)
        waiting = await yard.start("there", {})
        told = await why(yard.engine, int(waiting.id))
        assert (told["status"], told["openCircuit"], told["breaker"]["state"]) == ("PENDING", "billing", "open")


async def rates(yard: Taskyard) -> tuple[RateGate, ...]:
    return await yard.engine.gates.rates((await yard.engine.store.versions("there"))[-1].definition)


async def has_gate(yard: Taskyard) -> bool:
    return any(gate.subject == "circuit/billing" for gate in await rates(yard))


async def test_a_task_that_is_due_while_the_circuit_is_open_fails_with_that(yard: Taskyard) -> None:
    async with receiving(answer("500 Oh")) as server, yard.worker():
        await connect(yard, server.port)
        await offer(yard, {}, retryPolicy={"maxRetries": 0})
        for run in await yard.start_many("there", [{}] * 10):
            with pytest.raises(TaskFailed):
                await run.result()
        due = datetime.fromtimestamp(await yard.engine.store.now() / 1e6 + 0.2, UTC)
        request = TaskRequest(task_definition_id="there", input={}, due_date=due)
        made = await submit(yard.engine, request, LOCAL)
        await eventually(lambda: is_in(yard, str(made.id), State.FAILED))
        task = await get_task(yard.engine, made.id)
        assert (task.error or {})["code"] == "CIRCUIT_OPEN"


async def test_a_connection_is_for_the_definitions_it_names(yard: Taskyard) -> None:
    async with receiving() as server, yard.worker():
        await offer(yard, {}, key="other")
        await connect(yard, server.port, allowed_definitions=["there"])
        with pytest.raises(ValidationFailed, match="allowedDefinitions"):
            await offer(yard, {"path": "/x"}, key="another")
        error = await failure(yard, "other")
        assert (error["code"], error["retryCount"]) == ("FORBIDDEN", 0)
        assert server.accepted == 0


async def test_an_operation_that_is_none_of_its_type_is_refused_when_it_is_stored(yard: Taskyard) -> None:
    async with yard:
        await connect(yard, 1)
        with pytest.raises(ValidationFailed) as caught:
            await offer(yard, {"method": "STEAL", "pth": "/"})
        assert {each["path"] for each in caught.value.details} == {
            "/implementation/operation/method", "/implementation/operation/pth",
        }  # fmt: skip
        with pytest.raises(ValidationFailed) as caught:
            await offer(yard, {}, request="a b", errorExpression="nothing(@)")
        assert caught.value.details[0]["path"] == "/implementation/request"


async def test_without_its_connection_a_task_waits_to_be_tried_again(yard: Taskyard) -> None:
    async with receiving(answer(body=b"1", **JSON)) as server, yard.worker():
        await offer(yard, {}, retryPolicy={"maxRetries": 50, "initialDelay": 0.05, "multiplier": 1})
        run = await yard.start("there", {})
        await eventually(lambda: is_in(yard, run.id, State.RETRYING))
        assert "there is no connection 'billing'" in (await why(yard.engine, int(run.id)))["reason"]
        await connect(yard, server.port)
        assert await run.result() == 1


async def test_no_more_run_at_once_than_the_connection_allows(yard: Taskyard) -> None:
    free = asyncio.Event()

    async def serve(asked: Asked, writer: Any) -> None:
        await free.wait()
        writer.write(answer(body=b"1", **JSON))
        await writer.drain()

    async with receiving(serve) as server, yard.worker():
        await connect(yard, server.port, limits=ConnectionLimits(max_concurrent=2))
        await offer(yard, {})
        runs = await yard.start_many("there", [{}] * 4)
        await eventually(lambda: len(server.asked) == 2)
        await eventually(lambda: _is_full(yard, runs[-1].id, 2))
        free.set()
        for run in runs:
            assert await run.result() == 1


async def test_a_limit_that_is_set_later_holds_for_tasks_that_wait(yard: Taskyard) -> None:
    free = asyncio.Event()

    async def serve(asked: Asked, writer: Any) -> None:
        await free.wait()
        writer.write(answer(body=b"1", **JSON))
        await writer.drain()

    async with receiving(serve) as server, yard:
        await connect(yard, server.port)
        await offer(yard, {})
        runs = await yard.start_many("there", [{}] * 3)
        await connect(yard, server.port, limits=ConnectionLimits(max_concurrent=1))
        async with yard.worker():
            await eventually(lambda: len(server.asked) == 1)
            await eventually(lambda: _is_full(yard, runs[-1].id, 1))
            free.set()
            assert [await run.result() for run in runs] == [1] * 3


async def test_tasks_keep_to_the_limit_of_the_connection_that_their_own_version_goes_over(yard: Taskyard) -> None:
    free = asyncio.Event()

    async def serve(asked: Asked, writer: Any) -> None:
        await free.wait()
        writer.write(answer(body=b"1", **JSON))
        await writer.drain()

    async with receiving(serve) as server, receiving(answer(body=b"2", **JSON)) as newer, yard:
        await connect(yard, server.port, limits=ConnectionLimits(max_concurrent=1))
        await connect(yard, newer.port, "billing-2")
        await offer(yard, {})
        older = await yard.start_many("there", [{}] * 3)
        await offer(yard, {}, over="billing-2")
        async with yard.worker():
            assert [await run.result() for run in await yard.start_many("there", [{}] * 3)] == [2] * 3
            await eventually(lambda: _is_full(yard, older[-1].id, 1))
            assert len(server.asked) == 1
            free.set()
            assert [await run.result() for run in older] == [1] * 3


async def _is_full(yard: Taskyard, task_id: str, limit: int) -> bool:
    return f"the limit of {limit} at once for the connection 'billing'" in await told_why(yard, task_id)


async def told_why(yard: Taskyard, task_id: str) -> str:
    return str((await why(yard.engine, int(task_id)))["reason"])


async def test_the_rate_of_a_connection_holds_for_all_its_definitions(yard: Taskyard) -> None:
    async with receiving(answer(body=b"1", **JSON)) as server, yard.worker():
        await connect(yard, server.port, limits=ConnectionLimits(rate_limit="1/h"))
        await offer(yard, {}, key="one")
        await offer(yard, {}, key="two")
        assert await (await yard.start("one", {})).result() == 1
        second = await yard.start("two", {})
        told = await eventually(lambda: rate_told(yard, second.id))
        assert told["rateLimit"]["rate"] == "1/h"
        assert server.accepted == 1


async def rate_told(yard: Taskyard, task_id: str) -> dict[str, Any]:
    told = await why(yard.engine, int(task_id))
    return told if "may start" in told["reason"] else {}


async def test_what_was_changed_holds_for_the_next_call(yard: Taskyard) -> None:
    async with receiving(answer(body=b'"old"', **JSON)) as old, receiving(answer(body=b'"new"', **JSON)) as new:
        async with yard.worker():
            await connect(yard, old.port)
            await offer(yard, {})
            assert await (await yard.start("there", {})).result() == "old"
            await connect(yard, new.port)
            assert await (await yard.start("there", {})).result() == "new"


async def test_an_attempt_ends_with_its_timeout(yard: Taskyard) -> None:
    async def silent(asked: Asked, writer: Any) -> None:
        await writer.wait_closed()

    async with receiving(silent) as server, yard.worker():
        await connect(yard, server.port, limits=ConnectionLimits(timeout=0.1))
        await offer(yard, {}, retryPolicy={"maxRetries": 0})
        assert (await failure(yard))["code"] == "TIMEOUT"


@contextlib.asynccontextmanager
async def remote_yard(settings: Settings, port: int) -> AsyncIterator[Taskyard]:
    yard = Taskyard(settings=settings.with_values(TASKYARD_INTEGRATION_SERVICE_URL=f"http://127.0.0.1:{port}"))
    async with yard.worker():
        connection = Connection(connection_id="billing", type="remote", settings={"integrationId": "b/1", "within": 60})
        await put_connection(yard.engine, yard.app.box, connection, {"token": CANARY})
        await offer(yard, {"do": "it"}, retryPolicy={"maxRetries": 0})
        yield yard


async def test_what_the_integration_service_accepts_it_answers_later(settings: Settings) -> None:
    async with receiving(answer("202 Accepted")) as server, remote_yard(settings, server.port) as yard:
        run = await yard.start("there", {"a": 1})
        await eventually(lambda: is_in(yard, run.id, State.WAITING))
        (asked,) = server.asked
        assert asked.target == "/api/integrations/b%2F1/invoke"
        sent = json.loads(asked.body)
        assert (sent["operation"], sent["input"]) == ({"do": "it"}, {"a": 1})
        event = {
            "key": "integration.response_received", "source": "integrations", "description": "an answer",
            "payload": {"correlationId": sent["correlationId"], "output": {"done": True}},
        }  # fmt: skip
        async with client_of(yard) as http:
            assert (await http.post("/api/v1/events/trigger", json=event)).status_code == 202
        assert await run.result() == {"done": True}


async def test_what_is_requeued_is_asked_under_a_key_of_its_own(settings: Settings) -> None:
    replies = [answer("400 No"), answer(body=b'{"output": 1}', **JSON)]
    async with receiving(replying(lambda asked: replies.pop(0))) as server, remote_yard(settings, server.port) as yard:
        run = await yard.start("there", {})
        with pytest.raises(TaskFailed):
            await run.result()
        assert await requeue(yard.engine, [int(run.id)], "ada", "again") == [int(run.id)]
        assert await run.result() == 1
        keys = [asked.headers["idempotency-key"] for asked in server.asked]
        assert keys == [f"taskyard-{run.id}", f"taskyard-{run.id}-1"]


async def test_while_the_integration_service_is_away_requests_wait_here(settings: Settings) -> None:
    replies = [answer("503 Away", retry_after="0"), answer("502 Away"), answer(body=b'{"output": 1}', **JSON)]
    async with receiving(replying(lambda asked: replies.pop(0))) as server, remote_yard(settings, server.port) as yard:
        await offer(yard, {"do": "it"}, retryPolicy={"maxRetries": 0, "initialDelay": 0.01})
        run = await yard.start("there", {})
        assert await run.result() == 1
        assert (await get_task(yard.engine, int(run.id))).retry_count == 0


async def test_an_answer_that_does_not_come_in_time_is_a_timeout(settings: Settings) -> None:
    async with receiving(answer("202 Accepted")) as server, remote_yard(settings, server.port) as yard:
        connection = Connection(connection_id="billing", type="remote", settings={"integrationId": "b", "within": 0.1})
        await put_connection(yard.engine, yard.app.box, connection, {"token": CANARY})
        assert (await failure(yard))["code"] == "TIMEOUT"
