"""task-execution-layer.md: what the layer is promised to do. Code that definitions bring along."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from taskyard import Taskyard
from taskyard.executors.script.sandbox import tiers
from taskyard.executors.script.sandbox.canaries import Bait, canary
from taskyard.executors.script.sandbox.jail import Means
from tests.api.yard import Client
from tests.executors.sandbox.calls import TIERS_HERE
from tests.promises.yard import client_of, make_yard, refusal, task_of

KINDS = ("python", "javascript", "typescript", "shell")
NO_RETRY = {"maxRetries": 0}


@contextlib.asynccontextmanager
async def working(folder: Path, **settings: Any) -> AsyncIterator[tuple[Taskyard, Client]]:
    """A yard with a worker, and an administrator of it."""
    yard = make_yard(folder, **settings)
    async with yard, yard.worker(), client_of(yard) as http:
        yield yard, http


async def outcome(yard: Taskyard, http: Client, kind: str, source: str, input_: Any = None, **more: Any) -> Any:
    """The task, once a program has run as one."""
    body = {"implementation": {"kind": kind, "source": source, **more.pop("implementation", {})}, **more}
    answer = await http.put(f"/api/v1/definitions/{kind}", json={"retryPolicy": NO_RETRY, **body})
    assert answer.status_code in (200, 201), answer.text
    run = await yard.start(kind, {} if input_ is None else input_)
    async for _ in run.follow():
        pass
    return await task_of(http, run.id)


async def tier_of(http: Client, task: dict[str, Any]) -> str:
    return str((await http.get(f"/api/v1/tasks/{task['taskId']}/attempts")).json()["items"][-1]["tier"])


@pytest.mark.parametrize("tier", TIERS_HERE)
@pytest.mark.parametrize("kind", KINDS)
async def test_source_runs_in_a_sandbox(tmp_path: Path, kind: str, tier: str) -> None:
    """task-execution-layer.md § Key Components › Automated Task Executor: source runs without network, host files
    and environment, in a folder of its own.
    """
    file = tmp_path / "host"
    file.write_text("mine")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        source = canary(kind, Bait(str(file), listener.getsockname()[1], "TASKYARD_DATA_DIR"))
        async with working(tmp_path / "yard", TASKYARD_SANDBOX_TIERS=(tier,)) as (yard, http):
            task = await outcome(yard, http, kind, source)
            assert (task["status"], task["output"]) == ("COMPLETED", [])
            assert await tier_of(http, task) == tier
        listener.settimeout(0)
        with pytest.raises(BlockingIOError):
            listener.accept()
    assert file.read_text() == "mine"


async def test_without_a_sandbox_no_code_is_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """task-execution-layer.md § Key Components › Automated Task Executor: where no sandbox can be had the task fails
    with SANDBOX_UNAVAILABLE, which names what is missing.
    """
    monkeypatch.setattr("taskyard.executors.script.sandbox.target.find_means", lambda: Means("", "", is_root=False))
    assert tiers.lacks("bubblewrap", Means("", "", is_root=False), 7) is not None
    async with working(tmp_path, TASKYARD_SANDBOX_TIERS=("bubblewrap",)) as (yard, http):
        task = await outcome(yard, http, "shell", f"touch {tmp_path}/started")
    assert task["error"]["code"] == "SANDBOX_UNAVAILABLE"
    assert "no bubblewrap" in task["error"]["message"]
    assert "install the package bubblewrap" in task["error"]["message"]
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize(
    ("kind", "source"),
    [
        ("python", "def main(input, ctx):\n    return {'greeting': 'Hello ' + input['name']}"),
        ("javascript", "export default async (input) => ({ greeting: `Hello ${input.name}` })"),
        ("shell", 'cat >/dev/null; printf \'{"greeting": "Hello %s"}\' "$INPUT_NAME" >"$TASK_OUTPUT"'),
        ("shell", 'printf \'{"greeting": "Hello %s"}\' "$(cut -d\'"\' -f4)" >$TASK_OUTPUT'),
    ],
)
async def test_declared_input_and_output(tmp_path: Path, kind: str, source: str) -> None:
    """task-execution-layer.md § Key Components › Automated Task Executor: a script is given its declared input as
    JSON and gives its declared output as JSON.
    """
    name, greeting = {"name": {"type": "string"}}, {"greeting": {"type": "string"}}
    async with working(tmp_path) as (yard, http):
        more = {
            "inputSchema": {"type": "object", "properties": name, "required": ["name"]},
            "outputSchema": {"type": "object", "properties": greeting, "required": ["greeting"]},
        }
        task = await outcome(yard, http, kind, source, {"name": "Ada"}, **more)
        assert task["output"] == {"greeting": "Hello Ada"}
        more["outputSchema"]["required"] = ["farewell"]
        task = await outcome(yard, http, kind, source, {"name": "Ada"}, **more)
        assert task["error"]["code"] == "OUTPUT_VALIDATION_ERROR"
        refused = await http.post("/api/internal/tasks", json={"taskDefinitionId": kind, "input": {"name": 7}})
        assert refusal(refused) == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize(
    ("limit", "kind", "source"),
    [
        ("cpu", "python", "def main(i, c):\n while True: pass"),
        ("memory", "javascript", "export default () => new Uint8Array(1e9).fill(1).length"),
        ("output", "shell", "yes"),
        ("disk", "python", "def main(i, c): open('a', 'wb').write(bytes(20 << 20))"),
        ("processes", "python", "import os\ndef main(i, c):\n while True: os.fork()"),
    ],
)
async def test_default_limits(tmp_path: Path, limit: str, kind: str, source: str) -> None:
    """task-execution-layer.md § Configuration: TASK_RESOURCES gives the default limits, and one that is exceeded is
    named.
    """
    resources = {"cpuSeconds": 1, "memoryMb": 128, "outputBytes": 100_000, "diskMb": 8, "processes": 8}
    async with working(tmp_path, TASK_RESOURCES=resources) as (yard, http):
        task = await outcome(yard, http, kind, source)
    assert task["error"]["code"] == "RESOURCE_LIMIT"
    assert task["error"]["details"]["limit"] == limit


@pytest.mark.parametrize("tier", TIERS_HERE)
async def test_code_does_not_outlive_its_task(tmp_path: Path, tier: str) -> None:
    """task-execution-layer.md § Security: code cannot see other tasks' data, nor outlive its task."""
    async with working(tmp_path, TASKYARD_SANDBOX_TIERS=(tier,)) as (yard, http):
        nap = f"7171.{os.getpid()}"  # nobody else's
        left = f"echo mine >~/mine; (sleep {nap} &) ; sleep {nap} & echo '{{}}' >$TASK_OUTPUT"
        assert (await outcome(yard, http, "shell", left))["status"] == "COMPLETED"
        assert not [command for command in commands() if nap in command]
        task = await outcome(yard, http, "shell", "ls -A ~ | grep -c mine; true")
        assert task["output"]["stdout"] == "0\n"


