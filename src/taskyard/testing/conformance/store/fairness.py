# ruff: noqa: D102, S101 - the tests' names are the promises
"""Fairness: a limit's slots are shared out between the fairness keys of those that wait for them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from taskyard.contracts.records import SlotKey
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.priority import Priority
from taskyard.engine.engine import Engine
from taskyard.engine.recover import recover
from taskyard.testing.conformance.store.bench import SECOND, Bench, Held
from taskyard.testing.conformance.store.fixtures import Suite

ONE = (SlotKey("one", 1),)
FOUR = (SlotKey("four", 4),)
SHARE = (SlotKey("share", None, shared=True),)
PLACES = 4
"""How many tasks a worker of the bench runs at once."""

IN_HAND = 2
"""How many more are admitted at least, so that nobody has to wait for them."""


class Tenants:
    """Tasks told apart by their fairness keys."""

    def __init__(self, bench: Bench, slots: tuple[SlotKey, ...]) -> None:
        self.bench = bench
        self.slots = slots
        self.key_of: dict[int, str] = {}

    async def put(self, key: str, count: int, slots: tuple[SlotKey, ...] | None = None, **fields: Any) -> list[int]:
        """New tasks of a key, a moment later than those before."""
        self.bench.clock.move(0.001)
        ids = await self.bench.put(count, slots=self.slots if slots is None else slots, fairness_key=key, **fields)
        self.key_of |= dict.fromkeys(ids, key)
        return ids

    async def admitted(self) -> Counter[str]:
        """By key, how many are ready or run."""
        places = zip(self.key_of, await self.bench.store.facts(list(self.key_of)), strict=True)
        inside = (PlaceKind.READY, PlaceKind.RUNNING)
        return Counter(self.key_of[id_] for id_, facts in places if facts.place and facts.place.kind in inside)

    def keys(self, held: list[Held]) -> str:
        """The keys of what was claimed, in that order."""
        return "".join(self.key_of[one.task_id] for one in held)

    async def work_off(self, rounds: int) -> str:
        """Run so many tasks, one after the other; their keys."""
        done = []
        for _ in range(rounds):
            held = await self.bench.take_one()
            await self.bench.settle(held)
            done.append(held)
        return self.keys(done)


class TestTurns(Suite):
    """Who gets the next slot of a limit."""

    async def test_keys_take_turns(self, bench: Bench) -> None:
        tenants = Tenants(bench, ONE)
        await tenants.put("a", 10)
        await tenants.put("b", 3)
        await tenants.put("c", 2)
        assert await tenants.work_off(15) == "abcabcabaaaaaaa"

    async def test_who_comes_late_does_not_wait_for_those_who_flood(self, bench: Bench) -> None:
        tenants = Tenants(bench, FOUR)
        await tenants.put("a", 50)
        held = await bench.take(4)
        late = await tenants.put("b", 1)
        await bench.settle(held[0])
        assert (await bench.take_one()).task_id == late[0]

    async def test_running_work_counts(self, bench: Bench) -> None:
        tenants = Tenants(bench, FOUR)
        await tenants.put("a", 10)
        long_running = await bench.take(3)
        assert tenants.keys(long_running) == "aaa"
        await tenants.put("b", 20)
        assert await tenants.work_off(8) == "abbbbbbb"

    async def test_slots_even_out_as_they_come_free(self, bench: Bench) -> None:
        tenants = Tenants(bench, FOUR)
        await tenants.put("a", 10)
        held = await bench.take(4)
        await tenants.put("b", 10)
        for one in held[:2]:
            await bench.settle(one)
        assert await tenants.admitted() == {"a": 2, "b": 2}
        await bench.settle(held[2])
        assert await tenants.admitted() == {"a": 2, "b": 2}

    async def test_tasks_without_a_key_share_a_turn(self, bench: Bench) -> None:
        tenants = Tenants(bench, ONE)
        await tenants.put("", 3)
        await tenants.put("b", 3)
        assert await tenants.work_off(6) == "bbb"

    async def test_within_a_key_the_priority_decides(self, bench: Bench) -> None:
        tenants = Tenants(bench, ONE)
        (first,) = await tenants.put("a", 1)
        (low,) = await tenants.put("a", 1, priority=Priority.LOW)
        (medium,) = await tenants.put("a", 1)
        (critical,) = await tenants.put("a", 1, priority=Priority.CRITICAL)
        (other,) = await tenants.put("b", 1, priority=Priority.LOW)
        order = []
        for _ in range(5):
            held = await bench.take_one()
            order.append(held.task_id)
            await bench.settle(held)
        assert order == [first, other, critical, medium, low]

    async def test_nobody_starves_by_priority_within_a_key(self, bench: Bench) -> None:
        tenants = Tenants(bench, ONE)
        await tenants.put("a", 1)
        (low,) = await tenants.put("a", 1, priority=Priority.LOW)
        bench.clock.move(26 * 3600)
        await tenants.put("a", 1, priority=Priority.CRITICAL)
        await bench.store.beat(bench.worker_id, [], {})
        await bench.settle(await bench.take_one())
        assert (await bench.take_one()).task_id == low

    async def test_more_keys_than_slots_all_have_their_turn(self, bench: Bench) -> None:
        tenants = Tenants(bench, FOUR)
        await tenants.put("first", 4)
        for number in range(30):
            await tenants.put(chr(0x100 + number), 5)
        done = ""
        for _ in range(16):
            held = await bench.take(4)
            done += tenants.keys(held).removeprefix("first" * 4)
            for one in held:
                await bench.settle(one)
        assert set(Counter(done).values()) == {2}

    async def test_a_retry_keeps_its_key(self, bench: Bench) -> None:
        tenants = Tenants(bench, ONE)
        await tenants.put("a", 3)
        await tenants.put("b", 1)
        await bench.settle(await bench.take_one(), Outcome.RETRY, delay_us=0)
        await bench.store.promote(10)
        assert tenants.keys([await bench.take_one()]) == "b"
        assert (await bench.store.contention(min(tenants.key_of), 1)) is not None


class TestCrashes(Suite):
    """Slots of those that die."""

    async def test_a_dead_workers_slots_count_until_its_tasks_are_recovered(self, bench: Bench) -> None:
        tenants = Tenants(bench, FOUR)
        await tenants.put("a", 4)
        await tenants.put("b", 4)
        assert tenants.keys(await bench.take(4)) == "aaaa"
        await bench.pass_silently()
        await bench.store.tidy()
        assert await tenants.admitted() == {"a": 4}
        await recover(Engine(bench.store))
        assert await tenants.admitted() == {"a": 4}

    async def test_what_a_crash_ends_makes_room_for_who_has_least(self, bench: Bench) -> None:
        tenants = Tenants(bench, FOUR)
        await tenants.put("a", 8)
        await tenants.put("b", 8)
        held = await bench.take(4)
        await bench.store.bury(bench.worker_id, None)
        failed = [one.settlement(Outcome.FAILED) for one in held[:2]]
        await bench.store.settle(None, failed, [])
        assert await tenants.admitted() == {"a": 2, "b": 2}


class TestShares(Suite):
    """A shared limit: no more slots are given out than the workers can take soon."""

    async def test_no_more_are_admitted_than_will_soon_run(self, bench: Bench) -> None:
        tenants = Tenants(bench, SHARE)
        await tenants.put("a", 50)
        assert await tenants.admitted() == {"a": PLACES + IN_HAND}
        await bench.take(PLACES)
        await bench.store.tidy()
        assert await tenants.admitted() == {"a": PLACES + IN_HAND}

    async def test_more_workers_more_places(self, bench: Bench) -> None:
        tenants = Tenants(bench, SHARE)
        await tenants.put("a", 50)
        await bench.register()
        await bench.store.tidy()
        assert await tenants.admitted() == {"a": 2 * PLACES + IN_HAND}

    async def test_a_dead_worker_has_no_places(self, bench: Bench) -> None:
        await bench.pass_silently()
        await bench.store.lost(1)
        tenants = Tenants(bench, SHARE)
        await tenants.put("a", 50)
        assert await tenants.admitted() == {"a": IN_HAND}

    async def test_work_beyond_the_places_is_no_obstacle(self, bench: Bench) -> None:
        """Parents that wait for their subtasks run beside those."""
        tenants = Tenants(bench, SHARE)
        await tenants.put("a", 50)
        for count in (PLACES + IN_HAND, IN_HAND, IN_HAND):
            assert len(await bench.take(50)) == count
            await bench.store.tidy()

    async def test_those_who_end_together_are_followed_by_as_many_and_more(self, bench: Bench) -> None:
        tenants = Tenants(bench, SHARE)
        await tenants.put("a", 90)
        for count in (6, 10, 14, 18):
            held = await bench.take(50)
            assert len(held) == count
            done = [one.settlement(Outcome.COMPLETED) for one in held]
            await bench.store.settle(bench.worker_id, done, [held[0].claim_id])

    async def test_who_comes_late_waits_for_what_runs_and_no_more(self, bench: Bench) -> None:
        tenants = Tenants(bench, SHARE)
        await tenants.put("a", 1000)
        held = await bench.take(PLACES)
        await tenants.put("b", 1)
        for one in held:
            await bench.settle(one)
        assert "b" in tenants.keys(await bench.take(PLACES))

    async def test_those_that_run_long_leave_places_to_those_that_are_short(self, bench: Bench) -> None:
        tenants = Tenants(bench, SHARE)
        await tenants.put("-", PLACES + IN_HAND)
        await tenants.put("long", 100)
        await tenants.put("short", 100)
        running: list[Held] = []
        ended = Counter[str]()
        for _ in range(40):
            running += await bench.take(PLACES - len(running))
            for one in [one for one in running if tenants.key_of[one.task_id] != "long"]:
                await bench.settle(one)
                running.remove(one)
                ended[tenants.key_of[one.task_id]] += 1
        assert len(running) == (PLACES + IN_HAND) // 2
        assert ended["short"] > 30

    async def test_a_share_and_a_limit_hold_together(self, bench: Bench) -> None:
        tenants = Tenants(bench, (SlotKey("two", 2, shared=True),))
        await tenants.put("a", 20)
        await tenants.put("b", 20)
        assert await tenants.admitted() == {"a": 2}
        assert await tenants.work_off(10) == "aababababa"

    async def test_one_full_key_does_not_hold_up_the_share(self, bench: Bench) -> None:
        tenants = Tenants(bench, SHARE)
        await tenants.put("a", 20, slots=(SlotKey("key:1", 1), *SHARE))
        await tenants.put("a", 1, slots=(SlotKey("key:2", 1), *SHARE))
        await tenants.put("b", 1)
        assert await tenants.admitted() == {"a": 2, "b": 1}
        assert Counter(await tenants.work_off(22)) == {"a": 21, "b": 1}

    async def test_a_canceled_task_leaves_nothing_behind(self, bench: Bench) -> None:
        tenants = Tenants(bench, SHARE)
        ids = await tenants.put("a", 20)
        for id_ in ids:
            await bench.store.cancel(id_, None, None, None)
        (last,) = await tenants.put("b", 1)
        found = await bench.take(10)
        assert [one.task_id for one in found] == [last]

    async def test_a_share_among_many_keys_is_exact(self, bench: Bench) -> None:
        tenants = Tenants(bench, SHARE)
        await tenants.put("-", PLACES + IN_HAND)
        for number in range(40):
            await tenants.put(chr(0x100 + number), 3)
        order = (await tenants.work_off(PLACES + IN_HAND + 120)).lstrip("-")
        for start in (0, 40, 80):
            assert set(Counter(order[start : start + 40]).values()) == {1}

    async def test_it_holds_with_the_time_that_passes(self, bench: Bench) -> None:
        tenants = Tenants(bench, SHARE)
        await tenants.put("a", 5, run_at=bench.clock.now() + SECOND)
        await tenants.put("b", 5, run_at=bench.clock.now() + SECOND)
        bench.clock.move(2)
        await bench.store.promote(100)
        assert await tenants.admitted() == {"a": 3, "b": 3}
