# ruff: noqa: D102, S101 - the tests' names are the promises
"""Lists: every filter, every order, page by page."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import pytest

from taskyard.contracts.records import Filter, Opened, Page, SlotKey
from taskyard.domain.definition import Definition
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.priority import Priority
from taskyard.domain.queue import TaskType
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite
from taskyard.testing.conformance.store.moves import ENDS, PLACES, one_of_each

Read = Callable[[int | None], Awaitable[Page]]


async def all_ids(read: Read) -> list[int]:
    """The ids of all pages."""
    ids: list[int] = []
    after: int | None = None
    while True:
        page = await read(after)
        ids += page.ids
        after = page.next
        if after is None:
            return ids


async def found(bench: Bench, limit: int = 3, **wanted: Any) -> list[int]:
    """The ids of all pages of what fits the filter."""
    return await all_ids(lambda after: bench.store.find(Filter(**wanted), limit, after))


async def started(bench: Bench, limit: int = 3, **wanted: Any) -> list[int]:
    """The same in the order of starting."""
    return await all_ids(lambda after: bench.store.find_started(Filter(**wanted), limit, after))


async def everything(bench: Bench) -> dict[State, list[int]]:
    """A task in each place and with each end, and by state the ids that there are."""
    ids = await one_of_each(bench, ENDS | PLACES)
    page = await bench.store.find(Filter(), 100, None)
    assert set(ids.values()) <= set(page.ids)
    by_state: dict[State, list[int]] = {state: [] for state in State}
    for id_ in page.ids:
        by_state[await bench.state(id_)].append(id_)
    return by_state


class TestFind(Suite):
    """`find`."""

    async def test_all_tasks_newest_first(self, bench: Bench) -> None:
        ids = await bench.put(4)
        bench.clock.move(1)
        ids += await bench.put(3)
        assert await found(bench) == ids[::-1]

    @pytest.mark.parametrize("limit", [1, 2, 3, 6, 7])
    async def test_pages_neither_miss_nor_repeat(self, bench: Bench, limit: int) -> None:
        ids = await bench.put(6)
        assert await found(bench, limit) == ids[::-1]
        page = await bench.store.find(Filter(), limit, None)
        assert page.ids == ids[::-1][:limit]
        assert (page.next is None) == (limit >= 6)

    async def test_new_tasks_do_not_shift_pages(self, bench: Bench) -> None:
        ids = await bench.put(4)
        first = await bench.store.find(Filter(), 2, None)
        await bench.put(2)
        assert (await bench.store.find(Filter(), 5, first.next)).ids == ids[1::-1]

    async def test_by_each_state(self, bench: Bench) -> None:
        by_state = await everything(bench)
        for state, ids in by_state.items():
            assert ids, state
            assert await found(bench, status=frozenset({state})) == ids

    async def test_by_several_states_and_by_none(self, bench: Bench) -> None:
        by_state = await everything(bench)
        some = {State.PENDING, State.FAILED, State.COMPLETED}
        wanted = sorted((id_ for state in some for id_ in by_state[state]), reverse=True)
        assert await found(bench, status=frozenset(some)) == wanted
        every = sorted((id_ for ids in by_state.values() for id_ in ids), reverse=True)
        assert await found(bench, status=frozenset(State)) == every
        assert await found(bench, status=frozenset()) == []

    async def test_a_requeued_task_is_only_in_its_present_state(self, bench: Bench) -> None:
        id_ = await bench.ended(Outcome.FAILED)
        await bench.store.requeue([id_], "ada", "again", None)
        steps: Sequence[tuple[State, Outcome]] = [
            (State.RETRYING, Outcome.RETRY), (State.PENDING, Outcome.RELEASED), (State.ASSIGNED, Outcome.ASSIGNED),
        ]  # fmt: skip
        await self._is_only(bench, id_, State.PENDING)
        for state, outcome in steps:
            held = await bench.take_one()
            await self._is_only(bench, id_, State.RUNNING)
            await bench.settle(held, outcome, delay_us=0, opened=Opened("USER", "ada"))
            await self._is_only(bench, id_, state)
            await bench.store.promote(1)
        await bench.store.settle_open(id_, held.settlement(Outcome.COMPLETED), None)
        await self._is_only(bench, id_, State.COMPLETED)

    async def _is_only(self, bench: Bench, id_: int, present: State) -> None:
        for state in State:
            assert await found(bench, status=frozenset({state})) == ([id_] if state is present else [])

    @pytest.mark.parametrize(
        ("field", "value", "other"),
        [
            ("workflow_id", "w\u00e4", "w"),
            ("cause_type", "event", "schedule"),
            ("cause", "c%", "c_"),
            ("parent_id", 77, 78),
            ("hash", b"\x00\x01", b"\x00"),
            ("correlation_id", "abc", "abcd"),
        ],
    )
    async def test_by_what_was_asked_for(self, bench: Bench, field: str, value: Any, other: Any) -> None:
        cause: dict[str, Any] = {"cause_type": "event"} if field == "cause" else {}
        wanted = await bench.put(4, **cause, **{field: value})
        await bench.put(2, **cause, **{field: other})
        await bench.put(2)
        assert await found(bench, **{field: value}) == wanted[::-1]

    async def test_by_tag(self, bench: Bench) -> None:
        both = await bench.put_one(tags=("a", "b", "a"))
        only = await bench.put_one(tags=("b",))
        await bench.put(1)
        assert await found(bench, tag="a") == [both]
        assert await found(bench, tag="b") == [only, both]
        assert await found(bench, tag="c") == []

    async def test_by_tag_of_the_version_too(self, bench: Bench) -> None:
        tagged, untagged, other = await bench.store.save_kinds(
            [
                Definition(key="a", tags=("nightly", "d\u00e4")),
                Definition(key="a"),
                Definition(key="b", tags=("nightly",)),
            ]
        )
        old = await bench.put(3, kind_id=tagged.id)
        twice = await bench.put_one(kind_id=tagged.id, tags=("nightly",))
        new = await bench.put_one(kind_id=untagged.id)
        own = await bench.put_one(kind_id=untagged.id, tags=("nightly",))
        others = await bench.put(3, kind_id=other.id)
        nightly = [*reversed(others), own, twice, *reversed(old)]
        assert await found(bench, tag="nightly") == nightly
        assert await found(bench, tag="d\u00e4") == [twice, *reversed(old)]
        assert await found(bench, tag="night") == []
        assert new not in nightly
        await bench.store.cancel(others[0], None, None, None)
        assert await found(bench, 1, tag="nightly", status=frozenset({State.CANCELED})) == [others[0]]
        pending = frozenset({State.PENDING, State.COMPLETED})
        assert await found(bench, tag="nightly", status=pending) == [id_ for id_ in nightly if id_ != others[0]]
        assert await found(bench, tag="nightly", kind_ids=(tagged.id,)) == [twice, *reversed(old)]

    async def test_by_tag_within_a_time_and_by_start(self, bench: Bench) -> None:
        (tagged,) = await bench.store.save_kinds([Definition(key="a", tags=("nightly",))])
        ids = []
        for tags in ((), ("nightly",), (), ("nightly",)):
            kind_id = bench.kind.id if tags else tagged.id
            ids.append(await bench.ended(kind_id=kind_id, tags=tags))
            bench.clock.move(10)
        await bench.ended()
        edge = bench.clock.now() - 25 * SECOND
        assert await found(bench, 1, tag="nightly", created_after=edge) == ids[:1:-1]
        assert await found(bench, 1, tag="nightly", created_before=edge) == ids[1::-1]
        assert await found(bench, 1, tag="nightly", started_before=edge) == ids[1::-1]
        assert await started(bench, 1, tag="nightly") == ids[::-1]

    async def test_by_definition(self, bench: Bench) -> None:
        kinds = await bench.store.save_kinds([Definition(key="a", title="1"), Definition(key="a", title="2")])
        first, second = [await bench.put_one(kind_id=kind.id) for kind in kinds]
        await bench.put(2)
        assert await found(bench, kind_ids=(kinds[0].id,)) == [first]
        assert await found(bench, kind_ids=tuple(kind.id for kind in kinds)) == [second, first]
        assert await found(bench, kind_ids=()) == []

    async def test_by_type(self, bench: Bench) -> None:
        (manual,) = await bench.store.save_kinds([Definition(key="a", task_type=TaskType.MANUAL)])
        id_ = await bench.put_one(kind_id=manual.id)
        (other,) = await bench.put(1)
        assert await found(bench, task_types=frozenset({TaskType.MANUAL})) == [id_]
        assert await found(bench, task_types=frozenset({TaskType.AUTOMATED})) == [other]
        assert await found(bench, task_types=frozenset(TaskType)) == [other, id_]
        assert await found(bench, task_types=frozenset({TaskType.INTEGRATION})) == []

    async def test_by_assignee_or_who_has_claimed(self, bench: Bench) -> None:
        mine = await bench.opened(opened=Opened("USER", "ada"))
        groups = await bench.opened(opened=Opened("GROUP", "staff"))
        await bench.store.change_open(groups, Opened("GROUP", "staff", "ada"), EventType.CLAIMED, {}, None)
        await bench.opened(opened=Opened("USER", "bob"))
        assert await found(bench, assignee="ada") == [groups, mine]
        assert await found(bench, assignee="staff") == [groups]

    async def test_by_time_of_creation(self, bench: Bench) -> None:
        ids = []
        for _ in range(4):
            ids.append(await bench.put_one())
            bench.clock.move(10)
        edge = bench.clock.now() - 25 * SECOND
        assert await found(bench, created_after=edge) == ids[:1:-1]
        assert await found(bench, created_before=edge) == ids[1::-1]
        assert await found(bench, created_after=edge - 10 * SECOND, created_before=edge) == [ids[1]]

    async def test_by_time_of_starting(self, bench: Bench) -> None:
        ids = []
        for outcome in (Outcome.COMPLETED, Outcome.FAILED, Outcome.ASSIGNED):
            ids.append(await bench.ended(outcome) if outcome is not Outcome.ASSIGNED else await bench.opened())
            bench.clock.move(10)
        ids.append((await bench.running()).task_id)
        await bench.put(1)
        edge = bench.clock.now() - 15 * SECOND
        assert await found(bench, started_after=edge) == ids[:1:-1]
        assert await found(bench, started_before=edge) == ids[1::-1]

    async def test_by_the_beginning_of_the_id_the_title_or_the_correlation(self, bench: Bench) -> None:
        (other,) = await bench.store.save_kinds([Definition(key="other")])
        by_correlation = await bench.put_one(correlation_id="ab_c\u00e4")
        by_title = await bench.put_one(kind_id=other.id)
        by_id = await bench.put_one()
        await bench.put(1, correlation_id="abxc")
        assert await found(bench, correlation_prefix="ab_") == [by_correlation]
        assert await found(bench, title_kind_ids=(other.id,)) == [by_title]
        assert await found(bench, id_prefix=str(by_id)) == [by_id]
        assert len(await found(bench, id_prefix=str(by_id)[:3])) == 4
        either: dict[str, Any] = {"correlation_prefix": "ab_", "title_kind_ids": (other.id,), "id_prefix": str(by_id)}
        assert await found(bench, **either) == [by_id, by_title, by_correlation]

    async def test_all_conditions_must_hold(self, bench: Bench) -> None:
        await bench.put(1, workflow_id="w")
        id_ = await bench.put_one(workflow_id="w", tags=("a",), correlation_id="c1")
        await bench.put(1, tags=("a",))
        await bench.store.cancel(await bench.put_one(workflow_id="w", tags=("a",)), None, None, None)
        wanted: dict[str, Any] = {"workflow_id": "w", "tag": "a", "status": frozenset({State.PENDING})}
        assert await found(bench, **wanted) == [id_]
        assert await found(bench, **wanted, correlation_prefix="c", created_after=0) == [id_]
        assert await found(bench, **wanted, correlation_prefix="d") == []

    async def test_pages_of_a_state_go_on(self, bench: Bench) -> None:
        ids = [await bench.ended(Outcome.FAILED) for _ in range(7)]
        await bench.put(3)
        assert await found(bench, 2, status=frozenset({State.FAILED})) == ids[::-1]


class TestFindStarted(Suite):
    """`find_started`."""

    async def test_the_latest_start_comes_first(self, bench: Bench) -> None:
        low, high = [await bench.put_one(priority=priority) for priority in (Priority.LOW, Priority.HIGH)]
        for _ in range(2):
            bench.clock.move(1)
            await bench.take_one()
        await bench.put(1)
        assert await started(bench) == [low, high]

    async def test_a_task_is_listed_once_by_its_latest_start(self, bench: Bench) -> None:
        first, second = await bench.put(2)
        one = await bench.take_one()
        bench.clock.move(1)
        two = await bench.take_one()
        bench.clock.move(1)
        await bench.settle(one, Outcome.RELEASED)
        await bench.settle(two)
        bench.clock.move(1)
        await bench.take_one()
        assert await started(bench) == [first, second]

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
    async def test_pages_neither_miss_nor_repeat_what_started_together(self, bench: Bench, limit: int) -> None:
        ids = await bench.put(7)
        await bench.take(5)
        bench.clock.move(1)
        await bench.take(2)
        listed = await started(bench, limit)
        assert sorted(listed[:2]) == ids[5:]
        assert sorted(listed[2:]) == ids[:5]

    async def test_filters_hold_here_too(self, bench: Bench) -> None:
        ids = await bench.put(4, workflow_id="w")
        await bench.put(2)
        held = await bench.take(6)
        await bench.settle(held[0])
        await bench.store.cancel(ids[1], None, None, None)
        running = frozenset({State.RUNNING})
        assert sorted(await started(bench, 1, workflow_id="w", status=running)) == ids[2:]
        assert await started(bench, workflow_id="w", started_before=bench.clock.now()) == []
        assert sorted(await started(bench, workflow_id="w", started_after=bench.clock.now() - SECOND)) == ids


class TestDead(Suite):
    """`dead`."""

    async def test_dead_letters_newest_first_page_by_page(self, bench: Bench) -> None:
        ids = [await bench.ended(Outcome.FAILED) for _ in range(5)]
        await bench.ended()
        assert await all_ids(lambda after: bench.store.dead(2, after, None)) == ids[::-1]
        assert await bench.store.dead(5, None, None) == Page(ids[::-1], None)

    async def test_only_of_these_kinds(self, bench: Bench) -> None:
        (other,) = await bench.store.save_kinds([Definition(key="other")])
        await bench.ended(Outcome.FAILED)
        id_ = await bench.ended(Outcome.FAILED, kind_id=other.id)
        assert (await bench.store.dead(5, None, [other.id])).ids == [id_]
        assert (await bench.store.dead(5, None, [])).ids == []

    async def test_nothing_else_is_there(self, bench: Bench) -> None:
        ids = await one_of_each(bench, ENDS | PLACES)
        assert await bench.store.dead(5, None, None) == Page([ids["dead"]], None)

    async def test_what_was_requeued_is_no_longer_there(self, bench: Bench) -> None:
        ids = [await bench.ended(Outcome.FAILED, slots=(SlotKey("one", 1),)) for _ in range(2)]
        await bench.store.requeue(ids, "ada", "again", None)
        assert await bench.store.dead(5, None, None) == Page([], None)
