"""The places where code runs besides this machine, asked for like any other task, on each store."""

import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import msgspec
import pytest
from standardwebhooks.webhooks import Webhook

from taskyard import TaskFailed, Taskyard
from taskyard.domain.lifecycle import FINAL, State
from taskyard.domain.policy import ExecutionConfig
from taskyard.domain.queue import Queue
from taskyard.domain.task import Task
from taskyard.engine.define import define, parse_definition
from taskyard.engine.draft import draft_all
from taskyard.engine.lease import register
from taskyard.engine.query import get_task
from taskyard.engine.request import TaskRequest
from taskyard.engine.requeue import requeue
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
        path = f"/api/internal/tasks/{run.id}/status?token=taskyard-{run.id}"
        assert receiver.asked[0].headers["x-task-callback"] == f"https://tasks.example.com{path}"


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
            told = await http.put(callback_of(receiver, 0), json={"status": "COMPLETED", "output": {"late": True}})
            assert told.status_code == 200, told.text
        assert await run.result() == {"late": True}


def callback_of(receiver: Any, number: int) -> str:
    parts = urlsplit(receiver.asked[number].headers["x-task-callback"])
    return f"{parts.path}?{parts.query}"


async def test_what_is_requeued_is_asked_anew_and_takes_no_answer_to_what_was_asked_before(yard: Taskyard) -> None:
    async with receiving(answer("202 Accepted")) as receiver, yard.worker(), client_of(yard) as http:
        await put(yard, {"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/"}, retryPolicy={"maxRetries": 0})
        run = await yard.start("there", {"n": 1})
        for asked, value in enumerate(({"n": 2}, {"n": 3})):
            await eventually(lambda: is_in(yard, run.id, State.WAITING))
            wrong = {"status": "FAILED", "error": {"code": "X", "message": "no", "retryable": False}}
            told = await http.put(callback_of(receiver, asked), json=wrong)
            assert told.status_code == 200, told.text
            assert await requeue(yard.engine, [int(run.id)], "ada", "again", value) == [int(run.id)]
        await eventually(lambda: is_in(yard, run.id, State.WAITING))
        for asked in (0, 1):
            told = await http.put(callback_of(receiver, asked), json={"status": "COMPLETED", "output": "old"})
            assert (told.status_code, told.json()["error"]["code"]) == (409, "CONFLICT")
        told = await http.put(callback_of(receiver, 2), json={"status": "COMPLETED", "output": "new"})
        assert told.status_code == 200, told.text
        assert await run.result() == "new"
        keys = [f"taskyard-{run.id}{anew}" for anew in ("", "-1", "-2")]
        assert [asked.headers["idempotency-key"] for asked in receiver.asked] == keys


def answering(output: str, **named: str) -> dict[str, Any]:
    payload = {**named, "output": output}
    return {"key": "integration.response_received", "source": "there", "description": "answers", "payload": payload}


async def test_an_event_answers_only_what_was_asked_since_the_task_was_requeued(yard: Taskyard) -> None:
    async with receiving(answer("202 Accepted")) as receiver, yard.worker(), client_of(yard) as http:
        await put(yard, {"kind": "http", "url": f"http://127.0.0.1:{receiver.port}/"}, retryPolicy={"maxRetries": 0})
        run = await yard.start("there", {"n": 1})
        await eventually(lambda: is_in(yard, run.id, State.WAITING))
        wrong = {"status": "FAILED", "error": {"code": "X", "message": "no", "retryable": False}}
        assert (await http.put(callback_of(receiver, 0), json=wrong)).status_code == 200
        assert await requeue(yard.engine, [int(run.id)], "ada", "again", {"n": 2}) == [int(run.id)]
        await eventually(lambda: is_in(yard, run.id, State.WAITING))
        former, present = (asked.headers["idempotency-key"] for asked in receiver.asked)
        for late in (answering("old", correlationId=former), answering("old", correlationId=former, taskId=run.id)):
            told = await http.post("/api/v1/events/trigger", json=late)
            assert (told.status_code, told.json()["error"]["code"]) == (409, "CONFLICT")
        told = await http.post("/api/v1/events/trigger", json=answering("new", correlationId=present))
        assert (told.status_code, told.json()["taskIds"]) == (202, [run.id])
        assert await run.result() == "new"


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
        return await eventually(lambda: final(yard, id_))

    async with yard.worker():
        await put(yard, {"kind": "python", "source": "def main(input, ctx): return 0", "target": "sandbox"})
        assert (await ended("acme")).output["twice"] == 8
        assert (await ended("")).output == 0
        await put(yard, {"kind": "external", "topic": "a"})
        with pytest.raises(ValidationFailed, match="/executionConfig/target"):
            await ended("acme")


