"""The law: a task is in exactly one place, whoever moves it at the same time as whoever else.

Two transactions are held open, one with each of two movers, in both orders of committing; afterwards the view
`taskyard.place` has every task exactly once, nothing has deadlocked, and no event was told twice.
"""

import asyncio
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any, NamedTuple

import asyncpg
import pytest

from taskyard.domain.lifecycle import EventType, Outcome
from taskyard.domain.priority import AGED
from taskyard.store.postgres.execution import CLAIM, EVENTS, by_number, events_of
from taskyard.store.postgres.statements import statement

ONE, TWO = 101, 102
BATCH, LEASED, CLAIMS = 9001, 9002, itertools.count(10_000)
OWNER, OTHER = 1, 2
LANE, RETRY_LANE = 1, 2
KEY = "key"
SPAN = 1 << 20

Mover = Callable[[asyncpg.Connection], Awaitable[Any]]


# The movers, each as the store makes it


def claim(limit: int, visibility: int | None) -> Mover:
    async def move(c: asyncpg.Connection) -> Any:
        lanes = [LANE, RETRY_LANE]
        return await c.fetch(CLAIM, None, OTHER, lanes, limit, next(CLAIMS), visibility, by_number(AGED))

    return move


def complete(claim_id: int, *tasks: int, close: bool) -> Mover:
    async def move(c: asyncpg.Connection) -> Any:
        """It fails where one of them has ended before; then the store settles them as any other ends."""
        rows = [(claim_id, task_id, 1, 5, b"{}", None) for task_id in tasks]
        try:
            async with c.transaction():
                closing = [claim_id] if close else []
                return await c.fetch(statement("complete"), None, OWNER, [claim_id], closing, rows)
        except asyncpg.UniqueViolationError:
            return await settle(Outcome.COMPLETED, *tasks, close=close, claim_id=claim_id)(c)

    return move


def settle(outcome: Outcome, *tasks: int, close: bool = False, claim_id: int = BATCH, by: int | None = OWNER) -> Mover:
    async def move(c: asyncpg.Connection) -> Any:
        n, closing = len(tasks), [claim_id] if close else []
        none = [None] * n
        rows = ([claim_id] * n, tasks, [1] * n, [outcome] * n, none, none, none, [0] * n, [0] * n, [0] * n, none)
        return await c.fetch(statement("settle"), None, by, [claim_id], closing, *rows, *[none] * 8, *EVENTS)

    return move


async def cancel(c: asyncpg.Connection) -> Any:
    """The store looks first, and again when the task has moved meanwhile: so does this, once."""
    versions = await c.fetch("SELECT latest FROM (" + statement("latest").replace("$1", "ARRAY[101::bigint]") + ") l")
    return await c.fetch(statement("cancel"), None, ONE, versions[0]["latest"], b"{}")


async def promote(c: asyncpg.Connection) -> Any:
    return await c.fetch(statement("promote"), None, 100)


async def hurry(c: asyncpg.Connection) -> Any:
    return await c.fetch(statement("hurry"), None, ONE)


async def requeue(c: asyncpg.Connection) -> Any:
    return await c.fetch(statement("requeue"), None, [TWO, ONE], b'{"by":"x"}', b"[]", [0, 0], [None, None])


async def discard(c: asyncpg.Connection) -> Any:
    return await c.fetch(statement("discard"), None, [ONE, TWO], b"{}")


async def admit(c: asyncpg.Connection) -> Any:
    await c.execute(statement("lock_limits"), [KEY])
    return await c.fetch(statement("admit"), [ONE], [], [], [KEY], [""])


async def sweep(c: asyncpg.Connection) -> Any:
    await c.execute(statement("lock_limits"), [KEY])
    return await c.fetch(statement("free_strays"), [KEY])


def settle_open(outcome: Outcome, changes: int = 0) -> Mover:
    async def move(c: asyncpg.Connection) -> Any:
        types, steps = zip(*events_of(outcome), strict=True)
        end = (outcome, None, b"{}", b"{}", 0, 0, 0, None, types, steps, None, "ann", *[None] * 8)
        return await c.fetch(statement("settle_open"), None, ONE, 2 * SPAN + 2 + changes, *end)

    return move


