"""Definitions that bring their own code: from the definition to the task's end, on each store."""

from __future__ import annotations

import errno
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from taskyard import Run, Taskyard, TaskyardError
from taskyard.api.task_story import attempt_json
from taskyard.domain.task import detail_of
from taskyard.engine.define import define, parse_definition
from taskyard.engine.metrics import workers
from taskyard.engine.query import list_attempts, list_lines
from taskyard.engine.upload import save_upload
from taskyard.executors.script.sandbox import launch
from taskyard.executors.script.sandbox.forkserver import ForkServer
from taskyard.executors.script.sandbox.launch import Plan
from taskyard.executors.script.sandbox.target import Sandbox
from taskyard.security.caller import LOCAL
from taskyard.settings import Settings
from tests.servers.packages import packages
from tests.support import eventually

pytestmark = pytest.mark.timeout(60)

ADD = "def main(input, ctx):\n    ctx.log.info(f\"adding {input['a']}\")\n    return {'sum': input['a'] + input['b']}\n"
NUMBERS = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}, "required": ["a"]}
SUM = {"type": "object", "properties": {"sum": {"type": "integer"}}, "required": ["sum"]}


async def put(yard: Taskyard, key: str, kind: str, source: str, **more: Any) -> None:
    implementation = {"kind": kind, "source": source, **more.pop("implementation", {})}
    value = {"key": key, "implementation": implementation, "retryPolicy": {"maxRetries": 0}, **more}
    await define(yard.engine, [parse_definition(value)])


async def ended(run: Run[Any]) -> Run[Any]:
    """The run, once it has ended however it did."""
    async for _ in run.follow():
        pass
    await run.refresh()
    return run


async def test_a_script_runs_like_any_task(yard: Taskyard) -> None:
    async with yard, yard.worker():
        await put(yard, "add", "python", ADD, inputSchema=NUMBERS, outputSchema=SUM)
        await put(yard, "hello", "shell", 'echo "{\\"hello\\": \\"$INPUT_NAME\\"}" >$TASK_OUTPUT')
        await put(yard, "twice", "javascript", "export default (input) => input.n * 2")
        add, hello, twice = [
            await yard.start("add", {"a": 1, "b": 2}),
            await yard.start("hello", {"name": "$(id)"}),
            await yard.start("twice", {"n": 21}),
        ]
        assert await add.result() == {"sum": 3}
        assert await hello.result() == {"hello": "$(id)"}
        assert await twice.result() == 42
        lines = await list_lines(yard.engine, int(add.id), 0, 10)
        assert [line.text for line in lines] == ["adding 1"]
        with pytest.raises(TaskyardError, match="/input/a"):
            await yard.start("add", {"a": "x"})


async def test_what_becomes_of_scripts_that_fail(yard: Taskyard) -> None:
    sources = {
        "OUTPUT_VALIDATION_ERROR": "def main(i, c): return {'sum': 'many'}",
        "EXECUTION_ERROR": "def main(i, c): raise KeyError('a')",
        "RESOURCE_LIMIT": "def main(i, c): return len(bytearray(10 ** 10))",
        "TIMEOUT": "import time\ndef main(i, c): time.sleep(60)",
    }
    async with yard, yard.worker():
        for code, source in sources.items():
            await put(yard, code, "python", source, outputSchema=SUM, timeout=1 if code == "TIMEOUT" else 30)
        runs = [await yard.start(code, {}) for code in sources]
        tasks = [(await ended(run)).task for run in runs]
    assert {task.task_definition_id: task.error["code"] for task in tasks} == {code: code for code in sources}
    limited = next(task for task in tasks if task.task_definition_id == "RESOURCE_LIMIT")
    assert limited.error["details"]["limit"] == "memory"


async def test_every_attempt_tells_its_tier(yard: Taskyard) -> None:
    async with yard, yard.worker():
        await put(
            yard, "fails", "python", "def main(i, c): return 1 / 0", retryPolicy={"maxRetries": 1, "initialDelay": 0}
        )
        run = await ended(await yard.start("fails", {}))
        tiers = [detail_of(attempt.fact).tier for attempt in await list_attempts(yard.engine, int(run.id))]
    assert tiers == ["bubblewrap", "bubblewrap"] or tiers == ["landlock", "landlock"]


