"""Events on their way out, to a real HTTP receiver: in order, at least once, whatever it answers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from standardwebhooks import Webhook

from taskyard import Taskyard
from taskyard.contracts.bus import Direction, LetterFilter, LetterStatus
from taskyard.domain.breaker import BreakerState
from taskyard.engine.events import read_feed
from taskyard.engine.letters import discard_letters, replay
from taskyard.engine.unread import keep_unread, waiting_events
from taskyard.errors import Overloaded
from taskyard.runtime.relay import READER
from taskyard.security.egress.client import Egress
from taskyard.security.egress.guard import Guard
from taskyard.security.egress.rules import Rules
from taskyard.testing.clock import ManualClock
from tests.servers.receiver import receiving, say
from tests.stories.relay import BOTH, DEAD, Plant, is_about, planted

DAY_US = 86_400 * 1_000_000
SECRET = "whsec_" + "c2VjcmV0" * 6


@pytest.fixture
async def plant(yard: Taskyard) -> AsyncIterator[Plant]:
    async with planted(yard) as plant:
        yield plant


async def test_all_events_leave_in_order_and_once(plant: Plant) -> None:
    ids = await plant.put(30)
    await plant.turn()
    assert [plant.receiver.events_of(id_) for id_ in ids] == [BOTH] * 30
    told = [event.envelope() for _, event, _ in await read_feed(plant.yard.engine, 0, 200)]
    sent = {one.json["id"]: one.json for one in plant.receiver.taken}
    assert sent == {each["id"]: each for each in told}
    await plant.turn(relay=plant.new_relay())
    assert len(plant.receiver.posted) == 60


async def test_what_happened_before_there_was_a_connector_is_not_told(plant: Plant) -> None:
    store = plant.yard.engine.store
    await plant.put(3)
    await plant.turn()
    position = await store.reader_position(READER)
    await plant.new_relay().begin()
    assert await store.reader_position(READER) == position == await store.feed_end()


async def test_a_refused_event_holds_back_its_own_task_only(plant: Plant) -> None:
    poisoned, *others = await plant.put(5)
    plant.receiver.answer = lambda posted: say(422 if is_about(posted, poisoned, "created") else 204)
    await plant.turn()
    assert [plant.receiver.events_of(id_) for id_ in others] == [BOTH] * 4
    assert plant.receiver.events_of(poisoned) == []
    plant.receiver.answer = lambda posted: say(204)
    await plant.turn(0.05)
    assert plant.receiver.events_of(poisoned) == []
    await plant.turn(0.06)
    assert plant.receiver.events_of(poisoned) == BOTH
    assert await plant.letters() == []


async def test_after_ten_tries_it_is_put_aside_and_can_be_replayed(plant: Plant) -> None:
    (poisoned,) = await plant.put()
    plant.receiver.answer = lambda posted: say(422 if is_about(posted, poisoned, "created") else 204)
    await plant.turn()
    pauses = [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6]
    for pause in pauses:
        tried = len(plant.receiver.posted)
        await plant.turn(pause - 0.01)
        assert len(plant.receiver.posted) == tried
        await plant.turn(0.02)
    assert len(plant.receiver.posted) == 10 + 1
    assert plant.receiver.events_of(poisoned) == BOTH[1:]
    store = plant.yard.engine.store
    (letter,) = await store.letters(DEAD, 9, None)
    assert (letter.direction, letter.key, letter.tries) == (Direction.OUT, "task.created", 10)
    assert "422" in letter.reason
    assert await store.reader_position(READER) == await store.feed_end()
    assert await replay(plant.yard.engine, DEAD) == [letter.id]
    await plant.relay.resend()
    assert (await store.letters(DEAD, 9, None))[0].tries == 11
    plant.receiver.answer = lambda posted: say(204)
    await replay(plant.yard.engine, DEAD._replace(ids=(letter.id,)))
    await plant.relay.resend()
    assert plant.receiver.taken[-1].json["id"] == letter.event_id
    assert await store.letters(LetterFilter(frozenset(LetterStatus)), 9, None) == []


async def test_what_a_broker_has_not_had_outlives_the_retention(yard_by_hand: Taskyard, clock: ManualClock) -> None:
    engine = yard_by_hand.engine
    async with planted(yard_by_hand) as plant:
        plant.receiver.answer = lambda posted: say(503)
        engine.readers.add(READER)
        (early,) = await plant.put()
        await plant.turn()
        assert await keep_unread(engine, 30 * DAY_US) == await engine.store.now() - 30 * DAY_US
        begun = clock.now()
        clock.move(40 * 86_400)
        before = await keep_unread(engine, 30 * DAY_US)
        assert before < begun
        await engine.store.prune(before)
        assert (await waiting_events(engine))[READER] == 2
        plant.receiver.answer = lambda posted: say(204)
        (late,) = await plant.put()
        await plant.turn(60, plant.new_relay())
        assert [plant.receiver.events_of(id_) for id_ in (early, late)] == [BOTH] * 2
        assert (await waiting_events(engine))[READER] == 0
        plant.receiver.answer = lambda posted: say(503)
        await plant.put()
        await plant.turn(60)
        clock.move(70 * 86_400)
        assert await keep_unread(engine, 30 * DAY_US) == await engine.store.now() - 60 * DAY_US


async def test_a_store_that_fails_while_an_event_is_put_aside_loses_nothing(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_: object) -> None:
        raise Overloaded("the store is away", retry_after=1)

    (poisoned,) = await plant.put()
    plant.receiver.answer = lambda posted: say(422 if is_about(posted, poisoned, "created") else 204)
    for _ in range(9):
        await plant.turn(31)
    with monkeypatch.context() as away:
        away.setattr(plant.yard.engine.store, "keep_letters", fail)
        with pytest.raises(Overloaded):
            await plant.turn(31)
    plant.receiver.answer = lambda posted: say(204)
    await plant.turn(31)
    assert plant.receiver.events_of(poisoned) == BOTH
    assert await plant.letters() == []


async def test_dead_letters_can_be_discarded(plant: Plant) -> None:
    (poisoned,) = await plant.put()
    plant.receiver.answer = lambda posted: say(422)
    for _ in range(25):
        await plant.turn(31)
    assert len(await plant.letters()) == 2
    assert len(await discard_letters(plant.yard.engine, DEAD._replace(key="task.created"))) == 1
    assert len(await plant.letters()) == 1
    assert plant.receiver.events_of(poisoned) == []


async def test_a_failing_receiver_opens_the_circuit_and_costs_no_tries(plant: Plant) -> None:
    ids = await plant.put(2)
    plant.receiver.answer = lambda posted: say(503)
    for _ in range(20):
        await plant.turn(0.5)
    assert plant.circuit.state is not BreakerState.CLOSED
    tried = len(plant.receiver.posted)
    for _ in range(60):
        await plant.turn(60)
    assert len(plant.receiver.posted) - tried <= 60 * 2
    assert await plant.letters() == []
    plant.receiver.answer = lambda posted: say(204)
    await plant.turn(60)
    await plant.turn(60)
    assert [plant.receiver.events_of(id_) for id_ in ids] == [BOTH] * 2
    assert plant.circuit.state is BreakerState.CLOSED


async def test_a_receiver_that_is_away_gets_everything_afterwards(yard: Taskyard) -> None:
    @yard.task
    async def job() -> None: ...

    egress = Egress(Guard(Rules.parse(["127.0.0.1"])))
    async with yard:
        async with receiving() as gone:
            plant = Plant(yard, gone, egress)
            await plant.relay.begin()
        ids = await plant.put(3)
        for _ in range(40):
            await plant.turn(0.5)
        assert plant.circuit.state is not BreakerState.CLOSED
        assert await plant.letters() == []
        async with receiving() as receiver:
            plant.receiver = receiver
            await plant.turn(60, plant.new_relay())
            assert [receiver.events_of(id_) for id_ in ids] == [BOTH] * 3
        await egress.aclose()


async def test_who_finds_another_ahead_goes_on_from_there(plant: Plant) -> None:
    await plant.put(1)
    await plant.turn()
    other = plant.new_relay()
    await plant.put(2)
    await plant.turn(relay=other)
    await plant.put(1)
    await plant.turn()
    await plant.turn(relay=other)
    assert len(plant.receiver.posted) == 8
    assert len({one.json["id"] for one in plant.receiver.posted}) == 8


async def test_during_maintenance_events_are_held(plant: Plant) -> None:
    await plant.yard.engine.mode.set(enabled=True, by="test")
    await plant.yard.engine.store.maintain("test")
    await plant.turn()
    assert plant.receiver.posted == []
    await plant.yard.engine.mode.set(enabled=False, by="test")
    (task_id,) = await plant.put()
    await plant.turn()
    assert plant.receiver.events_of(task_id) == BOTH


async def test_requests_are_signed_and_carry_cloud_events(plant: Plant) -> None:
    (task_id,) = await plant.put()
    await plant.turn(relay=plant.new_relay(cloud_events=True, secret=SECRET))
    posted = plant.receiver.posted[0]
    assert Webhook(SECRET).verify(posted.body, posted.headers)
    event = posted.json
    assert posted.headers["authorization"] == "Bearer token"
    assert posted.headers["taskyard-event"] == "task.created"
    assert posted.headers["taskyard-triggers"] == "taskCreated,taskJobCreated"
    wanted = {
        "ce-specversion": "1.0", "ce-type": "task.instance.created", "ce-source": "task-execution-layer",
        "ce-id": event["id"], "ce-time": event["timestamp"], "ce-subject": task_id,
    }  # fmt: skip
    assert posted.headers.items() >= wanted.items()


async def test_an_event_that_makes_a_well_receiver_fail_is_put_aside_too(plant: Plant) -> None:
    (poisoned,) = await plant.put()
    plant.receiver.answer = lambda posted: say(500 if is_about(posted, poisoned, "created") else 204)
    for _ in range(20):
        await plant.turn(31)
    assert await plant.letters() == []  # nobody knows whether the receiver is well
    others = []
    for _ in range(12):
        others += await plant.put(4)
        await plant.turn(31)
    assert len(await plant.letters()) == 1
    assert [plant.receiver.events_of(id_) for id_ in others] == [BOTH] * 48
    assert plant.receiver.events_of(poisoned) == BOTH[1:]
