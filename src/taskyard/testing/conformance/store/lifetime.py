# ruff: noqa: D102, S101 - the tests' names are the promises
"""The store's own life, and the names of things."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from taskyard.contracts.records import Topic
from taskyard.contracts.store import Store
from taskyard.domain.definition import Definition
from taskyard.domain.ids import made_at
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.policy import Policy
from taskyard.domain.queue import LaneKey, Queue
from taskyard.domain.retry import RetryPolicy
from taskyard.errors import Overloaded
from taskyard.testing.clock import ManualClock
from taskyard.testing.conformance.store.bench import Bench
from taskyard.testing.conformance.store.fixtures import Suite

_PATIENCE = 0.2
_TRIES = 50


async def wakes(store: Store, topic: Topic, act: Callable[[], Awaitable[object]]) -> bool:
    """Whether acting wakes a listener; as a wake-up may go missing, it acts until one comes."""
    rang = asyncio.Event()
    stop = store.listen(topic, rang.set)
    for _ in range(_TRIES):
        await act()
        try:
            await asyncio.wait_for(rang.wait(), _PATIENCE)
            break
        except TimeoutError:
            continue
    stop()
    return rang.is_set()


class TestLifetime(Suite):
    """Opening, closing, time, ids and wake-ups."""

    async def test_closing_twice_is_fine(self, store: Store) -> None:
        await store.close()
        await store.close()

    async def test_opening_twice_is_fine(self, store: Store) -> None:
        await store.open()
        assert await store.current_kinds() == []

    async def test_a_closed_store_is_overloaded(self, bench: Bench) -> None:
        entries = await bench.entries()
        await bench.store.close()
        for verb in (
            lambda: bench.store.enqueue(entries),
            lambda: bench.store.claim(bench.worker_id, [1], 1),
            lambda: bench.store.facts([1]),
            lambda: bench.store.promote(1),
            bench.store.try_writing,
        ):
            with pytest.raises(Overloaded):
                await verb()

    async def test_what_is_written_to_try_is_gone_at_once(self, store: Store) -> None:
        await store.try_writing()
        await asyncio.gather(*(store.try_writing() for _ in range(5)))

    async def test_the_time_is_the_hand_moved_clocks(self, store: Store, clock: ManualClock) -> None:
        assert await store.now() == clock.now()
        moment = clock.move(1.5)
        assert await store.now() == moment

    async def test_ids_are_fresh_and_grow_with_time(self, store: Store, clock: ManualClock) -> None:
        first = store.new_ids(5000)
        clock.move(60)
        second = store.new_ids(3)
        ids = first + second
        assert ids == sorted(set(ids))
        assert made_at(first[0]) == clock.now() - 60_000_000
        assert made_at(second[0]) == clock.now()

    async def test_ready_tasks_wake(self, bench: Bench) -> None:
        assert await wakes(bench.store, Topic.READY, bench.put)

    async def test_revocations_wake(self, bench: Bench) -> None:
        async def revoke() -> None:
            held = await bench.running()
            await bench.store.cancel(held.task_id, None, None, None)

        assert await wakes(bench.store, Topic.REVOKED, revoke)

    async def test_new_events_wake(self, bench: Bench) -> None:
        async def happen() -> None:
            await bench.put()
            await bench.sequence()

        assert await wakes(bench.store, Topic.FEED, happen)

    async def test_tasks_that_come_back_wake(self, bench: Bench) -> None:
        await bench.put()

        async def give_back() -> None:
            await bench.settle(await bench.take_one(), Outcome.RELEASED)

        assert await wakes(bench.store, Topic.READY, give_back)

    async def test_a_stopped_listener_is_left_alone(self, bench: Bench) -> None:
        calls: list[None] = []
        stop = bench.store.listen(Topic.READY, lambda: calls.append(None))
        stop()
        assert await wakes(bench.store, Topic.READY, bench.put)
        assert calls == []


class TestNames(Suite):
    """Definitions, lanes and policies."""

    async def test_a_definition_is_kept_whole(self, store: Store, clock: ManualClock) -> None:
        definition = Definition(
            key="backup", title="Bäckup", tags=("db",), implementation={"kind": "function", "name": "f"},
            input_schema={"type": "object"}, retry_policy={"maxRetries": 2}, fallback={"a": [1, None]}, timeout=1.5,
        )  # fmt: skip
        (kind,) = await store.save_kinds([definition])
        assert (kind.definition, kind.number, kind.hash) == (definition, 1, definition.content_hash())
        assert (kind.created_at, kind.retired) == (clock.now(), False)
        assert await store.kinds([kind.id]) == [kind]
        assert await store.current_kinds() == [(kind.id, False)]

    async def test_the_same_content_is_the_same_version(self, store: Store, clock: ManualClock) -> None:
        (first,) = await store.save_kinds([Definition(key="a", title="A")])
        clock.move(1)
        assert await store.save_kinds([Definition(key="a", title="A")] * 2) == [first, first]

    async def test_versions_are_numbered_and_told_newest_first(self, store: Store) -> None:
        made = [(await store.save_kinds([Definition(key="a", title=title)]))[0] for title in "xyz"]
        await store.save_kinds([Definition(key="other")])
        assert [kind.number for kind in made] == [1, 2, 3]
        assert [kind.id for kind in await store.versions("a")] == [kind.id for kind in reversed(made)]
        assert await store.versions("unknown") == []

    async def test_the_version_saved_last_is_the_current_one(self, store: Store) -> None:
        (old,) = await store.save_kinds([Definition(key="a", title="old")])
        (new,) = await store.save_kinds([Definition(key="a", title="new")])
        assert await store.current_kinds() == [(new.id, False)]
        (again,) = await store.save_kinds([old.definition])
        assert (again.id, again.number) == (old.id, 1)
        assert await store.current_kinds() == [(old.id, False)]

    async def test_versions_are_saved_in_the_order_given(self, store: Store) -> None:
        definitions = [Definition(key=key) for key in ("c", "a", "b")]
        saved = await store.save_kinds(definitions)
        assert [kind.definition for kind in saved] == definitions
        assert {kind.id for kind in await store.kinds([kind.id for kind in saved])} == {kind.id for kind in saved}
        assert await store.kinds([987_654]) == []

    async def test_a_retired_definition_is_marked(self, store: Store) -> None:
        b, a = await store.save_kinds([Definition(key="b"), Definition(key="a")])
        assert await store.retire("a")
        assert await store.current_kinds() == [(a.id, True), (b.id, False)]
        assert {k.id: k.retired for k in await store.kinds([a.id, b.id])} == {a.id: True, b.id: False}
        assert not await store.retire("unknown")

    async def test_saving_brings_a_retired_definition_back(self, store: Store) -> None:
        await store.save_kinds([Definition(key="a")])
        await store.retire("a")
        (kind,) = await store.save_kinds([Definition(key="a")])
        assert not kind.retired
        assert await store.current_kinds() == [(kind.id, False)]

    async def test_a_lane_has_one_id(self, store: Store) -> None:
        plain = LaneKey(Queue.AUTOMATED, Queue.AUTOMATED, "a", 2, solo=False)
        others = (plain._replace(solo=True), plain._replace(queue=int(Queue.RETRY)), plain._replace(target="moon"))
        keys = [plain, *others, plain]
        ids = await store.lanes(keys)
        assert ids[0] == ids[4]
        assert len(set(ids)) == 4
        assert await store.lanes(keys[::-1]) == ids[::-1]
        made = dict(zip(ids, keys, strict=True))
        assert dict(await store.all_lanes()) == made
        assert dict(await store.all_lanes(beyond=min(ids))) == {id_: k for id_, k in made.items() if id_ > min(ids)}

    async def test_equal_policies_are_one(self, store: Store) -> None:
        one = Policy(timeout=1, retry=RetryPolicy(max_retries=2), security_context={"runAs": "x"})
        other = msgspec.structs.replace(one, max_deliveries=2)
        ids = await store.policies([one, other, one])
        assert ids[0] == ids[2] != ids[1]
        assert await store.policies([other]) == [ids[1]]
        assert dict(await store.policies_by_id(ids)) == {ids[0]: one, ids[1]: other}
        assert await store.policies_by_id([987_654]) == []
