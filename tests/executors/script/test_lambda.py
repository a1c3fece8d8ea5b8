"""The target Lambda, against MiniStack: held to the contract, and what is its own."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from aiobotocore.session import get_session
from tests.security.egress.receiver import answer, receiving
from tests.servers.ministack import ministack
from tests.support import eventually

from taskyard.calls.breakers import Breakers
from taskyard.domain.outcome import Done, Failed, Handed, Postponed
from taskyard.domain.resources import Resources
from taskyard.executors.script.aws_lambda import MOST_ASYNC, MOST_SYNC, LambdaTarget
from taskyard.executors.script.sandbox.jail import INSIDE
from taskyard.testing import ManualClock
from taskyard.testing.conformance.target import *  # noqa: F403 - its tests run here
from taskyard.testing.conformance.target import Heard, call_of

SOURCE = """
import base64, json, os, sys, time
from pathlib import Path

FOLDER = Path({folder!r})

def echo(event, context):
    return event

def token(event, context):
    return context.client_context.custom["token"] if context.client_context else None

def speak(event, context):
    print(json.dumps({{"type": "log", "level": "warning", "text": "hello"}}))
    print(json.dumps({{"type": "progress", "current": 1, "total": 2, "action": "half"}}))
    return "said"

def fail(event, context):
    print("before")
    raise ValueError("it broke")

def wait(event, context):
    mark = FOLDER / context.aws_request_id
    mark.touch()
    try:
        time.sleep(60)
    finally:
        mark.unlink()

def large(event, context):
    return "x" * 200_000

def garbage(event, context):
    return {{1, 2}}

def slow(event, context):
    time.sleep(30)

def keep(event, context):
    (FOLDER / "kept.json").write_text(json.dumps(event))
"""
ROLE = "arn:aws:iam::000000000000:role/lambda"
ENVIRONMENT = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "canary", "AWS_DEFAULT_REGION": "eu-central-1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lambda")


@pytest.fixture(scope="module")
def aws(folder: Path) -> Iterator[str]:
    with ministack(folder) as url:
        asyncio.run(_deploy(url, folder))
        yield url


@pytest.fixture(autouse=True)
def chain(aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Region and credentials as AWS's standard chain finds them."""
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": aws}.items():
        monkeypatch.setenv(name, value)


