"""The places where code runs besides this machine, asked for like any other task, on each store."""

import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from standardwebhooks.webhooks import Webhook

from taskyard import TaskFailed, Taskyard
from taskyard.domain.lifecycle import FINAL, State
from taskyard.domain.policy import ExecutionConfig
from taskyard.domain.task import Task
from taskyard.engine.define import define, parse_definition
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.engine.why import why
from taskyard.errors import ConfigurationError, ValidationFailed
from taskyard.security.caller import LOCAL
from taskyard.settings import Settings
from taskyard.testing.clock import ManualClock
from tests.promises.yard import client_of
from tests.security.egress.receiver import answer, receiving
from tests.support import eventually

SECRET = "whsec_c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.with_values(
        TASKYARD_EGRESS_ALLOW=("127.0.0.1",), TASKYARD_TARGET_SECRET=SECRET, TASKYARD_URL="https://tasks.example.com"
    )


async def put(yard: Taskyard, implementation: dict[str, Any], **more: Any) -> None:
    await define(yard.engine, [parse_definition({"key": "there", "implementation": implementation, **more})])


async def test_an_endpoint_is_called_and_its_attempt_says_so(yard: Taskyard) -> None:
    async with receiving(answer(body=b'{"sum": 3}')) as receiver, yard.worker():
        await put(yard, {"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/add"})
        run = await yard.start("there", {"a": 1, "b": 2})
        assert await run.result() == {"sum": 3}
        asked = receiver.asked[0]
        Webhook(SECRET).verify(asked.body, asked.headers)
        assert asked.body == b'{"a":1,"b":2}'
        assert (asked.headers["x-task-id"], asked.headers["x-task-attempt"]) == (run.id, "1")


async def test_all_attempts_of_a_task_bring_the_same_token(yard: Taskyard) -> None:
    async with receiving(answer("500 Oh")) as receiver, yard.worker():
        url = f"http://127.0.0.1:{receiver.port}/"
        await put(yard, {"kind": "http", "url": url}, retryPolicy={"maxRetries": 2, "initialDelay": 0})
        with pytest.raises(TaskFailed):
            await (await yard.start("there", {})).result()
        assert [asked.headers["x-task-attempt"] for asked in receiver.asked] == ["1", "2", "3"]
        assert len({asked.headers["idempotency-key"] for asked in receiver.asked}) == 1


async def test_an_endpoint_that_accepts_leaves_the_task_waiting(yard: Taskyard) -> None:
    async with receiving(answer("202 Accepted")) as receiver, yard.worker():
        await put(yard, {"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/"})
        run = await yard.start("there", {})
        await eventually(lambda: is_in(yard, run.id, State.WAITING))
        assert receiver.asked[0].headers["x-task-callback"].endswith(f"/api/internal/tasks/{run.id}/status")


async def is_in(yard: Taskyard, task_id: str, state: State) -> bool:
    return (await get_task(yard.engine, int(task_id))).status is state


async def test_while_an_endpoint_keeps_failing_its_tasks_wait_and_say_so(yard: Taskyard) -> None:
    async with receiving(answer("500 Oh")) as receiver, yard.worker():
        url = f"http://127.0.0.1:{receiver.port}/"
        await put(yard, {"kind": "http", "url": url}, retryPolicy={"maxRetries": 0})
        for run in await yard.start_many("there", [{}] * 10):
            with pytest.raises(TaskFailed):
                await run.result()
        waiting = await yard.start("there", {})
        await eventually(lambda: is_in(yard, waiting.id, State.RETRYING))
        told = await why(yard.engine, int(waiting.id))
        assert (told["openCircuit"], told["retryCount"]) == (f"http:127.0.0.1:{receiver.port}", 0)
        assert "fail too often" in told["reason"]
        assert yard.app.breakers.figures()[told["openCircuit"]]["state"] == "open"
        assert receiver.accepted == 10


async def test_who_has_accepted_reports_the_end(yard: Taskyard) -> None:
    async with receiving(answer("202 Accepted")) as receiver, yard.worker():
        await put(yard, {"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/"})
        run = await yard.start("there", {})
        await eventually(lambda: is_in(yard, run.id, State.WAITING))
        async with client_of(yard) as http:
            path = urlsplit(receiver.asked[0].headers["x-task-callback"]).path
            told = await http.put(path, json={"status": "COMPLETED", "output": {"late": True}})
            assert told.status_code == 200, told.text
        assert await run.result() == {"late": True}


async def nobody_has_it(yard: Taskyard, task_id: str) -> bool:
    return "none of the 1 workers has the function 'there'" in (await why(yard.engine, int(task_id)))["reason"]


async def test_a_kind_that_no_worker_has_waits_and_says_so(yard: Taskyard) -> None:
    async with yard.worker():
        for kind in ("kubernetes", "acme/gpu"):
            await put(yard, {"kind": kind, "image": "x"})
            run = await yard.start("there", {})
            await eventually(lambda run=run: nobody_has_it(yard, run.id))
            await run.cancel()