async def change_open(c: asyncpg.Connection) -> Any:
    who = ("USER", "ann", "ann", None, None, None, None, None)
    return await c.fetch(statement("change_open"), None, ONE, 2 * SPAN + 2, EventType.CLAIMED, b"{}", *who)


async def extend(c: asyncpg.Connection) -> Any:
    return await c.fetch(statement("extend"), None, LEASED, ONE, 1, 60_000_000)


async def raise_floors(c: asyncpg.Connection) -> Any:
    return await c.fetch(statement("floors"), None, True)


async def close_claims(c: asyncpg.Connection) -> Any:
    return await c.fetch(statement("close_claims"), None)


async def prune(c: asyncpg.Connection) -> Any:
    return await c.fetch(statement("prune", part="_default"), 1 << 62, 1 << 62, 0, 1000)


async def sequence(c: asyncpg.Connection) -> Any:
    return await c.fetch(statement("sequence"), 1000)


MOVERS: dict[str, Mover] = {
    "claim": claim(10, None),
    "lease": claim(1, 60_000_000),
    "complete": complete(BATCH, TWO, ONE, close=True),
    "complete one": complete(BATCH, ONE, close=False),
    "complete the other": complete(BATCH, TWO, close=True),
    "retry": settle(Outcome.RETRY, ONE),
    "fail": settle(Outcome.FAILED, ONE),
    "assign": settle(Outcome.ASSIGNED, ONE),
    "release": settle(Outcome.RELEASED, ONE, TWO, close=True),
    "recover": settle(Outcome.LOST, TWO, ONE, close=True, by=None),
    "complete a lease": complete(LEASED, ONE, close=False),
    "retry a lease": settle(Outcome.RETRY, ONE, claim_id=LEASED),
    "recover a lease": settle(Outcome.LOST, ONE, close=True, claim_id=LEASED, by=None),
    "extend": extend,
    "cancel": cancel,
    "promote": promote,
    "hurry": hurry,
    "requeue": requeue,
    "discard": discard,
    "admit": admit,
    "sweep": sweep,
    "complete open": settle_open(Outcome.COMPLETED),
    "retry open": settle_open(Outcome.RETRY),
    "fail open": settle_open(Outcome.FAILED),
    "change open": change_open,
    "raise floors": raise_floors,
    "close claims": close_claims,
    "prune": prune,
    "sequence": sequence,
}


class Start(NamedTuple):
    """Where task ONE begins (TWO always with it, or ready), and the movers that may move it from there."""

    rows: str
    movers: tuple[str, ...]


_CLAIM = (
    "INSERT INTO taskyard.claim (id, part, worker_id, claimed_at, expires_at, task_ids, attempts, lanes, ords, "
    "failures, losses, keyed) VALUES "
)
_TWO_READY = "INSERT INTO taskyard.ready (task_id, ord, lane_id) VALUES (102, 2, 1);"

STARTS: dict[str, Start] = {
    "ready": Start(
        "INSERT INTO taskyard.ready (task_id, ord, lane_id, keyed) VALUES (101, 1, 1, true), (102, 2, 1, false);"
        "INSERT INTO taskyard.slot VALUES ('key', '', 101)",
        ("claim", "lease", "cancel", "raise floors"),
    ),
    "sched": Start(
        "INSERT INTO taskyard.sched (task_id, run_at, lane_id, retry) VALUES (101, 1, 2, true), (102, 2, 2, false)",
        ("promote", "hurry", "cancel"),
    ),
    "parked": Start(
        "INSERT INTO taskyard.parked (task_id, ord, turn, lane_id, key, fairness_key) VALUES (101, 1, 1, 1, 'key', '');"
        + _TWO_READY,
        ("admit", "cancel", "claim"),
    ),
    "claimed": Start(
        _CLAIM + "(9001, 0, 1, 1, NULL, '{101,102}', '{1,1}', '{1,1}', '{1,2}', '{0,0}', '{0,0}', '{101}');"
        "INSERT INTO taskyard.slot VALUES ('key', '', 101)",
        ("complete", "complete one", "complete the other", "retry", "fail", "assign", "release", "recover", "cancel"),
    ),
    "leased": Start(
        _CLAIM + "(9002, 1, 1, 1, 2, '{101}', '{1}', '{1}', '{1}', '{0}', '{0}', '{101}'),"
        "(9002, 2, 1, 1, 2, '{102}', '{1}', '{1}', '{2}', '{0}', '{0}', NULL);"
        "INSERT INTO taskyard.slot VALUES ('key', '', 101)",
        ("complete a lease", "retry a lease", "recover a lease", "extend", "cancel"),
    ),
    "open": Start(
        "INSERT INTO taskyard.attempt (task_id, attempt, outcome, finished_at) VALUES (101, 1, 8, 1);"
        "INSERT INTO taskyard.open (task_id, at, lane_id, attempt, failures, losses, place) "
        "VALUES (101, 1, 1, 1, 0, 0, 6);" + _TWO_READY,
        ("complete open", "retry open", "fail open", "change open", "cancel"),
    ),
    "dead": Start(
        "INSERT INTO taskyard.attempt (task_id, attempt, outcome, finished_at) VALUES (101, 1, 2, 1), (102, 1, 2, 1);"
        "INSERT INTO taskyard.dead (task_id, at, kind_id, lane_id, attempt, failures, losses) "
        "VALUES (101, 1, 1, 2, 1, 0, 0), (102, 1, 1, 1, 1, 0, 0)",
        ("requeue", "discard", "prune"),
    ),
}

