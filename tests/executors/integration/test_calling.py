"""Calls over a connection of a type that does as it is told: what is written down, and what the breaker hears."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest
from structlog.testing import capture_logs

from taskyard.calls.shared import read_breaker
from taskyard.contracts.connections import BreakerRow, ConnectionRow
from taskyard.contracts.integration import Answer, Call, OpenConnection, OperationFailed
from taskyard.domain.breaker import CONNECTION, BreakerState
from taskyard.domain.connection import Connection
from taskyard.domain.implementation import Integration
from taskyard.domain.outcome import Done, Failed, MadeFile, Postponed, Report
from taskyard.errors import CallFailed, ConfigurationError, EgressRefused, Overloaded, ValidationFailed
from taskyard.executors.integration.attached import FileStore
from taskyard.executors.integration.busy import in_use
from taskyard.executors.integration.calling import Asking, Integrations
from taskyard.executors.integration.links import Links
from taskyard.testing.clock import ManualClock

SECRET = 'canary"with\\a\nquote'
ASKED = Integration("integration", "billing")


class Side:
    """The type, its link and the store of its breaker."""

    operation: ClassVar[dict[str, Any]] = {}

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock()
        self.breaker_row: BreakerRow | None = None
        self.lines: list[str] = []
        self.do: Callable[[Call], Awaitable[Answer]] = self.answer
        self.open_error: Exception | None = None

        async def resolve(source: str) -> str:
            raise AssertionError(source)

        async def save(file: MadeFile, owner: str) -> str:
            raise Overloaded("the store is away", retry_after=1.0)

        stands_for_all: Any = self
        links = Links(stands_for_all, lambda _: {"token": SECRET}, resolve)
        files = FileStore(lambda _: asyncio.sleep(0, {}), save, folder, 1 << 20)
        self.integrations = Integrations(stands_for_all, links, files, self, self.clock, 1000)

    def get(self, name: str) -> Any:
        return self

    async def open(self, connection: OpenConnection) -> Any:
        if self.open_error is not None:
            raise self.open_error
        return self

    async def close(self) -> None: ...

    def target(self, call: Call) -> str:
        return "there"

    async def call(self, call: Call) -> Answer:
        return await self.do(call)

    async def answer(self, call: Call) -> Answer:
        return Answer(200, call.body)

    async def breaker(self, name: str) -> BreakerRow | None:
        return self.breaker_row

    async def save_breaker(self, name: str, row: BreakerRow) -> bool:
        self.breaker_row = BreakerRow(row.version + 1, row.state)
        return True

    async def perform(self, body: Any = None) -> Report:
        connection = Connection(connection_id="billing", type="test", log_bodies=True)
        row = ConnectionRow(connection, b"", 0, 1)
        asking = Asking(
            input=body, task={}, key="k", timeout=5.0, log=lambda level, text: self.lines.append(text),
            progress=lambda *_: None, owner="ada",
        )  # fmt: skip
        return await self.integrations.perform(row, ASKED, asking)

    def raising(self, error: Exception) -> None:
        async def fail(call: Call) -> Answer:
            raise error

        self.do = fail


@pytest.fixture
def side(tmp_path: Path) -> Side:
    return Side(tmp_path)


async def test_secrets_that_json_writes_otherwise_are_not_written_down(side: Side) -> None:
    assert await side.perform({"said": f"it is {SECRET}"}) == Done({"said": "it is ***"})
    assert side.lines[1:] == ['sent {"said":"it is ***"}', 'received {"said":"it is ***"}']


async def test_a_call_that_is_cancelled_is_written_down(side: Side) -> None:
    under_way = asyncio.Event()

    async def wait(call: Call) -> Answer:
        under_way.set()
        await asyncio.Event().wait()
        raise AssertionError

    side.do = wait
    calling = asyncio.create_task(side.perform({"said": SECRET}))
    await under_way.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert "status=cancelled" in side.lines[0]
    assert side.lines[1] == 'sent {"said":"***"}'
    await side.integrations.stop()


@pytest.mark.parametrize("opening", [True, False])
async def test_no_secret_is_told_of_a_type_that_breaks(side: Side, opening: bool) -> None:
    if opening:
        side.open_error = ValueError(f"no {SECRET}")
    else:
        side.raising(ValueError(f"no {SECRET}"))
    with capture_logs() as logs:
        assert isinstance(await side.perform(), Failed)
    (said,) = [each for each in logs if each["event"] == "a connection type raised"]
    assert "ValueError: no ***" in said["trace"]
    assert "canary" not in str(logs) + str(side.lines)


async def test_no_secret_is_told_of_a_connection_that_does_not_open(side: Side) -> None:
    side.open_error = ValidationFailed(f"settings: no {SECRET}")
    report = await side.perform()
    assert isinstance(report, Failed)
    assert report.error.message == "settings: no ***"


async def test_an_answer_that_cannot_be_kept_fails_the_task(side: Side) -> None:
    report = await side.perform("x" * 2000)
    assert isinstance(report, Failed)
    assert report.error.message == "the store is away"


async def test_who_found_no_connection_to_spare_comes_back_and_burns_no_retry(side: Side) -> None:
    side.raising(CallFailed("all are in use", reason="busy"))
    report = await side.perform()
    assert isinstance(report, Postponed)
    assert "in use here" in (report.reason or "")


@pytest.mark.parametrize(
    "error",
    [
        ValidationFailed("no such body"),
        ConfigurationError("no library"),
        EgressRefused("not there"),
        CallFailed("no answer", reason="secret"),
        OperationFailed("the disk here is full", reason="disk", counts=False),
        in_use("Redis"),
        CallFailed("all are in use", reason="busy"),
    ],
    ids=lambda error: type(error).__name__,
)
async def test_what_failed_here_says_nothing_of_the_other_side(side: Side, error: Exception) -> None:
    def state() -> BreakerState:
        return read_breaker(side.breaker_row).state(CONNECTION, side.clock.now())

    side.raising(CallFailed("away", reason="connect"))
    for _ in range(10):
        await side.perform()
    assert state() is BreakerState.OPEN
    side.clock.move(31)
    side.raising(error)
    await side.perform()
    assert state() is BreakerState.HALF_OPEN
    side.do = side.answer
    assert await side.perform(1) == Done(1)
    assert state() is BreakerState.CLOSED
