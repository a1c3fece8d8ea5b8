"""What the source documents promise of connectors: the same events through Kafka, SQS and HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

import httpx
import pytest

from taskyard import Taskyard
from taskyard.api.server import create_api
from taskyard.connecting import make_connector
from taskyard.contracts.bus import LetterFilter, LetterStatus
from taskyard.contracts.records import Filter
from taskyard.domain.lifecycle import State
from taskyard.engine.events import task_events
from taskyard.engine.query import list_tasks
from taskyard.errors import ConfigurationError
from taskyard.security.origin import loopback_origins
from taskyard.server import make_services, serve
from taskyard.settings import load
from tests.api.yard import Client, listening
from tests.connectors.far_kafka import FarKafka
from tests.connectors.far_sqs import REGION, FarSqs
from tests.promises.yard import client_of, make_yard
from tests.servers.brokers import KAFKA, SQS, SQS_ENVIRONMENT
from tests.servers.program import running
from tests.servers.receiver import receiving
from tests.support import eventually

ADDED = ["task.instance.created", "task.instance.started", "task.instance.completed"]
ALL_DEAD = LetterFilter(frozenset({LetterStatus.DEAD}))


class Outside(Protocol):
    """What a deployment's connector leads to, as others see it."""

    settings: dict[str, Any]

    async def put(self, body: bytes) -> None: ...

    async def events(self, count: int) -> list[dict[str, Any]]: ...


class Broker:
    """Kafka or SQS."""

    def __init__(self, far: FarKafka | FarSqs, settings: dict[str, Any]) -> None:
        self.far = far
        self.settings = settings

    async def put(self, body: bytes) -> None:
        await self.far.put([body], "lane")

    async def events(self, count: int) -> list[dict[str, Any]]:
        return [json.loads(one.body) for one in await self.far.arrived(count)]


