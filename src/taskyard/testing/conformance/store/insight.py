# ruff: noqa: D102, S101 - the tests' names are the promises
"""Insight: failures, how attempts end over time, and lists by what attempts were like."""

from __future__ import annotations

from typing import Any

import msgspec

from taskyard.contracts.insight import AttemptFilter, Endings
from taskyard.contracts.records import Filter
from taskyard.domain.lifecycle import Outcome
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite

MINUTE = 60 * SECOND


def failed(code: str) -> bytes:
    """What an attempt has to say that failed with a code."""
    return msgspec.json.encode({"error": {"code": code, "message": "it is broken"}})


async def end(bench: Bench, outcome: Outcome, **fields: Any) -> int:
    """A new task whose first attempt has ended so."""
    held = await bench.running()
    assert await bench.settle(held, outcome, **fields)
    return held.task_id


async def found(bench: Bench, **like: Any) -> list[int]:
    """The ids of what fits, newest first."""
    page = await bench.store.find(Filter(attempt=AttemptFilter(**like)), 100, None)
    return page.ids


class TestInsight(Suite):
    """`failures`, `endings` and `run_spans`."""

    async def test_failures_are_told_newest_first_and_whether_they_are_dead_now(self, bench: Bench) -> None:
        first = await end(bench, Outcome.FAILED, detail=failed("A"))
        await end(bench, Outcome.COMPLETED)
        await end(bench, Outcome.CANCELED)
        second = await end(bench, Outcome.FAILED, detail=failed("B"))
        await bench.store.requeue([first], "ada", "again", None)
        rows = await bench.store.failures(0, 10)
        assert [(row.task_id, row.is_dead, row.detail) for row in rows] == [
            (second, True, failed("B")),
            (first, False, failed("A")),
        ]
        assert {row.kind_id for row in rows} == {bench.kind.id}
        assert [row.task_id for row in await bench.store.failures(0, 10, dead=True)] == [second]
        assert [row.task_id for row in await bench.store.failures(0, 1)] == [second]

    async def test_failures_are_told_page_by_page(self, bench: Bench) -> None:
        first, second, third = [await end(bench, Outcome.FAILED) for _ in range(3)]
        for dead in (False, True):
            page = await bench.store.failures(0, 2, dead=dead)
            assert [row.task_id for row in page] == [third, second]
            page = await bench.store.failures(0, 2, dead=dead, below=second)
            assert [row.task_id for row in page] == [first]

    async def test_discarded_letters_are_dead_no_more(self, bench: Bench) -> None:
        id_ = await end(bench, Outcome.FAILED)
        await bench.store.discard([id_], "ada", "given up")
        assert await bench.store.failures(0, 10, dead=True) == []
        assert [row.is_dead for row in await bench.store.failures(0, 10)] == [False]

    async def test_failures_of_older_tasks_are_left_out(self, bench: Bench) -> None:
        await end(bench, Outcome.FAILED)
        since = bench.clock.move(1)
        later = await end(bench, Outcome.FAILED)
        assert [row.task_id for row in await bench.store.failures(since, 10)] == [later]

    async def test_endings_are_counted_by_stretch_and_outcome(self, bench: Bench) -> None:
        since = await bench.store.now()
        for outcome in (Outcome.COMPLETED, Outcome.COMPLETED, Outcome.FAILED):
            await end(bench, outcome)
        bench.clock.move(120)
        await end(bench, Outcome.RETRY, delay_us=MINUTE)
        assert await bench.store.endings(since, MINUTE) == [
            Endings(0, Outcome.COMPLETED, 2),
            Endings(0, Outcome.FAILED, 1),
            Endings(2, Outcome.RETRY, 1),
        ]
        assert await bench.store.endings(since + MINUTE, MINUTE) == [Endings(1, Outcome.RETRY, 1)]

    async def test_run_spans_are_those_of_completed_attempts(self, bench: Bench) -> None:
        await bench.settle(await bench.running(), Outcome.COMPLETED, run_ms=10)
        since = bench.clock.move(60)
        for outcome, run_ms in ((Outcome.COMPLETED, 20), (Outcome.FAILED, 30)):
            await bench.settle(await bench.running(), outcome, run_ms=run_ms)
        assert await bench.store.run_spans(since) == [(await bench.store.now(), 20)]

    async def test_tasks_are_found_by_what_one_of_their_attempts_was_like(self, bench: Bench) -> None:
        slow = await end(bench, Outcome.FAILED, detail=failed("TIMEOUT"), run_ms=5000)
        quick = await end(bench, Outcome.COMPLETED, run_ms=20)
        await bench.put(1)
        assert await found(bench, error="TIMEOUT") == [slow]
        assert await found(bench, error="OTHER") == []
        assert await found(bench, ran_from=5000) == [slow]
        assert await found(bench, ran_below=5000) == [quick]
        assert await found(bench, worker="worker") == [quick, slow]
        assert await found(bench, worker="worker", error="TIMEOUT", ran_below=5000) == []

    async def test_a_task_of_several_such_attempts_is_found_once(self, bench: Bench) -> None:
        id_ = await end(bench, Outcome.FAILED, detail=failed("A"))
        await bench.store.requeue([id_], "ada", "again", None)
        await bench.settle(await bench.take_one(), Outcome.FAILED, detail=failed("A"))
        assert await found(bench, error="A") == [id_]
        assert await found(bench, error="A", worker="worker") == [id_]
