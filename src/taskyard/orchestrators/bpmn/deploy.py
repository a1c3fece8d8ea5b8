"""Deploying: from a BPMN file to the definitions that it amounts to."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterator, Mapping
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

    Somebody may have given a user task's definition a form and rules of its own: what is there stays. `about`: what
    else the process's definition is to say, such as its `inputSchema`. Raises ValidationFailed.
    """
    model = await asyncio.to_thread(known, source)
    given = {"title": model.name, "description": model.documentation, **about}
    process = parse_definition({**given, "key": model.key, "implementation": {"kind": "bpmn", "source": source}})
    steps = [*own_definitions(model)]
    absent = await absent_among(engine, {each.key for each in steps})
    stored = [each for each in steps if each.kind != "manual" or each.key in absent]
    return (await define(engine, [process, *stored]))[0]


async def define_absent(engine: Engine, source: str) -> None:
    """Store those definitions of a process's own that are not there. Raises ValidationFailed."""
    steps = [*own_definitions(await asyncio.to_thread(known, source))]
    absent = await absent_among(engine, {each.key for each in steps})
    await define(engine, [each for each in steps if each.key in absent])


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
    return sorted(await absent_among(engine, wanted - {each.key for each in own_definitions(model)}))


async def absent_among(engine: Engine, keys: Collection[str]) -> set[str]:
    """Those of these definitions that nobody has registered."""
    absent = set()
    for key in keys:
        try:
            await engine.catalog.current(key)
        except NotFound:
            absent.add(key)
    return absent
