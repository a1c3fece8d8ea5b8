# ruff: noqa: D102, S101 - the tests' names are the promises
"""Who does manual tasks, and what they have to do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec
import pytest

from taskyard.contracts.inbox import InboxRow, Room
from taskyard.contracts.records import Opened, Settlement, SlotKey
from taskyard.contracts.store import Store
from taskyard.domain import sequence
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.people.assignment import Person
from taskyard.domain.people.document import askers_of, read_extra
from taskyard.errors import Conflict, Full
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite
from taskyard.testing.conformance.store.inbox import held, seen

ANN = Person("ann", "Ann", "ann@example.org", ("ops", "hr"), ("sql",), 3)
_BEGIN = InboxRow(-1, -1)


class TestPeoplesTasks(Suite):
    """What is kept of a person's task, `loads`, `due_open` and `rota`."""

    async def test_sheet_and_urgency_are_kept(self, bench: Bench) -> None:
        id_ = await held(bench, Opened("USER", "ann", sheet=b'{"since":1}', urgency=3))
        place = await bench.place(id_)
        assert place is not None
        assert (place.kind, place.sheet, place.urgency) == (PlaceKind.ASSIGNED, b'{"since":1}', 3)

    async def test_what_is_handed_over_keeps_them_too(self, bench: Bench) -> None:
        id_ = await bench.opened(Outcome.ASSIGNED, Opened("USER", "ann", None, None, 5, 6, b"{}", 4))
        place = await bench.place(id_)
        assert place is not None
        assert (place.assignee_id, place.due_at, place.sheet, place.urgency) == ("ann", 5, b"{}", 4)
        assert await bench.store.due_open(6, 5, _BEGIN) == [InboxRow(6, id_)]

    async def test_how_much_everybody_has(self, bench: Bench) -> None:
        for opened in (
            Opened("USER", "ann"), Opened("GROUP", "ops", "ann"), Opened("USER", "ann", "ann"), Opened("USER", "bob"),
            Opened("GROUP", "bob"), Opened("USER", "cyd"),
        ):  # fmt: skip
            await held(bench, opened)
        assert await bench.store.loads(["ann", "bob", "dan"]) == {"ann": 3, "bob": 1}

    async def test_who_gives_sees_what_others_are_giving(self, bench: Bench) -> None:
        await held(bench, Opened("USER", "ann"))
        tasks = [await bench.running() for _ in range(5)]

        def least(loads: Mapping[str, int]) -> str:
            return min(("ann", "bob", "cyd"), key=lambda person: loads.get(person, 0))

        people = ["ann", "bob", "cyd"]
        await asyncio.gather(*(bench.store.give(*each.pair, people, least) for each in tasks))
        assert await bench.store.loads(people) == {"ann": 2, "bob": 2, "cyd": 2}

    async def test_what_is_given_counts_once_and_no_longer_than_its_attempt(self, bench: Bench) -> None:
        one, two = [await bench.running() for _ in range(2)]
        seen_by_two: list[Mapping[str, int]] = []
        await bench.store.give(*one.pair, ["ann"], lambda loads: "ann")
        await bench.store.give(*one.pair, ["ann"], lambda loads: "ann" if not loads else "bob")
        await bench.store.give(*two.pair, ["ann"], lambda loads: seen_by_two.append(loads))
        assert seen_by_two == [{"ann": 1}]
        assert await bench.settle(one, Outcome.ASSIGNED, opened=Opened("USER", "ann"))
        assert await bench.store.loads(["ann"]) == {"ann": 1}
        await bench.store.settle_open(one.task_id, Settlement(0, 0, 0, Outcome.COMPLETED, by="ann"), None)
        assert await bench.store.loads(["ann"]) == {}
        await bench.store.give(*two.pair, ["ann"], lambda loads: "ann")
        assert await bench.settle(two, Outcome.RETRY)
        assert await bench.store.loads(["ann"]) == {}

    async def test_what_is_given_does_not_outlive_its_task(self, bench: Bench) -> None:
        await bench.store.make_room(3600 * SECOND)
        for _ in range(2):
            held = await bench.running()
            await bench.store.give(*held.pair, ["ann"], lambda loads: "ann")
            assert await bench.settle(held)
            assert await bench.store.loads(["ann"]) == {}
            bench.clock.move(2 * 3600)
            assert await bench.store.prune(bench.clock.now() - 3600 * SECOND) == 1
            assert await bench.store.loads(["ann"]) == {}

    async def test_nobody_claims_more_than_they_have_room_for(self, bench: Bench) -> None:
        ids = [await held(bench, Opened("GROUP", "ops")) for _ in range(6)]
        versions = [await bench.version(id_) for id_ in ids]
        claimed = Opened("GROUP", "ops", "ann")
        told = await asyncio.gather(
            *(
                bench.store.change_open(id_, claimed, EventType.CLAIMED, {}, version, Room("ann", 2))
                for id_, version in zip(ids, versions, strict=True)
            ),
            return_exceptions=True,
        )
        assert told.count(True) == 2
        assert [type(each) for each in told if each is not True] == [Full] * 4
        free = next(id_ for id_, each in zip(ids, told, strict=True) if each is not True)
        assert await bench.store.change_open(free, claimed, EventType.CLAIMED, {}, None, Room("ann", 3))
        with pytest.raises(Conflict):
            await bench.store.change_open(free, claimed, EventType.CLAIMED, {}, versions[0], Room("ann", 9))
        assert not await bench.store.change_open(5, claimed, EventType.CLAIMED, {}, None, Room("ann", 9))

    async def test_what_is_due_comes_in_order_and_once(self, bench: Bench) -> None:
        late, early = [await held(bench, Opened("USER", "ann", wake_at=at)) for at in (20, 10)]
        await held(bench, Opened("USER", "ann", wake_at=30))
        await held(bench, Opened("USER", "ann"))
        first = await bench.store.due_open(20, 1, _BEGIN)
        assert first == [InboxRow(10, early)]
        assert await bench.store.due_open(20, 5, first[0]) == [InboxRow(20, late)]

    async def test_everybody_has_another_turn(self, store: Store) -> None:
        turns = await asyncio.gather(*(store.rota("ops") for _ in range(20)))
        assert sorted(turns) == list(range(20))
        assert await store.rota("hr") == 0


