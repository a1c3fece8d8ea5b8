"""What sourceloop-task-service.md promises of new projects: they run with their broker."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import pytest

from taskyard.cli.scaffold import Project, scaffold
from tests.connectors.far_sqs import REGION, FarSqs
from tests.servers.brokers import KAFKA, SQS, SQS_ENVIRONMENT
from tests.servers.ports import free_port
from tests.servers.program import running

PROGRAM = str(Path(sys.executable).with_name("taskyard"))


def environment_of(folder: Path, **more: str) -> dict[str, str]:
    """What the project's sample of an environment says, filled in."""
    lines = (folder / ".env.example").read_text().splitlines()
    named = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    port = str(free_port())
    return {"PATH": os.environ["PATH"], "TASKYARD_PORT": port, "AWS_ACCESS_KEY_ID": "t", **named, **more}


@contextlib.asynccontextmanager
async def program(folder: Path, environment: Mapping[str, str], *command: str) -> AsyncIterator[asyncio.StreamReader]:
    """A program in the project's folder; what it says."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=dict(environment), stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


@contextlib.asynccontextmanager
async def kafka(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    with running(KAFKA["noida"]) as server:
        yield environment_of(folder, KAFKA_BROKERS=server.address)


@contextlib.asynccontextmanager
async def sqs(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "t")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "t")
    with running(SQS["ministack"], SQS_ENVIRONMENT) as server:
        far = FarSqs(server, "project", fifo=False)
        await far.prepare()
        queues = {"SQS_QUEUE_URL": far.queue_in, "TASKYARD_SQS_OUTPUT_URL": far.queue_out}
        yield environment_of(folder, AWS_REGION=REGION, AWS_SECRET_ACCESS_KEY="t", **queues)


@contextlib.asynccontextmanager
async def http(folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[dict[str, str]]:
    yield environment_of(folder, TASKYARD_HTTP_URL=f"http://127.0.0.1:{free_port()}/events")


BROKERS = {"kafka": kafka, "sqs": sqs, "http": http}


@pytest.mark.parametrize("connector", sorted(BROKERS))
async def test_a_new_project_turns_an_event_into_a_task_and_its_events(
    connector: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """sourceloop-task-service.md § Common Workflows › Workflow 1: Setup Task Service with Kafka: a project scaffolded
    for a connector turns a message on its input into a completed task and messages on its output.
    """
    folder = tmp_path / "my-tasks"
    scaffold(folder, Project("my-tasks", connector, "sqlite"))
    async with BROKERS[connector](folder, monkeypatch) as environment:
        async with program(folder, environment, PROGRAM, "serve", "tasks:yard") as said:
            assert b"Taskyard serves" in await said.readline()
            sender = (sys.executable, "send_event.py", "one two two")
            async with program(folder, environment, *sender) as told, asyncio.timeout(60):
                lines = (await told.read()).decode().splitlines()
    assert [line.split()[0] for line in lines][-2:] == ["task.instance.started", "task.instance.completed"]
    assert '"words": 3' in lines[-1]
