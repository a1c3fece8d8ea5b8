"""What the source documents promise of logs and traces that go to others: task-execution-layer.md, project-forge."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from taskyard import Context, logs
from taskyard.errors import ConfigurationError
from taskyard.logs import Queued, configure_logs
from taskyard.settings import load
from tests.cli.command import Command
from tests.promises.test_task_execution_layer_3 import PROGRAM
from tests.promises.yard import make_yard
from tests.servers.receiver import Receiver, receiving, say
from tests.support import eventually


def test_logs_go_to_syslog(tmp_path: Path) -> None:
    """task-execution-layer.md § Configuration: `TASK_LOG_DESTINATION` can be syslog."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
        syslog.bind(("127.0.0.1", 0))
        syslog.settimeout(60)
        place = f"127.0.0.1:{syslog.getsockname()[1]}"
        run_program(tmp_path, TASK_LOG_DESTINATION="syslog", TASKYARD_SYSLOG=place)
        told = [syslog.recv(4096).decode().rstrip("\0") for _ in range(2)]
    assert [line.partition("taskyard: ")[0] for line in told] == ["<14>", "<12>"]
    assert [json.loads(line.partition("taskyard: ")[2])["event"] for line in told] == ["lower", "higher"]


async def test_logs_go_to_a_collector(tmp_path: Path) -> None:
    """task-execution-layer.md § Configuration: `TASK_LOG_DESTINATION` can be an OpenTelemetry collector."""
    async with receiving("") as collector:
        await asyncio.to_thread(
            run_program, tmp_path, TASK_LOG_DESTINATION="otlp", OTEL_EXPORTER_OTLP_ENDPOINT=collector.url,
            OTEL_SERVICE_NAME="orders",
        )  # fmt: skip
    assert {one.path for one in collector.posted} == {"/v1/logs"}
    exported = [ExportLogsServiceRequest.FromString(one.body) for one in collector.posted]
    resources = [each for one in exported for each in one.resource_logs]
    records = [record for each in resources for scope in each.scope_logs for record in scope.log_records]
    assert [(record.body.string_value, record.severity_text) for record in records] == [
        ("lower", "INFO"), ("higher", "WARNING"),
    ]  # fmt: skip
    names = {a.value.string_value for each in resources for a in each.resource.attributes if a.key == "service.name"}
    assert names == {"orders"}


@pytest.mark.parametrize(
    ("settings", "mend"),
    [
        ({"TASK_LOG_DESTINATION": "otlp"}, "OTEL_EXPORTER_OTLP_ENDPOINT"),
        ({"TASK_LOG_DESTINATION": "syslog", "TASKYARD_SYSLOG": "/nowhere"}, "TASKYARD_SYSLOG"),
    ],
)
def test_a_destination_that_cannot_be_had_is_told_at_start(settings: dict[str, str], mend: str) -> None:
    """task-execution-layer.md § Configuration: a destination of logs that is not there."""
    with pytest.raises(ConfigurationError, match=mend):
        configure_logs(load(settings))


def run_program(folder: Path, **settings: str) -> None:
    command = Command(folder, {"TASK_LOG_LEVEL": "INFO", **settings})
    subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=folder, env=command.environment, capture_output=True, check=True
    )


def spans_of(collector: Receiver) -> list[Any]:
    """All spans that it took."""
    exported = [ExportTraceServiceRequest.FromString(one.body) for one in collector.taken if one.path == "/v1/traces"]
    return [
        span for one in exported for each in one.resource_spans for scope in each.scope_spans for span in scope.spans
    ]