async def test_a_task_goes_to_a_worker_that_has_the_place_it_asks_for(
    yard: Taskyard, another_yard: Callable[[], Taskyard], package: Path
) -> None:
    source = (package / "acme_gpu.py").read_text().replace("{'acme/gpu'}", "{'python'}")
    (package / "acme_gpu.py").write_text(source)
    sys.path.remove(str(package))
    async with yard.worker():
        await put(yard, {"kind": "python", "source": "def main(input, ctx): return 0"})
        config = ExecutionConfig(target="acme")
        request = TaskRequest(task_definition_id="there", input={"n": 4}, execution_config=config)
        id_ = (await submit(yard.engine, request, LOCAL)).task.task_id
        assert await (await yard.start("there", {"n": 4})).result() == 0  # asked for later, and not in its way
        waits = await get_task(yard.engine, int(id_))
        assert (waits.status, waits.attempt) == (State.PENDING, 1)
        sys.path.insert(0, str(package))
        async with another_yard().worker():
            task = await eventually(lambda: final(yard, id_))
        assert (task.output["twice"], task.attempt, task.retry_count) == (8, 1, 0)


async def test_a_task_that_asks_for_a_place_nobody_has_says_so(yard: Taskyard) -> None:
    async with yard.worker():
        await put(yard, {"kind": "python", "source": "def main(input, ctx): return 0"})
        config = ExecutionConfig(target="moon")
        request = TaskRequest(task_definition_id="there", input={}, execution_config=config)
        id_ = int((await submit(yard.engine, request, LOCAL)).task.task_id)
        told = await eventually(lambda: nobody_has(yard, id_, "moon"))
        assert (told["target"], told["workers"]) == ("moon", 0)


async def test_what_a_target_does_not_run_is_refused(yard: Taskyard) -> None:
    async with yard.worker():
        await put(yard, {"kind": "python", "source": "def main(input, ctx): return 0"})
        await eventually(lambda: told_targets(yard))
        request = TaskRequest(task_definition_id="there", input={}, execution_config=ExecutionConfig(target="lite"))
        with pytest.raises(ValidationFailed, match=r"'lite' runs .*, not python"):
            await submit(yard.engine, request, LOCAL)


async def told_targets(yard: Taskyard) -> bool:
    return any(worker.stats.get("targets") for worker in await yard.engine.store.workers())


async def test_so_many_targets_that_nobody_has_may_be_waited_for(yard: Taskyard) -> None:
    async with yard:
        await put(yard, {"kind": "python", "source": "def main(input, ctx): return 0"})

        async def asked(target: str, priority: Literal["LOW", "MEDIUM", "HIGH", "CRITICAL"] = "MEDIUM") -> None:
            config = ExecutionConfig(target=target)
            request = TaskRequest(task_definition_id="there", input={}, priority=priority, execution_config=config)
            await submit(yard.engine, request, LOCAL)

        for number in range(32):
            await asked(f"moon-{number}")
        with pytest.raises(ValidationFailed, match="no worker has the target 'moon-32'"):
            await asked("moon-32")
        await asked("moon-0", "HIGH")
        lanes = (await yard.engine.catalog.all_lanes()).values()
        assert len({lane.target for lane in lanes if lane.target}) == 32


@pytest.mark.parametrize("target", ["x" * 64, "a b", "a\nb", "-a", "a:b"])
def test_the_name_of_a_target_is_short_and_plain(target: str) -> None:
    with pytest.raises(msgspec.ValidationError, match="target"):
        msgspec.convert({"target": target}, ExecutionConfig)


async def test_a_task_queued_before_targets_had_lanes_gets_its_own(yard: Taskyard) -> None:
    async with yard.worker():
        await put(yard, {"kind": "python", "source": "def main(input, ctx): return 0"})
        engine, config = yard.engine, ExecutionConfig(target="moon")
        request = TaskRequest(task_definition_id="there", input={}, execution_config=config)
        [draft] = await draft_all(engine, [request], LOCAL)
        lane_id = draft.entry.lane_id
        old = await engine.catalog.lane_id(engine.catalog.lane_key(lane_id)._replace(target=""))
        await engine.batcher.put(draft.entry._replace(lane_id=old))
        other = await register(engine, "other", 1, Queue.AUTOMATED)
        lease = await eventually(lambda: engine.store.claim(other, [lane_id], 1))
        assert [task.task_id for task in lease.tasks] == [draft.entry.id]


async def nobody_has(yard: Taskyard, task_id: int, target: str) -> dict[str, Any] | None:
    told = await why(yard.engine, task_id)
    return told if f"none of the 1 workers runs python at the target '{target}'" in told["reason"] else None


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