class TestRepair(Suite):
    """`rerun`, and what is handed over after it waited for a system."""

    async def test_it_goes_back_to_its_queue_with_fresh_budgets_and_a_new_input(self, bench: Bench) -> None:
        held = await bench.running(input=b'{"a":1}')
        assert await bench.settle(held, Outcome.ASSIGNED, opened=Opened("USER", "ann"), failures=3, losses=1)
        id_ = held.task_id
        assert await bench.store.rerun(id_, "ann", "mended", b'{"a":2}', await bench.version(id_))
        place = await bench.place(id_)
        assert (place.kind, place.attempt, place.failures, place.losses) == (PlaceKind.READY, 3, 0, 0)
        last = (await bench.store.attempts(id_))[-1]
        assert (last.attempt, last.outcome) == (2, Outcome.REPAIRED)
        assert msgspec.json.decode(last.detail or b"") == {"by": "ann", "reason": "mended", "formerInput": {"a": 1}}
        assert (await bench.events(id_))[-1] == (EventType.REQUEUED, sequence.settled(2))
        again = await bench.take_one()
        assert (again.task_id, again.task.input, again.task.attempt) == (id_, b'{"a":2}', 3)
        assert [row.task_id for row in await bench.store.worked("ann", 5, None)] == [id_]
        assert await bench.settle(again)
        assert [fact.attempt for fact in await bench.store.attempts(id_)] == [1, 2, 3]

    async def test_who_gives_a_new_input_is_behind_the_task(self, bench: Bench) -> None:
        for known in (True, False):
            id_ = await bench.opened(extra=b'{"caller":"bob","tags":["a"]}')
            assert await bench.store.rerun(id_, "ann", None, b"{}", await bench.version(id_) if known else None)
            assert not await bench.store.rerun(id_, "cyd", None, b"{}", None)
            extra = read_extra((await bench.take_one()).task.extra)
            assert (askers_of(extra), extra.tags) == (["bob", "ann"], ["a"])

    async def test_without_a_new_input_it_keeps_its_own(self, bench: Bench) -> None:
        id_ = await bench.opened(input=b'{"a":1}')
        assert await bench.store.rerun(id_, "ann", None, None, None)
        assert (await bench.take_one()).task.input == b'{"a":1}'

    async def test_only_what_is_a_persons_and_as_it_was_seen(self, bench: Bench) -> None:
        waiting = await bench.opened(Outcome.WAITING)
        assert not await bench.store.rerun(waiting, "ann", None, None, None)
        assert await bench.state(waiting) is State.WAITING
        id_ = await bench.opened()
        with pytest.raises(Conflict):
            await bench.store.rerun(id_, "ann", None, None, 1)
        assert await bench.store.rerun(id_, "ann", None, None, None)
        assert not await bench.store.rerun(id_, "bob", None, None, None)

    async def test_of_many_who_mend_it_one_does(self, bench: Bench) -> None:
        id_ = await bench.opened()
        version = await bench.version(id_)
        told = await asyncio.gather(
            *(bench.store.rerun(id_, f"p{n}", None, None, version) for n in range(8)), return_exceptions=True
        )
        assert told.count(True) == 1
        assert [fact.attempt for fact in await bench.store.attempts(id_)] == [1, 2]

    async def test_it_waits_for_its_slot_again(self, bench: Bench) -> None:
        one = (SlotKey("one", 1),)
        id_ = await bench.opened(slots=one)
        other = await bench.running(slots=one)
        assert await bench.store.rerun(id_, "ann", None, None, None)
        assert (await bench.place(id_)).kind is PlaceKind.PARKED
        assert await bench.settle(other)
        await bench.store.tidy()
        assert (await bench.take_one()).task_id == id_

    async def test_what_waited_for_a_system_is_handed_to_a_person(self, bench: Bench) -> None:
        id_ = await bench.opened(Outcome.WAITING)
        opened = Opened("GROUP", "ops", None, None, 5, 6, b"{}", 3)
        handed = Settlement(0, id_, 0, Outcome.ASSIGNED, failures=2, opened=opened)
        assert await bench.store.settle_open(id_, handed, None)
        place = await bench.place(id_)
        assert (place.kind, place.attempt, place.failures) == (PlaceKind.ASSIGNED, 2, 2)
        assert (place.assignee_id, place.due_at, place.sheet, place.urgency) == ("ops", 5, b"{}", 3)
        assert await seen(bench, view="unclaimed") == [id_]
        assert (await bench.event_types(id_))[-1] is EventType.ASSIGNED
        assert await bench.store.settle_open(id_, Settlement(0, 0, 0, Outcome.COMPLETED, by="ann"), None)