async def test_tasks_and_attempts_are_traced_and_subtasks_go_on_in_the_trace(tmp_path: Path) -> None:
    """project-forge-task-engine.md § Dependencies: with `OTEL_*` set, each task and attempt is traced with its key,
    category, queue and outcome, and the trace goes on in subtasks; while the collector is away they wait.
    """
    async with receiving("") as collector:
        collector.answer = lambda posted: say(500)
        yard = make_yard(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)

        @yard.task(category="data", retry=1, retry_delay=lambda count: 0)
        async def child(ctx: Context) -> int:
            if ctx.attempt == 1:
                raise RuntimeError("not yet")
            return 7

        @yard.task
        async def parent(ctx: Context) -> int:
            return await ctx.run(child)

        async with yard.worker(concurrency=2):
            assert await (await parent.start()).result() == 7
            await eventually(lambda: collector.posted)
            collector.answer = lambda posted: say(200)
            await eventually(lambda: len(spans_of(collector)) >= 5)
            circuit = yard.app.breakers.figures()["service:otlp"]
    assert circuit["state"] == "closed"
    spans = spans_of(collector)
    told = [{each.key: each.value.string_value or each.value.int_value for each in span.attributes} for span in spans]
    of = {
        (one["taskyard.task.key"], one.get("taskyard.attempt", 0)): span for one, span in zip(told, spans, strict=True)
    }
    assert len(of) == 5
    assert len({span.trace_id for span in spans}) == 1
    assert of["parent", 0].parent_span_id == b""
    assert of["child", 0].parent_span_id == of["parent", 0].span_id
    assert of["child", 1].parent_span_id == of["child", 2].parent_span_id == of["child", 0].span_id
    assert [of["child", number].status.code for number in (0, 1, 2)] == [1, 2, 1]
    wanted = {"taskyard.task.category": "data", "taskyard.task.queue": "task-execution-automated"}
    assert [one["taskyard.task.outcome"] for one in told if one.items() >= wanted.items()] == [
        "RETRY", "COMPLETED", "COMPLETED",
    ]  # fmt: skip


async def test_a_span_that_the_collector_refuses_keeps_no_other_waiting(tmp_path: Path) -> None:
    """project-forge-task-engine.md § Dependencies: with `OTEL_*` set, all is traced that the collector takes."""
    async with receiving("") as collector:
        collector.answer = lambda posted: say(400 if b"refused_one" in posted.body else 200)
        yard = make_yard(tmp_path, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url)

        @yard.task
        async def refused_one() -> None: ...

        @yard.task
        async def taken_one() -> None: ...

        def refused() -> int:
            return int(yard.app.breakers.figures()["service:otlp"].get("refused", 0))

        async with yard.worker(concurrency=2):
            runs = [await each.start() for each in (taken_one, refused_one, taken_one, refused_one)]
            for run in runs:
                await run.result()
            await eventually(lambda: len(spans_of(collector)) == 4 and refused() == 4)
    assert {span.name for span in spans_of(collector)} == {"taken_one"}


def test_a_syslog_that_makes_one_wait_keeps_nobody_who_logs() -> None:
    """task-execution-layer.md § Configuration: `TASK_LOG_DESTINATION` can be syslog."""
    said: list[str] = []
    release = threading.Event()

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            release.wait()
            said.append(record.getMessage())

    handler = Queued(Slow())
    for word in ("one", "two"):
        handler.handle(logging.LogRecord("test", logging.INFO, "", 0, word, None, None))
    assert said == []
    release.set()
    handler.close()
    assert said == ["one", "two"]


def test_a_syslog_that_has_stopped_keeps_no_process_from_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    """task-execution-layer.md § Configuration: `TASK_LOG_DESTINATION` can be syslog."""
    monkeypatch.setattr(logs, "_WAITING", 1)
    monkeypatch.setattr(logs, "_LAST_WORDS", 0.05)
    stuck, release = threading.Event(), threading.Event()

    class Stopped(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            stuck.set()
            release.wait()

    stopped = Stopped()
    handler = Queued(stopped)
    for word in ("one", "two", "three"):
        handler.handle(logging.LogRecord("test", logging.INFO, "", 0, word, None, None))
        assert stuck.wait(20)
    handler.close()
    assert stopped.lock is not None
    assert stopped.lock.acquire(timeout=60)
    stopped.lock.release()
    release.set()
