"""What a store does with tasks when nobody works on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from taskyard.contracts.inbox import Room
from taskyard.contracts.records import Opened, Settlement
from taskyard.domain.lifecycle import EventType


class Moves(Protocol):
    """Moves that are not a worker's."""

    async def cancel(self, task_id: int, by: str | None, reason: str | None, version: int | None) -> bool:
        """CANCELED at once, from any place but the dead letters; False when it is final or unknown.

        Raises Conflict when `version` is given and is not the task's present one.
        """

    async def requeue(
        self, task_ids: Sequence[int], by: str, reason: str, new_input: bytes | None, delays_us: Sequence[int] = ()
    ) -> list[int]:
        """Out of the dead letters into their queue with fresh budgets; the ids that were there.

        `new_input` replaces the task's input, which is kept in the note of who and why; then `by` is one of its
        correctors. `delays_us`, one a task, are waited for first.
        """

    async def discard(self, task_ids: Sequence[int], by: str, reason: str) -> list[int]:
        """Out of the dead letters for good, FAILED as before; the ids that were there. Noted and told."""

    async def hurry(self, task_id: int) -> bool:
        """A delayed or retrying task becomes ready now; False when it is neither."""

    async def settle_open(
        self, task_id: int, settlement: Settlement, version: int | None, seen: bytes | None = None
    ) -> bool:
        """A task that waits for a person or a system ends (or retries) as told; False when it does not wait.

        Without a `run_ms` that is how long it has waited; failures and losses never become fewer.
        `seen`: the key of the event that brought the answer, noted with it.
        Raises Conflict when `version` is given and is not the task's present one.
        """

    async def rerun(
        self, task_id: int, by: str, reason: str | None, new_input: bytes | None, version: int | None
    ) -> bool:
        """What a person has mended goes back to its queue with fresh budgets; False when it is not open.

        `new_input` replaces the task's input, which is kept with who and why in the attempt that this was; then `by` is
        one of its correctors.
        Raises Conflict when `version` is given and is not the task's present one.
        """

    async def take_up(
        self, task_id: int, opened: Opened, body: dict[str, Any], version: int | None, room: Room | None = None
    ) -> bool:
        """Out of the dead letters to a person, with a note, and with fresh budgets; False when it is not there.

        Raises Conflict when `version` is given and is not the task's present one; Full where there is no `room`.
        """

    async def change_open(
        self, task_id: int, opened: Opened, note: EventType, body: dict[str, Any], version: int | None,
        room: Room | None = None,
    ) -> bool:  # fmt: skip
        """Change whom or what an open task waits for, with a note; False when it is not open.

        Raises Conflict when `version` is given and is not the task's present one; Full where there is no `room`, of all
        who ask at once.
        """