class TestTakeUp(Suite):
    """`take_up`."""

    async def test_a_dead_letter_becomes_a_persons(self, bench: Bench) -> None:
        held = await bench.running()
        assert await bench.settle(held, Outcome.FAILED, failures=3, losses=1)
        id_, body = held.task_id, {"by": "ada", "reason": "look"}
        version, opened = await bench.version(id_), Opened("USER", "ann", None, None, 5, 6, b"{}", 3)
        with pytest.raises(Conflict):
            await bench.store.take_up(id_, opened, body, version - 1)
        assert await bench.store.take_up(id_, opened, body, version)
        place = await bench.place(id_)
        assert (place.kind, place.attempt, place.failures, place.losses) == (PlaceKind.ASSIGNED, 1, 0, 0)
        assert (place.assignee_id, place.due_at, place.sheet, place.urgency) == ("ann", 5, b"{}", 3)
        (note,) = await bench.store.notes([id_])
        assert (note.type, note.body, note.sequence) == (EventType.ASSIGNED, body, await bench.version(id_))
        assert (await bench.events(id_))[-1] == (EventType.ASSIGNED, note.sequence)
        assert (await bench.store.dead(5, None, None)).ids == []
        assert await seen(bench, view="mine") == [id_]
        assert await bench.store.rerun(id_, "ann", None, None, None)
        assert (await bench.take_one()).task.attempt == 3

    async def test_nobody_takes_up_more_than_they_have_room_for(self, bench: Bench) -> None:
        dead = [await bench.ended(Outcome.FAILED) for _ in range(4)]
        told = await asyncio.gather(
            *(bench.store.take_up(id_, Opened("USER", "ann"), {}, None, Room("ann", 2)) for id_ in dead),
            return_exceptions=True,
        )
        assert told.count(True) == 2
        assert [type(each) for each in told if each is not True] == [Full] * 2
        assert await bench.store.loads(["ann"]) == {"ann": 2}

    async def test_only_what_is_dead(self, bench: Bench) -> None:
        gone = await bench.ended(Outcome.FAILED)
        await bench.store.discard([gone], "ada", "no use")
        for id_ in (gone, await bench.opened(), await bench.ended(), 5):
            assert not await bench.store.take_up(id_, Opened("USER", "ann"), {}, None)
        assert await bench.state(gone) is State.FAILED


class TestDirectory(Suite):
    """People and their groups."""

    async def test_people_are_kept_changed_and_forgotten(self, store: Store) -> None:
        await store.save_person(ANN)
        await store.save_person(Person("bob", groups=("ops",)))
        assert await store.person("ann") == ANN
        assert [each.id for each in await store.persons(1, "")] == ["ann"]
        assert [each.id for each in await store.persons(9, "ann")] == ["bob"]
        assert [each.id for each in await store.members("ops")] == ["ann", "bob"]
        await store.save_person(Person("ann", groups=("it", "it")))
        assert await store.members("hr") == []
        assert [each.id for each in await store.members("it")] == ["ann"]
        assert await store.remove_person("ann")
        assert not await store.remove_person("ann")
        assert await store.person("ann") is None
        assert await store.members("it") == []
