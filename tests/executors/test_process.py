"""Handlers in processes of their own."""

import asyncio
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio
from tests.executors import process_handlers as handlers
from tests.support import PATIENCE, eventually

from taskyard.contracts.executor import Job
from taskyard.contracts.records import Claimed
from taskyard.domain.definition import Definition
from taskyard.domain.outcome import Done, Failed, Released, Report
from taskyard.domain.signature import Signature
from taskyard.executors.function import process_link
from taskyard.executors.function.context import Services
from taskyard.executors.function.handler import Handler
from taskyard.executors.function.process import ProcessPool

pytestmark = pytest.mark.asyncio(loop_scope="module")

CLAIMED = Claimed(7, 2, 0, 0, 0, 0, 0, 0, 0, b"{}", None, "w-1", "c-1", "event", "e-1", None)


NO_SERVICES = cast("Services", None)
"""These handlers ask for none; `test_verbs_apart.py` has those that do."""


class Attempt:
    """One attempt, as the worker would run it; keeps what it hears."""

    def __init__(self) -> None:
        self.claimed = CLAIMED
        self.stopped: str | None = None
        self.heard: list[tuple[Any, ...]] = []
        self.task: asyncio.Task[Report] | None = None
        self._callbacks: list[Callable[[str], None]] = []
        self._news = asyncio.Event()

    def begin(self, pool: ProcessPool, function: Callable[..., Any], **arguments: Any) -> asyncio.Task[Report]:
        self.task = asyncio.create_task(pool.run(handler(function), arguments, cast("Job", self)))
        return self.task

    def stop(self, reason: str) -> None:
        assert self.task is not None
        self.stopped = reason
        for callback in self._callbacks:
            callback(reason)
        self.task.cancel()

    def on_stop(self, callback: Callable[[str], None]) -> None:
        self._callbacks.append(callback)

    def log(self, level: str, text: str) -> None:
        self.heard.append((level, text))
        self._news.set()

    def progress(self, current: float, total: float | None, action: str | None) -> None:
        self.heard.append((current, total, action))
        self._news.set()

    async def line(self) -> str:
        """The next thing it says; what it says at the latest is that it has ended."""
        assert self.task is not None
        news = asyncio.create_task(self._news.wait())
        await asyncio.wait([news, self.task], return_when=asyncio.FIRST_COMPLETED)
        assert news.done(), self.task.result()
        self._news.clear()
        return str(self.heard[-1][1])


def handler(function: Callable[..., Any]) -> Handler:
    name = function.__name__
    return Handler(name, getattr(function, "function", function), Signature.of(function), "process", Definition(name))


Run = Callable[..., Awaitable[Report]]
Ends = Callable[[int], Callable[..., bool]]


