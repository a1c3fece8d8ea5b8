"""Asking takes several answers to make one picture; what happens between two of them must not tear a gap."""

from typing import Any

import msgspec
import pytest

from taskyard.client.errors import SocketRefused
from taskyard.client.live import follow
from taskyard.client.talk import Answer, Emit, Open, Pause, Request
from taskyard.domain import sequence
from taskyard.domain.task import Task
from taskyard.errors import Overloaded

AT = "2030-01-01T00:00:00.000Z"
TASK = {
    "taskId": "7", "taskDefinitionId": "k", "definitionVersion": "v", "title": "K", "taskType": "AUTOMATED",
    "status": "RUNNING", "priority": "MEDIUM", "createdAt": AT, "progress": None, "output": None, "error": None,
    "endTime": None, "deadLetteredAt": None, "attempt": 1,
}  # fmt: skip


def event(number: int, kind: str) -> dict[str, Any]:
    return {"sequence": number, "type": f"task.instance.{kind}", "timestamp": AT}


def line(attempt: int, number: int) -> dict[str, Any]:
    text = f"{attempt}.{number}"
    return {"sequence": sequence.line(attempt, number), "at": AT, "level": "info", "text": text}


CREATED, STARTED = event(sequence.queued(1), "created"), event(sequence.started(1), "started")
RETRY = event(sequence.settled(1), "retry")
STARTED_2 = event(sequence.started(2), "started")
COMPLETED = event(sequence.settled(2), "completed")


class Asked:
    """A follow whose socket was refused, and whose questions the test answers."""

    def __init__(self) -> None:
        self.talk = follow("7")
        assert isinstance(next(self.talk), Request)
        assert isinstance(self.talk.send(self._json(TASK)), Open)
        self.step: Any = self.talk.throw(SocketRefused("403"))

    def look(self, task: dict[str, Any], lines: list[Any], events: list[Any], *, more: bool = False) -> list[Any]:
        """Answer one round of questions; what is told after it, up to the pause."""
        for value in (task, self._page(lines, "c" if more else None), self._page(events, None)):
            assert isinstance(self.step, Request)
            self.step = self.talk.send(self._json(value))
        told = []
        while isinstance(self.step, Emit):
            told.append(self.step.item.get("text") or self.step.item.get("status") or self.step.item["type"])
            self.step = next(self.talk, None)
        if isinstance(self.step, Pause):
            self.step = next(self.talk)
        return told

    @staticmethod
    def _page(items: list[Any], cursor: str | None) -> dict[str, Any]:
        return {"items": items, "nextCursor": cursor}

    @staticmethod
    def _json(value: Any) -> Answer:
        return Answer(200, {}, msgspec.json.encode(value))


def test_the_task_of_these_tests_is_one() -> None:
    msgspec.convert(TASK, Task)


def test_an_event_waits_for_the_lines_that_may_lie_before_it() -> None:
    asked = Asked()
    # The second line was logged, and the attempt ended, after the lines had been read.
    assert asked.look(TASK, [line(1, 0)], [CREATED, STARTED, RETRY]) == ["PENDING", "RUNNING", "1.0"]
    assert asked.look(TASK, [line(1, 1)], [CREATED, STARTED, RETRY]) == ["1.1", "RETRYING"]


def test_events_between_lines_stand_between_them() -> None:
    asked = Asked()
    events = [CREATED, STARTED, RETRY, STARTED_2]
    told = asked.look(TASK, [line(1, 0), line(2, 0)], events)
    assert told == ["PENDING", "RUNNING", "1.0", "RETRYING", "RUNNING", "2.0"]


def test_a_long_story_is_told_page_by_page() -> None:
    asked = Asked()
    done = {**TASK, "status": "COMPLETED", "endTime": AT, "attempt": 2, "output": 3}
    events = [CREATED, STARTED, RETRY, STARTED_2, COMPLETED]
    assert asked.look(done, [line(1, 0), line(1, 1)], events, more=True) == ["PENDING", "RUNNING", "1.0", "1.1"]
    told = asked.look(done, [line(2, 0)], events)
    assert told == ["RETRYING", "RUNNING", "2.0", "COMPLETED", "COMPLETED", "end"]


def test_progress_is_told_when_it_changes() -> None:
    asked = Asked()
    progress = {"current": 1, "total": 2, "action": None, "percent": 50.0}
    half = {**TASK, "progress": progress}
    assert asked.look(half, [], [CREATED, STARTED]) == ["progress"]
    assert asked.look(half, [], [CREATED, STARTED]) == ["PENDING", "RUNNING"]
    assert asked.look({**half, "progress": {**progress, "current": 2}}, [], [CREATED, STARTED]) == ["progress"]


def test_a_server_that_is_away_for_a_while_is_waited_for_and_one_that_stays_away_is_told() -> None:
    asked = Asked()
    for _ in range(7):
        assert isinstance(asked.talk.throw(Overloaded("away")), Pause)
        asked.step = next(asked.talk)
    assert asked.look(TASK, [line(1, 0)], [CREATED]) == ["PENDING", "1.0"]
    for _ in range(7):
        assert isinstance(asked.talk.throw(Overloaded("away")), Pause)
        next(asked.talk)
    with pytest.raises(Overloaded):
        asked.talk.throw(Overloaded("away"))
