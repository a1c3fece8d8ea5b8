"""Mappings: what is started by events from outside and by new tasks."""

from __future__ import annotations

from typing import Literal

from msgspec.structs import replace

from taskyard.domain.json import detail, digest, refusal
from taskyard.domain.mapping import Mapping, check_mapping
from taskyard.engine.engine import Engine
from taskyard.engine.workflows import READER
from taskyard.errors import NotFound

Kind = Literal["event", "task"]


async def put_mapping(engine: Engine, mapping: Mapping) -> tuple[Mapping, bool]:
    """Keep a mapping in place of the one with its id, or of the same source and target; and whether it is new.

    Raises ValidationFailed; NotFound where there is no such target, or source of a task's mapping.
    """
    check_mapping(mapping)
    await engine.catalog.current(mapping.target)
    known = await engine.store.mappings()
    if mapping.kind == "task":
        await engine.catalog.current(mapping.source)
        _check_ends(mapping, known)
        if all(each.kind != "task" for each in known):
            await _begin(engine)
    if not mapping.mapping_id:
        texts = (mapping.kind, mapping.source, mapping.target)
        mapping = replace(mapping, mapping_id=digest(*(text.encode() for text in texts)).hex()[:16])
    await engine.store.save_mapping(mapping)
    return mapping, all(each.mapping_id != mapping.mapping_id for each in known)


async def list_mappings(engine: Engine, kind: Kind) -> list[Mapping]:
    """The mappings of events, or of tasks, by id."""
    return [mapping for mapping in await engine.store.mappings() if mapping.kind == kind]


async def remove_mapping(engine: Engine, kind: Kind, mapping_id: str) -> None:
    """Forget a mapping. Raises NotFound."""
    if all(mapping.mapping_id != mapping_id for mapping in await list_mappings(engine, kind)) or not (
        await engine.store.remove_mapping(mapping_id)
    ):
        raise NotFound(f"there is no mapping {mapping_id!r}")


async def _begin(engine: Engine) -> None:
    """What is new from now on is mapped."""
    store = engine.store
    await store.move_reader(READER, await store.reader_position(READER), await store.feed_end())


def _check_ends(mapping: Mapping, known: list[Mapping]) -> None:
    """Raises ValidationFailed where tasks would start each other without end."""
    next_: dict[str, set[str]] = {}
    for each in known:
        if each.kind == "task" and each.mapping_id != mapping.mapping_id:
            next_.setdefault(each.source, set()).add(each.target)
    reached, front = {mapping.target}, [mapping.target]
    while front:
        for target in next_.get(front.pop(), set()) - reached:
            reached.add(target)
            front.append(target)
    if mapping.source in reached:
        raise refusal([detail("/workflowKey", f"would start {mapping.source!r} again, and so on without end", "cycle")])
