"""The one database of a simulation, and each process's way to it: slow, refusing, paused, or losing its answers."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random
from typing import Any, NamedTuple

from taskyard.contracts.records import Lease, Settlement, Topic
from taskyard.domain.lifecycle import Outcome
from taskyard.errors import Overloaded
from taskyard.store.sqlite.database import connect
from taskyard.store.sqlite.store import SqliteStore
from tests.simulation.clock import WallClock
from tests.simulation.ledger import Ledger
from tests.simulation.loop import OUTSIDE, Process, VirtualLoop, context_of, current

_QUIET = frozenset({"beat", "lead", "tidy", "record"})
_NEWS_WITHIN = 0.3
_GIVE_BACK_AGAIN = 0.5


class Request(NamedTuple):
    """What a process asks of the database; `answer` is done when it hears of it."""

    verb: str
    run: Callable[[sqlite3.Connection], Any]
    answer: asyncio.Future[Any]
    process: Process
    writes: bool


class Weather:
    """What befalls requests. `refused` and `lost` are chances; `latency` the longest way, in seconds.

    `away`: nobody is let in. `paused`: nobody is answered. `silent`: nobody is told of others' commits.
    """

    def __init__(self) -> None:
        self.calm()

    def calm(self) -> None:
        self.refused = self.lost = self.fatal = 0.0
        self.latency = 0.002
        self.away = self.paused = self.silent = False


class Shared:
    """The database.

    `on_commit(request, answer)` is called after each commit that has changed something, `on_fatal(process)` when a
    process ends within a request.
    """

    def __init__(self, loop: VirtualLoop, random: Random, ledger: Ledger) -> None:
        self.connection = connect(":memory:")
        self.weather = Weather()
        self.links: list[Link] = []
        self.on_commit: Callable[[Request, Any], None]
        self.on_fatal: Callable[[Process], None]
        self._loop = loop
        self._random = random
        self._ledger = ledger
        self._waiting: list[Request] = []
        self._here = context_of(OUTSIDE)

    def ask(self, request: Request) -> None:
        """A request sets out; it may come to nothing on its way."""
        if request.process.mortal and self._meets(self.weather.fatal):
            self._ledger.count("kill at a call")
            self._later(self._dies, request, self._random.random() < 0.5)
        elif self.weather.away:
            self._later(_refuse, request.answer)
        elif self._meets(self.weather.refused):
            self._ledger.count("refused request")
            self._ledger.note(request.process, f"{request.verb} refused")
            request.process.missed_at = self._loop.time()
            self._later(_refuse, request.answer)
        else:
            self._later(self._serve, request)

    def pause(self) -> None:
        """Answer nobody until `resume`."""
        self.weather.paused = True

    def resume(self) -> None:
        """Serve whoever has waited, in any order."""
        self.weather.paused = False
        waiting, self._waiting = self._waiting, []
        self._random.shuffle(waiting)
        for request in waiting:
            self._later(self._serve, request)

    def _meets(self, chance: float) -> bool:
        return chance > 0 and self._random.random() < chance

    def _later(self, call: Callable[..., None], *args: Any) -> None:
        self._loop.call_later(self._random.random() * self.weather.latency, call, *args, context=self._here)

    def _dies(self, request: Request, arrives: bool) -> None:
        """The process ends just before, or just after, its request is carried out."""
        if arrives:
            self._carry_out(request)
        self.on_fatal(request.process)

    def _serve(self, request: Request) -> None:
        if self.weather.paused:
            self._waiting.append(request)
            return
        if request.answer.cancelled():  # nobody asks any more
            return
        value, failure = self._carry_out(request)
        if request.writes and self._meets(self.weather.lost):
            self._ledger.count("lost answer")
            self._ledger.note(request.process, f"{request.verb} done, its answer lost")
            request.process.missed_at = self._loop.time()
            self._later(_refuse, request.answer)
        else:
            self._later(_answer, request.answer, value, failure)

    def _carry_out(self, request: Request) -> tuple[Any, BaseException | None]:
        connection = self.connection
        before = connection.total_changes
        connection.execute("BEGIN IMMEDIATE")
        try:
            value, failure = request.run(connection), None
        except Exception as error:  # noqa: BLE001 - it belongs to who asked
            connection.execute("ROLLBACK")
            return None, error
        connection.execute("COMMIT")
        if connection.total_changes != before:
            self._ledger.note(request.process, f"{request.verb} {_told(value)}")
            if request.verb not in _QUIET:
                self.on_commit(request, value)
                self._spread(request.process)
        return value, failure

    def _spread(self, by: Process) -> None:
        """The others hear of a commit, soon or not at all."""
        if self.weather.silent:
            return
        for link in self.links:
            if link.process is not by and not link.news.is_set() and not link.process.dead:
                delay = self._random.random() * _NEWS_WITHIN
                self._loop.call_later(delay, link.news.set, context=self._here)


class Link:
    """Stands in a store for its database: the way of one process to the one there is."""

    def __init__(self, shared: Shared, process: Process) -> None:
        self.shared = shared
        self.process = process
        self.news = asyncio.Event()

    def start(self) -> None:
        """Be told of others' commits."""
        self.shared.links.append(self)

    async def stop(self) -> None:
        """Be told nothing more."""
        with suppress(ValueError):
            self.shared.links.remove(self)

    async def write(self, request: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._ask(request, args, kwargs, writes=True)

    async def read(self, request: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return await self._ask(request, args, kwargs, writes=False)

    async def _ask(self, run: Callable[..., Any], args: Any, kwargs: Any, *, writes: bool) -> Any:
        answer = asyncio.get_running_loop().create_future()
        asked = Request(_verb(run), lambda connection: run(connection, *args, **kwargs), answer, current(), writes)
        self.shared.ask(asked)
        return await answer


class SimulatedStore(SqliteStore):
    """The embedded store as one of many processes sees it, over connections that fail as those to a server do."""

    def __init__(self, shared: Shared, clock: WallClock) -> None:
        super().__init__("simulated", clock)
        self.db: Any = Link(shared, current())
        self._giving_back: list[asyncio.Task[None]] = []

    async def claim(self, *wanted: Any) -> Lease | None:
        return await self._leased(wanted[0], super().claim(*wanted))

    async def claim_gated(self, *wanted: Any) -> Any:
        return await self._leased(wanted[0], super().claim_gated(*wanted))

    async def _leased(self, worker_id: int, claim: Awaitable[Any]) -> Any:
        """Where the answer is lost on its way, what was leased is given back, as with a server."""
        first = self.ids.take(1, self.clock.now())[0]
        try:
            return await claim
        except BaseException:
            last = self.ids.take(1, self.clock.now())[0]
            self._giving_back.append(asyncio.create_task(self._give_back(worker_id, first, last)))
            raise

    async def close(self) -> None:
        await asyncio.gather(*self._giving_back)
        await super().close()

    async def _give_back(self, worker_id: int, first: int, last: int) -> None:
        while True:
            with suppress(Overloaded):
                leased = await self.db.read(_leased, worker_id, first, last)
                back = [
                    Settlement(claim_id, task_id, attempt, Outcome.RELEASED, failures=failures, losses=losses)
                    for claim_id, task_id, attempt, failures, losses in leased
                ]
                await self.settle(worker_id, back, [])
                return
            await asyncio.sleep(_GIVE_BACK_AGAIN)

    async def _watch(self) -> None:
        while True:
            await self.db.news.wait()
            self.db.news.clear()
            self.wake(*Topic)


def _leased(connection: sqlite3.Connection, worker_id: int, first: int, last: int) -> list[tuple[int, ...]]:
    """What was leased to a worker under claims with ids between these."""
    query = (
        "SELECT claim_id, task_id, attempt, failures, losses FROM claim "
        "WHERE worker_id = ? AND claim_id > ? AND claim_id < ?"
    )
    return connection.execute(query, (worker_id, first, last)).fetchall()


def _verb(run: Callable[..., Any]) -> str:
    """The name of the verb that a store's function carries out."""
    name = str(run.__qualname__).partition(".<locals>")[0]
    return name.rpartition(".")[2].lstrip("_")


def _told(value: Any) -> str:
    if isinstance(value, Lease):
        return "leased " + " ".join(f"{task.task_id}/{task.attempt}" for task in value.tasks)
    return "" if value is None else repr(sorted(value) if isinstance(value, set) else value)[:120]


def _refuse(answer: asyncio.Future[Any]) -> None:
    if not answer.done():
        answer.set_exception(Overloaded("the database cannot be used now (simulated)", retry_after=1.0))


def _answer(answer: asyncio.Future[Any], value: Any, failure: BaseException | None) -> None:
    if answer.done():
        return
    if failure is None:
        answer.set_result(value)
    else:
        answer.set_exception(failure)