_CLEAR = ";".join(
    f"DELETE FROM taskyard.{table}"
    for table in ("task", "ready", "sched", "parked", "claim", "open", "dead", "attempt", "note", "outbox", "feed",
                  "slot", "task_slot", "slot_limit")
)  # fmt: skip
_TASKS = (
    "INSERT INTO taskyard.task (id, kind_id, policy_id, priority, input) VALUES (101, 1, 1, 2, ''), (102, 1, 1, 2, '');"
    "INSERT INTO taskyard.task_slot VALUES (101, 'key', 1, false, '');"
    "INSERT INTO taskyard.slot_limit VALUES ('key', 1, false);"
    "UPDATE taskyard.lane SET floor = 0;"
)
_LANES = (
    "INSERT INTO taskyard.lane (queue, home, definition, priority, solo) VALUES (1, 1, 'a', 2, 0), "
    "(4, 1, 'a', 2, 0);"
    "INSERT INTO taskyard.worker (beat_at, started_at, pid, slots, supervised, dead, name, host, version, queues) "
    "SELECT 1, 1, 1, 1, true, n = 1, 'w', 'h', '1', '{}' FROM generate_series(1, 2) n"
)
_PLACES = (
    "SELECT t.id, array_agg(p.place || ' ' || p.attempt) FILTER (WHERE p.place IS NOT NULL) AS places "
    "FROM taskyard.task t LEFT JOIN taskyard.place p ON p.task_id = t.id GROUP BY t.id HAVING count(p.place) <> 1"
)
_TOLD_TWICE = (
    "SELECT task_id, sequence FROM (SELECT task_ids, sequences FROM taskyard.outbox "
    "UNION ALL SELECT task_ids, sequences FROM taskyard.feed) o, unnest(task_ids, sequences) AS e (task_id, sequence) "
    "GROUP BY 1, 2 HAVING count(*) > 1"
)
_OVER_LIMIT = "SELECT key FROM taskyard.slot GROUP BY key HAVING count(*) > 1"
_WITHOUT_SLOT = (
    "SELECT task_id FROM taskyard.place p JOIN taskyard.task_slot s USING (task_id) "
    "WHERE p.place IN ('ready', 'claim') AND NOT EXISTS (SELECT FROM taskyard.slot WHERE task_id = p.task_id)"
)
_WAITS = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $1"


