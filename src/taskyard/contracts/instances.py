"""What a store keeps of workflows' instances: how far each has come, and which of its steps have not ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from taskyard.contracts.records import Entry

NEVER = 1 << 62
"""When nothing but a task's end makes an instance go on."""


class Instance(NamedTuple):
    """How far the workflow of a task has come; `due_at` is when time makes it go on, in microseconds.

    `revision` changes with every change; 0 is that of one which is not stored yet.
    """

    task_id: int
    state: bytes
    due_at: int
    revision: int = 0


class InstanceWrite(NamedTuple):
    """What an instance is to become, at the revision it was read with.

    `started`: the tasks of its new steps; `steps`: all of its steps that have not ended then.
    """

    instance: Instance
    started: Sequence[Entry] = ()
    steps: Sequence[int] = ()


class Instances(Protocol):
    """Workflows under way."""

    async def write_instance(self, write: InstanceWrite) -> bool:
        """Store it with the tasks it starts, in one transaction; False where it has another revision by now."""

    async def instance(self, task_id: int) -> Instance | None:
        """One instance; None where there is none."""

    async def due_instances(self, until: int | None, limit: int, after: tuple[int, int]) -> list[Instance]:
        """Those due by then (None: all), after this (`due_at`, task id), in that order."""

    async def instances_of(self, task_ids: Sequence[int]) -> list[int]:
        """Which instances these tasks are, or are steps of."""

    async def wake_instances(self, task_ids: Sequence[int]) -> None:
        """Let those that these tasks are, or are steps of, be due now."""

    async def remove_instance(self, task_id: int, revision: int) -> bool:
        """Forget an instance and its steps; its tasks stay. False where it has another revision by now, or is gone."""