@pytest.mark.parametrize(
    ("implementation", "path"),
    [
        ({"kind": "http"}, "/implementation/url"),
        ({"kind": "http", "url": "file:///etc/passwd"}, "/implementation/url"),
        ({"kind": "http", "url": "http://x", "method": "TRACE"}, "/implementation/method"),
        ({"kind": "lambda", "functionName": "f", "region": "evil.example.com"}, "/implementation/region"),
        ({"kind": "lambda", "functionName": "a b"}, "/implementation/functionName"),
        ({"kind": "kubernetes", "image": "x y"}, "/implementation/image"),
        ({"kind": "kubernetes", "image": "x", "serviceAccount": "../x"}, "/implementation/serviceAccount"),
        ({"kind": "kubernetes", "image": "x", "privileged": True}, "/implementation/privileged"),
        ({"kind": "acme/GPU"}, "/implementation/kind"),
    ],
)
def test_what_cannot_be_is_refused_at_the_door(implementation: dict[str, Any], path: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        parse_definition({"key": "x", "implementation": implementation})
    assert refused.value.details[0]["path"] == path


@pytest.fixture
def package(tmp_path: Path) -> Iterator[Path]:
    """An installed package with a target of its own."""
    folder = tmp_path / "site"
    info = folder / "acme-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[taskyard.targets]\ngpu = acme_gpu:Gpu\n")
    (folder / "acme_gpu.py").write_text(
        "from taskyard.contracts.target import Standing\n"
        "from taskyard.domain.json import loads\n"
        "from taskyard.domain.outcome import Done\n"
        "class Gpu:\n"
        "    name, kinds = 'acme', frozenset({'acme/gpu'})\n"
        "    async def run(self, call, observer):\n"
        "        observer.placed('gpu-0')\n"
        "        return Done({'twice': loads(call.input)['n'] * 2, 'token': call.token})\n"
        "    async def standings(self): return [Standing('acme/gpu', 'gpu-0')]\n"
        "    async def start(self): pass\n"
        "    async def stop(self): pass\n"
    )
    sys.path.insert(0, str(folder))
    yield folder
    sys.path.remove(str(folder))
    sys.modules.pop("acme_gpu", None)


async def test_an_installed_package_brings_a_target(yard: Taskyard, package: Path) -> None:
    async with yard.worker():
        await put(yard, {"kind": "acme/gpu", "anything": "it wants"})
        run = await yard.start("there", {"n": 21})
        assert await run.result() == {"twice": 42, "token": f"taskyard-{run.id}"}


@pytest.mark.parametrize("rule", [{"python": "acme"}, {"there": "acme", "python": "none"}])
async def test_the_operator_may_say_where_a_kind_or_a_definition_runs(
    settings: Settings, package: Path, rule: dict[str, str]
) -> None:
    source = (package / "acme_gpu.py").read_text().replace("{'acme/gpu'}", "{'python'}")
    (package / "acme_gpu.py").write_text(source)
    yard = Taskyard(settings=settings.with_values(TASKYARD_PLACEMENT=rule))
    async with yard.worker():
        await put(yard, {"kind": "python", "source": "def main(input, ctx): return 0"})
        assert (await (await yard.start("there", {"n": 4})).result())["twice"] == 8
        await put(yard, {"kind": "python", "source": "def main(input, ctx): return 0", "target": "sandbox"})
        assert await (await yard.start("there", {"n": 4})).result() == 0


async def test_a_task_may_say_where_it_runs(yard: Taskyard, package: Path) -> None:
    source = (package / "acme_gpu.py").read_text().replace("{'acme/gpu'}", "{'python'}")
    (package / "acme_gpu.py").write_text(source)

    async def ended(target: str) -> Task:
        config = ExecutionConfig(target=target)
        request = TaskRequest(task_definition_id="there", input={"n": 4}, execution_config=config)
        id_ = (await submit(yard.engine, request, LOCAL)).task.task_id
        return await eventually(lambda: final(yard, id_), within=20)

    async with yard.worker():
        await put(yard, {"kind": "python", "source": "def main(input, ctx): return 0", "target": "sandbox"})
        assert (await ended("acme")).output["twice"] == 8
        assert (await ended("")).output == 0
        failed = await ended("moon")
        assert (failed.error["code"], "'moon'" in failed.error["message"]) == ("SANDBOX_UNAVAILABLE", True)
        await put(yard, {"kind": "external", "topic": "a"})
        with pytest.raises(ValidationFailed, match="/executionConfig/target"):
            await ended("acme")


async def test_a_task_that_waits_for_a_circuit_fails_when_it_is_due(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    yard = yard_by_hand
    async with receiving(answer("500 Oh")) as receiver, yard.worker():
        url = f"http://127.0.0.1:{receiver.port}/"
        await put(yard, {"kind": "http", "url": url}, retryPolicy={"maxRetries": 0})
        for _ in range(10):
            with pytest.raises(TaskFailed):
                await (await yard.start("there", {})).result()
        due = datetime.fromtimestamp(clock.now() / 1e6, UTC) + timedelta(seconds=5)
        request = TaskRequest(task_definition_id="there", input={}, due_date=due)
        waits = (await submit(yard.engine, request, LOCAL)).task.task_id
        await eventually(lambda: is_in(yard, waits, State.RETRYING))
        clock.move(6)
        await eventually(lambda: is_in(yard, waits, State.FAILED))
        task = await get_task(yard.engine, int(waits))
        assert task.error["code"] == "CIRCUIT_OPEN"
        assert len(receiver.asked) == 10


async def final(yard: Taskyard, task_id: str) -> Task | None:
    task = await get_task(yard.engine, int(task_id))
    return task if task.status in FINAL else None


async def test_a_package_that_is_broken_stops_the_start_and_is_named(yard: Taskyard, package: Path) -> None:
    (package / "acme_gpu.py").write_text("raise RuntimeError('no driver')")
    with pytest.raises(ConfigurationError, match=r"acme_gpu:Gpu.*no driver"):
        async with yard.worker():
            pass


async def test_a_cluster_that_cannot_be_used_stops_the_start(settings: Settings) -> None:
    yard = Taskyard(settings=settings.with_values(TASKYARD_KUBERNETES="/none"))
    with pytest.raises(ConfigurationError, match="TASKYARD_KUBERNETES"):
        async with yard.worker():
            pass