async def _deploy(url: str, folder: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("code.py".replace("code", "programs"), SOURCE.format(folder=str(folder)))
    credentials = {"aws_access_key_id": "test", "aws_secret_access_key": "canary", "region_name": "eu-central-1"}
    async with get_session().create_client("lambda", endpoint_url=url, **credentials) as client:
        for name in ("echo", "token", "speak", "fail", "wait", "large", "garbage", "slow", "keep"):
            await client.create_function(
                FunctionName=name, Runtime="python3.11", Role=ROLE, Handler=f"programs.{name}",
                Code={"ZipFile": packed.getvalue()}, Timeout=2 if name == "slow" else 60,
            )  # fmt: skip
        await client.publish_version(FunctionName="echo")
        await client.create_function(
            FunctionName="runner", Runtime="python3.11", Role=ROLE, Handler="runner.handler",
            Code={"ZipFile": _runner()}, Timeout=60,
        )  # fmt: skip


def _runner() -> bytes:
    """The package of the function that runs scripts."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file in INSIDE.iterdir():
            if file.is_file():
                archive.write(file, file.name)
    return packed.getvalue()


class Aws:
    """MiniStack with the suite's programs as functions."""

    can = frozenset({"speak"})  # what was invoked runs to its end; MiniStack hands no client context on

    def __init__(self, target: LambdaTarget, folder: Path) -> None:
        self.target = target
        self._folder = folder

    def program(self, name: str) -> Mapping[str, Any]:
        return {"kind": "lambda", "functionName": name}

    async def running(self) -> int:
        return len(list(self._folder.glob("*-*-*-*-*")))


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def place(clock: ManualClock, folder: Path) -> Aws:
    return Aws(LambdaTarget(Breakers(clock)), folder)


async def called(target: Any, input_: Any = None, heard: Heard | None = None, **implementation: Any) -> Any:
    return await target.run(call_of({"kind": "lambda", **implementation}, input_), heard or Heard())


async def test_the_functions_own_error_has_its_type_and_last_lines(target: LambdaTarget) -> None:
    report = await called(target, functionName="fail")
    assert isinstance(report, Failed)
    assert report.error.details["errorType"]
    assert "before" in report.error.details["lastOutput"]


async def test_what_aws_is_sent(target: LambdaTarget, monkeypatch: pytest.MonkeyPatch) -> None:
    headers = {"x_amz_log_result": base64.b64encode(b"a line").decode(), "x_amz_executed_version": "7"}
    async with receiving(answer(body=b'{"b": 2}', **headers)) as receiver:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{receiver.port}")
        heard, call = Heard(), call_of({"kind": "lambda", "functionName": "f", "qualifier": "live"}, {"a": 1})
        assert await target.run(call, heard) == Done({"b": 2})
    asked = receiver.asked[0]
    assert (asked.target, asked.body) == ("/2015-03-31/functions/f/invocations?Qualifier=live", b'{"a":1}')
    assert (asked.headers["x-amz-invocation-type"], asked.headers["x-amz-log-type"]) == ("RequestResponse", "Tail")
    context = json.loads(base64.b64decode(asked.headers["x-amz-client-context"]))["custom"]
    assert (context["token"], context["taskId"], context["attempt"]) == (call.token, call.task_id, 1)
    assert heard.lines == [("info", "a line")]


async def test_the_definitions_region_wins_over_the_operators(monkeypatch: pytest.MonkeyPatch) -> None:
    async with receiving(answer(body=b"1")) as receiver:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{receiver.port}")
        target = LambdaTarget(Breakers(ManualClock()), "us-east-2")
        for region in (dict[str, Any](), {"region": "ap-south-1"}):
            assert await called(target, functionName="f", **region) == Done(1)
        await target.stop()
    scopes = [asked.headers["authorization"].split("/")[2] for asked in receiver.asked]
    assert scopes == ["us-east-2", "ap-south-1"]


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"errorMessage": "it broke", "errorType": "ValueError", "stackTrace": ["a", "b"]}, "EXECUTION_ERROR"),
        ({"errorMessage": "2026-01-01 Task timed out after 3.00 seconds"}, "TIMEOUT"),
        ({"errorMessage": "RequestId: 1 Error: Runtime exited with error: signal: killed"}, "RESOURCE_LIMIT"),
        ({"errorType": "Runtime.OutOfMemory", "errorMessage": "out"}, "RESOURCE_LIMIT"),
        ({"errorMessage": "\u0000", "trace": "odd"}, "EXECUTION_ERROR"),
        (None, "EXECUTION_ERROR"),
    ],
)
async def test_what_a_function_error_becomes(
    target: LambdaTarget, monkeypatch: pytest.MonkeyPatch, told: Any, code: str
) -> None:
    async with receiving(answer(body=json.dumps(told).encode(), x_amz_function_error="Unhandled")) as receiver:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{receiver.port}")
        report = await called(target, functionName="f")
    assert (report.error.code, report.error.retryable) == (code, None)
    assert report.error.stack_trace == ("a\nb" if told and "stackTrace" in told else None)


async def test_scripts_are_sent_to_the_runner(clock: ManualClock) -> None:
    target = LambdaTarget(Breakers(clock), runner="runner")
    source = "def main(input, ctx):\n ctx.log('warning', 'mind')\n return [input, ctx.task['id']]"
    heard, call = Heard(), call_of({"kind": "python", "source": source}, {"a": 1})
    assert await target.run(call, heard) == Done([{"a": 1}, call.task_id])
    assert ("warning", "mind") in heard.lines
    failed = await target.run(call_of({"kind": "shell", "source": "echo gone wrong; exit 3"}), Heard())
    assert (failed.error.code, failed.error.message) == (
        "EXECUTION_ERROR", "the program ended with exit code 3: gone wrong",
    )  # fmt: skip
    refused = await target.run(call_of({"kind": "python", "source": source, "network": {"allow": ["a:1"]}}), Heard())
    assert refused.error.code == "SANDBOX_UNAVAILABLE"
    assert {standing.kind for standing in await target.standings()} == target.kinds
    await target.stop()