@contextlib.asynccontextmanager
async def kafka(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    """The first of the addresses leads nowhere."""
    with running(KAFKA["noida"]) as server:
        far = FarKafka(server, f"t{uuid.uuid4().hex[:6]}", idempotent=True)
        yield Broker(
            far,
            {
                "TASKYARD_CONNECTOR": "kafka",
                "KAFKA_BROKERS": ("127.0.0.1:1", server.address),
                "TASKYARD_KAFKA_TOPICS_IN": (far.topic_in,),
                "TASKYARD_KAFKA_TOPICS_OUT": (far.topic_out,),
            },
        )


@contextlib.asynccontextmanager
async def sqs(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    with running(SQS["ministack"], SQS_ENVIRONMENT) as server:
        far = FarSqs(server, f"t{uuid.uuid4().hex[:6]}", fifo=True)
        await far.prepare()
        yield Broker(
            far,
            {
                "TASKYARD_CONNECTOR": "sqs",
                "AWS_REGION": REGION,
                "SQS_QUEUE_URL": far.queue_in,
                "TASKYARD_SQS_OUTPUT_URL": far.queue_out,
            },
        )


class Plain:
    """HTTP: events come in at our own address, and leave to a receiver."""

    def __init__(self, receiver: Any) -> None:
        self.receiver = receiver
        self.yard: Taskyard | None = None
        self.settings = {
            "TASKYARD_CONNECTOR": "http",
            "TASKYARD_HTTP_URL": receiver.url,
            "TASKYARD_EGRESS_ALLOW": ("127.0.0.1",),
        }

    async def put(self, body: bytes) -> None:
        assert self.yard is not None
        async with client_of(self.yard) as http:
            answer = await http.post(
                "/api/v1/events/trigger", content=body, headers={"content-type": "application/json"}
            )
            assert answer.status_code == 202, answer.text

    async def events(self, count: int) -> list[dict[str, Any]]:
        await eventually(lambda: len(self.receiver.taken) >= count)
        return [one.json for one in self.receiver.taken]


@contextlib.asynccontextmanager
async def plain(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    async with receiving() as receiver:
        yield Plain(receiver)


CONNECTORS = {"kafka": kafka, "sqs": sqs, "http": plain}


@pytest.fixture(params=sorted(CONNECTORS))
async def outside(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Outside]:
    async with CONNECTORS[request.param](monkeypatch) as made:
        yield made


@pytest.fixture
async def broker(outside: Outside) -> Broker:
    assert isinstance(outside, Broker)
    return outside


def request_of(definition: str, input_: Any, **more: Any) -> bytes:
    data = {"taskDefinitionId": definition, "input": input_, **more}
    return json.dumps({"type": "workflow.task_requested", "id": str(uuid.uuid4()), "data": data}).encode()


async def test_the_same_events_flow_through_each_connector(outside: Outside, tmp_path: Path) -> None:
    """sourceloop-task-service.md § Overview: the same incoming and outgoing events flow unchanged through the Kafka,
    the SQS and the HTTP connector, with no other code than the setting.
    """
    yard = make_yard(tmp_path, **outside.settings)
    async with yard.worker(concurrency=2):
        if isinstance(outside, Plain):
            outside.yard = yard
        request = request_of("add", {"a": 1, "b": 2}, correlationId="c-1")
        await outside.put(request)
        events = await outside.events(3)
        assert [event["type"] for event in events] == ADDED
        assert {event["metadata"]["correlationId"] for event in events} == {"c-1"}
        assert events[2]["data"]["outputSummary"] == {"value": 3}
        told = await task_events(yard.engine, int(events[0]["data"]["taskId"]))
        assert events == [event.envelope() for event in told]
        await outside.put(request)  # again, and then another
        await outside.put(request_of("add", {"a": 2, "b": 2}))
        await eventually(lambda: count_completed(yard, 2))
        assert len(await list_all(yard)) == 2
        async with client_of(yard) as http:
            name = f"connector:{outside.settings['TASKYARD_CONNECTOR']}"
            ready = (await http.get("/readyz")).json()
            assert yard.app.breakers.figures()[name]["state"] == "closed", ready


async def count_completed(yard: Taskyard, count: int) -> bool:
    return len([task for task in await list_all(yard) if task.status is State.COMPLETED]) == count


async def test_poison_blocks_nobody_and_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """sourceloop-task-service.md § Best Practices › Don't:: a message that cannot be taken lands among the event dead
    letters with its reason; those behind it go on, and it can be replayed.
    """
    async with sqs(monkeypatch) as outside:
        yard = make_yard(tmp_path, **outside.settings, TASKYARD_MAX_BODY=2000)
        poison = {
            "not JSON": b"{",
            "too deep": b'{"key":"k","payload":' + b"[" * 100 + b"]" * 100 + b"}",
            "no event": b"[1]",
            "oversized": request_of("echo", {"value": "x" * 3000}),
            "forbidden": json.dumps({"type": "system.shutdown_requested", "data": {}, "id": "s"}).encode(),
        }
        async with yard.worker(concurrency=2):
            for body in [*poison.values(), json.dumps({"key": "nobody.waits", "payload": 1}).encode()]:
                await outside.put(body)
            await outside.put(request_of("add", {"a": 1, "b": 2}))
            assert [event["type"] for event in await outside.events(3)] == ADDED
            async with client_of(yard) as http:
                found = (await http.get("/api/v1/events/deadletters?direction=in")).json()["items"]
                assert len(found) == len(poison)
                assert all(each["reason"] and each["direction"] == "in" for each in found)
                (oversized,) = [each for each in found if "may have 2000" in each["reason"]]
                again = {"letterIds": [oversized["letterId"]]}
                replayed = (await http.post("/api/v1/events/deadletters/replay", json=again)).json()
                assert replayed == again
                refused = await outside.events(3)
                assert [event["type"].rpartition(".")[2] for event in refused] == ["created", "failed", "deadlettered"]
                discarded = await http.post("/api/v1/events/deadletters/discard", json={"filter": {"direction": "in"}})
                assert len(discarded.json()["letterIds"]) == len(poison) - 1
                assert not (await http.get("/api/v1/events/deadletters")).json()["items"]
        assert not yard.app.stopping.is_set()


async def test_events_that_come_during_maintenance_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: during `system.maintenance_mode` events that
    come are held and those that go too; after `enabled: false` all are there.
    """
    async with sqs(monkeypatch) as outside:
        yard = make_yard(tmp_path, **outside.settings, TASKYARD_CONNECTOR_SCOPES=("tasks:write", "admin"))
        held = LetterFilter(frozenset({LetterStatus.HELD}))
        async with yard.worker(concurrency=2):
            await outside.put(mode(enabled=True))
            await eventually(yard.engine.store.maintenance)
            await outside.put(request_of("add", {"a": 1, "b": 2}))
            (letter,) = await eventually(lambda: yard.engine.store.letters(held, 9, None))
            assert letter.key == "workflow.task_requested"
            await outside.put(mode(enabled=False))
            assert [event["type"] for event in await outside.events(3)] == ADDED
            assert await yard.engine.store.letters(held, 9, None) == []


def mode(*, enabled: bool) -> bytes:
    event = {"type": "system.maintenance_mode", "id": str(uuid.uuid4()), "data": {"enabled": enabled}}
    return json.dumps(event).encode()


PROCESS = """
import asyncio, sys
from pathlib import Path
from tests.promises.yard import make_yard
from tests.promises.test_connectors import file_yard

async def main():
    async with file_yard(Path(sys.argv[1])).worker(concurrency=2):
        print("ready", flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


def file_yard(folder: Path) -> Taskyard:
    """A yard on a file, with the settings that are written beside it."""
    settings = json.loads((folder / "settings.json").read_text())
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in settings.items()}
    base = load({}).with_values(TASKYARD_DATA_DIR=str(folder), TASKYARD_GRACE=0.1, **settings)
    yard = Taskyard(f"sqlite:///{folder / 'tasks.db'}", settings=base)

    @yard.task
    async def add(a: int, b: int) -> int:
        return a + b

    return yard


async def start(folder: Path) -> asyncio.subprocess.Process:
    """A process of that yard, once it is ready."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROCESS, str(folder), stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    assert process.stdout is not None
    assert (await process.stdout.readline()).strip() == b"ready"
    return process


@pytest.mark.parametrize("outside", ["sqs"], indirect=True)
async def test_kill_9_in_the_middle_loses_nothing(outside: Outside, tmp_path: Path) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Published Events: events leave in order per task and at least
    once, and requests are taken once, also when the process is killed in the middle.
    """
    (tmp_path / "settings.json").write_text(json.dumps(outside.settings))
    yard = file_yard(tmp_path)
    if isinstance(outside, Plain):
        outside.yard = yard
    total = 60
    events: list[dict[str, Any]] = []
    async with yard:
        process = await start(tmp_path)
        for number in range(total):
            await outside.put(request_of("add", {"a": number, "b": 0}))
        events += await outside.events(20)
        process.kill()
        await process.wait()
        process = await start(tmp_path)
        try:

            async def all_are_told() -> bool:
                events.extend(await outside.events(1))
                return len({event["id"] for event in events if event["type"] == ADDED[2]}) == total

            await eventually(all_are_told, within=60)
        finally:
            process.kill()
            await process.wait()
        done = await list_tasks(yard.engine, Filter(status=frozenset({State.COMPLETED})), 200, None)
        assert sorted(task.output for task in done.items) == list(range(total))
        assert len((await list_tasks(yard.engine, Filter(), 200, None)).items) == total
    first_told: dict[str, list[str]] = {}
    for event in events:
        of_task = first_told.setdefault(event["data"]["taskId"], [])
        if event["type"] not in of_task:
            of_task.append(event["type"])
    assert {tuple(types) for types in first_told.values()} <= {
        tuple(ADDED),
        ("task.instance.created", "task.instance.started", "task.instance.requeued", "task.instance.completed"),
    }


@pytest.mark.parametrize(
    ("environment", "named"),
    [
        ({"TASKYARD_CONNECTOR": "kafka"}, "KAFKA_BROKERS"),
        ({"TASKYARD_CONNECTOR": "sqs", "SQS_QUEUE_URL": "http://127.0.0.1:1/q/q"}, "AWS_REGION"),
        ({"TASKYARD_CONNECTOR": "sqs", "AWS_REGION": "eu-central-1"}, "SQS_QUEUE_URL"),
    ],
)
def test_a_missing_variable_stops_the_start(environment: dict[str, str], named: str) -> None:
    """sourceloop-task-service.md § Environment Variables: a connector whose variable is missing stops the start with
    one line naming the variable, and `taskyard settings` shows each of them with its source.
    """
    with pytest.raises(ConfigurationError) as raised:
        make_connector(load(environment), no_egress)
    assert named in raised.value.message
    assert "\n" not in raised.value.message
    shown = {setting.name: value.source for setting, value in load(environment).items()}
    assert shown[named] == "default"
    assert shown["TASKYARD_CONNECTOR"] == "environment"


@pytest.mark.parametrize(
    "second", [{"SQS_QUEUE_URL": "http://127.0.0.1:1/q/q"}, {"TASKYARD_HTTP_URL": "http://127.0.0.1:1/"}]
)
def test_settings_of_a_second_connector_are_refused(second: dict[str, str]) -> None:
    """sourceloop-task-service.md § Best Practices › Don't:: settings that ask for a second connector beside the chosen
    one are refused at start.
    """
    environment = {"TASKYARD_CONNECTOR": "kafka", "KAFKA_BROKERS": "127.0.0.1:1"}
    assert make_connector(load(environment), no_egress) is not None
    with pytest.raises(ConfigurationError, match=next(iter(second))):
        make_connector(load({**environment, **second}), no_egress)


def test_there_is_no_connector_unless_one_is_named() -> None:
    """sourceloop-task-service.md § Best Practices › Do:: one deployment runs exactly one connector, named by
    TASKYARD_CONNECTOR; the default is none.
    """
    assert make_connector(load({}), no_egress) is None
    made = make_connector(load({"TASKYARD_CONNECTOR": "kafka", "KAFKA_BROKERS": "a:1, b:2"}), no_egress)
    assert made is not None
    assert made.name == "kafka"


def no_egress() -> Any:
    raise AssertionError("nothing is called")


@pytest.mark.parametrize(("connector", "library"), [("kafka", "aiokafka"), ("sqs", "aiobotocore")])
def test_a_missing_extra_stops_the_start(tmp_path: Path, connector: str, library: str) -> None:
    """sourceloop-task-service.md § Installation: choosing a connector whose extra is not installed stops the start with
    one line that names the extra to install.
    """
    program = (
        f"import sys; sys.modules[{library!r}] = None\n"
        "from taskyard.cli import main\n"
        "sys.argv = ['taskyard', 'serve', '--port', '0']\n"
        "main()\n"
    )
    environment = {
        "TASKYARD_CONNECTOR": connector, "TASKYARD_DATABASE_URL": f"sqlite:///{tmp_path}/t.db",
        "TASKYARD_DATA_DIR": str(tmp_path), "PATH": "",
        **({"KAFKA_BROKERS": "a:1"} if connector == "kafka" else {"AWS_REGION": "r", "SQS_QUEUE_URL": "http://a/b/c"}),
    }  # fmt: skip
    ended = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert ended.returncode == 2, ended.stderr
    assert f"taskyard[{connector}]" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1


def test_the_region_is_the_settings() -> None:
    """sourceloop-task-service.md § Environment Variables: `AWS_REGION` decides the region that the SQS connector talks
    to; a queue of another one is refused at start.
    """
    queue = "https://sqs.eu-central-1.amazonaws.com/123456789012/in.fifo"
    environment = {"TASKYARD_CONNECTOR": "sqs", "SQS_QUEUE_URL": queue}
    assert make_connector(load({**environment, "AWS_REGION": "eu-central-1"}), no_egress) is not None
    with pytest.raises(ConfigurationError, match="AWS_REGION"):
        make_connector(load({**environment, "AWS_REGION": "us-east-1"}), no_egress)


async def test_a_requested_shutdown_stops_the_server_gracefully(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Subscribed Events: `system.shutdown_requested` from an
    administrator stops the process gracefully: running work ends within the grace, the rest goes back to its queue.
    """
    async with sqs(monkeypatch) as outside:
        scopes = ["tasks:write", "admin"]
        (tmp_path / "settings.json").write_text(json.dumps({**outside.settings, "TASKYARD_CONNECTOR_SCOPES": scopes}))
        yard = file_yard(tmp_path)
        ready = asyncio.Event()
        async with yard, asyncio.timeout(90):
            serving = asyncio.create_task(
                serve(yard.app, host="127.0.0.1", port=0, worker=False, ready=lambda _: ready.set())
            )
            await ready.wait()
            shutdown = {"type": "system.shutdown_requested", "id": "stop-1", "data": {}}
            await outside.put(json.dumps(shutdown).encode())
            await serving
            assert await list_all(yard) == []
            yard.app.stopping.clear()
            ready.clear()
            serving = asyncio.create_task(
                serve(yard.app, host="127.0.0.1", port=0, worker=False, ready=lambda _: ready.set())
            )
            await ready.wait()
            await outside.put(json.dumps(shutdown).encode())
            await outside.put(request_of("add", {"a": 1, "b": 2}))
            await eventually(lambda: list_all(yard))
            assert not serving.done()  # it had been done with when the process stopped
            yard.app.request_stop("test")
            await serving


async def list_all(yard: Taskyard) -> list[Any]:
    return list((await list_tasks(yard.engine, Filter(), 10, None)).items)


async def test_events_are_published_streamed_and_sent_as_webhooks(tmp_path: Path) -> None:
    """internal-interfaces.md § Event Bus Interfaces › Published Events: published events leave through the chosen
    connector in order per task and at least once, and are also streamed as server-sent events and sent to webhooks.
    """
    async with receiving() as receiver:
        settings: dict[str, Any] = {"TASKYARD_CONNECTOR": "http", "TASKYARD_HTTP_URL": receiver.url}
        yard = make_yard(tmp_path, **settings, TASKYARD_EGRESS_ALLOW=("127.0.0.1",))
        async with yard.worker(concurrency=1), client_of_app(yard) as http:
            hook = receiver.url.replace("/events", "/hook")
            made = await http.post("/api/v1/subscriptions", json={"url": hook, "events": ["task.*"]})
            assert made.status_code == 201, made.text
            task_id = await http.create("add", {"a": 1, "b": 2})
            await http.until(task_id, "COMPLETED")

            def told(path: str) -> list[str]:
                taken = [one.json for one in receiver.taken if one.path == path]
                return [each["type"] for each in taken if each["data"]["taskId"] == task_id]

            await eventually(lambda: len(told("/events")) >= 3 and len(told("/hook")) >= 3)
            assert told("/events") == told("/hook") == ADDED
            assert (await http.get("/readyz")).json()["dependencies"]["connector:http"] == "closed"
            metrics = (await http.get("/api/internal/tasks/metrics")).json()
            assert metrics["dependencies"]["connector:http"]["state"] == "closed"
            assert 'taskyard_circuit_open{circuit="connector:http"} 0.0' in (await http.get("/metrics")).text
            assert await streamed(yard, task_id) == ADDED


async def test_with_the_http_connector_events_come_in_and_go_as_webhooks(tmp_path: Path) -> None:
    """sourceloop-task-service.md § Installation: with `taskyard[http]` and TASKYARD_CONNECTOR=http, a deployment takes
    `POST /api/v1/events/trigger` and sends events as webhooks.
    """
    async with receiving("/hook") as receiver:
        yard = make_yard(tmp_path, TASKYARD_CONNECTOR="http", TASKYARD_EGRESS_ALLOW=("127.0.0.1",))
        async with yard.worker(concurrency=1), client_of_app(yard) as http:
            made = await http.post("/api/v1/subscriptions", json={"url": receiver.url, "events": ["task.completed"]})
            assert made.status_code == 201, made.text
            headers = {"content-type": "application/json"}
            body = request_of("add", {"a": 1, "b": 2})
            taken = await http.post("/api/v1/events/trigger", content=body, headers=headers)
            (task_id,) = taken.json()["taskIds"]
            await eventually(lambda: receiver.events_of(task_id))
            assert receiver.events_of(task_id) == ADDED[2:]


def client_of_app(yard: Taskyard) -> Client:
    """An administrator of the server as it is put together."""
    services = make_services(yard.app, "127.0.0.1", 8420)
    token = (Path(yard.app.settings["TASKYARD_DATA_DIR"]) / "admin.token").read_text().strip()
    return Client(create_api(services), services, headers={"Authorization": f"Bearer {token}"})


async def streamed(yard: Taskyard, task_id: str) -> list[str]:
    """The types of a task's events, as the stream of all tells them."""
    services = make_services(yard.app, "127.0.0.1", 8420)
    token = (Path(yard.app.settings["TASKYARD_DATA_DIR"]) / "admin.token").read_text().strip()
    headers = {"Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
    types: list[str] = []
    async with listening(lambda port: create_api(replace(services, allowed_origins=loopback_origins(port)))) as port:
        async with (
            httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", headers=headers, timeout=20) as client,
            client.stream("GET", "/api/v1/events?after=0") as answer,
        ):
            async for line in answer.aiter_lines():
                if line.startswith("data:") and task_id in line:
                    types.append(json.loads(line.removeprefix("data:"))["type"])
                if len(types) == 3:
                    services.closing.set()
                    return types
    return types