@pytest.fixture(scope="module")
def importable() -> Iterator[None]:
    """Processes can import the tests' handlers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[2])
        yield


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def pool(importable: None) -> AsyncIterator[ProcessPool]:
    pool = ProcessPool(2, NO_SERVICES)
    await pool.start()
    yield pool
    await pool.stop()


@pytest.fixture
def run(pool: ProcessPool) -> Run:
    return lambda function, **arguments: Attempt().begin(pool, function, **arguments)


@pytest.fixture
def ends() -> Iterator[Ends]:
    """For a process id: what tells whether that process ends within so many seconds."""
    opened: list[int] = []

    def watch(pid: int) -> Callable[..., bool]:
        descriptor = os.pidfd_open(pid)
        opened.append(descriptor)
        return lambda within=30: bool(select.select([descriptor], [], [], within)[0])

    yield watch
    for descriptor in opened:
        os.close(descriptor)


# ---- results
async def test_gives_the_result(run: Run) -> None:
    assert await run(handlers.add, a=2, b=3) == Done(5)
    assert await run(handlers.add, a=2) == Done(3)


async def test_runs_async_handlers(run: Run) -> None:
    assert await run(handlers.add_slowly, a=2, b=3) == Done(7)


async def test_takes_and_gives_models(run: Run) -> None:
    order = handlers.Order(items=[handlers.Item(name="tea", price=2.5), handlers.Item(name="cup", price=4)])
    assert await run(handlers.total, order=order) == Done({"price": 6.5, "count": 2})


async def test_takes_and_gives_what_no_pipe_holds_at_once(run: Run) -> None:
    text = "é" * 3_000_000
    assert await run(handlers.echo, text=text) == Done(text)


async def test_finds_the_function_within_a_task_handle(run: Run) -> None:
    assert await run(handlers.decorated) == Done(5)


async def test_tells_the_handler_about_its_task(run: Run) -> None:
    report = await run(handlers.about)
    assert isinstance(report, Done)
    assert report.value == {
        "id": "7",
        "attempt": 2,
        "cause": ["event", "e-1"],
        "workflow": {"workflowId": "w-1", "stepId": None},
    }


async def test_brings_back_the_warnings(run: Run) -> None:
    assert await run(handlers.with_losses) == Done(2, ({"item": {"row": 3}, "error": "no price"},))


async def test_refuses_a_result_that_is_no_json(run: Run) -> None:
    report = await run(handlers.unwritable)
    assert isinstance(report, Failed)
    assert report.error.code == "OUTPUT_VALIDATION_ERROR"
    assert report.error.message.startswith("The output cannot be written as JSON")


async def test_uses_a_process_again(run: Run) -> None:
    assert len({(await run(handlers.process_id)).value for _ in range(20)}) == 1


async def test_runs_no_more_processes_than_slots(run: Run) -> None:
    reports = await asyncio.gather(*(run(handlers.process_id) for _ in range(50)))
    assert len({report.value for report in reports}) <= 2


async def test_a_warm_round_trip_takes_less_than_a_millisecond(run: Run) -> None:
    """As soon as the machine is idle enough for one."""
    await run(handlers.process_id)

    async def is_quick() -> bool:
        began = time.perf_counter()
        await run(handlers.process_id)
        return time.perf_counter() - began < 0.001

    await eventually(is_quick)


# ---- logs and progress
async def test_logs_and_progress_arrive_in_order(pool: ProcessPool) -> None:
    attempt = Attempt()
    await attempt.begin(pool, handlers.chatty)
    assert attempt.heard == [
        ("info", "one"),
        (1, 3, "first"),
        ("warning", "two"),
        (2, 3, "second"),
        ("error", "three"),
        (3, 3, "third"),
    ]


async def test_progress_is_thinned_out_but_for_the_last(pool: ProcessPool) -> None:
    attempt = Attempt()
    began = time.monotonic()
    await attempt.begin(pool, handlers.hurried)
    assert attempt.heard[-1] == (2000, 2000, None)
    assert len(attempt.heard) <= 2 + (time.monotonic() - began) / 0.02


async def test_progress_that_was_held_back_follows_while_the_handler_goes_on(pool: ProcessPool) -> None:
    attempt = Attempt()
    attempt.begin(pool, handlers.pausing)
    while attempt.heard[-1:] != [(2, None, None)]:
        await attempt.line()
    attempt.stop("timeout")


# ---- failures
async def test_a_failure_comes_back_with_all_it_says(run: Run) -> None:
    report = await run(handlers.fails_in_its_own_way)
    assert isinstance(report, Failed)
    assert (report.error.code, report.error.message, report.error.details) == ("OUT_OF_STOCK", "no stock", {"left": 0})
    assert (report.error.retryable, report.delay) == (False, 30)
    assert "in fails_in_its_own_way" in (report.error.stack_trace or "")


@pytest.mark.parametrize("circular", [False, True])
async def test_a_failure_s_details_become_plain(run: Run, circular: bool) -> None:
    report = await run(handlers.fails_with_what_only_it_knows, circular=circular)
    assert isinstance(report, Failed)
    assert (report.error.code, report.error.message) == ("CONFLICT", "sold out")
    assert "lock object" in str(report.error.details)
    assert circular or report.error.details["reason"] == "sold"


async def test_any_exception_is_an_execution_error(run: Run) -> None:
    report = await run(handlers.fails_plainly)
    assert isinstance(report, Failed)
    assert (report.error.code, report.error.message) == ("EXECUTION_ERROR", "ValueError: not a number")
    assert report.error.retryable is None


async def test_exiting_is_a_failure_and_leaves_the_process_be(run: Run) -> None:
    before = await run(handlers.process_id)
    report = await run(handlers.leaves)
    assert isinstance(report, Failed)
    assert "sys.exit(3)" in report.error.message
    assert await run(handlers.process_id) == before


async def test_a_crash_fails_the_run_and_keeps_what_was_said(pool: ProcessPool) -> None:
    attempt = Attempt()
    report = await attempt.begin(pool, handlers.crashes)
    assert isinstance(report, Failed)
    assert report.error.code == "EXECUTION_ERROR"
    assert report.error.message == "the handler's process ended with exit code 3"
    assert attempt.heard == [("info", "about to crash")]


async def test_a_crash_harms_nobody_else(pool: ProcessPool, run: Run) -> None:
    bystander = Attempt()
    bystanding = bystander.begin(pool, handlers.waits_for_stop)
    await bystander.line()
    report = await run(handlers.is_killed)
    assert isinstance(report, Failed)
    assert report.error.message.startswith("the handler's process ended with signal 9")
    assert await run(handlers.add, a=1) == Done(2)
    assert not bystanding.done()
    bystander.stop("timeout")


@pytest.mark.parametrize("kind", ["lambda", "local"])
async def test_a_function_that_has_no_name_is_refused_with_the_mend(run: Run, kind: str) -> None:
    def local() -> None: ...

    report = await run(local if kind == "local" else lambda: None)
    assert isinstance(report, Failed)
    assert (report.error.code, report.error.retryable) == ("CONFIGURATION", False)
    assert "define it at the top level of a module" in report.error.message


async def test_an_argument_that_cannot_be_sent_is_refused(run: Run) -> None:
    report = await run(handlers.echo, text=threading.Lock())
    assert isinstance(report, Failed)
    assert "cannot be sent to a process" in report.error.message


# ---- stopping
@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A handler that stops when told may take its time for it, on a machine that is busy."""
    monkeypatch.setattr(process_link, "_STOP_GRACE", PATIENCE)


