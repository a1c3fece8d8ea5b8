"""Work of another orchestrator is done by one task, however long that takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from taskyard.contracts.records import Filter
from taskyard.engine.define import define, parse_definition
from taskyard.engine.engine import Engine
from taskyard.engine.query import list_tasks
from taskyard.orchestrators.holding import Holding, Work
from taskyard.testing import yard_for_test
from tests.promises.fixtures_b import new_yard

DAY = 86_400.0


class Plain(Holding):
    """The variables are the input."""

    def __init__(self, engine: Engine) -> None:
        super().__init__("plain", engine, 60.0)

    def read(self, work: Work) -> dict[str, Any]:
        return dict(work.variables)


async def test_whoever_is_given_it_again_after_days_finds_the_same_task(tmp_path: Path) -> None:
    async with yard_for_test(new_yard(tmp_path)) as world:
        engine = world.yard.engine
        await define(engine, [parse_definition({"key": "check", "implementation": {"kind": "manual"}})])
        first, second = Plain(engine), Plain(engine)
        await first.take(Work("w1", "check", {"a": 1}, retries=3))
        await world.advance(2 * DAY)
        await second.take(Work("w1", "check", {"a": 2}, retries=3))
        assert second.open["w1"].task_id == first.open["w1"].task_id
        await second.take(Work("w1", "check", {"a": 2}, retries=2))
        assert len((await list_tasks(engine, Filter(), 9, None)).items) == 2
