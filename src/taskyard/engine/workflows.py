"""Workflows: tasks that are started for each new task of another definition, as the mappings of tasks say."""

from __future__ import annotations

from typing import Any

import structlog

from taskyard.domain.event import NAMES, TaskEvent
from taskyard.domain.json import digest
from taskyard.domain.lifecycle import EventType
from taskyard.domain.mapping import Mapping
from taskyard.engine.engine import Engine
from taskyard.engine.events import read_page
from taskyard.engine.request import TaskRequest
from taskyard.engine.submit import submit
from taskyard.errors import Conflict, NotFound, PayloadTooLarge, ValidationFailed
from taskyard.security.caller import SYSTEM

READER = "workflows"
_AT_ONCE = 500
_CREATED = NAMES[EventType.CREATED].key

log = structlog.get_logger("taskyard.workflows")


class Workflows:
    """Reads the feed where it has come to, and starts what new tasks are mapped to; each once."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def turn(self) -> None:
        """Start what is due now. Where nothing is mapped, nothing is read."""
        store = self._engine.store
        mappings = [each for each in await store.mappings() if each.kind == "task"]
        position = await store.reader_position(READER) if mappings else None
        if position is None:
            return
        while not await self._engine.mode.is_on():
            page = await read_page(self._engine, position, _AT_ONCE)
            if page.end == position:
                return
            for _, event, _ in page.events:
                if event.key == _CREATED:
                    await self._start(event, mappings)
            if not await store.move_reader(READER, position, page.end):
                return
            position = page.end

    async def _start(self, event: TaskEvent, mappings: list[Mapping]) -> None:
        document = {**event.data, "data": event.data, "payload": {"taskId": event.data["taskId"]}}
        for mapping in mappings:
            if mapping.source == event.data["taskDefinitionId"]:
                try:
                    await self._start_one(event, mapping, document)
                except (ValueError, NotFound, ValidationFailed, PayloadTooLarge, Conflict) as error:
                    log.error(  # noqa: TRY400 - it is somebody's mapping, not a fault of ours
                        "a workflow could not be started", mapping=mapping.mapping_id, task=event.data["taskId"],
                        reason=str(error),
                    )  # fmt: skip

    async def _start_one(self, event: TaskEvent, mapping: Mapping, document: dict[str, Any]) -> None:
        if mapping.wants(document):
            request = TaskRequest(
                task_definition_id=mapping.target, input=mapping.input_for(document), cause_type="task_Task",
                cause=event.data["taskId"], correlation_id=event.metadata.correlation_id,
            )  # fmt: skip
            once = digest(b"workflow", event.id.encode(), mapping.mapping_id.encode())
            await submit(self._engine, request, SYSTEM, once=once)
