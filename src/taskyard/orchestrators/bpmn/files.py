"""The files of a process: what its steps may be given, and what it may end with."""

from __future__ import annotations

from typing import Any

from taskyard.contracts.records import Filter
from taskyard.domain.people.document import read_extra
from taskyard.domain.schema import Validator
from taskyard.engine.engine import Engine
from taskyard.engine.people.forms import has_file
from taskyard.engine.query import Known, know
from taskyard.engine.upload import files_given, find_uploads, requester

_AT_ONCE = 100


async def check_files(engine: Engine, own: Known, validator: Validator, value: Any, prefix: str) -> None:
    """Raise ValidationFailed unless the files that `value` names are of who asked for the instance, or of its tasks.

    A variable is only text: that it names a file gives nobody the right to read it. Where it was this installation
    that asked, it may use all.
    """
    if requester(read_extra(own.facts.body.extra)) is None:
        return
    found, given = await find_uploads(engine, validator.upload_ids(value)), files_given(own)
    usable = {file.id for file in found if given(file)}
    usable |= await _of_tasks(engine, own, {file.id for file in found} - usable)
    validator.check_uploads(value, usable, prefix)


async def _of_tasks(engine: Engine, own: Known, wanted: set[str]) -> set[str]:
    """Which of the files a task of the instance has."""
    found: set[str] = set()
    after: int | None = None
    while wanted - found:
        page = await engine.store.find(Filter(workflow_id=str(own.facts.body.id)), _AT_ONCE, after)
        for known in await know(engine, page.ids):
            found |= {id_ for id_ in wanted - found if await has_file(engine, known, id_)}
        if page.next is None:
            break
        after = page.next
    return found
