"""AWS Lambda: a function is invoked with the input. Region and credentials come from AWS's standard chain.

<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import re
from typing import Any

import msgspec

from taskyard.calls.breakers import Breakers, is_outage
from taskyard.contracts.target import Call, Observer, Standing
from taskyard.domain.implementation import Lambda
from taskyard.domain.json import loads
from taskyard.domain.outcome import Done, Failed, Handed, Report, TaskError
from taskyard.domain.text import printable
from taskyard.errors import CircuitOpen, TaskyardError
from taskyard.executors.script.hearing import Hearing, too_much, waits_for
from taskyard.executors.script.shipping import SHIPPED, shipped, unframed

MOST_SYNC, MOST_ASYNC = 6 << 20, 1 << 20
"""Bytes that AWS takes and gives in one invocation."""

_MEND = "install taskyard[lambda]"
_CONNECT_SECONDS = 5.0
_MORE_SECONDS = 5.0
_FRAMING = re.compile(r"(INIT_START|START|END|REPORT|XRAY) ")
_TIMED_OUT = re.compile(r"Task timed out after|Sandbox.Timedout")
_OUT_OF_MEMORY = re.compile(r"OutOfMemory|signal: killed")
_NOT_HERE = frozenset(
    {
        "AccessDeniedException", "UnrecognizedClientException", "InvalidSignatureException",
        "InvalidClientTokenId", "NoCredentialsError", "NoRegionError", "PartialCredentialsError", "ProfileNotFound",
        "CredentialRetrievalError", "ResourceNotFoundException",
    }
)  # fmt: skip
_OURS = frozenset({"InvalidRequestContentException", "RequestTooLargeException", "InvalidParameterValueException"})


class LambdaTarget:
    """Invokes functions; in `region` (empty: that of the standard chain) where a definition names none.

    `runner`: the function that runs scripts, empty for none.
    """

    name = "lambda"

    def __init__(self, breakers: Breakers, region: str = "", runner: str = "") -> None:
        self.kinds = frozenset({"lambda"}) | (SHIPPED if runner else frozenset())
        self._breakers = breakers
        self._region = region
        self._runner = runner
        self._clients: dict[str, asyncio.Task[Any]] = {}
        self._open = contextlib.AsyncExitStack()

    async def run(self, call: Call, observer: Observer) -> Report:
        """See the contract. A function invoked async has been handed the task, and answers later."""
        observer.placed(self.name)
        if call.kind not in SHIPPED:
            return await self._run(call, observer)
        sent = shipped(call, {"kind": "lambda", "functionName": self._runner}, self.name)
        return sent if isinstance(sent, Failed) else unframed(await self._run(sent, observer))

    async def _run(self, call: Call, observer: Observer) -> Report:
        asked = msgspec.convert(call.implementation, Lambda)
        payload = call.input if asked.invocation == "sync" else _enveloped(call)
        most = MOST_SYNC if asked.invocation == "sync" else MOST_ASYNC
        if len(payload) > most:
            message = f"the input has {len(payload)} bytes, and Lambda takes {most}; hand over large data by a file"
            return Failed(TaskError("VALIDATION_ERROR", message))
        try:
            with self._breakers.circuit(f"lambda:{asked.region}:{asked.function_name}").call(_is_unwell):
                return await self._invoke(asked, call, payload, observer)
        except CircuitOpen as open_:
            return waits_for(open_)
        except ImportError:
            return _unavailable(f"AWS's library is not here; {_MEND}")
        except Exception as error:  # noqa: BLE001 - whatever AWS's library raises is told
            return _failed(error, asked, call)

    async def standings(self) -> list[Standing]:
        """See the contract."""
        try:
            import aiobotocore  # noqa: F401 - only whether it is there
        except ImportError:
            return [Standing(kind, "", "AWS's library", _MEND) for kind in sorted(self.kinds)]
        return [Standing(kind, self.name) for kind in sorted(self.kinds)]

    async def start(self) -> None:
        """See the contract: Lambda ends what it runs by itself."""

    async def stop(self) -> None:
        """See the contract."""
        self._clients.clear()
        await self._open.aclose()

    async def _invoke(self, asked: Lambda, call: Call, payload: bytes, observer: Observer) -> Report:
        client = await self._client(asked.region or self._region)
        more = {"Qualifier": asked.qualifier} if asked.qualifier else {}
        if asked.invocation == "async":
            await client.invoke(FunctionName=asked.function_name, InvocationType="Event", Payload=payload, **more)
            return Handed(to_person=False, correlation_id=call.token)
        async with asyncio.timeout(call.wall):
            answer = await client.invoke(
                FunctionName=asked.function_name, InvocationType="RequestResponse", LogType="Tail", Payload=payload,
                ClientContext=base64.b64encode(msgspec.json.encode({"custom": _task(call)})).decode(), **more,
            )  # fmt: skip
            body = await answer["Payload"].read()
        hearing = Hearing(observer, call.resources.output_bytes)
        _hear_tail(answer.get("LogResult", ""), hearing)
        if len(body) > call.resources.output_bytes:
            return too_much(hearing, call.resources.output_bytes)
        return _broken(body, hearing) if answer.get("FunctionError") else _done(body)

    async def _client(self, region: str) -> Any:
        """The client of a region, shared by all calls that want it."""
        opening = self._clients.get(region)
        if opening is None or (opening.done() and (opening.cancelled() or opening.exception() is not None)):
            opening = self._clients[region] = asyncio.create_task(self._opened(region))
        return await asyncio.shield(opening)

    async def _opened(self, region: str) -> Any:
        from aiobotocore.config import AioConfig
        from aiobotocore.session import get_session

        config = AioConfig(
            connect_timeout=_CONNECT_SECONDS, read_timeout=900 + _MORE_SECONDS, tcp_keepalive=True,
            max_pool_connections=1000, retries={"total_max_attempts": 1},
        )  # fmt: skip
        client = get_session().create_client("lambda", region_name=region or None, config=config)
        return await self._open.enter_async_context(client)


def _task(call: Call) -> dict[str, Any]:
    return {
        "taskId": call.task_id,
        "attempt": call.attempt,
        "token": call.token,
        "definition": call.definition,
        "version": call.version,
    }


def _enveloped(call: Call) -> bytes:
    """For async invocations, where Lambda hands no context on: the task and its input."""
    return b'{"task":' + msgspec.json.encode(_task(call)) + b',"input":' + call.input + b"}"


def _hear_tail(log_result: str, hearing: Hearing) -> None:
    """The last 4 KB of the log; its first line may be cut, and Lambda's own lines are left out."""
    for line in base64.b64decode(log_result).splitlines():
        if line.strip() and not _FRAMING.match(line.decode("utf-8", "replace")):
            hearing.feed(line + b"\n")
    hearing.close()
    hearing.last = None  # a result is what the function returns


