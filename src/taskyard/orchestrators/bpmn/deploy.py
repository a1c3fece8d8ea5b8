"""Deploying: from a BPMN file to the definitions that it amounts to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec.structs import replace

from taskyard.domain.definition import Definition, Kind
from taskyard.domain.queue import TaskType
from taskyard.engine.define import define, parse_definition
from taskyard.engine.engine import Engine
from taskyard.errors import NotFound
from taskyard.orchestrators.bpmn.machine import known
from taskyard.orchestrators.bpmn.model import Model


async def deploy(engine: Engine, source: str, about: Mapping[str, Any]) -> Kind:
    """Store the process in a BPMN file as a definition of its id, and with it those of its user and script tasks.

    `about`: what else the definition is to say, such as its `inputSchema`. Raises ValidationFailed.
    """
    model = known(source)
    given = {"title": model.name, "description": model.documentation, **about}
    process = parse_definition({**given, "key": model.key, "implementation": {"kind": "bpmn", "source": source}})
    return (await define(engine, [process, *own_definitions(model)]))[0]


def own_definitions(model: Model) -> Iterator[Definition]:
    """The definitions of the steps that the file itself describes."""
    for step in model.steps.values():
        made = Definition(key=step.definition, title=step.name or step.id, description=step.documentation)
        if step.tag == "userTask":
            yield replace(made, task_type=TaskType.MANUAL, implementation={"kind": "manual"})
        elif step.script is not None and not step.is_computed:
            language, text = step.script
            yield replace(made, implementation={"kind": language, "source": text})


async def missing(engine: Engine, model: Model) -> list[str]:
    """The definitions that the process asks for and nobody has registered."""
    wanted = {step.definition for step in model.steps.values() if not step.is_computed}
    absent = []
    for key in sorted(wanted - {each.key for each in own_definitions(model)}):
        try:
            await engine.catalog.current(key)
        except NotFound:
            absent.append(key)
    return absent