@pytest.mark.usefixtures("patient")
@pytest.mark.parametrize("function", [handlers.waits_for_stop, handlers.sleeps])
async def test_a_handler_that_stops_when_told_leaves_its_process_warm(
    pool: ProcessPool, run: Run, function: Callable[..., Any]
) -> None:
    attempt = Attempt()
    running = attempt.begin(pool, function)
    pid = int(await attempt.line())
    attempt.stop("canceled")
    with pytest.raises(asyncio.CancelledError):
        await running
    assert await run(handlers.process_id) == Done(pid)


@pytest.mark.usefixtures("patient")
async def test_an_async_handler_is_cancelled(pool: ProcessPool) -> None:
    attempt = Attempt()
    running = attempt.begin(pool, handlers.sleeps)
    await attempt.line()
    attempt.stop("canceled")
    await asyncio.wait([running])
    assert attempt.heard[-1] == ("info", "tidied up")


@pytest.mark.parametrize("function", [handlers.never_gives_in, handlers.has_a_helper])
async def test_cancel_ends_what_does_not_listen_and_then_returns(
    pool: ProcessPool, run: Run, ends: Ends, function: Callable[..., Any]
) -> None:
    attempt = Attempt()
    running = attempt.begin(pool, function)
    has_ended = ends(int(await attempt.line()))
    attempt.stop("canceled")
    with pytest.raises(asyncio.CancelledError):
        await running
    assert has_ended()
    assert await run(handlers.add, a=1) == Done(2)


async def test_a_busy_loop_may_tidy_up(pool: ProcessPool) -> None:
    attempt = Attempt()
    running = attempt.begin(pool, handlers.loops)
    await attempt.line()
    attempt.stop("canceled")
    await asyncio.wait([running])
    assert attempt.heard[-1] == ("info", "tidied up")


async def test_a_timeout_does_not_wait_for_the_process(importable: None, ends: Ends) -> None:
    pool = ProcessPool(1, NO_SERVICES)
    attempt = Attempt()
    running = attempt.begin(pool, handlers.never_gives_in)
    has_ended = ends(int(await attempt.line()))
    attempt.stop("timeout")
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not has_ended(within=0)
    await pool.stop()
    assert has_ended()


