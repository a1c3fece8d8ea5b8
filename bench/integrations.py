"""`python -m bench.integrations [--calls N] [--at-once N] [--database-url URL]`: what calls over a connection cost.

A local API in a process of its own is called by bare httpx, and by integration tasks of one worker in this process with
as many at once; by turns, the median of all rounds. Then such tasks are timed with and without a thousand others
waiting for a system that is down, by turns too. The processor's time is this process's alone. Takes four minutes
at most.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import cProfile
import logging
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, NamedTuple

import httpx
import structlog

from bench import report
from bench.report import Figure
from taskyard import Taskyard, loops
from taskyard.contracts.records import Filter
from taskyard.domain.connection import Connection
from taskyard.domain.lifecycle import State
from taskyard.engine.connections import put_connection
from taskyard.engine.define import define, parse_definition
from taskyard.errors import IllegalTransition
from taskyard.settings import load

_ROUNDS = 5
_PAIRS = 9
_DOWN = 1000
_CALLS_SECONDS, _DOWN_SECONDS = 90.0, 120.0
"""After these no further round is begun."""

_SERVER = """
import asyncio, sys
BODY = b'{"id": 7, "name": "ada", "tags": ["a", "b"]}'
ANSWER = b"HTTP/1.1 200 OK\\r\\ncontent-type: application/json\\r\\ncontent-length: %d\\r\\n\\r\\n" % len(BODY) + BODY