def commands() -> list[str]:
    """The command lines of all processes."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            found.append(path.read_text(errors="replace"))
    return found


@pytest.mark.parametrize("kind", KINDS)
async def test_values_are_data(tmp_path: Path, kind: str) -> None:
    """task-execution-layer.md § Security: values that look like shell, path or code syntax reach a script as data."""
    value = {"a": "$(touch ~/x) `id`; ' \" \\ \n../../etc/passwd", "b$(id)": "${PATH}", "c": "__import__('os')"}
    sources = {
        "python": "import os\ndef main(i, c): return [i, os.listdir('.')]",
        "javascript": "export default (input) => [input, []]",
        "typescript": "export default (input: unknown) => [input, []]",
        "shell": 'printf \'[%s, ["%s"]]\' "$(cat)" "$(ls ~ | grep x)" >"$TASK_OUTPUT"',
    }
    async with working(tmp_path) as (yard, http):
        task = await outcome(yard, http, kind, sources[kind], value)
    assert task["output"][0] == value
    assert task["output"][1] in ([], [""])


async def test_javascript(tmp_path: Path) -> None:
    """task-execution-layer.md § Implementation Examples › Executing an Automated Task: the exported default function
    is called with the input, and its value is the output.
    """
    source = "export default async function (input, ctx) { return input.numbers.reduce((a, b) => a + b, 0); }"
    async with working(tmp_path) as (yard, http):
        assert (await outcome(yard, http, "javascript", source, {"numbers": [1, 2, 39]}))["output"] == 42