async def test_a_process_without_work_ends_after_a_while(
    importable: None, monkeypatch: pytest.MonkeyPatch, ends: Ends
) -> None:
    monkeypatch.setattr(process_link, "_IDLE", 0.0)
    pool = ProcessPool(1, NO_SERVICES)
    report = await Attempt().begin(pool, handlers.process_id)
    assert isinstance(report, Done)
    assert ends(report.value)()
    await pool.stop()


async def test_a_run_that_is_only_told_ends_released(pool: ProcessPool) -> None:
    attempt = Attempt()
    running = attempt.begin(pool, handlers.loops)
    await attempt.line()
    for callback in attempt._callbacks:
        callback("shutdown")
    assert await running == Released("shutdown")


async def test_cancelling_while_waiting_for_a_slot_takes_none(pool: ProcessPool, run: Run) -> None:
    holders = [Attempt(), Attempt()]
    for holder in holders:
        holder.begin(pool, handlers.waits_for_stop)
        await holder.line()
    late = Attempt()
    waiting = late.begin(pool, handlers.process_id)
    await asyncio.sleep(0)
    late.stop("canceled")
    with pytest.raises(asyncio.CancelledError):
        await waiting
    for holder in holders:
        holder.stop("canceled")
    assert {type(report) for report in await asyncio.gather(run(handlers.process_id), run(handlers.process_id))} == {
        Done
    }


async def test_only_the_parent_can_ask_it_to_end(run: Run) -> None:
    """A service manager signals all processes at once; the worker decides what becomes of the handlers."""
    assert type(await run(handlers.signals_itself)) is Done


async def test_stopping_the_pool_ends_the_idle_processes(importable: None, ends: Ends) -> None:
    pool = ProcessPool(1, NO_SERVICES)
    report = await Attempt().begin(pool, handlers.process_id)
    assert isinstance(report, Done)
    has_ended = ends(report.value)
    await pool.stop()
    assert has_ended()


# ---- the process itself
async def test_runs_do_not_see_each_others_context_variables(run: Run) -> None:
    assert [await run(handlers.counts_up), await run(handlers.counts_up)] == [Done(1), Done(1)]


async def test_inherits_no_sockets(run: Run) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.set_inheritable(True)
        inode = os.fstat(server.fileno()).st_ino
        report = await run(handlers.open_sockets)
    assert isinstance(report, Done)
    assert f"socket:[{inode}]" not in report.value


SCRIPT = """
import asyncio, os, signal
from pydantic import BaseModel
from taskyard import Context, Taskyard

yard = Taskyard("sqlite:///:memory:")

class Order(BaseModel):
    prices: list[int]

@yard.task(isolation="process")
def total(order: Order) -> int:
    return sum(order.prices)

@yard.task(isolation="process")
def forever(ctx: Context) -> None:
    print(os.getpid(), flush=True)
    signal.pause()

async def main() -> None:
    async with yard.worker():
        print(await total.run(order={"prices": [1, 2, 3]}), flush=True)
        await forever.run()

if __name__ == "__main__":
    asyncio.run(main())
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "shop.py"
    path.write_text(SCRIPT)
    return path


@pytest.fixture
def bare_script(script: Path) -> Path:
    script.write_text(SCRIPT.replace('if __name__ == "__main__":', "if True:"))
    return script


async def start(script: Path) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(sys.executable, script, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


async def test_a_script_s_handlers_are_found_and_end_with_it(script: Path, ends: Ends) -> None:
    process = await start(script)
    assert process.stdout is not None
    assert await process.stdout.readline() == b"6\n"
    has_ended = ends(int(await process.stdout.readline()))
    process.kill()
    await process.communicate()
    assert has_ended()


async def test_a_script_that_would_start_itself_again_is_told_the_mend(bare_script: Path) -> None:
    process = await start(bare_script)
    _, said = await process.communicate()
    assert process.returncode == 1
    assert 'put what starts it under `if __name__ == "__main__":`' in said.decode()