async def test_a_script_waits_for_a_sandbox_that_cannot_be_tried_now(
    yard: Taskyard, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(plan: Plan, server: ForkServer) -> None:
        raise OSError(errno.EMFILE, "too many open files")

    monkeypatch.setattr(Sandbox, "look_again_seconds", 0.0)
    async with yard, yard.worker():
        await put(yard, "add", "python", ADD, retryPolicy={"maxRetries": 1_000, "initialDelay": 0.1, "multiplier": 1})
        with monkeypatch.context() as patch:
            patch.setattr(launch, "launch", fails)
            run = await yard.start("add", {"a": 1, "b": 2})

            async def is_retrying() -> bool:
                await run.refresh()
                return run.status == "RETRYING"

            await eventually(is_retrying)
            attempts = await list_attempts(yard.engine, int(run.id))
        told = [detail_of(attempt.fact).error for attempt in attempts if attempt.fact.detail]
        assert {error["code"] for error in told if error} == {"SANDBOX_ERROR"}
        assert await run.result() == {"sum": 3}


async def test_a_canceled_script_stops(yard: Taskyard) -> None:
    async with yard, yard.worker():
        await put(yard, "sleeps", "shell", "echo on; sleep 60")
        run = await yard.start("sleeps", {})
        async for message in run.follow():
            if message["type"] == "log":
                await run.cancel()
        await run.refresh()
        assert run.status == "CANCELED"


@pytest.mark.parametrize(
    ("implementation", "path"),
    [
        ({"kind": "python"}, "/implementation/source"),
        ({"kind": "python", "source": ""}, "/implementation/source"),
        ({"kind": "shell", "source": "x", "sauce": 1}, "/implementation/sauce"),
        ({"kind": "shell", "source": "x", "network": True}, "/implementation/network"),
        ({"kind": "shell", "source": "x", "network": {"allow": ["nowhere"]}}, "/implementation/network/allow/0"),
        ({"kind": "shell", "source": "x", "env": {"A-B": "x"}}, "/implementation/env/A-B"),
        ({"kind": "shell", "source": "x", "resources": {"cpuSeconds": 0}}, "/implementation/resources/cpuSeconds"),
        ({"kind": "shell", "source": "x", "isolation": "SOME"}, "/implementation/isolation"),
        ({"kind": "shell", "source": "x", "env": {"A": {"secret": "../a"}}}, "/implementation/env/A/secret"),
        ({"kind": "shell", "source": "x", "dependencies": ["a"]}, "/implementation/dependencies"),
        ({"kind": "python", "source": "x", "dependencies": ["a @ file:///a"]}, "/implementation/dependencies/0"),
        ({"kind": "javascript", "source": "x", "imports": {"a": "https://a"}}, "/implementation/imports/a"),
        ({"kind": "python-lite", "source": "x", "env": {"A": "x"}}, "/implementation/env"),
        ({"kind": "bash-lite", "source": "x", "network": {"allow": ["a:1"]}}, "/implementation/network"),
        ({"kind": "python-wasm", "source": "x"}, "/implementation/kind"),
    ],
)
def test_a_definition_that_cannot_run_is_refused(implementation: dict[str, Any], path: str) -> None:
    with pytest.raises(TaskyardError) as refused:
        parse_definition({"key": "a", "implementation": implementation})
    assert [detail["path"] for detail in refused.value.details] == [path]


async def test_workers_tell_their_tiers(yard: Taskyard) -> None:
    async with yard, yard.worker():
        await put(yard, "one", "python", "def main(i, c): return 1")
        assert await (await yard.start("one", {})).result() == 1
        worker = await eventually(lambda: tiers_of(yard))
        assert {each.partition(":")[0] for each in worker["tiers"]} >= {"python", "shell", "javascript", "typescript"}


async def tiers_of(yard: Taskyard) -> dict[str, Any] | None:
    """The one worker, once it has told its tiers."""
    (worker,) = await workers(yard.engine)
    return worker if worker["tiers"] else None


_FILE = {"type": "object", "properties": {"file": {"type": "string", "format": "upload"}}, "required": ["file"]}
_FIELD = [{"componentId": "c", "fields": [{"fieldKey": "file", "type": "file", "required": True}]}]


@pytest.mark.parametrize("asked", [{"inputSchema": _FILE}, {"uiComponents": _FIELD}], ids=["schema", "components"])
async def test_files_go_in_and_come_out(yard: Taskyard, asked: dict[str, Any]) -> None:
    source = """
def main(input, ctx):
    with open("loud.txt", "w") as out:
        out.write(open(ctx.files[input["file"]]["path"]).read().upper())
    return {"loud": ctx.save("loud.txt")}
"""
    async with yard, yard.worker():
        await put(yard, "shout", "python", source, **asked)
        upload = await save_upload(yard.engine, "quiet.txt", b"hello", LOCAL)
        output = await (await yard.start("shout", {"file": upload.id})).result()
        found = await yard.engine.store.upload(output["loud"])
        assert found is not None
        assert (found[0].name, found[0].owner, found[1]) == ("loud.txt", "local", b"HELLO")


@pytest.fixture
def packages_folder() -> Iterator[Path]:
    """Where packages are kept; users of jails may read it."""
    with tempfile.TemporaryDirectory(prefix="taskyard-test-") as name:
        Path(name).chmod(0o755)
        yield Path(name) / "packages"


async def test_packages_and_secrets_reach_the_code_and_the_record_has_the_lock_alone(
    settings: Settings, packages_folder: Path
) -> None:
    source = """
import greet, os
def main(input, ctx):
    print("the token is", os.environ["TOKEN"])
    return greet.hi(os.environ["TOKEN"])
"""
    more = {"dependencies": ["greet"], "env": {"TOKEN": {"secret": "token"}}}
    with packages() as index:
        index.add_wheel("greet", "1.0", {"greet.py": "def hi(name): return 'hi ' + name"})
        yard = Taskyard(
            settings=settings.with_values(
                TASKYARD_PYTHON_INDEX=index.index,
                TASKYARD_PACKAGES_DIR=str(packages_folder),
                TASKYARD_SECRETS={"token": "canary-token"},
            )
        )
        async with yard, yard.worker():
            await put(yard, "greets", "python", source, implementation=more)
            run = await yard.start("greets", {})
            assert await run.result() == "hi ***"
            (attempt,) = await list_attempts(yard.engine, int(run.id))
            lines = await list_lines(yard.engine, int(run.id), 0, 10)
    assert [line.text for line in lines] == ["the token is ***"]
    assert str(attempt_json(attempt)["lock"]).startswith("sha256:")
    assert "canary" not in f"{attempt} {lines}"
