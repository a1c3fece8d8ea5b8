"""What the source documents promise of events that go: internal-interfaces.md, sourceloop-task-service.md and
live-change-tasks.md.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from taskyard.domain.breaker import BreakerState
from taskyard.domain.window import PUBLISHING
from taskyard.runtime.relay import READER
from tests.promises.yard import client_of, make_yard
from tests.servers.receiver import say
from tests.stories.relay import BOTH, Plant, is_about, planted

LETTERS = "/api/v1/events/deadletters"


@pytest.fixture
async def plant(tmp_path: Path) -> AsyncIterator[Plant]:
    async with planted(make_yard(tmp_path)) as made:
        yield made


async def test_events_are_sent_again_ten_times_in_order(plant: Plant) -> None:
    """internal-interfaces.md § Error Handling › Retry Policies: publishing an event is tried 10 times, 100 ms doubling
    up to 30 s, at least once, and no event is lost or reordered for a task meanwhile.
    """
    assert [PUBLISHING.delay(retry, 0.5) for retry in range(1, 11)] == [
        0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0,
    ]  # fmt: skip
    held, other = await plant.put(2)
    plant.receiver.answer = lambda posted: say(400 if is_about(posted, held, "created") else 200)
    for pause in (0.0, 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8):
        await plant.turn(pause + 0.001)
    assert sum(is_about(posted, held, "created") for posted in plant.receiver.posted) == 9
    assert (plant.receiver.events_of(held), plant.receiver.events_of(other)) == ([], BOTH)
    plant.receiver.answer = lambda posted: say(200)
    await plant.turn(25.7)
    assert plant.receiver.events_of(held) == BOTH


async def test_publishing_stops_behind_a_breaker_and_goes_on(plant: Plant) -> None:
    """internal-interfaces.md § Error Handling › Retry Policies: publishing stops at once behind a breaker when half of
    the tries fail, and goes on by itself when the broker is back; meanwhile events wait in order and burn no tries.
    """
    ids = await plant.put(2)
    plant.receiver.answer = lambda posted: say(503)
    while plant.circuit.state is BreakerState.CLOSED:
        await plant.turn(0.5)
    tried = len(plant.receiver.posted)
    await plant.turn(1)
    assert len(plant.receiver.posted) == tried
    more = await plant.put(1)
    plant.receiver.answer = lambda posted: say(200)
    await plant.turn(60)
    assert plant.circuit.state is BreakerState.CLOSED
    assert [plant.receiver.events_of(id_) for id_ in (*ids, *more)] == [BOTH] * 3
    assert await plant.letters() == []


async def test_a_refused_event_is_shown_replayed_or_discarded(plant: Plant) -> None:
    """sourceloop-task-service.md § Best Practices › Don't:: a task event that a healthy broker keeps refusing lands
    among the event dead letters, is shown there, and can be replayed or discarded.
    """
    refused, fine = await plant.put(2)
    plant.receiver.answer = lambda posted: say(422 if is_about(posted, refused, "") else 200)
    for _ in range(20):
        await plant.turn(31)
    assert plant.receiver.events_of(fine) == BOTH
    store = plant.yard.engine.store
    assert await store.reader_position(READER) == await store.feed_end()
    async with client_of(plant.yard) as http:
        found = (await http.get(f"{LETTERS}?direction=out")).json()["items"]
        assert [(each["key"], each["event"]["data"]["taskId"], each["tries"]) for each in found] == [
            ("task.canceled", refused, 10), ("task.created", refused, 10),
        ]  # fmt: skip
        assert all("422" in each["reason"] for each in found)
        plant.receiver.answer = lambda posted: say(200)
        replayed = {"letterIds": [found[1]["letterId"]]}
        assert (await http.post(f"{LETTERS}/replay", json=replayed)).json() == replayed
        await plant.relay.resend()
        assert plant.receiver.events_of(refused) == BOTH[:1]
        discarded = await http.post(f"{LETTERS}/discard", json={"filter": {"key": "task.canceled"}})
        assert discarded.json() == {"letterIds": [found[0]["letterId"]]}
        assert (await http.get(LETTERS)).json()["items"] == []


async def test_status_updates_wait_for_the_orchestrator(plant: Plant) -> None:
    """internal-interfaces.md § Error Handling › Fallback Mechanisms: with the orchestrator unreachable, status updates
    are kept and delivered in order when it is back.
    """
    plant.receiver.answer = lambda posted: say(503)
    ids = []
    for _ in range(10):
        ids += await plant.put(1)
        await plant.turn(5)
    assert plant.receiver.taken == []
    plant.receiver.answer = lambda posted: say(200)
    await plant.turn(60)
    await plant.turn(60)
    assert [plant.receiver.events_of(id_) for id_ in ids] == [BOTH] * 10
