# ruff: noqa: D102, S101 - the tests' names are the promises
"""Who does manual tasks, and what they have to do."""

from __future__ import annotations

import asyncio

import msgspec
import pytest

from taskyard.contracts.records import InboxFilter, InboxRow, Opened, Settlement, SlotKey
from taskyard.contracts.store import Store
from taskyard.domain import sequence
from taskyard.domain.facts import PlaceKind
from taskyard.domain.lifecycle import EventType, Outcome, State
from taskyard.domain.people.assignment import Person
from taskyard.errors import Conflict
from taskyard.testing.conformance.store.bench import SECOND, Bench
from taskyard.testing.conformance.store.fixtures import Suite

ANN = Person("ann", "Ann", "ann@example.org", ("ops", "hr"), ("sql",), 3)
_BEGIN = InboxRow(-1, -1)


async def held(bench: Bench, opened: Opened) -> int:
    """A task that is held like this."""
    id_ = await bench.opened(Outcome.ASSIGNED)
    assert await bench.store.change_open(id_, opened, EventType.ASSIGNED, {}, None)
    return id_


async def seen(bench: Bench, limit: int = 50, **wanted: object) -> list[int]:
    """The ids in ann's inbox, read page by page."""
    ids: list[int] = []
    after = None
    while rows := await bench.store.inbox(InboxFilter("ann", ("ops", "hr"), **wanted), limit, after):  # type: ignore[arg-type]
        assert len(rows) <= limit
        ids += [row.task_id for row in rows]
        after = rows[-1]
    return ids


class TestInbox(Suite):
    """`inbox`, `inbox_counts` and `worked`."""

    async def test_each_view_has_what_belongs_there(self, bench: Bench) -> None:
        own = await held(bench, Opened("USER", "ann"))
        claimed = await held(bench, Opened("GROUP", "ops", "ann"))
        free = await held(bench, Opened("GROUP", "hr", due_at=5))
        taken = await held(bench, Opened("GROUP", "ops", "bob"))
        for foreign in (Opened("USER", "ops"), Opened("GROUP", "ann"), Opened("GROUP", "it"), Opened()):
            await held(bench, foreign)
        await bench.opened(Outcome.WAITING)
        views = {
            "mine": {own, claimed}, "claimed": {claimed}, "groups": {claimed, free, taken}, "unclaimed": {free},
            "open": {own, claimed, free},
        }  # fmt: skip
        for view, expected in views.items():
            found = await seen(bench, view=view)
            assert (set(found), len(found)) == (expected, len(expected)), view
        counts = await bench.store.inbox_counts("ann", ["ops", "hr"], 6)
        assert counts == {view: len(expected) for view, expected in views.items()} | {"overdue": 1}

    @pytest.mark.parametrize("limit", [1, 2, 50])
    async def test_sorted_and_paged(self, bench: Bench, limit: int) -> None:
        first = await held(bench, Opened("USER", "ann", due_at=9 * SECOND, urgency=1))
        second = await held(bench, Opened("GROUP", "ops", urgency=4))
        third = await held(bench, Opened("GROUP", "hr", due_at=3 * SECOND))
        fourth = await held(bench, Opened("GROUP", "ops", "ann", due_at=9 * SECOND))
        assert await seen(bench, limit, sort="age") == [first, second, third, fourth]
        assert await seen(bench, limit, sort="due") == [third, first, fourth, second]
        assert await seen(bench, limit, sort="priority") == [second, third, fourth, first]

    async def test_filtered(self, bench: Bench) -> None:
        late = await held(bench, Opened("USER", "ann", due_at=3))
        free = await held(bench, Opened("GROUP", "ops", due_at=7))
        assert await seen(bench, due_before=5) == [late]
        assert await seen(bench, kind_ids=(bench.kind.id,)) == [late, free]
        assert await seen(bench, kind_ids=()) == []
        assert await seen(bench, workflow_id="none") == []
        assert await seen(bench, text="no such text") == []
        assert await seen(bench, text="no such text", text_kind_ids=(bench.kind.id,)) == [late, free]
        assert await seen(bench, due_after=5) == [free]
        assert await seen(bench, group="ops") == [free]
        assert await seen(bench, group="hr") == await seen(bench, urgencies=(4,)) == []
        assert await seen(bench, urgencies=(2, 4)) == [late, free]

    async def test_filtered_by_what_the_input_has(self, bench: Bench) -> None:
        inputs = (b'{"a":{"b-1":"x"},"n":7,"ok":true}', b'{"a":{"b-1":"y"},"n":7.5,"ok":false,"z":null}', b"[7]")
        one, two, _ = [await bench.opened(opened=Opened("USER", "ann"), input=each) for each in inputs]
        found = {
            (("a", "b-1"), "x"): [one], (("n",), "7"): [one], (("n",), "7.5"): [two], (("ok",), "true"): [one],
            (("ok",), "false"): [two], (("z",), "null"): [], (("none", "a"), "x"): [],
        }  # fmt: skip
        for wanted, expected in found.items():
            assert await seen(bench, fields=(wanted,)) == expected, wanted
        assert await seen(bench, fields=((("n",), "7"), (("ok",), "false"))) == []

    async def test_who_is_in_no_group_has_only_their_own(self, bench: Bench) -> None:
        own = await held(bench, Opened("USER", "bob"))
        await held(bench, Opened("GROUP", "ops"))
        assert [row.task_id for row in await bench.store.inbox(InboxFilter("bob"), 9, None)] == [own]
        assert await bench.store.inbox(InboxFilter("bob", view="unclaimed"), 9, None) == []

    async def test_what_has_ended_is_told_of_who_ended_it(self, bench: Bench) -> None:
        ended = []
        for person in ("ann", "bob", "ann"):
            id_ = await bench.opened(Outcome.ASSIGNED)
            bench.clock.move(1)
            await bench.store.settle_open(id_, Settlement(0, 0, 0, Outcome.COMPLETED, by=person), None)
            ended += [id_] if person == "ann" else []
        rows = await bench.store.worked("ann", 1, None)
        rows += await bench.store.worked("ann", 5, rows[-1])
        assert [row.task_id for row in rows] == ended[::-1]
        assert rows[0].key == bench.clock.now()
        await bench.store.prune(bench.clock.now() + SECOND)
        assert await bench.store.worked("ann", 5, None) == []


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
