"""What has become of a load, by the store's own records and by the ledger of the handlers."""

import contextlib
from collections import Counter, defaultdict
from typing import NamedTuple

from taskyard import TaskEvent, Taskyard
from taskyard.domain.lifecycle import Outcome
from taskyard.domain.sequence import attempt_of
from taskyard.engine.events import read_feed
from taskyard.engine.why import why
from taskyard.errors import Overloaded
from tests.recovery.load import Load
from tests.stories.processes import PATIENCE, Plant
from tests.support import eventually

ENDS = Counter({"task.completed": 1, "task.failed": 1, "task.canceled": 1})
_AT_ONCE = 1000
RUNS_AGAIN_WITHIN = 15.0
FULL_RATE_WITHIN = 5.0


class Charged(NamedTuple):
    """An attempt that counts as a loss, with the definition of its task."""

    task_id: int
    attempt: int
    key: str


class Verdict:
    """Everything that was recorded; raises nothing, the tests assert."""

    def __init__(self, plant: Plant) -> None:
        self.plant = plant
        self.keys: dict[int, str] = {}
        self.events: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self.starts: dict[tuple[int, int], float] = {}
        self.charged: list[Charged] = []

    def note(self, event: TaskEvent) -> None:
        """One more event."""
        task_id = int(event.data["taskId"])
        self.events[task_id][event.key] += 1
        if event.key == "task.created":
            self.keys[task_id] = event.data["taskDefinitionId"]
        if event.key == "task.started":
            self.starts[task_id, attempt_of(event.sequence)] = event.timestamp.timestamp()

    def began(self) -> set[tuple[int, int]]:
        """(task, attempt) of whatever a handler has begun."""
        return {(int(task), int(attempt)) for task, attempt in map(str.split, self.plant.ledger("began"))}

    def unfounded(self) -> list[Charged]:
        """The losses that were charged to what had not begun."""
        began = self.began()
        return [one for one in self.charged if (one.task_id, one.attempt) not in began]

    def longest_pause(self, since: float) -> float:
        """Seconds from the moment of a death until the last of the tasks lost by it was started again."""
        lost = [(one.task_id, one.attempt) for one in self.charged]
        again = [
            self.starts[task_id, attempt + 1] for task_id, attempt in lost if self.starts[task_id, attempt] < since
        ]
        return max(again, default=since) - since


async def judge(yard: Taskyard, plant: Plant, load: Load) -> Verdict:
    """Wait until everything has ended; then nothing is lost, nothing ended twice, and no slot is held."""
    ids = set(load.ids.values())
    assert len(ids) == len(load.ids)
    verdict = await _read_all(yard, plant, ids)
    assert {task_id for task_id, _ in verdict.began()} >= ids
    for task_id, counts in verdict.events.items():
        assert (counts["task.created"], counts["task.completed"], counts["task.failed"]) == (1, 1, 0), task_id
    await _no_slot_is_held(yard, plant)
    return verdict


async def _read_all(yard: Taskyard, plant: Plant, ids: set[int]) -> Verdict:
    verdict = Verdict(plant)
    after = 0

    async def all_have_ended() -> bool:
        nonlocal after
        with contextlib.suppress(Overloaded):
            while events := await read_feed(yard.engine, after, _AT_ONCE):
                for one in events:
                    after = one.pos
                    verdict.note(one.event)
        return all(verdict.events[task_id] & ENDS for task_id in ids)

    try:
        await eventually(all_have_ended, within=PATIENCE)
    except AssertionError:
        left = [task_id for task_id in ids if not verdict.events[task_id] & ENDS]
        raise AssertionError(f"{len(left)} of {len(ids)} have not ended: {await _explain(yard, left[:5])}") from None
    for task_id, counts in verdict.events.items():
        if counts["task.started"] > 1:
            await _look_at_attempts(yard, verdict, task_id)
    return verdict


async def _explain(yard: Taskyard, ids: list[int]) -> list[str]:
    return [f"{task_id}: {await why(yard.engine, task_id)}" for task_id in ids]


async def _look_at_attempts(yard: Taskyard, verdict: Verdict, task_id: int) -> None:
    attempts = await yard.engine.store.attempts(task_id)
    assert [each.outcome for each in attempts].count(Outcome.COMPLETED) == 1
    lost = [each.attempt for each in attempts if each.outcome is Outcome.LOST]
    verdict.charged += [Charged(task_id, attempt, verdict.keys[task_id]) for attempt in lost]


async def _no_slot_is_held(yard: Taskyard, plant: Plant) -> None:
    """As many tasks of the limited kind as may run at once do."""
    await yard.start_many("gated", [{"number": -1, "name": "probe"}] * 2)
    await eventually(lambda: plant.ledger("gated").count("probe") >= 2, within=PATIENCE)
    plant.release("probe")
