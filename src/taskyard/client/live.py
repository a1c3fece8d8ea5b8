"""Following a run over the socket, over as many connections as it takes; by asking where there is none."""

from __future__ import annotations

import math
import random
import time
from typing import Any

import msgspec

from taskyard.client.errors import SocketLost, SocketRefused
from taskyard.client.talk import API, MOST, Emit, JsonObject, Open, Pause, Read, Stream, Talk, fetch, part
from taskyard.client.tasks import get_task
from taskyard.domain import sequence
from taskyard.domain.event import NAMES
from taskyard.domain.lifecycle import FINAL, MOVES
from taskyard.domain.task import Task, iso
from taskyard.errors import Overloaded
from taskyard.executors.function.results import output_of

Message = dict[str, Any]

_SOCKET_TRIES = 4
_ASK_TRIES = 8
_ASK_EVERY = 0.5
_NOTHING_BUT_THE_END = 1 << 62
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0

_STATUS_OF = {
    NAMES[move.events[0]].type: move.target.value
    for move in MOVES.values()
    if move.events and move.target not in move.sources
}
"""Envelope type → the state it tells: every event whose move leaves the state the task was in."""


def follow(task_id: str, after: int = 0) -> Stream[Message]:
    """The run's messages with a sequence above `after`, each once and in order, until it ends.

    A broken connection is opened again where it broke. Raises NotFound, Unauthorized, Forbidden; Overloaded when
    the server stays away.
    """
    yield from get_task(task_id)  # who may not, or asks for what is not there, is told so at once
    yield from _tell(task_id, after)


def wait_final(task_id: str) -> Talk[Task]:
    """The task, once it is final. Raises what `follow` raises."""
    task = yield from get_task(task_id)
    if task.status not in FINAL:
        yield from _tell(task_id, _NOTHING_BUT_THE_END)
        task = yield from get_task(task_id)
    return task


def result(task_id: str) -> Talk[Any]:
    """The task's output, once it is final. Raises TaskFailed when it FAILED or was CANCELED."""
    return output_of((yield from wait_final(task_id)))


def _tell(task_id: str, after: int) -> Stream[Message]:
    story = _Story(after)
    if not (yield from _by_socket(task_id, story)):
        yield from _by_asking(task_id, story)


class _Story:
    """How far a run has been told."""

    def __init__(self, after: int) -> None:
        self.after = after
        self.progress: JsonObject | None = None

    def take(self, message: Message) -> bool:
        """Whether the message is new; it counts as told from then on."""
        number = int(message["sequence"])
        if number <= self.after and message["type"] not in ("end", "gap"):
            return False
        self.after = max(self.after, number)
        if message["type"] == "progress":
            self.progress = _figures(message)
        return True


def _by_socket(task_id: str, story: _Story) -> Talk[bool]:
    """Tell the run as the socket does; False when no socket can be had."""
    lost = 0
    while lost < _SOCKET_TRIES:
        try:
            yield Open(f"/ws/task/{part(task_id)}?after={story.after}")
            while True:
                message = msgspec.json.decode((yield Read()))
                lost = 0
                if story.take(message):
                    yield Emit(message)
                if message["type"] == "end":
                    return True
        except SocketRefused:
            return False
        except SocketLost:
            lost += 1
            yield Pause(_pause(lost))
    return False


def _by_asking(task_id: str, story: _Story) -> Stream[Message]:
    """Tell the run by asking for it again and again."""
    away, known = 0, 0
    while True:
        try:
            look = yield from _look(task_id, story.after)
        except Overloaded:
            away += 1
            if away >= _ASK_TRIES:
                raise
            yield Pause(_pause(away))
            continue
        away = 0
        for message in look.messages(story, known):
            yield Emit(message)
        known = look.last_event
        if look.ended:
            yield Emit({"type": "end", "sequence": story.after, "at": _now()})
            return
        if not look.more and look.last_event <= story.after:  # else there is more to be told at once
            yield Pause(_ASK_EVERY)


class _Look(msgspec.Struct):
    """What one round of questions found: the task, then its lines, then its events."""

    task: JsonObject
    lines: list[JsonObject]
    more: bool
    events: list[JsonObject]

    @property
    def ended(self) -> bool:
        """Whether the story has come to its end, and all of it is here."""
        return self.task["status"] in FINAL and not self.more

    @property
    def last_event(self) -> int:
        """The sequence of the latest event; 0 for none."""
        return max((event["sequence"] for event in self.events), default=0)

    def messages(self, story: _Story, known: int) -> list[Message]:
        """The new messages, in order; `known` is the last event of the look before.

        Lines were read before events, so an event beyond both may have lines before it that are not here yet.
        It waits for the next look.
        """
        last_line = max((line["sequence"] for line in self.lines), default=0)
        horizon = math.inf if self.ended else last_line if self.more else max(known, last_line)
        found = [{"type": "log", **line} for line in self.lines]
        found += [_status(event) for event in self.events if event["type"] in _STATUS_OF]
        found += self._result()
        found = sorted((one for one in found if one["sequence"] <= horizon), key=lambda one: one["sequence"])
        return [*self._progress(story), *(one for one in found if story.take(one))]

    def _progress(self, story: _Story) -> list[Message]:
        """The present progress, told as of the last message, for asking does not tell its place."""
        told = self.task["progress"]
        if told is None or told == story.progress:
            return []
        story.progress = told
        return [{"type": "progress", "sequence": story.after, "at": _now(), **told}]

    def _result(self) -> list[Message]:
        """The result follows the status that ends the story."""
        if not self.ended:
            return []
        task = self.task
        outcome = {"output": task["output"]} if task["status"] == "COMPLETED" else {"error": task["error"]}
        at = task["endTime"] or task["deadLetteredAt"]
        number = sequence.dead_lettered(task["attempt"])
        return [{"type": "result", "sequence": number, "at": at, "status": task["status"], **outcome}]


def _look(task_id: str, after: int) -> Talk[_Look]:
    path = f"{API}/tasks/{part(task_id)}"
    task = yield from fetch("GET", path)
    lines = yield from fetch("GET", f"{path}/logs", query={"after": after, "limit": MOST})
    events: list[JsonObject] = []
    cursor = None
    while True:
        page = yield from fetch("GET", f"{path}/events", query={"limit": MOST, "cursor": cursor})
        events += page["items"]
        cursor = page.get("nextCursor")
        if cursor is None:
            return _Look(task, lines["items"], lines.get("nextCursor") is not None, events)


def _status(event: JsonObject) -> Message:
    number, at = event["sequence"], event["timestamp"]
    return {"type": "status", "sequence": number, "at": at, "status": _STATUS_OF[event["type"]]}


def _figures(message: Message) -> JsonObject:
    return {name: message.get(name) for name in ("current", "total", "action", "percent")}


def _pause(failures: int) -> float:
    """Seconds to wait after so many failures in a row; not all clients come back at the same moment."""
    longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (failures - 1))
    return random.uniform(longest / 2, longest)  # noqa: S311 - jitter


def _now() -> str | None:
    return iso(time.time_ns() // 1000)