class Stage:
    """Two connections that move, and one that prepares and judges."""

    def __init__(self, judge: asyncpg.Connection, first: asyncpg.Connection, second: asyncpg.Connection) -> None:
        self.judge, self.first, self.second = judge, first, second

    async def interleave(self, rows: str, one: Mover, other: Mover, *, other_first: bool) -> list[str]:
        """`one` moves, then `other` while that is uncommitted; then both commit. What broke."""
        await self.judge.execute(f"{_CLEAR};{_TASKS}{rows}")
        a, b = self.first.transaction(), self.second.transaction()
        await a.start()
        await b.start()
        broken = []
        try:
            await one(self.first)
            move = asyncio.create_task(self._run(other))
            if await self._waits(move) or not other_first:
                await a.commit()
                await move
                await b.commit()
            else:
                await move
                await b.commit()
                await a.commit()
        except asyncpg.PostgresError as error:
            broken.append(f"{type(error).__name__}: {error}")
            for transaction in (a, b):
                with suppress(asyncpg.InterfaceError):  # it has ended already
                    await transaction.rollback()
        return broken + await self._judge()

    async def _run(self, mover: Mover) -> None:
        await mover(self.second)

    async def _waits(self, move: "asyncio.Task[None]") -> bool:
        """Whether the second mover has to wait for the first; False once it is done."""
        while not move.done():
            if await self.judge.fetchval(_WAITS, self.second.get_server_pid()):
                return True
        return False

    async def _judge(self) -> list[str]:
        broken = [f"task {row['id']} is in {row['places']}" for row in await self.judge.fetch(_PLACES)]
        broken += [f"told twice: {tuple(row)}" for row in await self.judge.fetch(_TOLD_TWICE)]
        broken += [f"over its limit: {row['key']}" for row in await self.judge.fetch(_OVER_LIMIT)]
        broken += [f"without its slot: {row['task_id']}" for row in await self.judge.fetch(_WITHOUT_SLOT)]
        return broken


@pytest.fixture
async def stage(migrated_dsn: str) -> AsyncIterator[Stage]:
    settings = {"plan_cache_mode": "force_generic_plan", "jit": "off", "deadlock_timeout": "100ms"}
    connections = [await asyncpg.connect(migrated_dsn, server_settings=settings) for _ in range(3)]
    await connections[0].execute(_LANES)
    yield Stage(*connections)
    for connection in connections:
        await connection.close()


@pytest.mark.parametrize("start", STARTS)
async def test_every_pair_of_movers_leaves_each_task_in_one_place(stage: Stage, start: str) -> None:
    rows, names = STARTS[start]
    broken = [
        (first, second, "commits first" if other_first else "commits second", faults)
        for first in names
        for second in MOVERS
        for other_first in (False, True)
        if (faults := await stage.interleave(rows, MOVERS[first], MOVERS[second], other_first=other_first))
    ]
    assert broken == []


@pytest.mark.parametrize("start", STARTS)
async def test_every_mover_that_may_move_does(stage: Stage, start: str) -> None:
    """So that the pairs above are not pairs of nothing."""
    rows, names = STARTS[start]
    for name in names:
        await stage.judge.execute(f"{_CLEAR};{_TASKS}{rows}")
        before = await _contents(stage.judge)
        await MOVERS[name](stage.first)
        assert await _contents(stage.judge) != before, name


async def test_the_law_notices_a_cancel_that_leaves_the_task_behind(stage: Stage) -> None:
    async def careless(c: asyncpg.Connection) -> Any:
        if await c.fetchval("SELECT true FROM taskyard.ready WHERE task_id = 101"):
            sql = "INSERT INTO taskyard.attempt (task_id, attempt, outcome, finished_at) VALUES (101, 1, 4, 1)"
            await c.execute(sql + " ON CONFLICT DO NOTHING; DELETE FROM taskyard.slot WHERE task_id = 101")

    rows = STARTS["ready"].rows
    assert await stage.interleave(rows, careless, MOVERS["raise floors"], other_first=False)


async def test_the_law_notices_a_completion_that_does_not_hold_its_claim(stage: Stage) -> None:
    async def careless(c: asyncpg.Connection) -> Any:
        sql = "INSERT INTO taskyard.attempt (task_id, attempt, outcome, finished_at) VALUES (101, 1, 1, 1)"
        await c.execute(sql)
        await c.execute("DELETE FROM taskyard.claim WHERE id = 9001")

    rows = STARTS["claimed"].rows
    assert await stage.interleave(rows, careless, MOVERS["recover"], other_first=False)


async def _contents(connection: asyncpg.Connection) -> list[Any]:
    tables = ("ready", "sched", "parked", "claim", "open", "dead", "attempt", "lane", "task")
    return [await connection.fetch(f"SELECT t::text FROM taskyard.{table} t ORDER BY 1") for table in tables]