class Api(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.rest = transport, b""
    def data_received(self, data):
        self.rest += data
        while (end := self.rest.find(b"\\r\\n\\r\\n")) >= 0:
            head = self.rest[:end].lower()
            at = head.find(b"content-length: ")
            size = int(head[at + 16:].split(b"\\r\\n")[0]) if at >= 0 else 0
            if len(self.rest) < end + 4 + size:
                return
            self.rest = self.rest[end + 4 + size:]
            self.transport.write(ANSWER)

async def main():
    server = await asyncio.get_running_loop().create_server(Api, "127.0.0.1", int(sys.argv[1]))
    print("ready", flush=True)
    await server.serve_forever()

try:
    import uvloop
    uvloop.run(main())
except ImportError:
    asyncio.run(main())
"""


@contextlib.contextmanager
def api() -> Iterator[int]:
    """The local API; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-c", _SERVER, str(port)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield port
    finally:
        process.terminate()
        process.wait()


class Spent(NamedTuple):
    """Seconds by the clock, and of the processor."""

    clock: float
    cpu: float


@contextlib.contextmanager
def spending(found: list[Spent]) -> Iterator[None]:
    """Add to the list what the block takes."""
    clock, cpu = time.perf_counter(), time.process_time()
    yield
    found.append(Spent(time.perf_counter() - clock, time.process_time() - cpu))


async def bare(port: int, calls: int, at_once: int) -> None:
    """What httpx does for it by itself."""
    limits = httpx.Limits(max_connections=at_once, max_keepalive_connections=at_once)
    async with httpx.AsyncClient(limits=limits, trust_env=False) as client:
        left = iter(range(calls))

        async def work() -> None:
            for number in left:
                answer = await client.post(f"http://127.0.0.1:{port}/x/{number}", json={"id": number})
                answer.json()

        await asyncio.gather(*(work() for _ in range(at_once)))


@contextlib.asynccontextmanager
async def yard_at_work(url: str, at_once: int) -> AsyncIterator[Taskyard]:
    """A yard with one worker here."""
    with tempfile.TemporaryDirectory() as folder:
        settings = load({}).with_values(
            TASKYARD_DATABASE_URL=url or f"sqlite:///{folder}/bench.db", TASKYARD_DATA_DIR=folder,
            TASKYARD_EGRESS_ALLOW=("127.0.0.1",), TASK_MAX_CONCURRENT=at_once,
        )  # fmt: skip
        yard = Taskyard(settings=settings)

        async with yard.worker():
            yield yard


async def connect(yard: Taskyard, name: str, port: int) -> None:
    """A connection and a definition that uses it, of the same name."""
    settings = {"baseUrl": f"http://127.0.0.1:{port}", "auth": {"type": "bearer"}}
    connection = Connection(connection_id=name, type="rest", settings=settings)
    await put_connection(yard.engine, yard.app.box, connection, {"token": "a-secret-token"})
    implementation = {"kind": "integration", "connectionId": name, "operation": {"method": "POST", "path": "/x/{id}"}}
    definition = {"key": name, "implementation": implementation, "retryPolicy": {"maxRetries": 0}}
    await define(yard.engine, [parse_definition(definition)])


async def work_off(yard: Taskyard, key: str, inputs: list[Any]) -> None:
    """Start these tasks, and wait until all of them have ended."""
    kinds = tuple(kind.id for kind in await yard.engine.store.versions(key))
    open_ = Filter(status=frozenset({State.PENDING, State.RUNNING}), kind_ids=kinds)
    for start in range(0, len(inputs), 1000):
        await yard.start_many(key, inputs[start : start + 1000])
    while (await yard.engine.store.find(open_, 1, None)).ids:
        await asyncio.sleep(0.005)


async def calls_over(yard: Taskyard, port: int, calls: int, at_once: int, until: float) -> list[Figure]:
    """Bare httpx and integration tasks by turns."""
    await connect(yard, "up", port)
    inputs: list[Any] = [{"id": number} for number in range(calls)]
    await bare(port, 200, at_once)
    await work_off(yard, "up", inputs[:200])
    alone: list[Spent] = []
    ours: list[Spent] = []
    while len(ours) < _ROUNDS and (not ours or time.monotonic() < until):
        with spending(alone):
            await bare(port, calls, at_once)
        with spending(ours):
            await work_off(yard, "up", inputs)
        _say(f"round {len(ours)}: httpx {calls / alone[-1].clock:,.0f} calls/s, tasks {calls / ours[-1].clock:,.0f}")
    return [
        (f"bare httpx, {at_once} at once", *_rate(calls, alone)),
        (f"integration tasks, {at_once} at once", *_rate(calls, ours)),
        ("times as long by the clock", _times(ours, alone, "clock"), f"median of {len(ours)} pairs"),
        ("times the processor's time", _times(ours, alone, "cpu"), f"median of {len(ours)} pairs"),
    ]


async def beside_one_that_is_down(yard: Taskyard, calls: int, until: float) -> list[Figure]:
    """What calls over the connection that is up cost beside one that is down, and without it: by turns, as the store
    grows and the machine is now faster and now slower. As that swings by more than the difference, what Python does is
    counted as well.
    """
    inputs: list[Any] = [{"id": number} for number in range(calls)]
    spent: dict[bool, list[Spent]] = {False: [], True: []}
    done: dict[bool, list[int]] = {False: [], True: []}
    await connect(yard, "down", 1)
    while len(done[True]) < _PAIRS and (not done[True] or time.monotonic() < until):
        for is_down in (False, True) if len(done[True]) % 2 == 0 else (True, False):
            async with _waiting(yard, _DOWN if is_down else 0, until + _DOWN_SECONDS):
                with spending(spent[is_down]):
                    await work_off(yard, "up", inputs)
                with counting(done[is_down]):
                    await work_off(yard, "up", inputs)
        counted = done[True][-1] / done[False][-1] - 1
        _say(f"pair {len(done[True])}: beside one that is down {100 * counted:+.2f} % of what Python does")
    return [
        ("calls", *_rate(calls, spent[False])),
        (f"calls, with {_DOWN} tasks waiting for what is down", *_rate(calls, spent[True])),
        ("cost of what is down, in the functions that Python calls", *_cost(done[True], done[False])),
        ("the same, in the processor's time", *_cost(*([each.cpu for each in spent[is_]] for is_ in (True, False)))),
    ]


def _cost(beside: Sequence[float], without: Sequence[float]) -> tuple[float, str]:
    """In percent."""
    costs = [100 * (one / other - 1) for one, other in zip(beside, without, strict=True)]
    return statistics.median(costs), f"%, median of {len(costs)} pairs from {min(costs):+.1f} to {max(costs):+.1f}"


@contextlib.contextmanager
def counting(found: list[int]) -> Iterator[None]:
    """Add to the list how many functions are called on this thread within the block."""
    profile = cProfile.Profile()
    profile.enable()
    yield
    profile.disable()
    found.append(sum(entry.callcount for entry in profile.getstats()))


@contextlib.asynccontextmanager
async def _waiting(yard: Taskyard, count: int, until: float) -> AsyncIterator[None]:
    """While so many tasks wait for what is down."""
    runs = await yard.start_many("down", [{"id": number} for number in range(count)]) if count else []
    if runs:
        await _all_waiting(yard, until)
    yield
    for run in runs:
        with contextlib.suppress(IllegalTransition):  # those that opened the circuit have failed
            await run.cancel()


async def _all_waiting(yard: Taskyard, until: float) -> None:
    """Until the circuit of what is down is open, and none of its tasks is tried. Raises TimeoutError."""
    kinds = tuple(kind.id for kind in await yard.engine.store.versions("down"))
    running = Filter(status=frozenset({State.RUNNING}), kind_ids=kinds)
    async with asyncio.timeout(max(1.0, until - time.monotonic())):
        while not await is_open(yard, "down") or (await yard.engine.store.find(running, 1, None)).ids:
            await asyncio.sleep(0.05)


async def is_open(yard: Taskyard, name: str) -> bool:
    known = await yard.engine.connections.find_now(name)
    return known is not None and known.breaker.opened_at is not None


def _rate(count: int, spent: list[Spent]) -> tuple[float, str]:
    clock, cpu = (statistics.median(each) for each in zip(*spent, strict=True))
    return count / clock, f"a second; {count / cpu:,.0f} for each second of CPU"


def _times(ours: list[Spent], alone: list[Spent], which: str) -> float:
    pairs = zip(ours, alone, strict=True)
    return float(statistics.median(getattr(our, which) / getattr(bare_, which) for our, bare_ in pairs))


def _say(text: str) -> None:
    print(f"  {text}", flush=True)


async def all_figures(calls: int, at_once: int, url: str) -> list[Figure]:
    """Everything, one after the other."""
    began = time.monotonic()
    with api() as port:
        async with yard_at_work(url, at_once) as yard:
            found = await calls_over(yard, port, calls, at_once, began + _CALLS_SECONDS)
            return found + await beside_one_that_is_down(yard, calls // 3, began + _CALLS_SECONDS + _DOWN_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.integrations")
    parser.add_argument("--calls", type=int, default=3000)
    parser.add_argument("--at-once", type=int, default=32)
    parser.add_argument("--database-url", default="", help="instead of SQLite")
    given = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    before = report.load()
    found = loops.run(all_figures(given.calls, given.at_once, given.database_url))
    command = f"python -m bench.integrations --calls {given.calls} --at-once {given.at_once}"
    report.write("integrations", "Calls over connections", command, before, found)


if __name__ == "__main__":
    main()