async def test_a_qualifier_names_the_version(target: LambdaTarget) -> None:
    assert await called(target, {"a": 1}, functionName="echo", qualifier="1") == Done({"a": 1})
    missing = await called(target, {"a": 1}, functionName="echo", qualifier="99")
    assert missing.error.code == "SANDBOX_UNAVAILABLE"


async def test_a_function_is_held_to_its_wall_time(target: LambdaTarget) -> None:
    call = call_of({"kind": "lambda", "functionName": "slow"}, {}, resources=Resources(wall_seconds=0.3))
    report = await target.run(call, Heard())
    assert (report.error.code, "0.3 s" in report.error.message) == ("TIMEOUT", True)


async def test_a_function_that_takes_too_long_is_a_timeout(target: LambdaTarget) -> None:
    report = await called(target, functionName="slow")
    assert (report.error.code, "timed out" in report.error.message) == ("TIMEOUT", True)


async def test_async_the_task_waits_and_the_function_is_told_whose_it_is(target: LambdaTarget, folder: Path) -> None:
    call = call_of({"kind": "lambda", "functionName": "keep", "invocation": "async"}, {"a": 1})
    report = await target.run(call, Heard())
    assert isinstance(report, Handed)
    assert (report.to_person, report.correlation_id) == (False, call.token)
    kept = folder / "kept.json"
    told = json.loads(await eventually(lambda: kept.read_text() if kept.exists() else None))
    assert told["input"] == {"a": 1}
    assert (told["task"]["taskId"], told["task"]["token"]) == (call.task_id, call.token)


@pytest.mark.parametrize(("invocation", "most"), [("sync", MOST_SYNC), ("async", MOST_ASYNC)])
async def test_what_is_too_large_for_lambda_is_not_sent(target: LambdaTarget, invocation: str, most: int) -> None:
    report = await called(target, "x" * most, functionName="echo", invocation=invocation)
    assert (report.error.code, str(most) in report.error.message) == ("VALIDATION_ERROR", True)


async def test_what_is_not_there_says_what_to_mend_and_opens_no_circuit(target: LambdaTarget) -> None:
    for _ in range(12):
        report = await called(target, functionName="nothing")
        assert report.error.code == "SANDBOX_UNAVAILABLE"
        assert "nothing" in report.error.message
        assert "canary" not in report.error.message


async def test_without_credentials_it_says_so(
    target: LambdaTarget, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    for region in (dict[str, Any](), {"region": "eu-west-1"}):
        report = await called(target, functionName="echo", **region)
        assert report.error.code == "SANDBOX_UNAVAILABLE"


async def test_aws_away_is_tried_again_until_the_circuit_opens(
    target: LambdaTarget, monkeypatch: pytest.MonkeyPatch, clock: ManualClock
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    for _ in range(10):
        report = await called(target, functionName="echo")
        assert (report.error.code, report.error.retryable) == ("SANDBOX_ERROR", True)
    report = await called(target, functionName="echo")
    assert isinstance(report, Postponed)
    assert report.delay == 30.0


def test_lines_of_lambda_itself_and_a_result_in_the_log_are_not_heard() -> None:
    from taskyard.executors.script.aws_lambda import _hear_tail
    from taskyard.executors.script.hearing import Hearing

    heard = Heard()
    hearing = Hearing(heard, 10_000)
    log = 'cut\nSTART RequestId: 1\nmine\n{"type": "result", "output": 1}\nEND RequestId: 1\nREPORT RequestId: 1'
    _hear_tail(base64.b64encode(log.encode()).decode(), hearing)
    assert [text for _, text in heard.lines] == ["cut", "mine"]
    assert hearing.last is None
