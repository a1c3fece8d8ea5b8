# ruff: noqa: D102, S101 - the tests' names are the promises
"""Lists narrowed by what no index of their own leads to: queue, priority, attempts, who asked, family."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from taskyard.contracts.records import Filter, Opened
from taskyard.domain.definition import Definition
from taskyard.domain.facts import Extra
from taskyard.domain.lifecycle import Outcome, State
from taskyard.domain.priority import Priority
from taskyard.domain.queue import Queue
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite
from taskyard.testing.conformance.store.inbox import seen


async def found(bench: Bench, **wanted: Any) -> list[int]:
    """The ids of what fits, newest first, read page by page."""
    ids: list[int] = []
    after: int | None = None
    while True:
        page = await bench.store.find(Filter(**wanted), 2, after)
        ids, after = ids + page.ids, page.next
        if after is None:
            return ids


class TestNarrow(Suite):
    """`find` with `queues`, `priorities`, `attempts`, `asker` and `family`."""

    async def test_a_queue_has_what_waits_in_it_now(self, bench: Bench) -> None:
        running = await bench.put_one()
        assert (await bench.take_one()).task_id == running
        waiting = await bench.put_one()
        later = await bench.put_one(run_at=await bench.store.now() + 60 * SECOND)
        moved = await bench.put_one(lane_id=await bench.lane(queue=Queue.INTEGRATION))
        automated, integration = frozenset({Queue.AUTOMATED}), frozenset({Queue.INTEGRATION})
        assert await found(bench, queues=automated) == [later, waiting]
        assert await found(bench, queues=integration) == [moved]
        assert await found(bench, queues=automated | integration) == [moved, later, waiting]
        assert await found(bench, queues=automated, status=frozenset({State.RUNNING})) == []
        assert await found(bench, queues=frozenset()) == []

    async def test_retries_and_dead_letters_are_in_queues_of_their_own(self, bench: Bench) -> None:
        dead = await bench.ended(Outcome.FAILED)
        given_up = await bench.ended(Outcome.FAILED)
        await bench.store.discard([given_up], "ada", "old")
        held = await bench.running()
        await bench.settle(held, Outcome.RETRY, delay_us=60 * SECOND)
        retrying = held.task_id
        assert await found(bench, queues=frozenset({Queue.DEADLETTER})) == [dead]
        assert await found(bench, queues=frozenset({Queue.RETRY})) == [retrying]
        assert await found(bench, queues=frozenset({Queue.AUTOMATED})) == []
        assert await found(bench, queues=frozenset({Queue.RETRY, Queue.DEADLETTER})) == [retrying, dead]

    async def test_by_priority(self, bench: Bench) -> None:
        ids = {each: await bench.put_one(priority=each) for each in Priority}
        assert await found(bench, priorities=frozenset({Priority.HIGH})) == [ids[Priority.HIGH]]
        chosen = frozenset({Priority.LOW, Priority.CRITICAL})
        assert await found(bench, priorities=chosen) == [ids[Priority.CRITICAL], ids[Priority.LOW]]
        assert await found(bench, priorities=chosen, status=frozenset({State.RUNNING})) == []

    async def test_by_how_many_attempts_have_begun(self, bench: Bench) -> None:
        tried = await bench.ended(Outcome.FAILED)
        assert await found(bench, attempts=2) == []
        await bench.store.requeue([tried], "ada", "again", None)
        assert await found(bench, attempts=2) == [], "the second has not begun"
        again = await bench.take_one()
        await bench.put_one()
        assert await found(bench, attempts=2) == [tried]
        assert await found(bench, attempts=2, status=frozenset({State.RUNNING})) == [tried]
        await bench.settle(again)
        assert await found(bench, attempts=2) == await found(bench, attempts=1) == [tried]
        assert await found(bench, attempts=3) == []

    async def test_by_who_asked(self, bench: Bench) -> None:
        await bench.put_one()
        own = await bench.put_one(extra=msgspec.json.encode(Extra(caller="ann")))
        through = await bench.put_one(extra=msgspec.json.encode(Extra(caller="shop", client={"user": "ann"})))
        assert await found(bench, asker="ann") == [through, own]
        assert await found(bench, asker="shop") == [through]
        assert await found(bench, asker="an") == []

    async def test_by_family(self, bench: Bench) -> None:
        root, other = await bench.put(2)
        child = await bench.put_one(parent_id=root)
        grandchild = await bench.put_one(parent_id=child)
        assert await found(bench, family=root) == [grandchild, child, root]
        assert await found(bench, family=child) == [grandchild, child]
        assert await found(bench, family=other) == [other]
        assert await found(bench, family=0) == []
        assert await found(bench, family=root, parent_id=child) == [grandchild]
        assert await found(bench, family=root, created_before=await bench.store.now() - 60 * SECOND) == []


class TestNeverShown(Suite):
    """`inbox` with `text` and `fields`, where a kind has fields that are never shown."""

    @pytest.mark.parametrize(
        "about",
        [
            {"input_schema": {"type": "object", "properties": {"pin": {"type": "string", "writeOnly": True}}}},
            {"ui_components": [{"type": "password", "name": "pin"}]},
        ],
        ids=["by schema", "by form"],
    )
    async def test_what_is_never_shown_cannot_be_guessed(self, bench: Bench, about: dict[str, Any]) -> None:
        (kind,) = await bench.store.save_kinds([Definition(key="log-in", **about)])
        hidden = await bench.opened(opened=Opened("USER", "ann"), input=b'{"pin":"4711"}', kind_id=kind.id)
        shown = await bench.opened(opened=Opened("USER", "ann"), input=b'{"pin":"4711"}')
        assert await seen(bench, text="471") == [shown]
        assert await seen(bench, fields=((("pin",), "4711"),)) == [shown]
        assert await seen(bench, text="471", text_kind_ids=(kind.id,)) == [hidden, shown]