def _done(body: bytes) -> Done | Failed:
    try:
        return Done(loads(body) if body.strip() else None)
    except (TaskyardError, ValueError, RecursionError) as error:
        message = getattr(error, "message", str(error))
        return Failed(TaskError("OUTPUT_VALIDATION_ERROR", f"the result is no JSON that can be kept: {message}"))


def _broken(body: bytes, hearing: Hearing) -> Failed:
    """What the function raised, or what ended it."""
    try:
        told = loads(body)
    except (TaskyardError, ValueError, RecursionError):
        told = None
    told = told if isinstance(told, dict) else {}
    message = printable(str(told.get("errorMessage") or "the function failed without a message")[:4096])
    kind = printable(str(told.get("errorType") or "")[:128])
    if _TIMED_OUT.search(f"{kind} {message}"):
        return Failed(TaskError("TIMEOUT", message, hearing.details() or None))
    if _OUT_OF_MEMORY.search(f"{kind} {message}"):
        return Failed(TaskError("RESOURCE_LIMIT", message, hearing.details(limit="memory")))
    trace = told.get("stackTrace") or told.get("trace")
    stack = printable("\n".join(str(line) for line in trace)[:16_384]) if isinstance(trace, list) and trace else None
    return Failed(TaskError("EXECUTION_ERROR", message, hearing.details(errorType=kind), stack))


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    return str(code or type(error).__name__)


def _is_unwell(error: Exception) -> bool:
    return is_outage(error) and not isinstance(error, ImportError) and _code(error) not in _NOT_HERE | _OURS


def _failed(error: Exception, asked: Lambda, call: Call) -> Failed:
    code = _code(error)
    message = printable(str(error)[:2048]) or code
    if isinstance(error, TimeoutError) or code == "ReadTimeoutError":
        return Failed(TaskError("TIMEOUT", f"the function did not answer within {call.wall:g} s"))
    if code in _OURS:
        return Failed(TaskError("VALIDATION_ERROR", message, {"awsCode": code}))
    if code in _NOT_HERE:
        return _unavailable(f"{asked.function_name} cannot be invoked: {message}; mend the function's name and region,"
                            " AWS's credentials, or their permissions")  # fmt: skip
    return Failed(TaskError("SANDBOX_ERROR", message, {"awsCode": code}, retryable=True))


def _unavailable(message: str) -> Failed:
    return Failed(TaskError("SANDBOX_UNAVAILABLE", message))
