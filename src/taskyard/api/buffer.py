"""What a follower has not been sent yet: bounded, so that a slow client costs little and slows nobody."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any

Message = dict[str, Any]

PATIENCE = 1.0
"""Seconds a full buffer waits for its client before it skips lines."""

_TEXT_AT_ONCE = 128 * 1024
"""Characters of lines after which no more are taken at once: what a slow connection carries while it is waited for."""

_TEXT_HELD = 1024 * 1024
"""Characters of lines that a client has not taken, after which there is room for no more."""

_MAY_BE_SKIPPED = frozenset({"log", "progress"})


class Buffer:
    """At most `size` messages between a source and a client, and of lines not many more than a Mi characters.

    While the client takes messages the source waits for it; once it has taken none for `patience` seconds,
    the oldest lines make room for new ones, and the client is told how many it missed. What is told of states
    and results is never skipped.
    """

    def __init__(self, size: int, patience: float = PATIENCE) -> None:
        self._size = size
        self._patience = patience
        self._messages: deque[Message] = deque()
        self._characters = 0
        self._gap: Message | None = None
        self._ended = False
        self._is_slow = False
        self._filled = asyncio.Event()
        self._drained = asyncio.Event()

    async def put(self, *messages: Message) -> None:
        """Add messages, waiting for room as far as the client deserves it."""
        for message in messages:
            while self._is_full and await self._make_room():
                pass
            self._messages.append(message)
            self._characters += _length(message)
            self._filled.set()

    def end(self) -> None:
        """Nothing more will be put."""
        self._ended = True
        self._filled.set()

    async def take(self, most: int = 1) -> list[Message]:
        """The next messages, up to `most` of those that are there, fewer of long lines; none after the last."""
        while not self._messages:
            if self._ended:
                return []
            self._filled.clear()
            await self._filled.wait()
        self._is_slow = False
        self._drained.set()
        taken: list[Message] = []
        room = _TEXT_AT_ONCE
        while self._messages and len(taken) < most and room > 0:
            taken.append(self._next())
            room -= _length(taken[-1])
        return taken

    @property
    def _is_full(self) -> bool:
        return len(self._messages) >= self._size or self._characters >= _TEXT_HELD

    async def _make_room(self) -> bool:
        """Whether there is more of it now, or may be."""
        if self._is_slow:
            return self._skip()
        self._drained.clear()
        try:
            async with asyncio.timeout(self._patience):
                await self._drained.wait()
        except TimeoutError:
            self._is_slow = True
        return True

    def _next(self) -> Message:
        gap = self._gap
        if gap is not None and self._messages[0]["sequence"] > gap["sequence"]:
            self._gap = None
            return gap
        self._characters -= _length(self._messages[0])
        return self._messages.popleft()

    def _skip(self) -> bool:
        """Drop the oldest line, and tell of it where it would have stood; False where there is none."""
        oldest = next((m for m in self._messages if m["type"] in _MAY_BE_SKIPPED), None)
        if oldest is None:
            return False
        self._messages.remove(oldest)
        self._characters -= _length(oldest)
        if oldest["type"] == "log":
            skipped = 1 if self._gap is None else self._gap["skipped"] + 1
            self._gap = {"type": "gap", "sequence": oldest["sequence"], "at": oldest["at"], "skipped": skipped}
        return True


def _length(message: Message) -> int:
    return len(message.get("text", ""))
