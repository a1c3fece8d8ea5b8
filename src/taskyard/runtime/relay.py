"""The relay: hands the events of the feed to the connector, in order per task, each at least once."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import lru_cache, partial
from typing import Any
from urllib.parse import quote

import msgspec
import structlog

from taskyard.calls.breakers import Circuit
from taskyard.calls.together import together
from taskyard.contracts.bus import Direction, Letter, LetterStatus
from taskyard.contracts.connector import Away, Connector, Message, Refusal
from taskyard.domain.breaker import BreakerState
from taskyard.domain.event import TaskEvent
from taskyard.domain.task import written
from taskyard.domain.window import PUBLISHING, Item, Window
from taskyard.engine.engine import Engine
from taskyard.engine.events import read_page
from taskyard.engine.letters import all_letters
from taskyard.errors import CircuitOpen

READER = "connector"
"""Under this name the store keeps how far the connector has been told."""

_WINDOW = 10_000
_AT_ONCE = 500

_Work = Callable[[], Awaitable[list[Refusal | None] | None]]

log = structlog.get_logger("taskyard.relay")


class _Sick(Exception):
    """Most of what was handed over came back for the other side's own faults."""


class Relay:
    """Sends what is new whenever it is its turn. One process at a time has turns: whoever leads.

    A refused event is offered again and holds back its own task's only; after ten times it is put aside. It does not
    count when the other side is not well: away, cut off by the circuit, or failing while it takes no other event.
    The position is written down after the broker's acknowledgement; who finds it moved by another begins there.
    """

    def __init__(
        self,
        engine: Engine,
        connector: Connector,
        circuit: Circuit,
        *,
        cloud_events: bool = False,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._connector = connector
        self._circuit = circuit
        self._cloud_events = cloud_events
        self._now = now
        self._window: Window[tuple[Message, str]] = Window(0, _WINDOW)
        self._saved: int | None = None
        self._failures = 0
        self._again_at = 0.0
        self.sent = 0

    async def begin(self) -> None:
        """A connector that is new hears of what happens from now on."""
        store = self._engine.store
        if await store.reader_position(READER) is None:
            await store.move_reader(READER, None, await store.feed_end())

    async def turn(self) -> None:
        """Send all that can be sent now."""
        if self._now() < self._again_at or await self._engine.mode.is_on():
            return
        stored = await self._engine.store.reader_position(READER) or 0
        if stored != self._saved:
            self._window, self._saved = Window(stored, _WINDOW), stored
        try:
            while await self._step():
                pass
        except BaseException:
            self._saved = None  # what was under way is handed over again
            raise

    async def resend(self) -> None:
        """Send again the dead letters for which somebody asked that."""
        if self._now() < self._again_at or await self._engine.mode.is_on():
            return
        letters = await all_letters(self._engine, LetterStatus.REPLAY, Direction.OUT)
        for letter in letters:
            answers = await self._hand_over([_message_of(letter)])
            if answers is None:
                return
            if answers[0] is None:
                await self._engine.store.drop_letters([letter.id])
            else:
                dead = letter._replace(
                    status=LetterStatus.DEAD, reason=answers[0].reason[:2000], tries=letter.tries + 1
                )
                await self._engine.store.keep_letters([dead])

    async def _step(self) -> bool:
        """Send one batch; False when there is nothing to send now.

        While it is on its way the next one is read, and it is written down how far all before it was sent.
        """
        read = self._window.end
        if not self._window.is_ready(self._now()):
            await self._refill()
        items = self._window.take(self._now(), _AT_ONCE)
        if not items:
            await self._save()
            return self._window.end > read and self._saved is not None
        healthy = self._circuit.state is BreakerState.CLOSED
        sending = partial(self._hand_over, [item.load[0] for item in items])
        work: tuple[_Work, ...] = (sending, self._refill, self._save)
        answers = (await together(work, len(work)))[0]
        if answers is None:
            for item in reversed(items):
                self._window.put_back(item)
            return False
        for item, answer in zip(items, answers, strict=True):
            await self._settle(item, answer, healthy=healthy)
        return self._saved is not None

    async def _refill(self) -> None:
        window = self._window
        limit = min(window.room, _AT_ONCE)
        if limit <= 0 or (self._failures and window.under_way):  # enough to see whether the broker is back
            return
        page = await read_page(self._engine, window.end, limit)
        for pos, event, triggers in page.events:
            window.add(pos, event.data["taskId"], (self._message(event, triggers), event.key))
        window.skip_to(page.end)

    async def _hand_over(self, messages: Sequence[Message]) -> list[Refusal | None] | None:
        """What became of each; None where nothing can be sent now."""
        answers: list[Refusal | None] = []
        try:
            with self._circuit.call():
                answers = await self._connector.publish(messages)
                _check_health(answers)
        except CircuitOpen as error:
            self._again_at = self._now() + (error.retry_after or 1.0)
            return None
        except Away as error:
            self._failures += 1
            pause = PUBLISHING.delay(self._failures, 0.5)
            self._again_at = self._now() + pause
            log.warning("events wait for the broker", connector=self._connector.name, reason=str(error), again_in=pause)
            return None
        except _Sick:
            return answers
        self._failures = 0
        self.sent += sum(answer is None for answer in answers)
        return answers

    async def _settle(self, item: Item[tuple[Message, str]], answer: Refusal | None, *, healthy: bool) -> None:
        if answer is None:
            self._window.settle(item)
            return
        item.offered += 1
        item.refused += healthy and (not answer.sick or item.others < self.sent)
        item.others = self.sent
        if item.refused <= PUBLISHING.max_retries:
            self._window.put_back(item, self._now() + PUBLISHING.delay(item.offered, 0.5))
            return
        message, key = item.load
        log.error("an event was refused for good", id=message.id, key=key, reason=answer.reason)
        await self._bury(message, key, answer.reason, item.refused)
        self._window.settle(item)

    async def _bury(self, message: Message, key: str, reason: str, tries: int) -> None:
        store = self._engine.store
        facts: dict[str, Any] = {"taskId": message.key, "headers": [list(header) for header in message.headers]}
        letter = Letter(
            store.new_ids(1)[0], Direction.OUT, message.id, LetterStatus.DEAD, await store.now(), key, reason[:2000],
            tries, message.body, facts,
        )  # fmt: skip
        await store.keep_letters([letter])

    async def _save(self) -> None:
        """Write down how far all is sent; where another has sent it meanwhile nothing is known as saved."""
        position = self._window.position
        if position == self._saved:
            return
        if await self._engine.store.move_reader(READER, self._saved, position):
            self._saved = position
            return
        log.warning("another process sends the events now", connector=self._connector.name)
        self._saved = None

    def _message(self, event: TaskEvent, triggers: Sequence[str]) -> Message:
        headers = [("taskyard_event", event.key)]
        if triggers:
            headers.append(("taskyard_triggers", ",".join(map(_quoted, triggers))))
        if self._cloud_events:
            headers += cloud_event_headers(event)
        return Message(event.data["taskId"], event.id, msgspec.json.encode(event.envelope()), tuple(headers))


@lru_cache(4096)
def _quoted(name: str) -> str:
    """The name as it can stand in any header, between commas."""
    return quote(name, safe="")


def _check_health(answers: Sequence[Refusal | None]) -> None:
    """Raises _Sick where the other side, rather than the messages, is to blame for half of it."""
    sick = sum(answer is not None and answer.sick for answer in answers)
    if sick and sick * 2 >= len(answers):
        raise _Sick


def cloud_event_headers(event: TaskEvent) -> tuple[tuple[str, str], ...]:
    """The attributes of CloudEvents 1.0, as its binding for Kafka names them; the data is our envelope."""
    return (
        ("ce_specversion", "1.0"),
        ("ce_type", event.type),
        ("ce_source", event.metadata.source),
        ("ce_id", event.id),
        ("ce_time", written(event.timestamp)),
        ("ce_subject", event.data["taskId"]),
        ("content-type", "application/json"),
    )


def _message_of(letter: Letter) -> Message:
    headers = tuple((str(name), str(value)) for name, value in letter.facts.get("headers", ()))
    return Message(str(letter.facts.get("taskId", "")), letter.event_id, letter.body, headers)
